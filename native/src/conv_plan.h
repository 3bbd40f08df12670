/*
 * How a convolution is cut into loops around the micro-kernel: what depends on shapes only, and so
 * is the same for every instruction set and every thread count. Used by the kernels and by the
 * workspace queries.
 */
#ifndef CN_CONV_PLAN_H
#define CN_CONV_PLAN_H

#include "tensor.h"

enum {
  SUM_TERMS = 288, /* of a sum at most, before it is added to the sums of others */
  SUM_BLOCKS = 64, /* of pixels, whose sums are added up before they are added to earlier ones */
};

/* convnet.h describes the forms; grouped is full with groups > 1. */
typedef enum conv_form { FORM_STEM, FORM_FULL, FORM_DEPTHWISE, FORM_OTHER } conv_form;

conv_form conv_form_of(const cn_conv2d *conv);

/*
 * A convolution, or a linear layer as the 1x1 convolution of one image whose pixels are the
 * samples. Blocks, channels and strides of the weights are those of one group.
 */
typedef struct conv_shape {
  cn_tensor x, y;
  view xv, yv;
  int64_t n;
  int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  int64_t groups;
  int64_t x_channels, y_channels;
  int64_t x_blocks, y_blocks; /* stem: x_blocks counts planes of one channel */
  int64_t spatial; /* feature blocks per block of channels: h w of a flattened tensor, else 1 */
  int64_t w_tap, w_outer, w_block; /* from one tap, block of x and block of y to the next */
  bool stem;
  bool plain_x;   /* backward-data of a stem: x is computed as a block of channels, then spread */
  bool keep_rows; /* something follows on whole rows of the image: they are not merged */
  int64_t pooled_rows; /* pooling follows: units are multiples of so many rows; or 0 */
} conv_shape;

/* x and y are the tensors of the pass: those of the gradients, where it reads or writes gradients.
 */
conv_shape conv_shape_of(const cn_conv2d *conv, const cn_tensor *x, const cn_tensor *y, int64_t n);
conv_shape linear_shape_of(const cn_linear *linear, int64_t n);

/* Backward-data of a stem, as if dx were CN_BLOCKED. */
conv_shape plain_gradient_shape_of(const cn_conv2d *conv, int64_t n);

static inline int64_t shape_weight_floats(const conv_shape *s) {
  return s->groups * s->y_blocks * s->w_block;
}
double shape_operations(const conv_shape *s);

enum { NARROW_CHANNELS = 8 };

/* A stem of so few filters that pixels take the lanes (narrow.c); its sums are short. */
static inline bool shape_is_narrow(const conv_shape *s) {
  return s->stem && s->stride_w == 1 && s->y_channels <= NARROW_CHANNELS &&
         s->x_channels * s->kernel_h * s->kernel_w <= SUM_TERMS;
}

/* Whether such a stem has the maxima over its windows in the lanes too. */
static inline bool shape_pools_narrow(const conv_shape *s, const cn_pool2d *p) {
  return shape_is_narrow(s) && p->kind == CN_POOL_MAX && p->kernel_h == 2 && p->kernel_w == 2 &&
         p->stride_h == 2 && p->stride_w == 2 && p->pad_h == 0 && p->pad_w == 0;
}

/* Channels in block `block` of x, which may be flattened. */
static inline int64_t x_lanes(const conv_shape *s, int64_t block) {
  return lanes_of(s->x_channels, block / s->spatial);
}

/*
 * One axis of a sum over taps: destination pixel dst + t stride takes, for each tap i < taps,
 * source pixel t src_stride + src + i src_tap with filter row (or column) tap + i tap_step.
 * Backward-data with a stride falls apart into one such sum per residue of the destination pixel.
 */
typedef struct axis {
  int32_t dst, count; /* destination pixels: the first, how many */
  int32_t taps, src, src_tap, tap, tap_step;
} axis;

axis axis_forward(int32_t kernel, int32_t dilation, int32_t pad, int32_t count);
axis axis_backward(int32_t kernel, int32_t stride, int32_t dilation, int32_t pad, int32_t size,
                   int32_t residue);

/*
 * Forward (src = x, dst = y) or backward-data (src = dy, dst = dx, transposed weights): destination
 * pixels are cut into units of rows (where there is one row only: of columns), source blocks into
 * chunks.
 */
typedef struct sweep {
  conv_shape shape;
  bool backward;
  cn_tensor src, dst;
  view sv, dv;
  int64_t n, groups;
  int64_t src_blocks, dst_blocks, dst_channels;
  int64_t w_outer, w_block; /* from one block of src and of dst to the next */
  int32_t k;                /* terms of one step of the micro-kernel */
  int32_t src_stride_h, src_stride_w, dst_stride_h, dst_stride_w;
  int32_t classes_h, classes_w;   /* of residues that have pixels */
  int64_t total_rows, total_cols; /* steps t of the longest class */
  int64_t rows, cols, row_units, col_units, units;
  int64_t chunk;
  bool weights_outside; /* loop over blocks of dst outside, units inside: the weights exceed the
                           cache */
  bool source_stays;    /* then: a chunk of src, of all units, stays in cache for all the weights */
  /* Reach of the taps around t src_stride, and what of it is packed where the halo is too small. */
  int32_t low_y, high_y, low_x, high_x, halo;
  bool packed;
  int64_t pack_rows, pack_cols, pack_floats;
  int64_t spread_floats; /* a thread's block of dst, where the channels are then spread to planes */
  int64_t pool_floats;   /* a thread's buffer of rows of dst that wait for pooling */
  bool pools_narrow;     /* but where narrow.c pools */
} sweep;

sweep sweep_of(const conv_shape *shape, bool backward);

/* Forward with pooling along with it, and whether that works: its rows stay in cache until then. */
sweep sweep_with_pool(const cn_conv2d *conv, const cn_pool2d *pool, int64_t n);
bool conv_pools(const cn_conv2d *conv, const cn_pool2d *pool);

/* Whether backward-weights works from the gradient behind the pool. */
bool conv_pools_backward(const cn_conv2d *conv, const cn_pool2d *pool);

/* Of destination rows (columns) residue + t dst_stride. */
axis sweep_axis_y(const sweep *w, int32_t residue);
axis sweep_axis_x(const sweep *w, int32_t residue);

/* Of x, or fewer: samples fill the lanes better. A tile of samples.c has so many pixels and sums at
 * most, on any instruction set. */
enum { SAMPLE_CHANNELS = 8, SAMPLE_PIXELS = 14, MOST_SAMPLE_SUMS = 24 };

/*
 * Backward-data with 16 samples in the lanes, for few channels of x, in bands of rows of dx. The
 * gradients of 16 samples are transposed: of a block of channels of dy in a buffer of
 * [y][x][16k][16n] with `margin` columns on both sides, of which the next `zeros` are zero, as far
 * as taps of pixels of dx reach; of dx in one of [y][c][x][16n].
 */
typedef struct samples_plan {
  int64_t y_blocks, bands;
  int32_t rows; /* of a band */
  int32_t margin, zeros;
  int64_t dy_row, dx_row, dx_cols;          /* floats of the buffers' rows, and pixels of dx */
  int64_t w_channel, w_row, w_col, w_block; /* steps in the packed weights */
  int32_t k;                                /* channels of a block */
  int64_t dy_floats, own_floats;            /* of a thread: the first buffer, and both */
} samples_plan;

samples_plan samples_plan_of(const cn_conv2d *conv, int64_t n);

/* Whether that is the better form for n samples. */
bool samples_fit(const cn_conv2d *conv, int64_t n);

/* How dw is written: a linear layer's is the large operand, and is written once. */
typedef enum dw_stores {
  DW_CACHE,  /* it is in cache already, or will be */
  DW_FETCH,  /* fetched shortly before */
  DW_STREAM, /* stored past the caches, which it exceeds */
} dw_stores;

/*
 * Backward-weights: outputs are cut into tiles of tile_pairs pairs of blocks of y by tile_blocks
 * blocks of x, pixels into blocks of rows or of images, and the blocks into chunks, each with a sum
 * of its own, which are added up at the end.
 */
typedef struct weights_plan {
  conv_shape shape;
  int64_t tile_pairs, tile_blocks;
  int64_t y_tiles, x_tiles; /* of one group */
  int64_t items;            /* tiles of all groups */
  int64_t rows, row_blocks, images, image_blocks;
  int64_t chunks, chunk_floats; /* chunk_floats: weights, then bias */
  dw_stores dw_stores;
  bool packed;
  int64_t pack_rows, pack_cols, pack_floats;
  int64_t tile_floats;   /* of a tile and its bias, for a thread whose sums are not kept; or 0 */
  int64_t turned_floats; /* narrow: a thread's block of dy, with pixels in the lanes; or 0 */
  /* The sums of a tile over earlier blocks of pixels, where a chunk has more than SUM_BLOCKS; or 0.
   */
  int64_t earlier_floats;
} weights_plan;

weights_plan weights_plan_of(const conv_shape *shape);

/* Floats, from the layer's description: a negative cn_status is impossible here, the description
 * has been checked. */
int64_t conv_weight_floats(const cn_conv2d *conv);
int64_t conv_workspace_floats(const cn_conv2d *conv, int32_t pass, int64_t n, int32_t threads);
int64_t linear_weight_floats(const cn_linear *linear);
int64_t linear_workspace_floats(const cn_linear *linear, int32_t pass, int64_t n, int32_t threads);

#endif
