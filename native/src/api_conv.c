/* Entry points for the convolution and the linear layer. */
#include "check.h"
#include "conv_plan.h"
#include "conv_variants.h"
#include "cpu.h"
#include "winograd_plan.h"

/* Upper bound for the floats of packed weights: 4 TiB. */
static const double most_weights = (double)((int64_t)1 << 40);

/* A size in floats, in bytes. */
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
  TRY(check_batch(&conv->x, n));
  TRY(check_blocked(&conv->y, n));
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
  if (conv->algorithm < 0 || conv->algorithm >= CN_ALGORITHMS) return CN_BAD_VALUE;
  return conv->transformed != 0 && conv->transformed != 1 ? CN_BAD_VALUE : CN_OK;
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

/* ---- Calls ----------------------------------------------------------------------------------- */

/* The operations that each pass has, with and without pooling. */
enum {
  FORWARD_OPERATIONS = CN_BIAS | CN_ADD | CN_ACTIVATE | CN_STATISTICS,
  POOLED_OPERATIONS = CN_BIAS | CN_ACTIVATE | CN_POOL,
  DATA_OPERATIONS = CN_ADD | CN_SLOPE,
  WEIGHTS_OPERATIONS = CN_BIAS | CN_POOL,
};

static int32_t check_conv_epilogue(const cn_conv2d *conv, const cn_epilogue *e, int32_t pass,
                                   int32_t n) {
  const bool pools = (e->operations & CN_POOL) != 0;
  if (pools &&
      (e->pool->adaptive != 0 || e->pool->window.dilation_h > 1 || e->pool->window.dilation_w > 1))
    return CN_UNSUPPORTED;
  switch (pass) {
  case CN_BACKWARD_DATA:
    return check_epilogue(e, DATA_OPERATIONS, &conv->dx, n);
  case CN_BACKWARD_WEIGHTS:
    TRY(check_epilogue(e, WEIGHTS_OPERATIONS, &conv->dy, n));
    if (!pools) return CN_OK;
    if (e->pool->winners == 0) return CN_UNSUPPORTED;
    TRY(check_pool(e->pool, &e->pool->dx, &e->pool->dy, n));
    return check_same(&conv->dy, &e->pool->dx);
  default:
    TRY(check_epilogue(e, pools ? POOLED_OPERATIONS : FORWARD_OPERATIONS, &conv->y, n));
    if (!pools) return CN_OK;
    TRY(check_pool(e->pool, &e->pool->x, &e->pool->y, n));
    TRY(check_same(&conv->y, &e->pool->x));
    return conv->y.halo != 0 ? CN_BAD_SHAPE : CN_OK;
  }
}

/* A call with room for what older and newer callers give; see ADOPT. */
typedef struct call_room {
  cn_context context;
  cn_conv2d conv;
  epilogue_room epilogue;
} call_room;

/* Validates the descriptors of a call and finds its variant. */
static int32_t begin_call(conv_call *call, call_room *room, const conv_variant **variant) {
  if (call->context == NULL || call->conv == NULL) return CN_NULL_POINTER;
  call->context = sized(call->context, &room->context, sizeof room->context);
  call->conv = sized(call->conv, &room->conv, sizeof room->conv);
  if (call->context == NULL || call->conv == NULL) return CN_BAD_SIZE;
  TRY(check_context(call->context));
  TRY(check_conv(call->conv, call->pass, call->n));
  TRY(adopt_epilogue(&call->epilogue, &room->epilogue));
  TRY(check_conv_epilogue(call->conv, call->epilogue, call->pass, call->n));
  const bool transforms = call->conv->algorithm != CN_DIRECT && call->pass != CN_BACKWARD_WEIGHTS;
  if (call->conv->transformed != 0 && !transforms) return CN_BAD_VALUE;
  *variant = variant_of(call);
  return *variant == NULL ? CN_UNSUPPORTED : CN_OK;
}

/* OIHW weights of the form that is not packed need no alignment. */
static bool is_packed(const cn_conv2d *conv) { return conv_form_of(conv) != FORM_OTHER; }

static int32_t check_weights(const cn_conv2d *conv, const void *w) {
  return is_packed(conv) ? check_aligned(w) : check_floats(w);
}

/* Validates the epilogue's operands and the workspace, and runs the call. */
static int32_t finish_call(const conv_call *call, const conv_variant *variant,
                           int64_t workspace_bytes) {
  TRY(check_operands(call->epilogue, call->pass == CN_BACKWARD_WEIGHTS ? CN_POOL : ~0));
  TRY(check_workspace(call->workspace, workspace_bytes, variant_workspace(variant, call)));
  kernels_for(call->context)->conv[variant->run](call);
  return CN_OK;
}

int32_t cn_conv2d_forward(const cn_context *context, const cn_conv2d *conv,
                          const cn_epilogue *epilogue, int32_t n, const void *x, const void *w,
                          void *y, void *workspace, int64_t workspace_bytes) {
  call_room room;
  const conv_variant *variant;
  conv_call call = {.context = context,
                    .conv = conv,
                    .epilogue = epilogue,
                    .pass = CN_FORWARD,
                    .n = n,
                    .x = x,
                    .w = w,
                    .out = y,
                    .workspace = workspace};
  TRY(begin_call(&call, &room, &variant));
  TRY(check_values(&call.conv->x, x));
  TRY(check_weights(call.conv, w));
  TRY(check_aligned(y));
  return finish_call(&call, variant, workspace_bytes);
}

int32_t cn_conv2d_backward_data(const cn_context *context, const cn_conv2d *conv,
                                const cn_epilogue *epilogue, int32_t n, const void *dy,
                                const void *w, void *dx, void *workspace, int64_t workspace_bytes) {
  call_room room;
  const conv_variant *variant;
  conv_call call = {.context = context,
                    .conv = conv,
                    .epilogue = epilogue,
                    .pass = CN_BACKWARD_DATA,
                    .n = n,
                    .dy = dy,
                    .w = w,
                    .out = dx,
                    .workspace = workspace};
  TRY(begin_call(&call, &room, &variant));
  TRY(check_aligned(dy));
  TRY(check_weights(call.conv, w));
  TRY(check_values(&call.conv->dx, dx));
  return finish_call(&call, variant, workspace_bytes);
}

int32_t cn_conv2d_backward_weights(const cn_context *context, const cn_conv2d *conv,
                                   const cn_epilogue *epilogue, int32_t n, const void *x,
                                   const void *dy, const cn_gradients *gradients, void *workspace,
                                   int64_t workspace_bytes) {
  call_room room;
  const conv_variant *variant;
  ADOPT(cn_gradients, gradients);
  conv_call call = {.context = context,
                    .conv = conv,
                    .epilogue = epilogue,
                    .pass = CN_BACKWARD_WEIGHTS,
                    .n = n,
                    .x = x,
                    .dy = dy,
                    .gradients = gradients,
                    .workspace = workspace};
  TRY(begin_call(&call, &room, &variant));
  if ((gradients->operations & CN_UPDATE) != 0 && !variant->updates) return CN_UNSUPPORTED;
  TRY(check_values(&call.conv->x, x));
  TRY(check_aligned(dy));
  TRY(check_gradients(gradients, call_does(&call, CN_BIAS), is_packed(call.conv)));
  return finish_call(&call, variant, workspace_bytes);
}

int32_t cn_conv2d_describe(const cn_context *context, const cn_conv2d *conv,
                           const cn_epilogue *epilogue, int32_t pass, int32_t n,
                           cn_conv2d_variant *variant) {
  call_room room;
  const conv_variant *found;
  conv_call call = {.context = context, .conv = conv, .epilogue = epilogue, .pass = pass, .n = n};
  if (variant == NULL) return CN_NULL_POINTER;
  TRY(begin_call(&call, &room, &found));
  const cn_window *window = &call.conv->window;
  const double taps = (double)window->kernel_h * window->kernel_w;
  const cn_conv2d_variant all = {
      .halo = variant_halo(found, &call),
      .name = found->name,
      .workspace = bytes_of(variant_workspace(found, &call)),
      .transformed =
          found->run == RUN_winograd ? bytes_of(winograd_plan_of_call(&call).weights_floats) : 0,
      .updates = found->updates ? 1 : 0,
      .chunks = (int32_t)variant_chunks(found, &call),
      .operations = 2.0 * n * call.conv->y.h * call.conv->y.w * taps * call.conv->y.c *
                    (call.conv->x.c / call.conv->groups),
      .nanoseconds = conv_nanoseconds(&call)};
  return give_sized(&all, sizeof all, variant);
}

/* ---- Weights --------------------------------------------------------------------------------- */

int64_t cn_conv2d_weight_bytes(const cn_conv2d *conv) {
  ADOPT(cn_conv2d, conv);
  TRY(check_conv(conv, CN_FORWARD, 1));
  return bytes_of(conv_weight_floats(conv));
}

const char *cn_conv2d_weight_order(const cn_conv2d *conv) {
  cn_conv2d room;
  if (conv == NULL) return NULL;
  conv = sized(conv, &room, sizeof room);
  if (conv == NULL || check_conv(conv, CN_FORWARD, 1) != CN_OK) return NULL;
  switch (conv_form_of(conv)) {
  case FORM_STEM:
    return "K/16, C, R, S, 16k";
  case FORM_DEPTHWISE:
    return "C/16, R, S, 16c";
  case FORM_OTHER:
    return "K, C, R, S";
  case FORM_FULL:
    break;
  }
  return conv->groups == 1 ? "K/16, C/16, R, S, 16c, 16k" : "groups, K/16, C/16, R, S, 16c, 16k";
}

int32_t cn_conv2d_layout(const cn_conv2d *conv) {
  enum {
    MOST_PLAIN = 4
  }; /* with more channels, blocks are faster, even if most of one is padding */
  ADOPT(cn_conv2d, conv);
  cn_conv2d blocked = *conv;
  blocked.x.layout = CN_BLOCKED;
  TRY(check_conv(&blocked, CN_FORWARD, 1));
  return conv->x.c <= MOST_PLAIN && conv->groups == 1 ? CN_PLAIN : CN_BLOCKED;
}

int32_t cn_conv2d_pack_weights(const cn_context *context, const cn_conv2d *conv, const float *oihw,
                               void *packed) {
  ADOPT(cn_context, context);
  ADOPT(cn_conv2d, conv);
  TRY(check_context(context));
  TRY(check_conv(conv, CN_FORWARD, 1));
  TRY(check_floats(oihw));
  TRY(check_weights(conv, packed));
  kernels_for(context)->conv2d_pack(context, conv, oihw, packed);
  return CN_OK;
}

int32_t cn_conv2d_unpack_weights(const cn_context *context, const cn_conv2d *conv,
                                 const void *packed, float *oihw) {
  ADOPT(cn_context, context);
  ADOPT(cn_conv2d, conv);
  TRY(check_context(context));
  TRY(check_conv(conv, CN_FORWARD, 1));
  TRY(check_weights(conv, packed));
  TRY(check_floats(oihw));
  kernels_for(context)->conv2d_unpack(context, conv, packed, oihw);
  return CN_OK;
}

int32_t cn_conv2d_transform_weights(const cn_context *context, const cn_conv2d *conv, int32_t pass,
                                    const void *w, void *transformed) {
  ADOPT(cn_context, context);
  ADOPT(cn_conv2d, conv);
  TRY(check_context(context));
  TRY(check_conv(conv, pass, 1));
  if (pass == CN_BACKWARD_WEIGHTS) return CN_BAD_VALUE;
  if (conv->algorithm == CN_DIRECT || !winograd_fits(conv)) return CN_UNSUPPORTED;
  TRY(check_aligned(w));
  TRY(check_aligned(transformed));
  kernels_for(context)->conv2d_transform(context, conv, pass, w, transformed);
  return CN_OK;
}

/* ---- Linear layer ---------------------------------------------------------------------------- */

static int32_t check_linear(const cn_linear *linear, int32_t n) {
  const cn_tensor x = {
      .c = linear->c, .h = linear->h, .w = linear->w, .layout = CN_FLAT, .type = linear->type};
  const cn_tensor y = {
      .c = linear->outputs, .h = 1, .w = 1, .layout = CN_FLAT, .type = linear->type};
  TRY(check_batch(&x, n));
  TRY(check_batch(&y, n));
  const double features = (double)(blocks_of(linear->c) * CN_BLOCK) * linear->h * linear->w;
  return features * linear->outputs > most_weights ? CN_BAD_SHAPE : CN_OK;
}

/* Validates the epilogue of a pass, of which `supported` are the operations. */
static int32_t check_linear_epilogue(const cn_linear *linear, const cn_epilogue **epilogue,
                                     epilogue_room *room, int32_t supported) {
  const cn_tensor y = {.c = linear->outputs, .h = 1, .w = 1, .layout = CN_FLAT};
  TRY(adopt_epilogue(epilogue, room));
  return check_epilogue(*epilogue, supported, &y, 1);
}

int64_t cn_linear_weight_bytes(const cn_linear *linear) {
  ADOPT(cn_linear, linear);
  TRY(check_linear(linear, 1));
  return bytes_of(linear_weight_floats(linear));
}

int64_t cn_linear_workspace_bytes(const cn_context *context, const cn_linear *linear, int32_t pass,
                                  int32_t n) {
  ADOPT(cn_context, context);
  ADOPT(cn_linear, linear);
  TRY(check_context(context));
  TRY(check_linear(linear, n));
  TRY(check_pass(pass));
  return bytes_of(linear_workspace_floats(linear, pass, n, context->threads));
}

int32_t cn_linear_pack_weights(const cn_context *context, const cn_linear *linear,
                               const float *plain, void *packed) {
  ADOPT(cn_context, context);
  ADOPT(cn_linear, linear);
  TRY(check_context(context));
  TRY(check_linear(linear, 1));
  TRY(check_floats(plain));
  TRY(check_aligned(packed));
  kernels_for(context)->linear_pack(context, linear, plain, packed);
  return CN_OK;
}

int32_t cn_linear_unpack_weights(const cn_context *context, const cn_linear *linear,
                                 const void *packed, float *plain) {
  ADOPT(cn_context, context);
  ADOPT(cn_linear, linear);
  TRY(check_context(context));
  TRY(check_linear(linear, 1));
  TRY(check_aligned(packed));
  TRY(check_floats(plain));
  kernels_for(context)->linear_unpack(context, linear, packed, plain);
  return CN_OK;
}

int32_t cn_linear_forward(const cn_context *context, const cn_linear *linear,
                          const cn_epilogue *epilogue, int32_t n, const void *x, const void *w,
                          void *y, void *workspace, int64_t workspace_bytes) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_linear, linear);
  TRY(check_context(context));
  TRY(check_linear(linear, n));
  TRY(check_linear_epilogue(linear, &epilogue, &room, CN_BIAS | CN_ACTIVATE));
  TRY(check_aligned(x));
  TRY(check_aligned(w));
  TRY(check_operands(epilogue, ~0));
  TRY(check_aligned(y));
  TRY(check_workspace(workspace, workspace_bytes,
                      linear_workspace_floats(linear, CN_FORWARD, n, context->threads)));
  kernels_for(context)->linear_forward(context, linear, epilogue, n, x, w, y);
  return CN_OK;
}

int32_t cn_linear_backward_data(const cn_context *context, const cn_linear *linear, int32_t n,
                                const void *dy, const void *w, void *dx, void *workspace,
                                int64_t workspace_bytes) {
  ADOPT(cn_context, context);
  ADOPT(cn_linear, linear);
  TRY(check_context(context));
  TRY(check_linear(linear, n));
  TRY(check_aligned(dy));
  TRY(check_aligned(w));
  TRY(check_aligned(dx));
  TRY(check_workspace(workspace, workspace_bytes,
                      linear_workspace_floats(linear, CN_BACKWARD_DATA, n, context->threads)));
  kernels_for(context)->linear_backward_data(context, linear, n, dy, w, dx, workspace);
  return CN_OK;
}

int32_t cn_linear_backward_weights(const cn_context *context, const cn_linear *linear,
                                   const cn_epilogue *epilogue, int32_t n, const void *x,
                                   const void *dy, const cn_gradients *gradients, void *workspace,
                                   int64_t workspace_bytes) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_linear, linear);
  ADOPT(cn_gradients, gradients);
  TRY(check_context(context));
  TRY(check_linear(linear, n));
  TRY(check_linear_epilogue(linear, &epilogue, &room, CN_BIAS));
  TRY(check_aligned(x));
  TRY(check_aligned(dy));
  TRY(check_gradients(gradients, (epilogue->operations & CN_BIAS) != 0, true));
  TRY(check_workspace(workspace, workspace_bytes,
                      linear_workspace_floats(linear, CN_BACKWARD_WEIGHTS, n, context->threads)));
  kernels_for(context)->linear_backward_weights(context, linear, epilogue, n, x, dy, gradients,
                                                workspace);
  return CN_OK;
}
