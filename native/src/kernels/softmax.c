/*
 * Softmax over the channels of each pixel, and its logarithm. The largest value of a pixel is
 * subtracted, so no exponential overflows. A NaN or +infinity makes all channels of its pixel NaN.
 */
#include "pixel_runs.h"

#include <math.h>

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

/* e^(x - most) is stored as y, unless only its sum is needed. */
ALWAYS_INLINE void softmax_pixels(const maps *m, const pixel_run *run, int count, bool logarithm) {
  const int64_t blocks = m->xv.planes;
  const float *x = m->x + run->x;
  float *y = m->out + run->out;
  vec most[NORM_PIXELS], sum[NORM_PIXELS];
  for (int i = 0; i < count; i++) {
    most[i] = vec_set1(-INFINITY);
    sum[i] = vec_zero();
  }
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec_mask inside = lanes_in(m, b, lane);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec v = vec_load(x + b * m->xv.plane + i * CN_BLOCK + lane);
        most[i] = larger(vec_select(inside, v, vec_set1(-INFINITY)), most[i]);
      }
    }
  for (int i = 0; i < count; i++) most[i] = vec_set1(largest_lane(most[i]));
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec_mask inside = lanes_in(m, b, lane);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec v = vec_load(x + b * m->xv.plane + i * CN_BLOCK + lane);
        const vec e = vec_keep(inside, vec_exp(vec_sub(v, most[i])));
        sum[i] = vec_add(sum[i], e);
        if (!logarithm) vec_store(y + b * m->ov.plane + i * CN_BLOCK + lane, e);
      }
    }
  for (int i = 0; i < count; i++) {
    const float total = vec_sum(sum[i]);
    sum[i] = vec_set1(logarithm ? logf(total) : total);
  }
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec_mask inside = lanes_in(m, b, lane);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        float *to = y + b * m->ov.plane + i * CN_BLOCK + lane;
        if (logarithm) {
          const vec v = vec_load(x + b * m->xv.plane + i * CN_BLOCK + lane);
          vec_store(to, vec_keep(inside, vec_sub(vec_sub(v, most[i]), sum[i])));
        } else {
          vec_store(to, vec_keep(inside, vec_div(vec_load(to), sum[i])));
        }
      }
    }
}

/* dx = y (dy - sum of dy y), or dy - e^y sum of dy. */
ALWAYS_INLINE void softmax_gradients(const maps *m, const pixel_run *run, int count,
                                     bool logarithm) {
  const int64_t blocks = m->xv.planes;
  const float *y = m->x + run->x, *dy = m->dy + run->dy;
  float *dx = m->out + run->out;
  vec sum[NORM_PIXELS];
  for (int i = 0; i < count; i++) sum[i] = vec_zero();
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC)
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec g = vec_load(dy + b * m->ev.plane + i * CN_BLOCK + lane);
        const vec v = vec_load(y + b * m->xv.plane + i * CN_BLOCK + lane);
        sum[i] = logarithm ? vec_add(sum[i], g) : vec_fma(g, v, sum[i]);
      }
  for (int i = 0; i < count; i++) sum[i] = vec_set1(vec_sum(sum[i]));
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec_mask inside = lanes_in(m, b, lane);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec g = vec_load(dy + b * m->ev.plane + i * CN_BLOCK + lane);
        const vec v = vec_load(y + b * m->xv.plane + i * CN_BLOCK + lane);
        const vec d =
            logarithm ? vec_sub(g, vec_mul(vec_exp(v), sum[i])) : vec_mul(v, vec_sub(g, sum[i]));
        vec_store(dx + b * m->ov.plane + i * CN_BLOCK + lane, vec_keep(inside, d));
      }
    }
}

/* Items are rows of the batch. */
#define ITEMS(name, formula, logarithm)                                                            \
  ALWAYS_INLINE void name##_run(const void *job, const pixel_run *run, int count) {                \
    formula(job, run, count, logarithm);                                                           \
  }                                                                                                \
  BODY(name##_items) {                                                                             \
    const maps *m = state;                                                                         \
    (void)thread;                                                                                  \
    for (int64_t row = first; row < last; row++) map_runs(m, row, 0, m->shape->w, name##_run, m);  \
  }
ITEMS(softmax, softmax_pixels, false)
ITEMS(log_softmax, softmax_pixels, true)
ITEMS(softmax_gradient, softmax_gradients, false)
ITEMS(log_softmax_gradient, softmax_gradients, true)
#undef ITEMS

static void run_maps(const cn_context *context, const maps *m, phase_body body) {
  const cn_tensor *t = m->shape;
  const double cost = 40.0 * m->n * blocks_of(t->c) * CN_BLOCK * t->h * t->w;
  run_parallel(context, cost, body, m->n * t->h, m);
}

void ISA_NAME(softmax_forward)(const cn_context *context, const cn_softmax *softmax, int32_t n,
                               const float *x, float *y) {
  const maps m = {.shape = &softmax->x,
                  .result = &softmax->y,
                  .xv = view_of(&softmax->x, n),
                  .ov = view_of(&softmax->y, n),
                  .ev = view_of(&softmax->x, n),
                  .n = n,
                  .x = x,
                  .out = y};
  run_maps(context, &m, softmax->logarithm != 0 ? log_softmax_items : softmax_items);
}

void ISA_NAME(softmax_backward)(const cn_context *context, const cn_softmax *softmax, int32_t n,
                                const float *y, const float *dy, float *dx) {
  const maps m = {.shape = &softmax->x,
                  .result = &softmax->dx,
                  .xv = view_of(&softmax->y, n),
                  .ov = view_of(&softmax->dx, n),
                  .ev = view_of(&softmax->dy, n),
                  .n = n,
                  .x = y,
                  .dy = dy,
                  .out = dx};
  run_maps(context, &m,
           softmax->logarithm != 0 ? log_softmax_gradient_items : softmax_gradient_items);
}
