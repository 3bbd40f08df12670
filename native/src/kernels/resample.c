/* Resampling of images by separable weighted sums: padding, resizing, slices of rows and columns.
 */
#include "conv.h"
#include "pairwise.h"

typedef struct resample_job {
  cn_resampling op;
  view xv, yv;
  const float *x;
  float *y;
} resample_job;

/* The taps of one output along an axis. */
typedef struct tap_run {
  const int32_t *index;
  const float *weight;
  int64_t count;
} tap_run;

ALWAYS_INLINE tap_run taps_of(const cn_axis_taps *axis, int64_t output) {
  const int64_t first = axis->starts[output];
  return (tap_run){axis->indices + first, axis->weights + first, axis->starts[output + 1] - first};
}

ALWAYS_INLINE bool is_copy(tap_run t) { return t.count == 1 && t.weight[0] == 1.0f; }

/* The weighted sum of pixels of one row. */
ALWAYS_INLINE vec row_sum(const float *row, const int32_t *index, const float *weight,
                          int64_t count) {
  vec sum = vec_zero();
  for (int64_t j = 0; j < count; j++)
    sum = vec_fma(vec_set1(weight[j]), vec_load(row + index[j] * (int64_t)CN_BLOCK), sum);
  return sum;
}

/* Many terms: pairwise over runs of them. */
static vec large_sum(const float *plane, int64_t row, tap_run rows, tap_run cols) {
  pairwise sum;
  pairwise_clear(&sum);
  for (int64_t i = 0; i < rows.count; i++)
    for (int64_t first = 0; first < cols.count; first += LEAF_TERMS) {
      const int64_t count = min_i64(LEAF_TERMS, cols.count - first);
      const vec part =
          row_sum(plane + rows.index[i] * row, cols.index + first, cols.weight + first, count);
      pairwise_add(&sum, vec_mul(vec_set1(rows.weight[i]), part));
    }
  return pairwise_total(&sum, vec_zero());
}

/* The weighted sum of the pixels of several rows. Sums of two by two, as in bilinear interpolation,
 * are unrolled. */
ALWAYS_INLINE vec pixel_sum(const float *plane, int64_t row, tap_run rows, tap_run cols) {
  if (rows.count == 2 && cols.count == 2) {
    const vec upper = row_sum(plane + rows.index[0] * row, cols.index, cols.weight, 2);
    const vec lower = row_sum(plane + rows.index[1] * row, cols.index, cols.weight, 2);
    return vec_fma(vec_set1(rows.weight[1]), lower, vec_mul(vec_set1(rows.weight[0]), upper));
  }
  if (rows.count * cols.count > SUM_TERMS) return large_sum(plane, row, rows, cols);
  vec sum = vec_zero();
  for (int64_t i = 0; i < rows.count; i++)
    sum = vec_fma(vec_set1(rows.weight[i]),
                  row_sum(plane + rows.index[i] * row, cols.index, cols.weight, cols.count), sum);
  return sum;
}

/* The outputs from q on that copy consecutive pixels of one row. */
ALWAYS_INLINE int64_t copied_run(const cn_axis_taps *cols, int64_t q, int64_t w) {
  const int64_t first = cols->starts[q];
  int64_t count = 1;
  while (q + count < w && is_copy(taps_of(cols, q + count)) &&
         cols->indices[first + count] == cols->indices[first] + count)
    count++;
  return count;
}

static void resample_row(const resample_job *job, const float *plane, tap_run rows, float *y) {
  const cn_axis_taps *axis = &job->op.cols;
  const int64_t w = job->op.y.w, row = job->xv.row;
  for (int64_t q = 0; q < w;) {
    const tap_run cols = taps_of(axis, q);
    float *to = y + q * CN_BLOCK;
    if (is_copy(rows) && is_copy(cols)) {
      const int64_t count = copied_run(axis, q, w);
      const float *from = plane + rows.index[0] * row + cols.index[0] * (int64_t)CN_BLOCK;
      memcpy(to, from, (size_t)(count * CN_BLOCK) * sizeof(float));
      q += count;
      continue;
    }
    for (int lane = 0; lane < CN_BLOCK; lane += VEC)
      vec_store(to + lane, pixel_sum(plane + lane, row, rows, cols));
    q++;
  }
}

/* Items are rows of y: (sample, block, row). */
BODY(resample_items) {
  const resample_job copy = *(const resample_job *)state, *job = &copy;
  const cn_tensor *t = &copy.op.y;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t p = item % t->h, block = item / t->h % job->yv.planes;
    const int64_t sample = item / t->h / job->yv.planes;
    const float *x = job->x + plane_offset(&job->xv, sample, block);
    float *y = job->y + plane_offset(&job->yv, sample, block);
    resample_row(job, x, taps_of(&job->op.rows, p), y + p * job->yv.row);
    zero_border(t, &job->yv, y, p, p + 1);
  }
}

void ISA_NAME(resample)(const cn_context *context, const cn_resampling *op, int32_t n,
                        const float *x, float *y) {
  const resample_job job = {
      .op = *op, .xv = view_of(&op->x, n), .yv = view_of(&op->y, n), .x = x, .y = y};
  const double terms = (double)op->rows.starts[op->y.h] * op->cols.starts[op->y.w];
  const double pixels = (double)op->y.h * op->y.w;
  run_parallel(context, n * 10.0 * job.yv.planes * CN_BLOCK * (terms + pixels), resample_items,
               n * job.yv.planes * op->y.h, &job);
}
