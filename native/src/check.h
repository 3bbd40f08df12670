/* Argument validation for the entry points. Each function returns a cn_status. */
#ifndef CN_CHECK_H
#define CN_CHECK_H

#include "optimizer.h"
#include "tensor.h"

/* Returns from the calling function if the status is not CN_OK. */
#define TRY(check)                                                                                 \
  do {                                                                                             \
    const int32_t try_status = (check);                                                            \
    if (try_status != CN_OK) return try_status;                                                    \
  } while (0)

int32_t check_context(const cn_context *context);

/* Validates the tensor of one sample; of n samples. All sizes must stay far from overflow. */
int32_t check_tensor(const cn_tensor *t);
int32_t check_batch(const cn_tensor *t, int64_t n);

/* Validates a number of values, computed in double precision, or a count of consecutive values:
 * from 0 to a bound far from overflow. */
int32_t check_total(double floats);
int32_t check_count(int64_t count);

int32_t check_pass(int32_t pass);

/* Requires two validated tensors to have equal c, h, w and layout. */
int32_t check_same(const cn_tensor *a, const cn_tensor *b);
int32_t check_layout(const cn_tensor *t, cn_layout layout);

/* The values of a tensor: not null, and aligned as its layout requires. */
int32_t check_values(const cn_tensor *t, const float *values);

/* Pointers that must not be null, aligned to a float, or to 64 bytes. */
int32_t check_floats(const void *p);
int32_t check_aligned(const void *p);

/* A workspace of at least `needed` floats. If none is needed, any value is accepted. */
int32_t check_workspace(const float *workspace, int64_t floats, int64_t needed);

/* The options of an optimiser. */
int32_t check_optimizer(const cn_optimizer *o);
int32_t check_rates(float learning_rate, float weight_decay);

/* The x and y of one pooling pass. */
int32_t check_pool(const cn_pool2d *pool, const cn_tensor *x, const cn_tensor *y, int32_t n);

/* Winners require max pooling over windows of at most CN_NO_WINNER pixels. */
int32_t check_winners(const cn_pool2d *pool, const uint8_t *winners);

/* Any activation; and one that other kernels can apply, whose slope is a function of its output. */
int32_t check_activation(const cn_activation *a);
int32_t check_fused(const cn_activation *a);

/* The window of a convolution: all sizes must be in range, and y at most the number of positions.
 */
int32_t check_window(const cn_window *w, const cn_tensor *x, const cn_tensor *y);

#endif
