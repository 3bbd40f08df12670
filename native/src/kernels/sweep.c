/* Forward and backward-data: destination pixels, a few rows and two blocks of channels at a time.
 */
#include "columns.h"
#include "conv.h"

typedef struct sweep_job {
  const sweep *w;
  const float *src, *weights, *bias;
  float *dst, *packed;
  int flags;
  const tail *tail;
  const float *plain_weights; /* backward-data: before they were transposed */
  const cn_conv2d *stem;      /* backward-data of a stem: dst is its dx, which is CN_PLAIN */
  view stem_dx;
} sweep_job;

/* What a thread is at: blocks of dst, a unit, a chunk of src; and which rows its buffer holds. */
typedef struct place {
  int64_t group, block, sample, chunk;
  int64_t row0, row1, col0, col1; /* steps t */
  int64_t unit;
  int blocks;
} place;

typedef struct source {
  const float *base; /* the pixel that t = 0 and an offset of 0 mean, of the first block */
  int64_t row, plane;
} source;

static place place_of(const sweep *w, int64_t pair, int64_t unit, int64_t chunk) {
  const int64_t pairs = ceil_div(w->dst_blocks, GEMM_PAIR);
  place p = {.group = pair / pairs, .block = pair % pairs * GEMM_PAIR, .unit = unit};
  p.blocks = (int)min_i64(GEMM_PAIR, w->dst_blocks - p.block);
  p.chunk = chunk;
  p.col0 = unit % w->col_units * w->cols;
  p.col1 = min_i64(p.col0 + w->cols, w->total_cols);
  unit /= w->col_units;
  p.row0 = unit % w->row_units * w->rows;
  p.row1 = min_i64(p.row0 + w->rows, w->total_rows);
  p.sample = unit / w->row_units;
  return p;
}

/* Where src is read: as it lies, or from the thread's buffer, filled if `at` is not what it holds.
 */
static source source_at(const sweep_job *job, const place *at, bool fill, float *buffer) {
  const sweep *w = job->w;
  const int64_t block = at->group * w->src_blocks + at->chunk;
  const float *plane = job->src + plane_offset(&w->sv, at->sample, block);
  if (!w->packed) return (source){plane, w->sv.row, w->sv.plane};
  const window rows = {.y0 = at->row0 * w->src_stride_h + w->low_y,
                       .x0 = at->col0 * w->src_stride_w + w->low_x,
                       .rows = w->pack_rows,
                       .cols = w->pack_cols,
                       .planes = min_i64(w->chunk, w->src_blocks - at->chunk)};
  if (fill) pack_window(&w->src, &w->sv, plane, rows, buffer);
  const int64_t row = w->pack_cols * w->sv.pixel;
  return (source){buffer - rows.y0 * row - rows.x0 * w->sv.pixel, row, w->pack_rows * row};
}

/* The taps of rows t..t + runs - 1 but for those that find only the border. */
static inline taps taps_of_rows(const sweep *w, const axis *y, int64_t t, int64_t runs) {
  return axis_taps_inside(y, w->src_stride_h, w->src.h, t, t + runs - 1);
}

/* Moves g, which was `all` of pixel (0, 0), to row t and to some taps. */
static inline void move_to_row(const gemm_args *all, int64_t t, taps used, int64_t src_row,
                               gemm_args *g) {
  g->rows = used.end - used.first;
  g->a = all->a + used.first * all->a_row;
  g->b = all->b + t * src_row + used.first * all->b_row;
}

/* Rows of windows of 2x2, straight from their sums. */
static void pool_narrow_rows(const sweep *w, const pool_job *job, const gemm_args *g,
                             const place *p, const axis *y, int64_t src_row) {
  const cn_pool2d *pool = &job->pool;
  float *to = job->y + plane_offset(&job->yv, p->sample, 0);
  narrow_windows windows;
  narrow_windows_init((pool->flags & CN_RELU) != 0, &windows);
  for (int64_t row = p->row0 / 2; row < min_i64(p->row1 / 2, pool->y.h); row++) {
    gemm_args upper = *g, lower = *g;
    move_to_row(g, 2 * row, taps_of_rows(w, y, 2 * row, 1), src_row, &upper);
    move_to_row(g, 2 * row + 1, taps_of_rows(w, y, 2 * row + 1, 1), src_row, &lower);
    const int64_t first = (p->sample * pool->y.h + row) * pool->y.w;
    narrow_pool(&upper, &lower, pool->y.w, &windows, to + row * job->yv.row,
                job->new_winners == NULL ? NULL : job->new_winners + first * CN_BLOCK);
    zero_border(&pool->y, &job->yv, to, row, row + 1);
  }
}

/* What a thread takes along from place to place: what it fetches ahead, and the tiles of its rows,
 * which are nearly always the same. */
typedef struct companion {
  prefetcher ahead;
  int blocks, together;
  int64_t width;
  gemm_plan plan, single; /* of `together` rows, and of one */
} companion;

static void plan_rows(companion *c, int blocks, int64_t width, int64_t b_n) {
  if (c->blocks == blocks && c->width == width) return;
  c->blocks = blocks;
  c->width = width;
  c->together = gemm_runs_together(blocks, width);
  c->single = gemm_plan_of(blocks, 1, width, b_n);
  c->plan = c->together == 1 ? c->single : gemm_plan_of(blocks, c->together, width, b_n);
}

/* Tiles of a row, and terms of a sum, at most, where a call for each row takes its time. */
enum { SHORT_ROW = 2, SHORT_SUM = 2 * SUM_TERMS };

/* How many times `together` rows from t on have the same taps, up to row1. */
static int64_t alike_rows(const sweep *w, const axis *y, int64_t t, int64_t row1, int64_t together,
                          taps used) {
  int64_t times = 1;
  for (t += together; t + together <= row1; t += together, times++) {
    const taps next = taps_of_rows(w, y, t, together);
    if (next.first != used.first || next.end != used.end) break;
  }
  return times;
}

/* Rows row0..row1, columns col0..col1 of one class of residues; g is set for its pixel (0, 0).
 * Short rows of short sums that have the same taps are one call for each tile. */
static void sweep_rows(const sweep *w, gemm_args g, const place *p, const axis *y, int64_t row1,
                       int64_t col1, int64_t src_row, int64_t dst_row, companion *with) {
  const gemm_args all = g;
  const int64_t width = col1 - p->col0;
  if (width <= 0) return;
  const bool narrow = shape_is_narrow(&w->shape);
  if (!narrow) plan_rows(with, p->blocks, width, g.b_n);
  const int64_t together = narrow ? 1 : with->together;
  g.b_group = src_row;
  g.c_group = dst_row;
  for (int64_t t = p->row0, times; t < row1; t += times * together) {
    const int64_t runs = min_i64(together, row1 - t);
    const taps used = taps_of_rows(w, y, t, runs);
    times = 1;
    move_to_row(&all, t, used, src_row, &g);
    g.b += p->col0 * g.b_n;
    g.c = all.c + t * dst_row + p->col0 * g.c_n;
    if (narrow) {
      narrow_forward(&g, width);
      continue;
    }
    const int64_t terms = (int64_t)g.outers * g.rows * g.cols * g.k;
    if (with->plan.tiles <= SHORT_ROW && terms <= SHORT_SUM)
      times = alike_rows(w, y, t, row1, together, used);
    g.more = (int32_t)times - 1;
    g.b_tile = together * src_row;
    g.c_tile = together * dst_row;
    gemm_run(runs == together ? &with->plan : &with->single, &g, &with->ahead);
  }
}

/* Where the sums of a place go, in dst or in memory of the thread's own: pixel (0, 0) of the first
 * of its blocks. */
typedef struct target {
  float *base;
  int64_t plane;
} target;

static target target_at(const sweep_job *job, const place *p, float *own) {
  const sweep *w = job->w;
  const int64_t block = p->group * w->dst_blocks + p->block;
  if (job->stem != NULL) return (target){own, w->dv.plane};
  if (w->pool_floats > 0) return (target){own - p->row0 * w->dv.row, w->rows * w->dv.row};
  return (target){job->dst + plane_offset(&w->dv, p->sample, block), w->dv.plane};
}

static void sweep_class(const sweep_job *job, const place *p, source from, target to, axis y,
                        axis x, companion *with) {
  const sweep *w = job->w;
  const conv_shape *s = &w->shape;
  const int64_t pixel = w->sv.pixel;
  const int64_t dst_block = p->group * w->dst_blocks + p->block;
  const int64_t chunk = min_i64(w->chunk, w->src_blocks - p->chunk);
  const bool first = p->chunk == 0, last = p->chunk + chunk == w->src_blocks;
  gemm_args g = {.a = job->weights + dst_block * w->w_block + p->chunk * w->w_outer +
                      ((int64_t)y.tap * s->kernel_w + x.tap) * s->w_tap,
                 .a_outer = w->w_outer,
                 .a_row = (int64_t)y.tap_step * s->kernel_w * s->w_tap,
                 .a_col = x.tap_step * s->w_tap,
                 .a_block = w->w_block,
                 .b = from.base + y.src * from.row + x.src * pixel,
                 .b_outer = from.plane,
                 .b_row = y.src_tap * from.row,
                 .b_col = x.src_tap * pixel,
                 .b_n = w->src_stride_w * pixel,
                 .b_k = s->stem ? x.src_tap : 1,
                 .c = to.base + y.dst * w->dv.row + x.dst * w->dv.pixel,
                 .c_block = to.plane,
                 .c_n = w->dst_stride_w * w->dv.pixel,
                 .outers = (int32_t)chunk,
                 .rows = y.taps,
                 .cols = s->stem ? (x.taps > 0) : x.taps,
                 .k = w->k,
                 .lanes = (int32_t)lanes_of(w->dst_channels, p->block + p->blocks - 1),
                 .flags = (first ? job->flags & (GEMM_BIAS | GEMM_STREAM) : GEMM_ADD) |
                          (last ? job->flags & GEMM_RELU : 0)};
  if (job->bias != NULL) g.bias = job->bias + dst_block * CN_BLOCK;
  if (w->pools_narrow) {
    pool_narrow_rows(w, job->tail->pool, &g, p, &y, w->src_stride_h * from.row);
    return;
  }
  sweep_rows(w, g, p, &y, min_i64(p->row1, y.count), min_i64(p->col1, x.count),
             w->src_stride_h * from.row, w->dst_stride_h * w->dv.row, with);
}

/* Rows y0..y1 of dx in its planes, from the pixels of a block. */
static void spread_rows(const sweep_job *job, const place *p, const float *block, int64_t y0,
                        int64_t y1) {
  const cn_tensor *dx = &job->stem->dx;
  const view *v = &job->stem_dx;
  float *plane = job->dst + plane_offset(v, p->sample, 0);
  for (int64_t y = y0; y < y1; y++)
    for (int64_t x = 0; x < dx->w; x += CN_BLOCK) {
      float channels[CN_BLOCK * CN_BLOCK];
      transpose_block(block + y * job->w->dv.row + x * CN_BLOCK, channels);
      const size_t bytes = (size_t)min_i64(CN_BLOCK, dx->w - x) * sizeof(float);
      for (int64_t c = 0; c < dx->c; c++)
        memcpy(plane + c * v->plane + y * v->row + x, channels + c * CN_BLOCK, bytes);
    }
  for (int64_t c = 0; c < dx->c; c++) zero_border(dx, v, plane + c * v->plane, y0, y1);
}

/* Windows in the rows of a place. Those of the last rows may end before them. */
static void pool_place(const sweep_job *job, const place *p, const float *rows, int64_t plane) {
  const cn_pool2d *pool = &job->tail->pool->pool;
  const int64_t end = p->row1 == job->w->total_rows ? pool->y.h : p->row1 / pool->stride_h;
  pool_rows(job->tail->pool, plane, rows, p->row0 / pool->stride_h, min_i64(end, pool->y.h));
}

static void sweep_tile(const sweep_job *job, const place *p, source from, target to,
                       companion *with) {
  const sweep *w = job->w;
  for (int32_t i = 0; i < w->classes_h; i++) {
    const axis y = sweep_axis_y(w, i);
    for (int32_t j = 0; j < w->classes_w; j++)
      sweep_class(job, p, from, to, y, sweep_axis_x(w, j), with);
  }
  if (p->chunk + w->chunk < w->src_blocks) return;
  const int64_t y0 = p->row0 * w->dst_stride_h;
  const int64_t y1 = min_i64(p->row1 * w->dst_stride_h, w->dst.h);
  if (w->pools_narrow) return;
  if (job->stem != NULL) {
    spread_rows(job, p, to.base, y0, y1);
    return;
  }
  for (int b = 0; b < p->blocks; b++) {
    const int64_t block = p->group * w->dst_blocks + p->block + b;
    float *values = to.base + b * to.plane;
    if (w->pool_floats > 0)
      pool_place(job, p, values, p->sample * w->dv.planes + block);
    else
      tail_rows(job->tail, &w->dst, &w->dv, p->sample, block, y0, y1, values);
  }
}

/* Item i: units inside pairs of dst blocks if the weights exceed the cache, else pairs inside
 * units. */
static place place_at(const sweep *w, int64_t i, int64_t chunk) {
  const int64_t pairs = w->groups * ceil_div(w->dst_blocks, GEMM_PAIR);
  return w->weights_outside ? place_of(w, i / w->units, i % w->units, chunk)
                            : place_of(w, i % pairs, i / pairs, chunk);
}

static int64_t sweep_count(const sweep *w) {
  return w->units * w->groups * ceil_div(w->dst_blocks, GEMM_PAIR);
}

/* What a place reads of src, but for the rows and columns that its left neighbour has read too. */
static memory_runs source_runs(const sweep_job *job, const place *p, const place *before) {
  const sweep *w = job->w;
  const float *plane =
      job->src + plane_offset(&w->sv, p->sample, p->group * w->src_blocks + p->chunk);
  const bool below = p->sample == before->sample && p->row0 == before->row1;
  const int64_t first =
      p->row0 * w->src_stride_h + (below ? w->high_y + 1 - w->src_stride_h : w->low_y);
  const int64_t last = (p->row1 - 1) * w->src_stride_h + w->high_y;
  const int64_t y0 = max_i64(first, -w->src.halo), y1 = min_i64(last, w->src.h - 1 + w->src.halo);
  const int64_t x0 = max_i64(p->col0 * w->src_stride_w + w->low_x, -w->src.halo);
  const int64_t cols =
      min_i64((p->col1 - 1) * w->src_stride_w + w->high_x, w->src.w - 1 + w->src.halo) - x0 + 1;
  const int64_t floats = (y1 - y0) * w->sv.row + cols * w->sv.pixel;
  return (memory_runs){plane + y0 * w->sv.row + x0 * w->sv.pixel,
                       min_i64(w->chunk, w->src_blocks - p->chunk), w->sv.plane,
                       max_i64(floats, 0)};
}

/* The weights of a place. */
static memory_runs weights_runs(const sweep_job *job, const place *p) {
  const sweep *w = job->w;
  const int64_t block = p->group * w->dst_blocks + p->block;
  return (memory_runs){job->weights + block * w->w_block + p->chunk * w->w_outer, p->blocks,
                       w->w_block, min_i64(w->chunk, w->src_blocks - p->chunk) * w->w_outer};
}

/* Deals out what `next` reads and `p` does not, to the calls until then: those of `items` items. */
static prefetcher next_place(const sweep_job *job, const place *p, const place *next, int64_t items,
                             companion *with) {
  const sweep *w = job->w;
  plan_rows(with, p->blocks, p->col1 - p->col0, w->src_stride_w * w->sv.pixel);
  const int64_t calls = items * w->classes_h * w->classes_w *
                        ceil_div(p->row1 - p->row0, with->together) * with->plan.tiles;
  const bool same_chunk = next->group == p->group && next->chunk == p->chunk;
  const bool same_source = same_chunk && (w->source_stays || next->unit == p->unit);
  const bool same_weights = !w->weights_outside || (same_chunk && next->block == p->block);
  return prefetcher_of(same_weights ? (memory_runs){0} : weights_runs(job, next),
                       same_source ? (memory_runs){0} : source_runs(job, next, p), calls);
}

/*
 * Items are (pair of dst blocks, unit). Chunks of src outside: a chunk stays in cache for all the
 * pairs. While the items that read the same are at work, what comes next is fetched.
 */
static void sweep_items(const void *state, int64_t first, int64_t last, int thread) {
  const sweep_job *job = state;
  const sweep *w = job->w;
  const int64_t own = thread * (w->pack_floats + w->spread_floats + w->pool_floats);
  const bool has_own = w->packed || job->stem != NULL || w->pool_floats > 0;
  float *buffer = has_own ? job->packed + own : NULL,
        *rows = has_own ? buffer + w->pack_floats : NULL;
  const int64_t together = !w->weights_outside ? sweep_count(w) / w->units
                           : w->source_stays   ? w->units
                                               : 1;
  place held = {.group = -1};
  companion with = {.ahead = {.at = 2}};
  for (int64_t chunk = 0; chunk < w->src_blocks; chunk += w->chunk)
    for (int64_t i = first; i < last; i++) {
      const place p = place_at(w, i, chunk);
      const bool fill = p.group != held.group || p.unit != held.unit || p.chunk != held.chunk;
      held = p;
      if (i == first || i % together == 0) {
        const int64_t then = i - i % together + together;
        const bool more = then < last, another = chunk + w->chunk < w->src_blocks;
        const place next = more ? place_at(w, then, chunk) : place_at(w, first, chunk + w->chunk);
        with.ahead = more || another ? next_place(job, &p, &next, min_i64(then, last) - i, &with)
                                     : (prefetcher){.at = 2};
      }
      sweep_tile(job, &p, source_at(job, &p, fill, buffer), target_at(job, &p, rows), &with);
    }
  if ((job->flags & GEMM_STREAM) != 0) stream_end();
}

/* Large results that nothing reads here again are stored past the caches: each sum must be one that
 * the micro-kernel keeps in registers, and lines that are neighbours be stored together. */
static int stream_flag(const sweep *w, const tail *t) {
  const conv_shape *s = &w->shape;
  const int64_t terms = w->src_blocks * w->k * s->kernel_h * (s->stem ? 1 : s->kernel_w);
  const bool once = w->chunk >= w->src_blocks && terms <= SUM_TERMS && w->dst_stride_w == 1;
  return once && w->pool_floats == 0 && tail_is_empty(t) &&
                 stores_stream(&w->dv, w->n, STREAMED_FLOATS)
             ? GEMM_STREAM
             : 0;
}

void run_sweep(int threads, const sweep *w, const float *src, const float *weights,
               const float *bias, int flags, const tail *t, float *dst, float *workspace) {
  const sweep_job job = {.w = w,
                         .src = src,
                         .weights = weights,
                         .bias = bias,
                         .dst = dst,
                         .packed = workspace,
                         .flags = flags | stream_flag(w, t),
                         .tail = t};
  run_parallel(threads, shape_operations(&w->shape), sweep_items, sweep_count(w), &job);
}

/* Item (group, y block, x block): [r][s][16c][16k] to [r][s][16k][16c], blocks of x outermost. */
static void transpose_items(const void *state, int64_t first, int64_t last, int thread) {
  const sweep_job *job = state;
  const sweep *w = job->w;
  const conv_shape *s = &w->shape;
  float *out = job->packed - shape_weight_floats(s);
  (void)thread;
  for (int64_t i = first; i < last; i++) {
    const int64_t x = i % s->x_blocks, y = i / s->x_blocks % s->y_blocks;
    const int64_t group = i / (s->x_blocks * s->y_blocks);
    const float *from =
        job->plain_weights + (group * s->y_blocks + y) * s->w_block + x * s->w_outer;
    float *to = out + (group * s->x_blocks + x) * w->w_block + y * w->w_outer;
    for (int64_t t = 0; t < s->w_outer; t += s->w_tap) transpose_block(from + t, to + t);
  }
}

/* Item y block: the weights of a stem, [c][r][s][16k], to [r][s][16k][16c]. */
static void transpose_stem_items(const void *state, int64_t first, int64_t last, int thread) {
  const sweep_job *job = state;
  const conv_shape *s = &job->w->shape;
  const int64_t taps = s->w_outer / s->w_tap, run = taps * CN_BLOCK;
  float *out = job->packed - shape_weight_floats(s);
  (void)thread;
  for (int64_t y = first; y < last; y++)
    for (int64_t tap = 0; tap < taps; tap++) {
      const float *from = job->plain_weights + y * s->x_channels * run + tap * CN_BLOCK;
      float rows[CN_BLOCK * CN_BLOCK] = {0};
      for (int64_t c = 0; c < s->x_channels; c++)
        memcpy(rows + c * CN_BLOCK, from + c * run, CN_BLOCK * sizeof(float));
      transpose_block(rows, out + y * s->w_outer + tap * s->w_tap);
    }
}

/* dst and stem are as in the job. */
static void run_backward(int threads, sweep_job job, const float *weights, float *workspace,
                         phase_body transpose) {
  const conv_shape *s = &job.w->shape;
  job.plain_weights = weights;
  job.weights = workspace;
  job.packed = workspace + shape_weight_floats(s);
  const phase phases[] = {{transpose, s->groups * s->y_blocks * s->x_blocks},
                          {sweep_items, sweep_count(job.w)}};
  run_phases(threads, shape_operations(s), phases, 2, &job);
}

void run_sweep_backward(int threads, const sweep *w, const float *dy, const float *weights,
                        const tail *t, float *dx, float *workspace) {
  const sweep_job job = {.w = w, .src = dy, .dst = dx, .flags = stream_flag(w, t), .tail = t};
  run_backward(threads, job, weights, workspace, transpose_items);
}

void run_stem_backward(int threads, const cn_conv2d *conv, int64_t n, const float *dy,
                       const float *weights, float *dx, float *workspace) {
  const conv_shape shape = plain_gradient_shape_of(conv, n);
  const sweep w = sweep_of(&shape, true);
  const sweep_job job = {
      .w = &w, .src = dy, .dst = dx, .stem = conv, .stem_dx = view_of(&conv->dx, n)};
  run_backward(threads, job, weights, workspace, transpose_stem_items);
}
