/* One factor per channel for all values, or for those that are not positive; and its gradient. */
#include "../channel_scale_plan.h"
#include "conv.h"
#include "pairwise.h"

typedef struct scale_job {
  const cn_channel_scale *op;
  const cn_tensor *out_tensor;
  view xv, fv, ov, sv, dsv;
  int64_t n, rows, chunks;   /* rows of a chunk; chunks of a plane */
  const float *x, *from, *s; /* from: x in the forward pass, dy in the backward pass */
  float *out;                /* y, or dx, null if it is not wanted */
  float *sums, *total, *ds;
} scale_job;

/* One chunk of rows of a plane. Items are numbered by sample, plane, chunk. */
typedef struct scale_chunk {
  int64_t sample, block, y0, y1;
} scale_chunk;

static scale_chunk chunk_of(const scale_job *job, int64_t item) {
  const int64_t plane = item / job->chunks, chunk = item % job->chunks;
  return (scale_chunk){plane / job->xv.planes, plane % job->xv.planes, chunk * job->rows,
                       min_i64((chunk + 1) * job->rows, job->op->x.h)};
}

/* The factors of a vector of channels; 0 beyond the last one. */
static vec factors_of(const scale_job *job, int64_t sample, int64_t block, int lane) {
  const int64_t channel = block * CN_BLOCK + lane;
  switch (job->op->factors) {
  case CN_FACTOR_OF_CHANNEL:
    return vec_load(job->s + channel);
  case CN_FACTOR_OF_ALL:
    return vec_keep(vec_first(job->op->x.c - channel), vec_set1(job->s[0]));
  default:
    return vec_load(job->s + plane_offset(&job->sv, sample, block) + lane);
  }
}

/* v, or s v where the factor applies to x. */
ALWAYS_INLINE vec scaled(vec v, vec x, vec s, bool negatives) {
  const vec product = vec_mul(s, v);
  if (!negatives) return product;
  return vec_select(vec_not_le(x, vec_zero()), vec_select(vec_equal(x, x), v, product), product);
}

/* v, or 0 where the factor does not apply to x. */
ALWAYS_INLINE vec factored(vec v, vec x, bool negatives) {
  if (!negatives) return v;
  return vec_select(vec_not_le(x, vec_zero()), vec_select(vec_equal(x, x), vec_zero(), v), v);
}

static double cost(const scale_job *job) {
  const cn_tensor *t = &job->op->x;
  return 20.0 * job->n * job->xv.planes * CN_BLOCK * t->h * t->w;
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* out = from, or s from where the factor applies to x. */
ALWAYS_INLINE void scale_rows(const scale_job *job, const scale_chunk *c, int lane,
                              bool negatives) {
  const vec s = factors_of(job, c->sample, c->block, lane);
  const int64_t row = (int64_t)job->op->x.w * CN_BLOCK;
  const float *from = job->from + plane_offset(&job->fv, c->sample, c->block) + lane;
  const float *x = negatives ? job->x + plane_offset(&job->xv, c->sample, c->block) + lane : from;
  const int64_t x_row = negatives ? job->xv.row : job->fv.row;
  float *out = job->out + plane_offset(&job->ov, c->sample, c->block) + lane;
  for (int64_t y = c->y0; y < c->y1; y++)
    for (int64_t i = 0; i < row; i += CN_BLOCK)
      vec_store(out + y * job->ov.row + i, scaled(vec_load(from + y * job->fv.row + i),
                                                  vec_load(x + y * x_row + i), s, negatives));
}

static void zero_border_of(const scale_job *job, const scale_chunk *c) {
  zero_border(job->out_tensor, &job->ov, job->out + plane_offset(&job->ov, c->sample, c->block),
              c->y0, c->y1);
}

BODY(scale_channel_items) {
  const scale_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const scale_chunk c = chunk_of(job, item);
    for (int lane = 0; lane < CN_BLOCK; lane += VEC)
      if (job->op->negatives != 0)
        scale_rows(job, &c, lane, true);
      else
        scale_rows(job, &c, lane, false);
    zero_border_of(job, &c);
  }
}

static scale_job job_of(const cn_channel_scale *op, int32_t n, const float *x, const float *s) {
  return (scale_job){.op = op,
                     .xv = view_of(&op->x, n),
                     .sv = view_of(&op->s, n),
                     .n = n,
                     .rows = scale_rows_in_chunk(&op->x),
                     .chunks = scale_chunks(&op->x),
                     .x = x,
                     .s = s};
}

void ISA_NAME(channel_scale_forward)(const cn_context *context, const cn_channel_scale *op,
                                     int32_t n, const float *x, const float *s, float *y) {
  scale_job job = job_of(op, n, x, s);
  job.fv = job.xv;
  job.from = x;
  job.out_tensor = &op->y;
  job.ov = view_of(&op->y, n);
  job.out = y;
  run_parallel(context, cost(&job), scale_channel_items, n * job.xv.planes * job.chunks, &job);
}

/* ---- Gradients ------------------------------------------------------------------------------- */

/* dx of `count` pixels if it is wanted; adds the sum of x dy where the factor applies to *sum. Two
 * accumulators hide the latency of additions. */
ALWAYS_INLINE void backward_pixels(const float *x, const float *dy, float *dx, int64_t count, vec s,
                                   bool negatives, vec *sum) {
  vec terms[2] = {vec_zero(), vec_zero()};
  int64_t i = 0;
  for (; i + 2 <= count; i += 2)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      const vec v = vec_load(x + (i + j) * CN_BLOCK), d = vec_load(dy + (i + j) * CN_BLOCK);
      terms[j] = vec_fma(factored(v, v, negatives), factored(d, v, negatives), terms[j]);
      if (dx != NULL) vec_store(dx + (i + j) * CN_BLOCK, scaled(d, v, s, negatives));
    }
  if (i < count) {
    const vec v = vec_load(x + i * CN_BLOCK), d = vec_load(dy + i * CN_BLOCK);
    terms[0] = vec_fma(factored(v, v, negatives), factored(d, v, negatives), terms[0]);
    if (dx != NULL) vec_store(dx + i * CN_BLOCK, scaled(d, v, s, negatives));
  }
  *sum = vec_add(*sum, vec_add(terms[0], terms[1]));
}

/* Returns the sum of a chunk. */
ALWAYS_INLINE vec backward_rows(const scale_job *job, const scale_chunk *c, int lane,
                                bool negatives, bool wants_dx) {
  const vec s = wants_dx ? factors_of(job, c->sample, c->block, lane) : vec_zero();
  const int64_t width = job->op->x.w;
  const float *x = job->x + plane_offset(&job->xv, c->sample, c->block) + lane;
  const float *dy = job->from + plane_offset(&job->fv, c->sample, c->block) + lane;
  float *dx = wants_dx ? job->out + plane_offset(&job->ov, c->sample, c->block) + lane : NULL;
  vec partial = vec_zero();
  pairwise sum;
  pairwise_clear(&sum);
  int pieces = 0;
  for (int64_t y = c->y0; y < c->y1; y++)
    for (int64_t i = 0; i < width; i += SCALE_PIECE) {
      float *to = wants_dx ? dx + y * job->ov.row + i * CN_BLOCK : NULL;
      backward_pixels(x + y * job->xv.row + i * CN_BLOCK, dy + y * job->fv.row + i * CN_BLOCK, to,
                      min_i64(SCALE_PIECE, width - i), s, negatives, &partial);
      if (++pieces < LEAF_TERMS) continue;
      pairwise_add(&sum, partial);
      partial = vec_zero();
      pieces = 0;
    }
  return pairwise_total(&sum, partial);
}

BODY(scale_gradient_items) {
  const scale_job *job = state;
  const bool negatives = job->op->negatives != 0, wants_dx = job->out != NULL;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const scale_chunk c = chunk_of(job, item);
    for (int lane = 0; lane < CN_BLOCK; lane += VEC)
      vec_store(job->sums + item * CN_BLOCK + lane,
                negatives  ? wants_dx ? backward_rows(job, &c, lane, true, true)
                                      : backward_rows(job, &c, lane, true, false)
                 : wants_dx ? backward_rows(job, &c, lane, false, true)
                           : backward_rows(job, &c, lane, false, false));
    if (wants_dx) zero_border_of(job, &c);
  }
}

/* to[16] = the sums of the chunks of one plane in some samples. */
static void add_chunk_sums(const scale_job *job, int64_t first_sample, int64_t samples,
                           int64_t block, float *to) {
  double total[CN_BLOCK] = {0.0};
  for (int64_t i = first_sample; i < first_sample + samples; i++) {
    const float *sums = job->sums + (i * job->xv.planes + block) * job->chunks * CN_BLOCK;
    for (int64_t chunk = 0; chunk < job->chunks; chunk++)
      for (int lane = 0; lane < CN_BLOCK; lane++) total[lane] += sums[chunk * CN_BLOCK + lane];
  }
  for (int lane = 0; lane < CN_BLOCK; lane++) to[lane] = (float)total[lane];
}

/* Items are planes of ds, or blocks of channels. */
BODY(factor_gradient_items) {
  const scale_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    if (job->op->factors != CN_FACTOR_OF_MAP) {
      add_chunk_sums(job, 0, job->n, item, job->total + item * CN_BLOCK);
      continue;
    }
    float *ds = job->ds + plane_start(&job->dsv, item);
    add_chunk_sums(job, item / job->xv.planes, 1, item % job->xv.planes, ds);
    zero_border(&job->op->ds, &job->dsv, ds, 0, 1);
  }
}

/* ds[0] = the sum over all channels; 0 in the other lanes of its block. */
static void add_channels(const scale_job *job) {
  double sum = 0.0;
  for (int64_t c = 0; c < job->op->x.c; c++) sum += job->total[c];
  memset(job->ds, 0, CN_BLOCK * sizeof(float));
  job->ds[0] = (float)sum;
}

void ISA_NAME(channel_scale_backward)(const cn_context *context, const cn_channel_scale *op,
                                      int32_t n, const float *x, const float *dy, const float *s,
                                      float *dx, float *ds, float *workspace) {
  scale_job job = job_of(op, n, x, s);
  const int64_t items = n * job.xv.planes * job.chunks;
  job.from = dy;
  job.fv = view_of(&op->dy, n);
  job.out = dx;
  if (dx != NULL) {
    job.out_tensor = &op->dx;
    job.ov = view_of(&op->dx, n);
  }
  if (ds == NULL) {
    run_parallel(context, cost(&job), scale_channel_items, items, &job);
    return;
  }
  job.ds = ds;
  job.sums = workspace;
  job.total = op->factors == CN_FACTOR_OF_ALL ? workspace + items * CN_BLOCK : ds;
  if (op->factors == CN_FACTOR_OF_MAP) job.dsv = view_of(&op->ds, n);
  const int64_t planes = op->factors == CN_FACTOR_OF_MAP ? n * job.xv.planes : job.xv.planes;
  const phase phases[] = {{scale_gradient_items, items}, {factor_gradient_items, planes}};
  run_phases(context, 1.5 * cost(&job), phases, 2, &job);
  if (op->factors == CN_FACTOR_OF_ALL) add_channels(&job);
}
