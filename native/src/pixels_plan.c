/* The plan of backward-data with pixels in the lanes. */
#include "conv_plan.h"

enum {
  BAND_FLOATS = 128 * 1024,      /* preferred size of the buffers: 512 KiB */
  MOST_BAND_FLOATS = 256 * 1024, /* and at most */
  BAND_OPERATIONS = 1000000,     /* work that justifies a band of its own */
  FEWEST_ITEMS = 4,              /* fewer items than this are divided, if there is enough work */
};

static void set_bands(pixels_plan *p, const cn_conv2d *conv, int64_t bands) {
  const int64_t filter = (int64_t)(conv->window.kernel_h - 1) * conv->window.dilation_h;
  p->rows = (int32_t)ceil_div(conv->dx.h, bands);
  p->bands = ceil_div(conv->dx.h, p->rows);
  p->dy_floats = min_i64(conv->dy.h, p->rows + filter) * p->dy_row;
  p->own_floats = p->dy_floats + p->rows * p->dx_row;
}

pixels_plan pixels_plan_of(const cn_conv2d *conv, int64_t n) {
  const conv_shape s = conv_shape_of(conv, &conv->dx, &conv->dy, n);
  const cn_window *window = &conv->window;
  pixels_plan p = {
      .y_blocks = s.y_blocks,
      .left = max_i64((int64_t)(window->kernel_w - 1) * window->dilation_w - window->pad_left, 0),
      .dx_cols = aligned_floats(conv->dx.w),
      .w_channel = s.stem ? s.w_outer : CN_BLOCK,
      .w_row = window->kernel_w * s.w_tap,
      .w_col = s.w_tap,
      .w_block = s.w_block,
      .k = (int32_t)min_i64(CN_BLOCK, s.y_channels)};
  p.dy_cols =
      aligned_floats(p.left + max_i64(p.dx_cols + window->pad_left, aligned_floats(conv->dy.w)));
  p.dy_row = p.dy_cols * CN_BLOCK;
  p.dx_row = conv->dx.c * p.dx_cols;
  const int64_t worthwhile = 1 + (int64_t)(shape_operations(&s) / (double)(n * BAND_OPERATIONS));
  int64_t low = min_i64(conv->dx.h, min_i64(worthwhile, ceil_div(FEWEST_ITEMS, n)));
  int64_t high = conv->dx.h; /* search for the smallest number of bands that fit */
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    set_bands(&p, conv, middle);
    if (p.own_floats <= BAND_FLOATS)
      high = middle;
    else
      low = middle + 1;
  }
  set_bands(&p, conv, low);
  return p;
}

/* With channels in the lanes, each pixel costs one vector; with pixels, 16 of them cost one for
 * each channel. The latter also computes what lies beyond the row, and transposes. */
bool pixels_fit(const cn_conv2d *conv, int64_t n) {
  const conv_form form = conv_form_of(conv);
  const bool lanes = form == FORM_STEM || (form == FORM_FULL && conv->groups == 1);
  if (!lanes || conv->dx.c > SAMPLE_CHANNELS) return false;
  if (conv->window.stride_h != 1 || conv->window.stride_w != 1) return false;
  if (5 * conv->dx.c * blocks_of(conv->dx.w) > 3 * (int64_t)conv->dx.w) return false;
  return pixels_plan_of(conv, n).own_floats <= MOST_BAND_FLOATS;
}
