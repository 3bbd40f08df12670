/*
 * How a Winograd convolution is cut into loops around the micro-kernel. What decides the order of a
 * sum depends on shapes only; see conv_plan.h.
 */
#ifndef CN_WINOGRAD_PLAN_H
#define CN_WINOGRAD_PLAN_H

#include "conv_plan.h"

/*
 * F(m x m, 3 x 3): every tile of m x m values of dst from a x a values of src, a = m + 2. A tile
 * and a filter have a^2 transformed values, its points; for each point the tiles of a unit and the
 * filters are a matrix product over the channels of src. Units are rows of tiles, counted over the
 * images; a thread does all of a unit.
 */
typedef struct winograd_plan {
  conv_shape shape;
  bool backward; /* src = dy, dst = dx */
  int32_t m, a, points;
  cn_tensor src, dst;
  view sv, dv;
  int64_t groups, src_blocks, dst_blocks, dst_channels;
  int32_t k;                             /* terms of one step of the micro-kernel */
  int32_t offset_y, offset_x;            /* src pixel of the first tap of dst pixel 0 */
  int64_t tile_rows, tile_cols;          /* of one image */
  int64_t rows, units, tiles;            /* rows and tiles of a unit at most */
  int64_t grain;                         /* units begin with a multiple of so many rows */
  int64_t parts;                         /* of the blocks of dst, each an item of its own */
  int64_t src_plane, dst_plane;          /* floats of one point of the tiles of a unit */
  int64_t weights_plane, weights_floats; /* of one point of the filters of a group; of all */
  int64_t pool_floats; /* a thread's buffer of rows of one block of dst that wait for pooling */
  int64_t own_floats;  /* of a thread: transformed tiles of src and dst, and that buffer */
} winograd_plan;

winograd_plan winograd_plan_of(const cn_conv2d *conv, int32_t pass, int64_t n, int threads);

/* The first row of a unit; that of unit number `units` is the end. Units are as equal as can be, so
 * that threads with as many of them have as much to do. */
static inline int64_t unit_row(const winograd_plan *p, int64_t unit) {
  return p->shape.n * p->tile_rows / p->grain * unit / p->units * p->grain;
}
winograd_plan winograd_plan_with_pool(const cn_conv2d *conv, const cn_pool2d *pool, int64_t n,
                                      int threads);

/*
 * Backward-weights: the same products with the tiles as terms. Tiles are cut into chunks of rows of
 * tiles, each with a sum of its own; where the sums of all points exceed the cache, they are cut
 * instead by pairs of rows of points and by parts of the blocks of y.
 */
typedef struct winograd_weights_plan {
  conv_shape shape;
  int32_t m, a, points;
  int64_t tile_rows, tile_cols;
  int64_t rows, tiles;                               /* that are transformed at a time */
  int64_t chunks, chunk_floats;                      /* sums at all points, then of the bias */
  int64_t pairs_at_once, pair_items, y_parts, items; /* items of one chunk and group */
  int64_t x_plane, y_plane;                          /* floats of one point of the tiles */
  int64_t sum_plane;                                 /* of one point of the sums of a group */
  int64_t own_floats; /* of a thread: transformed tiles of x and dy, and a block of dw */
} winograd_weights_plan;

winograd_weights_plan winograd_weights_plan_of(const cn_conv2d *conv, int64_t n);

/* What the Winograd algorithms can compute. */
bool winograd_fits(const cn_conv2d *conv);

/* Floats of the workspace, and of that of the forward pass with pooling. */
int64_t winograd_workspace_floats(const cn_conv2d *conv, int32_t pass, int64_t n, int32_t threads);
int64_t winograd_pool_floats(const cn_conv2d *conv, const cn_pool2d *pool, int64_t n,
                             int32_t threads);

#endif
