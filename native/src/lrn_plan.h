/* The workspace of local response normalisation, for the kernels and the query. */
#ifndef CN_LRN_PLAN_H
#define CN_LRN_PLAN_H

#include "tensor.h"

/* Channels of a sum before and after its own. Channels that do not exist are left out, so no sum
 * reaches farther than all of them. */
static inline int64_t lrn_before(const cn_lrn *lrn) {
  return min_i64(lrn->neighbours / 2, lrn->x.c);
}
static inline int64_t lrn_after(const cn_lrn *lrn) {
  return min_i64((lrn->neighbours - 1) / 2, lrn->x.c);
}

/* Floats of one pixel in the workspace of a thread: its channels between zeros. */
static inline int64_t lrn_row(const cn_lrn *lrn) {
  const int64_t reach = max_i64(lrn_before(lrn), lrn_after(lrn));
  return (blocks_of(lrn->x.c) + 2 * blocks_of(reach)) * CN_BLOCK;
}

/* Of all threads: the squares, the terms of the gradient, and two factors of each channel. */
static inline int64_t lrn_floats(const cn_lrn *lrn, int64_t threads) {
  return 4 * threads * lrn_row(lrn);
}

#endif
