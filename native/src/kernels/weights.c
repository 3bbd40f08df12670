/*
 * Backward-weights: dw[k][c][r][s] = sum over samples and pixels of dy[k] x[c], and db[k] = sum of
 * dy[k]. An item is a tile of outputs (two blocks of y, some of x) over one chunk of the pixels.
 */
#include "conv.h"

typedef struct weights_job {
  const weights_plan *plan;
  const float *x, *dy;
  float *dw, *db;
  float *chunks, *packed;
} weights_job;

/* Where the sums of a chunk go: straight to the result if it is the only one. */
static float *chunk_dw(const weights_job *job, int64_t chunk) {
  return job->plan->chunks == 1 ? job->dw : job->chunks + chunk * job->plan->chunk_floats;
}
static float *chunk_db(const weights_job *job, int64_t chunk) {
  return job->plan->chunks == 1 ? job->db
                                : chunk_dw(job, chunk) + shape_weight_floats(&job->plan->shape);
}

/* One tile of outputs, one block of pixels. */
typedef struct tile {
  int64_t group, block, x0, x1; /* group; first block of y; blocks of x in the group */
  int64_t sample, images, row0, row1;
  int blocks;
  bool add;
  float *dw;
} tile;

/* The micro-kernel computes `per` columns (channels, or taps of a stem) times up to 2 rows of taps.
 */
static void update_columns(gemm_args g, const tile *t, int64_t count, int64_t most, int groups) {
  const int64_t pieces = ceil_div(count, most);
  const float *b = g.b;
  float *c = g.c;
  for (int64_t i = 0, n = 0; i < pieces; i++) {
    const int64_t per = (count * (i + 1)) / pieces - (count * i) / pieces;
    g.b = b + n * g.b_n;
    g.c = c + n * g.c_n;
    for (int block = 0; block < t->blocks; block += GEMM_BLOCKS) {
      const int m = t->blocks - block < GEMM_BLOCKS ? t->blocks - block : GEMM_BLOCKS;
      gemm_args h = g;
      h.a += block * g.a_block;
      h.c += block * g.c_block;
      if (g.next != NULL) h.next = g.next + (block + i % m) * g.c_block;
      if (block + m < t->blocks) h.lanes = CN_BLOCK;
      gemm_find(m, groups, (int)per, g.b_n)(&h);
    }
    n += per;
  }
}

/* A stem has few channels, so the columns are taps: all of a filter row, of two rows where they
 * fit. */
static void update_stem(gemm_args g, const conv_shape *s, const tile *t, int64_t x_plane,
                        int64_t x_row) {
  const float *b = g.b;
  float *c = g.c;
  const int at_once = 2 * s->kernel_w <= GEMM_N ? 2 : 1;
  g.b_n = s->dilation_w;
  g.c_n = CN_BLOCK;
  g.b_group = s->dilation_h * x_row;
  g.c_group = s->kernel_w * s->w_tap;
  for (int64_t i = t->x0; i < t->x1; i++)
    for (int32_t r = 0; r < s->kernel_h;) {
      const int groups = s->kernel_h - r < at_once ? s->kernel_h - r : at_once;
      g.b = b + (i - t->x0) * x_plane + r * g.b_group;
      g.c = c + i * s->w_outer + r * g.c_group;
      update_columns(g, t, s->kernel_w, GEMM_N, groups);
      r += groups;
    }
}

static void update_full(gemm_args g, const conv_shape *s, const tile *t, int64_t x_plane,
                        int64_t x_row) {
  const float *b = g.b;
  float *c = g.c;
  const int64_t steps = (int64_t)g.outers * g.rows * g.k;
  g.b_n = 1;
  g.c_n = CN_BLOCK;
  for (int64_t i = t->x0; i < t->x1; i++)
    for (int32_t r = 0; r < s->kernel_h; r++)
      for (int32_t q = 0; q < s->kernel_w; q++) {
        g.b = b + (i - t->x0) * x_plane + r * s->dilation_h * x_row +
              (int64_t)q * s->dilation_w * CN_BLOCK;
        g.c = c + i * s->w_outer + ((int64_t)r * s->kernel_w + q) * s->w_tap;
        /* Of a dense layer dw is the large operand: its next block but one is fetched meanwhile. */
        g.next = s->w_outer == s->w_tap && i + 2 < t->x1 ? g.c + 2 * s->w_outer : NULL;
        g.next_step = g.next != NULL ? min_i64(CN_BLOCK, ceil_div(s->w_tap, steps)) : 0;
        update_columns(g, t, x_lanes(s, i), GEMM_N_WEIGHTS, 1);
      }
}

static void update_tile(const weights_job *job, const tile *t, float *buffer) {
  const weights_plan *p = job->plan;
  const conv_shape *s = &p->shape;
  const int64_t x_block = t->group * s->x_blocks + t->x0;
  const int64_t y_block = t->group * s->y_blocks + t->block;
  const float *x = job->x + plane_offset(&s->xv, t->sample, x_block);
  int64_t x_row = s->xv.row, x_plane = s->xv.plane;
  const int64_t y0 = t->row0 * s->stride_h - s->pad_h;
  if (p->packed) {
    const window rows = {y0, -s->pad_w, p->pack_rows, p->pack_cols, t->x1 - t->x0};
    pack_window(&s->x, &s->xv, x, rows, buffer);
    x_row = p->pack_cols * s->xv.pixel;
    x_plane = p->pack_rows * x_row;
    x = buffer;
  } else {
    x += y0 * x_row - s->pad_w * s->xv.pixel;
  }
  const gemm_args g = {.a =
                           job->dy + plane_offset(&s->yv, t->sample, y_block) + t->row0 * s->yv.row,
                       .a_outer = s->yv.sample,
                       .a_row = s->yv.row,
                       .a_block = s->yv.plane,
                       .b = x,
                       .b_outer = s->xv.sample,
                       .b_row = s->stride_h * x_row,
                       .b_k = s->stride_w * s->xv.pixel,
                       .c = t->dw + y_block * s->w_block,
                       .c_block = s->w_block,
                       .outers = (int32_t)t->images,
                       .rows = (int32_t)(t->row1 - t->row0),
                       .cols = 1,
                       .k = s->y.w,
                       .lanes = (int32_t)lanes_of(s->y_channels, t->block + t->blocks - 1),
                       .flags = t->add ? GEMM_ADD : 0};
  if (s->stem)
    update_stem(g, s, t, x_plane, x_row);
  else
    update_full(g, s, t, x_plane, x_row);
}

/* Rows of dw that belong to no channel: past the last channel, and the spare block of a dense
 * layer. */
static void zero_padding(const conv_shape *s, const tile *t) {
  if (s->stem) return;
  for (int block = 0; block < t->blocks; block++) {
    float *dw = t->dw + (t->group * s->y_blocks + t->block + block) * s->w_block;
    for (int64_t i = t->x0; i < t->x1; i++) {
      const int64_t used = x_lanes(s, i) * CN_BLOCK;
      for (int64_t tap = 0; tap < s->w_outer; tap += s->w_tap)
        memset(dw + i * s->w_outer + tap + used, 0, (size_t)(s->w_tap - used) * sizeof(float));
    }
    const int64_t end = s->x_blocks * s->w_outer;
    if (t->x1 == s->x_blocks) memset(dw + end, 0, (size_t)(s->w_block - end) * sizeof(float));
  }
}

/* db[16] (=|+=) the pixels of some rows: summed by row, then row by row. */
static void update_bias(const weights_plan *p, const tile *t, const float *dy, float *db) {
  const conv_shape *s = &p->shape;
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    vec sum = vec_zero();
    for (int64_t i = 0; i < t->images; i++)
      for (int64_t y = t->row0; y < t->row1; y++) {
        const float *row = dy + i * s->yv.sample + y * s->yv.row + lane;
        vec part[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        int64_t x = 0;
        for (; x + 4 <= s->y.w; x += 4)
          for (int j = 0; j < 4; j++)
            part[j] = vec_add(part[j], vec_load(row + (x + j) * CN_BLOCK));
        for (; x < s->y.w; x++) part[0] = vec_add(part[0], vec_load(row + x * CN_BLOCK));
        sum = vec_add(sum, vec_add(vec_add(part[0], part[1]), vec_add(part[2], part[3])));
      }
    vec_store(db + lane, t->add ? vec_add(vec_load(db + lane), sum) : sum);
  }
}

/* Items are (chunk, group, pair of y blocks, tile of x blocks). The first tile of x also sums the
 * bias. */
static void weights_items(const void *state, int64_t first, int64_t last, int thread) {
  const weights_job *job = state;
  const weights_plan *p = job->plan;
  const conv_shape *s = &p->shape;
  float *buffer = p->packed ? job->packed + thread * p->pack_floats : NULL;
  const int64_t pixel_blocks = p->image_blocks * p->row_blocks;
  for (int64_t item = first; item < last; item++) {
    const int64_t x_tile = item % p->tiles, pair = item / p->tiles % p->pairs;
    const int64_t group = item / (p->tiles * p->pairs) % s->groups;
    const int64_t chunk = item / (p->tiles * p->pairs * s->groups);
    const int64_t begin = pixel_blocks * chunk / p->chunks;
    const int64_t end = pixel_blocks * (chunk + 1) / p->chunks;
    tile t = {.group = group, .block = 2 * pair, .dw = chunk_dw(job, chunk)};
    t.blocks = (int)min_i64(2, s->y_blocks - t.block);
    t.x0 = x_tile * p->tile_blocks;
    t.x1 = min_i64(t.x0 + p->tile_blocks, s->x_blocks);
    for (int64_t b = begin; b < end; b++) {
      t.sample = b / p->row_blocks * p->images;
      t.images = min_i64(p->images, s->n - t.sample);
      t.row0 = b % p->row_blocks * p->rows;
      t.row1 = min_i64(t.row0 + p->rows, s->y.h);
      t.add = b > begin;
      update_tile(job, &t, buffer);
      for (int i = 0; i < t.blocks && job->db != NULL && x_tile == 0; i++) {
        const int64_t block = group * s->y_blocks + t.block + i;
        update_bias(p, &t, job->dy + plane_offset(&s->yv, t.sample, block),
                    chunk_db(job, chunk) + block * CN_BLOCK);
      }
    }
    zero_padding(s, &t);
  }
}

/* Adds the chunks up in their order; items are vectors of 16 floats, of the weights and then of the
 * bias. */
static void sum_items(const void *state, int64_t first, int64_t last, int thread) {
  const weights_job *job = state;
  const weights_plan *p = job->plan;
  const int64_t weights = shape_weight_floats(&p->shape);
  (void)thread;
  for (int64_t i = first * CN_BLOCK; i < last * CN_BLOCK; i += VEC) {
    vec sum = vec_load(job->chunks + i);
    for (int64_t c = 1; c < p->chunks; c++)
      sum = vec_add(sum, vec_load(job->chunks + c * p->chunk_floats + i));
    vec_store(i < weights ? job->dw + i : job->db + (i - weights), sum);
  }
}

void run_weights(int threads, const weights_plan *plan, const float *x, const float *dy, float *dw,
                 float *db, float *workspace) {
  const conv_shape *s = &plan->shape;
  const bool partial = plan->chunks > 1;
  const weights_job job = {.plan = plan,
                           .x = x,
                           .dy = dy,
                           .dw = dw,
                           .db = db,
                           .chunks = workspace,
                           .packed = workspace + (partial ? plan->chunks * plan->chunk_floats : 0)};
  const int64_t sums = db != NULL ? plan->chunk_floats : shape_weight_floats(s);
  const phase phases[] = {{weights_items, plan->chunks * s->groups * plan->pairs * plan->tiles},
                          {sum_items, sums / CN_BLOCK}};
  run_phases(threads, shape_operations(s), phases, partial ? 2 : 1, &job);
}
