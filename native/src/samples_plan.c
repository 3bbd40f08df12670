/* The plan of backward-data with samples in the lanes. */
#include "conv_plan.h"

enum {
  SAMPLE_FLOATS = 256 * 1024,      /* preferred size of the gradients of 16 samples: 1 MiB */
  MOST_SAMPLE_FLOATS = 640 * 1024, /* and at most */
  SAMPLE_ITEMS = 4,                /* fewer items than this are divided into bands of rows */
};

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
  p.dx_cols = aligned_floats(conv->dx.w + p.margin * conv->window.stride_w);
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
