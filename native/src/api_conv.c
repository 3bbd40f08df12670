/* Entry points for the convolution and the linear layer. */
#include "check.h"
#include "cpu.h"
#include "winograd_plan.h"

enum { LINEAR_FLAGS = CN_BIAS, CONV_FLAGS = LINEAR_FLAGS | CN_TRANSFORMED };

/* Upper bound for the floats of packed weights: 4 TiB. */
static const double most_weights = (double)((int64_t)1 << 40);

/*
 * Floats of an image with its padding, as far as a filter reaches, because rows are copied with it.
 */
static int32_t check_reach(const cn_conv2d *conv, int32_t n) {
  const cn_window *w = &conv->window;
  const double rows =
      (double)conv->x.h + w->pad_top + w->pad_bottom + (double)w->dilation_h * (w->kernel_h - 1);
  const double cols =
      (double)conv->x.w + w->pad_left + w->pad_right + (double)w->dilation_w * (w->kernel_w - 1);
  const double channels = (double)max_i64(blocks_of(conv->x.c), blocks_of(conv->y.c)) * CN_BLOCK;
  return check_total(n * channels * rows * cols);
}

/* Validates the fields of the layer that every pass uses, for n samples. */
static int32_t check_layer(const cn_conv2d *conv, int32_t n) {
  if (conv == NULL) return CN_NULL_POINTER;
  TRY(check_batch(&conv->x, n));
  TRY(check_batch(&conv->y, n));
  TRY(check_layout(&conv->y, CN_BLOCKED));
  if (conv->x.layout == CN_FLAT) return CN_BAD_LAYOUT;
  TRY(check_window(&conv->window, &conv->x, &conv->y));
  if ((int64_t)conv->window.kernel_h * conv->window.dilation_h > CN_MOST_WINDOW ||
      (int64_t)conv->window.kernel_w * conv->window.dilation_w > CN_MOST_WINDOW ||
      (int64_t)conv->window.kernel_h * conv->window.kernel_w > CN_MOST_SIZE)
    return CN_BAD_SHAPE;
  if (conv->groups < 1 || conv->x.c % conv->groups != 0 || conv->y.c % conv->groups != 0)
    return CN_BAD_SHAPE;
  if (conv->x.layout == CN_PLAIN && (conv->x.c >= CN_BLOCK || conv->groups != 1))
    return CN_BAD_LAYOUT;
  const int64_t per_group = conv->x.c / conv->groups, filters = conv->y.c / conv->groups;
  const bool packed = conv_form_of(conv) == FORM_FULL || conv_form_of(conv) == FORM_STEM;
  const double weights = packed ? (double)blocks_of(per_group) * blocks_of(filters) * CN_BLOCK *
                                      CN_BLOCK * conv->groups
                                : (double)per_group * blocks_of(conv->y.c) * CN_BLOCK;
  if (weights * conv->window.kernel_h * conv->window.kernel_w > most_weights) return CN_BAD_SHAPE;
  TRY(check_reach(conv, n));
  if ((conv->flags & ~CONV_FLAGS) != 0) return CN_BAD_VALUE;
  TRY(check_fused(&conv->activation));
  TRY(check_fused(&conv->x_activation));
  if (conv->algorithm == CN_DIRECT)
    return (conv->flags & CN_TRANSFORMED) != 0 ? CN_BAD_VALUE : CN_OK;
  if (conv->algorithm != CN_WINOGRAD_2 && conv->algorithm != CN_WINOGRAD_4) return CN_BAD_VALUE;
  return winograd_fits(conv) ? CN_OK : CN_BAD_VALUE;
}

/* Validates a convolution: the layer, and the tensors of a pass. Functions outside a pass use those
 * of the forward pass. */
static int32_t check_conv(const cn_conv2d *conv, int32_t pass, int32_t n) {
  TRY(check_layer(conv, n));
  TRY(check_pass(pass));
  if (pass != CN_FORWARD) {
    TRY(check_batch(&conv->dy, n));
    TRY(check_same(&conv->y, &conv->dy));
  }
  if (pass == CN_BACKWARD_DATA) {
    TRY(check_batch(&conv->dx, n));
    TRY(check_same(&conv->x, &conv->dx));
  }
  return CN_OK;
}

/* OIHW weights of the form that is not packed need no alignment. */
static int32_t check_weights(const cn_conv2d *conv, const float *w) {
  return conv_form_of(conv) == FORM_OTHER ? check_floats(w) : check_aligned(w);
}

/* A bias (or its gradient, which may be null) must match the flags. */
static int32_t check_bias(int32_t flags, const float *bias, bool required) {
  if ((flags & CN_BIAS) == 0) return bias != NULL ? CN_BAD_VALUE : CN_OK;
  return bias == NULL && !required ? CN_OK : check_aligned(bias);
}

static int32_t check_states(const cn_optimizer *o, const cn_parameter *p) {
  for (int i = 0; i < optimizer_states(o); i++) TRY(check_aligned(p->states[i]));
  return CN_OK;
}

static int32_t check_update(int32_t flags, const cn_update *u) {
  TRY(check_optimizer(&u->optimizer));
  TRY(check_rates(u->weights.learning_rate, u->weights.weight_decay));
  TRY(check_rates(u->bias.learning_rate, u->bias.weight_decay));
  TRY(check_aligned(u->weights.values));
  TRY(check_states(&u->optimizer, &u->weights));
  TRY(check_bias(flags, u->bias.values, false));
  return u->bias.values != NULL ? check_states(&u->optimizer, &u->bias) : CN_OK;
}

int64_t cn_conv2d_weight_floats(const cn_conv2d *conv) {
  TRY(check_conv(conv, CN_FORWARD, 1));
  return conv_weight_floats(conv);
}

/* Workspace floats of a pass. */
static int64_t conv_floats(const cn_context *context, const cn_conv2d *conv, int32_t pass,
                           int32_t n) {
  return conv->algorithm == CN_DIRECT ? conv_workspace_floats(conv, pass, n, context->threads)
                                      : winograd_workspace_floats(conv, pass, n, context->threads);
}

int64_t cn_conv2d_workspace_floats(const cn_context *context, const cn_conv2d *conv, int32_t pass,
                                   int32_t n) {
  TRY(check_context(context));
  TRY(check_conv(conv, pass, n));
  return conv_floats(context, conv, pass, n);
}

int32_t cn_conv2d_halo(const cn_conv2d *conv, int32_t pass) {
  TRY(check_conv(conv, pass, 1));
  const conv_form form = conv_form_of(conv);
  if (form == FORM_DEPTHWISE || form == FORM_OTHER) return 0;
  const conv_shape shape = form == FORM_STEM && pass == CN_BACKWARD_DATA
                               ? plain_gradient_shape_of(conv, 1)
                               : conv_shape_of(conv, &conv->x, &conv->y, 1);
  return sweep_of(&shape, pass == CN_BACKWARD_DATA).halo;
}

int32_t cn_conv2d_pack_weights(const cn_context *context, const cn_conv2d *conv, const float *oihw,
                               float *packed) {
  TRY(check_context(context));
  TRY(check_conv(conv, CN_FORWARD, 1));
  TRY(check_floats(oihw));
  TRY(check_weights(conv, packed));
  kernels_for(context)->conv2d_pack(context, conv, oihw, packed);
  return CN_OK;
}

int32_t cn_conv2d_unpack_weights(const cn_context *context, const cn_conv2d *conv,
                                 const float *packed, float *oihw) {
  TRY(check_context(context));
  TRY(check_conv(conv, CN_FORWARD, 1));
  TRY(check_weights(conv, packed));
  TRY(check_floats(oihw));
  kernels_for(context)->conv2d_unpack(context, conv, packed, oihw);
  return CN_OK;
}

/* Validates that a pass uses transformed filters. */
static int32_t check_transform(const cn_conv2d *conv, int32_t pass) {
  TRY(check_conv(conv, pass, 1));
  return conv->algorithm == CN_DIRECT || pass == CN_BACKWARD_WEIGHTS ? CN_BAD_VALUE : CN_OK;
}

int64_t cn_conv2d_transformed_floats(const cn_conv2d *conv, int32_t pass) {
  TRY(check_transform(conv, pass));
  return winograd_plan_of(conv, pass, 1, 1).weights_floats;
}

int32_t cn_conv2d_transform_weights(const cn_context *context, const cn_conv2d *conv, int32_t pass,
                                    const float *w, float *transformed) {
  TRY(check_context(context));
  TRY(check_transform(conv, pass));
  TRY(check_aligned(w));
  TRY(check_aligned(transformed));
  kernels_for(context)->conv2d_transform(context, conv, pass, w, transformed);
  return CN_OK;
}

/*
 * Validates the residual that a pass adds to its output, of the same shape; null if there is none.
 */
static int32_t check_add(const cn_conv2d *conv, const cn_tensor *out, const float *add, int32_t n) {
  if (add == NULL) return CN_OK;
  TRY(check_batch(&conv->add, n));
  TRY(check_same(out, &conv->add));
  return check_values(&conv->add, add);
}

int32_t cn_conv2d_forward(const cn_context *context, const cn_conv2d *conv, int32_t n,
                          const float *x, const float *w, const float *bias, const float *add,
                          float *y, float *statistics, float *workspace, int64_t workspace_floats) {
  TRY(check_context(context));
  TRY(check_conv(conv, CN_FORWARD, n));
  TRY(check_values(&conv->x, x));
  TRY(check_weights(conv, w));
  TRY(check_bias(conv->flags, bias, true));
  TRY(check_add(conv, &conv->y, add, n));
  TRY(check_values(&conv->y, y));
  if (statistics != NULL) TRY(check_aligned(statistics));
  TRY(check_workspace(workspace, workspace_floats, conv_floats(context, conv, CN_FORWARD, n)));
  kernels_for(context)->conv2d_forward(context, conv, n, x, w, bias, add, y, statistics, workspace);
  return CN_OK;
}

/* Validates a convolution and the pooling of its output. */
static int32_t check_conv_pool(const cn_conv2d *conv, const cn_pool2d *pool, int32_t n) {
  TRY(check_conv(conv, CN_FORWARD, n));
  if (pool == NULL) return CN_NULL_POINTER;
  TRY(check_pool(pool, &pool->x, &pool->y, n));
  TRY(check_same(&conv->y, &pool->x));
  return conv->y.halo != 0 ? CN_BAD_SHAPE : CN_OK;
}

/* The Winograd algorithms compute whole rows of tiles, and buffer as many images as these cover. */
static bool pools(const cn_conv2d *conv, const cn_pool2d *pool) {
  return conv->algorithm != CN_DIRECT || conv_pools(conv, pool);
}

int32_t cn_conv2d_pools(const cn_conv2d *conv, const cn_pool2d *pool) {
  TRY(check_conv_pool(conv, pool, 1));
  return pools(conv, pool) ? 1 : 0;
}

static int64_t conv_pool_floats(const cn_context *context, const cn_conv2d *conv,
                                const cn_pool2d *pool, int32_t n) {
  if (conv->algorithm != CN_DIRECT) return winograd_pool_floats(conv, pool, n, context->threads);
  const sweep plan = sweep_with_pool(conv, pool, n);
  return context->threads * (plan.pack_floats + plan.pool_floats);
}

int64_t cn_conv2d_pool_workspace_floats(const cn_context *context, const cn_conv2d *conv,
                                        const cn_pool2d *pool, int32_t n) {
  TRY(check_context(context));
  TRY(check_conv_pool(conv, pool, n));
  return pools(conv, pool) ? conv_pool_floats(context, conv, pool, n) : CN_BAD_VALUE;
}

int32_t cn_conv2d_pool_forward(const cn_context *context, const cn_conv2d *conv,
                               const cn_pool2d *pool, int32_t n, const float *x, const float *w,
                               const float *bias, float *y, uint8_t *winners, float *workspace,
                               int64_t workspace_floats) {
  TRY(check_context(context));
  TRY(check_conv_pool(conv, pool, n));
  if (!pools(conv, pool)) return CN_BAD_VALUE;
  TRY(check_values(&conv->x, x));
  TRY(check_weights(conv, w));
  TRY(check_bias(conv->flags, bias, true));
  TRY(check_aligned(y));
  TRY(check_winners(pool, winners));
  TRY(check_workspace(workspace, workspace_floats, conv_pool_floats(context, conv, pool, n)));
  kernels_for(context)->conv2d_pool_forward(context, conv, pool, n, x, w, bias, y, winners,
                                            workspace);
  return CN_OK;
}

int32_t cn_conv2d_backward_data(const cn_context *context, const cn_conv2d *conv, int32_t n,
                                const float *dy, const float *w, const float *add, const float *x,
                                float *dx, float *workspace, int64_t workspace_floats) {
  TRY(check_context(context));
  TRY(check_conv(conv, CN_BACKWARD_DATA, n));
  TRY(check_values(&conv->dy, dy));
  TRY(check_weights(conv, w));
  TRY(check_add(conv, &conv->dx, add, n));
  if (x != NULL) TRY(check_values(&conv->x, x));
  TRY(check_values(&conv->dx, dx));
  TRY(check_workspace(workspace, workspace_floats,
                      conv_floats(context, conv, CN_BACKWARD_DATA, n)));
  kernels_for(context)->conv2d_backward_data(context, conv, n, dy, w, add, x, dx, workspace);
  return CN_OK;
}

/* Validates all arguments of backward-weights except dy. */
static int32_t check_backward_weights(const cn_context *context, const cn_conv2d *conv, int32_t n,
                                      const float *x, const float *dw, const float *db,
                                      const cn_update *update, const float *workspace,
                                      int64_t workspace_floats) {
  TRY(check_conv(conv, CN_BACKWARD_WEIGHTS, n));
  TRY(check_values(&conv->x, x));
  if (dw != NULL || update == NULL) TRY(check_weights(conv, dw));
  TRY(check_bias(conv->flags, db, false));
  if (update != NULL) {
    if (conv_form_of(conv) == FORM_OTHER) return CN_BAD_VALUE;
    TRY(check_update(conv->flags, update));
  }
  return check_workspace(workspace, workspace_floats,
                         conv_floats(context, conv, CN_BACKWARD_WEIGHTS, n));
}

int32_t cn_conv2d_backward_weights(const cn_context *context, const cn_conv2d *conv, int32_t n,
                                   const float *x, const float *dy, float *dw, float *db,
                                   const cn_update *update, float *workspace,
                                   int64_t workspace_floats) {
  TRY(check_context(context));
  TRY(check_backward_weights(context, conv, n, x, dw, db, update, workspace, workspace_floats));
  TRY(check_values(&conv->dy, dy));
  kernels_for(context)->conv2d_backward_weights(context, conv, n, x, dy, NULL, NULL, dw, db, update,
                                                workspace);
  return CN_OK;
}

/* Validates a convolution and the gradients of the pooling of its output. */
static int32_t check_pool_backward(const cn_conv2d *conv, const cn_pool2d *pool, int32_t n) {
  TRY(check_conv(conv, CN_BACKWARD_WEIGHTS, n));
  if (pool == NULL) return CN_NULL_POINTER;
  TRY(check_pool(pool, &pool->dx, &pool->dy, n));
  return check_same(&conv->dy, &pool->dx);
}

int32_t cn_conv2d_pools_backward(const cn_conv2d *conv, const cn_pool2d *pool) {
  TRY(check_pool_backward(conv, pool, 1));
  return conv_pools_backward(conv, pool) ? 1 : 0;
}

int32_t cn_conv2d_pool_backward_weights(const cn_context *context, const cn_conv2d *conv,
                                        const cn_pool2d *pool, int32_t n, const float *x,
                                        const uint8_t *winners, const float *dy, float *dw,
                                        float *db, const cn_update *update, float *workspace,
                                        int64_t workspace_floats) {
  TRY(check_context(context));
  TRY(check_pool_backward(conv, pool, n));
  if (!conv_pools_backward(conv, pool)) return CN_BAD_VALUE;
  TRY(check_backward_weights(context, conv, n, x, dw, db, update, workspace, workspace_floats));
  if (winners == NULL) return CN_NULL_POINTER;
  TRY(check_winners(pool, winners));
  TRY(check_values(&pool->dy, dy));
  kernels_for(context)->conv2d_backward_weights(context, conv, n, x, dy, pool, winners, dw, db,
                                                update, workspace);
  return CN_OK;
}

/* ---- Linear layer --------------------------------------------------------------------------- */

static int32_t check_linear(const cn_linear *linear, int32_t n) {
  if (linear == NULL) return CN_NULL_POINTER;
  const cn_tensor x = {linear->c, linear->h, linear->w, 0, CN_FLAT, 0};
  const cn_tensor y = {linear->outputs, 1, 1, 0, CN_FLAT, 0};
  TRY(check_batch(&x, n));
  TRY(check_batch(&y, n));
  const double features = (double)(blocks_of(linear->c) * CN_BLOCK) * linear->h * linear->w;
  if (features * linear->outputs > most_weights) return CN_BAD_SHAPE;
  if ((linear->flags & ~LINEAR_FLAGS) != 0) return CN_BAD_VALUE;
  return check_fused(&linear->activation);
}

int64_t cn_linear_weight_floats(const cn_linear *linear) {
  TRY(check_linear(linear, 1));
  return linear_weight_floats(linear);
}

int64_t cn_linear_workspace_floats(const cn_context *context, const cn_linear *linear, int32_t pass,
                                   int32_t n) {
  TRY(check_context(context));
  TRY(check_linear(linear, n));
  TRY(check_pass(pass));
  return linear_workspace_floats(linear, pass, n, context->threads);
}

int32_t cn_linear_pack_weights(const cn_context *context, const cn_linear *linear,
                               const float *plain, float *packed) {
  TRY(check_context(context));
  TRY(check_linear(linear, 1));
  TRY(check_floats(plain));
  TRY(check_aligned(packed));
  kernels_for(context)->linear_pack(context, linear, plain, packed);
  return CN_OK;
}

int32_t cn_linear_unpack_weights(const cn_context *context, const cn_linear *linear,
                                 const float *packed, float *plain) {
  TRY(check_context(context));
  TRY(check_linear(linear, 1));
  TRY(check_aligned(packed));
  TRY(check_floats(plain));
  kernels_for(context)->linear_unpack(context, linear, packed, plain);
  return CN_OK;
}

int32_t cn_linear_forward(const cn_context *context, const cn_linear *linear, int32_t n,
                          const float *x, const float *w, const float *bias, float *y,
                          float *workspace, int64_t workspace_floats) {
  TRY(check_context(context));
  TRY(check_linear(linear, n));
  TRY(check_aligned(x));
  TRY(check_aligned(w));
  TRY(check_bias(linear->flags, bias, true));
  TRY(check_aligned(y));
  TRY(check_workspace(workspace, workspace_floats,
                      linear_workspace_floats(linear, CN_FORWARD, n, context->threads)));
  kernels_for(context)->linear_forward(context, linear, n, x, w, bias, y);
  return CN_OK;
}

int32_t cn_linear_backward_data(const cn_context *context, const cn_linear *linear, int32_t n,
                                const float *dy, const float *w, float *dx, float *workspace,
                                int64_t workspace_floats) {
  TRY(check_context(context));
  TRY(check_linear(linear, n));
  TRY(check_aligned(dy));
  TRY(check_aligned(w));
  TRY(check_aligned(dx));
  TRY(check_workspace(workspace, workspace_floats,
                      linear_workspace_floats(linear, CN_BACKWARD_DATA, n, context->threads)));
  kernels_for(context)->linear_backward_data(context, linear, n, dy, w, dx, workspace);
  return CN_OK;
}

int32_t cn_linear_backward_weights(const cn_context *context, const cn_linear *linear, int32_t n,
                                   const float *x, const float *dy, float *dw, float *db,
                                   const cn_update *update, float *workspace,
                                   int64_t workspace_floats) {
  TRY(check_context(context));
  TRY(check_linear(linear, n));
  TRY(check_aligned(x));
  TRY(check_aligned(dy));
  if (dw != NULL || update == NULL) TRY(check_aligned(dw));
  TRY(check_bias(linear->flags, db, false));
  if (update != NULL) TRY(check_update(linear->flags, update));
  TRY(check_workspace(workspace, workspace_floats,
                      linear_workspace_floats(linear, CN_BACKWARD_WEIGHTS, n, context->threads)));
  kernels_for(context)->linear_backward_weights(context, linear, n, x, dy, dw, db, update,
                                                workspace);
  return CN_OK;
}
