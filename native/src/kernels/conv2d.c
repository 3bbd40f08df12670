/* The three passes of a convolution: selects the kernel for the algorithm and the form of the
 * weights. */
#include "conv.h"

/* The micro-kernel's flags for those of the layer. */
static int gemm_flags(int32_t layer_flags) { return (layer_flags & CN_BIAS) != 0 ? GEMM_BIAS : 0; }

/* With a residual input, the activation applies to the sum, so the tail performs it. */
static tail forward_tail(const cn_conv2d *conv, int64_t n, const float *add, float *statistics) {
  return (tail){.add = add,
                .av = view_of(add == NULL ? &conv->y : &conv->add, n),
                .activation = add != NULL ? conv->activation : (cn_activation){0},
                .statistics = statistics};
}

void ISA_NAME(conv2d_forward)(const cn_context *context, const cn_conv2d *conv, int32_t n,
                              const float *x, const float *w, const float *bias, const float *add,
                              float *y, float *statistics, float *workspace) {
  const tail t = forward_tail(conv, n, add, statistics);
  cn_conv2d first = *conv;
  if (add != NULL) first.activation = (cn_activation){0};
  if (conv->algorithm != CN_DIRECT) {
    const winograd_plan plan = winograd_plan_of(conv, CN_FORWARD, n, context->threads);
    run_winograd(context, &plan, x, w, bias, first.flags, first.activation, &t, y, workspace);
    return;
  }
  switch (conv_form_of(conv)) {
  case FORM_DEPTHWISE:
    depthwise_forward(context, &first, n, x, w, bias, &t, y);
    return;
  case FORM_OTHER:
    other_forward(context, &first, n, x, w, bias, y);
    run_tail(context, &t, &conv->y, n, y);
    return;
  case FORM_STEM:
  case FORM_FULL:
    break;
  }
  conv_shape shape = conv_shape_of(conv, &conv->x, &conv->y, n);
  shape.keep_rows = !tail_is_empty(&t);
  const sweep plan = sweep_of(&shape, false);
  run_sweep(context, &plan, x, w, bias, gemm_flags(first.flags), first.activation, &t, y,
            workspace);
}

void ISA_NAME(conv2d_pool_forward)(const cn_context *context, const cn_conv2d *conv,
                                   const cn_pool2d *pool, int32_t n, const float *x, const float *w,
                                   const float *bias, float *y, uint8_t *winners,
                                   float *workspace) {
  const pool_job job = {.pool = *pool,
                        .xv = view_of(&conv->y, n),
                        .yv = view_of(&pool->y, n),
                        .y = y,
                        .new_winners = winners};
  const tail t = {.pool = &job};
  if (conv->algorithm != CN_DIRECT) {
    const winograd_plan plan = winograd_plan_with_pool(conv, pool, n, context->threads);
    run_winograd(context, &plan, x, w, bias, conv->flags, conv->activation, &t, NULL, workspace);
    return;
  }
  const sweep plan = sweep_with_pool(conv, pool, n);
  run_sweep(context, &plan, x, w, bias, gemm_flags(conv->flags), conv->activation, &t, NULL,
            workspace);
}

void ISA_NAME(conv2d_backward_data)(const cn_context *context, const cn_conv2d *conv, int32_t n,
                                    const float *dy, const float *w, const float *add,
                                    const float *x, float *dx, float *workspace) {
  const tail t = {.add = add,
                  .av = view_of(add == NULL ? &conv->dx : &conv->add, n),
                  .outputs = x,
                  .ov = view_of(&conv->x, n),
                  .activation = x != NULL ? conv->x_activation : (cn_activation){0}};
  if (conv->algorithm != CN_DIRECT) {
    const winograd_plan plan = winograd_plan_of(conv, CN_BACKWARD_DATA, n, context->threads);
    run_winograd(context, &plan, dy, w, NULL, conv->flags, (cn_activation){0}, &t, dx, workspace);
    return;
  }
  if (samples_fit(conv, n)) {
    run_samples(context, conv, n, dy, w, &t, dx, workspace);
    if (conv->dx.layout == CN_PLAIN) run_tail(context, &t, &conv->dx, n, dx);
    return;
  }
  switch (conv_form_of(conv)) {
  case FORM_DEPTHWISE:
    depthwise_backward_data(context, conv, n, dy, w, &t, dx);
    return;
  case FORM_OTHER:
    other_backward_data(context, conv, n, dy, w, dx);
    run_tail(context, &t, &conv->dx, n, dx);
    return;
  case FORM_STEM:
    run_stem_backward(context, conv, n, dy, w, dx, workspace);
    run_tail(context, &t, &conv->dx, n, dx);
    return;
  case FORM_FULL:
    break;
  }
  conv_shape shape = conv_shape_of(conv, &conv->dx, &conv->dy, n);
  shape.keep_rows = !tail_is_empty(&t);
  const sweep plan = sweep_of(&shape, true);
  run_sweep_backward(context, &plan, dy, w, &t, dx, workspace);
}

void ISA_NAME(conv2d_backward_weights)(const cn_context *context, const cn_conv2d *conv, int32_t n,
                                       const float *x, const float *dy, const cn_pool2d *pool,
                                       const uint8_t *winners, float *dw, float *db,
                                       const cn_update *update, float *workspace) {
  if (conv->algorithm != CN_DIRECT) {
    const winograd_weights_plan plan = winograd_weights_plan_of(conv, n);
    run_winograd_weights(context, &plan, x, dy, dw, db, update, workspace);
    return;
  }
  switch (conv_form_of(conv)) {
  case FORM_DEPTHWISE:
    depthwise_backward_weights(context, conv, n, x, dy, dw, db, update, workspace);
    return;
  case FORM_OTHER:
    other_backward_weights(context, conv, n, x, dy, dw, db);
    return;
  case FORM_STEM:
  case FORM_FULL:
    break;
  }
  const conv_shape shape = conv_shape_of(conv, &conv->x, &conv->dy, n);
  const weights_plan plan = weights_plan_of(&shape);
  run_weights(context, &plan, x, dy, pool, winners, dw, db, update, workspace);
}
