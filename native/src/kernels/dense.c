/* The dense layer: a 1x1 convolution of one image whose pixels are the samples of the batch. */
#include "conv.h"

void ISA_NAME(dense_forward)(int threads, const cn_dense *dense, int32_t n, const float *x,
                             const float *w, const float *bias, float *y) {
  const conv_shape shape = dense_shape_of(dense, n);
  const sweep plan = sweep_of(&shape, false);
  const int flags = ((dense->flags & CN_BIAS) != 0 ? GEMM_BIAS : 0) |
                    ((dense->flags & CN_RELU) != 0 ? GEMM_RELU : 0);
  run_sweep(threads, &plan, x, w, bias, flags, y, NULL);
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

/* Blocks x0.. of dx, all samples, over the outputs in `buffer`. */
static void dense_tile(const dense_job *job, int64_t x0, int blocks, int64_t o0, int64_t outputs,
                       const float *buffer) {
  const conv_shape *s = &job->shape;
  const int64_t pieces = ceil_div(s->y.w, GEMM_N);
  gemm_args g = {.a = buffer,
                 .a_outer = CN_BLOCK * CN_BLOCK,
                 .a_block = DENSE_TRANSPOSED_BLOCKS * CN_BLOCK * CN_BLOCK,
                 .b_outer = s->yv.plane,
                 .b_n = CN_BLOCK,
                 .b_k = 1,
                 .c_block = s->xv.plane,
                 .c_n = CN_BLOCK,
                 .outers = (int32_t)outputs,
                 .rows = 1,
                 .cols = 1,
                 .k = (int32_t)min_i64(CN_BLOCK, s->y_channels),
                 .flags = o0 > 0 ? GEMM_ADD : 0};
  for (int64_t i = 0, n = 0; i < pieces; i++) {
    const int64_t per = (s->y.w * (i + 1)) / pieces - (s->y.w * i) / pieces;
    g.b = job->dy + o0 * s->yv.plane + n * CN_BLOCK;
    for (int m = 0; m < blocks; m += GEMM_BLOCKS) {
      const int count = blocks - m < GEMM_BLOCKS ? blocks - m : GEMM_BLOCKS;
      gemm_args h = g;
      h.a += m * g.a_block;
      h.c = job->dx + (x0 + m) * s->xv.plane + n * CN_BLOCK;
      h.lanes = (int32_t)x_lanes(s, x0 + m + count - 1);
      gemm_find(count, 1, (int)per, CN_BLOCK)(&h);
    }
    n += per;
  }
}

/* Items are pairs of blocks of dx. The first of a pair may end a channel block too: then they go
 * one by one. */
static void dense_items(const void *state, int64_t first, int64_t last, int thread) {
  const dense_job *job = state;
  const conv_shape *s = &job->shape;
  float *buffer = job->transposed + thread * dense_transposed_floats();
  for (int64_t item = first; item < last; item++) {
    const int64_t x0 = 2 * item;
    const int blocks = (int)min_i64(2, s->x_blocks - x0);
    for (int64_t o0 = 0; o0 < s->y_blocks; o0 += DENSE_TRANSPOSED_BLOCKS) {
      const int64_t outputs = min_i64(DENSE_TRANSPOSED_BLOCKS, s->y_blocks - o0);
      for (int64_t o = 0; o < outputs; o++)
        for (int b = 0; b < blocks; b++)
          transpose_block(job->w + (o0 + o) * s->w_block + (x0 + b) * s->w_outer,
                          buffer + (b * DENSE_TRANSPOSED_BLOCKS + o) * s->w_tap);
      if (blocks == 2 && x_lanes(s, x0) < CN_BLOCK) {
        dense_tile(job, x0, 1, o0, outputs, buffer);
        dense_tile(job, x0 + 1, 1, o0, outputs,
                   buffer + DENSE_TRANSPOSED_BLOCKS * CN_BLOCK * CN_BLOCK);
      } else {
        dense_tile(job, x0, blocks, o0, outputs, buffer);
      }
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
