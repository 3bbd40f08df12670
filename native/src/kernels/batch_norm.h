/*
 * Batch normalisation (Ioffe and Szegedy, 2015): what its two passes share. Sums are computed per
 * chunk of samples and then over all chunks; the chunks depend on the batch size only.
 */
#ifndef CN_BATCH_NORM_H
#define CN_BATCH_NORM_H

#include "../batch_norm_plan.h"
#include "conv.h"
#include "pairwise.h"

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
static inline double count_of(const cn_batch_norm *norm, int64_t n) {
  return (double)n * norm->x.h * norm->x.w;
}

/* First sample of a chunk. */
static inline int64_t chunk_begin(const norm_job *job, int64_t chunk) {
  return job->n * chunk / job->chunks;
}

/* Per-channel coefficients: y = (x - k[0]) k[1] + k[2] before the activation, whose parameters are
 * k[5] and the following; k[3] and k[4] are used by the gradient. */
enum { PARAMETERS = 5, COEFFICIENTS = PARAMETERS + ACTIVATION_PARAMETERS };
static inline vec normalised(vec x, const vec *k) { return vec_fma(vec_sub(x, k[0]), k[1], k[2]); }

static inline void load_coefficients(const norm_job *job, int64_t channel, vec *k) {
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

static inline double cost(const norm_job *job) {
  return 20.0 * job->n * job->channels * job->shape->h * job->shape->w;
}

/* The fields that all passes share, which read x and `extra`. */
static inline norm_job job_of(const cn_batch_norm *norm, const cn_epilogue *e, int64_t n,
                              const float *x) {
  return (norm_job){.norm = norm,
                    .activation =
                        (e->operations & CN_ACTIVATE) != 0 ? e->activation : (cn_activation){0},
                    .shape = &norm->x,
                    .xv = view_of(&norm->x, n),
                    .n = n,
                    .chunks = batch_norm_chunks(n),
                    .channels = blocks_of(norm->x.c) * CN_BLOCK,
                    .count = count_of(norm, n),
                    .x = x};
}

#endif
