/* The three passes of convolution against double-precision loops, in exact mode and with the error
 * bound. */
#include "harness.h"

typedef struct conv_case {
  const char *name;
  int32_t n, c, h, w, k, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h,
      dilation_w, groups, flags, layout;
  int32_t x_halo, y_halo, dx_halo, dy_halo;
  int32_t unread_h, unread_w; /* rows and columns of the largest y that are left out */
} conv_case;

enum { P = CN_PLAIN, T = CN_BLOCKED, B = CN_BIAS, R = CN_BIAS | CN_RELU };

static const conv_case cases[] = {
    /* name, n, c, h, w, k, kernel, stride, pad, dilation, groups, flags, layout, halos x y dx dy */
    {"1x1 of one pixel", 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"3x3 same", 2, 16, 9, 7, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, R, T, 1, 1, 1, 1, 0, 0},
    {"3x3 same, packed", 2, 16, 9, 7, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, R, T, 0, 0, 0, 0, 0, 0},
    {"3x3, wide halos", 1, 17, 5, 16, 33, 3, 3, 1, 1, 1, 1, 1, 1, 1, 0, T, 3, 2, 1, 3, 0, 0},
    {"3 channels blocked", 3, 3, 6, 8, 5, 3, 2, 1, 1, 1, 0, 1, 1, 1, B, T, 1, 0, 2, 1, 0, 0},
    {"three blocks", 1, 40, 13, 15, 47, 3, 3, 1, 1, 1, 1, 1, 1, 1, B, T, 1, 1, 1, 1, 0, 0},
    {"5x5 valid", 4, 6, 14, 14, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1, R, T, 0, 0, 0, 4, 0, 0},
    {"5x5 valid, dy packed", 4, 6, 14, 14, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1, R, T, 0, 0, 0, 0, 0, 0},
    {"3x3 valid", 3, 16, 7, 6, 20, 3, 3, 1, 1, 0, 0, 1, 1, 1, R, T, 0, 1, 0, 0, 0, 0},
    {"3x3, pad 2 and 3", 1, 20, 6, 13, 48, 3, 3, 1, 1, 2, 3, 1, 1, 1, B, T, 1, 0, 1, 0, 0, 0},
    {"3x3, unread border", 2, 16, 9, 10, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, B, T, 1, 0, 0, 1, 1, 2},
    {"3x3 of many tiles", 4, 32, 30, 34, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1, R, T, 1, 0, 1, 2, 0, 0},
    {"16 samples, 6 channels", 19, 6, 8, 9, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1, B, T, 0, 0, 1, 0, 0, 0},
    {"16 samples, stride 2", 16, 8, 7, 6, 33, 3, 3, 2, 2, 1, 1, 1, 1, 1, 0, T, 1, 0, 0, 1, 0, 0},
    {"16 samples, dilation 2", 17, 5, 9, 7, 18, 3, 2, 1, 1, 2, 1, 2, 2, 1, B, T, 2, 0, 0, 0, 0, 0},
    {"16 samples, stride 4", 33, 7, 9, 11, 5, 3, 2, 3, 4, 1, 0, 1, 1, 1, 0, T, 1, 0, 2, 0, 0, 0},
    {"1x1", 2, 64, 7, 7, 48, 1, 1, 1, 1, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"1x1 with halos", 2, 32, 7, 5, 48, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, T, 1, 2, 0, 1, 0, 0},
    {"1x1, x with a halo", 2, 32, 7, 5, 48, 1, 1, 1, 1, 0, 0, 1, 1, 1, B, T, 1, 0, 1, 0, 0, 0},
    {"1x1, y with a halo", 2, 32, 7, 5, 48, 1, 1, 1, 1, 0, 0, 1, 1, 1, B, T, 0, 1, 0, 1, 0, 0},
    {"1x1 padded, unread", 2, 16, 6, 7, 16, 1, 1, 1, 1, 1, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 2, 0},
    {"1x1 of many columns", 1, 16, 30, 29, 16, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, T, 0, 0, 0, 0, 0, 0},
    {"1x1 of 17 channels", 3, 17, 19, 23, 17, 1, 1, 1, 1, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"1x1 stride 2", 2, 32, 9, 8, 16, 1, 1, 2, 2, 0, 0, 1, 1, 1, 0, T, 0, 0, 0, 0, 0, 0},
    {"3x3 stride 2", 2, 32, 12, 10, 40, 3, 3, 2, 2, 1, 1, 1, 1, 1, B, T, 1, 1, 1, 1, 0, 0},
    {"3x3 stride 2, packed", 2, 32, 13, 9, 40, 3, 3, 2, 2, 1, 1, 1, 1, 1, B, T, 0, 0, 1, 0, 0, 0},
    {"stride 3 and 1", 1, 20, 11, 9, 18, 3, 4, 3, 1, 2, 1, 1, 1, 1, B, T, 2, 0, 0, 2, 0, 0},
    {"stride > kernel", 2, 18, 11, 13, 18, 2, 1, 3, 4, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"stride 5, 4 wide", 2, 18, 16, 19, 18, 2, 3, 5, 5, 1, 2, 1, 1, 1, B, T, 0, 1, 2, 0, 0, 0},
    {"dilation 2", 2, 16, 11, 9, 16, 3, 3, 1, 1, 2, 2, 2, 2, 1, 0, T, 2, 0, 0, 2, 0, 0},
    {"dilation 2, stride 2", 1, 16, 12, 14, 16, 3, 3, 2, 2, 2, 1, 2, 2, 1, B, T, 2, 0, 0, 1, 0, 0},
    {"dilation 3, stride 2", 1, 16, 15, 14, 16, 3, 2, 2, 2, 3, 2, 3, 3, 1, B, T, 1, 0, 0, 1, 0, 0},
    {"dilation 2, stride 4", 1, 16, 16, 17, 16, 3, 3, 4, 4, 1, 3, 2, 2, 1, B, T, 3, 0, 1, 2, 0, 0},
    {"unread border", 2, 16, 9, 9, 16, 3, 3, 2, 2, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 1, 2},
    {"11x11", 1, 16, 12, 13, 16, 11, 11, 1, 1, 5, 5, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"pad > kernel", 1, 5, 4, 3, 7, 2, 2, 1, 1, 3, 4, 1, 1, 1, B, T, 4, 0, 0, 0, 0, 0},
    {"more rows than a unit", 1, 64, 40, 40, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, B, T, 1, 1, 1, 1, 0, 0},
    {"large weights", 1, 160, 5, 6, 144, 3, 3, 1, 1, 1, 1, 1, 1, 1, B, T, 1, 1, 1, 1, 0, 0},
    {"large weights, packed", 2, 160, 5, 6, 144, 3, 3, 1, 1, 1, 1, 1, 1, 1, B, T, 0, 1, 1, 0, 0, 0},
    {"chunks", 8, 16, 28, 28, 16, 5, 5, 1, 1, 2, 2, 1, 1, 1, B, T, 2, 0, 0, 2, 0, 0},
    {"chunks, packed", 6, 16, 28, 28, 16, 5, 5, 1, 1, 2, 2, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"stem 5x5", 3, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1, R, P, 2, 1, 0, 0, 0, 0},
    {"stem 5x5, packed", 3, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1, R, P, 0, 1, 0, 0, 0, 0},
    {"stem 7x7 stride 2", 2, 3, 20, 23, 64, 7, 7, 2, 2, 3, 3, 1, 1, 1, B, P, 3, 1, 1, 0, 0, 0},
    {"stem 11x11 stride 4", 1, 3, 35, 31, 64, 11, 11, 4, 4, 2, 2, 1, 1, 1, B, P, 2, 0, 0, 0, 0, 0},
    {"stem 3x3 stride 3", 2, 15, 10, 11, 20, 3, 3, 3, 3, 1, 1, 1, 1, 1, B, P, 1, 1, 2, 1, 0, 0},
    {"stem 3x3", 16, 3, 32, 32, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, R, P, 1, 1, 0, 0, 0, 0},
    {"stem 1x1", 2, 2, 5, 6, 3, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, P, 0, 0, 0, 0, 0, 0},
    {"stem, dilation 2", 1, 4, 9, 12, 17, 3, 2, 1, 2, 2, 1, 2, 3, 1, 0, P, 1, 2, 1, 0, 0, 0},
    {"stem, 16 samples", 18, 3, 12, 11, 20, 5, 5, 2, 2, 2, 2, 1, 1, 1, B, P, 2, 0, 1, 0, 0, 0},
    {"stem of 1, 16 samples", 16, 1, 9, 9, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1, R, P, 2, 1, 0, 0, 0, 0},
    {"stem of 3, 8 filters", 2, 3, 9, 41, 8, 3, 7, 1, 1, 1, 3, 1, 1, 1, R, P, 3, 1, 0, 0, 0, 0},
    {"stem of 6, odd parts", 3, 1, 75, 62, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, R, P, 1, 1, 0, 0, 0, 0},
    {"stem of 2, 2 filters", 5, 2, 11, 17, 2, 3, 2, 2, 1, 2, 1, 2, 3, 1, B, P, 0, 0, 0, 0, 0, 0},
    {"stem pooled in parts", 1, 1, 66, 64, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, R, P, 1, 1, 0, 0, 0, 0},
    {"stem 15 wide", 1, 2, 18, 20, 17, 2, 15, 1, 1, 0, 7, 1, 1, 1, 0, P, 7, 0, 0, 0, 0, 0},
    {"stem, large weights",
     1,
     15,
     17,
     15,
     112,
     11,
     11,
     4,
     4,
     2,
     2,
     1,
     1,
     1,
     0,
     P,
     2,
     0,
     1,
     0,
     0,
     0},
    {"two groups of 16", 2, 32, 6, 7, 32, 3, 3, 1, 1, 1, 1, 1, 1, 2, B, T, 1, 1, 1, 1, 0, 0},
    {"three groups of 32", 1, 96, 5, 6, 144, 3, 3, 2, 2, 1, 1, 1, 1, 3, R, T, 0, 1, 1, 0, 0, 0},
    {"depthwise", 3, 20, 11, 13, 20, 3, 3, 1, 1, 1, 1, 1, 1, 20, R, T, 1, 1, 0, 0, 0, 0},
    /* dw: depthwise */
    {"dw 5x4 stride 2", 2, 17, 12, 19, 17, 5, 4, 2, 2, 2, 1, 1, 1, 17, B, T, 0, 2, 1, 1, 0, 0},
    {"depthwise dilation 2", 2, 16, 9, 30, 16, 3, 3, 1, 1, 2, 2, 2, 2, 16, 0, T, 0, 0, 0, 0, 0, 0},
    {"dw stride 2, even", 2, 33, 12, 14, 33, 3, 3, 2, 2, 1, 1, 1, 1, 33, R, T, 1, 0, 0, 0, 0, 0},
    {"dw stride 2, odd", 2, 33, 13, 15, 33, 3, 3, 2, 2, 1, 1, 1, 1, 33, B, T, 0, 1, 1, 0, 0, 0},
    {"dw 5x5", 2, 17, 9, 29, 17, 5, 5, 1, 1, 2, 2, 1, 1, 17, B, T, 0, 0, 0, 0, 0, 0},
    {"dw 5x5 stride 2", 1, 20, 11, 33, 20, 5, 5, 2, 2, 2, 2, 1, 1, 20, R, T, 0, 1, 0, 0, 0, 0},
    {"dw 7x7", 1, 20, 9, 29, 20, 7, 7, 1, 1, 3, 3, 1, 1, 20, B, T, 1, 0, 1, 0, 0, 0},
    {"dw 7x6, narrower", 1, 5, 3, 4, 5, 7, 6, 1, 1, 3, 4, 1, 1, 5, R, T, 0, 0, 0, 1, 0, 0},
    {"dw, pad > kernel", 1, 16, 4, 3, 16, 2, 2, 1, 1, 3, 4, 1, 1, 16, B, T, 0, 1, 0, 0, 0, 0},
    {"dw stride 5, 4 wide", 2, 18, 16, 19, 18, 2, 3, 5, 5, 1, 2, 1, 1, 18, B, T, 0, 0, 1, 0, 0, 0},
    {"dw dilation 2, 4", 1, 16, 17, 23, 16, 3, 3, 4, 4, 1, 3, 2, 2, 16, B, T, 0, 0, 0, 0, 0, 0},
    {"dw dilation 3, 2", 1, 16, 15, 14, 16, 3, 2, 2, 2, 3, 2, 3, 3, 16, B, T, 0, 0, 0, 0, 0, 0},
    {"dw, unread border", 2, 16, 9, 9, 16, 3, 3, 2, 2, 0, 0, 1, 1, 16, B, T, 0, 0, 0, 0, 1, 2},
    {"dw of long rows", 1, 2, 3, 600, 2, 3, 3, 1, 1, 1, 1, 1, 1, 2, B, T, 0, 0, 0, 0, 0, 0},
    {"dw, many samples", 35, 40, 5, 7, 40, 3, 3, 1, 1, 1, 1, 1, 1, 40, B, T, 0, 0, 0, 0, 0, 0},
    {"two groups of 3", 2, 6, 7, 8, 10, 3, 3, 2, 1, 1, 1, 1, 2, 2, R, T, 1, 2, 1, 0, 0, 0},
    {"2 groups, 16 to 5", 1, 32, 5, 6, 10, 3, 3, 1, 1, 1, 1, 1, 1, 2, B, T, 0, 0, 0, 0, 0, 0},
    {"2 groups, 5 to 16", 1, 10, 5, 6, 32, 3, 3, 1, 1, 1, 1, 1, 1, 2, B, T, 0, 0, 0, 0, 0, 0},
    {"channel multiplier", 1, 17, 5, 6, 34, 3, 3, 1, 1, 1, 1, 1, 1, 17, B, T, 0, 0, 0, 0, 0, 0},
};

/* Multiples of 24^2 of weights and of dy give exact results with the fractions of F(4x4, 3x3). */
enum { WINOGRAD_SCALE = 576 };

/* One case with its data in plain order; and, once solved, what it must give. */
typedef struct problem {
  const conv_case *t;
  cn_conv2d conv;
  int32_t n;
  int64_t x_count, y_count, w_count;
  float *x, *w, *bias, *dy;
  float *y_add, *dx_add; /* null: the passes alone, without what may follow them */
  bool mask;             /* dx only where x > 0 */
  bool statistics;       /* of the rows of y */
  tracked_sum *y, *dx, *dw, *db;
} problem;

static int32_t output_size(int32_t in, int32_t kernel, int32_t stride, int32_t pad,
                           int32_t dilation) {
  return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
}

static cn_conv2d conv_of(const conv_case *t) {
  const int32_t h = output_size(t->h, t->kernel_h, t->stride_h, t->pad_h, t->dilation_h);
  const int32_t w = output_size(t->w, t->kernel_w, t->stride_w, t->pad_w, t->dilation_w);
  const cn_tensor y = {t->k, h - t->unread_h, w - t->unread_w, t->y_halo, CN_BLOCKED};
  cn_conv2d conv = {.x = {t->c, t->h, t->w, t->x_halo, t->layout},
                    .y = y,
                    .dx = {t->c, t->h, t->w, t->dx_halo, t->layout},
                    .dy = y,
                    .kernel_h = t->kernel_h,
                    .kernel_w = t->kernel_w,
                    .stride_h = t->stride_h,
                    .stride_w = t->stride_w,
                    .pad_h = t->pad_h,
                    .pad_w = t->pad_w,
                    .dilation_h = t->dilation_h,
                    .dilation_w = t->dilation_w,
                    .groups = t->groups,
                    .flags = t->flags};
  conv.dy.halo = t->dy_halo;
  return conv;
}

static tracked_sum *new_sums(int64_t count) {
  tracked_sum *s = calloc((size_t)count, sizeof(tracked_sum));
  if (s == NULL) abort();
  return s;
}

/* The seven loops; every product is a term of one y, one dx and one dw. What is added is a term
 * too; then come the ReLU of y, and that of x where values were added to dx. */
static void solve(problem *p) {
  const cn_conv2d *c = &p->conv;
  p->y = new_sums(p->y_count);
  p->dx = new_sums(p->x_count);
  p->dw = new_sums(p->w_count);
  p->db = new_sums(c->y.c);
  const int64_t channels = c->x.c / c->groups, filters = c->y.c / c->groups;
  for (int64_t i = 0; i < p->n; i++)
    for (int64_t k = 0; k < c->y.c; k++)
      for (int64_t q = 0; q < (int64_t)c->y.h * c->y.w; q++) {
        const int64_t oy = q / c->y.w, ox = q % c->y.w;
        const int64_t out = (i * c->y.c + k) * c->y.h * c->y.w + q;
        if (p->bias != NULL) add_term(&p->y[out], p->bias[k]);
        add_term(&p->db[k], p->dy[out]);
        for (int64_t j = 0; j < channels; j++)
          for (int64_t tap = 0; tap < (int64_t)c->kernel_h * c->kernel_w; tap++) {
            const int64_t iy = oy * c->stride_h + tap / c->kernel_w * c->dilation_h - c->pad_h;
            const int64_t ix = ox * c->stride_w + tap % c->kernel_w * c->dilation_w - c->pad_w;
            if (iy < 0 || ix < 0 || iy >= c->x.h || ix >= c->x.w) continue;
            const int64_t channel = k / filters * channels + j;
            const int64_t in = ((i * c->x.c + channel) * c->x.h + iy) * c->x.w + ix;
            const int64_t weight = (k * channels + j) * c->kernel_h * c->kernel_w + tap;
            add_term(&p->y[out], (double)p->w[weight] * p->x[in]);
            add_term(&p->dx[in], (double)p->w[weight] * p->dy[out]);
            add_term(&p->dw[weight], (double)p->x[in] * p->dy[out]);
          }
      }
  for (int64_t i = 0; i < p->y_count; i++) {
    if (p->y_add != NULL) add_term(&p->y[i], p->y_add[i]);
    if ((c->flags & CN_RELU) != 0 && p->y[i].sum <= 0.0) p->y[i].sum = 0.0;
  }
  for (int64_t i = 0; i < p->x_count; i++) {
    if (p->dx_add != NULL) add_term(&p->dx[i], p->dx_add[i]);
    if (p->mask && p->x[i] <= 0.0f) p->dx[i].sum = 0.0;
  }
}

/* Convolutions that were pooled along with: the rest do not stay in cache. */
static int pooled_cases;
static int gradients_behind_pools; /* those with a kernel for them */

static float *new_scaled(int64_t count, int32_t most, int32_t scale) {
  float *values = new_integers(count, most);
  for (int64_t i = 0; i < count; i++) values[i] *= (float)scale;
  return values;
}

static problem problem_of(const conv_case *t, int32_t algorithm, bool exact, bool tail) {
  problem p = {.t = t, .conv = conv_of(t), .n = t->n, .mask = tail, .statistics = tail && !exact};
  const int32_t scale = algorithm == CN_DIRECT ? 1 : WINOGRAD_SCALE;
  p.conv.algorithm = algorithm;
  const cn_conv2d *c = &p.conv;
  p.x_count = (int64_t)t->n * c->x.c * c->x.h * c->x.w;
  p.y_count = (int64_t)t->n * c->y.c * c->y.h * c->y.w;
  p.w_count = (int64_t)c->y.c * (c->x.c / c->groups) * c->kernel_h * c->kernel_w;
  seed_values((uint64_t)(t - cases) + 1);
  p.x = exact ? new_integers(p.x_count, 4) : new_reals(p.x_count);
  p.w = exact ? new_scaled(p.w_count, 3, scale) : new_reals(p.w_count);
  p.dy = exact ? new_scaled(p.y_count, 3, scale) : new_reals(p.y_count);
  if ((c->flags & CN_BIAS) != 0) p.bias = exact ? new_integers(c->y.c, 9) : new_reals(c->y.c);
  if (tail) {
    p.y_add = exact ? new_integers(p.y_count, 50) : new_reals(p.y_count);
    if ((t - cases) % 2 == 0) /* else the mask alone */
      p.dx_add = exact ? new_scaled(p.x_count, 50, scale * scale) : new_reals(p.x_count);
  }
  return p;
}

static void free_problem(problem *p) {
  float *values[] = {p->x, p->w, p->dy, p->bias, p->y_add, p->dx_add};
  tracked_sum *sums[] = {p->y, p->dx, p->dw, p->db};
  for (int i = 0; i < 6; i++) free(values[i]);
  for (int i = 0; i < 4; i++) free(sums[i]);
}

/* What one call wrote, kept to compare the bits of the next thread count with. */
typedef struct outputs {
  float *y, *dx, *dw, *db, *statistics;
  int64_t y_floats, dx_floats, dw_floats, db_floats, statistics_floats;
} outputs;

static float *new_workspace(const cn_context *context, const problem *p, int32_t pass,
                            int64_t *floats) {
  *floats = cn_conv2d_workspace_floats(context, &p->conv, pass, p->n);
  CHECK(*floats >= 0, "%s: workspace %lld", p->t->name, (long long)*floats);
  return new_floats(*floats);
}

/* What is added lies with another halo than what it is added to. */
static float *new_add(cn_conv2d *conv, const cn_tensor *out, int32_t n, const float *plain) {
  if (plain == NULL) return NULL;
  conv->add = *out;
  conv->add.halo = (out->halo + 1) % 3;
  return new_tensor(&conv->add, n, plain);
}

static outputs run(const cn_context *context, const problem *p) {
  const cn_conv2d *c = &p->conv;
  outputs o = {.y_floats = cn_tensor_floats(&c->y, p->n),
               .dx_floats = cn_tensor_floats(&c->dx, p->n),
               .dw_floats = cn_conv2d_weight_floats(c),
               .db_floats = (c->y.c + 15) / 16 * 16,
               .statistics_floats = cn_row_statistics_floats(&c->y, p->n)};
  o.y = new_floats(o.y_floats);
  o.dx = new_floats(o.dx_floats);
  o.dw = new_floats(o.dw_floats);
  o.db = p->bias != NULL ? new_floats(o.db_floats) : NULL;
  float *x = new_tensor(&c->x, p->n, p->x), *dy = new_tensor(&c->dy, p->n, p->dy);
  o.statistics = p->statistics ? new_floats(o.statistics_floats) : NULL;
  float *w = new_floats(o.dw_floats);
  cn_conv2d y_conv = *c, dx_conv = *c;
  float *y_add = new_add(&y_conv, &c->y, p->n, p->y_add);
  float *dx_add = new_add(&dx_conv, &c->dx, p->n, p->dx_add);
  float *bias = p->bias != NULL ? new_channels(c->y.c, p->bias) : NULL;
  CHECK(cn_conv2d_pack_weights(context, c, p->w, w) == CN_OK, "%s", p->t->name);

  int64_t floats;
  float *workspace = new_workspace(context, p, CN_FORWARD, &floats);
  int32_t status = cn_conv2d_forward(context, &y_conv, p->n, x, w, bias, y_add, o.y, o.statistics,
                                     workspace, floats);
  CHECK(status == CN_OK, "%s: forward: %s", p->t->name, cn_status_text(status));
  free(workspace);
  workspace = new_workspace(context, p, CN_BACKWARD_DATA, &floats);
  status = cn_conv2d_backward_data(context, &dx_conv, p->n, dy, w, dx_add, p->mask ? x : NULL, o.dx,
                                   workspace, floats);
  CHECK(status == CN_OK, "%s: backward data: %s", p->t->name, cn_status_text(status));
  free(workspace);
  workspace = new_workspace(context, p, CN_BACKWARD_WEIGHTS, &floats);
  status = cn_conv2d_backward_weights(context, c, p->n, x, dy, o.dw, o.db, NULL, workspace, floats);
  CHECK(status == CN_OK, "%s: backward weights: %s", p->t->name, cn_status_text(status));
  free(workspace);
  float *all[] = {x, dy, w, bias, y_add, dx_add};
  for (int i = 0; i < 6; i++) free(all[i]);
  return o;
}

/* The values of a tile share their errors: the largest bound of a tensor holds for all of it. */
static void check_values(const char *what, const problem *p, const tracked_sum *expected,
                         const float *got, int64_t count, bool exact) {
  if (exact || p->conv.algorithm == CN_DIRECT) {
    check_sums(what, expected, got, count, exact);
    return;
  }
  double *sums = calloc((size_t)count, sizeof(double)), scale = 0.0;
  if (sums == NULL) abort();
  for (int64_t i = 0; i < count; i++) {
    sums[i] = expected[i].sum;
    scale = fmax(scale, sqrt(expected[i].squares) + expected[i].largest);
  }
  check_close(what, sums, got, count, scale, p->conv.algorithm == CN_WINOGRAD_4 ? 256.0 : 32.0);
  free(sums);
}

static void check_outputs(const cn_context *context, const problem *p, const outputs *o,
                          bool exact) {
  const cn_conv2d *c = &p->conv;
  char what[128];
  snprintf(what, sizeof what, "%s, isa %d, algorithm %d, y", p->t->name, (int)context->isa,
           (int)c->algorithm);
  float *y = new_floats(p->y_count), *dx = new_floats(p->x_count), *dw = new_floats(p->w_count);
  read_tensor(what, &c->y, p->n, o->y, y);
  check_values(what, p, p->y, y, p->y_count, exact);
  what[strlen(what) - 1] = 'x';
  read_tensor(what, &c->dx, p->n, o->dx, dx);
  check_values(what, p, p->dx, dx, p->x_count, exact);
  what[strlen(what) - 1] = 'w';
  CHECK(cn_conv2d_unpack_weights(context, c, o->dw, dw) == CN_OK, "%s", what);
  check_values(what, p, p->dw, dw, p->w_count, exact);
  what[strlen(what) - 1] = 'b';
  if (o->db != NULL) check_sums(what, p->db, o->db, c->y.c, exact);
  for (int64_t i = c->y.c; i < o->db_floats && o->db != NULL; i++)
    CHECK(o->db[i] == 0.0f, "%s: padding %lld", what, (long long)i);
  if (o->statistics != NULL) {
    float *statistics = new_floats(o->statistics_floats);
    CHECK(cn_row_statistics(context, &c->y, p->n, o->y, statistics) == CN_OK, "%s", what);
    check_same_bits("statistics of rows", statistics, o->statistics, o->statistics_floats);
    free(statistics);
  }
  /* Packing what was unpacked gives the same floats: padding is zero. */
  float *again = new_floats(o->dw_floats);
  CHECK(cn_conv2d_pack_weights(context, c, dw, again) == CN_OK, "%s", what);
  for (int64_t i = 0; i < o->dw_floats; i++)
    if (again[i] != o->dw[i]) {
      CHECK(false, "%s: packed gradient %lld is %g, expected %g", what, (long long)i,
            (double)o->dw[i], (double)again[i]);
      break;
    }
  free(y);
  free(dx);
  free(dw);
  free(again);
}

static void free_outputs(outputs *o) {
  free(o->y);
  free(o->dx);
  free(o->dw);
  free(o->db);
  free(o->statistics);
}

static void run_case(const conv_case *t, int32_t algorithm, bool exact, bool tail) {
  problem p = problem_of(t, algorithm, exact, tail);
  solve(&p);
  for (int32_t isa = first_isa(); isa <= cn_cpu_isa(); isa++) {
    outputs first = {0};
    /* Exact sums have the same bits in any order: there one run says all. */
    for (int i = 0; i < (exact ? 1 : THREAD_COUNTS); i++) {
      const cn_context context = context_of(isa, thread_counts[i]);
      outputs o = run(&context, &p);
      if (i == 0) {
        check_outputs(&context, &p, &o, exact);
        first = o;
        continue;
      }
      check_same_bits(t->name, first.y, o.y, o.y_floats);
      check_same_bits(t->name, first.dx, o.dx, o.dx_floats);
      check_same_bits(t->name, first.dw, o.dw, o.dw_floats);
      if (tail) check_same_bits(t->name, first.statistics, o.statistics, o.statistics_floats);
      if (o.db != NULL) check_same_bits(t->name, first.db, o.db, o.db_floats);
      free_outputs(&o);
    }
    free_outputs(&first);
  }
  free_problem(&p);
}

/*
 * Which tiles cover a row, or the filter rows of a stem, depends on its width and on the blocks of
 * channels: every width that an instruction set has tiles for, and more.
 */
static void every_width_is_covered(void) {
  for (int32_t width = 1; width <= 20; width++)
    for (int32_t blocks = 1; blocks <= 3; blocks++) {
      char name[64];
      snprintf(name, sizeof name, "%d wide to %d blocks", (int)width, (int)blocks);
      conv_case t = {name, 1, 3, 5, width, 16 * blocks, 3, 3, 1, 1, 1, 1,
                     1,    1, 1, B, T,     1,           0, 0, 1, 0, 0};
      run_case(&t, CN_DIRECT, true, false);
      snprintf(name, sizeof name, "stem, filter %d wide to %d blocks", (int)width, (int)blocks);
      t.layout = P;
      t.kernel_w = width;
      t.w = width + 2;
      t.pad_w = 0;
      run_case(&t, CN_DIRECT, true, false);
    }
}

/* The gradient of few channels has samples in the lanes, and tiles of its own for each number. */
static void every_number_of_few_channels_is_covered(void) {
  for (int32_t channels = 1; channels <= 8; channels++)
    for (int layout = 0; layout < 2; layout++) {
      char name[64];
      snprintf(name, sizeof name, "%d channels, %s", (int)channels,
               layout == 0 ? "plain" : "blocked");
      const conv_case t = {
          name, 17, channels, 7, 31, 18, 5, 3, 2, 1, 1, 1, 1, 1, 1, 0, layout == 0 ? P : T,
          1,    1,  0,        0, 1,  2};
      run_case(&t, CN_DIRECT, true, false);
    }
}

/* Pooling along with a convolution gives the bits of the one behind the other. */
static void run_pool(const conv_case *t, int32_t algorithm, const cn_pool2d *window) {
  problem p = problem_of(t, algorithm, false, false);
  cn_conv2d conv = p.conv;
  conv.y.halo = 0;
  cn_pool2d pool = *window;
  pool.x = pool.dx = conv.y;
  const int32_t room_h = conv.y.h + 2 * pool.pad_h - pool.kernel_h;
  const int32_t room_w = conv.y.w + 2 * pool.pad_w - pool.kernel_w;
  pool.y =
      (cn_tensor){conv.y.c, room_h / pool.stride_h + 1, room_w / pool.stride_w + 1, 1, CN_BLOCKED};
  if (room_h < 0 || room_w < 0 || cn_conv2d_pools(&conv, &pool) != 1) {
    free_problem(&p);
    return;
  }
  pooled_cases++;
  const int64_t y_floats = cn_tensor_floats(&pool.y, p.n);
  const int64_t winner_floats = (cn_pool2d_winner_bytes(&pool, p.n) + 3) / 4;
  float *x = new_tensor(&conv.x, p.n, p.x), *w = new_floats(cn_conv2d_weight_floats(&conv));
  float *bias = p.bias != NULL ? new_channels(conv.y.c, p.bias) : NULL;
  float *whole = new_floats(cn_tensor_floats(&conv.y, p.n));
  /* The winners, if there are some, lie behind y. */
  const bool wins = winner_floats > 0;
  const int64_t all = y_floats + winner_floats;
  float *expected = new_floats(all), *got = new_floats(all);
  for (int32_t isa = first_isa(); isa <= cn_cpu_isa(); isa++) {
    const cn_context one = context_of(isa, 1);
    const int64_t floats = cn_conv2d_workspace_floats(&one, &conv, CN_FORWARD, p.n);
    float *workspace = new_floats(floats);
    CHECK(cn_conv2d_pack_weights(&one, &conv, p.w, w) == CN_OK, "%s", t->name);
    CHECK(cn_conv2d_forward(&one, &conv, p.n, x, w, bias, NULL, whole, NULL, workspace, floats) ==
              CN_OK,
          "%s", t->name);
    CHECK(cn_pool2d_forward(&one, &pool, p.n, whole, expected,
                            wins ? (uint8_t *)(expected + y_floats) : NULL) == CN_OK,
          "%s", t->name);
    free(workspace);
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(isa, thread_counts[i]);
      const int64_t room = cn_conv2d_pool_workspace_floats(&context, &conv, &pool, p.n);
      workspace = new_floats(room);
      fill_nan(got, all);
      CHECK(cn_conv2d_pool_forward(&context, &conv, &pool, p.n, x, w, bias, got,
                                   wins ? (uint8_t *)(got + y_floats) : NULL, workspace,
                                   room) == CN_OK,
            "%s", t->name);
      check_same_bits(t->name, expected, got, all);
      free(workspace);
    }
  }
  float *values[] = {x, w, bias, whole, expected, got};
  for (int i = 0; i < 6; i++) free(values[i]);
  free_problem(&p);
}

/* The gradients from behind a pool have the bits of those from what it gives to the pixels. */
static void run_pool_backward(const conv_case *t, int32_t flags) {
  problem p = problem_of(t, CN_DIRECT, false, false);
  const cn_conv2d *c = &p.conv;
  const cn_tensor pooled = {c->y.c, c->y.h / 2, c->y.w / 2, 1, CN_BLOCKED};
  const cn_pool2d pool = {.x = c->dy,
                          .y = pooled,
                          .dx = c->dy,
                          .dy = pooled,
                          .kernel_h = 2,
                          .kernel_w = 2,
                          .stride_h = 2,
                          .stride_w = 2,
                          .flags = flags};
  if (pooled.h == 0 || pooled.w == 0 || cn_conv2d_pools_backward(c, &pool) != 1) {
    free_problem(&p);
    return;
  }
  gradients_behind_pools++;
  const int64_t w_floats = cn_conv2d_weight_floats(c), db_floats = p.bias != NULL ? CN_BLOCK : 0;
  float *x = new_tensor(&c->x, p.n, p.x), *whole = new_tensor(&c->dy, p.n, p.dy);
  float *y = new_floats(cn_tensor_floats(&pooled, p.n));
  float *winners = new_floats((cn_pool2d_winner_bytes(&pool, p.n) + 3) / 4);
  float *expected = new_floats(w_floats + db_floats), *got = new_floats(w_floats + db_floats);
  for (int32_t isa = first_isa(); isa <= cn_cpu_isa(); isa++)
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(isa, thread_counts[i]);
      /* What won in some values, and those values, are a gradient and its winners. */
      CHECK(cn_pool2d_forward(&context, &pool, p.n, whole, y, (uint8_t *)winners) == CN_OK, "%s",
            t->name);
      CHECK(cn_pool2d_backward(&context, &pool, p.n, NULL, (uint8_t *)winners, y, whole) == CN_OK,
            "%s", t->name);
      const int64_t floats = cn_conv2d_workspace_floats(&context, c, CN_BACKWARD_WEIGHTS, p.n);
      float *workspace = new_floats(floats);
      fill_nan(expected, w_floats + db_floats);
      fill_nan(got, w_floats + db_floats);
      CHECK(cn_conv2d_backward_weights(&context, c, p.n, x, whole, expected,
                                       p.bias != NULL ? expected + w_floats : NULL, NULL, workspace,
                                       floats) == CN_OK,
            "%s", t->name);
      CHECK(cn_conv2d_pool_backward_weights(&context, c, &pool, p.n, x, (uint8_t *)winners, y, got,
                                            p.bias != NULL ? got + w_floats : NULL, NULL, workspace,
                                            floats) == CN_OK,
            "%s", t->name);
      check_same_bits(t->name, expected, got, w_floats + db_floats);
      free(workspace);
    }
  float *values[] = {x, whole, y, winners, expected, got};
  for (int i = 0; i < 6; i++) free(values[i]);
  free_problem(&p);
}

/* Not for cases of more products than CN_TEST_PRODUCTS, if there is one: these take most of the
 * time. */
static bool takes(const conv_case *t, int32_t algorithm) {
  cn_conv2d conv = conv_of(t);
  conv.algorithm = algorithm;
  const char *most = getenv("CN_TEST_PRODUCTS");
  const double products =
      (double)t->n * t->k * conv.y.h * conv.y.w * t->c / t->groups * t->kernel_h * t->kernel_w;
  return cn_conv2d_weight_floats(&conv) >= 0 && (most == NULL || products <= strtod(most, NULL));
}

static void pooling_along_gives_the_same_bits(void) {
  const cn_pool2d windows[] = {
      {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2, .flags = CN_RELU},
      {.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1},
      {.kernel_h = 2, .kernel_w = 3, .stride_h = 3, .stride_w = 1, .kind = CN_POOL_AVERAGE},
      {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2, .pad_h = 1, .pad_w = 1},
  };
  const size_t count = sizeof windows / sizeof windows[0];
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (int32_t algorithm = CN_DIRECT; algorithm <= CN_WINOGRAD_4; algorithm++)
      for (size_t j = 0; j < count && takes(&cases[i], algorithm); j++)
        run_pool(&cases[i], algorithm, &windows[j]);
  CHECK(pooled_cases > 80, "only %d cases were pooled", pooled_cases);
}

static void gradients_behind_a_pool_have_the_same_bits(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (int32_t flags = 0; flags <= CN_RELU && takes(&cases[i], CN_DIRECT); flags += CN_RELU)
      run_pool_backward(&cases[i], flags);
  CHECK(gradients_behind_pools >= 12, "only %d cases were pooled", gradients_behind_pools);
}

/* Filters that were transformed before give the bits of those that the pass transforms. */
static void run_transformed(const conv_case *t, int32_t algorithm, int32_t isa) {
  problem p = problem_of(t, algorithm, false, false);
  const cn_context context = context_of(isa, 2);
  outputs whole = run(&context, &p), o = run(&context, &p);
  const cn_conv2d *c = &p.conv;
  float *x = new_tensor(&c->x, p.n, p.x), *dy = new_tensor(&c->dy, p.n, p.dy);
  float *w = new_floats(o.dw_floats), *bias = p.bias != NULL ? new_channels(c->y.c, p.bias) : NULL;
  CHECK(cn_conv2d_pack_weights(&context, c, p.w, w) == CN_OK, "%s", t->name);
  fill_nan(o.y, o.y_floats);
  fill_nan(o.dx, o.dx_floats);
  for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_DATA; pass++) {
    float *filters = new_floats(cn_conv2d_transformed_floats(c, pass));
    CHECK(cn_conv2d_transform_weights(&context, c, pass, w, filters) == CN_OK, "%s", t->name);
    cn_conv2d conv = *c;
    conv.flags |= CN_TRANSFORMED;
    const int64_t floats = cn_conv2d_workspace_floats(&context, &conv, pass, p.n);
    float *workspace = new_floats(floats);
    const int32_t status = pass == CN_FORWARD
                               ? cn_conv2d_forward(&context, &conv, p.n, x, filters, bias, NULL,
                                                   o.y, NULL, workspace, floats)
                               : cn_conv2d_backward_data(&context, &conv, p.n, dy, filters, NULL,
                                                         NULL, o.dx, workspace, floats);
    CHECK(status == CN_OK, "%s: %s", t->name, cn_status_text(status));
    free(workspace);
    free(filters);
  }
  check_same_bits(t->name, whole.y, o.y, o.y_floats);
  check_same_bits(t->name, whole.dx, o.dx, o.dx_floats);
  float *values[] = {x, dy, w, bias};
  for (int i = 0; i < 4; i++) free(values[i]);
  free_outputs(&whole);
  free_outputs(&o);
  free_problem(&p);
}

static void transformed_filters_give_the_same_bits(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (int32_t algorithm = CN_WINOGRAD_2; algorithm <= CN_WINOGRAD_4; algorithm++)
      for (int32_t isa = first_isa(); isa <= cn_cpu_isa() && takes(&cases[i], algorithm); isa++)
        run_transformed(&cases[i], algorithm, isa);
}

/* With the halo that the query names, no pass needs to copy rows; with less it does. */
static void the_halo_query_names_the_halo_that_saves_copies(void) {
  const cn_context context = context_of(CN_SCALAR, 1);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_DATA; pass++) {
      cn_conv2d conv = conv_of(&cases[i]);
      if (conv.groups > 1) continue;
      int32_t *source = pass == CN_FORWARD ? &conv.x.halo : &conv.dy.halo;
      const int32_t halo = cn_conv2d_halo(&conv, pass);
      *source = halo + 1;
      const int64_t least = cn_conv2d_workspace_floats(&context, &conv, pass, 1);
      *source = halo;
      CHECK(cn_conv2d_workspace_floats(&context, &conv, pass, 1) == least, "%s: halo %d",
            cases[i].name, (int)halo);
      if (pass == CN_FORWARD) CHECK(least == 0, "%s: %lld floats", cases[i].name, (long long)least);
      *source = halo - 1;
      CHECK(halo == 0 || cn_conv2d_workspace_floats(&context, &conv, pass, 1) > least,
            "%s: halo %d", cases[i].name, (int)halo);
    }
}

int main(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (int32_t algorithm = CN_DIRECT; algorithm <= CN_WINOGRAD_4; algorithm++)
      for (int tail = 0; tail < 2 && takes(&cases[i], algorithm); tail++) {
        if (algorithm == CN_DIRECT || tail == 0) run_case(&cases[i], algorithm, true, tail == 1);
        if (algorithm == CN_DIRECT || tail == 1) run_case(&cases[i], algorithm, false, tail == 1);
      }
  every_width_is_covered();
  every_number_of_few_channels_is_covered();
  pooling_along_gives_the_same_bits();
  gradients_behind_a_pool_have_the_same_bits();
  transformed_filters_give_the_same_bits();
  the_halo_query_names_the_halo_that_saves_copies();
  return verdict("conv2d");
}
