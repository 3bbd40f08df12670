/* Winograd convolution, forward and backward-data. */
#include "winograd.h"
#include "columns.h"

enum {
  NEAR_FLOATS = 320 * 1024, /* transformed filters that fit the second-level cache */
};

/* ---- Tiles of src ---------------------------------------------------------------------------- */

ALWAYS_INLINE void transform_tile(int m, bool gradient, const tiles_job *job, const patch *p,
                                  float *to) {
  const int a = m + 2;
  for (int lane = 0; lane < CN_BLOCK; lane += VEC)
#pragma GCC unroll 3
    for (int pair = 0; pair < a / 2; pair++) {
      if (pair < job->pair0 || pair >= job->pair1) continue;
      float *rows = to + (pair - job->pair0) * 2 * a * job->plane;
      if (p->whole)
        transform_pair(m, gradient, pair, p, true, lane, rows, job->plane);
      else
        transform_pair(m, gradient, pair, p, false, lane, rows, job->plane);
    }
}

ALWAYS_INLINE void transform_rows(int m, bool gradient, const tiles_job *job) {
  const int64_t tiles = (job->row1 - job->row0) * job->tile_cols;
  const int size = gradient ? m : m + 2;
  for (int64_t b = 0; b < job->blocks; b++) {
    float *to = job->to + b * tiles * CN_BLOCK;
    for (int64_t r = job->row0; r < job->row1; r++) {
      const float *plane = job->from + plane_offset(job->v, r / job->tile_rows, job->block + b);
      const int64_t y = r % job->tile_rows * m + job->offset_y;
      for (int64_t t = 0; t < job->tile_cols; t++, to += CN_BLOCK) {
        const patch p = patch_at(job->tensor, job->v, plane, y, t * m + job->offset_x, size);
        transform_tile(m, gradient, job, &p, to);
      }
    }
  }
}

void transform_tiles(int m, bool gradient, const tiles_job *job) {
  if (m == 4 && gradient)
    transform_rows(4, true, job);
  else if (m == 4)
    transform_rows(4, false, job);
  else if (gradient)
    transform_rows(2, true, job);
  else
    transform_rows(2, false, job);
}

/* ---- Filters --------------------------------------------------------------------------------- */

typedef struct winograd_job {
  const winograd_plan *p;
  const float *src, *weights, *bias;
  const float *filters; /* transformed */
  float *dst, *transformed, *own;
  cn_activation activation;
  const tail *tail;
  bool stream; /* use non-temporal stores: dst is not read again here */
} winograd_job;

/* G g G^T for 16 x 16 filters. The nine taps of g are TAP floats apart, the points `plane` floats
 * apart. */
ALWAYS_INLINE void transform_filters(int m, const float *g, float *to, int64_t plane) {
  const int a = m + 2;
  for (int i = 0; i < TAP; i += VEC) {
    vec half[3][MOST_A];
#pragma GCC unroll 3
    for (int s = 0; s < 3; s++) {
      const vec column[3] = {vec_load(g + s * TAP + i), vec_load(g + (3 + s) * TAP + i),
                             vec_load(g + (6 + s) * TAP + i)};
      filter_values(m, column, half[s]);
    }
#pragma GCC unroll 6
    for (int r = 0; r < a; r++) {
      const vec row[3] = {half[0][r], half[1][r], half[2][r]};
      vec t[MOST_A];
      filter_values(m, row, t);
#pragma GCC unroll 6
      for (int c = 0; c < a; c++) vec_store(to + (r * a + c) * plane + i, t[c]);
    }
  }
}

/* Items are (group, block of dst, block of src). Backward-data uses the filters rotated by 180
 * degrees, with input and output channels exchanged. */
BODY(filter_items) {
  const winograd_job *job = state;
  const winograd_plan *p = job->p;
  const conv_shape *s = &p->shape;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t from = item % p->src_blocks, to = item / p->src_blocks % p->dst_blocks;
    const int64_t group = item / (p->src_blocks * p->dst_blocks);
    const int64_t y = p->backward ? from : to, x = p->backward ? to : from;
    const float *g = job->weights + (group * s->y_blocks + y) * s->w_block + x * s->w_outer;
    float rotated[9 * TAP];
    if (p->backward) {
      for (int t = 0; t < 9; t++) transpose_block(g + t * TAP, rotated + (8 - t) * TAP);
      g = rotated;
    }
    float *out =
        job->transformed + group * p->points * p->weights_plane + (to * p->src_blocks + from) * TAP;
    if (p->m == 4)
      transform_filters(4, g, out, p->weights_plane);
    else
      transform_filters(2, g, out, p->weights_plane);
  }
}

/* ---- Products -------------------------------------------------------------------------------- */

/* The memory of rows row..row1 - 1 of tiles, as far as they belong to the same image as the first.
 * `from` points to pixel (0, 0) of the first plane of that image. */
static memory_runs rows_of(const winograd_plan *p, const view *v, const float *from, int64_t blocks,
                           int64_t row, int64_t row1) {
  const int64_t y = row % p->tile_rows, rows = min_i64(row1 - row, p->tile_rows - y);
  return (memory_runs){from + y * p->m * v->row, blocks, v->plane, rows * p->m * v->row};
}

/* Slice i of n of every run. */
static memory_runs slice_of(memory_runs m, int64_t i, int64_t n) {
  const int64_t first = m.floats * i / n, end = m.floats * (i + 1) / n;
  return (memory_runs){m.first + first, m.runs, m.stride, end - first};
}

/* What is prefetched during the products of a unit: the next rows of src, and the rows of dst. If
 * the filters exceed the cache, the filters and tiles of the next point are prefetched instead. */
typedef struct unit_ahead {
  memory_runs src, dst;
  bool points;
} unit_ahead;

/* The share of an item: blocks block0..block1 - 1 of dst in a group, for rows row0..row1 - 1 of
 * tiles. */
typedef struct share {
  int64_t group, row0, row1, block0, block1;
} share;

/* For every point and block of dst of a share: [dst block][tile][16] = filters [dst block][src
 * block][16][16] times tiles [src block][tile][16]. */
static void multiply(const winograd_plan *p, const share *t, const float *filters, const float *src,
                     float *dst, const unit_ahead *next) {
  const int64_t tiles = (t->row1 - t->row0) * p->tile_cols, blocks = t->block1 - t->block0;
  const int64_t weights = blocks * p->src_blocks * TAP;
  const int last = (int)((blocks - 1) % GEMM_PAIR) + 1;
  const gemm_plan pair = gemm_plan_of(GEMM_PAIR, 1, tiles, CN_BLOCK);
  const gemm_plan rest = gemm_plan_of(last, 1, tiles, CN_BLOCK);
  const int64_t calls = (blocks - last) / GEMM_PAIR * pair.tiles + rest.tiles;
  gemm_args g = {.a_outer = TAP,
                 .a_block = p->src_blocks * TAP,
                 .b_outer = tiles * CN_BLOCK,
                 .b_n = CN_BLOCK,
                 .b_k = 1,
                 .c_block = tiles * CN_BLOCK,
                 .c_n = CN_BLOCK,
                 .outers = (int32_t)p->src_blocks,
                 .rows = 1,
                 .cols = 1,
                 .k = p->k};
  for (int32_t point = 0; point < p->points; point++) {
    const float *a = filters + point * p->weights_plane + t->block0 * g.a_block;
    const float *b = src + point * p->src_plane;
    prefetcher ahead = {.at = 2};
    if (!next->points)
      ahead = prefetcher_of(slice_of(next->src, point, p->points),
                            slice_of(next->dst, point, p->points), calls);
    else if (point + 1 < p->points)
      ahead = prefetcher_of((memory_runs){a + p->weights_plane, 1, 0, weights},
                            (memory_runs){b + p->src_plane, 1, 0, p->src_blocks * tiles * CN_BLOCK},
                            calls);
    for (int64_t block = t->block0; block < t->block1; block += GEMM_PAIR) {
      const int64_t end = min_i64(block + GEMM_PAIR, t->block1);
      g.a = a + (block - t->block0) * g.a_block;
      g.b = b;
      g.c = dst + point * p->dst_plane + block * g.c_block;
      g.lanes = (int32_t)lanes_of(p->dst_channels, end - 1);
      gemm_run(end == t->block1 ? &rest : &pair, &g, &ahead);
    }
  }
}

/* ---- Tiles of dst ---------------------------------------------------------------------------- */

/* rows x cols values of A^T t A, plus the bias, after the activation. */
ALWAYS_INLINE void output_tile(int m, const float *from, int64_t plane, const float *bias,
                               cn_activation activation, bool stream, float *to, int64_t row,
                               int64_t rows, int64_t cols) {
  const int a = m + 2;
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    vec half[MOST_M][MOST_A];
#pragma GCC unroll 6
    for (int c = 0; c < a; c++) {
      vec t[MOST_A], y[MOST_M];
#pragma GCC unroll 6
      for (int r = 0; r < a; r++) t[r] = vec_load(from + (r * a + c) * plane + lane);
      output_values(m, t, y);
#pragma GCC unroll 4
      for (int r = 0; r < m; r++) half[r][c] = y[r];
    }
    const vec add = bias == NULL ? vec_zero() : vec_load(bias + lane);
#pragma GCC unroll 4
    for (int r = 0; r < m; r++) {
      vec y[MOST_M];
      if (r >= rows) continue;
      output_values(m, half[r], y);
#pragma GCC unroll 4
      for (int c = 0; c < m && bias != NULL; c++) y[c] = vec_add(add, y[c]);
      activate(activation, y, m);
#pragma GCC unroll 4
      for (int c = 0; c < m; c++) {
        if (c >= cols) continue;
        if (stream)
          vec_stream(to + r * row + c * CN_BLOCK + lane, y[c]);
        else
          vec_store(to + r * row + c * CN_BLOCK + lane, y[c]);
      }
    }
  }
}

/* A row of tiles of one block. to points to pixel (0, 0) of the first tile. */
ALWAYS_INLINE void output_row(int m, const winograd_job *job, const float *from, const float *bias,
                              float *to, int64_t rows) {
  const winograd_plan *p = job->p;
  const cn_activation activation = job->activation;
  for (int64_t t = 0; t < p->tile_cols; t++, from += CN_BLOCK, to += m * CN_BLOCK) {
    const int64_t cols = min_i64(m, p->dst.w - t * m);
    if (rows == m && cols == m)
      output_tile(m, from, p->dst_plane, bias, activation, job->stream, to, p->dv.row, m, m);
    else
      output_tile(m, from, p->dst_plane, bias, activation, job->stream, to, p->dv.row, rows, cols);
  }
}

/*
 * Pools the windows in rows y0..y1 - 1 of a plane. After the last windows there may be unused rows.
 */
static void pool_image_rows(const winograd_job *job, const float *values, int64_t plane, int64_t y0,
                            int64_t y1) {
  const cn_pool2d *pool = &job->tail->pool->pool;
  const int64_t end =
      y1 == job->p->dst.h ? pool->y.h : min_i64(y1 / pool->window.stride_h, pool->y.h);
  pool_rows(job->tail->pool, plane, values, y0 / pool->window.stride_h, end);
}

/* Computes rows row0..row1 - 1 of tiles, which belong to one image, in block `block` of the group's
 * dst. */
static void output_block(const winograd_job *job, const float *from, int64_t group, int64_t block,
                         int64_t row0, int64_t row1, float *pooled) {
  const winograd_plan *p = job->p;
  const int64_t sample = row0 / p->tile_rows, plane = group * p->dst_blocks + block;
  const int64_t y0 = row0 % p->tile_rows * p->m;
  const int64_t y1 = min_i64(y0 + (row1 - row0) * p->m, p->dst.h);
  const float *bias = job->bias == NULL ? NULL : job->bias + plane * CN_BLOCK;
  float *values =
      p->pool_floats > 0 ? pooled - y0 * p->dv.row : job->dst + plane_offset(&p->dv, sample, plane);
  for (int64_t y = y0; y < y1; y += p->m, from += p->tile_cols * CN_BLOCK)
    if (p->m == 4)
      output_row(4, job, from, bias, values + y * p->dv.row, min_i64(4, y1 - y));
    else
      output_row(2, job, from, bias, values + y * p->dv.row, min_i64(2, y1 - y));
  if (p->pool_floats > 0)
    pool_image_rows(job, values, sample * p->dv.planes + plane, y0, y1);
  else
    tail_rows(job->tail, &p->dst, &p->dv, sample, plane, y0, y1, values);
}

static unit_ahead ahead_of(const winograd_job *job, const share *t, bool more) {
  const winograd_plan *p = job->p;
  unit_ahead a = {.points = p->points * p->weights_plane > NEAR_FLOATS};
  if (more)
    a.src =
        rows_of(p, &p->sv,
                job->src + plane_offset(&p->sv, t->row1 / p->tile_rows, t->group * p->src_blocks),
                p->src_blocks, t->row1, min_i64(t->row1 + p->rows, p->shape.n * p->tile_rows));
  if (p->pool_floats == 0 && !job->stream)
    a.dst =
        rows_of(p, &p->dv,
                job->dst + plane_offset(&p->dv, t->row0 / p->tile_rows, t->group * p->dst_blocks),
                p->dst_blocks, t->row0, t->row1);
  return a;
}

/* Items are (unit, group, share of the blocks of dst). */
static share share_at(const winograd_plan *p, int64_t item) {
  const int64_t pairs = ceil_div(p->dst_blocks, 2), number = item % p->shares;
  const int64_t unit = item / p->shares / p->groups;
  return (share){.group = item / p->shares % p->groups,
                 .row0 = unit_row(p, unit),
                 .row1 = unit_row(p, unit + 1),
                 .block0 = 2 * (pairs * number / p->shares),
                 .block1 = min_i64(2 * (pairs * (number + 1) / p->shares), p->dst_blocks)};
}

BODY(winograd_items) {
  const winograd_job *job = state;
  const winograd_plan *p = job->p;
  float *src = job->own + thread * p->own_floats, *dst = src + p->points * p->src_plane;
  float *pooled = dst + p->points * p->dst_plane;
  for (int64_t item = first; item < last; item++) {
    const share t = share_at(p, item);
    const int64_t tiles = (t.row1 - t.row0) * p->tile_cols;
    const tiles_job tiles_of = {.tensor = &p->src,
                                .v = &p->sv,
                                .from = job->src,
                                .block = t.group * p->src_blocks,
                                .blocks = p->src_blocks,
                                .row0 = t.row0,
                                .row1 = t.row1,
                                .tile_rows = p->tile_rows,
                                .tile_cols = p->tile_cols,
                                .offset_y = p->offset_y,
                                .offset_x = p->offset_x,
                                .pair1 = p->a / 2,
                                .to = src,
                                .plane = p->src_plane};
    if (item == first || item % p->shares == 0) transform_tiles(p->m, false, &tiles_of);
    const unit_ahead next = ahead_of(job, &t, item + p->groups < last);
    multiply(p, &t, job->filters + t.group * p->points * p->weights_plane, src, dst, &next);
    for (int64_t block = t.block0; block < t.block1; block++)
      for (int64_t row = t.row0; row < t.row1;) {
        const int64_t end = min_i64(t.row1, (row / p->tile_rows + 1) * p->tile_rows);
        output_block(job, dst + (block * tiles + (row - t.row0) * p->tile_cols) * CN_BLOCK, t.group,
                     block, row, end, pooled);
        row = end;
      }
  }
  if (job->stream) stream_end();
}

void ISA_NAME(conv_winograd)(const conv_call *call) {
  const winograd_plan plan = winograd_plan_of_call(call), *p = &plan;
  const bool transformed = call->conv->transformed != 0;
  tail t = tail_of(call);
  const pool_job pool = pool_job_of(call);
  if (call_does(call, CN_POOL)) t.pool = &pool;
  const winograd_job job = {.p = p,
                            .src = p->backward ? call->dy : call->x,
                            .weights = call->w,
                            .bias = bias_of(call),
                            .filters = transformed ? call->w : call->workspace,
                            .dst = call->out,
                            .transformed = call->workspace,
                            .own = call->workspace + (transformed ? 0 : p->weights_floats),
                            .activation = activation_of(call),
                            .tail = &t,
                            .stream = p->pool_floats == 0 && tail_is_empty(&t) &&
                                      stores_stream(&p->dv, p->shape.n, BURSTS_FLOATS)};
  const phase phases[] = {{filter_items, p->groups * p->dst_blocks * p->src_blocks},
                          {winograd_items, p->groups * p->units * p->shares}};
  run_phases(call->context, shape_operations(&p->shape), phases + transformed, transformed ? 1 : 2,
             &job);
}

void ISA_NAME(conv2d_transform)(const cn_context *context, const cn_conv2d *conv, int32_t pass,
                                const float *w, float *transformed) {
  const winograd_plan p = winograd_plan_of(conv, pass, 1, context->threads);
  const winograd_job job = {.p = &p, .weights = w, .transformed = transformed};
  const int64_t filters = p.groups * p.dst_blocks * p.src_blocks;
  run_parallel(context, 5.0 * (double)p.weights_floats, filter_items, filters, &job);
}
