/*
 * Backward-weights: dw[k][c][r][s] = sum over samples and pixels of dy[k] x[c], and db[k] = sum of
 * dy[k]. An item is a panel of outputs (pairs of blocks of y by blocks of x) over one chunk of the
 * pixels. If an optimiser step is fused, it takes the sums from cache; dw and db are stored only if
 * requested.
 */
#include "columns.h"
#include "conv.h"
#include "pairwise.h"

typedef struct weights_job {
  const weights_plan *plan;
  const float *x, *dy;
  const cn_pool2d *pool;  /* if not null, dy is the gradient of its output */
  const uint8_t *winners; /* the winners of that pool */
  float *dw, *db;
  bool bias; /* db is stored or used by the fused step */
  chunk_sums sums;
  float *packed, *panels, *transposed, *earlier;
} weights_job;

/*
 * A block of pixels, and the address that its first tap reads in x or in the thread's packed copy.
 */
typedef struct pixels {
  int64_t sample, images, row0, row1;
  const float *x;
  int64_t x_row, x_plane;
} pixels;

/* A panel of outputs: pairs of blocks of y by blocks of x, in one group. */
typedef struct panel {
  int64_t group, pair0, pair1, x0, x1;
  int64_t offset;   /* offset in the packed weights */
  float *dw;        /* gradients of the panel */
  int64_t dw_block; /* stride between blocks of y */
  float *db;        /* bias of its first block; null if another panel computes it */
} panel;

/* First block of y of a panel, and their number. */
static int64_t first_block(const conv_shape *s, const panel *t) {
  return t->group * s->y_blocks + 2 * t->pair0;
}
static int64_t block_count(const conv_shape *s, const panel *t) {
  return min_i64(2 * t->pair1, s->y_blocks) - 2 * t->pair0;
}

static pixels pixels_of(const weights_job *job, const panel *t, int64_t b, float *buffer) {
  const weights_plan *p = job->plan;
  const conv_shape *s = &p->shape;
  pixels at = {.sample = b / p->row_blocks * p->images, .row0 = b % p->row_blocks * p->rows};
  at.images = min_i64(p->images, s->n - at.sample);
  at.row1 = min_i64(at.row0 + p->rows, s->y.h);
  const float *x = job->x + plane_offset(&s->xv, at.sample, t->group * s->x_blocks + t->x0);
  const int64_t y0 = at.row0 * s->window.stride_h - s->window.pad_top;
  if (p->packed) {
    const window rows = {y0, -s->window.pad_left, p->pack_rows, p->pack_cols, t->x1 - t->x0};
    pack_window(&s->x, &s->xv, x, rows, buffer);
    at.x = buffer;
    at.x_row = p->pack_cols * s->xv.pixel;
    at.x_plane = p->pack_rows * at.x_row;
  } else {
    at.x = x + y0 * s->xv.row - s->window.pad_left * s->xv.pixel;
    at.x_row = s->xv.row;
    at.x_plane = s->xv.plane;
  }
  return at;
}

/*
 * The columns of a micro-kernel call form runs. For a stem, which has few channels, a run is one
 * filter row of one channel; otherwise it is the channels of one block at one tap. dw stores the
 * runs consecutively. Two runs are computed together if the micro-kernel has room for both.
 */
typedef struct run {
  int64_t x, columns; /* x: block of x (stem: channel) */
  int32_t row, col;   /* tap */
  int64_t b;          /* offset that it reads, from the first pixel of the panel */
} run;

static run run_at(const conv_shape *s, const pixels *at, const panel *t, int64_t x, int32_t row,
                  int32_t col, int64_t columns) {
  const int64_t b = (x - t->x0) * at->x_plane + row * s->window.dilation_h * at->x_row +
                    col * s->window.dilation_w * s->xv.pixel;
  return (run){x, columns, row, col, b};
}

static run first_run(const conv_shape *s, const pixels *at, const panel *t) {
  return run_at(s, at, t, t->x0, 0, 0, s->stem ? s->window.kernel_w : x_lanes(s, t->x0));
}

static run run_after(const conv_shape *s, const pixels *at, const panel *t, const run *r) {
  if (!s->stem && r->col + 1 < s->window.kernel_w)
    return run_at(s, at, t, r->x, r->row, r->col + 1, r->columns);
  if (r->row + 1 < s->window.kernel_h) return run_at(s, at, t, r->x, r->row + 1, 0, r->columns);
  return run_at(s, at, t, r->x + 1, 0, 0, s->stem ? s->window.kernel_w : x_lanes(s, r->x + 1));
}

/* Computes all runs of a panel for `blocks` blocks of y. A large dw that is written once is
 * prefetched two runs ahead. */
static void update_blocks(gemm_args g, const weights_plan *p, const panel *t, const pixels *at,
                          int blocks, prefetcher *ahead) {
  const conv_shape *s = &p->shape;
  const bool fetch = p->dw_stores == DW_FETCH;
  const float *b = g.b;
  const int64_t run_floats = s->stem ? s->window.kernel_w * s->w_tap : s->w_tap;
  gemm_plan plan;
  int64_t planned = 0; /* columns per run in plan */
  bool plan_of_both = false;
  const memory_runs behind = {g.c, blocks, g.c_block, run_floats};
  int32_t fetched_by = 0; /* tiles */
  for (run r = first_run(s, at, t); r.x < t->x1;) {
    run next = run_after(s, at, t, &r);
    const bool both =
        next.x < t->x1 && next.columns == r.columns && gemm_runs_together(blocks, r.columns) == 2;
    const int64_t step = next.b - r.b;
    int32_t count = 1;
    for (int64_t b_next = next.b; both ? count < 2 : next.x == r.x && next.b == b_next; count++) {
      next = run_after(s, at, t, &next);
      b_next += step;
    }
    if (r.columns != planned || both != plan_of_both) {
      plan = gemm_plan_of(blocks, both ? 2 : 1, r.columns, g.b_n);
      planned = r.columns;
      plan_of_both = both;
    }
    g.b = b + r.b;
    g.b_group = g.b_tile = step;
    g.c_group = g.c_tile = run_floats;
    g.more = both ? 0 : count - 1;
    if (fetch && r.x + 2 < t->x1) {
      if (plan.tiles != fetched_by) *ahead = prefetcher_of(behind, (memory_runs){0}, plan.tiles);
      fetched_by = plan.tiles;
      prefetch_again(ahead, g.c + 2 * run_floats);
    }
    gemm_run(&plan, &g, ahead);
    g.c += count * run_floats;
    r = next;
  }
}

static void update_panel(const weights_job *job, const panel *t, const pixels *at, int flags,
                         prefetcher *ahead) {
  const conv_shape *s = &job->plan->shape;
  const int64_t end = min_i64(2 * t->pair1, s->y_blocks);
  for (int64_t block = 2 * t->pair0; block < end;) {
    const int blocks = (int)min_i64(GEMM_PAIR, end - block);
    const int64_t y_block = t->group * s->y_blocks + block;
    const gemm_args g = {.a = job->dy + plane_offset(&s->yv, at->sample, y_block) +
                              at->row0 * s->yv.row,
                         .a_outer = s->yv.sample,
                         .a_row = s->yv.row,
                         .a_block = s->yv.plane,
                         .b = at->x,
                         .b_outer = s->xv.sample,
                         .b_row = s->window.stride_h * at->x_row,
                         .b_n = s->stem ? s->window.dilation_w : 1,
                         .b_k = s->window.stride_w * s->xv.pixel,
                         .c = t->dw + (block - 2 * t->pair0) * t->dw_block,
                         .c_block = t->dw_block,
                         .c_n = CN_BLOCK,
                         .outers = (int32_t)at->images,
                         .rows = (int32_t)(at->row1 - at->row0),
                         .cols = 1,
                         .k = s->y.w,
                         .lanes = (int32_t)lanes_of(s->y_channels, block + blocks - 1),
                         .flags = flags};
    update_blocks(g, job->plan, t, at, blocks, ahead);
    block += blocks;
  }
}

/* The same for a narrow stem, which is a single panel, including its bias. */
static void update_narrow(const weights_job *job, const panel *t, const pixels *at, bool add,
                          float *transposed) {
  const conv_shape *s = &job->plan->shape;
  const cn_pool2d *pool = job->pool;
  const view dyv = pool != NULL ? view_of(&pool->dy, s->n) : s->yv;
  narrow_weights n = {.x = at->x,
                      .dy = job->dy + plane_offset(&dyv, at->sample, 0),
                      .x_image = s->xv.sample,
                      .x_plane = at->x_plane,
                      .x_row = s->window.stride_h * at->x_row,
                      .tap_row = s->window.dilation_h * at->x_row,
                      .tap_col = s->window.dilation_w,
                      .dy_image = dyv.sample,
                      .dy_row = dyv.row,
                      .images = at->images,
                      .row0 = at->row0,
                      .rows = at->row1 - at->row0,
                      .width = s->y.w,
                      .channels = (int32_t)s->x_channels,
                      .kernel_h = s->window.kernel_h,
                      .kernel_w = s->window.kernel_w,
                      .lanes = (int32_t)s->y_channels,
                      .db = t->db};
  if (pool != NULL) {
    n.winners = job->winners + at->sample * pool->dy.h * pool->dy.w * CN_BLOCK;
    n.pooled_rows = pool->dy.h;
    n.pooled_width = pool->dy.w;
  }
  if (!add && t->db != NULL) memset(t->db, 0, CN_BLOCK * sizeof(float));
  if (!add) memset(t->dw, 0, (size_t)shape_weight_floats(s) * sizeof(float));
  narrow_backward_weights(&n, transposed, t->dw);
}

/* Zeroes the rows of dw beyond the last channel, and the spare block of a linear layer. */
static void zero_padding(const conv_shape *s, const panel *t) {
  if (s->stem) return;
  const int64_t spare = s->w_block - s->x_blocks * s->w_outer;
  for (int64_t block = 0; block < block_count(s, t); block++) {
    float *dw = t->dw + block * t->dw_block;
    for (int64_t i = t->x0; i < t->x1; i++, dw += s->w_outer) {
      const int64_t used = x_lanes(s, i) * CN_BLOCK;
      for (int64_t tap = 0; tap < s->w_outer; tap += s->w_tap)
        memset(dw + tap + used, 0, (size_t)(s->w_tap - used) * sizeof(float));
    }
    if (t->x1 == s->x_blocks && t->dw_block == s->w_block)
      memset(dw, 0, (size_t)spare * sizeof(float));
  }
}

void sum_bias_rows(const view *v, const float *plane, int64_t w, int64_t images, int64_t y0,
                   int64_t y1, bool add, float *to) {
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    pairwise total;
    pairwise_clear(&total);
    vec sum = vec_zero();
    int pieces = 0;
    for (int64_t i = 0; i < images; i++)
      for (int64_t y = y0; y < y1; y++)
        for (int64_t x0 = 0; x0 < w; x0 += BIAS_PIECE) {
          const float *row = plane + i * v->sample + y * v->row + lane;
          const int64_t x1 = min_i64(x0 + BIAS_PIECE, w);
          vec partial[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
          int64_t x = x0;
          for (; x + 4 <= x1; x += 4)
            for (int j = 0; j < 4; j++)
              partial[j] = vec_add(partial[j], vec_load(row + (x + j) * CN_BLOCK));
          for (; x < x1; x++) partial[0] = vec_add(partial[0], vec_load(row + x * CN_BLOCK));
          sum = vec_add(sum,
                        vec_add(vec_add(partial[0], partial[1]), vec_add(partial[2], partial[3])));
          if (++pieces < LEAF_TERMS) continue;
          pairwise_add(&total, sum);
          sum = vec_zero();
          pieces = 0;
        }
    sum = pairwise_total(&total, sum);
    vec_store(to + lane, add ? vec_add(vec_load(to + lane), sum) : sum);
  }
}

/* Selects where the sums of a panel are stored: in their chunk; with a single chunk in the result,
 * or in a buffer of the thread if the result is not stored. */
static panel panel_at(const weights_job *job, int64_t item, int64_t chunk, int thread) {
  const weights_plan *p = job->plan;
  const conv_shape *s = &p->shape;
  const int64_t x_panel = item % p->x_panels, y_panel = item / p->x_panels % p->y_panels;
  panel t = {.group = item / (p->x_panels * p->y_panels),
             .pair0 = y_panel * p->panel_pairs,
             .x0 = x_panel * p->panel_blocks};
  t.pair1 = min_i64(t.pair0 + p->panel_pairs, ceil_div(s->y_blocks, 2));
  t.x1 = min_i64(t.x0 + p->panel_blocks, s->x_blocks);
  const int64_t block = first_block(s, &t);
  t.offset = block * s->w_block + t.x0 * s->w_outer;
  float *own = job->panels + thread * p->panel_floats, *dw = job->dw, *db = job->db;
  if (p->chunks > 1) {
    dw = job->sums.chunks + chunk * p->chunk_floats;
    db = dw + shape_weight_floats(s);
  }
  t.dw = dw != NULL ? dw + t.offset : own;
  t.dw_block = dw != NULL ? s->w_block : (t.x1 - t.x0) * s->w_outer;
  if (job->bias && x_panel == 0)
    t.db =
        db != NULL ? db + block * CN_BLOCK : own + p->panel_floats - block_count(s, &t) * CN_BLOCK;
  return t;
}

/* earlier (=|+=) the sums of a panel; with `back`, the sums += earlier. */
static void move_sums(const conv_shape *s, const panel *t, bool add, bool back, float *earlier) {
  const int64_t floats = (t->x1 - t->x0) * s->w_outer, blocks = block_count(s, t);
  for (int64_t block = 0; block <= blocks; block++, earlier += floats) {
    const bool bias = block == blocks;
    if (bias && t->db == NULL) return;
    float *sums = bias ? t->db : t->dw + block * t->dw_block;
    for (int64_t i = 0; i < (bias ? blocks * CN_BLOCK : floats); i += VEC) {
      vec sum = vec_load(sums + i);
      if (add) sum = vec_add(vec_load(earlier + i), sum);
      vec_store((back ? sums : earlier) + i, sum);
    }
  }
}

/* Applies the optimiser step to the weights and biases of a panel whose sums are complete. */
static void step_panel(const weights_job *job, const panel *t) {
  const conv_shape *s = &job->plan->shape;
  const layer_steps *steps = &job->sums.use.steps;
  for (int64_t block = 0; block < block_count(s, t); block++)
    step_run(&steps->weights, t->offset + block * s->w_block, (t->x1 - t->x0) * s->w_outer,
             t->dw + block * t->dw_block);
  if (t->db != NULL && steps->bias.values != NULL)
    step_run(&steps->bias, first_block(s, t) * CN_BLOCK, block_count(s, t) * CN_BLOCK, t->db);
}

/* The memory that block b of the pixels reads of a tensor: planes of one image, or all planes of
 * several images. */
static memory_runs pixel_runs(const weights_plan *p, const view *v, const float *base, int64_t b,
                              int64_t rows, int64_t first, int64_t planes) {
  const int64_t sample = b / p->row_blocks * p->images;
  const float *from = base + plane_offset(v, sample, first);
  if (p->images > 1)
    return (memory_runs){from, min_i64(p->images, p->shape.n - sample), v->sample,
                         planes * v->plane};
  return (memory_runs){from + b % p->row_blocks * rows * v->row, planes, v->plane, rows * v->row};
}

/* Distributes the next block of pixels over the calls of the current one. */
static prefetcher next_pixels(const weights_job *job, const panel *t, int64_t b, int64_t end) {
  const weights_plan *p = job->plan;
  const conv_shape *s = &p->shape;
  if (b + 1 >= end) return (prefetcher){.at = 2};
  const int blocks = (int)min_i64(GEMM_PAIR, block_count(s, t));
  const int64_t columns = s->stem ? s->window.kernel_w : x_lanes(s, t->x0);
  const int64_t runs = s->stem ? s->window.kernel_h : s->window.kernel_h * s->window.kernel_w;
  const int together = gemm_runs_together(blocks, columns);
  const int64_t calls = (t->pair1 - t->pair0) * ceil_div((t->x1 - t->x0) * runs, together) *
                        gemm_plan_of(blocks, together, columns, 1).tiles;
  return prefetcher_of(
      pixel_runs(p, &s->xv, job->x, b + 1, p->rows * s->window.stride_h,
                 t->group * s->x_blocks + t->x0, t->x1 - t->x0),
      pixel_runs(p, &s->yv, job->dy, b + 1, p->rows, first_block(s, t), block_count(s, t)), calls);
}

/* Items are (chunk, group, panel of y, panel of x). The first panel of x also computes the bias. */
BODY(weights_items) {
  const weights_job *job = state;
  const weights_plan *p = job->plan;
  const conv_shape *s = &p->shape;
  float *buffer = p->packed ? job->packed + thread * p->pack_floats : NULL;
  const int64_t pixel_blocks = p->image_blocks * p->row_blocks;
  const bool streams = p->dw_stores == DW_STREAM && !takes_step(&job->sums);
  for (int64_t item = first; item < last; item++) {
    const int64_t chunk = item / p->items;
    const int64_t begin = pixel_blocks * chunk / p->chunks;
    const int64_t end = pixel_blocks * (chunk + 1) / p->chunks;
    const panel t = panel_at(job, item % p->items, chunk, thread);
    float *earlier = job->earlier + thread * p->earlier_floats;
    int64_t start = begin; /* first block of pixels whose sums are in the panel */
    for (int64_t b = begin; b < end; b++) {
      if (b - start == SUM_BLOCKS) {
        move_sums(s, &t, start > begin, false, earlier);
        start = b;
      }
      const pixels at = pixels_of(job, &t, b, buffer);
      if (p->transposed_floats > 0) {
        update_narrow(job, &t, &at, b > start, job->transposed + thread * p->transposed_floats);
        continue;
      }
      prefetcher ahead = next_pixels(job, &t, b, end);
      update_panel(job, &t, &at, b > start ? GEMM_ADD : streams ? GEMM_STREAM : 0, &ahead);
      for (int64_t i = 0; t.db != NULL && i < block_count(s, &t); i++)
        sum_bias_rows(&s->yv, job->dy + plane_offset(&s->yv, at.sample, first_block(s, &t) + i),
                      s->y.w, at.images, at.row0, at.row1, b > start, t.db + i * CN_BLOCK);
    }
    if (start > begin) move_sums(s, &t, true, true, earlier);
    zero_padding(s, &t);
    if (takes_step(&job->sums) && p->chunks == 1) step_panel(job, &t);
  }
  if (streams) stream_end();
}

void add_chunks(const chunk_sums *s, int64_t first, int64_t last) {
  for (int64_t i = first * CN_BLOCK; i < last * CN_BLOCK; i += CN_BLOCK) {
    const bool bias = i >= s->weights;
    const int64_t at = bias ? i - s->weights : i;
    float own[CN_BLOCK], *kept = bias ? s->use.db : s->use.dw;
    float *total = kept != NULL ? kept + at : own;
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      vec sum = vec_load(s->chunks + i + lane);
      for (int64_t c = 1; c < s->count; c++)
        sum = vec_add(sum, vec_load(s->chunks + c * s->chunk_floats + i + lane));
      vec_store(total + lane, sum);
    }
    const update_step *step = bias ? &s->use.steps.bias : &s->use.steps.weights;
    if (step->values != NULL) step_run(step, at, CN_BLOCK, total);
  }
}

/* Items are vectors of 16 floats of the weights, then of the bias. */
BODY(sum_items) {
  const weights_job *job = state;
  (void)thread;
  add_chunks(&job->sums, first, last);
}

void run_weights(const cn_context *context, const weights_plan *plan, const float *x,
                 const float *dy, const cn_pool2d *pool, const uint8_t *winners,
                 const gradient_use *use, float *workspace) {
  const conv_shape *s = &plan->shape;
  const bool chunked = plan->chunks > 1;
  weights_job job = {.plan = plan,
                     .x = x,
                     .dy = dy,
                     .pool = pool,
                     .winners = winners,
                     .dw = use->dw,
                     .db = use->db,
                     .sums = {.chunks = workspace,
                              .count = plan->chunks,
                              .chunk_floats = plan->chunk_floats,
                              .weights = shape_weight_floats(s),
                              .use = *use}};
  job.bias = wants_bias(&job.sums);
  job.packed = workspace + (chunked ? plan->chunks * plan->chunk_floats : 0);
  job.panels = job.packed + context->threads * plan->pack_floats;
  job.transposed = job.panels + context->threads * plan->panel_floats;
  job.earlier = job.transposed + context->threads * plan->transposed_floats;
  const phase phases[] = {{weights_items, plan->chunks * plan->items},
                          {sum_items, chunk_sum_vectors(&job.sums)}};
  run_phases(context, shape_operations(s), phases, chunked ? 2 : 1, &job);
}

void ISA_NAME(conv_sums_backward_weights)(const conv_call *call) {
  const conv_shape shape = shape_of_call(call);
  const weights_plan plan = weights_plan_of(&shape);
  const gradient_use use = gradient_use_of(call->gradients, call_does(call, CN_BIAS));
  const cn_pool2d *pool = call_does(call, CN_POOL) ? call->epilogue->pool : NULL;
  run_weights(call->context, &plan, call->x, call->dy, pool,
              pool != NULL ? call->epilogue->winners : NULL, &use, call->workspace);
}
