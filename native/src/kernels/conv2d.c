/* The three passes of a convolution: which algorithm for which form of the weights. */
#include "conv.h"

/* The micro-kernel's flags for those of the layer. */
static int gemm_flags(int32_t layer_flags) {
  return ((layer_flags & CN_BIAS) != 0 ? GEMM_BIAS : 0) |
         ((layer_flags & CN_RELU) != 0 ? GEMM_RELU : 0);
}

void ISA_NAME(conv2d_forward)(int threads, const cn_conv2d *conv, int32_t n, const float *x,
                              const float *w, const float *bias, float *y, float *workspace) {
  switch (conv_form_of(conv)) {
  case FORM_DEPTHWISE:
    depthwise_forward(threads, conv, n, x, w, bias, y);
    return;
  case FORM_OTHER:
    other_forward(threads, conv, n, x, w, bias, y);
    return;
  case FORM_STEM:
  case FORM_FULL:
    break;
  }
  const conv_shape shape = conv_shape_of(conv, &conv->x, &conv->y, n);
  const sweep plan = sweep_of(&shape, false);
  run_sweep(threads, &plan, x, w, bias, gemm_flags(conv->flags), y, workspace);
}

void ISA_NAME(conv2d_backward_data)(int threads, const cn_conv2d *conv, int32_t n, const float *dy,
                                    const float *w, float *dx, float *workspace) {
  switch (conv_form_of(conv)) {
  case FORM_DEPTHWISE:
    depthwise_backward_data(threads, conv, n, dy, w, dx);
    return;
  case FORM_OTHER:
    other_backward_data(threads, conv, n, dy, w, dx);
    return;
  case FORM_STEM:
    stem_backward_data(threads, conv, n, dy, w, dx);
    return;
  case FORM_FULL:
    break;
  }
  const conv_shape shape = conv_shape_of(conv, &conv->dx, &conv->dy, n);
  const sweep plan = sweep_of(&shape, true);
  run_sweep_backward(threads, &plan, dy, w, dx, workspace);
}

void ISA_NAME(conv2d_backward_weights)(int threads, const cn_conv2d *conv, int32_t n,
                                       const float *x, const float *dy, float *dw, float *db,
                                       float *workspace) {
  switch (conv_form_of(conv)) {
  case FORM_DEPTHWISE:
    depthwise_backward_weights(threads, conv, n, x, dy, dw, db, workspace);
    return;
  case FORM_OTHER:
    other_backward_weights(threads, conv, n, x, dy, dw, db);
    return;
  case FORM_STEM:
  case FORM_FULL:
    break;
  }
  const conv_shape shape = conv_shape_of(conv, &conv->x, &conv->dy, n);
  const weights_plan plan = weights_plan_of(&shape);
  run_weights(threads, &plan, x, dy, dw, db, workspace);
}
