/* The linear layer: a 1x1 convolution of one image whose pixels are the samples of the batch. */
#include "conv.h"
#include "prefetch.h"

/* Size of dy for a chunk of outputs: 256 KiB, to fit the second-level cache. */
enum { LINEAR_CHUNK_FLOATS = 64 * 1024 };

/* Batches of up to this many samples use kernels with outputs in the lanes in all passes, which
 * read the weights as one stream. The general kernels would leave most lanes empty or wait for
 * memory. */
enum { LINEAR_FEW = 4 };

/* ---- Forward --------------------------------------------------------------------------------- */

typedef struct forward_job {
  conv_shape shape;
  const float *x, *w, *bias;
  float *y;
  cn_activation activation;
} forward_job;

enum {
  CHAINS = 4, /* independent sums per value of y, to hide the latency of an FMA */
  SLAB_BLOCKS =
      SUM_TERMS /
      CHAINS, /* blocks of features per partial sum: SUM_TERMS / CHAINS terms in each chain */
  AHEAD_FLOATS = 1024, /* prefetch distance in the weights: 4 KiB */
};

/* Computes a block of y for `samples` samples, reading the weights once, as one stream. */
ALWAYS_INLINE void few_outputs(const forward_job *job, int64_t o, int samples) {
  const conv_shape *s = &job->shape;
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    const vec_mask inside = vec_first(lanes_of(s->y_channels, o) - lane);
    vec total[LINEAR_FEW];
#pragma GCC unroll 4
    for (int n = 0; n < samples; n++)
      total[n] = job->bias == NULL ? vec_zero() : vec_load(job->bias + o * CN_BLOCK + lane);
    for (int64_t first = 0; first < s->x_blocks; first += SLAB_BLOCKS) {
      vec sum[LINEAR_FEW][CHAINS];
#pragma GCC unroll 4
      for (int n = 0; n < samples; n++)
#pragma GCC unroll 4
        for (int c = 0; c < CHAINS; c++) sum[n][c] = vec_zero();
      for (int64_t i = first; i < min_i64(first + SLAB_BLOCKS, s->x_blocks); i++) {
        const float *w = job->w + o * s->w_block + i * s->w_tap + lane;
        const float *x = job->x + i * s->xv.plane;
#pragma GCC unroll 16
        for (int f = 0; f < CN_BLOCK; f++) {
          prefetch_near(w + f * CN_BLOCK + AHEAD_FLOATS);
          const vec v = vec_load(w + f * CN_BLOCK);
#pragma GCC unroll 4
          for (int n = 0; n < samples; n++)
            sum[n][f % CHAINS] = vec_fma(v, vec_set1(x[n * CN_BLOCK + f]), sum[n][f % CHAINS]);
        }
      }
#pragma GCC unroll 4
      for (int n = 0; n < samples; n++)
        total[n] = vec_add(total[n],
                           vec_add(vec_add(sum[n][0], sum[n][1]), vec_add(sum[n][2], sum[n][3])));
    }
    activate(job->activation, total, samples);
#pragma GCC unroll 4
    for (int n = 0; n < samples; n++)
      vec_store(job->y + o * s->yv.plane + n * CN_BLOCK + lane, vec_keep(inside, total[n]));
  }
}

/* Items are blocks of y. */
BODY(few_forward_items) {
  const forward_job *job = state;
  (void)thread;
  for (int64_t o = first; o < last; o++) {
    if (job->shape.x.w == 1)
      few_outputs(job, o, 1);
    else if (job->shape.x.w == 2)
      few_outputs(job, o, 2);
    else if (job->shape.x.w == 3)
      few_outputs(job, o, 3);
    else
      few_outputs(job, o, 4);
  }
}

void ISA_NAME(linear_forward)(const cn_context *context, const cn_linear *linear,
                              const cn_epilogue *epilogue, int32_t n, const float *x,
                              const float *w, float *y) {
  const conv_shape shape = linear_shape_of(linear, n);
  const float *bias = (epilogue->operations & CN_BIAS) != 0 ? epilogue->bias : NULL;
  const bool activates = (epilogue->operations & CN_ACTIVATE) != 0;
  const cn_activation activation = activates ? epilogue->activation : (cn_activation){0};
  if (n <= LINEAR_FEW) {
    const forward_job job = {shape, x, w, bias, y, activation};
    run_parallel(context, shape_operations(&shape), few_forward_items, shape.y_blocks, &job);
    return;
  }
  const sweep plan = sweep_of(&shape, false);
  const tail nothing = {.add = NULL};
  run_sweep(context, &plan, x, w, bias, activation, &nothing, y, NULL);
}

/* ---- Backward-weights ------------------------------------------------------------------------ */

typedef struct few_weights_job {
  conv_shape shape;
  const float *x, *dy;
  layer_steps steps;
} few_weights_job;

/* Updates the weights of a block of y with the gradients of `samples` samples, which stay in
 * registers. Padding is left as it is: its gradient and all its values are zero. */
ALWAYS_INLINE void few_updates(const few_weights_job *job, int64_t o, int samples) {
  enum { VECTORS = CN_BLOCK / VEC };
  const conv_shape *s = &job->shape;
  const update_step step = job->steps.weights;
  const float *from = job->dy + o * s->yv.plane;
  vec_mask inside[VECTORS];
  vec dy[LINEAR_FEW][VECTORS];
  for (int v = 0; v < VECTORS; v++) {
    inside[v] = vec_first(lanes_of(s->y_channels, o) - v * VEC);
    for (int n = 0; n < samples; n++) dy[n][v] = vec_load(from + n * CN_BLOCK + v * VEC);
  }
  for (int64_t i = 0; i < s->x_blocks; i++) {
    const float *x = job->x + i * s->xv.plane;
    const int64_t at = o * s->w_block + i * s->w_tap, lanes = x_lanes(s, i);
    for (int64_t f = 0; f < lanes; f++)
      for (int v = 0; v < VECTORS; v++) {
        vec g = vec_zero();
#pragma GCC unroll 4
        for (int n = 0; n < samples; n++) g = vec_fma(dy[n][v], vec_set1(x[n * CN_BLOCK + f]), g);
        step_vec(&step, at + f * CN_BLOCK + v * VEC, vec_keep(inside[v], g));
      }
  }
}

/* Items are blocks of y. */
BODY(few_update_items) {
  const few_weights_job *job = state;
  const conv_shape *s = &job->shape;
  (void)thread;
  for (int64_t o = first; o < last; o++) {
    if (s->x.w == 1)
      few_updates(job, o, 1);
    else if (s->x.w == 2)
      few_updates(job, o, 2);
    else if (s->x.w == 3)
      few_updates(job, o, 3);
    else
      few_updates(job, o, 4);
    if (job->steps.bias.values == NULL) continue;
    float db[CN_BLOCK];
    sum_bias_rows(&s->yv, job->dy + o * s->yv.plane, s->y.w, 1, 0, 1, false, db);
    step_run(&job->steps.bias, o * CN_BLOCK, CN_BLOCK, db);
  }
}

void ISA_NAME(linear_backward_weights)(const cn_context *context, const cn_linear *linear,
                                       const cn_epilogue *epilogue, int32_t n, const float *x,
                                       const float *dy, const cn_gradients *gradients,
                                       float *workspace) {
  const conv_shape shape = linear_shape_of(linear, n);
  const gradient_use use = gradient_use_of(gradients, (epilogue->operations & CN_BIAS) != 0);
  if (n <= LINEAR_FEW && use.dw == NULL) {
    const few_weights_job job = {shape, x, dy, use.steps};
    run_parallel(context, shape_operations(&shape), few_update_items, shape.y_blocks, &job);
    return;
  }
  const weights_plan plan = weights_plan_of(&shape);
  run_weights(context, &plan, x, dy, NULL, NULL, &use, workspace);
}

/* ---- Backward-data --------------------------------------------------------------------------- */

/*
 * dx[i] = sum over o of w[o][i] dy[o], with samples in the lanes. The weights, the large operand,
 * are used in their packed layout; dy and dx, the small ones, are transposed.
 */
typedef struct linear_job {
  conv_shape shape;
  int64_t n_blocks; /* of 16 samples */
  const float *dy, *w;
  float *dx;
  float *dy_t, *dx_t; /* n blocks, y (x) blocks, 16 features, 16 samples */
} linear_job;

/* Columns of one tile are features of dx. */
static int64_t tile_columns(const linear_job *job) {
  return gemm_columns((int)min_i64(GEMM_BLOCKS, job->n_blocks));
}

/* Items are blocks of dy. Lanes beyond the last sample become zero. */
BODY(transpose_dy) {
  const linear_job *job = state;
  const conv_shape *s = &job->shape;
  (void)thread;
  for (int64_t o = first; o < last; o++)
    for (int64_t nb = 0; nb < job->n_blocks; nb++) {
      const int64_t samples = lanes_of(s->y.w, nb);
      const float *from = job->dy + o * s->yv.plane + nb * s->w_tap;
      float rest[CN_BLOCK * CN_BLOCK] = {0};
      if (samples < CN_BLOCK) {
        memcpy(rest, from, (size_t)(samples * CN_BLOCK) * sizeof(float));
        from = rest;
      }
      transpose_block(from, job->dy_t + (nb * s->y_blocks + o) * s->w_tap);
    }
}

/* The weights of the next tile, to be prefetched. */
static memory_runs next_columns(const linear_job *job, int64_t column, int64_t o0,
                                int64_t outputs) {
  const conv_shape *s = &job->shape;
  const int64_t columns = min_i64(tile_columns(job), s->x_blocks * CN_BLOCK - column);
  if (columns <= 0) return (memory_runs){0};
  return (memory_runs){job->w + o0 * s->w_block + column * CN_BLOCK, outputs, s->w_block,
                       columns * CN_BLOCK};
}

/*
 * Items are tiles of columns. All of them process one chunk of the outputs before the next chunk.
 */
BODY(linear_items) {
  const linear_job *job = state;
  const conv_shape *s = &job->shape;
  const int64_t columns = tile_columns(job), all = s->x_blocks * CN_BLOCK;
  const int64_t chunk = max_i64(1, LINEAR_CHUNK_FLOATS / (s->w_tap * job->n_blocks));
  const int64_t calls = ceil_div(job->n_blocks, GEMM_BLOCKS);
  (void)thread;
  for (int64_t o0 = 0; o0 < s->y_blocks; o0 += chunk) {
    const int64_t outputs = min_i64(chunk, s->y_blocks - o0);
    for (int64_t item = first; item < last; item++) {
      const int64_t column = item * columns;
      prefetcher ahead = prefetcher_across(next_columns(job, column + columns, o0, outputs), calls);
      for (int64_t nb = 0; nb < job->n_blocks; nb += GEMM_BLOCKS) {
        const int blocks = (int)min_i64(GEMM_BLOCKS, job->n_blocks - nb);
        gemm_args g = {.a = job->dy_t + (nb * s->y_blocks + o0) * s->w_tap,
                       .a_outer = s->w_tap,
                       .a_block = s->y_blocks * s->w_tap,
                       .b = job->w + o0 * s->w_block + column * CN_BLOCK,
                       .b_outer = s->w_block,
                       .b_n = CN_BLOCK,
                       .b_k = 1,
                       .c = job->dx_t + nb * s->x_blocks * s->w_tap + column * CN_BLOCK,
                       .c_block = s->x_blocks * s->w_tap,
                       .c_n = CN_BLOCK,
                       .outers = (int32_t)outputs,
                       .rows = 1,
                       .cols = 1,
                       .k = CN_BLOCK,
                       .lanes = CN_BLOCK,
                       .flags = o0 > 0 ? GEMM_ADD : 0};
        prefetch_share(&ahead, &g);
        gemm_find(blocks, 1, (int)min_i64(columns, all - column), CN_BLOCK)(&g);
      }
    }
  }
}

/* Items are blocks of dx. Padding lanes become zero. */
BODY(transpose_dx) {
  const linear_job *job = state;
  const conv_shape *s = &job->shape;
  (void)thread;
  for (int64_t i = first; i < last; i++)
    for (int64_t nb = 0; nb < job->n_blocks; nb++) {
      const int64_t samples = lanes_of(s->x.w, nb), lanes = x_lanes(s, i);
      const float *from = job->dx_t + (nb * s->x_blocks + i) * s->w_tap;
      float *to = job->dx + i * s->xv.plane + nb * s->w_tap;
      if (samples == CN_BLOCK && lanes == CN_BLOCK) {
        transpose_block(from, to);
        continue;
      }
      float block[CN_BLOCK * CN_BLOCK];
      transpose_block(from, block);
      for (int64_t n = 0; n < samples; n++)
        memset(block + n * CN_BLOCK + lanes, 0, (size_t)(CN_BLOCK - lanes) * sizeof(float));
      memcpy(to, block, (size_t)(samples * CN_BLOCK) * sizeof(float));
    }
}

/* sums[16f..] += w[f] dy over output blocks o0..o1 - 1, for the 16 features f of a block. */
static void add_products(const linear_job *job, int64_t i, int64_t n, int64_t o0, int64_t o1,
                         float *sums) {
  const conv_shape *s = &job->shape;
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    vec sum[CN_BLOCK];
#pragma GCC unroll 16
    for (int f = 0; f < CN_BLOCK; f++) sum[f] = vec_zero();
    for (int64_t o = o0; o < o1; o++) {
      const vec dy = vec_load(job->dy + o * s->yv.plane + n * CN_BLOCK + lane);
      const float *w = job->w + o * s->w_block + i * s->w_tap + lane;
#pragma GCC unroll 16
      for (int f = 0; f < CN_BLOCK; f++) sum[f] = vec_fma(vec_load(w + f * CN_BLOCK), dy, sum[f]);
    }
#pragma GCC unroll 16
    for (int f = 0; f < CN_BLOCK; f++) {
      float *to = sums + f * CN_BLOCK + lane;
      vec_store(to, vec_add(vec_load(to), sum[f]));
    }
  }
}

/*
 * For small batches the lanes are outputs: 16 vectors are accumulated for a block of dx, and each
 * is summed over its lanes. Items are blocks of dx.
 */
BODY(few_items) {
  const linear_job *job = state;
  const conv_shape *s = &job->shape;
  (void)thread;
  for (int64_t i = first; i < last; i++)
    for (int64_t n = 0; n < s->x.w; n++) {
      float sums[CN_BLOCK * CN_BLOCK] = {0}, by_output[CN_BLOCK * CN_BLOCK];
      for (int64_t o = 0; o < s->y_blocks; o += GEMM_SLAB)
        add_products(job, i, n, o, min_i64(o + GEMM_SLAB, s->y_blocks), sums);
      transpose_block(sums, by_output);
      float *to = job->dx + i * s->xv.plane + n * CN_BLOCK;
      for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
        vec sum = vec_zero();
        for (int o = 0; o < CN_BLOCK; o++)
          sum = vec_add(sum, vec_load(by_output + o * CN_BLOCK + lane));
        vec_store(to + lane, vec_keep(vec_first(x_lanes(s, i) - lane), sum));
      }
    }
}

void ISA_NAME(linear_backward_data)(const cn_context *context, const cn_linear *linear, int32_t n,
                                    const float *dy, const float *w, float *dx, float *workspace) {
  linear_job job = {.shape = linear_shape_of(linear, n),
                    .n_blocks = blocks_of(n),
                    .dy = dy,
                    .w = w,
                    .dx = dx,
                    .dy_t = workspace};
  const conv_shape *s = &job.shape;
  job.dx_t = job.dy_t + job.n_blocks * s->y_blocks * s->w_tap;
  const phase phases[] = {{transpose_dy, s->y_blocks},
                          {linear_items, ceil_div(s->x_blocks * CN_BLOCK, tile_columns(&job))},
                          {transpose_dx, s->x_blocks}};
  if (n <= LINEAR_FEW)
    run_parallel(context, shape_operations(s), few_items, s->x_blocks, &job);
  else
    run_phases(context, shape_operations(s), phases, 3, &job);
}
