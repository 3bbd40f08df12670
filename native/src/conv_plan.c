/* The shape of a convolution, and the plan of its forward pass and of backward-data. */
#include "conv_plan.h"

enum {
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
};

conv_form conv_form_of(const cn_conv2d *conv) {
  const int32_t c = conv->x.c, k = conv->y.c, groups = conv->groups;
  if (conv->x.layout == CN_PLAIN) return FORM_STEM;
  if (groups == 1) return FORM_FULL;
  if (c / groups % CN_BLOCK == 0 && k / groups % CN_BLOCK == 0) return FORM_FULL;
  return c == groups && k == groups ? FORM_DEPTHWISE : FORM_OTHER;
}

/* ---- Shapes ---------------------------------------------------------------------------------- */

void shape_set_rows(conv_shape *s, int32_t h, int32_t w) {
  s->x.h = s->y.h = h;
  s->x.w = s->y.w = w;
  s->xv.row = w * s->xv.pixel;
  s->yv.row = w * s->yv.pixel;
}

bool shape_rows_touch(const conv_shape *s) {
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
  const cn_tensor x = {.c = linear->c, .h = 1, .w = (int32_t)n, .layout = CN_BLOCKED};
  const cn_tensor y = {.c = linear->outputs, .h = 1, .w = (int32_t)n, .layout = CN_BLOCKED};
  conv_shape s = conv_shape_of(&one, &x, &y, 1);
  s.spatial = (int64_t)linear->h * linear->w;
  s.x_blocks *= s.spatial;
  /* Rows that are multiples of 4 KiB apart would share cache sets. */
  s.w_block = (s.x_blocks + (s.x_blocks % 4 == 0)) * TAP;
  return s;
}

conv_shape plain_gradient_shape_of(const cn_conv2d *conv, int64_t n) {
  const cn_tensor block = {.c = conv->dx.c, .h = conv->dx.h, .w = conv->dx.w, .layout = CN_BLOCKED};
  conv_shape s = conv_shape_of(conv, &block, &conv->dy, n);
  s.plain_x = s.keep_rows = true;
  return s;
}

conv_shape shape_of_call(const conv_call *call) {
  const cn_conv2d *conv = call->conv;
  switch (call->pass) {
  case CN_BACKWARD_DATA:
    return conv_shape_of(conv, &conv->dx, &conv->dy, call->n);
  case CN_BACKWARD_WEIGHTS:
    return conv_shape_of(conv, &conv->x, &conv->dy, call->n);
  default:
    return conv_shape_of(conv, &conv->x, &conv->y, call->n);
  }
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

axis sweep_axis_y(const sweep *p, int32_t residue) {
  const conv_shape *s = &p->shape;
  return p->backward
             ? axis_backward(s->window.kernel_h, s->window.stride_h, s->window.dilation_h,
                             s->window.pad_top, s->x.h, residue)
             : axis_forward(s->window.kernel_h, s->window.dilation_h, s->window.pad_top, s->y.h);
}

axis sweep_axis_x(const sweep *p, int32_t residue) {
  const conv_shape *s = &p->shape;
  return p->backward
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

static int64_t modulo(int64_t a, int64_t m) { return (a % m + m) % m; }

/* The smallest x >= 0 with low <= a x mod m <= high, or -1; 0 <= a < m and 0 < low <= high < m.
 * Takes as many steps as Euclid's algorithm. */
static int64_t first_multiple(int64_t a, int64_t m, int64_t low, int64_t high) {
  if (a == 0) return -1;
  if (2 * a > m) return first_multiple(m - a, m, m - high, m - low);
  const int64_t first = ceil_div(low, a);
  if (first * a <= high) return first;
  /* No multiple of a is in low..high, so it takes y turns of m to come there. */
  const int64_t y = first_multiple(modulo(-m, a), a, low % a, high % a);
  return y < 0 ? -1 : ceil_div(low + m * y, a);
}

/* The smallest x >= 0 with (start + x step) mod stride < size, or -1. */
static int64_t first_residue(int64_t start, int64_t step, int64_t stride, int64_t size) {
  const int64_t residue = modulo(start, stride);
  if (residue < size) return 0;
  const int64_t low = stride - residue;
  return first_multiple(modulo(step, stride), stride, low, low + size - 1);
}

/*
 * The same for the taps of all residues; each tap belongs to one residue. The first and the last
 * tap whose residue has pixels reach farthest.
 */
static void widen_backward(int32_t kernel, int32_t stride, int32_t dilation, int32_t pad,
                           int32_t dst_size, int32_t src_size, int32_t *low, int32_t *high,
                           int32_t *halo) {
  const int32_t end = (kernel - 1) * dilation - pad;
  const int64_t first = first_residue(-pad, dilation, stride, dst_size);
  if (first < 0 || first >= kernel) return;
  const int64_t last = kernel - 1 - first_residue(end, -dilation, stride, dst_size);
  const int64_t offsets[] = {first * dilation - pad, last * dilation - pad};
  for (int i = 0; i < 2; i++) {
    const int64_t residue = modulo(offsets[i], stride);
    const axis tap = {.count = (int32_t)((dst_size - residue - 1) / stride + 1),
                      .taps = 1,
                      .src = (int32_t)((residue - offsets[i]) / stride)};
    widen(&tap, 1, src_size, low, high, halo);
  }
}

static void set_reach(sweep *p) {
  const conv_shape *s = &p->shape;
  if (p->backward) {
    widen_backward(s->window.kernel_h, s->window.stride_h, s->window.dilation_h, s->window.pad_top,
                   s->x.h, s->y.h, &p->low_y, &p->high_y, &p->halo);
    widen_backward(s->window.kernel_w, s->window.stride_w, s->window.dilation_w, s->window.pad_left,
                   s->x.w, s->y.w, &p->low_x, &p->high_x, &p->halo);
    return;
  }
  const axis y = sweep_axis_y(p, 0), x = sweep_axis_x(p, 0);
  widen(&y, p->src_stride_h, p->src.h, &p->low_y, &p->high_y, &p->halo);
  widen(&x, p->src_stride_w, p->src.w, &p->low_x, &p->high_x, &p->halo);
}

/* Floats of one row of the blocks of dst that a tile computes. */
static int64_t tile_row_floats(const sweep *p) {
  return min_i64(2, p->dst_blocks) * p->dst.w * CN_BLOCK;
}

/* The number of rows, in whole windows, that stay in cache until they are pooled. */
static int64_t pooled_rows(const sweep *p) {
  const int64_t multiple = p->shape.pooled_rows;
  const int64_t most = min_i64(p->rows, POOLED_FLOATS / tile_row_floats(p));
  if (most >= p->total_rows) return p->total_rows;
  return min_i64(p->total_rows, max_i64(1, most / multiple) * multiple);
}

/* The columns of a unit of one row: few enough for their source to fit the cache, and for enough
 * units to occupy the threads. */
static int64_t unit_columns(const sweep *p) {
  const int64_t most = SOURCE_FLOATS / (p->src_blocks * p->sv.pixel) / COLUMNS * COLUMNS;
  const int64_t others = p->n * p->groups * ceil_div(p->dst_blocks, 2);
  const int64_t pieces = max_i64(ceil_div(p->total_cols, min_i64(MOST_COLUMNS, max_i64(1, most))),
                                 ceil_div(PARALLEL_ITEMS, others));
  return min_i64(p->total_cols, ceil_div(ceil_div(p->total_cols, pieces), COLUMNS) * COLUMNS);
}

static void set_units(sweep *p) {
  const int64_t fit = SOURCE_FLOATS / (p->src_blocks * p->sv.row) / p->src_stride_h;
  p->rows = max_i64(1, min_i64(p->total_rows, fit));
  if (p->shape.pooled_rows > 0) p->rows = pooled_rows(p);
  p->row_units = ceil_div(p->total_rows, p->rows);
  if (p->shape.pooled_rows == 0) p->rows = ceil_div(p->total_rows, p->row_units);
  p->cols = p->total_cols;
  if (p->total_rows == 1 && p->dst.halo == 0 && !p->shape.keep_rows) p->cols = unit_columns(p);
  p->col_units = ceil_div(p->total_cols, p->cols);
  p->units = p->n * p->row_units * p->col_units;
  p->weights_outside = !p->shape.plain_x && shape_weight_floats(&p->shape) > WEIGHTS_FLOATS;
  p->chunk = p->src_blocks;
  if (p->weights_outside) {
    const int64_t unit = p->rows * p->cols * p->src_stride_h * p->src_stride_w * p->sv.pixel;
    const int64_t most = min_i64(SLAB_FLOATS / (2 * p->w_outer), CHUNK_SOURCE_FLOATS / unit);
    p->chunk = ceil_div(p->src_blocks, ceil_div(p->src_blocks, max_i64(1, most)));
    p->source_stays = p->n * p->sv.plane * p->chunk <= STAYING_FLOATS;
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
  if (shape_rows_touch(shape)) shape_set_rows(&merged, 1, shape->x.h * shape->x.w);
  sweep p = {.shape = merged,
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
  p.classes_h = min_i32(p.dst_stride_h, p.dst.h);
  p.classes_w = min_i32(p.dst_stride_w, p.dst.w);
  p.k = (int32_t)min_i64(CN_BLOCK, backward ? s->y_channels : s->x_channels);
  if (s->stem) p.k = s->window.kernel_w;
  if (s->plain_x) p.spread_floats = p.dv.plane + TAP;
  p.total_rows = ceil_div(p.dst.h, p.dst_stride_h);
  p.total_cols = ceil_div(p.dst.w, p.dst_stride_w);
  set_reach(&p);
  set_units(&p);
  if (shape->keep_rows) p.chunk = plain_sweep(shape, backward).chunk;
  p.packed = p.halo > p.src.halo;
  if (p.packed) {
    p.pack_rows = (p.rows - 1) * p.src_stride_h + p.high_y - p.low_y + 1;
    p.pack_cols = (p.cols - 1) * p.src_stride_w + p.high_x - p.low_x + 1;
    p.pack_floats = aligned_floats(p.chunk * p.pack_rows * p.pack_cols * p.sv.pixel);
  }
  if (p.shape.pooled_rows > 0) p.pool_floats = p.rows * tile_row_floats(&p);
  return p;
}

/* If windows overlap in rows or start in the padding, the whole image is computed at once. */
sweep sweep_with_pool(const cn_conv2d *conv, const cn_pool2d *pool, int64_t n) {
  conv_shape shape = conv_shape_of(conv, &conv->x, &conv->y, n);
  const bool apart = pool->window.kernel_h <= pool->window.stride_h && pool->window.pad_top == 0;
  shape.keep_rows = true;
  shape.pooled_rows = apart ? pool->window.stride_h : conv->y.h;
  sweep p = sweep_of(&shape, false);
  p.pools_narrow = shape_pools_narrow(&shape, pool, &pool->y);
  if (p.pools_narrow) p.pool_floats = 0;
  return p;
}

bool conv_pools(const cn_conv2d *conv, const cn_pool2d *pool) {
  const conv_form form = conv_form_of(conv);
  if (form != FORM_STEM && form != FORM_FULL) return false;
  const sweep p = sweep_with_pool(conv, pool, 1);
  /* Narrow rows are computed in pairs, which skip taps outside the image together. The bits are the
   * same only if the units are. */
  const bool same_pairs = p.dst.w > WIDEST_PAIR || p.rows == plain_sweep(&p.shape, false).rows;
  return same_pairs && p.chunk == p.src_blocks && p.pool_floats <= MOST_POOLED_FLOATS;
}

bool conv_pools_backward(const cn_conv2d *conv, const cn_pool2d *pool) {
  const conv_shape s = conv_shape_of(conv, &conv->x, &conv->dy, 1);
  return conv->algorithm == CN_DIRECT && shape_pools_narrow(&s, pool, &pool->dy);
}

/* Whether the epilogue works on whole rows of the image, so that rows must not be merged. */
static bool needs_rows(const conv_call *call) {
  if (call->pass == CN_BACKWARD_WEIGHTS) return false;
  return call_does(call, CN_ADD | CN_STATISTICS) ||
         (call_does(call, CN_SLOPE) && call->epilogue->activation.kind != CN_IDENTITY);
}

sweep sweep_of_call(const conv_call *call) {
  if (call_does(call, CN_POOL)) return sweep_with_pool(call->conv, call->epilogue->pool, call->n);
  conv_shape shape = shape_of_call(call);
  shape.keep_rows = needs_rows(call);
  return sweep_of(&shape, call->pass == CN_BACKWARD_DATA);
}

int64_t sweep_workspace_floats(const sweep *p, int32_t threads) {
  return (p->backward ? shape_weight_floats(&p->shape) : 0) +
         threads * (p->pack_floats + p->spread_floats + p->pool_floats);
}

/* ---- Weights and linear layers --------------------------------------------------------------- */

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

int64_t linear_weight_floats(const cn_linear *linear) {
  const conv_shape s = linear_shape_of(linear, 1);
  return shape_weight_floats(&s);
}

int64_t linear_workspace_floats(const cn_linear *linear, int32_t pass, int64_t n, int32_t threads) {
  const conv_shape s = linear_shape_of(linear, n);
  if (pass == CN_BACKWARD_WEIGHTS) {
    const weights_plan p = weights_plan_of(&s);
    return weights_workspace_floats(&p, threads);
  }
  /* dy and dx with samples in the lanes. */
  return pass == CN_BACKWARD_DATA ? blocks_of(n) * (s.y_blocks + s.x_blocks) * TAP : 0;
}
