/*
 * Local response normalisation across channels (Krizhevsky, Sutskever and Hinton, 2012):
 * y = x / s^beta with s = k + alpha / size sum of x^2 over neighbouring channels. The squares of a
 * pixel are collected in a row between zeros, whose sums are those of shifted vectors.
 */
#include "../lrn_plan.h"
#include "conv.h"

#include <math.h>

typedef struct lrn_job {
  const cn_lrn *lrn;
  const cn_tensor *out_tensor;
  view xv, ov, ev;
  const float *x, *dy;
  float *out;
  float *rows;       /* [threads][4][row] */
  int64_t row, lead; /* floats of a row, and of the zeros before its channels */
  int64_t before, after;
} lrn_job;

/* s^-beta. The exponents of published networks need no logarithm. */
static inline vec negative_power(vec s, float beta) {
  const vec one = vec_set1(1.0f);
  if (beta == 0.75f) {
    const vec root = vec_sqrt(s);
    return vec_div(one, vec_mul(root, vec_sqrt(root)));
  }
  if (beta == 0.5f) return vec_div(one, vec_sqrt(s));
  if (beta == 1.0f) return vec_div(one, s);
  float lanes[VEC];
  vec_store(lanes, s);
  for (int i = 0; i < VEC; i++) lanes[i] = powf(lanes[i], -beta);
  return vec_load(lanes);
}

/* The sum of the values at `before` channels before to `after` channels after those at p. */
static inline vec neighbours(const float *p, int64_t before, int64_t after) {
  vec sum = vec_load(p - before);
  for (int64_t i = 1 - before; i <= after; i++) sum = vec_add(sum, vec_load(p + i));
  return sum;
}

/* The channels of one of a thread's rows. Zeros are before and behind them. */
static float *row_of(const lrn_job *job, int thread, int which) {
  return job->rows + (4 * (int64_t)thread + which) * job->row + job->lead;
}

/* Collects the squares of a pixel. The zeros beside them are there already. */
static void collect_squares(const lrn_job *job, const float *x, float *squares) {
  for (int64_t b = 0; b < job->xv.planes; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec v = vec_load(x + b * job->xv.plane + lane);
      vec_store(squares + b * CN_BLOCK + lane, vec_mul(v, v));
    }
}

/* The lanes that are channels. */
static inline vec_mask lanes_in(const lrn_job *job, int64_t block, int lane) {
  return vec_first(job->lrn->x.c - block * CN_BLOCK - lane);
}

/* s of a vector of channels. */
static inline vec sum_at(const lrn_job *job, const float *squares) {
  const cn_lrn *lrn = job->lrn;
  return vec_fma(vec_set1(lrn->alpha / (float)lrn->neighbours),
                 neighbours(squares, job->before, job->after), vec_set1(lrn->k));
}

static void lrn_pixel(const lrn_job *job, int thread, const float *x, float *y) {
  float *squares = row_of(job, thread, 0);
  collect_squares(job, x, squares);
  for (int64_t b = 0; b < job->xv.planes; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec s = sum_at(job, squares + b * CN_BLOCK + lane);
      const vec value =
          vec_mul(vec_load(x + b * job->xv.plane + lane), negative_power(s, job->lrn->beta));
      vec_store(y + b * job->ov.plane + lane, vec_keep(lanes_in(job, b, lane), value));
    }
}

/* dx = dy s^-beta - 2 alpha beta / size x sum of dy x s^(-beta - 1). */
static void lrn_gradient_pixel(const lrn_job *job, int thread, const float *x, const float *dy,
                               float *dx) {
  const cn_lrn *lrn = job->lrn;
  const vec factor = vec_set1(2.0f * lrn->alpha * lrn->beta / (float)lrn->neighbours);
  float *squares = row_of(job, thread, 0), *terms = row_of(job, thread, 1);
  float *own = row_of(job, thread, 2);
  collect_squares(job, x, squares);
  for (int64_t b = 0; b < job->xv.planes; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const int64_t at = b * CN_BLOCK + lane;
      const vec s = sum_at(job, squares + at);
      const vec g = vec_load(dy + b * job->ev.plane + lane);
      const vec direct = vec_mul(g, negative_power(s, lrn->beta));
      vec_store(own + at, direct);
      const vec term = vec_div(vec_mul(direct, vec_load(x + b * job->xv.plane + lane)), s);
      vec_store(terms + at, vec_keep(lanes_in(job, b, lane), term));
    }
  for (int64_t b = 0; b < job->xv.planes; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const int64_t at = b * CN_BLOCK + lane;
      /* The sums that contain a channel are those of its neighbours on the opposite sides. */
      const vec sum = neighbours(terms + at, job->after, job->before);
      const vec shared = vec_mul(vec_mul(factor, vec_load(x + b * job->xv.plane + lane)), sum);
      vec_store(dx + b * job->ov.plane + lane,
                vec_keep(lanes_in(job, b, lane), vec_sub(vec_load(own + at), shared)));
    }
}

static void clear_rows(const lrn_job *job, int thread) {
  memset(row_of(job, thread, 0) - job->lead, 0, (size_t)(4 * job->row) * sizeof(float));
}

static void zero_borders(const lrn_job *job, int64_t sample, int64_t y) {
  for (int64_t b = 0; b < job->ov.planes; b++)
    zero_border(job->out_tensor, &job->ov, job->out + plane_offset(&job->ov, sample, b), y, y + 1);
}

/* Items are rows of the batch. */
BODY(lrn_items) {
  const lrn_job *job = state;
  const int64_t h = job->lrn->x.h;
  clear_rows(job, thread);
  for (int64_t item = first; item < last; item++) {
    const int64_t sample = item / h, y = item % h;
    const float *x = job->x + plane_offset(&job->xv, sample, 0) + y * job->xv.row;
    float *to = job->out + plane_offset(&job->ov, sample, 0) + y * job->ov.row;
    for (int64_t i = 0; i < job->lrn->x.w; i++)
      lrn_pixel(job, thread, x + i * CN_BLOCK, to + i * CN_BLOCK);
    zero_borders(job, sample, y);
  }
}

BODY(lrn_gradient_items) {
  const lrn_job *job = state;
  const int64_t h = job->lrn->x.h;
  clear_rows(job, thread);
  for (int64_t item = first; item < last; item++) {
    const int64_t sample = item / h, y = item % h;
    const float *x = job->x + plane_offset(&job->xv, sample, 0) + y * job->xv.row;
    const float *dy = job->dy + plane_offset(&job->ev, sample, 0) + y * job->ev.row;
    float *dx = job->out + plane_offset(&job->ov, sample, 0) + y * job->ov.row;
    for (int64_t i = 0; i < job->lrn->x.w; i++)
      lrn_gradient_pixel(job, thread, x + i * CN_BLOCK, dy + i * CN_BLOCK, dx + i * CN_BLOCK);
    zero_borders(job, sample, y);
  }
}

static lrn_job job_of(const cn_lrn *lrn, int64_t n, const cn_tensor *out, float *workspace) {
  return (lrn_job){.lrn = lrn,
                   .out_tensor = out,
                   .xv = view_of(&lrn->x, n),
                   .ov = view_of(out, n),
                   .ev = view_of(&lrn->dy, n),
                   .rows = workspace,
                   .row = lrn_row(lrn),
                   .lead = (lrn_row(lrn) - blocks_of(lrn->x.c) * CN_BLOCK) / 2,
                   .before = lrn_before(lrn),
                   .after = lrn_after(lrn)};
}

static double cost(const cn_lrn *lrn, int64_t n) {
  return (20.0 + 2.0 * lrn->neighbours) * n * blocks_of(lrn->x.c) * CN_BLOCK * lrn->x.h * lrn->x.w;
}

void ISA_NAME(lrn_forward)(const cn_context *context, const cn_lrn *lrn, int32_t n, const float *x,
                           float *y, float *workspace) {
  lrn_job job = job_of(lrn, n, &lrn->y, workspace);
  job.x = x;
  job.out = y;
  run_parallel(context, cost(lrn, n), lrn_items, (int64_t)n * lrn->x.h, &job);
}

void ISA_NAME(lrn_backward)(const cn_context *context, const cn_lrn *lrn, int32_t n, const float *x,
                            const float *dy, float *dx, float *workspace) {
  lrn_job job = job_of(lrn, n, &lrn->dx, workspace);
  job.x = x;
  job.dy = dy;
  job.out = dx;
  run_parallel(context, 2.0 * cost(lrn, n), lrn_gradient_items, (int64_t)n * lrn->x.h, &job);
}
