/* Batch normalisation, backward. */
#include "batch_norm.h"

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
  norm_job job = job_of(norm, e, n, x);
  job.extra = dy;
  job.ev = view_of(&norm->dy, n);
  job.scale = scale;
  job.shift = shift;
  job.mean = mean;
  job.inverse_std = inverse_std;
  return job;
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
