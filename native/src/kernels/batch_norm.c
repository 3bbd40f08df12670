/*
 * Batch normalisation, Ioffe and Szegedy 2015. Statistics are sums over rows, then rows, then
 * samples of a chunk, then chunks; chunks depend on the batch size only.
 */
#include "../batch_norm_plan.h"
#include "conv.h"

#include <math.h>

typedef struct norm_job {
  const cn_batch_norm *norm;
  const cn_tensor *shape;      /* any of the tensors: c, h, w */
  view xv, ov, dyv;            /* ov: of y, or of dx */
  int64_t n, chunks, channels; /* channels: floats of a per-channel vector */
  const float *x, *dy, *scale, *shift, *mean, *inverse_std;
  float *out, *dscale, *dshift;
  float *new_mean, *new_inverse_std, *running_mean, *running_variance; /* training forward */
  const float *variance;                                               /* inference */
  float *partial,
      *partial_dy; /* [chunks][channels]; in the backward pass of dy (x - mean), and of dy */
} norm_job;

/* Values of one channel. */
static double count_of(const norm_job *job) {
  return (double)job->n * job->shape->h * job->shape->w;
}

/* What is summed over the values of a channel. */
typedef vec (*summand)(vec x, vec dy, vec mean);

static inline vec value(vec x, vec dy, vec mean) {
  (void)dy;
  (void)mean;
  return x;
}
static inline vec squared_deviation(vec x, vec dy, vec mean) {
  (void)dy;
  const vec d = vec_sub(x, mean);
  return vec_mul(d, d);
}
static inline vec gradient(vec x, vec dy, vec mean) {
  (void)x;
  (void)mean;
  return dy;
}
static inline vec gradient_deviation(vec x, vec dy, vec mean) {
  return vec_mul(dy, vec_sub(x, mean));
}

/* Items are (chunk of samples, block): to[chunk][block][16] = the sum of f. */
static inline __attribute__((always_inline)) void sum_items(const norm_job *job, int64_t first,
                                                            int64_t last, summand f, float *to) {
  const cn_tensor *t = job->shape;
  for (int64_t item = first; item < last; item++) {
    const int64_t block = item % job->xv.planes, chunk = item / job->xv.planes;
    const int64_t begin = job->n * chunk / job->chunks, end = job->n * (chunk + 1) / job->chunks;
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const int64_t channel = block * CN_BLOCK + lane;
      const vec mean = vec_load(job->mean + channel);
      vec total = vec_zero();
      for (int64_t i = begin; i < end; i++) {
        const float *x = job->x + plane_offset(&job->xv, i, block) + lane;
        const float *dy = job->dy == NULL ? x : job->dy + plane_offset(&job->dyv, i, block) + lane;
        const int64_t dy_row = job->dy == NULL ? job->xv.row : job->dyv.row;
        vec sample = vec_zero();
        for (int64_t y = 0; y < t->h; y++) {
          vec row = vec_zero();
          for (int64_t k = 0; k < (int64_t)t->w * CN_BLOCK; k += CN_BLOCK)
            row = vec_add(
                row, f(vec_load(x + y * job->xv.row + k), vec_load(dy + y * dy_row + k), mean));
          sample = vec_add(sample, row);
        }
        total = vec_add(total, sample);
      }
      vec_store(to + chunk * job->channels + channel, total);
    }
  }
}

static double total_of(const norm_job *job, const float *partial, int64_t channel) {
  double sum = 0.0;
  for (int64_t c = 0; c < job->chunks; c++) sum += partial[c * job->channels + channel];
  return sum;
}

/* y (or dx) = f(x) per channel, row by row. Items are planes: (sample, block). */
typedef vec (*row_formula)(vec x, vec dy, const vec *coefficients);

static inline __attribute__((always_inline)) void map_plane(const norm_job *job, int64_t sample,
                                                            int64_t block, int lane, row_formula f,
                                                            const vec *k) {
  const cn_tensor *t = job->shape;
  const float *x = job->x + plane_offset(&job->xv, sample, block) + lane;
  const float *dy = job->dy == NULL ? x : job->dy + plane_offset(&job->dyv, sample, block) + lane;
  const int64_t dy_row = job->dy == NULL ? job->xv.row : job->dyv.row;
  float *out = job->out + plane_offset(&job->ov, sample, block) + lane;
  for (int64_t y = 0; y < t->h; y++)
    for (int64_t i = 0; i < (int64_t)t->w * CN_BLOCK; i += CN_BLOCK)
      vec_store(out + y * job->ov.row + i,
                f(vec_load(x + y * job->xv.row + i), vec_load(dy + y * dy_row + i), k));
}

/* ---- Forward --------------------------------------------------------------------------------- */

static void mean_sums(const void *state, int64_t first, int64_t last, int thread) {
  const norm_job *job = state;
  (void)thread;
  sum_items(job, first, last, value, job->partial);
}

/* Items are channels, also those past the last: their sums are zero. */
static void mean_items(const void *state, int64_t first, int64_t last, int thread) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t c = first; c < last; c++)
    job->new_mean[c] = (float)(total_of(job, job->partial, c) / count_of(job));
}

static void variance_sums(const void *state, int64_t first, int64_t last, int thread) {
  const norm_job *job = state;
  (void)thread;
  sum_items(job, first, last, squared_deviation, job->partial);
}

static float inverse_std(float variance, float epsilon) {
  return (float)(1.0 / sqrt((double)variance + (double)epsilon));
}

static void variance_items(const void *state, int64_t first, int64_t last, int thread) {
  const norm_job *job = state;
  const float m = job->norm->momentum;
  const double count = count_of(job);
  (void)thread;
  for (int64_t c = first; c < last; c++) {
    const double squares = total_of(job, job->partial, c);
    job->new_inverse_std[c] = inverse_std((float)(squares / count), job->norm->epsilon);
    job->running_mean[c] = (1.0f - m) * job->running_mean[c] + m * job->mean[c];
    if (count > 1.0)
      job->running_variance[c] =
          (1.0f - m) * job->running_variance[c] + m * (float)(squares / (count - 1.0));
  }
}

/* (x - k0) k1 + k2 */
static inline vec normalised(vec x, vec dy, const vec *k) {
  (void)dy;
  return vec_fma(vec_sub(x, k[0]), k[1], k[2]);
}
static inline vec normalised_relu(vec x, vec dy, const vec *k) {
  const vec y = normalised(x, dy, k);
  return vec_keep(vec_not_le(y, vec_zero()), y);
}

static void normalise_items(const void *state, int64_t first, int64_t last, int thread) {
  const norm_job *job = state;
  const bool relu = (job->norm->flags & CN_RELU) != 0;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t block = item % job->ov.planes, sample = item / job->ov.planes;
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const int64_t c = block * CN_BLOCK + lane;
      const vec k[] = {vec_load(job->mean + c),
                       vec_mul(vec_load(job->inverse_std + c), vec_load(job->scale + c)),
                       vec_load(job->shift + c)};
      if (relu)
        map_plane(job, sample, block, lane, normalised_relu, k);
      else
        map_plane(job, sample, block, lane, normalised, k);
    }
    zero_border(&job->norm->y, &job->ov, job->out + plane_offset(&job->ov, sample, block), 0,
                job->shape->h);
  }
}

/* Values of all planes, a few operations each. */
static double cost(const norm_job *job) {
  return 20.0 * job->n * job->channels * job->shape->h * job->shape->w;
}

void ISA_NAME(batch_norm_forward)(int threads, const cn_batch_norm *norm, int32_t n, const float *x,
                                  const float *scale, const float *shift, float *y, float *mean,
                                  float *inverse_std, float *running_mean, float *running_variance,
                                  float *workspace) {
  const norm_job job = {.norm = norm,
                        .shape = &norm->x,
                        .xv = view_of(&norm->x, n),
                        .ov = view_of(&norm->y, n),
                        .n = n,
                        .chunks = batch_norm_chunks(n),
                        .channels = blocks_of(norm->x.c) * CN_BLOCK,
                        .x = x,
                        .scale = scale,
                        .shift = shift,
                        .out = y,
                        .mean = mean,
                        .inverse_std = inverse_std,
                        .new_mean = mean,
                        .new_inverse_std = inverse_std,
                        .running_mean = running_mean,
                        .running_variance = running_variance,
                        .partial = workspace};
  const int64_t sums = job.chunks * job.xv.planes;
  const phase phases[] = {{mean_sums, sums},
                          {mean_items, job.channels},
                          {variance_sums, sums},
                          {variance_items, job.channels},
                          {normalise_items, n * job.ov.planes}};
  run_phases(threads, cost(&job), phases, 5, &job);
}

/* With running statistics: inverse standard deviations are computed per plane, there is no
 * workspace. */
static void infer_items(const void *state, int64_t first, int64_t last, int thread) {
  const norm_job *job = state;
  float factor[CN_BLOCK];
  for (int64_t item = first; item < last; item++) {
    const int64_t block = item % job->ov.planes;
    norm_job plane = *job;
    for (int i = 0; i < CN_BLOCK; i++)
      factor[i] = inverse_std(job->variance[block * CN_BLOCK + i], job->norm->epsilon);
    plane.inverse_std = factor - block * CN_BLOCK;
    normalise_items(&plane, item, item + 1, thread);
  }
}

void ISA_NAME(batch_norm_infer)(int threads, const cn_batch_norm *norm, int32_t n, const float *x,
                                const float *scale, const float *shift, const float *running_mean,
                                const float *running_variance, float *y) {
  const norm_job job = {.norm = norm,
                        .shape = &norm->x,
                        .xv = view_of(&norm->x, n),
                        .ov = view_of(&norm->y, n),
                        .n = n,
                        .channels = blocks_of(norm->x.c) * CN_BLOCK,
                        .x = x,
                        .scale = scale,
                        .shift = shift,
                        .out = y,
                        .mean = running_mean,
                        .variance = running_variance};
  run_parallel(threads, cost(&job), infer_items, n * job.ov.planes, &job);
}

/* ---- Backward -------------------------------------------------------------------------------- */

static void gradient_sums(const void *state, int64_t first, int64_t last, int thread) {
  const norm_job *job = state;
  (void)thread;
  sum_items(job, first, last, gradient_deviation, job->partial);
  sum_items(job, first, last, gradient, job->partial_dy);
}

/* dshift = sum of dy; dscale = sum of dy (x - mean) / std. */
static void gradient_items(const void *state, int64_t first, int64_t last, int thread) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t c = first; c < last; c++) {
    job->dshift[c] = (float)total_of(job, job->partial_dy, c);
    job->dscale[c] = (float)(total_of(job, job->partial, c) * job->inverse_std[c]);
  }
}

/* k3 (dy - k1 - (x - k0) k2) */
static inline vec input_gradient(vec x, vec dy, const vec *k) {
  return vec_mul(k[3], vec_sub(vec_sub(dy, k[1]), vec_mul(vec_sub(x, k[0]), k[2])));
}

/* dx = scale / std (dy - dshift / m - (x - mean) / std dscale / m) */
static void input_items(const void *state, int64_t first, int64_t last, int thread) {
  const norm_job *job = state;
  const vec count = vec_set1((float)count_of(job));
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t block = item % job->ov.planes, sample = item / job->ov.planes;
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const int64_t c = block * CN_BLOCK + lane;
      const vec inverse = vec_load(job->inverse_std + c);
      const vec k[] = {vec_load(job->mean + c), vec_div(vec_load(job->dshift + c), count),
                       vec_mul(vec_div(vec_load(job->dscale + c), count), inverse),
                       vec_mul(vec_load(job->scale + c), inverse)};
      map_plane(job, sample, block, lane, input_gradient, k);
    }
    zero_border(&job->norm->dx, &job->ov, job->out + plane_offset(&job->ov, sample, block), 0,
                job->shape->h);
  }
}

void ISA_NAME(batch_norm_backward)(int threads, const cn_batch_norm *norm, int32_t n,
                                   const float *x, const float *dy, const float *scale,
                                   const float *mean, const float *inverse_std, float *dx,
                                   float *dscale, float *dshift, float *workspace) {
  norm_job job = {.norm = norm,
                  .shape = &norm->x,
                  .xv = view_of(&norm->x, n),
                  .ov = view_of(&norm->dx, n),
                  .dyv = view_of(&norm->dy, n),
                  .n = n,
                  .chunks = batch_norm_chunks(n),
                  .channels = blocks_of(norm->x.c) * CN_BLOCK,
                  .x = x,
                  .dy = dy,
                  .scale = scale,
                  .out = dx,
                  .mean = mean,
                  .inverse_std = inverse_std,
                  .dscale = dscale,
                  .dshift = dshift,
                  .partial = workspace};
  job.partial_dy = workspace + job.chunks * job.channels;
  const phase phases[] = {{gradient_sums, job.chunks * job.xv.planes},
                          {gradient_items, job.channels},
                          {input_items, n * job.ov.planes}};
  run_phases(threads, cost(&job), phases, 3, &job);
}
