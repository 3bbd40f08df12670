/* The operations fused behind a convolution, applied to complete rows while they are in cache. */
#include "conv.h"
#include "pairwise.h"

void ISA_NAME(activate_array)(cn_activation f, vec *x, int count) {
  vec p[ACTIVATION_PARAMETERS];
  load_parameters(f, p);
  switch (f.kind) {
#define ACTIVATE(KIND, name)                                                                       \
  case KIND:                                                                                       \
    for (int i = 0; i < count; i++) x[i] = activate_as(KIND, p, x[i]);                             \
    break;
    EACH_FUSED_ACTIVATION(ACTIVATE)
#undef ACTIVATE
  }
}

/* dst[i] += add[i]; then the activation, or, if the outputs of an activation are given, a
 * multiplication by its slope. */
ALWAYS_INLINE void finish_row_as(int32_t kind, const vec *p, float *dst, const float *add,
                                 const float *outputs, int64_t floats) {
  for (int64_t i = 0; i < floats; i += VEC) {
    const vec_mask some = vec_first(floats - i);
    vec v = vec_load_some(dst + i, some);
    if (add != NULL) v = vec_add(vec_load_some(add + i, some), v);
    if (outputs != NULL)
      v = slope_as(kind, p, vec_load_some(outputs + i, some), v);
    else
      v = activate_as(kind, p, v);
    vec_store_some(dst + i, some, v);
  }
}

static void finish_row(cn_activation f, float *dst, const float *add, const float *outputs,
                       int64_t floats) {
  vec p[ACTIVATION_PARAMETERS];
  load_parameters(f, p);
  switch (f.kind) {
#define FINISH(KIND, name)                                                                         \
  case KIND:                                                                                       \
    finish_row_as(KIND, p, dst, add, outputs, floats);                                             \
    break;
    EACH_FUSED_ACTIVATION(FINISH)
#undef FINISH
  }
}

/* Each sum has four accumulators, to hide the latency of additions. Longer rows are split into
 * pieces. */
enum { SUMS = STATISTICS_PIECE / LEAF_TERMS };

static vec total(const vec sum[SUMS]) {
  return vec_add(vec_add(sum[0], sum[1]), vec_add(sum[2], sum[3]));
}

/* Sum of w pixels. */
static inline vec piece_sum(const float *p, int64_t w) {
  vec sum[SUMS] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
  int64_t i = 0;
  for (; i + SUMS <= w; i += SUMS)
#pragma GCC unroll 4
    for (int j = 0; j < SUMS; j++) sum[j] = vec_add(sum[j], vec_load(p + (i + j) * CN_BLOCK));
  for (; i < w; i++) sum[0] = vec_add(sum[0], vec_load(p + i * CN_BLOCK));
  return total(sum);
}

/* Sum of squared deviations of w pixels from mean. */
static inline vec piece_squares(const float *p, int64_t w, vec mean) {
  vec squares[SUMS] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
  int64_t i = 0;
  for (; i + SUMS <= w; i += SUMS)
#pragma GCC unroll 4
    for (int j = 0; j < SUMS; j++) {
      const vec d = vec_sub(vec_load(p + (i + j) * CN_BLOCK), mean);
      squares[j] = vec_fma(d, d, squares[j]);
    }
  for (; i < w; i++) {
    const vec d = vec_sub(vec_load(p + i * CN_BLOCK), mean);
    squares[0] = vec_fma(d, d, squares[0]);
  }
  return total(squares);
}

/* The same for a row of several pieces. */
static vec row_sum(const float *p, int64_t w) {
  pairwise sum;
  pairwise_clear(&sum);
  for (int64_t i = 0; i < w; i += STATISTICS_PIECE)
    pairwise_add(&sum, piece_sum(p + i * CN_BLOCK, min_i64(STATISTICS_PIECE, w - i)));
  return pairwise_total(&sum, vec_zero());
}

static vec row_squares(const float *p, int64_t w, vec mean) {
  pairwise sum;
  pairwise_clear(&sum);
  for (int64_t i = 0; i < w; i += STATISTICS_PIECE)
    pairwise_add(&sum, piece_squares(p + i * CN_BLOCK, min_i64(STATISTICS_PIECE, w - i), mean));
  return pairwise_total(&sum, vec_zero());
}

void row_statistics(const float *x, int64_t w, float *to) {
  const bool one = w <= STATISTICS_PIECE;
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    const float *p = x + lane;
    const vec mean = vec_div(one ? piece_sum(p, w) : row_sum(p, w), vec_set1((float)w));
    vec_store(to + lane, mean);
    vec_store(to + CN_BLOCK + lane, one ? piece_squares(p, w, mean) : row_squares(p, w, mean));
  }
}

void tail_rows(const tail *t, const cn_tensor *dst, const view *v, int64_t sample, int64_t plane,
               int64_t y0, int64_t y1, float *values) {
  const float *add = t->add == NULL ? NULL : t->add + plane_offset(&t->av, sample, plane);
  const float *outputs =
      t->outputs == NULL ? NULL : t->outputs + plane_offset(&t->ov, sample, plane);
  for (int64_t y = y0; y < y1 && !tail_is_empty(t); y++) {
    float *row = values + y * v->row;
    if (add != NULL || t->activation.kind != CN_IDENTITY)
      finish_row(t->activation, row, add == NULL ? NULL : add + y * t->av.row,
                 outputs == NULL ? NULL : outputs + y * t->ov.row, dst->w * v->pixel);
    if (t->statistics != NULL)
      row_statistics(row, dst->w,
                     t->statistics + ((sample * v->planes + plane) * dst->h + y) * ROW_STATISTICS);
  }
  zero_border(dst, v, values, y0, y1);
}

typedef struct tail_job {
  const tail *tail;
  const cn_tensor *dst;
  view dv;
  float *values;
} tail_job;

/* Items are planes of dst: (sample, plane). */
BODY(tail_items) {
  const tail_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t sample = item / job->dv.planes, plane = item % job->dv.planes;
    tail_rows(job->tail, job->dst, &job->dv, sample, plane, 0, job->dst->h,
              job->values + plane_offset(&job->dv, sample, plane));
  }
}

void run_tail(const cn_context *context, const tail *t, const cn_tensor *dst, int64_t n,
              float *values) {
  if (tail_is_empty(t)) return;
  const tail_job job = {.tail = t, .dst = dst, .dv = view_of(dst, n), .values = values};
  run_parallel(context, 20.0 * n * job.dv.planes * job.dv.plane, tail_items, n * job.dv.planes,
               &job);
}
