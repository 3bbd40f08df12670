/*
 * Batch normalisation, forward. Statistics are computed per row, combined per chunk of samples, and
 * then over all chunks. Means and sums of squared deviations are combined as in Chan, Golub and
 * LeVeque (1983), so a large mean costs no precision.
 */
#include "batch_norm.h"

#include <math.h>

typedef struct rows_job {
  const cn_tensor *tensor;
  view v;
  const float *x;
  float *statistics;
} rows_job;

/* Items are rows of all planes. */
BODY(row_items) {
  const rows_job *job = state;
  const int64_t h = job->tensor->h;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    row_statistics(job->x + plane_start(&job->v, item / h) + item % h * job->v.row, job->tensor->w,
                   job->statistics + item * ROW_STATISTICS);
}

void ISA_NAME(row_statistics_of)(const cn_context *context, const cn_tensor *tensor, int32_t n,
                                 const float *x, float *statistics) {
  const rows_job job = {
      .tensor = tensor, .v = view_of(tensor, n), .x = x, .statistics = statistics};
  const int64_t rows = n * job.v.planes * tensor->h;
  run_parallel(context, 20.0 * rows * tensor->w * CN_BLOCK, row_items, rows, &job);
}

/* Sum of d or d^2 over the rows of a chunk, where d is 16 lanes of the row statistics, from
 * `offset` on, minus origin. */
ALWAYS_INLINE vec sum_rows(const norm_job *job, int64_t chunk, int64_t block, int64_t offset,
                           vec origin, bool squared) {
  const int64_t h = job->shape->h, planes = job->xv.planes;
  pairwise sum;
  pairwise_clear(&sum);
  vec partial = vec_zero();
  int terms = 0;
  for (int64_t i = chunk_begin(job, chunk); i < chunk_begin(job, chunk + 1); i++) {
    const float *row = job->statistics + (i * planes + block) * h * ROW_STATISTICS + offset;
    for (int64_t y = 0; y < h; y++, row += ROW_STATISTICS) {
      const vec d = vec_sub(vec_load(row), origin);
      partial = vec_add(partial, squared ? vec_mul(d, d) : d);
      if (++terms < LEAF_TERMS) continue;
      pairwise_add(&sum, partial);
      partial = vec_zero();
      terms = 0;
    }
  }
  return pairwise_total(&sum, partial);
}

/* Number of rows of a chunk. */
static double rows_of(const norm_job *job, int64_t chunk) {
  return (double)((chunk_begin(job, chunk + 1) - chunk_begin(job, chunk)) * job->shape->h);
}

/* Items are (chunk, block): computes mean and sum of squared deviations from those of the rows. */
BODY(chunk_items) {
  const norm_job *job = state;
  const vec w = vec_set1((float)job->shape->w);
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t block = item % job->xv.planes, chunk = item / job->xv.planes;
    const vec rows = vec_set1((float)rows_of(job, chunk));
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const int64_t to = chunk * job->channels + block * CN_BLOCK + lane;
      const vec mean = vec_div(sum_rows(job, chunk, block, lane, vec_zero(), false), rows);
      const vec between = sum_rows(job, chunk, block, lane, mean, true);
      const vec within = sum_rows(job, chunk, block, CN_BLOCK + lane, vec_zero(), false);
      vec_store(job->first + to, mean);
      vec_store(job->second + to, vec_fma(w, between, within));
    }
  }
}

static float inverse_std(float variance, float epsilon) {
  return (float)(1.0 / sqrt((double)variance + (double)epsilon));
}

/* The sum of the values of a channel, and that of the squared deviations from their mean. */
typedef struct moments {
  double sum, squares;
} moments;

static moments moments_of(const norm_job *job, int64_t c) {
  const double w = job->shape->w;
  moments m = {0.0, 0.0};
  for (int64_t i = 0; i < job->chunks; i++)
    m.sum += w * rows_of(job, i) * job->first[i * job->channels + c];
  const double mean = m.sum / job->count;
  for (int64_t i = 0; i < job->chunks; i++) {
    const double d = job->first[i * job->channels + c] - mean;
    m.squares += job->second[i * job->channels + c] + w * rows_of(job, i) * d * d;
  }
  return m;
}

static void note_statistics(const norm_job *job, int64_t c, moments of) {
  const float m = job->norm->momentum;
  job->new_mean[c] = (float)(of.sum / job->count);
  job->new_inverse_std[c] = inverse_std((float)(of.squares / job->count), job->norm->epsilon);
  job->running_mean[c] = (1.0f - m) * job->running_mean[c] + m * job->new_mean[c];
  if (job->count > 1.0)
    job->running_variance[c] =
        (1.0f - m) * job->running_variance[c] + m * (float)(of.squares / (job->count - 1.0));
}

/* Items are channels, including padding channels, whose statistics are zero. */
BODY(channel_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t c = first; c < last; c++) note_statistics(job, c, moments_of(job, c));
}

BODY(moment_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t c = first; c < last; c++) {
    const moments m = moments_of(job, c);
    job->sums[c] = m.sum;
    job->sums[job->channels + c] = m.squares;
  }
}

BODY(shared_channel_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t c = first; c < last; c++)
    note_statistics(job, c, (moments){job->shared[c], job->shared[job->channels + c]});
}

void ISA_NAME(batch_norm_moments)(const cn_context *context, const cn_batch_norm *norm, int32_t n,
                                  const float *statistics, double *sums, float *workspace) {
  const cn_epilogue none = {0};
  norm_job job = job_of(norm, &none, n, NULL);
  job.statistics = statistics;
  job.sums = sums;
  job.first = workspace;
  job.second = workspace + job.chunks * job.channels;
  const phase phases[] = {{chunk_items, job.chunks * job.xv.planes}, {moment_items, job.channels}};
  run_phases(context, 4.0 * n * job.channels * job.shape->h, phases, 2, &job);
}

#define OUTPUTS(KIND, name)                                                                        \
  static inline vec output_##name(vec x, vec add, const vec *k) {                                  \
    (void)add;                                                                                     \
    return activate_as(KIND, k + PARAMETERS, normalised(x, k));                                    \
  }                                                                                                \
  static inline vec output_sum_##name(vec x, vec add, const vec *k) {                              \
    return activate_as(KIND, k + PARAMETERS, vec_add(normalised(x, k), add));                      \
  }
EACH_FUSED_ACTIVATION(OUTPUTS)
#undef OUTPUTS

/* Items are planes of y: (sample, block). */
BODY(output_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t block = item % job->ov.planes, sample = item / job->ov.planes;
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      vec k[COEFFICIENTS];
      load_coefficients(job, block * CN_BLOCK + lane, k);
      switch (job->activation.kind) {
#define OUTPUT(KIND, name)                                                                         \
  case KIND:                                                                                       \
    if (job->extra == NULL)                                                                        \
      map_plane(job, sample, block, lane, output_##name, k);                                       \
    else                                                                                           \
      map_plane(job, sample, block, lane, output_sum_##name, k);                                   \
    break;
        EACH_FUSED_ACTIVATION(OUTPUT)
#undef OUTPUT
      }
    }
    zero_border(&job->norm->y, &job->ov, job->out + plane_offset(&job->ov, sample, block), 0,
                job->shape->h);
  }
}

/* The fields that training and inference share. */
static norm_job forward_job(const cn_batch_norm *norm, const cn_epilogue *e, int64_t n,
                            const float *x, float *y) {
  const bool adds = (e->operations & CN_ADD) != 0;
  norm_job job = job_of(norm, e, n, x);
  job.extra = adds ? e->add_values : NULL;
  job.ev = view_of(adds ? &e->add : &norm->x, n);
  job.out = y;
  job.ov = view_of(&norm->y, n);
  return job;
}

void ISA_NAME(batch_norm_forward)(const cn_context *context, const cn_batch_norm *norm,
                                  const cn_epilogue *epilogue, int32_t n, const float *x,
                                  const float *statistics, const float *scale, const float *shift,
                                  float *y, float *mean, float *inverse_std, float *running_mean,
                                  float *running_variance, float *workspace) {
  norm_job job = forward_job(norm, epilogue, n, x, y);
  job.statistics = statistics;
  job.scale = scale;
  job.shift = shift;
  job.mean = job.new_mean = mean;
  job.inverse_std = job.new_inverse_std = inverse_std;
  job.running_mean = running_mean;
  job.running_variance = running_variance;
  job.first = workspace;
  job.second = workspace + job.chunks * job.channels;
  const phase phases[] = {{chunk_items, job.chunks * job.xv.planes},
                          {channel_items, job.channels},
                          {output_items, n * job.ov.planes}};
  run_phases(context, cost(&job), phases, 3, &job);
}

void ISA_NAME(batch_norm_forward_shared)(const cn_context *context, const cn_batch_norm *norm,
                                         const cn_epilogue *epilogue, int32_t n, const float *x,
                                         double count, const double *shared, const float *scale,
                                         const float *shift, float *y, float *mean,
                                         float *inverse_std, float *running_mean,
                                         float *running_variance) {
  norm_job job = forward_job(norm, epilogue, n, x, y);
  job.count = count;
  job.shared = shared;
  job.scale = scale;
  job.shift = shift;
  job.mean = job.new_mean = mean;
  job.inverse_std = job.new_inverse_std = inverse_std;
  job.running_mean = running_mean;
  job.running_variance = running_variance;
  const phase phases[] = {{shared_channel_items, job.channels}, {output_items, n * job.ov.planes}};
  run_phases(context, cost(&job), phases, 2, &job);
}

void ISA_NAME(batch_norm_apply)(const cn_context *context, const cn_batch_norm *norm,
                                const cn_epilogue *epilogue, int32_t n, const float *x,
                                const float *scale, const float *shift, const float *mean,
                                const float *inverse_std, float *y) {
  norm_job job = forward_job(norm, epilogue, n, x, y);
  job.scale = scale;
  job.shift = shift;
  job.mean = mean;
  job.inverse_std = inverse_std;
  run_parallel(context, cost(&job), output_items, n * job.ov.planes, &job);
}

/* Inference: the inverse standard deviations are computed per plane, so no workspace is needed. */
BODY(infer_items) {
  const norm_job *job = state;
  float factor[CN_BLOCK];
  for (int64_t item = first; item < last; item++) {
    const int64_t block = item % job->ov.planes;
    norm_job plane = *job;
    for (int i = 0; i < CN_BLOCK; i++)
      factor[i] = inverse_std(job->variance[block * CN_BLOCK + i], job->norm->epsilon);
    plane.inverse_std = factor - block * CN_BLOCK;
    output_items->run(&plane, item, item + 1, thread);
  }
}

void ISA_NAME(batch_norm_infer)(const cn_context *context, const cn_batch_norm *norm,
                                const cn_epilogue *epilogue, int32_t n, const float *x,
                                const float *scale, const float *shift, const float *running_mean,
                                const float *running_variance, float *y) {
  norm_job job = forward_job(norm, epilogue, n, x, y);
  job.scale = scale;
  job.shift = shift;
  job.mean = running_mean;
  job.variance = running_variance;
  run_parallel(context, cost(&job), infer_items, n * job.ov.planes, &job);
}
