/* Sizes of the partial sums of batch normalisation, for the kernels and the workspace query. */
#ifndef CN_BATCH_NORM_PLAN_H
#define CN_BATCH_NORM_PLAN_H

#include "tensor.h"

/* Number of chunks of samples with separate sums. */
static inline int64_t batch_norm_chunks(int64_t n) { return min_i64(n, 16); }

/* Two sums per chunk and channel. */
static inline int64_t batch_norm_floats(const cn_batch_norm *norm, int64_t n) {
  return 2 * batch_norm_chunks(n) * blocks_of(norm->x.c) * CN_BLOCK;
}

#endif
