/* The partial sums of the gradients of channel factors, for the kernel and the query. They depend
 * on shapes only. */
#ifndef CN_CHANNEL_SCALE_PLAN_H
#define CN_CHANNEL_SCALE_PLAN_H

#include "sum_plan.h"
#include "tensor.h"

/* A plane is divided into chunks of rows with separate sums. */
static inline int64_t scale_rows_in_chunk(const cn_tensor *t) {
  return max_i64(1, SCALE_CHUNK / t->w);
}
static inline int64_t scale_chunks(const cn_tensor *t) {
  return ceil_div(t->h, scale_rows_in_chunk(t));
}

/* One sum per sample, chunk and channel, and one of them all per channel. */
static inline int64_t channel_scale_floats(const cn_channel_scale *op, int64_t n) {
  return (n * scale_chunks(&op->x) + 1) * blocks_of(op->x.c) * CN_BLOCK;
}

#endif
