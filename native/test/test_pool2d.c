/* Pooling against loops over windows, including ties and NaN. */
#include "conv_plan.h"
#include "parts.h"
#include "sum_plan.h"

typedef struct pool_case {
  const char *name;
  int32_t n, c, h, w, kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, pad_bottom,
      pad_right;
  int32_t x_halo, y_halo, dx_halo, dy_halo;
  int32_t unread; /* rows and columns of the largest y; less than 0: that are more, rounded up */
  int32_t dilation_h, dilation_w; /* 0 counts as 1 */
  int32_t divisor;
  int32_t bins_h, bins_w; /* adaptive windows */
} pool_case;

static const pool_case cases[] = {
    {"one pixel", 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0},
    {"2x2 stride 2", 3, 17, 6, 8, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0},
    {"2x2 stride 2, halos", 3, 17, 6, 8, 2, 2, 2, 2, 0, 0, 0, 0, 2, 1, 3, 1, 0, 1, 1, 0, 0, 0},
    {"overlapping", 2, 16, 9, 7, 3, 3, 2, 2, 1, 1, 1, 1, 1, 0, 0, 2, 0, 1, 1, 0, 0, 0},
    {"overlapping, stride 1", 2, 33, 5, 8, 3, 2, 1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0},
    {"stride > kernel", 2, 5, 11, 12, 2, 1, 3, 4, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0},
    {"rounded down", 1, 20, 8, 8, 3, 3, 2, 2, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0},
    {"2x2, unread column", 2, 17, 6, 7, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0},
    {"2x2, unread row", 2, 17, 7, 6, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0},
    {"15x17, just numbered", 1, 3, 16, 18, 15, 17, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0},
    {"16x16, too many pixels",
     1,
     3,
     17,
     18,
     16,
     16,
     1,
     1,
     0,
     0,
     0,
     0,
     0,
     0,
     0,
     0,
     0,
     1,
     1,
     0,
     0,
     0},
    {"wide padding", 2, 3, 5, 6, 4, 5, 2, 3, 3, 4, 3, 4, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0},
    {"global", 2, 19, 7, 7, 7, 7, 1, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0},
    {"padded below", 2, 17, 6, 8, 3, 3, 2, 2, 0, 1, 2, 1, 1, 0, 0, 2, 0, 1, 1, 0, 0, 0},
    {"padded on three sides", 1, 16, 7, 9, 4, 3, 1, 2, 3, 0, 1, 2, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0},
    {"2x2, rounded up", 2, 17, 7, 9, 2, 2, 2, 2, 0, 0, 0, 0, 1, 0, 2, 0, -1, 1, 1, 0, 0, 0},
    {"3x3, rounded up", 2, 33, 8, 6, 3, 3, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, -1, 1, 1, 0, 0, 0},
    {"3x3, padded, rounded up", 2, 5, 8, 12, 3, 3, 2, 4, 1, 1, 1, 0, 0, 1, 1, 0, -1, 1, 1, 0, 0, 0},
    {"16x17, rounded up", 1, 3, 21, 18, 16, 17, 3, 2, 1, 0, 1, 0, 0, 0, 0, 0, -1, 1, 1, 0, 0, 0},
    {"crowded, rounded up", 1, 3, 41, 47, 37, 38, 2, 2, 2, 3, 1, 1, 0, 0, 0, 0, -1, 1, 1, 0, 0, 0},
    /* Shapes at which other libraries were wrong: see tests/history. */
    {"2x2 valid of 5x5", 2, 18, 5, 5, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0},
    {"2x2 of 5x5, rounded up", 2, 18, 5, 5, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, -1, 1, 1, 0, 0, 0},
    {"2x2 stride 1, padded", 2, 18, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0},
    {"many planes", 8, 40, 12, 12, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0},
    {"dilated", 2, 17, 9, 8, 3, 2, 1, 2, 0, 0, 0, 0, 0, 1, 1, 0, 0, 2, 3, 0, 0, 0},
    {"dilated, padded", 2, 16, 5, 6, 3, 3, 2, 1, 2, 3, 1, 2, 1, 0, 0, 1, 0, 2, 3, 0, 0, 0},
    {"2x2 dilated, alone", 1, 5, 8, 9, 2, 2, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0},
    {"dilated, rounded up", 2, 18, 10, 9, 3, 3, 4, 3, 1, 2, 1, 2, 0, 0, 1, 0, -1, 3, 2, 0, 0, 0},
    {"dilated, crowded", 1, 3, 41, 40, 16, 17, 1, 1, 3, 2, 4, 5, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0},
    {"divisor", 2, 17, 7, 8, 3, 2, 2, 2, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 5, 0, 0},
    {"divisor, crowded", 1, 3, 41, 47, 37, 38, 2, 2, 2, 3, 1, 1, 0, 0, 0, 0, -1, 1, 1, 7, 0, 0},
    {"adaptive", 2, 17, 7, 5, .bins_h = 3, .bins_w = 2},
    {"adaptive, halos", 2, 16, 7, 9, .x_halo = 1, .dx_halo = 2, .bins_h = 4, .bins_w = 4},
    {"adaptive, divides", 1, 20, 8, 6, .bins_h = 4, .bins_w = 3},
    {"adaptive, enlarges", 2, 5, 2, 3, .bins_h = 5, .bins_w = 4},
    {"adaptive, crowded", 1, 3, 2, 3, .bins_h = 41, .bins_w = 50},
    {"adaptive, large", 1, 3, 40, 41, .bins_h = 2, .bins_w = 2},
    {"adaptive, one", 2, 17, 6, 7, .bins_h = 1, .bins_w = 1},
};

static int32_t or_one(int32_t dilation) { return dilation > 0 ? dilation : 1; }

static cn_tensor blocked(int32_t c, int32_t h, int32_t w, int32_t halo) {
  return (cn_tensor){.c = c, .h = h, .w = w, .halo = halo, .layout = CN_BLOCKED};
}

static cn_pool2d pool_of(const pool_case *t, int32_t kind, int32_t count_include_pad) {
  const int32_t down = or_one(t->dilation_h), right = or_one(t->dilation_w);
  int32_t h = t->bins_h, w = t->bins_w;
  if (t->bins_h == 0) {
    h = (t->h + t->pad_top + t->pad_bottom - down * (t->kernel_h - 1) - 1) / t->stride_h + 1;
    w = (t->w + t->pad_left + t->pad_right - right * (t->kernel_w - 1) - 1) / t->stride_w + 1;
  }
  h -= t->unread;
  w -= t->unread;
  cn_pool2d pool = {.size = sizeof pool,
                    .kind = kind,
                    .x = blocked(t->c, t->h, t->w, t->x_halo),
                    .y = blocked(t->c, h, w, t->y_halo),
                    .dx = blocked(t->c, t->h, t->w, t->dx_halo),
                    .dy = blocked(t->c, h, w, t->dy_halo),
                    .window = {t->kernel_h, t->kernel_w, t->stride_h, t->stride_w, t->pad_top,
                               t->pad_left, t->pad_bottom, t->pad_right, down, right},
                    .count_include_pad = count_include_pad,
                    .divisor = t->divisor,
                    .adaptive = t->bins_h > 0};
  if (strlen(t->name) % 2 == 0) return pool;
  cn_tensor *slices[] = {&pool.x, &pool.y, &pool.dx, &pool.dy};
  for (int i = 0; i < 4; i++) *slices[i] = as_slice(*slices[i]);
  return pool;
}

/* The taps of one window along an axis: those from `first` to before `end`, each `step` from the
 * next. */
typedef struct taps {
  int64_t first, end, step;
} taps;

static taps taps_of(bool adaptive, int64_t o, int64_t inputs, int64_t outputs, int64_t kernel,
                    int64_t stride, int64_t pad, int64_t dilation) {
  if (adaptive) return (taps){o * inputs / outputs, ((o + 1) * inputs + outputs - 1) / outputs, 1};
  const int64_t first = o * stride - pad;
  return (taps){first, first + (kernel - 1) * dilation + 1, dilation};
}

/* One window of plane x: its value, and its contribution to dx for dy. */
static double window(const cn_pool2d *p, const float *x, int64_t oy, int64_t ox, double dy,
                     double *dx) {
  const cn_window *w = &p->window;
  const taps rows =
      taps_of(p->adaptive, oy, p->x.h, p->y.h, w->kernel_h, w->stride_h, w->pad_top, w->dilation_h);
  const taps cols = taps_of(p->adaptive, ox, p->x.w, p->y.w, w->kernel_w, w->stride_w, w->pad_left,
                            w->dilation_w);
  int64_t best = -1, count = 0, padded = 0;
  double sum = 0.0;
  for (int64_t y = rows.first; y < rows.end; y += rows.step)
    for (int64_t i = cols.first; i < cols.end; i += cols.step) {
      if (y < p->x.h + w->pad_bottom && i < p->x.w + w->pad_right) padded++;
      if (y < 0 || i < 0 || y >= p->x.h || i >= p->x.w) continue;
      const int64_t at = y * p->x.w + i;
      if (best < 0 || x[at] > x[best] || isnan(x[at])) best = at;
      sum += x[at];
      count++;
    }
  if (p->kind == CN_POOL_MAX) {
    if (slope_at(p->activation, x[best]) > 0.0) dx[best] += dy;
    return x[best];
  }
  if (p->count_include_pad) count = padded;
  if (p->divisor > 0) count = p->divisor;
  for (int64_t y = rows.first; y < rows.end; y += rows.step)
    for (int64_t i = cols.first; i < cols.end; i += cols.step)
      if (y >= 0 && i >= 0 && y < p->x.h && i < p->x.w) dx[y * p->x.w + i] += dy / (double)count;
  return sum / (double)count;
}

static void solve(const cn_pool2d *p, int32_t n, const float *x, const float *dy, double *y,
                  double *dx) {
  for (int64_t plane = 0; plane < (int64_t)n * p->x.c; plane++)
    for (int64_t o = 0; o < (int64_t)p->y.h * p->y.w; o++) {
      const int64_t out = plane * p->y.h * p->y.w + o, in = plane * p->x.h * p->x.w;
      y[out] = window(p, x + in, o / p->y.w, o % p->y.w, dy[out], dx + in);
    }
}

/* Whether values are equal or both NaN. */
static void check_values(const char *name, const cn_context *context, const double *expected,
                         const float *got, int64_t count, bool exact) {
  for (int64_t i = 0; i < count; i++) {
    const double tolerance = exact ? 0.0 : 64.0 * 0x1p-24;
    const bool equal = isnan(expected[i])
                           ? isnan(got[i])
                           : expected[i] == got[i] || fabs(expected[i] - got[i]) <= tolerance;
    CHECK(equal, "%s, %s: value %lld is %g, expected %g", name, features_name(context),
          (long long)i, (double)got[i], expected[i]);
    if (!equal) return;
  }
}

/* Pixel numbers of larger windows do not fit a byte. */
static bool records_winners(const pool_case *t) {
  if (t->bins_h > 0) return t->h / t->bins_h * (t->w / t->bins_w) < CN_NO_WINNER;
  return t->kernel_h * t->kernel_w <= CN_NO_WINNER;
}

/* The gradient from the winners that the forward pass stored and, for maxima, from x alone. With
 * an activation only the former, because only winners record windows without one. */
static void run(const pool_case *t, const cn_context *context, const cn_pool2d *pool,
                const float *x, const float *dy, float *y, float *dx) {
  const int64_t bytes = cn_pool2d_winner_bytes(pool, t->n);
  const bool max = pool->kind == CN_POOL_MAX;
  CHECK((max && records_winners(t)) == (bytes > 0), "%s: %lld bytes of winners", t->name,
        (long long)bytes);
  uint8_t *winners = bytes > 0 ? new_bytes(bytes) : NULL;
  cn_pool2d recorded = *pool;
  recorded.winners = bytes > 0;
  const bool searches = max && bytes == 0;
  CHECK(cn_pool2d_forward(context, &recorded, t->n, x, y, winners) == CN_OK, "%s", t->name);
  CHECK(cn_pool2d_backward(context, &recorded, t->n, searches ? x : NULL, winners, dy, dx) == CN_OK,
        "%s", t->name);
  if (max && pool->activation.kind == CN_IDENTITY) {
    const int64_t y_floats = tensor_floats(&pool->y, t->n);
    const int64_t dx_floats = tensor_floats(&pool->dx, t->n);
    float *again = new_floats(y_floats + dx_floats), *dx_again = again + y_floats;
    CHECK(cn_pool2d_forward(context, pool, t->n, x, again, NULL) == CN_OK, "%s", t->name);
    CHECK(cn_pool2d_backward(context, pool, t->n, x, NULL, dy, dx_again) == CN_OK, "%s", t->name);
    check_same_bits(t->name, y, again, y_floats);
    check_same_bits(t->name, dx, dx_again, dx_floats);
    free(again);
  }
  free(winners);
}

static void run_case(const pool_case *t, int32_t kind, int32_t count_include_pad, bool nans,
                     int32_t activation) {
  cn_pool2d pool = pool_of(t, kind, count_include_pad);
  pool.activation.kind = activation;
  const int64_t x_count = (int64_t)t->n * t->c * t->h * t->w;
  const int64_t y_count = (int64_t)t->n * t->c * pool.y.h * pool.y.w;
  seed_values(100 * (uint64_t)t->h + (uint64_t)t->w);
  float *x_plain = new_integers(x_count, 8), *dy_plain = new_integers(y_count, 5);
  for (int64_t i = 0; i < x_count && nans; i += 7) x_plain[i] = i % 2 == 0 ? NAN : -INFINITY;
  double *y_expected = calloc((size_t)y_count, sizeof(double));
  double *dx_expected = calloc((size_t)x_count, sizeof(double));
  if (y_expected == NULL || dx_expected == NULL) abort();
  solve(&pool, t->n, x_plain, dy_plain, y_expected, dx_expected);
  float *x = new_tensor(&pool.x, t->n, x_plain), *dy = new_tensor(&pool.dy, t->n, dy_plain);
  float *y_plain = new_floats(y_count), *dx_plain = new_floats(x_count);
  const int64_t y_floats = tensor_floats(&pool.y, t->n);
  const int64_t dx_floats = tensor_floats(&pool.dx, t->n);
  for (int set = 0; set < instruction_sets(); set++) {
    float *first = NULL;
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(set, thread_counts[i]);
      float *y = new_floats(y_floats + dx_floats), *dx = y + y_floats;
      run(t, &context, &pool, x, dy, y, dx);
      if (i == 0) {
        const bool exact = kind == CN_POOL_MAX;
        read_tensor(t->name, &pool.y, t->n, y, y_plain);
        check_values(t->name, &context, y_expected, y_plain, y_count, exact);
        read_tensor(t->name, &pool.dx, t->n, dx, dx_plain);
        check_values(t->name, &context, dx_expected, dx_plain, x_count, exact);
        first = y;
        continue;
      }
      check_same_bits(t->name, first, y, y_floats + dx_floats);
      free(y);
    }
    free(first);
  }
  float *all[] = {x_plain, dy_plain, x, dy, y_plain, dx_plain};
  for (int i = 0; i < 6; i++) free(all[i]);
  free(y_expected);
  free(dx_expected);
}

/* The average of a large window sums the leaves of its rows. */
static void every_number_of_leaves_is_covered(void) {
  const int32_t rows = SUM_TERMS / LEAF_TERMS + 1;
  for (int k = 0; k < WANTED; k++) {
    int32_t w = LEAF_TERMS;
    while (w <= 8 * LEAF_TERMS && !is_wanted(in_pieces(w, LEAF_TERMS), k)) w++;
    CHECK(w <= 8 * LEAF_TERMS, "large windows: no size has %s", wanted_names[k]);
    const pool_case t = {.name = wanted_names[k],
                         .n = 2,
                         .c = 17,
                         .h = rows,
                         .w = w,
                         .kernel_h = rows,
                         .kernel_w = w,
                         .stride_h = 1,
                         .stride_w = 1};
    run_case(&t, CN_POOL_AVERAGE, 1, false, 0);
  }
}

int main(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    for (int nans = 0; nans < 2; nans++) {
      run_case(&cases[i], CN_POOL_MAX, 0, nans == 1, 0);
      for (int32_t activation = CN_RELU; activation <= CN_RELU6 && records_winners(&cases[i]);
           activation++)
        run_case(&cases[i], CN_POOL_MAX, 0, nans == 1, activation);
    }
    if (cases[i].dilation_h > 1) continue;
    run_case(&cases[i], CN_POOL_AVERAGE, 0, false, 0);
    run_case(&cases[i], CN_POOL_AVERAGE, 1, false, 0);
  }
  every_number_of_leaves_is_covered();
  return verdict("pool2d");
}
