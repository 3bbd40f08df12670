/*
 * How a Winograd convolution is divided into loops around the micro-kernel. Whatever determines the
 * order of a sum depends on shapes only; see conv_plan.h.
 */
#ifndef CN_WINOGRAD_PLAN_H
#define CN_WINOGRAD_PLAN_H

#include "conv_plan.h"

/*
 * F(m x m, 3 x 3): each tile of m x m values of dst is computed from a x a values of src, a = m +
 * 2. A tile and a filter each have a^2 transformed values, their points. At each point, tiles and
 * filters form a matrix product over the channels of src. A unit consists of rows of tiles, counted
 * over all images, and is processed by one thread.
 */
typedef struct winograd_plan {
  conv_shape shape;
  bool backward; /* src = dy, dst = dx */
  int32_t m, a, points;
  cn_tensor src, dst;
  view sv, dv;
  int64_t groups, src_blocks, dst_blocks, dst_channels;
  int32_t k;                             /* terms kk of one micro-kernel iteration */
  int32_t offset_y, offset_x;            /* src pixel that the first tap of dst pixel 0 reads */
  int64_t tile_rows, tile_cols;          /* of one image */
  int64_t rows, units, tiles;            /* rows, tiles: upper bounds for a unit */
  int64_t grain;                         /* the first row of every unit is a multiple of this */
  int64_t shares;                        /* shares of the blocks of dst; each is a separate item */
  int64_t src_plane, dst_plane;          /* floats per point of the tiles of a unit */
  int64_t weights_plane, weights_floats; /* filters: floats per point of a group; in total */
  int64_t pool_floats; /* per-thread buffer of rows of one block of dst before pooling */
  int64_t own_floats;  /* per thread: transformed tiles of src and dst, and the pooling buffer */
} winograd_plan;

winograd_plan winograd_plan_of(const cn_conv2d *conv, int32_t pass, int64_t n, int threads);

/* The first row of a unit; unit `units` gives the end. Units are as equal as possible, so that
 * threads with equally many units have equal work. */
static inline int64_t unit_row(const winograd_plan *p, int64_t unit) {
  return p->shape.n * p->tile_rows / p->grain * unit / p->units * p->grain;
}

/* The plan of a call, with its pool. */
winograd_plan winograd_plan_of_call(const conv_call *call);

/*
 * Backward-weights: the same products, with the tiles as terms. The rows of tiles are divided into
 * chunks with separate sums. If the sums of all points exceed the cache, the work is divided by
 * pairs of rows of points and by shares of the blocks of y instead.
 */
typedef struct winograd_weights_plan {
  conv_shape shape;
  int32_t m, a, points;
  int64_t tile_rows, tile_cols;
  int64_t rows, tiles;          /* rows and tiles that are transformed at a time */
  int64_t chunks, chunk_floats; /* sums at all points, then those of the bias */
  int64_t pairs_at_once, pair_items, y_shares, items; /* items: per chunk and group */
  int64_t x_plane, y_plane;                           /* floats per point of the tiles */
  int64_t sum_plane;                                  /* floats per point of the sums of a group */
  int64_t own_floats; /* per thread: transformed tiles of x and dy, and a block of dw */
} winograd_weights_plan;

winograd_weights_plan winograd_weights_plan_of(const cn_conv2d *conv, int64_t n);

/* Whether the Winograd algorithms support a convolution. */
bool winograd_fits(const cn_conv2d *conv);

#endif
