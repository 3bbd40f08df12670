/* What the entry points verify before they compute. Each function returns a cn_status. */
#ifndef CN_CHECK_H
#define CN_CHECK_H

#include "optimizer.h"
#include "tensor.h"

/* Leaves the function with the first status that is not CN_OK. */
#define TRY(check)                                                                                 \
  do {                                                                                             \
    const int32_t try_status = (check);                                                            \
    if (try_status != CN_OK) return try_status;                                                    \
  } while (0)

int32_t check_context(const cn_context *context);

/* One sample; then n of them; and that all sizes stay far from overflowing. */
int32_t check_tensor(const cn_tensor *t);
int32_t check_batch(const cn_tensor *t, int64_t n);

/* A number of values, counted in double precision, or of values in a row: from 0 to what is far
 * from overflowing. */
int32_t check_total(double floats);
int32_t check_count(int64_t count);

int32_t check_pass(int32_t pass);

/* c, h, w and layout of two checked tensors are equal. */
int32_t check_same(const cn_tensor *a, const cn_tensor *b);
int32_t check_layout(const cn_tensor *t, cn_layout layout);

/* The values of a tensor: not null, aligned as its layout asks. */
int32_t check_values(const cn_tensor *t, const float *values);

/* Pointers that are not null and aligned to a float, or to 64 bytes. */
int32_t check_floats(const void *p);
int32_t check_aligned(const void *p);

/* A workspace of at least `needed` floats; anything will do where none is needed. */
int32_t check_workspace(const float *workspace, int64_t floats, int64_t needed);

/* Options of the optimiser. */
int32_t check_optimizer(const cn_optimizer *o);
int32_t check_rates(float learning_rate, float weight_decay);

/* The x and y of one pass of pooling. */
int32_t check_pool(const cn_pool2d *pool, const cn_tensor *x, const cn_tensor *y, int32_t n);

/* Winners are kept only where there are some, and a window of up to CN_NO_WINNER pixels. */
int32_t check_winners(const cn_pool2d *pool, const uint8_t *winners);

/* The output size of a window that moves over a padded axis: at most `out`, every size in range. */
int32_t check_window(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
                     int64_t dilation);

#endif
