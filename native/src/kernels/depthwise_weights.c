/*
 * Depthwise backward-weights: dw[c][r][s] = sum over samples and pixels of dy[c] x[c], and db[c] =
 * sum of dy[c]. x and dy are read once: a row of dy is combined with all taps while it is in cache.
 * Partial sums have up to RUN_TERMS products, from one plane or several small ones. They are
 * accumulated per chunk of samples, and the chunks are added at the end.
 */
#include "../depthwise_plan.h"
#include "conv.h"

enum {
  RUN_TERMS = 256,
  TAP_ROWS = 3, /* TAP_ROWS x TAP_COLS taps are accumulated in registers: 15 of AVX2's 16 */
  TAP_COLS = 5,
  AHEAD = 64 * CN_BLOCK, /* prefetch distance in x and dy, in floats: 4 KiB */
};

typedef struct depthwise_weights {
  depthwise_plan plan;
  const float *x, *dy;
  float *sums;
  chunk_sums totals;
} depthwise_weights;

/* Pixels first..end - 1 of a row of dy, and the rows of x that the taps read. For pixels from..to -
 * 1 all taps are inside the image. */
typedef struct tap_run {
  const float *dy, *x[TAP_ROWS]; /* dy: pixel 0; x: column 0 */
  int64_t first, from, to, end;
  int64_t src, src_tap, stride,
      width;   /* first column of x; its steps per tap and pixel; columns of x */
  float *sums; /* sums of the first tap */
  int64_t sums_row;
} tap_run;

/* sums[i][j] += dy[q] x[i][q stride + src + j src_tap], summed over q0..q1 - 1 */
ALWAYS_INLINE void add_pixels(vec *sum, const tap_run *r, int64_t q0, int64_t q1, int rows,
                              int cols, bool all_inside) {
  const int64_t step = r->stride * CN_BLOCK, tap_step = r->src_tap * CN_BLOCK;
  const float *x[TAP_ROWS];
#pragma GCC unroll 3
  for (int i = 0; i < rows; i++) x[i] = r->x[i] + q0 * step + r->src * CN_BLOCK;
  for (int64_t q = q0; q < q1; q++) {
    const float *dy = r->dy + q * CN_BLOCK;
    const vec v = vec_load(dy);
    prefetch_near(dy + AHEAD);
    prefetch_near(x[rows - 1] + AHEAD);
#pragma GCC unroll 5
    for (int j = 0; j < cols; j++) {
      const int64_t column = q * r->stride + r->src + j * r->src_tap;
      if (!all_inside && (uint64_t)column >= (uint64_t)r->width) continue;
#pragma GCC unroll 3
      for (int i = 0; i < rows; i++)
        sum[i * cols + j] = vec_fma(v, vec_load(x[i] + j * tap_step), sum[i * cols + j]);
    }
#pragma GCC unroll 3
    for (int i = 0; i < rows; i++) x[i] += step;
  }
}

ALWAYS_INLINE void sum_taps(const tap_run *r, int rows, int cols) {
  vec sum[TAP_ROWS * TAP_COLS];
#pragma GCC unroll 3
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 5
    for (int j = 0; j < cols; j++)
      sum[i * cols + j] = vec_load(r->sums + i * r->sums_row + j * CN_BLOCK);
  add_pixels(sum, r, r->first, r->from, rows, cols, false);
  add_pixels(sum, r, r->from, r->to, rows, cols, true);
  add_pixels(sum, r, r->to, r->end, rows, cols, false);
#pragma GCC unroll 3
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 5
    for (int j = 0; j < cols; j++)
      vec_store(r->sums + i * r->sums_row + j * CN_BLOCK, sum[i * cols + j]);
}

ALWAYS_INLINE void sum_columns(const tap_run *r, int rows, int cols) {
  switch (cols) {
  case 1:
    sum_taps(r, rows, 1);
    break;
  case 2:
    sum_taps(r, rows, 2);
    break;
  case 3:
    sum_taps(r, rows, 3);
    break;
  case 4:
    sum_taps(r, rows, 4);
    break;
  default:
    sum_taps(r, rows, TAP_COLS);
  }
}

static void sum_some(const tap_run *r, int rows, int cols) {
  switch (rows) {
  case 1:
    sum_columns(r, 1, cols);
    break;
  case 2:
    sum_columns(r, 2, cols);
    break;
  default:
    sum_columns(r, TAP_ROWS, cols);
  }
}

/* sums[16] += count pixels, with four accumulators */
static void sum_bias(const float *dy, int64_t count, float *sums) {
  vec partial[4] = {vec_load(sums), vec_zero(), vec_zero(), vec_zero()};
  int64_t q = 0;
  for (; q + 4 <= count; q += 4)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) partial[j] = vec_add(partial[j], vec_load(dy + (q + j) * CN_BLOCK));
  for (; q < count; q++) partial[0] = vec_add(partial[0], vec_load(dy + q * CN_BLOCK));
  vec_store(sums, vec_add(vec_add(partial[0], partial[1]), vec_add(partial[2], partial[3])));
}

/* Size of the next slice when `left` is split into equal slices of at most `most`. */
static int32_t slice_of(int32_t left, int32_t most) {
  if (left <= most) return left;
  const int32_t slices = (left + most - 1) / most;
  return (left + slices - 1) / slices;
}

/* Up to TAP_COLS consecutive taps of a filter row, and the pixels from..to - 1 of dy for which all
 * of them are inside the image. */
typedef struct tap_group {
  int32_t first, cols;
  int64_t from, to;
} tap_group;

static tap_group group_of(const depthwise_plan *p, int32_t first) {
  const axis *x = &p->x[0];
  const int32_t cols = slice_of(x->taps - first, TAP_COLS);
  const int64_t left = -(x->src + (int64_t)first * x->src_tap);
  const int64_t right = p->src.w + left - (int64_t)(cols - 1) * x->src_tap;
  tap_group g = {.first = first, .cols = cols};
  g.from = min_i64(p->dst.w, ceil_div(max_i64(0, left), p->src_stride_w));
  g.to = max_i64(g.from, min_i64(p->dst.w, ceil_div(max_i64(0, right), p->src_stride_w)));
  return g;
}

/* sums += pixels first..end - 1 of row t of dy times the pixels of x that the taps read. group: the
 * first taps of a filter row. */
static void sum_run(const depthwise_plan *p, const tap_group *group, const float *x,
                    const float *dy, int64_t t, int64_t first, int64_t end, float *sums) {
  const axis *ax = &p->x[0], *ay = &p->y[0];
  const taps inside = axis_taps_inside(ay, p->src_stride_h, p->src.h, t, t);
  tap_run r = {.dy = dy,
               .first = first,
               .end = end,
               .src_tap = ax->src_tap,
               .stride = p->src_stride_w,
               .width = p->src.w,
               .sums_row = (int64_t)p->conv->window.kernel_w * CN_BLOCK};
  for (int32_t i = inside.first, rows; i < inside.end; i += rows) {
    rows = slice_of(inside.end - i, TAP_ROWS);
    for (int32_t k = 0; k < rows; k++)
      r.x[k] = x + (t * p->src_stride_h + ay->src + (int64_t)(i + k) * ay->src_tap) * p->sv.row;
    tap_group g = *group;
    while (true) {
      r.from = max_i64(first, min_i64(end, g.from));
      r.to = max_i64(r.from, min_i64(end, g.to));
      r.src = ax->src + (int64_t)g.first * ax->src_tap;
      r.sums = sums + i * r.sums_row + g.first * CN_BLOCK;
      sum_some(&r, rows, g.cols);
      if (g.first + g.cols == ax->taps) break;
      g = group_of(p, g.first + g.cols);
    }
  }
}

/* total += sums, sums = 0 */
static void flush(int64_t floats, float *sums, float *total) {
  for (int64_t i = 0; i < floats; i += VEC) {
    vec_store(total + i, vec_add(vec_load(total + i), vec_load(sums + i)));
    vec_store(sums + i, vec_zero());
  }
}

/*
 * Planes of x and dy, and the totals that their sums are added to: taps of the block, and its bias.
 */
typedef struct plane_sums {
  const float *x, *dy; /* pixel (0, 0) */
  int64_t floats;      /* of dw */
  float *dw, *db;
} plane_sums;

static void flush_block(float *sums, const plane_sums *plane) {
  flush(plane->floats, sums, plane->dw);
  flush(CN_BLOCK, sums + plane->floats, plane->db);
}

/* Accumulates a plane into sums (taps, then bias), which hold `terms` terms already. Sums that
 * reach RUN_TERMS are added to the totals. Returns the number of terms that remain in sums. */
static int64_t sum_plane(const depthwise_plan *p, const plane_sums *plane, int64_t terms,
                         float *sums) {
  const int64_t pieces = ceil_div(p->dst.w, RUN_TERMS), piece = ceil_div(p->dst.w, pieces);
  const tap_group group = group_of(p, 0);
  for (int64_t t = 0; t < p->dst.h; t++) {
    const float *dy = plane->dy + t * p->dv.row;
    for (int64_t q = 0; q < p->dst.w; q += piece) {
      const int64_t end = min_i64(q + piece, p->dst.w);
      if (terms + end - q > RUN_TERMS) {
        flush_block(sums, plane);
        terms = 0;
      }
      for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
        sum_run(p, &group, plane->x + lane, dy + lane, t, q, end, sums + lane);
        sum_bias(dy + q * CN_BLOCK + lane, end - q, sums + plane->floats + lane);
      }
      terms += end - q;
    }
  }
  return terms;
}

/* Items are (chunk of samples, group of blocks). */
BODY(depthwise_weight_items) {
  const depthwise_weights *job = state;
  const depthwise_plan *p = &job->plan;
  const int64_t taps_floats = p->sum_floats - CN_BLOCK;
  float *sums = job->sums + thread * p->own_floats;
  memset(sums, 0, (size_t)p->own_floats * sizeof(float));
  for (int64_t item = first; item < last; item++) {
    const int64_t chunk = item / p->block_groups, group = item % p->block_groups;
    const int64_t block0 = p->sv.planes * group / p->block_groups;
    const int64_t block1 = p->sv.planes * (group + 1) / p->block_groups;
    float *dw = job->totals.chunks + chunk * p->chunk_floats, *db = dw + job->totals.weights;
    memset(dw + block0 * taps_floats, 0, (size_t)((block1 - block0) * taps_floats) * sizeof(float));
    memset(db + block0 * CN_BLOCK, 0, (size_t)((block1 - block0) * CN_BLOCK) * sizeof(float));
    const int64_t end = p->n * (chunk + 1) / p->chunks;
    int64_t terms = 0, then = 0; /* terms in the sums of each block, before and after a sample */
    for (int64_t i = p->n * chunk / p->chunks; i < end; i++, terms = then)
      for (int64_t block = block0; block < block1; block++) {
        const plane_sums plane = {job->x + plane_offset(&p->sv, i, block),
                                  job->dy + plane_offset(&p->dv, i, block), taps_floats,
                                  dw + block * taps_floats, db + block * CN_BLOCK};
        float *own = sums + (block - block0) * p->sum_floats;
        then = sum_plane(p, &plane, terms, own);
        if (i + 1 == end) flush_block(own, &plane);
      }
  }
}

/* Items are vectors of 16 floats, of the weights and then of the bias. */
BODY(total_items) {
  const depthwise_weights *job = state;
  (void)thread;
  add_chunks(&job->totals, first, last);
}

void ISA_NAME(conv_depthwise_backward_weights)(const conv_call *call) {
  depthwise_weights job = {.plan = depthwise_plan_of(call->conv, CN_BACKWARD_WEIGHTS, call->n),
                           .x = call->x,
                           .dy = call->dy,
                           .sums = call->workspace};
  const depthwise_plan *p = &job.plan;
  job.totals = (chunk_sums){.chunks = job.sums + call->context->threads * p->own_floats,
                            .count = p->chunks,
                            .chunk_floats = p->chunk_floats,
                            .weights = conv_weight_floats(call->conv),
                            .use = gradient_use_of(call->gradients, call_does(call, CN_BIAS))};
  const phase phases[] = {{depthwise_weight_items, p->chunks * p->block_groups},
                          {total_items, chunk_sum_vectors(&job.totals)}};
  run_phases(call->context, depthwise_operations(call->conv, call->n), phases, 2, &job);
}
