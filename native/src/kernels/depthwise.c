/* Depthwise convolution: every channel has a filter of its own, so lanes never meet. */
#include "conv.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { PIXELS = 8 }; /* side by side in registers */

/* Forward, or backward-data with src = dy and dst = dx. */
typedef struct depthwise_job {
  const cn_conv2d *conv;
  bool backward;
  const cn_tensor *src, *dst;
  view sv, dv;
  int32_t src_stride_h, src_stride_w, dst_stride_h, dst_stride_w;
  const float *in, *w, *bias;
  float *out;
} depthwise_job;

static axis axis_y(const depthwise_job *job, int32_t residue) {
  const cn_conv2d *c = job->conv;
  return job->backward ? axis_backward(c->kernel_h, c->stride_h, c->dilation_h, c->pad_h,
                                       job->dst->h, residue)
                       : axis_forward(c->kernel_h, c->dilation_h, c->pad_h, job->dst->h);
}

static axis axis_x(const depthwise_job *job, int32_t residue) {
  const cn_conv2d *c = job->conv;
  return job->backward ? axis_backward(c->kernel_w, c->stride_w, c->dilation_w, c->pad_w,
                                       job->dst->w, residue)
                       : axis_forward(c->kernel_w, c->dilation_w, c->pad_w, job->dst->w);
}

/* One row of one block: what is the same for all of its pixels. */
typedef struct row {
  const float *in, *w; /* pixel (0, 0) of the source plane, the filters of the block */
  float *out;          /* the row */
  vec bias;
  bool relu;
  axis y, x;
  int64_t t;
} row;

/* Pixels u..u + count - 1 of a row; with clip, count is 1 and taps outside the source are left out.
 */
ALWAYS_INLINE void depthwise_pixels(const depthwise_job *job, const row *r, int64_t u, int count,
                                    bool clip) {
  vec sum[PIXELS];
#pragma GCC unroll 8
  for (int p = 0; p < count; p++) sum[p] = r->bias;
  for (int32_t i = 0; i < r->y.taps; i++) {
    const int64_t sy = r->t * job->src_stride_h + r->y.src + i * r->y.src_tap;
    if (sy < 0 || sy >= job->src->h) continue;
    const int64_t tap_row = (r->y.tap + i * r->y.tap_step) * (int64_t)job->conv->kernel_w;
    for (int32_t j = 0; j < r->x.taps; j++) {
      const int64_t sx = u * job->src_stride_w + r->x.src + j * r->x.src_tap;
      if (clip && (sx < 0 || sx >= job->src->w)) continue;
      const vec w = vec_load(r->w + (tap_row + r->x.tap + j * r->x.tap_step) * CN_BLOCK);
      const float *in = r->in + sy * job->sv.row + sx * CN_BLOCK;
#pragma GCC unroll 8
      for (int p = 0; p < count; p++)
        sum[p] = vec_fma(w, vec_load(in + p * job->src_stride_w * CN_BLOCK), sum[p]);
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < count; p++) {
    if (r->relu) sum[p] = vec_keep(vec_not_le(sum[p], vec_zero()), sum[p]);
    vec_store(r->out + (r->x.dst + (u + p) * job->dst_stride_w) * CN_BLOCK, sum[p]);
  }
}

static void depthwise_row(const depthwise_job *job, const row *r) {
  const axis *x = &r->x;
  const int32_t end = x->src + (x->taps - 1) * x->src_tap;
  const int64_t low = x->src < end ? x->src : end, high = x->src < end ? end : x->src;
  int64_t u = 0;
  while (u < x->count) {
    const int64_t left = u * job->src_stride_w + low;
    const int64_t right = (u + PIXELS - 1) * job->src_stride_w + high;
    if (u + PIXELS <= x->count && left >= 0 && right < job->src->w) {
      depthwise_pixels(job, r, u, PIXELS, false);
      u += PIXELS;
    } else {
      depthwise_pixels(job, r, u++, 1, true);
    }
  }
}

/* Items are rows of dst: (sample, block, row). */
static void depthwise_items(const void *state, int64_t first, int64_t last, int thread) {
  const depthwise_job *job = state;
  const cn_conv2d *conv = job->conv;
  const int64_t taps = (int64_t)conv->kernel_h * conv->kernel_w;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int32_t y = (int32_t)(item % job->dst->h);
    const int64_t block = item / job->dst->h % job->dv.planes;
    const int64_t sample = item / job->dst->h / job->dv.planes;
    float *plane = job->out + plane_offset(&job->dv, sample, block);
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      row r = {.in = job->in + plane_offset(&job->sv, sample, block) + lane,
               .w = job->w + block * taps * CN_BLOCK + lane,
               .out = plane + y * job->dv.row + lane,
               .bias = vec_zero(),
               .relu = !job->backward && (conv->flags & CN_RELU) != 0,
               .y = axis_y(job, y % job->dst_stride_h),
               .t = y / job->dst_stride_h};
      if (job->bias != NULL) r.bias = vec_load(job->bias + block * CN_BLOCK + lane);
      for (int32_t j = 0; j < job->dst_stride_w; j++) {
        r.x = axis_x(job, j);
        depthwise_row(job, &r);
      }
    }
    zero_border(job->dst, &job->dv, plane, y, y + 1);
  }
}

static double operations(const cn_conv2d *conv, int64_t n) {
  return 2.0 * n * conv->y.c * conv->y.h * conv->y.w * conv->kernel_h * conv->kernel_w;
}

void depthwise_forward(int threads, const cn_conv2d *conv, int64_t n, const float *x,
                       const float *w, const float *bias, float *y) {
  const depthwise_job job = {.conv = conv,
                             .src = &conv->x,
                             .dst = &conv->y,
                             .sv = view_of(&conv->x, n),
                             .dv = view_of(&conv->y, n),
                             .src_stride_h = conv->stride_h,
                             .src_stride_w = conv->stride_w,
                             .dst_stride_h = 1,
                             .dst_stride_w = 1,
                             .in = x,
                             .w = w,
                             .bias = bias,
                             .out = y};
  run_parallel(threads, operations(conv, n), depthwise_items, n * job.dv.planes * conv->y.h, &job);
}

void depthwise_backward_data(int threads, const cn_conv2d *conv, int64_t n, const float *dy,
                             const float *w, float *dx) {
  const depthwise_job job = {.conv = conv,
                             .backward = true,
                             .src = &conv->dy,
                             .dst = &conv->dx,
                             .sv = view_of(&conv->dy, n),
                             .dv = view_of(&conv->dx, n),
                             .src_stride_h = 1,
                             .src_stride_w = 1,
                             .dst_stride_h = conv->stride_h,
                             .dst_stride_w = conv->stride_w,
                             .in = dy,
                             .w = w,
                             .out = dx};
  run_parallel(threads, operations(conv, n), depthwise_items, n * job.dv.planes * conv->dx.h, &job);
}

/* ---- Backward-weights ------------------------------------------------------------------------ */

typedef struct depthwise_weights {
  const cn_conv2d *conv;
  view xv, dyv;
  int64_t n, chunks, chunk_floats, weights;
  const float *x, *dy;
  float *dw, *db, *partial;
} depthwise_weights;

/* Output pixels p with 0 <= p stride + offset < size, of count. */
static void inside(int64_t stride, int64_t offset, int64_t size, int64_t count, int64_t *first,
                   int64_t *last) {
  *first = offset < 0 ? ceil_div(-offset, stride) : 0;
  *last = size - 1 - offset < 0 ? 0 : min_i64(count, (size - 1 - offset) / stride + 1);
}

/* Sum over one image of dy times x under one tap (x null: of dy alone): by row, then row by row. */
static vec tap_sum(const depthwise_weights *job, const float *x, const float *dy, int32_t r,
                   int32_t s) {
  const cn_conv2d *conv = job->conv;
  const int64_t oy = (int64_t)r * conv->dilation_h - conv->pad_h;
  const int64_t ox = (int64_t)s * conv->dilation_w - conv->pad_w;
  int64_t y0 = 0, y1 = conv->dy.h, x0 = 0, x1 = conv->dy.w;
  if (x != NULL) {
    inside(conv->stride_h, oy, conv->x.h, conv->dy.h, &y0, &y1);
    inside(conv->stride_w, ox, conv->x.w, conv->dy.w, &x0, &x1);
  }
  vec sum = vec_zero();
  for (int64_t p = y0; p < y1; p++) {
    const float *g = dy + p * job->dyv.row;
    const float *in = x == NULL ? NULL : x + (p * conv->stride_h + oy) * job->xv.row;
    vec part[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    for (int64_t q = x0; q < x1; q++) {
      const vec v = vec_load(g + q * CN_BLOCK);
      vec *to = &part[q & 3];
      *to = in == NULL ? vec_add(v, *to)
                       : vec_fma(v, vec_load(in + (q * conv->stride_w + ox) * CN_BLOCK), *to);
    }
    sum = vec_add(sum, vec_add(vec_add(part[0], part[1]), vec_add(part[2], part[3])));
  }
  return sum;
}

/* Items are (chunk of samples, block). */
static void depthwise_weight_items(const void *state, int64_t first, int64_t last, int thread) {
  const depthwise_weights *job = state;
  const cn_conv2d *conv = job->conv;
  const int64_t taps = (int64_t)conv->kernel_h * conv->kernel_w;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t block = item % job->xv.planes, chunk = item / job->xv.planes;
    const int64_t begin = job->n * chunk / job->chunks;
    const int64_t end = job->n * (chunk + 1) / job->chunks;
    float *partial = job->partial + chunk * job->chunk_floats;
    for (int64_t tap = 0; tap <= taps; tap++) { /* the last is the bias */
      float *to = tap < taps ? partial + (block * taps + tap) * CN_BLOCK
                             : partial + job->weights + block * CN_BLOCK;
      for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
        vec sum = vec_zero();
        for (int64_t i = begin; i < end; i++) {
          const float *x = job->x + plane_offset(&job->xv, i, block) + lane;
          const float *dy = job->dy + plane_offset(&job->dyv, i, block) + lane;
          sum =
              vec_add(sum, tap_sum(job, tap < taps ? x : NULL, dy, (int32_t)(tap / conv->kernel_w),
                                   (int32_t)(tap % conv->kernel_w)));
        }
        vec_store(to + lane, sum);
      }
    }
  }
}

/* Items are vectors of 16 floats of the weights, then of the bias. */
static void depthwise_sum_items(const void *state, int64_t first, int64_t last, int thread) {
  const depthwise_weights *job = state;
  (void)thread;
  for (int64_t i = first * CN_BLOCK; i < last * CN_BLOCK; i += VEC) {
    vec sum = vec_load(job->partial + i);
    for (int64_t c = 1; c < job->chunks; c++)
      sum = vec_add(sum, vec_load(job->partial + c * job->chunk_floats + i));
    vec_store(i < job->weights ? job->dw + i : job->db + (i - job->weights), sum);
  }
}

void depthwise_backward_weights(int threads, const cn_conv2d *conv, int64_t n, const float *x,
                                const float *dy, float *dw, float *db, float *workspace) {
  depthwise_weights job = {.conv = conv,
                           .xv = view_of(&conv->x, n),
                           .dyv = view_of(&conv->dy, n),
                           .n = n,
                           .chunks = depthwise_chunks(n),
                           .weights = conv_weight_floats(conv),
                           .x = x,
                           .dy = dy,
                           .dw = dw,
                           .db = db,
                           .partial = workspace};
  job.chunk_floats = job.weights + job.xv.planes * CN_BLOCK;
  const int64_t sums = db != NULL ? job.chunk_floats : job.weights;
  const phase phases[] = {{depthwise_weight_items, job.chunks * job.xv.planes},
                          {depthwise_sum_items, sums / CN_BLOCK}};
  run_phases(threads, operations(conv, n), phases, 2, &job);
}
