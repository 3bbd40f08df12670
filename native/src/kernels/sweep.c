/* Forward and backward-data: computes a few rows of destination pixels in two blocks of channels at
 * a time. */
#include "columns.h"
#include "conv.h"

typedef struct sweep_job {
  const sweep *plan;
  const float *src, *weights, *bias;
  float *dst, *packed;
  int flags;
  cn_activation activation;
  const tail *tail;
  const float *plain_weights; /* backward-data: the weights before transposition */
  const cn_conv2d *stem;      /* backward-data of a stem: dst is its dx, which is CN_PLAIN */
  view stem_dx;
} sweep_job;

/* One work item of a thread: blocks of dst, a unit and a chunk of src. */
typedef struct sweep_item {
  int64_t group, block, sample, chunk;
  int64_t row0, row1, col0, col1; /* in positions t */
  int64_t unit;
  int blocks;
} sweep_item;

typedef struct source {
  const float *base; /* pixel for t = 0 and tap offset 0, in the first block */
  int64_t row, plane;
} source;

static sweep_item item_of(const sweep *plan, int64_t pair, int64_t unit, int64_t chunk) {
  const int64_t pairs = ceil_div(plan->dst_blocks, GEMM_PAIR);
  sweep_item p = {.group = pair / pairs, .block = pair % pairs * GEMM_PAIR, .unit = unit};
  p.blocks = (int)min_i64(GEMM_PAIR, plan->dst_blocks - p.block);
  p.chunk = chunk;
  p.col0 = unit % plan->col_units * plan->cols;
  p.col1 = min_i64(p.col0 + plan->cols, plan->total_cols);
  unit /= plan->col_units;
  p.row0 = unit % plan->row_units * plan->rows;
  p.row1 = min_i64(p.row0 + plan->rows, plan->total_rows);
  p.sample = unit / plan->row_units;
  return p;
}

/* The source of an item: the tensor itself, or the thread's packed copy, which is filled first if
 * `fill` is set. */
static source source_at(const sweep_job *job, const sweep_item *at, bool fill, float *buffer) {
  const sweep *plan = job->plan;
  const int64_t block = at->group * plan->src_blocks + at->chunk;
  const float *plane = job->src + plane_offset(&plan->sv, at->sample, block);
  if (!plan->packed) return (source){plane, plan->sv.row, plan->sv.plane};
  const window rows = {.y0 = at->row0 * plan->src_stride_h + plan->low_y,
                       .x0 = at->col0 * plan->src_stride_w + plan->low_x,
                       .rows = plan->pack_rows,
                       .cols = plan->pack_cols,
                       .planes = min_i64(plan->chunk, plan->src_blocks - at->chunk)};
  if (fill) pack_window(&plan->src, &plan->sv, plane, rows, buffer);
  const int64_t row = plan->pack_cols * plan->sv.pixel;
  return (source){buffer - rows.y0 * row - rows.x0 * plan->sv.pixel, row, plan->pack_rows * row};
}

/* The taps of rows t..t + runs - 1, without those that read padding only. */
static inline taps taps_of_rows(const sweep *plan, const axis *y, int64_t t, int64_t runs) {
  return axis_taps_inside(y, plan->src_stride_h, plan->src.h, t, t + runs - 1);
}

/* Sets g, a copy of `all` for pixel (0, 0), to row t and the taps `used`. */
static inline void move_to_row(const gemm_args *all, int64_t t, taps used, int64_t src_row,
                               gemm_args *g) {
  g->rows = used.end - used.first;
  g->a = all->a + used.first * all->a_row;
  g->b = all->b + t * src_row + used.first * all->b_row;
}

/* Computes rows of 2x2 windows directly from their sums. */
static void pool_narrow_rows(const sweep *plan, const pool_job *job, const gemm_args *g,
                             const sweep_item *p, const axis *y, int64_t src_row) {
  const cn_pool2d *pool = &job->pool;
  float *to = job->y + plane_offset(&job->yv, p->sample, 0);
  narrow_windows windows;
  narrow_windows_init(pool->activation, &windows);
  for (int64_t row = p->row0 / 2; row < min_i64(p->row1 / 2, pool->y.h); row++) {
    gemm_args upper = *g, lower = *g;
    move_to_row(g, 2 * row, taps_of_rows(plan, y, 2 * row, 1), src_row, &upper);
    move_to_row(g, 2 * row + 1, taps_of_rows(plan, y, 2 * row + 1, 1), src_row, &lower);
    const int64_t first = (p->sample * pool->y.h + row) * pool->y.w;
    narrow_pool(&upper, &lower, pool->y.w, &windows, to + row * job->yv.row,
                job->new_winners == NULL ? NULL : job->new_winners + first * CN_BLOCK);
    zero_border(&pool->y, &job->yv, to, row, row + 1);
  }
}

/* State that a thread carries from item to item: its prefetches, and the tiling of its rows, which
 * rarely changes. */
typedef struct thread_state {
  prefetcher ahead;
  int blocks, together;
  int64_t width;
  gemm_plan plan, single; /* plan: for `together` rows; single: for one row */
} thread_state;

static void plan_rows(thread_state *c, int blocks, int64_t width, int64_t b_n) {
  if (c->blocks == blocks && c->width == width) return;
  c->blocks = blocks;
  c->width = width;
  c->together = gemm_runs_together(blocks, width);
  c->single = gemm_plan_of(blocks, 1, width, b_n);
  c->plan = c->together == 1 ? c->single : gemm_plan_of(blocks, c->together, width, b_n);
}

/* Rows of at most SHORT_ROW tiles and sums of at most SHORT_SUM terms are dominated by call
 * overhead. */
enum { SHORT_ROW = 2, SHORT_SUM = 2 * SUM_TERMS };

/* How many groups of `together` rows from t on, up to row1, use the same taps. */
static int64_t alike_rows(const sweep *plan, const axis *y, int64_t t, int64_t row1,
                          int64_t together, taps used) {
  int64_t times = 1;
  for (t += together; t + together <= row1; t += together, times++) {
    const taps next = taps_of_rows(plan, y, t, together);
    if (next.first != used.first || next.end != used.end) break;
  }
  return times;
}

/* Computes rows row0..row1 - 1 and columns col0..col1 - 1 of one residue; g is set for its pixel
 * (0, 0). Short rows with short sums and equal taps are combined into one call per tile. */
static void sweep_rows(const sweep *plan, gemm_args g, const sweep_item *p, const axis *y,
                       int64_t row1, int64_t col1, int64_t src_row, int64_t dst_row,
                       thread_state *with) {
  const gemm_args all = g;
  const int64_t width = col1 - p->col0;
  if (width <= 0) return;
  const bool narrow = shape_is_narrow(&plan->shape);
  if (!narrow) plan_rows(with, p->blocks, width, g.b_n);
  const int64_t together = narrow ? 1 : with->together;
  g.b_group = src_row;
  g.c_group = dst_row;
  for (int64_t t = p->row0, times; t < row1; t += times * together) {
    const int64_t runs = min_i64(together, row1 - t);
    const taps used = taps_of_rows(plan, y, t, runs);
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
      times = alike_rows(plan, y, t, row1, together, used);
    g.more = (int32_t)times - 1;
    g.b_tile = together * src_row;
    g.c_tile = together * dst_row;
    gemm_run(runs == together ? &with->plan : &with->single, &g, &with->ahead);
  }
}

/* Where the sums of an item are stored, in dst or in a buffer of the thread: pixel (0, 0) of the
 * first block. */
typedef struct target {
  float *base;
  int64_t plane;
} target;

static target target_at(const sweep_job *job, const sweep_item *p, float *own) {
  const sweep *plan = job->plan;
  const int64_t block = p->group * plan->dst_blocks + p->block;
  if (job->stem != NULL) return (target){own, plan->dv.plane};
  if (plan->pool_floats > 0)
    return (target){own - p->row0 * plan->dv.row, plan->rows * plan->dv.row};
  return (target){job->dst + plane_offset(&plan->dv, p->sample, block), plan->dv.plane};
}

static void sweep_class(const sweep_job *job, const sweep_item *p, source from, target to, axis y,
                        axis x, thread_state *with) {
  const sweep *plan = job->plan;
  const conv_shape *s = &plan->shape;
  const int64_t pixel = plan->sv.pixel;
  const int64_t dst_block = p->group * plan->dst_blocks + p->block;
  const int64_t chunk = min_i64(plan->chunk, plan->src_blocks - p->chunk);
  const bool first = p->chunk == 0, last = p->chunk + chunk == plan->src_blocks;
  gemm_args g = {.a = job->weights + dst_block * plan->w_block + p->chunk * plan->w_outer +
                      ((int64_t)y.tap * s->window.kernel_w + x.tap) * s->w_tap,
                 .a_outer = plan->w_outer,
                 .a_row = (int64_t)y.tap_step * s->window.kernel_w * s->w_tap,
                 .a_col = x.tap_step * s->w_tap,
                 .a_block = plan->w_block,
                 .b = from.base + y.src * from.row + x.src * pixel,
                 .b_outer = from.plane,
                 .b_row = y.src_tap * from.row,
                 .b_col = x.src_tap * pixel,
                 .b_n = plan->src_stride_w * pixel,
                 .b_k = s->stem ? x.src_tap : 1,
                 .c = to.base + y.dst * plan->dv.row + x.dst * plan->dv.pixel,
                 .c_block = to.plane,
                 .c_n = plan->dst_stride_w * plan->dv.pixel,
                 .outers = (int32_t)chunk,
                 .rows = y.taps,
                 .cols = s->stem ? (x.taps > 0) : x.taps,
                 .k = plan->k,
                 .lanes = (int32_t)lanes_of(plan->dst_channels, p->block + p->blocks - 1),
                 .flags = first ? job->flags & (GEMM_BIAS | GEMM_STREAM) : GEMM_ADD,
                 .activation = last ? job->activation : (cn_activation){0}};
  if (job->bias != NULL) g.bias = job->bias + dst_block * CN_BLOCK;
  if (plan->pools_narrow) {
    pool_narrow_rows(plan, job->tail->pool, &g, p, &y, plan->src_stride_h * from.row);
    return;
  }
  sweep_rows(plan, g, p, &y, min_i64(p->row1, y.count), min_i64(p->col1, x.count),
             plan->src_stride_h * from.row, plan->dst_stride_h * plan->dv.row, with);
}

/* Spreads rows y0..y1 - 1 of a block of pixels over the planes of dx. */
static void spread_rows(const sweep_job *job, const sweep_item *p, const float *block, int64_t y0,
                        int64_t y1) {
  const cn_tensor *dx = &job->stem->dx;
  const view *v = &job->stem_dx;
  float *plane = job->dst + plane_offset(v, p->sample, 0);
  for (int64_t y = y0; y < y1; y++)
    for (int64_t x = 0; x < dx->w; x += CN_BLOCK) {
      float channels[CN_BLOCK * CN_BLOCK];
      transpose_block(block + y * job->plan->dv.row + x * CN_BLOCK, channels);
      const size_t bytes = (size_t)min_i64(CN_BLOCK, dx->w - x) * sizeof(float);
      for (int64_t c = 0; c < dx->c; c++)
        memcpy(plane + c * v->plane + y * v->row + x, channels + c * CN_BLOCK, bytes);
    }
  for (int64_t c = 0; c < dx->c; c++) zero_border(dx, v, plane + c * v->plane, y0, y1);
}

/* Pools the windows in the rows of an item. After the last windows there may be unused rows. */
static void pool_item(const sweep_job *job, const sweep_item *p, const float *rows, int64_t plane) {
  const cn_pool2d *pool = &job->tail->pool->pool;
  const int64_t end =
      p->row1 == job->plan->total_rows ? pool->y.h : p->row1 / pool->window.stride_h;
  pool_rows(job->tail->pool, plane, rows, p->row0 / pool->window.stride_h, min_i64(end, pool->y.h));
}

static void sweep_tile(const sweep_job *job, const sweep_item *p, source from, target to,
                       thread_state *with) {
  const sweep *plan = job->plan;
  for (int32_t i = 0; i < plan->classes_h; i++) {
    const axis y = sweep_axis_y(plan, i);
    for (int32_t j = 0; j < plan->classes_w; j++)
      sweep_class(job, p, from, to, y, sweep_axis_x(plan, j), with);
  }
  if (p->chunk + plan->chunk < plan->src_blocks) return;
  const int64_t y0 = p->row0 * plan->dst_stride_h;
  const int64_t y1 = min_i64(p->row1 * plan->dst_stride_h, plan->dst.h);
  if (plan->pools_narrow) return;
  if (job->stem != NULL) {
    spread_rows(job, p, to.base, y0, y1);
    return;
  }
  for (int b = 0; b < p->blocks; b++) {
    const int64_t block = p->group * plan->dst_blocks + p->block + b;
    float *values = to.base + b * to.plane;
    if (plan->pool_floats > 0)
      pool_item(job, p, values, p->sample * plan->dv.planes + block);
    else
      tail_rows(job->tail, &plan->dst, &plan->dv, p->sample, block, y0, y1, values);
  }
}

/* Decodes item i. If the weights exceed the cache, units are the inner loop and pairs of dst blocks
 * the outer one; otherwise the reverse. */
static sweep_item item_at(const sweep *plan, int64_t i, int64_t chunk) {
  const int64_t pairs = plan->groups * ceil_div(plan->dst_blocks, GEMM_PAIR);
  return plan->weights_outside ? item_of(plan, i / plan->units, i % plan->units, chunk)
                               : item_of(plan, i % pairs, i / pairs, chunk);
}

static int64_t sweep_count(const sweep *plan) {
  return plan->units * plan->groups * ceil_div(plan->dst_blocks, GEMM_PAIR);
}

/*
 * The source memory that an item reads, without the rows that the item before it has read already.
 */
static memory_runs source_runs(const sweep_job *job, const sweep_item *p,
                               const sweep_item *before) {
  const sweep *plan = job->plan;
  const float *plane =
      job->src + plane_offset(&plan->sv, p->sample, p->group * plan->src_blocks + p->chunk);
  const bool below = p->sample == before->sample && p->row0 == before->row1;
  const int64_t first =
      p->row0 * plan->src_stride_h + (below ? plan->high_y + 1 - plan->src_stride_h : plan->low_y);
  const int64_t last = (p->row1 - 1) * plan->src_stride_h + plan->high_y;
  const int64_t y0 = max_i64(first, -plan->src.halo),
                y1 = min_i64(last, plan->src.h - 1 + plan->src.halo);
  const int64_t x0 = max_i64(p->col0 * plan->src_stride_w + plan->low_x, -plan->src.halo);
  const int64_t cols =
      min_i64((p->col1 - 1) * plan->src_stride_w + plan->high_x, plan->src.w - 1 + plan->src.halo) -
      x0 + 1;
  const int64_t floats = (y1 - y0) * plan->sv.row + cols * plan->sv.pixel;
  return (memory_runs){plane + y0 * plan->sv.row + x0 * plan->sv.pixel,
                       min_i64(plan->chunk, plan->src_blocks - p->chunk), plan->sv.plane,
                       max_i64(floats, 0)};
}

/* The weights that an item reads. */
static memory_runs weights_runs(const sweep_job *job, const sweep_item *p) {
  const sweep *plan = job->plan;
  const int64_t block = p->group * plan->dst_blocks + p->block;
  return (memory_runs){job->weights + block * plan->w_block + p->chunk * plan->w_outer, p->blocks,
                       plan->w_block,
                       min_i64(plan->chunk, plan->src_blocks - p->chunk) * plan->w_outer};
}

/* Distributes what `next` reads and `p` does not over the calls of the `items` items before it. */
static prefetcher prefetch_next(const sweep_job *job, const sweep_item *p, const sweep_item *next,
                                int64_t items, thread_state *with) {
  const sweep *plan = job->plan;
  plan_rows(with, p->blocks, p->col1 - p->col0, plan->src_stride_w * plan->sv.pixel);
  const int64_t calls = items * plan->classes_h * plan->classes_w *
                        ceil_div(p->row1 - p->row0, with->together) * with->plan.tiles;
  const bool same_chunk = next->group == p->group && next->chunk == p->chunk;
  const bool same_source = same_chunk && (plan->source_stays || next->unit == p->unit);
  const bool same_weights = !plan->weights_outside || (same_chunk && next->block == p->block);
  return prefetcher_of(same_weights ? (memory_runs){0} : weights_runs(job, next),
                       same_source ? (memory_runs){0} : source_runs(job, next, p), calls);
}

/*
 * Items are (pair of dst blocks, unit). The outermost loop is over chunks of src: a chunk stays in
 * cache for all pairs. While items that share an operand run, the next operand is prefetched.
 */
BODY(sweep_items) {
  const sweep_job *job = state;
  const sweep *plan = job->plan;
  const int64_t own = thread * (plan->pack_floats + plan->spread_floats + plan->pool_floats);
  const bool has_own = plan->packed || job->stem != NULL || plan->pool_floats > 0;
  float *buffer = has_own ? job->packed + own : NULL,
        *rows = has_own ? buffer + plan->pack_floats : NULL;
  const int64_t together = !plan->weights_outside ? sweep_count(plan) / plan->units
                           : plan->source_stays   ? plan->units
                                                  : 1;
  sweep_item held = {.group = -1};
  thread_state with = {.ahead = {.at = 2}};
  for (int64_t chunk = 0; chunk < plan->src_blocks; chunk += plan->chunk)
    for (int64_t i = first; i < last; i++) {
      const sweep_item p = item_at(plan, i, chunk);
      const bool fill = p.group != held.group || p.unit != held.unit || p.chunk != held.chunk;
      held = p;
      if (i == first || i % together == 0) {
        const int64_t then = i - i % together + together;
        const bool more = then < last, another = chunk + plan->chunk < plan->src_blocks;
        const sweep_item next =
            more ? item_at(plan, then, chunk) : item_at(plan, first, chunk + plan->chunk);
        with.ahead = more || another ? prefetch_next(job, &p, &next, min_i64(then, last) - i, &with)
                                     : (prefetcher){.at = 2};
      }
      sweep_tile(job, &p, source_at(job, &p, fill, buffer), target_at(job, &p, rows), &with);
    }
  if ((job->flags & GEMM_STREAM) != 0) stream_end();
}

/* Large results that are not read again here use non-temporal stores. This requires that each sum
 * is complete in registers after one call, and that adjacent lines are stored together. */
static int stream_flag(const sweep *plan, const tail *t) {
  const conv_shape *s = &plan->shape;
  const int64_t terms =
      plan->src_blocks * plan->k * s->window.kernel_h * (s->stem ? 1 : s->window.kernel_w);
  const bool once =
      plan->chunk >= plan->src_blocks && terms <= SUM_TERMS && plan->dst_stride_w == 1;
  return once && plan->pool_floats == 0 && tail_is_empty(t) &&
                 stores_stream(&plan->dv, plan->n, STREAMED_FLOATS)
             ? GEMM_STREAM
             : 0;
}

void run_sweep(const cn_context *context, const sweep *plan, const float *src, const float *weights,
               const float *bias, cn_activation activation, const tail *t, float *dst,
               float *workspace) {
  const sweep_job job = {.plan = plan,
                         .src = src,
                         .weights = weights,
                         .bias = bias,
                         .dst = dst,
                         .packed = workspace,
                         .flags = (bias != NULL ? GEMM_BIAS : 0) | stream_flag(plan, t),
                         .activation = activation,
                         .tail = t};
  run_parallel(context, shape_operations(&plan->shape), sweep_items, sweep_count(plan), &job);
}

/* Items are (group, y block, x block): transposes [r][s][16c][16k] to [r][s][16k][16c], with blocks
 * of x outermost. */
BODY(transpose_items) {
  const sweep_job *job = state;
  const sweep *plan = job->plan;
  const conv_shape *s = &plan->shape;
  float *out = job->packed - shape_weight_floats(s);
  (void)thread;
  for (int64_t i = first; i < last; i++) {
    const int64_t x = i % s->x_blocks, y = i / s->x_blocks % s->y_blocks;
    const int64_t group = i / (s->x_blocks * s->y_blocks);
    const float *from =
        job->plain_weights + (group * s->y_blocks + y) * s->w_block + x * s->w_outer;
    float *to = out + (group * s->x_blocks + x) * plan->w_block + y * plan->w_outer;
    for (int64_t t = 0; t < s->w_outer; t += s->w_tap) transpose_block(from + t, to + t);
  }
}

/* Items are y blocks: transposes the weights of a stem, [c][r][s][16k], to [r][s][16k][16c]. */
BODY(transpose_stem_items) {
  const sweep_job *job = state;
  const conv_shape *s = &job->plan->shape;
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

/* Runs backward-data: transposes the weights, then sweeps. dst and stem are set in job. */
static void run_backward(const cn_context *context, sweep_job job, const float *weights,
                         float *workspace, phase_body transpose) {
  const conv_shape *s = &job.plan->shape;
  job.plain_weights = weights;
  job.weights = workspace;
  job.packed = workspace + shape_weight_floats(s);
  const phase phases[] = {{transpose, s->groups * s->y_blocks * s->x_blocks},
                          {sweep_items, sweep_count(job.plan)}};
  run_phases(context, shape_operations(s), phases, 2, &job);
}

void ISA_NAME(conv_sweep_forward)(const conv_call *call) {
  const sweep plan = sweep_of_call(call);
  tail t = tail_of(call);
  const pool_job pool = pool_job_of(call);
  if (call_does(call, CN_POOL)) t.pool = &pool;
  run_sweep(call->context, &plan, call->x, call->w, bias_of(call), activation_of(call), &t,
            call->out, call->workspace);
}

void ISA_NAME(conv_sweep_backward_data)(const conv_call *call) {
  const sweep plan = sweep_of_call(call);
  const tail t = tail_of(call);
  const sweep_job job = {.plan = &plan,
                         .src = call->dy,
                         .dst = call->out,
                         .flags = stream_flag(&plan, &t),
                         .tail = &t};
  run_backward(call->context, job, call->w, call->workspace, transpose_items);
}

/* Backward-data of a stem, whose dx is CN_PLAIN: computes blocks of channels, in which only the
 * first lanes are used, and spreads them over the planes. */
void ISA_NAME(conv_stem_backward_data)(const conv_call *call) {
  const conv_shape shape = plain_gradient_shape_of(call->conv, call->n);
  const sweep plan = sweep_of(&shape, true);
  const tail t = tail_of(call);
  const sweep_job job = {.plan = &plan,
                         .src = call->dy,
                         .dst = call->out,
                         .stem = call->conv,
                         .stem_dx = view_of(&call->conv->dx, call->n)};
  run_backward(call->context, job, call->w, call->workspace, transpose_stem_items);
  run_tail(call->context, &t, &call->conv->dx, call->n, call->out);
}
