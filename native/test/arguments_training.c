/* The arguments of elementwise functions, losses, optimiser steps and the machine's limits. */
#include "arguments.h"

static const cn_tensor shape = {.c = 16, .h = 4, .w = 4, .layout = CN_BLOCKED};

/* ---- Elementwise ----------------------------------------------------------------------------- */

FUNCTION(cn_activation_forward, a.in, a.by_elementwise, a.n, a.x, a.y);
FUNCTION(cn_activation_backward, a.in, a.by_elementwise, a.n, a.x, a.dy, a.dx);
FUNCTION(cn_add, a.in, a.by_elementwise, a.n, a.x, a.dy, a.y);
FUNCTION(cn_subtract, a.in, a.by_elementwise, a.n, a.x, a.dy, a.y);
FUNCTION(cn_multiply, a.in, a.by_elementwise, a.n, a.x, a.dy, a.y);
FUNCTION(cn_dropout_apply, a.in, a.by_dropout, a.n, a.first_sample, 0, a.x, a.y);

static void elementwise(void) {
  begin_table();
  valid.elementwise = (cn_elementwise){.size = sizeof valid.elementwise,
                                       .a = shape,
                                       .b = shape,
                                       .out = shape,
                                       .activation = {.kind = CN_RELU}};
  valid.by_elementwise = &a.elementwise;
  valid.x = piece(0);
  valid.y = piece(1);
  valid.dy = piece(2);
  valid.dx = piece(3);
  cn_elementwise *e = &a.elementwise;
  const function *forward = &cn_activation_forward_row, *backward = &cn_activation_backward_row,
                 *add = &cn_add_row;
  const function *combinations[] = {add, &cn_subtract_row, &cn_multiply_row};
  const function *functions[] = {forward, backward, add, combinations[1], combinations[2]};
  for (int i = 0; i < 5; i++) {
    const function *f = functions[i];
    context_rows(f);
    batch_rows(f);
    DESCRIPTOR(f, a.elementwise, a.by_elementwise);
    ROW(f, CN_BAD_VALUE, e->reserved = 1);
    same_shape_rows(f, &e->a);
    same_shape_rows(f, &e->out);
    ROW(f, CN_BAD_LAYOUT, e->out.layout = CN_FLAT);
    if (f == add)
      fused_rows(f, &e->activation);
    else if (i < 2)
      activation_rows(f, &e->activation);
    else
      ROW(f, CN_OK, e->activation.kind = -1);
    ALIGNED(f, a.x);
    if (f == forward) {
      ROW(f, CN_OK, memset(&e->b, 0xA5, sizeof e->b));
      ROW(f, CN_OK, a.y = a.x);
      ROW(f, CN_BAD_SHAPE, a.y = a.x, e->out.halo = 1);
      ALIGNED(f, a.y);
      continue;
    }
    same_shape_rows(f, &e->b);
    ROW(f, CN_BAD_LAYOUT, e->b.layout = CN_PLAIN);
    ALIGNED(f, a.dy);
  }
  ALIGNED(backward, a.dx);
  ROW(backward, CN_BAD_SHAPE, a.dx = a.dy, e->out.halo = 1);
  for (int i = 0; i < 3; i++) {
    ALIGNED(combinations[i], a.y);
    ROW(combinations[i], CN_BAD_SHAPE, a.y = a.dy, e->out.halo = 1);
    ROW(combinations[i], CN_OK, a.y = a.dy);
  }
}

FUNCTION(cn_channel_scale_forward, a.in, a.by_channel_scale, a.n, a.x, a.scale, a.y);
FUNCTION(cn_channel_scale_workspace_bytes, a.in, a.by_channel_scale, a.n);
FUNCTION(cn_channel_scale_backward, a.in, a.by_channel_scale, a.n, a.x, a.dy, a.scale, a.dx,
         a.dscale, a.workspace, a.room);

/* The tensor of factors of maps. */
static void factor_rows(const function *f, cn_tensor *factors) {
  same_shape_rows(f, factors);
  ROW(f, CN_BAD_LAYOUT, factors->layout = CN_PLAIN);
  ROW(f, CN_OK, factors->layout = CN_PLAIN, a.channel_scale.factors = CN_FACTOR_OF_ALL);
}

static void channel_scale(void) {
  begin_table();
  const cn_tensor vector = {.c = 16, .h = 1, .w = 1, .halo = 1, .layout = CN_BLOCKED};
  valid.channel_scale = (cn_channel_scale){.size = sizeof valid.channel_scale,
                                           .x = shape,
                                           .y = shape,
                                           .dx = shape,
                                           .dy = shape,
                                           .s = vector,
                                           .ds = vector};
  valid.by_channel_scale = &a.channel_scale;
  valid.x = piece(0);
  valid.y = piece(1);
  valid.dy = piece(2);
  valid.dx = piece(3);
  valid.scale = piece(4);
  valid.dscale = piece(5);
  valid.workspace = piece(6);
  a = valid;
  valid.room = cn_channel_scale_workspace_bytes(a.in, a.by_channel_scale, a.n);
  CHECK(valid.room > 0 && valid.room <= PIECE, "%lld bytes", (long long)valid.room);
  cn_channel_scale *c = &a.channel_scale;
  const function *forward = &cn_channel_scale_forward_row,
                 *bytes = &cn_channel_scale_workspace_bytes_row,
                 *backward = &cn_channel_scale_backward_row;
  const function *functions[] = {forward, backward, bytes};
  for (int i = 0; i < 3; i++) {
    const function *f = functions[i];
    ROW(f, f == bytes ? valid.room : CN_OK, (void)0);
    ROW(f, CN_BAD_CONTEXT, a.context.threads = 0);
    DESCRIPTOR(f, a.channel_scale, a.by_channel_scale);
    batch_rows(f);
    tensor_rows(f, &c->x);
    ROW(f, CN_BAD_LAYOUT, c->x.layout = CN_PLAIN);
    ROW(f, CN_BAD_VALUE, c->factors = -1);
    ROW(f, CN_BAD_VALUE, c->factors = CN_FACTOR_OF_ALL + 1);
    ROW(f, CN_BAD_VALUE, c->negatives = 2);
    if (f == bytes) continue;
    context_rows(f);
    factor_rows(f, &c->s);
    ALIGNED(f, a.x);
    ALIGNED(f, a.scale);
  }
  same_shape_rows(forward, &c->y);
  ROW(forward, CN_OK, a.y = a.x);
  ROW(forward, CN_BAD_SHAPE, a.y = a.x, c->y.halo = 1);
  ROW(forward, CN_OK, c->dx.h = 0, c->dy.type = 1, c->ds.c = 0);
  ALIGNED(forward, a.y);
  same_shape_rows(backward, &c->dx);
  same_shape_rows(backward, &c->dy);
  factor_rows(backward, &c->ds);
  ALIGNED(backward, a.dy);
  OPTIONAL(backward, a.dx);
  OPTIONAL(backward, a.dscale);
  workspace_rows(backward);
  ROW(backward, CN_OK, a.dx = a.dy);
  ROW(backward, CN_BAD_SHAPE, a.dx = a.dy, c->dx.halo = 1);
  IGNORED(backward, a.scale, a.dx = NULL, c->dx.h = 0);
  IGNORED(backward, a.x, a.dscale = NULL, a.workspace = nowhere, a.room = 0, c->ds.c = 0);
  ROW(backward, CN_MISALIGNED, a.x = nowhere, a.dscale = NULL, c->negatives = 1);
}

static void dropout(void) {
  begin_table();
  valid.dropout = (cn_dropout){.size = sizeof valid.dropout, .x = shape, .y = shape, .scale = 2.0f};
  valid.by_dropout = &a.dropout;
  valid.x = piece(0);
  valid.y = piece(1);
  const function *f = &cn_dropout_apply_row;
  context_rows(f);
  batch_rows(f);
  DESCRIPTOR(f, a.dropout, a.by_dropout);
  same_shape_rows(f, &a.dropout.x);
  same_shape_rows(f, &a.dropout.y);
  ROW(f, CN_BAD_LAYOUT, a.dropout.y.layout = CN_FLAT);
  ROW(f, CN_BAD_VALUE, a.dropout.scale = INFINITY);
  ROW(f, CN_BAD_VALUE, a.dropout.scale = NAN);
  ROW(f, CN_OK, a.dropout.unit = CN_DROP_BATCH);
  ROW(f, CN_BAD_VALUE, a.dropout.unit = CN_DROP_BATCH + 1);
  ROW(f, CN_BAD_VALUE, a.dropout.unit = -1);
  ROW(f, CN_BAD_SHAPE, a.first_sample = -1);
  ROW(f, CN_OK, a.y = a.x);
  ROW(f, CN_BAD_SHAPE, a.y = a.x, a.dropout.y.halo = 1);
  ALIGNED(f, a.x);
  ALIGNED(f, a.y);
}

/* ---- Consecutive values ---------------------------------------------------------------------- */

FUNCTION(cn_accumulate, a.in, a.count, a.x, a.y);
FUNCTION(cn_fill, a.in, a.count, a.number, a.y);
FUNCTION(cn_scale, a.in, a.count, a.number, a.y);
FUNCTION(cn_clamp, a.in, a.count, a.number, a.y);
FUNCTION(cn_sums_of_squares, a.in, a.count, a.x, a.sums);
FUNCTION(cn_triad, a.in, a.count, a.number, a.x, a.dy, a.y);
FUNCTION(cn_fma_rounds, a.in, a.count, a.mean);

static void runs(void) {
  begin_table();
  valid.count = 100;
  valid.number = 1.0f;
  valid.x = piece(0);
  valid.y = piece(1);
  valid.dy = piece(2);
  valid.sums = piece(3);
  const function *sums = &cn_sums_of_squares_row, *clamp = &cn_clamp_row;
  const function *functions[] = {&cn_accumulate_row, &cn_fill_row, &cn_scale_row,
                                 &cn_triad_row,      clamp,        sums};
  for (int i = 0; i < 6; i++) {
    const function *f = functions[i];
    context_rows(f);
    ROW(f, CN_BAD_SHAPE, a.count = -1);
    ROW(f, CN_BAD_SHAPE, a.count = INT64_MIN);
    ROW(f, CN_BAD_SHAPE, a.count = INT64_MAX);
    ROW(f, CN_OK, a.count = 0);
    if (f == sums || f == &cn_accumulate_row || f == &cn_triad_row) {
      REQUIRED(f, a.x);
      ROW(f, CN_OK, a.x = beside(a.x, 4));
    }
    if (f == sums) continue;
    REQUIRED(f, a.y);
    ROW(f, CN_OK, a.y = beside(a.y, 4));
  }
  REQUIRED(&cn_triad_row, a.dy);
  REQUIRED(sums, a.sums);
  ROW(sums, CN_MISALIGNED, a.sums = beside(a.sums, 4));
  ROW(clamp, CN_OK, a.number = INFINITY);
  ROW(clamp, CN_BAD_VALUE, a.number = -1.0f);
  ROW(clamp, CN_BAD_VALUE, a.number = NAN);
  const function *rounds = &cn_fma_rounds_row;
  valid.mean = piece(4);
  context_rows(rounds);
  REQUIRED(rounds, a.mean);
  ROW(rounds, CN_BAD_VALUE, a.count = 0);
  ROW(rounds, CN_BAD_VALUE, a.count = (1 << 20) + 1);
  ROW(rounds, CN_BAD_VALUE, a.count = INT64_MIN);
}

/* ---- Losses ---------------------------------------------------------------------------------- */

static int32_t labels[8];
static double loss;

FUNCTION(cn_loss_evaluate, a.in, a.by_loss, a.n, a.x, a.w, a.scale, a.sums, a.y);

static void losses(void) {
  const function *f = &cn_loss_evaluate_row;
  for (int32_t kind = CN_SOFTMAX_CROSS_ENTROPY; kind <= CN_KL_DIVERGENCE_LOG; kind++) {
    const bool margins = kind == CN_MULTICLASS_SVM || kind == CN_MULTI_MARGIN;
    const bool softmax = kind == CN_SOFTMAX_CROSS_ENTROPY || kind == CN_SOFT_CROSS_ENTROPY;
    const bool labelled = kind == CN_SOFTMAX_CROSS_ENTROPY || margins;
    begin_table();
    float weights[] = {1.0f, 0.0f}, class_weights[] = {2.0f, 0.0f, 0.5f};
    valid.loss = (cn_loss){.size = sizeof valid.loss,
                           .kind = kind,
                           .classes = 3,
                           .pixels = margins ? 1 : 4,
                           .margin = 1.0f,
                           .weighted = 1,
                           .gradient = 1,
                           .power = 1,
                           .class_weights = class_weights};
    valid.by_loss = &a.loss;
    valid.x = piece(0);
    valid.w = labelled ? (void *)labels : piece(1);
    valid.scale = weights;
    valid.sums = &loss;
    valid.y = piece(2);
    context_rows(f);
    batch_rows(f);
    DESCRIPTOR(f, a.loss, a.by_loss);
    ROW(f, CN_BAD_VALUE, a.loss.kind = CN_KL_DIVERGENCE_LOG + 1);
    ROW(f, CN_BAD_VALUE, a.loss.kind = -1);
    ROW(f, CN_BAD_SHAPE, a.loss.classes = 0);
    ROW(f, CN_BAD_SHAPE, a.loss.pixels = -1);
    ROW(f, CN_BAD_SHAPE, a.loss.classes = CN_MOST_SIZE + 1);
    if (margins)
      ROW(f, CN_BAD_SHAPE, a.loss.pixels = 2);
    else
      ROW(f, CN_BAD_SHAPE, a.loss.classes = a.loss.pixels = 1 << 16, a.n = 1 << 16);
    ROW(f, CN_BAD_VALUE, a.loss.weighted = 2);
    ROW(f, CN_BAD_VALUE, a.loss.gradient = -1);
    ROW(f, CN_BAD_VALUE, a.loss.reduction = -1);
    ROW(f, CN_BAD_VALUE, a.loss.reduction = CN_SUM + 1);
    ROW(f, CN_OK, a.loss.reduction = CN_SUM);
    ROW(f, CN_BAD_VALUE, a.loss.ignores = 2);
    const float beyond[] = {NAN, -0.125f, 1.125f};
    for (int i = 0; i < 3; i++)
      ROW(f, softmax ? CN_BAD_VALUE : CN_OK, a.loss.smoothing = beyond[i]);
    ROW(f, kind == CN_MULTI_MARGIN ? CN_BAD_VALUE : CN_OK, a.loss.power = 3);
    ROW(f, CN_OK, a.loss.class_weights = NULL);
    const bool weighs = softmax || kind == CN_MULTI_MARGIN || kind == CN_BINARY_CROSS_ENTROPY;
    class_weights[1] = -1.0f;
    ROW(f, weighs ? CN_BAD_VALUE : CN_OK, (void)0);
    class_weights[1] = 0.0f;
    const bool shaped = kind == CN_HUBER || kind == CN_SMOOTH_L1;
    const float parameters[] = {NAN, INFINITY, -1.0f, 0.0f};
    for (int i = 0; i < 4; i++) {
      const bool finite = isfinite(parameters[i]);
      const bool bad = margins ? !finite
                               : shaped && (!finite || parameters[i] < 0.0f ||
                                            (kind == CN_HUBER && parameters[i] == 0.0f));
      ROW(f, bad ? CN_BAD_VALUE : CN_OK, a.loss.margin = parameters[i]);
    }
    REQUIRED(f, a.x);
    ROW(f, CN_OK, a.x = beside(a.x, 4));
    REQUIRED(f, a.w);
    REQUIRED(f, a.scale);
    REQUIRED(f, a.sums);
    REQUIRED(f, a.y);
    IGNORED(f, a.scale, a.loss.weighted = 0);
    IGNORED(f, a.y, a.loss.gradient = 0);
    const float bad[][2] = {{0.0f, 0.0f}, {1.0f, -1.0f}, {INFINITY, 1.0f}, {1.0f, NAN}};
    for (int i = 0; i < 4; i++) {
      memcpy(weights, bad[i], sizeof weights);
      ROW(f, CN_BAD_VALUE, (void)bad[i]);
      ROW(f, CN_OK, a.loss.weighted = 0);
    }
    weights[0] = weights[1] = 1.0f;
    loss = 3.0;
    for (int i = 0; i < 2 && labelled; i++) {
      labels[1] = i == 0 ? 3 : -1;
      ROW(f, CN_BAD_LABEL, (void)0);
      ROW(f, softmax ? CN_OK : CN_BAD_LABEL, a.loss.ignores = 1, a.loss.ignored = labels[1]);
      loss = 3.0;
      labels[1] = 0;
    }
    CHECK(loss == 3.0, "a refused call writes a loss");
  }
}

/* ---- Optimiser ------------------------------------------------------------------------------- */

static cn_optimizer rule;
static const cn_optimizer *by_rule;
static cn_segment segment[2];
static const cn_segment *by_segment;
static int32_t segment_count;
static float rate, *states[CN_MOST_STATES];
static float *const *by_states;

FUNCTION(cn_optimizer_step, a.in, by_rule, rate, segment_count, by_segment, a.x, by_states, a.y);

static void reset_step(void) {
  rule = adam;
  by_rule = &rule;
  segment[0] = (cn_segment){0, 16, 1.0f, 0.0f};
  segment[1] = (cn_segment){16, 16, 0.5f, 0.1f};
  by_segment = segment;
  segment_count = 2;
  rate = 0.1f;
  states[0] = piece(1);
  states[1] = piece(2);
  by_states = states;
}

static void optimizer_steps(void) {
  begin_table();
  valid.x = piece(0);
  valid.y = piece(3);
  const function *f = &cn_optimizer_step_row;
  reset_step();
  context_rows(f);
#define STEP(status, ...) ROW(f, status, reset_step(), __VA_ARGS__)
  STEP(CN_OK, (void)0);
  STEP(CN_OK, segment_count = 0);
  STEP(CN_BAD_SHAPE, segment_count = -1);
  STEP(CN_OK, rule = (cn_optimizer){.momentum = 0.9}, states[1] = nowhere);
  STEP(CN_OK, rule = (cn_optimizer){.momentum = 0.0}, by_states = NULL);
  STEP(CN_OK, rule = (cn_optimizer){.momentum = 0.0}, states[0] = nowhere);
  STEP(CN_NULL_POINTER, by_rule = NULL);
  STEP(CN_NULL_POINTER, by_segment = NULL);
  STEP(CN_NULL_POINTER, by_states = NULL);
  STEP(CN_NULL_POINTER, states[0] = NULL);
  STEP(CN_NULL_POINTER, states[1] = NULL);
  STEP(CN_MISALIGNED, states[1] = beside(states[1], 2));
  STEP(CN_BAD_VALUE, rate = NAN);
  STEP(CN_BAD_VALUE, rate = INFINITY);
  STEP(CN_BAD_VALUE, rate = 100.0f, segment[1].rate_factor = 1e38f); /* their product */
  STEP(CN_BAD_VALUE, segment[1].rate_factor = INFINITY);
  STEP(CN_BAD_VALUE, segment[1].weight_decay = NAN);
  STEP(CN_BAD_VALUE, segment[1].weight_decay = -0.1f);
  STEP(CN_BAD_SHAPE, segment[1].offset = -1);
  STEP(CN_BAD_SHAPE, segment[1].length = -1);
  STEP(CN_BAD_SHAPE, segment[1].offset = segment[1].length = INT64_MAX);
  for (int i = 0; i < bad_rule_count; i++) STEP(CN_BAD_VALUE, rule = bad_rules[i]);
#undef STEP
  reset_step();
  REQUIRED(f, a.x);
  REQUIRED(f, a.y);
}

void training_arguments(void) {
  elementwise();
  channel_scale();
  dropout();
  runs();
  losses();
  optimizer_steps();
}
