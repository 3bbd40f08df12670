/* The dense layer: a 1x1 convolution of one image whose pixels are the samples of the batch. */
#include "conv.h"
#include "prefetch.h"

void ISA_NAME(dense_forward)(int threads, const cn_dense *dense, int32_t n, const float *x,
                             const float *w, const float *bias, float *y) {
  const conv_shape shape = dense_shape_of(dense, n);
  const sweep plan = sweep_of(&shape, false);
  const int flags = ((dense->flags & CN_BIAS) != 0 ? GEMM_BIAS : 0) |
                    ((dense->flags & CN_RELU) != 0 ? GEMM_RELU : 0);
  const tail nothing = {.add = NULL};
  run_sweep(threads, &plan, x, w, bias, flags, &nothing, y, NULL);
}

void ISA_NAME(dense_backward_weights)(int threads, const cn_dense *dense, int32_t n, const float *x,
                                      const float *dy, float *dw, float *db, float *workspace) {
  const conv_shape shape = dense_shape_of(dense, n);
  const weights_plan plan = weights_plan_of(&shape);
  run_weights(threads, &plan, x, dy, dw, db, workspace);
}

/* ---- Backward-data --------------------------------------------------------------------------- */

/*
 * dx[i] = sum over o of w[o][i] dy[o]. The weights are too large to be transposed as a whole, as
 * convolution does it: two blocks of x take DENSE_TRANSPOSED_BLOCKS blocks of outputs at a time
 * into a buffer that stays in cache.
 */
typedef struct dense_job {
  conv_shape shape;
  const float *dy, *w;
  float *dx, *transposed;
} dense_job;

/* What a tile reads: `outputs` blocks of outputs from o0, for `blocks` blocks of x from x0. */
typedef struct dense_place {
  int64_t x0, o0, outputs;
  int blocks;
} dense_place;

/* The weights that the next tile transposes, if they are as many as those of this one. */
static memory_runs next_weights(const dense_job *job, const dense_place *p) {
  const conv_shape *s = &job->shape;
  const int64_t o = p->o0 + DENSE_TRANSPOSED_BLOCKS;
  memory_runs next = {NULL, p->outputs, s->w_block, p->blocks * s->w_outer};
  if (o + p->outputs <= s->y_blocks)
    next.first = job->w + o * s->w_block + p->x0 * s->w_outer;
  else if (p->x0 + 2 + p->blocks <= s->x_blocks)
    next.first = job->w + (p->x0 + 2) * s->w_outer;
  else
    next.runs = 0;
  return next;
}

/* All samples of those blocks of dx; buffer has the weights, transposed. */
static void dense_tile(const dense_job *job, const dense_place *p, const float *buffer) {
  const conv_shape *s = &job->shape;
  const int64_t pieces = ceil_div(s->y.w, GEMM_N);
  prefetcher ahead = prefetcher_across(next_weights(job, p), pieces);
  gemm_args g = {.a = buffer,
                 .a_outer = CN_BLOCK * CN_BLOCK,
                 .a_block = DENSE_TRANSPOSED_BLOCKS * CN_BLOCK * CN_BLOCK,
                 .b_outer = s->yv.plane,
                 .b_n = CN_BLOCK,
                 .b_k = 1,
                 .c_block = s->xv.plane,
                 .c_n = CN_BLOCK,
                 .outers = (int32_t)p->outputs,
                 .rows = 1,
                 .cols = 1,
                 .k = (int32_t)min_i64(CN_BLOCK, s->y_channels),
                 .flags = p->o0 > 0 ? GEMM_ADD : 0};
  for (int64_t i = 0, n = 0; i < pieces; i++) {
    const int64_t per = (s->y.w * (i + 1)) / pieces - (s->y.w * i) / pieces;
    g.b = job->dy + p->o0 * s->yv.plane + n * CN_BLOCK;
    for (int m = 0; m < p->blocks; m += GEMM_BLOCKS) {
      const int count = p->blocks - m < GEMM_BLOCKS ? p->blocks - m : GEMM_BLOCKS;
      gemm_args h = g;
      h.a += m * g.a_block;
      h.c = job->dx + (p->x0 + m) * s->xv.plane + n * CN_BLOCK;
      h.lanes = (int32_t)x_lanes(s, p->x0 + m + count - 1);
      prefetch_share(&ahead, &h);
      gemm_find(count, 1, (int)per, CN_BLOCK)(&h);
    }
    n += per;
  }
}

static void dense_transpose(const dense_job *job, const dense_place *p, float *buffer) {
  const conv_shape *s = &job->shape;
  for (int64_t o = 0; o < p->outputs; o++)
    for (int b = 0; b < p->blocks; b++)
      transpose_block(job->w + (p->o0 + o) * s->w_block + (p->x0 + b) * s->w_outer,
                      buffer + (b * DENSE_TRANSPOSED_BLOCKS + o) * s->w_tap);
}

/*
 * Items are pairs of blocks of dx. The micro-kernel masks the last block of a tile only, so where
 * the first of a pair has spare lanes too, as in a flattened tensor of few channels, they go one by
 * one.
 */
static void dense_items(const void *state, int64_t first, int64_t last, int thread) {
  const dense_job *job = state;
  const conv_shape *s = &job->shape;
  float *buffer = job->transposed + thread * dense_transposed_floats();
  for (int64_t item = first; item < last; item++) {
    const int64_t end = min_i64(2 * item + 2, s->x_blocks);
    const bool alone = x_lanes(s, 2 * item) < CN_BLOCK;
    for (int64_t x0 = 2 * item; x0 < end;) {
      dense_place p = {.x0 = x0, .blocks = alone ? 1 : (int)(end - x0)};
      for (; p.o0 < s->y_blocks; p.o0 += DENSE_TRANSPOSED_BLOCKS) {
        p.outputs = min_i64(DENSE_TRANSPOSED_BLOCKS, s->y_blocks - p.o0);
        dense_transpose(job, &p, buffer);
        dense_tile(job, &p, buffer);
      }
      x0 += p.blocks;
    }
  }
}

void ISA_NAME(dense_backward_data)(int threads, const cn_dense *dense, int32_t n, const float *dy,
                                   const float *w, float *dx, float *workspace) {
  const dense_job job = {
      .shape = dense_shape_of(dense, n), .dy = dy, .w = w, .dx = dx, .transposed = workspace};
  run_parallel(threads, shape_operations(&job.shape), dense_items, ceil_div(job.shape.x_blocks, 2),
               &job);
}
