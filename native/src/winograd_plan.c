#include "winograd_plan.h"

enum {
  NEAR_FLOATS = 640 * 1024, /* transformed filters that fit the second-level cache */
  TILE_FLOATS = 220 * 1024, /* transformed tiles of a unit, which must fit beside them: 880 KiB */
  FEWEST_NEAR = 42, /* fewest tiles in a unit that amortise reading the filters from cache */
  FEWEST_FAR = 112, /* and from beyond the second-level cache */
  MOST_TILES = 196,
  SUM_FLOATS =
      640 * 1024, /* sums of backward-weights: 2.5 MiB; larger ones are divided by points */
  SUM_SHARES = 4, /* and then into this many shares of the blocks of y */
  TERM_FLOATS = 400 * 1024, /* transformed tiles of x and dy: 1.6 MiB */
  FEWEST_TERMS = 128,       /* fewest tiles in a sum that amortise reading and writing the sums */
  MOST_TERMS = 256,
  FEWEST_CHUNKS =
      4, /* fewest chunks worth dividing the tiles for; otherwise sums are divided by points too */
  MOST_CHUNKS = 8,
};

bool winograd_fits(const cn_conv2d *conv) {
  return conv->window.kernel_h == 3 && conv->window.kernel_w == 3 && conv->window.stride_h == 1 &&
         conv->window.stride_w == 1 && conv->window.dilation_h == 1 &&
         conv->window.dilation_w == 1 && conv_form_of(conv) == FORM_FULL;
}

static int32_t tile_size(const cn_conv2d *conv) { return conv->algorithm == CN_WINOGRAD_4 ? 4 : 2; }

/* Planes are an odd number of cache lines apart. Otherwise the same position in all planes would
 * map to a few cache sets. */
static int64_t odd_lines(int64_t blocks) { return (blocks | 1) * CN_BLOCK; }

/*
 * As many rows of tiles as fit the cache, but enough units for the threads. If the filters exceed
 * the cache and there are few tiles, threads divide the filters among them instead. Neither changes
 * the order of a sum.
 */
static int64_t unit_rows(winograd_plan *p, int64_t n, int threads) {
  const int64_t tile_floats = p->points * (p->src_blocks + p->dst_blocks) * CN_BLOCK;
  const bool far = p->weights_floats > NEAR_FLOATS;
  const int64_t fewest = far ? FEWEST_FAR : FEWEST_NEAR;
  const int64_t tiles = min_i64(MOST_TILES, max_i64(fewest, TILE_FLOATS / tile_floats));
  const int64_t all = n * p->tile_rows;
  const int64_t units = ceil_div(all, max_i64(1, tiles / p->tile_cols));
  p->shares = 1;
  if (far && units < threads) {
    p->shares = min_i64(threads, ceil_div(p->dst_blocks, 2));
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
                     .offset_y = backward ? s.window.pad_top - 2 : -s.window.pad_top,
                     .offset_x = backward ? s.window.pad_left - 2 : -s.window.pad_left};
  p.k = (int32_t)min_i64(CN_BLOCK, backward ? s.y_channels : s.x_channels);
  p.tile_rows = ceil_div(p.dst.h, m);
  p.tile_cols = ceil_div(p.dst.w, m);
  p.weights_plane = odd_lines(p.dst_blocks * p.src_blocks * CN_BLOCK);
  p.weights_floats = p.groups * p.points * p.weights_plane;
  set_unit(&p, unit_rows(&p, n, threads), 1);
  return p;
}

/* If windows overlap in rows, or do not start at a row of tiles, units must be whole images. */
static winograd_plan winograd_plan_with_pool(const cn_conv2d *conv, const cn_pool2d *pool,
                                             int64_t n, int threads) {
  winograd_plan p = winograd_plan_of(conv, CN_FORWARD, n, threads);
  const bool apart = pool->window.kernel_h <= pool->window.stride_h && pool->window.pad_top == 0 &&
                     p.m % pool->window.stride_h == 0;
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
  const bool divided = sums > SUM_FLOATS || all_tiles < FEWEST_CHUNKS * FEWEST_TERMS;
  p.pairs_at_once = divided ? 1 : a / 2;
  p.pair_items = a / 2 / p.pairs_at_once;
  p.y_shares = divided ? min_i64(SUM_SHARES, ceil_div(s.y_blocks, 2)) : 1;
  p.items = p.pair_items * p.y_shares;
  p.chunks = 1;
  while (!divided && 2 * p.chunks <= min_i64(MOST_CHUNKS, all_tiles / FEWEST_TERMS) &&
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

winograd_plan winograd_plan_of_call(const conv_call *call) {
  const int threads = call->context->threads;
  return call_does(call, CN_POOL)
             ? winograd_plan_with_pool(call->conv, call->epilogue->pool, call->n, threads)
             : winograd_plan_of(call->conv, call->pass, call->n, threads);
}
