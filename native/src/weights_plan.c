/* The plan of backward-weights. */
#include "conv_plan.h"

enum {
  PIXEL_FLOATS = 9 * 1024, /* x and dy of a block of pixels: 36 KiB, to fit the first-level cache */
  STEM_PIXEL_FLOATS = 32 * 1024, /* dy of a block of pixels of a stem: 128 KiB */
  PANEL_FLOATS = 40 * 1024,      /* dw of one panel: 160 KiB */
  CHUNK_OPERATIONS = 1000000,    /* work that justifies a separate partial sum */
  FETCH_FLOATS = 64 * 1024,      /* dw of at least 256 KiB is prefetched */
  STREAM_FLOATS = 4096 * 1024,   /* dw of at least 16 MiB uses non-temporal stores */
  ROW_TERMS = 256, /* longest merged row of pixels, because sums are split at its end */
};

/* Longer rows have less overhead, but more than ROW_TERMS pixels would be one long sum. */
static void merge_rows(conv_shape *s) {
  const int32_t pixels = s->y.h * s->y.w;
  int32_t w = min_i32(pixels, ROW_TERMS);
  while (pixels % w != 0) w--;
  if (w > s->y.w || (s->y.w > ROW_TERMS && w >= ROW_TERMS / 4)) shape_set_rows(s, pixels / w, w);
}

/*
 * A micro-kernel call for a pair of blocks of y and a block of x reads their pixels. The calls for
 * the other taps and channels read the same pixels, which should still be in the first-level cache.
 * A stem reads little of x, and has more columns.
 */
static void set_pixel_blocks(weights_plan *p, const conv_shape *s) {
  const int64_t dy_floats = min_i64(2, s->y_blocks) * s->yv.row;
  const int64_t rows =
      s->stem ? STEM_PIXEL_FLOATS / dy_floats : PIXEL_FLOATS / (s->xv.row + dy_floats);
  p->row_blocks = ceil_div(s->y.h, max_i64(1, min_i64(rows, s->y.h)));
  p->rows = ceil_div(s->y.h, p->row_blocks);
  p->images = 1;
  if (p->row_blocks == 1 && !p->packed) p->images = max_i64(1, min_i64(s->n, rows / s->y.h));
  p->image_blocks = ceil_div(s->n, p->images);
}

/* Size of a piece when `count` is divided into the fewest equal pieces of at most `most`. */
static int64_t equal_pieces(int64_t count, int64_t most) {
  return ceil_div(count, ceil_div(count, max_i64(1, most)));
}

/* Chooses panels of dw that stay in the second-level cache for all pixels. */
static void set_panels(weights_plan *p, const conv_shape *s) {
  const int64_t pair_floats = 2 * s->w_outer, pairs = ceil_div(s->y_blocks, 2);
  p->panel_blocks = s->stem ? s->x_blocks : equal_pieces(s->x_blocks, PANEL_FLOATS / pair_floats);
  p->panel_pairs = equal_pieces(pairs, PANEL_FLOATS / (pair_floats * p->panel_blocks));
  p->x_panels = ceil_div(s->x_blocks, p->panel_blocks);
  p->y_panels = ceil_div(pairs, p->panel_pairs);
  p->items = s->groups * p->y_panels * p->x_panels;
}

/* If there are few panels, the pixels are divided into chunks. Their number is a power of two,
 * which balances well for most thread counts, and each has enough work to make the cost of its
 * separate sum negligible. */
static int64_t chunk_count(const weights_plan *p, const conv_shape *s) {
  const double most = shape_operations(s) / CHUNK_OPERATIONS;
  int64_t chunks = 1;
  while (2 * chunks <= most && chunks * p->items < PARALLEL_ITEMS &&
         2 * chunks <= p->row_blocks * p->image_blocks)
    chunks *= 2;
  return chunks;
}

weights_plan weights_plan_of(const conv_shape *shape) {
  weights_plan p = {.shape = *shape};
  conv_shape *s = &p.shape;
  if (shape_rows_touch(s)) merge_rows(s);
  set_panels(&p, s);

  const int32_t high_y = (s->y.h - 1) * s->window.stride_h +
                         (s->window.kernel_h - 1) * s->window.dilation_h - s->window.pad_top;
  const int32_t high_x = (s->y.w - 1) * s->window.stride_w +
                         (s->window.kernel_w - 1) * s->window.dilation_w - s->window.pad_left;
  const int32_t reach = max_i32(max_i32(s->window.pad_top, high_y - (s->x.h - 1)),
                                max_i32(s->window.pad_left, high_x - (s->x.w - 1)));
  p.packed = reach > s->x.halo;
  set_pixel_blocks(&p, s);
  if (p.packed) {
    p.pack_rows =
        (p.rows - 1) * s->window.stride_h + (s->window.kernel_h - 1) * s->window.dilation_h + 1;
    p.pack_cols = (s->y.w - 1) * (int64_t)s->window.stride_w +
                  (s->window.kernel_w - 1) * s->window.dilation_w + 1;
    p.pack_floats = aligned_floats(p.panel_blocks * p.pack_rows * p.pack_cols * s->xv.pixel);
  }

  if (shape_is_narrow(s))
    p.transposed_floats = p.images * p.rows * NARROW_CHANNELS * blocks_of(s->y.w) * CN_BLOCK;
  p.chunks = chunk_count(&p, s);
  p.chunk_floats = shape_weight_floats(s) + s->groups * s->y_blocks * CN_BLOCK;
  if (p.row_blocks * p.image_blocks == 1 && s->y.w <= ROW_TERMS)
    p.dw_stores = shape_weight_floats(s) > STREAM_FLOATS  ? DW_STREAM
                  : shape_weight_floats(s) > FETCH_FLOATS ? DW_FETCH
                                                          : DW_CACHE;
  const int64_t panel_y = min_i64(2 * p.panel_pairs, s->y_blocks);
  const int64_t panel_floats = panel_y * (p.panel_blocks * s->w_outer + CN_BLOCK);
  if (p.chunks == 1) p.panel_floats = panel_floats;
  if (ceil_div(p.row_blocks * p.image_blocks, p.chunks) > SUM_BLOCKS)
    p.earlier_floats = panel_floats;
  return p;
}

int64_t weights_workspace_floats(const weights_plan *p, int32_t threads) {
  return (p->chunks > 1 ? p->chunks * p->chunk_floats : 0) +
         threads * (p->pack_floats + p->panel_floats + p->transposed_floats + p->earlier_floats);
}
