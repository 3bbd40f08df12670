/* Backward-data into plain images of few channels; training needs it only where the input gradient
 * is wanted. */
#include "conv.h"

enum { STEM_CHANNELS = CN_BLOCK - 1 };

typedef struct stem_job {
  const cn_conv2d *conv;
  view dxv, dyv;
  const float *dy, *w;
  float *dx;
} stem_job;

/* dx[c] of one pixel: lanes are output channels, added across at the end. */
static void stem_pixel(const stem_job *job, const float *dy, axis y, int64_t t, axis x, int64_t u,
                       float *dx) {
  const cn_conv2d *conv = job->conv;
  const int64_t taps = (int64_t)conv->kernel_h * conv->kernel_w, c = conv->x.c;
  vec sum[STEM_CHANNELS];
  for (int64_t i = 0; i < c; i++) sum[i] = vec_zero();
  for (int32_t i = 0; i < y.taps; i++) {
    const int64_t sy = t + y.src + i * y.src_tap;
    if (sy < 0 || sy >= conv->dy.h) continue;
    for (int32_t j = 0; j < x.taps; j++) {
      const int64_t sx = u + x.src + j * x.src_tap;
      if (sx < 0 || sx >= conv->dy.w) continue;
      const int64_t tap =
          (y.tap + i * y.tap_step) * (int64_t)conv->kernel_w + x.tap + j * x.tap_step;
      for (int64_t kb = 0; kb < job->dyv.planes; kb++) {
        const float *g = dy + kb * job->dyv.plane + sy * job->dyv.row + sx * job->dyv.pixel;
        for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
          const vec v = vec_load(g + lane);
          for (int64_t ch = 0; ch < c; ch++) {
            const float *w = job->w + ((kb * c + ch) * taps + tap) * CN_BLOCK + lane;
            sum[ch] = vec_fma(vec_load(w), v, sum[ch]);
          }
        }
      }
    }
  }
  for (int64_t i = 0; i < c; i++) dx[i * job->dxv.plane] = vec_sum(sum[i]);
}

/* Items are rows of dx, sample after sample. */
static void stem_items(const void *state, int64_t first, int64_t last, int thread) {
  const stem_job *job = state;
  const cn_conv2d *conv = job->conv;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t sample = item / conv->dx.h;
    const int32_t row = (int32_t)(item % conv->dx.h);
    const float *dy = job->dy + plane_offset(&job->dyv, sample, 0);
    float *dx = job->dx + plane_offset(&job->dxv, sample, 0);
    const axis y = axis_backward(conv->kernel_h, conv->stride_h, conv->dilation_h, conv->pad_h,
                                 conv->dx.h, row % conv->stride_h);
    for (int32_t j = 0; j < conv->stride_w; j++) {
      const axis x = axis_backward(conv->kernel_w, conv->stride_w, conv->dilation_w, conv->pad_w,
                                   conv->dx.w, j);
      for (int32_t u = 0; u < x.count; u++)
        stem_pixel(job, dy, y, row / conv->stride_h, x, u,
                   dx + row * job->dxv.row + j + (int64_t)u * conv->stride_w);
    }
    for (int64_t c = 0; c < conv->dx.c; c++)
      zero_border(&conv->dx, &job->dxv, dx + c * job->dxv.plane, row, row + 1);
  }
}

void stem_backward_data(int threads, const cn_conv2d *conv, int64_t n, const float *dy,
                        const float *w, float *dx) {
  const stem_job job = {.conv = conv,
                        .dxv = view_of(&conv->dx, n),
                        .dyv = view_of(&conv->dy, n),
                        .dy = dy,
                        .w = w,
                        .dx = dx};
  const conv_shape shape = conv_shape_of(conv, &conv->dx, &conv->dy, n);
  run_parallel(threads, shape_operations(&shape), stem_items, n * conv->dx.h, &job);
}
