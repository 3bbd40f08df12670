/*
 * Batch normalisation (Ioffe and Szegedy, 2015). Statistics are computed per row, combined per
 * chunk of samples, and then over all chunks; the chunks depend on the batch size only. Means and
 * sums of squared deviations are combined as in Chan, Golub and LeVeque (1983), so a large mean
 * costs no precision.
 */
#include "../batch_norm_plan.h"
#include "conv.h"
#include "pairwise.h"

#include <math.h>

typedef struct norm_job {
  const cn_batch_norm *norm;
  cn_activation activation;
  const cn_tensor *shape;      /* c, h, w; the same for all tensors */
  view xv, ov, ev;             /* ov: of y or dx; ev: of the residual or dy */
  int64_t n, chunks, channels; /* channels: floats in a per-channel vector */
  double count;                /* values of one channel that the statistics are of */
  const float *x, *scale, *shift, *mean, *inverse_std, *statistics;
  const float *extra; /* the residual; in the backward pass dy */
  float *out, *dscale, *dshift;
  float *new_mean, *new_inverse_std, *running_mean, *running_variance; /* training forward */
  const float *variance;                                               /* inference */
  float *first, *second; /* [chunks][channels]: mean, squares; or sums of dy (x - mean), dy */
  double *sums;          /* [2][channels]: of x, squares; or as before */
  const double *shared;  /* the same of a batch that several callers share */
} norm_job;

/* Number of values of one channel in n samples. */
static double count_of(const cn_batch_norm *norm, int64_t n) {
  return (double)n * norm->x.h * norm->x.w;
}

/* First sample of a chunk. */
static int64_t chunk_begin(const norm_job *job, int64_t chunk) {
  return job->n * chunk / job->chunks;
}

/* Per-channel coefficients: y = (x - k[0]) k[1] + k[2] before the activation, whose parameters are
 * k[5] and the following; k[3] and k[4] are used by the gradient. */
enum { PARAMETERS = 5, COEFFICIENTS = PARAMETERS + ACTIVATION_PARAMETERS };
static inline vec normalised(vec x, const vec *k) { return vec_fma(vec_sub(x, k[0]), k[1], k[2]); }

static void load_coefficients(const norm_job *job, int64_t channel, vec *k) {
  const float *scale = job->scale, *shift = job->shift;
  k[0] = vec_load(job->mean + channel);
  k[1] = vec_load(job->inverse_std + channel);
  if (scale != NULL) k[1] = vec_mul(k[1], vec_load(scale + channel));
  k[2] = shift == NULL ? vec_zero() : vec_load(shift + channel);
  load_parameters(job->activation, k + PARAMETERS);
}

/* out = f(x, extra), row by row; k holds the coefficients of the channels. */
typedef vec (*row_formula)(vec x, vec extra, const vec *k);

ALWAYS_INLINE void map_plane(const norm_job *job, int64_t sample, int64_t block, int lane,
                             row_formula f, const vec *k) {
  const cn_tensor *t = job->shape;
  const bool alone = job->extra == NULL;
  const float *x = job->x + plane_offset(&job->xv, sample, block) + lane;
  const float *e = alone ? x : job->extra + plane_offset(&job->ev, sample, block) + lane;
  const int64_t e_row = alone ? job->xv.row : job->ev.row;
  float *out = job->out + plane_offset(&job->ov, sample, block) + lane;
  const bool stream = stores_stream(&job->ov, job->n, STREAMED_FLOATS);
  for (int64_t y = 0; y < t->h; y++, x += job->xv.row, e += e_row, out += job->ov.row)
    for (int64_t i = 0; i < (int64_t)t->w * CN_BLOCK; i += CN_BLOCK)
      store_or_stream(stream, out + i, f(vec_load(x + i), vec_load(e + i), k));
  if (stream) stream_end();
}

static double cost(const norm_job *job) {
  return 20.0 * job->n * job->channels * job->shape->h * job->shape->w;
}

/* ---- Statistics ------------------------------------------------------------------------------ */

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
  norm_job job = {.norm = norm,
                  .shape = &norm->x,
                  .xv = view_of(&norm->x, n),
                  .n = n,
                  .chunks = batch_norm_chunks(n),
                  .channels = blocks_of(norm->x.c) * CN_BLOCK,
                  .count = count_of(norm, n),
                  .statistics = statistics,
                  .sums = sums,
                  .first = workspace};
  job.second = workspace + job.chunks * job.channels;
  const phase phases[] = {{chunk_items, job.chunks * job.xv.planes}, {moment_items, job.channels}};
  run_phases(context, 4.0 * n * job.channels * job.shape->h, phases, 2, &job);
}

/* ---- Forward --------------------------------------------------------------------------------- */

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

/* The activation of an epilogue. */
static cn_activation activation_behind(const cn_epilogue *e) {
  return (e->operations & CN_ACTIVATE) != 0 ? e->activation : (cn_activation){0};
}

/* The fields of a job that training and inference share. */
static norm_job forward_job(const cn_batch_norm *norm, const cn_epilogue *e, int64_t n,
                            const float *x, float *y) {
  const bool adds = (e->operations & CN_ADD) != 0;
  return (norm_job){.norm = norm,
                    .activation = activation_behind(e),
                    .shape = &norm->x,
                    .xv = view_of(&norm->x, n),
                    .ov = view_of(&norm->y, n),
                    .ev = view_of(adds ? &e->add : &norm->x, n),
                    .n = n,
                    .chunks = batch_norm_chunks(n),
                    .channels = blocks_of(norm->x.c) * CN_BLOCK,
                    .count = count_of(norm, n),
                    .x = x,
                    .extra = adds ? e->add_values : NULL,
                    .out = y};
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

/* ---- Backward -------------------------------------------------------------------------------- */

/* The gradient through a fused activation. y is recomputed from x, which is read anyway. */
#define SLOPES(KIND, name)                                                                         \
  static inline vec slope_##name(vec x, vec dy, const vec *k) {                                    \
    return slope_from_x_as(KIND, k + PARAMETERS, normalised(x, k), dy);                            \
  }
EACH_FUSED_ACTIVATION(SLOPES)
#undef SLOPES

/* Sums over w pixels of g (x - mean) and of g = f(x, dy). Each has two accumulators, to hide the
 * latency of additions. */
ALWAYS_INLINE void sum_row(const float *x, const float *dy, int64_t w, row_formula f, const vec *k,
                           vec sum[2]) {
  vec gx[2] = {vec_zero(), vec_zero()}, g[2] = {vec_zero(), vec_zero()};
  int64_t i = 0;
  for (; i + 2 <= w; i += 2)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      const vec v = vec_load(x + (i + j) * CN_BLOCK);
      const vec d = f(v, vec_load(dy + (i + j) * CN_BLOCK), k);
      gx[j] = vec_fma(d, vec_sub(v, k[0]), gx[j]);
      g[j] = vec_add(g[j], d);
    }
  if (i < w) {
    const vec v = vec_load(x + i * CN_BLOCK), d = f(v, vec_load(dy + i * CN_BLOCK), k);
    gx[0] = vec_fma(d, vec_sub(v, k[0]), gx[0]);
    g[0] = vec_add(g[0], d);
  }
  sum[0] = vec_add(sum[0], vec_add(gx[0], gx[1]));
  sum[1] = vec_add(sum[1], vec_add(g[0], g[1]));
}

/* Items are (chunk of samples, block). */
ALWAYS_INLINE void sum_chunks(const norm_job *job, int64_t first, int64_t last, row_formula f) {
  const cn_tensor *t = job->shape;
  for (int64_t item = first; item < last; item++) {
    const int64_t block = item % job->xv.planes, chunk = item / job->xv.planes;
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const int64_t channel = block * CN_BLOCK + lane;
      vec k[COEFFICIENTS], partial[2];
      pairwise total[2];
      int pieces = 0;
      pairwise_begin(total, partial, 2);
      load_coefficients(job, channel, k);
      for (int64_t i = chunk_begin(job, chunk); i < chunk_begin(job, chunk + 1); i++) {
        const float *x = job->x + plane_offset(&job->xv, i, block) + lane;
        const float *dy = job->extra + plane_offset(&job->ev, i, block) + lane;
        for (int64_t y = 0; y < t->h; y++)
          for (int64_t w = 0; w < t->w; w += NORM_PIECE) {
            sum_row(x + y * job->xv.row + w * CN_BLOCK, dy + y * job->ev.row + w * CN_BLOCK,
                    min_i64(NORM_PIECE, t->w - w), f, k, partial);
            if (++pieces % LEAF_TERMS == 0) pairwise_add_leaves(total, partial, 2);
          }
      }
      vec_store(job->first + chunk * job->channels + channel,
                pairwise_total(&total[0], partial[0]));
      vec_store(job->second + chunk * job->channels + channel,
                pairwise_total(&total[1], partial[1]));
    }
  }
}

BODY(gradient_sums) {
  const norm_job *job = state;
  (void)thread;
  switch (job->activation.kind) {
#define SUMS(KIND, name)                                                                           \
  case KIND:                                                                                       \
    sum_chunks(job, first, last, slope_##name);                                                    \
    break;
    EACH_FUSED_ACTIVATION(SUMS)
#undef SUMS
  }
}

static double total_of(const norm_job *job, const float *partial, int64_t channel) {
  double sum = 0.0;
  for (int64_t c = 0; c < job->chunks; c++) sum += partial[c * job->channels + channel];
  return sum;
}

/* dshift = sum of g; dscale = sum of g (x - mean) / std. */
static void note_gradients(const norm_job *job, int64_t c, double products, double sum) {
  job->dshift[c] = (float)sum;
  job->dscale[c] = (float)(products * job->inverse_std[c]);
}

/* Items are channels. */
BODY(norm_gradient_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t c = first; c < last; c++)
    note_gradients(job, c, total_of(job, job->first, c), total_of(job, job->second, c));
}

BODY(norm_sum_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t c = first; c < last; c++) {
    job->sums[c] = total_of(job, job->first, c);
    job->sums[job->channels + c] = total_of(job, job->second, c);
    note_gradients(job, c, job->sums[c], job->sums[job->channels + c]);
  }
}

BODY(shared_gradient_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t c = first; c < last; c++)
    note_gradients(job, c, job->shared[c], job->shared[job->channels + c]);
}

/* k1 (g - k3 - (x - k0) k4) */
static inline vec input_gradient(vec x, vec g, const vec *k) {
  return vec_mul(k[1], vec_sub(vec_sub(g, k[3]), vec_mul(vec_sub(x, k[0]), k[4])));
}
#define INPUT_GRADIENTS(KIND, name)                                                                \
  static inline vec input_gradient_##name(vec x, vec dy, const vec *k) {                           \
    return input_gradient(x, slope_##name(x, dy, k), k);                                           \
  }
EACH_FUSED_ACTIVATION(INPUT_GRADIENTS)
#undef INPUT_GRADIENTS

/* dx = scale / std (g - dshift / m - (x - mean) / std dscale / m). Items are planes of dx. */
BODY(input_items) {
  const norm_job *job = state;
  const vec count = vec_set1((float)job->count);
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t block = item % job->ov.planes, sample = item / job->ov.planes;
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const int64_t c = block * CN_BLOCK + lane;
      const vec inverse = vec_load(job->inverse_std + c);
      vec k[COEFFICIENTS];
      load_coefficients(job, c, k);
      k[3] = vec_div(vec_load(job->dshift + c), count);
      k[4] = vec_mul(vec_div(vec_load(job->dscale + c), count), inverse);
      switch (job->activation.kind) {
#define GRADIENT(KIND, name)                                                                       \
  case KIND:                                                                                       \
    map_plane(job, sample, block, lane, input_gradient_##name, k);                                 \
    break;
        EACH_FUSED_ACTIVATION(GRADIENT)
#undef GRADIENT
      }
    }
    zero_border(&job->norm->dx, &job->ov, job->out + plane_offset(&job->ov, sample, block), 0,
                job->shape->h);
  }
}

/* The fields that all backward passes share, but for views of what they write. */
static norm_job backward_job(const cn_batch_norm *norm, const cn_epilogue *e, int64_t n,
                             const float *x, const float *dy, const float *scale,
                             const float *shift, const float *mean, const float *inverse_std) {
  return (norm_job){.norm = norm,
                    .activation = activation_behind(e),
                    .shape = &norm->x,
                    .xv = view_of(&norm->x, n),
                    .ev = view_of(&norm->dy, n),
                    .n = n,
                    .chunks = batch_norm_chunks(n),
                    .channels = blocks_of(norm->x.c) * CN_BLOCK,
                    .count = count_of(norm, n),
                    .x = x,
                    .extra = dy,
                    .scale = scale,
                    .shift = shift,
                    .mean = mean,
                    .inverse_std = inverse_std};
}

void ISA_NAME(batch_norm_backward)(const cn_context *context, const cn_batch_norm *norm,
                                   const cn_epilogue *epilogue, int32_t n, const float *x,
                                   const float *dy, const float *scale, const float *shift,
                                   const float *mean, const float *inverse_std, float *dx,
                                   float *dscale, float *dshift, float *workspace) {
  norm_job job = backward_job(norm, epilogue, n, x, dy, scale, shift, mean, inverse_std);
  job.ov = view_of(&norm->dx, n);
  job.out = dx;
  job.dscale = dscale;
  job.dshift = dshift;
  job.first = workspace;
  job.second = workspace + job.chunks * job.channels;
  const phase phases[] = {{gradient_sums, job.chunks * job.xv.planes},
                          {norm_gradient_items, job.channels},
                          {input_items, n * job.ov.planes}};
  run_phases(context, cost(&job), phases, 3, &job);
}

void ISA_NAME(batch_norm_backward_sums)(const cn_context *context, const cn_batch_norm *norm,
                                        const cn_epilogue *epilogue, int32_t n, const float *x,
                                        const float *dy, const float *scale, const float *shift,
                                        const float *mean, const float *inverse_std, double *sums,
                                        float *dscale, float *dshift, float *workspace) {
  norm_job job = backward_job(norm, epilogue, n, x, dy, scale, shift, mean, inverse_std);
  job.sums = sums;
  job.dscale = dscale;
  job.dshift = dshift;
  job.first = workspace;
  job.second = workspace + job.chunks * job.channels;
  const phase phases[] = {{gradient_sums, job.chunks * job.xv.planes},
                          {norm_sum_items, job.channels}};
  run_phases(context, cost(&job), phases, 2, &job);
}

void ISA_NAME(batch_norm_backward_shared)(const cn_context *context, const cn_batch_norm *norm,
                                          const cn_epilogue *epilogue, int32_t n, const float *x,
                                          const float *dy, const float *scale, const float *shift,
                                          const float *mean, const float *inverse_std, double count,
                                          const double *shared, float *dx, float *workspace) {
  norm_job job = backward_job(norm, epilogue, n, x, dy, scale, shift, mean, inverse_std);
  job.count = count;
  job.shared = shared;
  job.ov = view_of(&norm->dx, n);
  job.out = dx;
  job.dscale = workspace;
  job.dshift = workspace + job.channels;
  const phase phases[] = {{shared_gradient_items, job.channels}, {input_items, n * job.ov.planes}};
  run_phases(context, cost(&job), phases, 2, &job);
}
