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

/*
 * Structs that may grow begin with their size. Returns `given` if its size is the library's,
 * `bytes`; else a copy in `room` whose missing fields are 0; or null if the size is not valid.
 */
const void *sized(const void *given, void *room, uint32_t bytes);

/* Writes a struct of `bytes` to one of a caller, who set its size: the fields that fit, and 0 for
 * those beyond. */
int32_t give_sized(const void *all, uint32_t bytes, void *to);

/* Makes `pointer`, an argument, point to a struct with all fields of `type`. */
#define ADOPT(type, pointer)                                                                       \
  type pointer##_room;                                                                             \
  if (pointer == NULL) return CN_NULL_POINTER;                                                     \
  pointer = sized(pointer, &pointer##_room, sizeof(type));                                         \
  if (pointer == NULL) return CN_BAD_SIZE

/* A size in floats, or a negative status, in bytes. */
static inline int64_t bytes_of(int64_t floats) {
  return floats > 0 ? floats * (int64_t)sizeof(float) : floats;
}

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

/* Validates a tensor of n samples that is like a validated one, `x`. */
int32_t check_like(const cn_tensor *x, const cn_tensor *other, int32_t n);

int32_t check_layout(const cn_tensor *t, cn_layout layout);

/* Validates a CN_BLOCKED tensor of n samples. */
int32_t check_blocked(const cn_tensor *t, int64_t n);

/* The values of a tensor: not null, and aligned as its layout requires. */
int32_t check_values(const cn_tensor *t, const void *values);

/* Pointers that must not be null, aligned to a float, to a double, or to 64 bytes. */
int32_t check_floats(const void *p);
int32_t check_doubles(const void *p);
int32_t check_aligned(const void *p);

/* A workspace of at least `needed` floats. If none is needed, any value is accepted. */
int32_t check_workspace(const void *workspace, int64_t bytes, int64_t needed);

/* The options of an optimiser. */
int32_t check_optimizer(const cn_optimizer *o);
int32_t check_rates(float learning_rate, float weight_decay);

/* The x and y of one pooling pass. */
int32_t check_pool(const cn_pool2d *pool, const cn_tensor *x, const cn_tensor *y, int32_t n);

/*
 * An epilogue behind a result. adopt_epilogue stands in for null and for structs of other sizes,
 * with room for the copies. check_epilogue validates its descriptors, of which `supported` are the
 * operations that the function has; check_operands validates the pointers of some of them.
 */
typedef struct epilogue_room {
  cn_epilogue epilogue, own;
  cn_pool2d pool;
} epilogue_room;

int32_t adopt_epilogue(const cn_epilogue **epilogue, epilogue_room *room);
int32_t check_epilogue(const cn_epilogue *e, int32_t supported, const cn_tensor *result, int32_t n);
int32_t check_operands(const cn_epilogue *e, int32_t operations);

/* What becomes of gradients; bias tells whether there is one. `aligned`: dw is packed. */
int32_t check_gradients(const cn_gradients *g, bool bias, bool aligned);

/* Any activation; one that other kernels can apply, because f(0) = 0; and one of these whose slope
 * is a function of its output. */
int32_t check_activation(const cn_activation *f);
int32_t check_fused(const cn_activation *f);
int32_t check_slope(const cn_activation *f);

/* The window of a convolution: all sizes must be in range, and y at most the number of positions.
 */
int32_t check_window(const cn_window *w, const cn_tensor *x, const cn_tensor *y);

#endif
