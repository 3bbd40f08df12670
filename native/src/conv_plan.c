#include "conv_plan.h"

#include "depthwise_plan.h"

enum {
  TAP = CN_BLOCK * CN_BLOCK,   /* floats of one tap of packed weights */
  SOURCE_FLOATS = 64 * 1024,   /* source of a unit of a sweep: 256 KiB, in the second-level cache */
  WEIGHTS_FLOATS = 175 * 1024, /* up to 700 KiB of weights stay in cache for all units */
  SLAB_FLOATS = 78 * 1024,     /* otherwise weights are processed in slabs of about 310 KiB */
  CHUNK_SOURCE_FLOATS = 64 * 1024,
  STAYING_FLOATS = 128 * 1024,     /* a source of up to 512 KiB also stays in cache */
  POOLED_FLOATS = 64 * 1024,       /* preferred size of rows before pooling: 256 KiB */
  MOST_POOLED_FLOATS = 128 * 1024, /* and at most */
  WIDEST_PAIR = 8,                 /* no tile is wider than two rows of this width */
  COLUMNS = 168, /* fewest columns of a unit of one row, a multiple of every tile width */
  MOST_COLUMNS = 5 * COLUMNS, /* most columns of such a unit */
  PIXEL_FLOATS = 9 * 1024, /* x and dy of a block of pixels: 36 KiB, to fit the first-level cache */
  STEM_PIXEL_FLOATS = 32 * 1024,   /* dy of a block of pixels of a stem: 128 KiB */
  TILE_FLOATS = 40 * 1024,         /* dw of one tile: 160 KiB */
  PARALLEL_ITEMS = 16,             /* fewest items to offer the threads, if there is enough work */
  CHUNK_OPERATIONS = 1000000,      /* work that justifies a separate partial sum */
  FETCH_FLOATS = 64 * 1024,        /* dw of at least 256 KiB is prefetched */
  STREAM_FLOATS = 4096 * 1024,     /* dw of at least 16 MiB uses non-temporal stores */
  SAMPLE_FLOATS = 256 * 1024,      /* preferred size of the gradients of 16 samples: 1 MiB */
  MOST_SAMPLE_FLOATS = 640 * 1024, /* and at most */
  SAMPLE_ITEMS = 4,                /* fewer items than this are divided into bands of rows */
  ROW_TERMS = 256, /* longest merged row of pixels, because sums are split at its end */
};

/* Rounds up to 64 bytes, to align what follows. */
static int64_t aligned(int64_t floats) { return ceil_div(floats, CN_BLOCK) * CN_BLOCK; }

conv_form conv_form_of(const cn_conv2d *conv) {
  const int32_t c = conv->x.c, k = conv->y.c, groups = conv->groups;
  if (conv->x.layout == CN_PLAIN) return FORM_STEM;
  if (groups == 1) return FORM_FULL;
  if (c / groups % CN_BLOCK == 0 && k / groups % CN_BLOCK == 0) return FORM_FULL;
  return c == groups && k == groups ? FORM_DEPTHWISE : FORM_OTHER;
}

/* ---- Shapes ---------------------------------------------------------------------------------- */

/* Treats h w contiguous pixels as h rows of w. */
static void set_rows(conv_shape *s, int32_t h, int32_t w) {
  s->x.h = s->y.h = h;
  s->x.w = s->y.w = w;
  s->xv.row = w * s->xv.pixel;
  s->yv.row = w * s->yv.pixel;
}

/* Whether a 1x1 convolution may treat all pixels as one row, because rows are contiguous. */
static bool rows_touch(const conv_shape *s) {
  return !s->stem && !s->keep_rows && s->window.kernel_h == 1 && s->window.kernel_w == 1 &&
         s->window.stride_h == 1 && s->window.stride_w == 1 && s->window.pad_top == 0 &&
         s->window.pad_left == 0 && s->x.halo == 0 && s->y.halo == 0 && s->x.h == s->y.h &&
         s->x.w == s->y.w;
}

conv_shape conv_shape_of(const cn_conv2d *conv, const cn_tensor *x, const cn_tensor *y, int64_t n) {
  conv_shape s = {.x = *x,
                  .y = *y,
                  .xv = view_of(x, n),
                  .yv = view_of(y, n),
                  .n = n,
                  .window = conv->window,
                  .groups = conv->groups,
                  .x_channels = x->c / conv->groups,
                  .y_channels = y->c / conv->groups,
                  .spatial = 1,
                  .stem = x->layout == CN_PLAIN};
  s.x_blocks = s.stem ? x->c : blocks_of(s.x_channels);
  s.y_blocks = blocks_of(s.y_channels);
  s.w_tap = s.stem ? CN_BLOCK : TAP;
  s.w_outer = s.window.kernel_h * s.window.kernel_w * s.w_tap;
  s.w_block = s.x_blocks * s.w_outer;
  return s;
}

conv_shape linear_shape_of(const cn_linear *linear, int64_t n) {
  const cn_conv2d one = {.window = {1, 1, 1, 1, 0, 0, 0, 0, 1, 1}, .groups = 1};
  const cn_tensor x = {linear->c, 1, (int32_t)n, 0, CN_BLOCKED, 0};
  const cn_tensor y = {linear->outputs, 1, (int32_t)n, 0, CN_BLOCKED, 0};
  conv_shape s = conv_shape_of(&one, &x, &y, 1);
  s.spatial = (int64_t)linear->h * linear->w;
  s.x_blocks *= s.spatial;
  /* Rows that are multiples of 4 KiB apart would share cache sets. */
  s.w_block = (s.x_blocks + (s.x_blocks % 4 == 0)) * TAP;
  return s;
}

conv_shape plain_gradient_shape_of(const cn_conv2d *conv, int64_t n) {
  const cn_tensor block = {conv->dx.c, conv->dx.h, conv->dx.w, 0, CN_BLOCKED, 0};
  conv_shape s = conv_shape_of(conv, &block, &conv->dy, n);
  s.plain_x = s.keep_rows = true;
  return s;
}

double shape_operations(const conv_shape *s) {
  const int64_t lanes = s->stem ? 1 : min_i64(s->x_channels, CN_BLOCK);
  return 2.0 * (double)(s->n * s->y.h * s->y.w) *
         (double)(s->groups * s->y_channels * s->x_blocks * lanes * s->window.kernel_h *
                  s->window.kernel_w);
}

/* ---- Forward and backward-data --------------------------------------------------------------- */

axis axis_forward(int32_t kernel, int32_t dilation, int32_t pad, int32_t count) {
  return (axis){
      .count = count, .taps = kernel, .src = -pad, .src_tap = dilation, .tap = 0, .tap_step = 1};
}

/* The greatest common divisor of a and b, and a factor with factor * a = divisor modulo b. */
static int64_t divisor_of(int64_t a, int64_t b, int64_t *factor) {
  int64_t next = 0;
  *factor = 1;
  while (b != 0) {
    const int64_t quotient = a / b, rest = a % b, last = *factor - quotient * next;
    *factor = next;
    next = last;
    a = b;
    b = rest;
  }
  return a;
}

/*
 * Filter row r contributes to dst pixel p = residue + t stride from src pixel (p + pad - r
 * dilation) / stride, if that is a whole number. These r form an arithmetic progression; each of
 * its steps moves back by a fixed number of src pixels.
 */
axis axis_backward(int32_t kernel, int32_t stride, int32_t dilation, int32_t pad, int32_t size,
                   int32_t residue) {
  int64_t factor;
  const int32_t divisor = (int32_t)divisor_of(dilation, stride, &factor), step = stride / divisor;
  axis a = {.dst = residue,
            .count = residue < size ? (size - residue - 1) / stride + 1 : 0,
            .src_tap = -(dilation / divisor),
            .tap_step = step};
  if ((residue + pad) % divisor != 0) return a;
  const int64_t r = ((residue + pad) / divisor % step * (factor % step) % step + step) % step;
  if (r < kernel) {
    a.tap = (int32_t)r;
    a.taps = (kernel - a.tap - 1) / step + 1;
    a.src = (residue + pad - a.tap * dilation) / stride;
  }
  return a;
}

axis sweep_axis_y(const sweep *w, int32_t residue) {
  const conv_shape *s = &w->shape;
  return w->backward
             ? axis_backward(s->window.kernel_h, s->window.stride_h, s->window.dilation_h,
                             s->window.pad_top, s->x.h, residue)
             : axis_forward(s->window.kernel_h, s->window.dilation_h, s->window.pad_top, s->y.h);
}

axis sweep_axis_x(const sweep *w, int32_t residue) {
  const conv_shape *s = &w->shape;
  return w->backward
             ? axis_backward(s->window.kernel_w, s->window.stride_w, s->window.dilation_w,
                             s->window.pad_left, s->x.w, residue)
             : axis_forward(s->window.kernel_w, s->window.dilation_w, s->window.pad_left, s->y.w);
}

/* Extends [low, high] by the taps of an axis, and the halo by the source pixels outside 0..size -
 * 1. */
static void widen(const axis *a, int32_t src_stride, int32_t size, int32_t *low, int32_t *high,
                  int32_t *halo) {
  if (a->taps == 0 || a->count == 0) return;
  const int32_t end = a->src + (a->taps - 1) * a->src_tap;
  const int32_t first = min_i32(a->src, end), last = max_i32(a->src, end);
  *low = min_i32(*low, first);
  *high = max_i32(*high, last);
  *halo = max_i32(*halo, max_i32(-first, (a->count - 1) * src_stride + last - (size - 1)));
}

/* The same for the taps of all residues; each tap belongs to one residue. */
static void widen_backward(int32_t kernel, int32_t stride, int32_t dilation, int32_t pad,
                           int32_t dst_size, int32_t src_size, int32_t *low, int32_t *high,
                           int32_t *halo) {
  for (int32_t r = 0; r < kernel; r++) {
    const int32_t offset = r * dilation - pad;
    const int32_t residue = (offset % stride + stride) % stride;
    if (residue >= dst_size) continue;
    const axis tap = {.count = (dst_size - residue - 1) / stride + 1,
                      .taps = 1,
                      .src = (residue - offset) / stride};
    widen(&tap, 1, src_size, low, high, halo);
  }
}

static void set_reach(sweep *w) {
  const conv_shape *s = &w->shape;
  if (w->backward) {
    widen_backward(s->window.kernel_h, s->window.stride_h, s->window.dilation_h, s->window.pad_top,
                   s->x.h, s->y.h, &w->low_y, &w->high_y, &w->halo);
    widen_backward(s->window.kernel_w, s->window.stride_w, s->window.dilation_w, s->window.pad_left,
                   s->x.w, s->y.w, &w->low_x, &w->high_x, &w->halo);
    return;
  }
  const axis y = sweep_axis_y(w, 0), x = sweep_axis_x(w, 0);
  widen(&y, w->src_stride_h, w->src.h, &w->low_y, &w->high_y, &w->halo);
  widen(&x, w->src_stride_w, w->src.w, &w->low_x, &w->high_x, &w->halo);
}

/* Floats of one row of the blocks of dst that a tile computes. */
static int64_t tile_row_floats(const sweep *w) {
  return min_i64(2, w->dst_blocks) * w->dst.w * CN_BLOCK;
}

/* The number of rows, in whole windows, that stay in cache until they are pooled. */
static int64_t pooled_rows(const sweep *w) {
  const int64_t multiple = w->shape.pooled_rows;
  const int64_t most = min_i64(w->rows, POOLED_FLOATS / tile_row_floats(w));
  if (most >= w->total_rows) return w->total_rows;
  return min_i64(w->total_rows, max_i64(1, most / multiple) * multiple);
}

/* The columns of a unit of one row: few enough for their source to fit the cache, and for enough
 * units to occupy the threads. */
static int64_t unit_columns(const sweep *w) {
  const int64_t most = SOURCE_FLOATS / (w->src_blocks * w->sv.pixel) / COLUMNS * COLUMNS;
  const int64_t others = w->n * w->groups * ceil_div(w->dst_blocks, 2);
  const int64_t pieces = max_i64(ceil_div(w->total_cols, min_i64(MOST_COLUMNS, max_i64(1, most))),
                                 ceil_div(PARALLEL_ITEMS, others));
  return min_i64(w->total_cols, ceil_div(ceil_div(w->total_cols, pieces), COLUMNS) * COLUMNS);
}

static void set_units(sweep *w) {
  const int64_t fit = SOURCE_FLOATS / (w->src_blocks * w->sv.row) / w->src_stride_h;
  w->rows = max_i64(1, min_i64(w->total_rows, fit));
  if (w->shape.pooled_rows > 0) w->rows = pooled_rows(w);
  w->row_units = ceil_div(w->total_rows, w->rows);
  if (w->shape.pooled_rows == 0) w->rows = ceil_div(w->total_rows, w->row_units);
  w->cols = w->total_cols;
  if (w->total_rows == 1 && w->dst.halo == 0 && !w->shape.keep_rows) w->cols = unit_columns(w);
  w->col_units = ceil_div(w->total_cols, w->cols);
  w->units = w->n * w->row_units * w->col_units;
  w->weights_outside = !w->shape.plain_x && shape_weight_floats(&w->shape) > WEIGHTS_FLOATS;
  w->chunk = w->src_blocks;
  if (w->weights_outside) {
    const int64_t unit = w->rows * w->cols * w->src_stride_h * w->src_stride_w * w->sv.pixel;
    const int64_t most = min_i64(SLAB_FLOATS / (2 * w->w_outer), CHUNK_SOURCE_FLOATS / unit);
    w->chunk = ceil_div(w->src_blocks, ceil_div(w->src_blocks, max_i64(1, most)));
    w->source_stays = w->n * w->sv.plane * w->chunk <= STAYING_FLOATS;
  }
}

/* The sweep without fused operations. Fused operations must not change the bits of a sum, so they
 * use the chunks of this sweep. */
static sweep plain_sweep(const conv_shape *shape, bool backward) {
  conv_shape plain = *shape;
  plain.keep_rows = false;
  plain.pooled_rows = 0;
  return sweep_of(&plain, backward);
}

sweep sweep_of(const conv_shape *shape, bool backward) {
  conv_shape merged = *shape;
  const conv_shape *s = &merged;
  if (rows_touch(shape)) set_rows(&merged, 1, shape->x.h * shape->x.w);
  sweep w = {.shape = merged,
             .backward = backward,
             .src = backward ? s->y : s->x,
             .dst = backward ? s->x : s->y,
             .sv = backward ? s->yv : s->xv,
             .dv = backward ? s->xv : s->yv,
             .n = s->n,
             .groups = s->groups,
             .src_blocks = backward ? s->y_blocks : s->x_blocks,
             .dst_blocks = backward ? s->x_blocks : s->y_blocks,
             .dst_channels = backward ? s->x_channels : s->y_channels,
             .w_outer = s->w_outer,
             .w_block = backward ? s->y_blocks * s->w_outer : s->w_block,
             .src_stride_h = backward ? 1 : s->window.stride_h,
             .src_stride_w = backward ? 1 : s->window.stride_w,
             .dst_stride_h = backward ? s->window.stride_h : 1,
             .dst_stride_w = backward ? s->window.stride_w : 1};
  w.classes_h = min_i32(w.dst_stride_h, w.dst.h);
  w.classes_w = min_i32(w.dst_stride_w, w.dst.w);
  w.k = (int32_t)min_i64(CN_BLOCK, backward ? s->y_channels : s->x_channels);
  if (s->stem) w.k = s->window.kernel_w;
  if (s->plain_x) w.spread_floats = w.dv.plane + TAP;
  w.total_rows = ceil_div(w.dst.h, w.dst_stride_h);
  w.total_cols = ceil_div(w.dst.w, w.dst_stride_w);
  set_reach(&w);
  set_units(&w);
  if (shape->keep_rows) w.chunk = plain_sweep(shape, backward).chunk;
  w.packed = w.halo > w.src.halo;
  if (w.packed) {
    w.pack_rows = (w.rows - 1) * w.src_stride_h + w.high_y - w.low_y + 1;
    w.pack_cols = (w.cols - 1) * w.src_stride_w + w.high_x - w.low_x + 1;
    w.pack_floats = aligned(w.chunk * w.pack_rows * w.pack_cols * w.sv.pixel);
  }
  if (w.shape.pooled_rows > 0) w.pool_floats = w.rows * tile_row_floats(&w);
  return w;
}

/* If windows overlap in rows or start in the padding, the whole image is computed at once. */
sweep sweep_with_pool(const cn_conv2d *conv, const cn_pool2d *pool, int64_t n) {
  conv_shape shape = conv_shape_of(conv, &conv->x, &conv->y, n);
  const bool apart = pool->window.kernel_h <= pool->window.stride_h && pool->window.pad_top == 0;
  shape.keep_rows = true;
  shape.pooled_rows = apart ? pool->window.stride_h : conv->y.h;
  sweep w = sweep_of(&shape, false);
  w.pools_narrow = shape_pools_narrow(&shape, pool, &pool->y);
  if (w.pools_narrow) w.pool_floats = 0;
  return w;
}

bool conv_pools(const cn_conv2d *conv, const cn_pool2d *pool) {
  const conv_form form = conv_form_of(conv);
  if (form != FORM_STEM && form != FORM_FULL) return false;
  const sweep w = sweep_with_pool(conv, pool, 1);
  /* Narrow rows are computed in pairs, which skip taps outside the image together. The bits are the
   * same only if the units are. */
  const bool same_pairs = w.dst.w > WIDEST_PAIR || w.rows == plain_sweep(&w.shape, false).rows;
  return same_pairs && w.chunk == w.src_blocks && w.pool_floats <= MOST_POOLED_FLOATS;
}

bool conv_pools_backward(const cn_conv2d *conv, const cn_pool2d *pool) {
  const conv_shape s = conv_shape_of(conv, &conv->x, &conv->dy, 1);
  return conv->algorithm == CN_DIRECT && shape_pools_narrow(&s, pool, &pool->dy);
}

/* ---- Backward-data with samples in the lanes ------------------------------------------------- */

/* Upper bound for the rows of dy that contribute to `rows` rows of dx. */
static int64_t rows_below(const cn_conv2d *conv, int64_t rows) {
  const int64_t filter = (int64_t)(conv->window.kernel_h - 1) * conv->window.dilation_h;
  return min_i64(conv->dy.h, ceil_div(rows + filter, conv->window.stride_h) + 1);
}

static void set_bands(samples_plan *p, const cn_conv2d *conv, int64_t rows) {
  p->rows = (int32_t)rows;
  p->dy_floats = rows_below(conv, rows) * p->dy_row;
  p->own_floats = p->dy_floats + rows * p->dx_row;
}

/* As many rows as fit the second-level cache with their operands; fewer if there would be too few
 * items for the threads. */
samples_plan samples_plan_of(const cn_conv2d *conv, int64_t n) {
  const conv_shape s = conv_shape_of(conv, &conv->dx, &conv->dy, n);
  const int32_t last =
      (conv->dx.w - 1 + conv->window.pad_left) / conv->window.stride_w; /* column of dy */
  samples_plan p = {.y_blocks = s.y_blocks,
                    .margin = min_i32(SAMPLE_PIXELS, MOST_SAMPLE_SUMS / conv->dx.c) - 1,
                    .w_channel = s.stem ? s.w_outer : CN_BLOCK,
                    .w_row = s.window.kernel_w * s.w_tap,
                    .w_col = s.w_tap,
                    .w_block = s.w_block,
                    .k = (int32_t)min_i64(CN_BLOCK, s.y_channels)};
  p.zeros = min_i32(p.margin, max_i32((conv->window.kernel_w - 1) * conv->window.dilation_w,
                                      last - conv->dy.w + 1));
  p.dy_row = ((int64_t)conv->dy.w + 2 * p.margin) * TAP;
  p.dx_cols = aligned(conv->dx.w + p.margin * conv->window.stride_w);
  p.dx_row = conv->dx.c * p.dx_cols * CN_BLOCK;
  const int64_t stride = conv->window.stride_h, steps = ceil_div(conv->dx.h, stride);
  const int64_t least = min_i64(steps, ceil_div(SAMPLE_ITEMS, ceil_div(n, CN_BLOCK)));
  int64_t low = least, high = steps; /* search for the smallest number of bands that fit */
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    set_bands(&p, conv, ceil_div(steps, middle) * stride);
    if (p.own_floats <= SAMPLE_FLOATS)
      high = middle;
    else
      low = middle + 1;
  }
  set_bands(&p, conv, ceil_div(steps, low) * stride);
  p.bands = ceil_div(conv->dx.h, p.rows);
  return p;
}

bool samples_fit(const cn_conv2d *conv, int64_t n) {
  const conv_form form = conv_form_of(conv);
  const bool lanes = form == FORM_STEM || (form == FORM_FULL && conv->groups == 1);
  if (!lanes || conv->dx.c > SAMPLE_CHANNELS || n < CN_BLOCK) return false;
  return samples_plan_of(conv, n).own_floats <= MOST_SAMPLE_FLOATS;
}

/* ---- Backward-weights ------------------------------------------------------------------------ */

/* Longer rows have less overhead, but more than ROW_TERMS pixels would be one long sum. */
static void merge_rows(conv_shape *s) {
  const int32_t pixels = s->y.h * s->y.w;
  int32_t w = min_i32(pixels, ROW_TERMS);
  while (pixels % w != 0) w--;
  if (w > s->y.w || (s->y.w > ROW_TERMS && w >= ROW_TERMS / 4)) set_rows(s, pixels / w, w);
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

/* Chooses tiles of dw that stay in the second-level cache for all pixels. */
static void set_tiles(weights_plan *p, const conv_shape *s) {
  const int64_t pair_floats = 2 * s->w_outer, pairs = ceil_div(s->y_blocks, 2);
  p->tile_blocks = s->stem ? s->x_blocks : equal_pieces(s->x_blocks, TILE_FLOATS / pair_floats);
  p->tile_pairs = equal_pieces(pairs, TILE_FLOATS / (pair_floats * p->tile_blocks));
  p->x_tiles = ceil_div(s->x_blocks, p->tile_blocks);
  p->y_tiles = ceil_div(pairs, p->tile_pairs);
  p->items = s->groups * p->y_tiles * p->x_tiles;
}

/* If there are few tiles, the pixels are divided into chunks. Their number is a power of two, which
 * balances well for most thread counts, and each has enough work to make the cost of its separate
 * sum negligible. */
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
  if (rows_touch(s)) merge_rows(s);
  set_tiles(&p, s);

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
    p.pack_floats = aligned(p.tile_blocks * p.pack_rows * p.pack_cols * s->xv.pixel);
  }

  if (shape_is_narrow(s))
    p.transposed_floats = p.images * p.rows * NARROW_CHANNELS * blocks_of(s->y.w) * CN_BLOCK;
  p.chunks = chunk_count(&p, s);
  p.chunk_floats = shape_weight_floats(s) + s->groups * s->y_blocks * CN_BLOCK;
  if (p.row_blocks * p.image_blocks == 1 && s->y.w <= ROW_TERMS)
    p.dw_stores = shape_weight_floats(s) > STREAM_FLOATS  ? DW_STREAM
                  : shape_weight_floats(s) > FETCH_FLOATS ? DW_FETCH
                                                          : DW_CACHE;
  const int64_t tile_y = min_i64(2 * p.tile_pairs, s->y_blocks);
  const int64_t tile_floats = tile_y * (p.tile_blocks * s->w_outer + CN_BLOCK);
  if (p.chunks == 1) p.tile_floats = tile_floats;
  if (ceil_div(p.row_blocks * p.image_blocks, p.chunks) > SUM_BLOCKS)
    p.earlier_floats = tile_floats;
  return p;
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

int64_t conv_weight_floats(const cn_conv2d *conv) {
  const int64_t taps = (int64_t)conv->window.kernel_h * conv->window.kernel_w;
  switch (conv_form_of(conv)) {
  case FORM_DEPTHWISE:
    return blocks_of(conv->x.c) * taps * CN_BLOCK;
  case FORM_OTHER:
    return (int64_t)conv->y.c * (conv->x.c / conv->groups) * taps;
  default:
    break;
  }
  const conv_shape s = conv_shape_of(conv, &conv->x, &conv->y, 1);
  return shape_weight_floats(&s);
}

/* Per-thread buffers of a sweep. A row may be divided into columns unless a tail needs whole rows;
 * the size allows for that case. */
static int64_t own_floats(const conv_shape *shape, bool backward) {
  sweep w = sweep_of(shape, backward);
  if (w.packed && w.col_units > 1) {
    conv_shape whole = *shape;
    whole.keep_rows = true;
    w = sweep_of(&whole, backward);
  }
  return w.pack_floats + w.spread_floats;
}

static int64_t backward_weights_floats(const conv_shape *s, int32_t threads) {
  const weights_plan p = weights_plan_of(s);
  return (p.chunks > 1 ? p.chunks * p.chunk_floats : 0) +
         threads * (p.pack_floats + p.tile_floats + p.transposed_floats + p.earlier_floats);
}

int64_t conv_workspace_floats(const cn_conv2d *conv, int32_t pass, int64_t n, int32_t threads) {
  const conv_form form = conv_form_of(conv);
  if (form == FORM_OTHER) return 0;
  if (form == FORM_DEPTHWISE) {
    const depthwise_plan p = depthwise_plan_of(conv, pass, n);
    return depthwise_workspace_floats(&p, threads);
  }
  if (pass == CN_FORWARD) {
    const conv_shape s = conv_shape_of(conv, &conv->x, &conv->y, n);
    return threads * own_floats(&s, false);
  }
  if (pass == CN_BACKWARD_WEIGHTS) {
    const conv_shape s = conv_shape_of(conv, &conv->x, &conv->dy, n);
    return backward_weights_floats(&s, threads);
  }
  if (samples_fit(conv, n)) return threads * samples_plan_of(conv, n).own_floats;
  const conv_shape s = form == FORM_STEM ? plain_gradient_shape_of(conv, n)
                                         : conv_shape_of(conv, &conv->dx, &conv->dy, n);
  return shape_weight_floats(&s) + threads * own_floats(&s, true);
}

int64_t linear_weight_floats(const cn_linear *linear) {
  const conv_shape s = linear_shape_of(linear, 1);
  return shape_weight_floats(&s);
}

int64_t linear_workspace_floats(const cn_linear *linear, int32_t pass, int64_t n, int32_t threads) {
  const conv_shape s = linear_shape_of(linear, n);
  if (pass == CN_BACKWARD_WEIGHTS) return backward_weights_floats(&s, threads);
  /* dy and dx with samples in the lanes. */
  return pass == CN_BACKWARD_DATA ? blocks_of(n) * (s.y_blocks + s.x_blocks) * TAP : 0;
}
