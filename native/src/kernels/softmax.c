/*
 * Softmax over the channels of each pixel, and its logarithm. The largest value of a pixel is
 * subtracted, so no exponential overflows. A NaN or +infinity makes all channels of its pixel NaN.
 */
#include "conv.h"

#include <math.h>

typedef struct softmax_job {
  const cn_tensor *shape, *out_tensor; /* c, h, w of all tensors; that of the output, with halo */
  view xv, ov, ev;                     /* xv: of x or y; ov: of y or dx; ev: of dy */
  bool logarithm;
  const float *x, *dy; /* backward: x is the y of the forward pass */
  float *out;
} softmax_job;

/* Pixels that are processed together, whose sums are in registers. */
enum { PIXELS = 8 };

/* The offsets of the first of some consecutive pixels of a row, in the first plane. */
typedef struct pixel_run {
  int64_t x, out, dy;
} pixel_run;

static inline vec_mask lanes_in(const softmax_job *job, int64_t block, int lane) {
  return vec_first(job->shape->c - block * CN_BLOCK - lane);
}

/* The larger one; NaN if one is. */
static inline vec larger(vec a, vec b) { return vec_select(vec_above_or_nan(a, b), a, b); }

static inline float largest_lane(vec a) {
  float f[VEC];
  vec_store(f, a);
  for (int half = VEC / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++)
      if (f[i + half] > f[i] || f[i + half] != f[i + half]) f[i] = f[i + half];
  return f[0];
}

/* e^(x - m) is stored as y, unless only its sum is needed. */
ALWAYS_INLINE void softmax_pixels(const softmax_job *job, const pixel_run *run, int count,
                                  bool logarithm) {
  const int64_t blocks = job->xv.planes;
  const float *x = job->x + run->x;
  float *y = job->out + run->out;
  vec most[PIXELS], sum[PIXELS];
  for (int i = 0; i < count; i++) {
    most[i] = vec_set1(-INFINITY);
    sum[i] = vec_zero();
  }
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec_mask inside = lanes_in(job, b, lane);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec v = vec_load(x + b * job->xv.plane + i * CN_BLOCK + lane);
        most[i] = larger(vec_select(inside, v, vec_set1(-INFINITY)), most[i]);
      }
    }
  for (int i = 0; i < count; i++) most[i] = vec_set1(largest_lane(most[i]));
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec_mask inside = lanes_in(job, b, lane);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec v = vec_load(x + b * job->xv.plane + i * CN_BLOCK + lane);
        const vec e = vec_keep(inside, vec_exp(vec_sub(v, most[i])));
        sum[i] = vec_add(sum[i], e);
        if (!logarithm) vec_store(y + b * job->ov.plane + i * CN_BLOCK + lane, e);
      }
    }
  for (int i = 0; i < count; i++) {
    const float total = vec_sum(sum[i]);
    sum[i] = vec_set1(logarithm ? logf(total) : total);
  }
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec_mask inside = lanes_in(job, b, lane);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        float *to = y + b * job->ov.plane + i * CN_BLOCK + lane;
        if (logarithm) {
          const vec v = vec_load(x + b * job->xv.plane + i * CN_BLOCK + lane);
          vec_store(to, vec_keep(inside, vec_sub(vec_sub(v, most[i]), sum[i])));
        } else {
          vec_store(to, vec_keep(inside, vec_div(vec_load(to), sum[i])));
        }
      }
    }
}

/* dx = y (dy - sum of dy y), or dy - e^y sum of dy. */
ALWAYS_INLINE void softmax_gradients(const softmax_job *job, const pixel_run *run, int count,
                                     bool logarithm) {
  const int64_t blocks = job->xv.planes;
  const float *y = job->x + run->x, *dy = job->dy + run->dy;
  float *dx = job->out + run->out;
  vec sum[PIXELS];
  for (int i = 0; i < count; i++) sum[i] = vec_zero();
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC)
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec g = vec_load(dy + b * job->ev.plane + i * CN_BLOCK + lane);
        const vec v = vec_load(y + b * job->xv.plane + i * CN_BLOCK + lane);
        sum[i] = logarithm ? vec_add(sum[i], g) : vec_fma(g, v, sum[i]);
      }
  for (int i = 0; i < count; i++) sum[i] = vec_set1(vec_sum(sum[i]));
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec_mask inside = lanes_in(job, b, lane);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec g = vec_load(dy + b * job->ev.plane + i * CN_BLOCK + lane);
        const vec v = vec_load(y + b * job->xv.plane + i * CN_BLOCK + lane);
        const vec d =
            logarithm ? vec_sub(g, vec_mul(vec_exp(v), sum[i])) : vec_mul(v, vec_sub(g, sum[i]));
        vec_store(dx + b * job->ov.plane + i * CN_BLOCK + lane, vec_keep(inside, d));
      }
    }
}

/* The pixels of a row of the batch, and the borders of the row in all planes of the output. */
ALWAYS_INLINE void process_row(const softmax_job *job, int64_t row, bool logarithm, bool backward) {
  const int64_t h = job->shape->h, sample = row / h, y = row % h;
  pixel_run run = {.x = plane_offset(&job->xv, sample, 0) + y * job->xv.row,
                   .out = plane_offset(&job->ov, sample, 0) + y * job->ov.row,
                   .dy = plane_offset(&job->ev, sample, 0) + y * job->ev.row};
  int64_t left = job->shape->w;
#define PIECE(count)                                                                               \
  for (; left >= (count); left -= (count)) {                                                       \
    if (backward)                                                                                  \
      softmax_gradients(job, &run, (count), logarithm);                                            \
    else                                                                                           \
      softmax_pixels(job, &run, (count), logarithm);                                               \
    run.x += (count)*CN_BLOCK;                                                                     \
    run.out += (count)*CN_BLOCK;                                                                   \
    run.dy += (count)*CN_BLOCK;                                                                    \
  }
  PIECE(8)
  PIECE(4)
  PIECE(1)
#undef PIECE
  for (int64_t b = 0; b < job->ov.planes; b++)
    zero_border(job->out_tensor, &job->ov, job->out + plane_offset(&job->ov, sample, b), y, y + 1);
}

/* Items are rows of the batch. */
BODY(softmax_items) {
  const softmax_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    if (job->logarithm)
      process_row(job, item, true, false);
    else
      process_row(job, item, false, false);
}

BODY(softmax_gradient_items) {
  const softmax_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    if (job->logarithm)
      process_row(job, item, true, true);
    else
      process_row(job, item, false, true);
}

static double cost(const cn_softmax *softmax, int64_t n) {
  const cn_tensor *t = &softmax->x;
  return 40.0 * n * blocks_of(t->c) * CN_BLOCK * t->h * t->w;
}

void ISA_NAME(softmax_forward)(const cn_context *context, const cn_softmax *softmax, int32_t n,
                               const float *x, float *y) {
  const softmax_job job = {.shape = &softmax->x,
                           .out_tensor = &softmax->y,
                           .xv = view_of(&softmax->x, n),
                           .ov = view_of(&softmax->y, n),
                           .ev = view_of(&softmax->x, n),
                           .logarithm = softmax->logarithm != 0,
                           .x = x,
                           .out = y};
  run_parallel(context, cost(softmax, n), softmax_items, (int64_t)n * softmax->x.h, &job);
}

void ISA_NAME(softmax_backward)(const cn_context *context, const cn_softmax *softmax, int32_t n,
                                const float *y, const float *dy, float *dx) {
  const softmax_job job = {.shape = &softmax->x,
                           .out_tensor = &softmax->dx,
                           .xv = view_of(&softmax->y, n),
                           .ov = view_of(&softmax->dx, n),
                           .ev = view_of(&softmax->dy, n),
                           .logarithm = softmax->logarithm != 0,
                           .x = y,
                           .dy = dy,
                           .out = dx};
  run_parallel(context, cost(softmax, n), softmax_gradient_items, (int64_t)n * softmax->x.h, &job);
}
