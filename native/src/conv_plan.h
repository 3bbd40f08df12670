/*
 * How a convolution is divided into loops around the micro-kernel. The plan depends on shapes only,
 * and so is the same for every instruction set and thread count. Kernels and workspace queries both
 * use it.
 */
#ifndef CN_CONV_PLAN_H
#define CN_CONV_PLAN_H

#include "conv_call.h"

enum {
  TAP = CN_BLOCK * CN_BLOCK, /* floats of one tap of packed weights */
  PARALLEL_ITEMS = 16,       /* fewest items to offer the threads, if there is enough work */
  SUM_TERMS = 288,           /* most terms of a partial sum before it is added to others */
  SUM_BLOCKS = 64,           /* most blocks of pixels accumulated before adding to earlier sums */
};

/* convnet.h describes the forms. Grouped is FORM_FULL with groups > 1. */
typedef enum conv_form { FORM_STEM, FORM_FULL, FORM_DEPTHWISE, FORM_OTHER } conv_form;

conv_form conv_form_of(const cn_conv2d *conv);

/* Rounds up to 64 bytes, to align what follows. */
static inline int64_t aligned_floats(int64_t floats) {
  return ceil_div(floats, CN_BLOCK) * CN_BLOCK;
}

/*
 * A convolution, or a linear layer as the 1x1 convolution of one image whose pixels are the
 * samples. Blocks, channels and strides of the weights are those of one group.
 */
typedef struct conv_shape {
  cn_tensor x, y;
  view xv, yv;
  int64_t n;
  cn_window window;
  int64_t groups;
  int64_t x_channels, y_channels;
  int64_t x_blocks, y_blocks; /* stem: x_blocks counts planes of one channel */
  int64_t spatial; /* feature blocks per block of channels: h w of a flattened tensor, else 1 */
  int64_t w_tap, w_outer, w_block; /* strides between taps, blocks of x and blocks of y */
  bool stem;
  bool plain_x;   /* backward-data of a stem: dx is a block of channels, then spread over planes */
  bool keep_rows; /* a tail works on whole rows of the image, so rows must not be merged */
  int64_t pooled_rows; /* fused pooling: units are multiples of this many rows; else 0 */
} conv_shape;

/* x and y are the tensors of the pass: the gradients where it reads or writes gradients. */
conv_shape conv_shape_of(const cn_conv2d *conv, const cn_tensor *x, const cn_tensor *y, int64_t n);
conv_shape linear_shape_of(const cn_linear *linear, int64_t n);

/* Backward-data of a stem, as if dx were CN_BLOCKED. */
conv_shape plain_gradient_shape_of(const cn_conv2d *conv, int64_t n);

/* The shape of a call, from the tensors of its pass. */
conv_shape shape_of_call(const conv_call *call);

/* Whether a 1x1 convolution may treat all pixels as one row, because rows are contiguous.
 * shape_set_rows treats h w contiguous pixels as h rows of w. */
bool shape_rows_touch(const conv_shape *s);
void shape_set_rows(conv_shape *s, int32_t h, int32_t w);

static inline int64_t shape_weight_floats(const conv_shape *s) {
  return s->groups * s->y_blocks * s->w_block;
}
double shape_operations(const conv_shape *s);

enum { NARROW_CHANNELS = 8 };

/* Whether a stem has so few filters that narrow.c computes it, with pixels in the lanes. Its sums
 * are short. */
static inline bool shape_is_narrow(const conv_shape *s) {
  return s->stem && s->window.stride_w == 1 && s->y_channels <= NARROW_CHANNELS &&
         s->x_channels * s->window.kernel_h * s->window.kernel_w <= SUM_TERMS;
}

/* Whether narrow.c also computes this max pool behind the stem; pooled is the tensor of the pool
 * that the pass works with, y or dy. */
static inline bool shape_pools_narrow(const conv_shape *s, const cn_pool2d *p,
                                      const cn_tensor *pooled) {
  return shape_is_narrow(s) && p->kind == CN_POOL_MAX && p->window.kernel_h == 2 &&
         p->window.kernel_w == 2 && p->window.stride_h == 2 && p->window.stride_w == 2 &&
         p->window.pad_top == 0 && p->window.pad_left == 0 && 2 * pooled->h <= s->y.h &&
         2 * pooled->w <= s->y.w;
}

/* Channels in block `block` of x, which may be flattened. */
static inline int64_t x_lanes(const conv_shape *s, int64_t block) {
  return lanes_of(s->x_channels, block / s->spatial);
}

/*
 * One axis of a sum over taps. Destination pixel dst + t stride uses, for each tap i < taps, source
 * pixel t src_stride + src + i src_tap with filter row (or column) tap + i tap_step. Backward-data
 * with a stride splits into one such sum per residue of the destination pixel modulo the stride.
 */
typedef struct axis {
  int32_t dst, count; /* first destination pixel, and their number */
  int32_t taps, src, src_tap, tap, tap_step;
} axis;

axis axis_forward(int32_t kernel, int32_t dilation, int32_t pad, int32_t count);
axis axis_backward(int32_t kernel, int32_t stride, int32_t dilation, int32_t pad, int32_t size,
                   int32_t residue);

/*
 * Forward (src = x, dst = y) or backward-data (src = dy, dst = dx, transposed weights). Destination
 * pixels are divided into units of rows (or of columns, if there is only one row), source blocks
 * into chunks.
 */
typedef struct sweep {
  conv_shape shape;
  bool backward;
  cn_tensor src, dst;
  view sv, dv;
  int64_t n, groups;
  int64_t src_blocks, dst_blocks, dst_channels;
  int64_t w_outer, w_block; /* strides between blocks of src and of dst */
  int32_t k;                /* terms kk of one micro-kernel iteration */
  int32_t src_stride_h, src_stride_w, dst_stride_h, dst_stride_w;
  int32_t classes_h, classes_w;   /* residues that have pixels */
  int64_t total_rows, total_cols; /* positions t of the longest residue */
  int64_t rows, cols, row_units, col_units, units;
  int64_t chunk;
  bool weights_outside; /* weights exceed the cache: the outer loop is over blocks of dst */
  bool source_stays; /* in that case: a chunk of src for all units stays in cache for all weights */
  /*
   * Range of the taps around t src_stride, and the size of the packed copy if it exceeds the halo.
   */
  int32_t low_y, high_y, low_x, high_x, halo;
  bool packed;
  int64_t pack_rows, pack_cols, pack_floats;
  int64_t spread_floats; /* per-thread block of dst whose channels are then spread over planes */
  int64_t pool_floats;   /* per-thread buffer of rows of dst before pooling */
  bool pools_narrow;     /* narrow.c pools instead */
} sweep;

sweep sweep_of(const conv_shape *shape, bool backward);

/* Forward with fused pooling. conv_pools tells whether that is supported: the rows must stay in
 * cache until they are pooled. */
sweep sweep_with_pool(const cn_conv2d *conv, const cn_pool2d *pool, int64_t n);
bool conv_pools(const cn_conv2d *conv, const cn_pool2d *pool);

/* Whether backward-weights can take the gradient of the pool's output. */
bool conv_pools_backward(const cn_conv2d *conv, const cn_pool2d *pool);

/* The sweep of a call: with its pool, and with whole rows if its epilogue needs them. */
sweep sweep_of_call(const conv_call *call);
int64_t sweep_workspace_floats(const sweep *p, int32_t threads);

/* The axis of destination rows (columns) residue + t dst_stride. */
axis sweep_axis_y(const sweep *p, int32_t residue);
axis sweep_axis_x(const sweep *p, int32_t residue);

/* Up to SAMPLE_CHANNELS channels of x, samples fill the lanes better than channels. A tile of
 * samples.c has at most SAMPLE_PIXELS pixels and MOST_SAMPLE_SUMS sums, on any instruction set. */
enum { SAMPLE_CHANNELS = 8, SAMPLE_PIXELS = 14, MOST_SAMPLE_SUMS = 24 };

/*
 * Backward-data with 16 samples in the lanes, for few channels of x, in bands of rows of dx. The
 * gradients of 16 samples are transposed through two buffers:
 *   dy  one block of channels as [y][x][16k][16n], with `margin` columns on both sides, of which
 *       the `zeros` next to the image, which taps can reach, are zero;
 *   dx  [y][c][x][16n].
 */
typedef struct samples_plan {
  int64_t y_blocks, bands;
  int32_t rows; /* rows of a band */
  int32_t margin, zeros;
  int64_t dy_row, dx_row, dx_cols; /* floats per row of the buffers; pixels per row of dx */
  int64_t w_channel, w_row, w_col, w_block; /* strides in the packed weights */
  int32_t k;                                /* channels of a block */
  int64_t dy_floats, own_floats;            /* per thread: the dy buffer; both buffers */
} samples_plan;

samples_plan samples_plan_of(const cn_conv2d *conv, int64_t n);

/* Whether this form is the faster one for n samples. */
bool samples_fit(const cn_conv2d *conv, int64_t n);

/*
 * Backward-data with a stride of 1 and pixels of a row in the lanes, for few channels of x and
 * fewer samples than fill a vector. An item is a band of rows of one sample. Its buffers: dy  one
 * block of channels as [y][16k][dy_cols], with `left` columns of zeros before the image, which taps
 * can reach, and zeros behind it; dx  [y][c][dx_cols].
 */
typedef struct pixels_plan {
  int64_t y_blocks, bands;
  int32_t rows; /* rows of a band */
  int64_t left, dy_cols, dx_cols;
  int64_t dy_row, dx_row;                   /* floats per row of the buffers */
  int64_t w_channel, w_row, w_col, w_block; /* strides in the packed weights */
  int32_t k;                                /* channels of a block */
  int64_t dy_floats, own_floats;            /* per thread: the dy buffer; both buffers */
} pixels_plan;

pixels_plan pixels_plan_of(const cn_conv2d *conv, int64_t n);

/* Whether this form is faster than blocks of channels. */
bool pixels_fit(const cn_conv2d *conv, int64_t n);

/* How dw is written. That of a linear layer is its largest tensor, and is written once. */
typedef enum dw_stores {
  DW_CACHE,  /* normal stores: it is in cache, or should be */
  DW_FETCH,  /* prefetched shortly before it is written */
  DW_STREAM, /* non-temporal stores, because it exceeds the caches */
} dw_stores;

/*
 * Backward-weights: outputs are divided into panels of panel_pairs pairs of blocks of y by
 * panel_blocks blocks of x, pixels into blocks of rows or of images. The blocks of pixels are
 * grouped into chunks with separate sums, which are added up at the end.
 */
typedef struct weights_plan {
  conv_shape shape;
  int64_t panel_pairs, panel_blocks;
  int64_t y_panels, x_panels; /* per group */
  int64_t items;              /* panels of all groups */
  int64_t rows, row_blocks, images, image_blocks;
  int64_t chunks, chunk_floats; /* chunk_floats: weights, then bias */
  dw_stores dw_stores;
  bool packed;
  int64_t pack_rows, pack_cols, pack_floats;
  int64_t panel_floats; /* per thread: a panel and its bias, if the result is not stored; else 0 */
  int64_t transposed_floats; /* narrow: per-thread block of dy with pixels in the lanes; else 0 */
  /* Per thread: the sums of a panel over earlier blocks of pixels, if a chunk has more than
   * SUM_BLOCKS; else 0. */
  int64_t earlier_floats;
} weights_plan;

weights_plan weights_plan_of(const conv_shape *shape);

int64_t weights_workspace_floats(const weights_plan *p, int32_t threads);

/* Sizes in floats. The descriptors have been validated, so the result is never a negative
 * cn_status. */
int64_t conv_weight_floats(const cn_conv2d *conv);
int64_t linear_weight_floats(const cn_linear *linear);
int64_t linear_workspace_floats(const cn_linear *linear, int32_t pass, int64_t n, int32_t threads);

#endif
