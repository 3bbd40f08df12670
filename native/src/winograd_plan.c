#include "winograd_plan.h"

enum {
  TAP = CN_BLOCK * CN_BLOCK,
  NEAR_FLOATS = 640 * 1024, /* transformed filters that stay in the second-level cache */
  TILE_FLOATS = 220 * 1024, /* transformed tiles of a unit: 880 KiB, beside them */
  FEWEST_NEAR = 42,         /* tiles of a unit: for which it pays to read the filters */
  FEWEST_FAR = 112,         /* and where those are farther away */
  MOST_TILES = 196,
  SUM_FLOATS = 640 * 1024,  /* of backward-weights: 2.5 MiB; more are cut by points */
  SUM_PARTS = 4,            /* and then by blocks of y */
  TERM_FLOATS = 400 * 1024, /* transformed tiles of x and dy: 1.6 MiB */
  FEWEST_TERMS = 128,       /* tiles in a sum for which it pays to read and write the sums */
  MOST_TERMS = 256,
  FEWEST_CHUNKS = 4, /* worth cutting the tiles: else sums are cut by points as well */
  MOST_CHUNKS = 8,
};

bool winograd_fits(const cn_conv2d *conv) {
  return conv->kernel_h == 3 && conv->kernel_w == 3 && conv->stride_h == 1 && conv->stride_w == 1 &&
         conv->dilation_h == 1 && conv->dilation_w == 1 && conv_form_of(conv) == FORM_FULL;
}

static int32_t tile_size(const cn_conv2d *conv) { return conv->algorithm == CN_WINOGRAD_4 ? 4 : 2; }

/* Planes an odd number of cache lines apart: else the same place of all of them falls into a few
 * sets of the cache. */
static int64_t odd_lines(int64_t blocks) { return (blocks | 1) * CN_BLOCK; }

/*
 * As many rows of tiles as fill the cache, but enough units for the threads. Where the filters do
 * not fit it and tiles are few, threads share the filters out instead. Neither changes a sum.
 */
static int64_t unit_rows(winograd_plan *p, int64_t n, int threads) {
  const int64_t tile_floats = p->points * (p->src_blocks + p->dst_blocks) * CN_BLOCK;
  const bool far = p->weights_floats > NEAR_FLOATS;
  const int64_t fewest = far ? FEWEST_FAR : FEWEST_NEAR;
  const int64_t tiles = min_i64(MOST_TILES, max_i64(fewest, TILE_FLOATS / tile_floats));
  const int64_t all = n * p->tile_rows;
  const int64_t units = ceil_div(all, max_i64(1, tiles / p->tile_cols));
  p->parts = 1;
  if (far && units < threads) {
    p->parts = min_i64(threads, ceil_div(p->dst_blocks, 2));
    return ceil_div(all, units);
  }
  return ceil_div(all, min_i64(all, ceil_div(units, threads) * threads));
}

static void set_unit(winograd_plan *p, int64_t rows, int64_t grain) {
  p->rows = rows;
  p->grain = grain;
  p->units = ceil_div(p->shape.n * p->tile_rows, rows);
  p->tiles = rows * p->tile_cols;
  p->src_plane = odd_lines(p->src_blocks * p->tiles);
  p->dst_plane = odd_lines(p->dst_blocks * p->tiles);
  p->own_floats = p->points * (p->src_plane + p->dst_plane) + p->pool_floats;
}

winograd_plan winograd_plan_of(const cn_conv2d *conv, int32_t pass, int64_t n, int threads) {
  const bool backward = pass == CN_BACKWARD_DATA;
  const conv_shape s = backward ? conv_shape_of(conv, &conv->dx, &conv->dy, n)
                                : conv_shape_of(conv, &conv->x, &conv->y, n);
  const int32_t m = tile_size(conv), a = m + 2;
  winograd_plan p = {.shape = s,
                     .backward = backward,
                     .m = m,
                     .a = a,
                     .points = a * a,
                     .src = backward ? s.y : s.x,
                     .dst = backward ? s.x : s.y,
                     .sv = backward ? s.yv : s.xv,
                     .dv = backward ? s.xv : s.yv,
                     .groups = s.groups,
                     .src_blocks = backward ? s.y_blocks : s.x_blocks,
                     .dst_blocks = backward ? s.x_blocks : s.y_blocks,
                     .dst_channels = backward ? s.x_channels : s.y_channels,
                     .offset_y = backward ? s.pad_h - 2 : -s.pad_h,
                     .offset_x = backward ? s.pad_w - 2 : -s.pad_w};
  p.k = (int32_t)min_i64(CN_BLOCK, backward ? s.y_channels : s.x_channels);
  p.tile_rows = ceil_div(p.dst.h, m);
  p.tile_cols = ceil_div(p.dst.w, m);
  p.weights_plane = odd_lines(p.dst_blocks * p.src_blocks * CN_BLOCK);
  p.weights_floats = p.groups * p.points * p.weights_plane;
  set_unit(&p, unit_rows(&p, n, threads), 1);
  return p;
}

/* Windows that share rows, or do not begin with a row of tiles, want whole images. */
winograd_plan winograd_plan_with_pool(const cn_conv2d *conv, const cn_pool2d *pool, int64_t n,
                                      int threads) {
  winograd_plan p = winograd_plan_of(conv, CN_FORWARD, n, threads);
  const bool apart =
      pool->kernel_h <= pool->stride_h && pool->pad_h == 0 && p.m % pool->stride_h == 0;
  const int64_t grain = apart ? 1 : p.tile_rows, rows = ceil_div(p.rows, grain) * grain;
  p.pool_floats = rows * p.m * p.dv.row;
  set_unit(&p, rows, grain);
  return p;
}

winograd_weights_plan winograd_weights_plan_of(const cn_conv2d *conv, int64_t n) {
  const conv_shape s = conv_shape_of(conv, &conv->x, &conv->dy, n);
  const int32_t m = tile_size(conv), a = m + 2;
  winograd_weights_plan p = {.shape = s,
                             .m = m,
                             .a = a,
                             .points = a * a,
                             .tile_rows = ceil_div(s.y.h, m),
                             .tile_cols = ceil_div(s.y.w, m)};
  p.sum_plane = odd_lines(s.y_blocks * s.x_blocks * CN_BLOCK);
  const int64_t sums = p.points * p.sum_plane, all_rows = n * p.tile_rows;
  const int64_t all_tiles = all_rows * p.tile_cols;
  const bool cut = sums > SUM_FLOATS || all_tiles < FEWEST_CHUNKS * FEWEST_TERMS;
  p.pairs_at_once = cut ? 1 : a / 2;
  p.pair_items = a / 2 / p.pairs_at_once;
  p.y_parts = cut ? min_i64(SUM_PARTS, ceil_div(s.y_blocks, 2)) : 1;
  p.items = p.pair_items * p.y_parts;
  p.chunks = 1;
  while (!cut && 2 * p.chunks <= min_i64(MOST_CHUNKS, all_tiles / FEWEST_TERMS) &&
         2 * p.chunks <= all_rows)
    p.chunks *= 2;
  const int64_t fit =
      TERM_FLOATS / (2 * p.pairs_at_once * a * (s.x_blocks + s.y_blocks) * CN_BLOCK);
  const int64_t tiles = min_i64(MOST_TERMS, max_i64(FEWEST_TERMS, fit));
  const int64_t chunk_rows = ceil_div(all_rows, p.chunks);
  p.rows = max_i64(1, min_i64(chunk_rows, tiles / p.tile_cols));
  p.rows = ceil_div(chunk_rows, ceil_div(chunk_rows, p.rows));
  p.tiles = p.rows * p.tile_cols;
  p.x_plane = odd_lines(s.x_blocks * p.tiles);
  p.y_plane = odd_lines(s.y_blocks * p.tiles);
  p.chunk_floats = s.groups * (sums + s.y_blocks * CN_BLOCK);
  p.own_floats = max_i64(2 * p.pairs_at_once * a * (p.x_plane + p.y_plane), 9 * TAP + CN_BLOCK);
  return p;
}

static int64_t plan_floats(const winograd_plan *p, const cn_conv2d *conv, int32_t threads) {
  const bool transformed = (conv->flags & CN_TRANSFORMED) != 0;
  return (transformed ? 0 : p->weights_floats) + threads * p->own_floats;
}

int64_t winograd_workspace_floats(const cn_conv2d *conv, int32_t pass, int64_t n, int32_t threads) {
  if (pass == CN_BACKWARD_WEIGHTS) {
    const winograd_weights_plan p = winograd_weights_plan_of(conv, n);
    return p.chunks * p.chunk_floats + threads * p.own_floats;
  }
  const winograd_plan p = winograd_plan_of(conv, pass, n, threads);
  return plan_floats(&p, conv, threads);
}

int64_t winograd_pool_floats(const cn_conv2d *conv, const cn_pool2d *pool, int64_t n,
                             int32_t threads) {
  const winograd_plan p = winograd_plan_with_pool(conv, pool, n, threads);
  return plan_floats(&p, conv, threads);
}
