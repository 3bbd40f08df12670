/* Converts tensors and weights between layouts. */
#include "conv.h"

typedef struct reorder_job {
  const cn_tensor *from, *to;
  view fv, tv;
  const float *src;
  float *dst;
} reorder_job;

/* Converts one row of up to 16 channels. src and dst point to its first pixel in the first of those
 * channels. */
static void reorder_row(const reorder_job *job, int64_t lanes, const float *src, float *dst) {
  const int64_t w = job->from->w;
  const view *f = &job->fv, *t = &job->tv;
  const bool src_plain = job->from->layout == CN_PLAIN, dst_plain = job->to->layout == CN_PLAIN;
  const size_t block_bytes = CN_BLOCK * sizeof(float);
  if (src_plain && dst_plain) {
    for (int64_t c = 0; c < lanes; c++)
      memcpy(dst + c * t->plane, src + c * f->plane, (size_t)w * sizeof(float));
  } else if (src_plain) {
    for (int64_t x = 0; x < w; x++)
      for (int64_t c = 0; c < CN_BLOCK; c++)
        dst[x * t->pixel + c] = c < lanes ? src[c * f->plane + x] : 0.0f;
  } else if (dst_plain) {
    for (int64_t c = 0; c < lanes; c++)
      for (int64_t x = 0; x < w; x++) dst[c * t->plane + x] = src[x * f->pixel + c];
  } else if (f->pixel == CN_BLOCK && t->pixel == CN_BLOCK) {
    memcpy(dst, src, (size_t)w * block_bytes);
  } else {
    for (int64_t x = 0; x < w; x++) memcpy(dst + x * t->pixel, src + x * f->pixel, block_bytes);
  }
}

/* Planes that hold one block of channels. */
static int64_t planes_per_block(const cn_tensor *t) { return t->layout == CN_PLAIN ? CN_BLOCK : 1; }

/* Items are (sample, block of channels, row). */
BODY(reorder_items) {
  const reorder_job *job = state;
  const cn_tensor *from = job->from, *to = job->to;
  const int64_t blocks = blocks_of(from->c);
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t y = item % from->h, block = item / from->h % blocks;
    const int64_t sample = item / from->h / blocks, lanes = lanes_of(from->c, block);
    const float *src =
        job->src + plane_offset(&job->fv, sample, block * planes_per_block(from)) + y * job->fv.row;
    float *plane = job->dst + plane_offset(&job->tv, sample, block * planes_per_block(to));
    reorder_row(job, lanes, src, plane + y * job->tv.row);
    for (int64_t c = 0; c < (to->layout == CN_PLAIN ? lanes : 1); c++)
      zero_border(to, &job->tv, plane + c * job->tv.plane, y, y + 1);
  }
}

void ISA_NAME(reorder)(const cn_context *context, const cn_tensor *from, const cn_tensor *to,
                       int32_t n, const float *src, float *dst) {
  const reorder_job job = {
      .from = from, .to = to, .fv = view_of(from, n), .tv = view_of(to, n), .src = src, .dst = dst};
  const int64_t items = n * blocks_of(from->c) * from->h;
  run_parallel(context, 10.0 * items * from->w * CN_BLOCK, reorder_items, items, &job);
}

/* ---- Weights --------------------------------------------------------------------------------- */

/*
 * Packed weights are vectors of 16 floats, one lane for each output channel (depthwise: channel) of
 * a block. In the plain weights, lane i of a vector is at offset + i * stride, for i < lanes; the
 * remaining lanes are padding.
 */
typedef struct weight_vector {
  int64_t offset, stride, lanes;
} weight_vector;

typedef struct weight_job {
  conv_shape shape;
  bool depthwise;
  int64_t taps;
  const float *src;
  float *dst;
} weight_job;

static weight_vector vector_at(const weight_job *job, int64_t index) {
  const conv_shape *s = &job->shape;
  if (job->depthwise) {
    const int64_t block = index / job->taps;
    return (weight_vector){.offset = block * CN_BLOCK * job->taps + index % job->taps,
                           .stride = job->taps,
                           .lanes = lanes_of(s->x.c, block)};
  }
  const int64_t per_block = s->w_block / CN_BLOCK, per_outer = s->w_outer / CN_BLOCK;
  const int64_t per_tap = s->w_tap / CN_BLOCK;
  const int64_t y = index / per_block % s->y_blocks, group = index / per_block / s->y_blocks;
  const int64_t x = index % per_block / per_outer, tap = index % per_block % per_outer / per_tap;
  const int64_t channel = s->stem ? x : x / s->spatial * CN_BLOCK + index % per_tap;
  if (x >= s->x_blocks || channel >= s->x_channels) return (weight_vector){.lanes = 0};
  const int64_t stride = s->x_channels * s->spatial * job->taps;
  return (weight_vector){.offset = (group * s->y_channels + y * CN_BLOCK) * stride +
                                   (channel * s->spatial + x % s->spatial) * job->taps + tap,
                         .stride = stride,
                         .lanes = lanes_of(s->y_channels, y)};
}

BODY(pack_items) {
  const weight_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const weight_vector v = vector_at(job, item);
    for (int64_t i = 0; i < CN_BLOCK; i++)
      job->dst[item * CN_BLOCK + i] = i < v.lanes ? job->src[v.offset + i * v.stride] : 0.0f;
  }
}

BODY(unpack_items) {
  const weight_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const weight_vector v = vector_at(job, item);
    for (int64_t i = 0; i < v.lanes; i++)
      job->dst[v.offset + i * v.stride] = job->src[item * CN_BLOCK + i];
  }
}

static void conv_weights(const cn_context *context, const cn_conv2d *conv, phase_body body,
                         const float *src, float *dst) {
  const conv_form form = conv_form_of(conv);
  const int64_t floats = conv_weight_floats(conv);
  if (form == FORM_OTHER) {
    memcpy(dst, src, (size_t)floats * sizeof(float));
    return;
  }
  const weight_job job = {.shape = conv_shape_of(conv, &conv->x, &conv->y, 1),
                          .depthwise = form == FORM_DEPTHWISE,
                          .taps = (int64_t)conv->window.kernel_h * conv->window.kernel_w,
                          .src = src,
                          .dst = dst};
  run_parallel(context, 10.0 * floats, body, floats / CN_BLOCK, &job);
}

void ISA_NAME(conv2d_pack)(const cn_context *context, const cn_conv2d *conv, const float *oihw,
                           float *packed) {
  conv_weights(context, conv, pack_items, oihw, packed);
}

void ISA_NAME(conv2d_unpack)(const cn_context *context, const cn_conv2d *conv, const float *packed,
                             float *oihw) {
  conv_weights(context, conv, unpack_items, packed, oihw);
}

static void linear_weights(const cn_context *context, const cn_linear *linear, phase_body body,
                           const float *src, float *dst) {
  const weight_job job = {.shape = linear_shape_of(linear, 1), .taps = 1, .src = src, .dst = dst};
  const int64_t floats = linear_weight_floats(linear);
  run_parallel(context, 10.0 * floats, body, floats / CN_BLOCK, &job);
}

void ISA_NAME(linear_pack)(const cn_context *context, const cn_linear *linear, const float *plain,
                           float *packed) {
  linear_weights(context, linear, pack_items, plain, packed);
}

void ISA_NAME(linear_unpack)(const cn_context *context, const cn_linear *linear,
                             const float *packed, float *plain) {
  linear_weights(context, linear, unpack_items, packed, plain);
}
