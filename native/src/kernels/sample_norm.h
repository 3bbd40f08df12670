/* Declarations shared by the normalisations of one sample (Wu and He, 2018; Ba, Kiros and Hinton,
 * 2016). Variances are sums of squared deviations from the mean. */
#ifndef CN_SAMPLE_NORM_H
#define CN_SAMPLE_NORM_H

#include "../sample_norm_plan.h"
#include "pixel_runs.h"

#include <math.h>

typedef struct norm_job {
  const cn_sample_norm *norm;
  maps m;
  int64_t channels;           /* floats of a per-channel vector */
  const float *scale, *shift; /* NULL for 1 and 0 */
  float *mean, *inverse_std;  /* [n][channels] or [n][h][w] */
  float *dscale, *dshift;     /* NULL if they are not needed */
  float *sums, *products;     /* of dy and dy (x - mean): [n][channels]; or of dy and
                                 dy (x - mean) / std: [chunks][channels] */
} norm_job;

/* The fields of a job that the passes share. */
static inline norm_job norm_job_of(const cn_sample_norm *norm, int64_t n, const cn_tensor *out,
                                   const cn_tensor *dy) {
  return (norm_job){.norm = norm,
                    .m = {.shape = &norm->x,
                          .result = out,
                          .xv = view_of(&norm->x, n),
                          .ov = view_of(out, n),
                          .ev = view_of(dy, n),
                          .n = n},
                    .channels = blocks_of(norm->x.c) * CN_BLOCK};
}

static inline norm_job norm_forward_job(const cn_sample_norm *norm, int64_t n, const float *x,
                                        const float *scale, const float *shift, float *y,
                                        float *mean, float *inverse_std) {
  norm_job job = norm_job_of(norm, n, &norm->y, &norm->x);
  job.m.x = x;
  job.m.out = y;
  job.scale = scale;
  job.shift = shift;
  job.mean = mean;
  job.inverse_std = inverse_std;
  return job;
}

static inline norm_job norm_backward_job(const cn_sample_norm *norm, int64_t n, const float *x,
                                         const float *dy, const float *scale, const float *mean,
                                         const float *inverse_std, float *dx, float *dscale,
                                         float *dshift, float *workspace) {
  norm_job job = norm_job_of(norm, n, dx != NULL ? &norm->dx : &norm->x, &norm->dy);
  job.m.x = x;
  job.m.dy = dy;
  job.m.out = dx;
  job.scale = scale;
  job.mean = (float *)(uintptr_t)mean; /* which this pass only reads */
  job.inverse_std = (float *)(uintptr_t)inverse_std;
  job.dscale = dscale;
  job.dshift = dshift;
  job.sums = workspace;
  return job;
}

static inline double norm_cost(const norm_job *job) {
  return 20.0 * job->m.n * job->channels * job->m.shape->h * job->m.shape->w;
}

static inline float inverse_root(double variance, float epsilon) {
  return (float)(1.0 / sqrt(variance + (double)epsilon));
}

/* A vector of the scale, and of the shift. */
static inline vec scale_at(const norm_job *job, int64_t at) {
  return job->scale == NULL ? vec_set1(1.0f) : vec_load(job->scale + at);
}
static inline vec shift_at(const norm_job *job, int64_t at) {
  return job->shift == NULL ? vec_zero() : vec_load(job->shift + at);
}

/* dshift and dscale of channels first..last - 1 are sums over `rows` vectors; products are
 * multiplied by `factors` unless these are NULL. */
static inline void add_norm_gradients(const norm_job *job, int64_t first, int64_t last,
                                      int64_t rows, const float *factors) {
  for (int64_t c = first; c < last; c++) {
    double sum = 0.0, product = 0.0;
    for (int64_t i = c; i < rows * job->channels; i += job->channels) {
      sum += job->sums[i];
      product += (double)job->products[i] * (factors == NULL ? 1.0 : factors[i]);
    }
    if (job->dshift != NULL) job->dshift[c] = (float)sum;
    if (job->dscale != NULL) job->dscale[c] = (float)product;
  }
}

#endif
