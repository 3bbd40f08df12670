/* Backward-weights with the Winograd algorithms: at each point, the terms of the sums are the
 * tiles. */
#include "columns.h"
#include "winograd.h"

typedef struct weights_job {
  const winograd_weights_plan *p;
  const float *x, *dy;
  gradient_use use;
  bool bias; /* the bias gradient is stored or used by the fused step */
  float *chunks, *own;
} weights_job;

/* The share of consecutive items: some pairs of rows of points, and some blocks of y. */
typedef struct share {
  int64_t chunk, group;
  int32_t pair0, pair1;
  int64_t block0, block1; /* of y, within the group */
  int64_t items;
} share;

/*
 * Combines `item` with the following items, before `last`, that differ only in their blocks of y.
 */
static share share_of(const winograd_weights_plan *p, int64_t item, int64_t last) {
  const int64_t y_pairs = ceil_div(p->shape.y_blocks, 2), y_share = item % p->y_shares;
  const int64_t y_end = min_i64(p->y_shares, y_share + last - item), pairs = item / p->y_shares;
  share t = {.chunk = pairs / (p->pair_items * p->shape.groups),
             .group = pairs / p->pair_items % p->shape.groups,
             .pair0 = (int32_t)(pairs % p->pair_items * p->pairs_at_once),
             .block0 = 2 * (y_pairs * y_share / p->y_shares),
             .block1 = min_i64(2 * (y_pairs * y_end / p->y_shares), p->shape.y_blocks),
             .items = y_end - y_share};
  t.pair1 = t.pair0 + (int32_t)p->pairs_at_once;
  return t;
}

/* Transforms rows row0..row1 - 1 of tiles of x or dy at the points of a share. */
static void transform_side(const weights_job *job, const share *t, bool gradient, int64_t row0,
                           int64_t row1, float *to) {
  const winograd_weights_plan *p = job->p;
  const conv_shape *s = &p->shape;
  const tiles_job tiles = {.tensor = gradient ? &s->y : &s->x,
                           .v = gradient ? &s->yv : &s->xv,
                           .from = gradient ? job->dy : job->x,
                           .block = gradient ? t->group * s->y_blocks + t->block0
                                             : t->group * s->x_blocks,
                           .blocks = gradient ? t->block1 - t->block0 : s->x_blocks,
                           .row0 = row0,
                           .row1 = row1,
                           .tile_rows = p->tile_rows,
                           .tile_cols = p->tile_cols,
                           .offset_y = gradient ? 0 : -s->window.pad_top,
                           .offset_x = gradient ? 0 : -s->window.pad_left,
                           .pair0 = t->pair0,
                           .pair1 = t->pair1,
                           .to = to,
                           .plane = gradient ? p->y_plane : p->x_plane};
  transform_tiles(p->m, gradient, &tiles);
}

/* For every point of the share: sums[y block][x block][16x][16y] (=|+=) dy tiles times x tiles. */
static void multiply(const winograd_weights_plan *p, const share *t, const float *x,
                     const float *dy, int64_t tiles, bool add, float *sums) {
  const conv_shape *s = &p->shape;
  const int64_t y_blocks = t->block1 - t->block0, slabs = ceil_div(tiles, GEMM_SLAB);
  const int64_t columns = min_i64(CN_BLOCK, s->x_channels);
  const int32_t points = (t->pair1 - t->pair0) * 2 * p->a;
  const int last = (int)((y_blocks - 1) % GEMM_PAIR) + 1;
  const gemm_plan pair = gemm_plan_of(GEMM_PAIR, 1, columns, 1);
  const gemm_plan rest = gemm_plan_of(last, 1, columns, 1);
  const int64_t calls =
      slabs * s->x_blocks * ((y_blocks - last) / GEMM_PAIR * pair.tiles + rest.tiles);
  gemm_args g = {.a_block = tiles * CN_BLOCK,
                 .b_n = 1,
                 .b_k = CN_BLOCK,
                 .c_block = s->x_blocks * TAP,
                 .c_n = CN_BLOCK,
                 .outers = 1,
                 .rows = 1,
                 .cols = 1,
                 .lanes = CN_BLOCK,
                 .more = (int32_t)s->x_blocks - 1,
                 .b_tile = tiles * CN_BLOCK,
                 .c_tile = TAP};
  for (int32_t i = 0; i < points; i++) {
    const float *a = dy + i * p->y_plane, *b = x + i * p->x_plane;
    float *c = sums + i * p->sum_plane;
    prefetcher ahead = {.at = 2};
    if (i + 1 < points)
      ahead =
          prefetcher_of((memory_runs){c + p->sum_plane, add, 0, y_blocks * s->x_blocks * TAP},
                        (memory_runs){b + p->x_plane, 1, 0, s->x_blocks * tiles * CN_BLOCK}, calls);
    for (int64_t block = 0; block < y_blocks; block += GEMM_PAIR)
      for (int64_t n = 0; n < slabs; n++) {
        const int64_t first = tiles * n / slabs;
        g.a = a + (block * tiles + first) * CN_BLOCK;
        g.b = b + first * CN_BLOCK;
        g.c = c + block * g.c_block;
        g.k = (int32_t)(tiles * (n + 1) / slabs - first);
        g.flags = add || n > 0 ? GEMM_ADD : 0;
        gemm_run(block + GEMM_PAIR < y_blocks ? &pair : &rest, &g, &ahead);
      }
  }
}

/* Computes the bias gradient from the pixels covered by rows row0..row1 - 1 of tiles. */
static void sum_bias(const weights_job *job, const share *t, int64_t row0, int64_t row1, bool add,
                     float *db) {
  const winograd_weights_plan *p = job->p;
  const conv_shape *s = &p->shape;
  for (int64_t row = row0, end; row < row1; row = end) {
    /* Several whole images at once, or rows of a single image. */
    const int64_t first = row % p->tile_rows, images = first > 0 ? 0 : (row1 - row) / p->tile_rows;
    const int64_t last = min_i64(first + row1 - row, p->tile_rows);
    end = row + (images > 0 ? images * p->tile_rows : last - first);
    for (int64_t block = t->block0; block < t->block1; block++)
      sum_bias_rows(&s->yv,
                    job->dy +
                        plane_offset(&s->yv, row / p->tile_rows, t->group * s->y_blocks + block),
                    s->y.w, max_i64(1, images), first * p->m, min_i64(last * p->m, s->y.h),
                    add || row > row0, db + block * CN_BLOCK);
  }
}

/* Items are (chunk, group, pairs of rows of points, share of the blocks of y). */
BODY(winograd_sum_items) {
  const weights_job *job = state;
  const winograd_weights_plan *p = job->p;
  const conv_shape *s = &p->shape;
  const int64_t rows = s->n * p->tile_rows, sums = p->points * p->sum_plane;
  float *x = job->own + thread * p->own_floats;
  float *dy = x + p->pairs_at_once * 2 * p->a * p->x_plane;
  for (int64_t item = first; item < last;) {
    const share t = share_of(p, item, last);
    const int64_t begin = rows * t.chunk / p->chunks, end = rows * (t.chunk + 1) / p->chunks;
    float *chunk = job->chunks + t.chunk * p->chunk_floats;
    float *sum =
        chunk + t.group * sums + t.pair0 * 2 * p->a * p->sum_plane + t.block0 * s->x_blocks * TAP;
    float *db = chunk + s->groups * sums + t.group * s->y_blocks * CN_BLOCK;
    for (int64_t row = begin; row < end; row += p->rows) {
      const int64_t row1 = min_i64(row + p->rows, end), tiles = (row1 - row) * p->tile_cols;
      transform_side(job, &t, false, row, row1, x);
      transform_side(job, &t, true, row, row1, dy);
      multiply(p, &t, x, dy, tiles, row > begin, sum);
      if (job->bias && t.pair0 == 0) sum_bias(job, &t, row, row1, row > begin, db);
    }
    item += t.items;
  }
}

/* G^T t G of 16 x 16 sums, where t is added up over the chunks in order. The nine taps of dw are
 * TAP floats apart. */
ALWAYS_INLINE void filter_block(int m, const weights_job *job, const float *sums, float *dw) {
  const winograd_weights_plan *p = job->p;
  const int a = m + 2;
  for (int i = 0; i < TAP; i += VEC) {
    vec half[3][MOST_A];
#pragma GCC unroll 6
    for (int c = 0; c < a; c++) {
      vec t[MOST_A], g[3];
#pragma GCC unroll 6
      for (int r = 0; r < a; r++) {
        const float *at = sums + (r * a + c) * p->sum_plane + i;
        t[r] = vec_load(at);
        for (int64_t k = 1; k < p->chunks; k++)
          t[r] = vec_add(t[r], vec_load(at + k * p->chunk_floats));
      }
      filter_gradient(m, t, g);
#pragma GCC unroll 3
      for (int r = 0; r < 3; r++) half[r][c] = g[r];
    }
#pragma GCC unroll 3
    for (int r = 0; r < 3; r++) {
      vec g[3];
      filter_gradient(m, half[r], g);
#pragma GCC unroll 3
      for (int c = 0; c < 3; c++) vec_store(dw + (r * 3 + c) * TAP + i, g[c]);
    }
  }
}

/* Zeroes the padding: rows of x and lanes of y beyond the last channel. */
static void zero_padding(float *dw, int64_t x_lanes, int64_t y_lanes) {
  if (x_lanes == CN_BLOCK && y_lanes == CN_BLOCK) return;
  for (int64_t i = 0; i < 9 * CN_BLOCK; i++) {
    const int64_t used = i % CN_BLOCK < x_lanes ? y_lanes : 0;
    memset(dw + i * CN_BLOCK + used, 0, (size_t)(CN_BLOCK - used) * sizeof(float));
  }
}

/* Items are (group, block of y, block of x): turns sums into gradients and applies the optimiser
 * step. The items of the first block of x also handle the bias. */
BODY(winograd_gradient_items) {
  const weights_job *job = state;
  const winograd_weights_plan *p = job->p;
  const conv_shape *s = &p->shape;
  const int64_t group_sums = p->points * p->sum_plane;
  float *own = job->own + thread * p->own_floats;
  for (int64_t item = first; item < last; item++) {
    const int64_t x = item % s->x_blocks, row = item / s->x_blocks, y = row % s->y_blocks;
    const int64_t group = row / s->y_blocks, at = row * s->w_block + x * s->w_outer;
    const float *sums = job->chunks + group * group_sums + (y * s->x_blocks + x) * TAP;
    float *dw = job->use.dw != NULL ? job->use.dw + at : own;
    if (p->m == 4)
      filter_block(4, job, sums, dw);
    else
      filter_block(2, job, sums, dw);
    zero_padding(dw, lanes_of(s->x_channels, x), lanes_of(s->y_channels, y));
    if (job->use.steps.weights.values != NULL)
      step_run(&job->use.steps.weights, at, s->w_outer, dw);
    if (x > 0 || !job->bias) continue;
    float *db = job->use.db != NULL ? job->use.db + row * CN_BLOCK : own + 9 * TAP;
    const float *bias_sums = job->chunks + s->groups * group_sums + row * CN_BLOCK;
    memcpy(db, bias_sums, CN_BLOCK * sizeof(float));
    for (int64_t k = 1; k < p->chunks; k++)
      for (int lane = 0; lane < CN_BLOCK; lane += VEC)
        vec_store(db + lane,
                  vec_add(vec_load(db + lane), vec_load(bias_sums + k * p->chunk_floats + lane)));
    if (job->use.steps.bias.values != NULL)
      step_run(&job->use.steps.bias, row * CN_BLOCK, CN_BLOCK, db);
  }
}

void ISA_NAME(conv_winograd_weights)(const conv_call *call) {
  const winograd_weights_plan plan = winograd_weights_plan_of(call->conv, call->n), *p = &plan;
  const conv_shape *s = &p->shape;
  const bool bias = call_does(call, CN_BIAS);
  const weights_job job = {.p = p,
                           .x = call->x,
                           .dy = call->dy,
                           .use = gradient_use_of(call->gradients, bias),
                           .bias = bias,
                           .chunks = call->workspace,
                           .own = call->workspace + p->chunks * p->chunk_floats};
  const phase phases[] = {{winograd_sum_items, p->chunks * s->groups * p->items},
                          {winograd_gradient_items, s->groups * s->y_blocks * s->x_blocks}};
  run_phases(call->context, shape_operations(s), phases, 2, &job);
}
