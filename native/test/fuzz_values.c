/* Elementwise functions, copies, optimiser steps, losses and the machine's limits. */
#include "fuzz.h"

/* Sizes beyond the operands' room become one that is. */
static int64_t values_in_bytes(double count) {
  return fabs(count) > MOST_OPERAND ? MOST_OPERAND + 1 : (int64_t)count * (int64_t)sizeof(float);
}

void fuzz_elementwise(void) {
  const cn_context some = any_context();
  const int32_t n = any_batch();
  const cn_tensor t = any_tensor(below(3));
  cn_elementwise e = {.size = sizeof e, .a = t, .b = t, .out = t, .activation = any_activation()};
  if (chance(20)) e.activation.kind = below(CN_ACTIVATIONS + 1);
  other_halo(&e.a);
  other_halo(&e.b);
  if (chance(30)) SPOIL(&e, cn_elementwise, reserved, activation);
  cn_dropout d = {.size = sizeof d,
                  .seed = next_random(),
                  .x = e.a,
                  .y = e.out,
                  .threshold = 1u << 31,
                  .scale = chance(97) ? 2.0f : INFINITY,
                  .unit = chance(97) ? below(CN_DROP_BATCH + 1) : CN_DROP_BATCH + 1};
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const cn_elementwise *op = offered(LAYER, &e, sizeof e);
  begin_call();
  void *a = spoilt(next_image(&e.a, n)), *b = spoilt(next_image(&e.b, n));
  void *out = spoilt(next_result(&e.out, n));
  if (all_fit() && chance(50))
    CALL(cn_add, context, op, n, a, b, out);
  else if (all_fit() && chance(50))
    CALL(cn_subtract, context, op, n, a, b, out);
  else if (all_fit())
    CALL(cn_multiply, context, op, n, a, b, out);
  begin_call();
  a = spoilt(next_image(&e.a, n)), out = spoilt(next_result(&e.out, n));
  if (all_fit()) CALL(cn_activation_forward, context, op, n, a, out);
  begin_call();
  a = spoilt(next_image(&e.a, n)), b = spoilt(next_image(&e.b, n));
  out = spoilt(next_result(&e.out, n));
  if (all_fit()) CALL(cn_activation_backward, context, op, n, a, b, out);
  const cn_dropout *dropout = offered(LAYER, &d, sizeof d);
  begin_call();
  a = spoilt(next_image(&e.a, n)), out = spoilt(next_result(&e.out, n));
  if (all_fit()) CALL(cn_dropout_apply, context, dropout, n, below(100) - 1, 3, a, out);
}

void fuzz_channel_scale(void) {
  const cn_context some = any_context();
  const int32_t n = any_batch();
  const cn_tensor t = any_tensor(CN_BLOCKED);
  const cn_tensor factors = {.c = t.c, .h = 1, .w = 1, .halo = below(2), .layout = CN_BLOCKED};
  cn_channel_scale d = {.size = sizeof d,
                        .factors = below(CN_FACTOR_OF_ALL + 1),
                        .x = t,
                        .y = t,
                        .dx = t,
                        .dy = t,
                        .s = factors,
                        .ds = factors,
                        .negatives = below(2)};
  other_halo(&d.y);
  other_halo(&d.dx);
  other_halo(&d.dy);
  if (chance(30)) SPOIL(&d, cn_channel_scale, factors, negatives);
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const cn_channel_scale *op = offered(LAYER, &d, sizeof d);
  const bool of_maps = d.factors == CN_FACTOR_OF_MAP;
  const int64_t vector = vector_bytes(d.factors == CN_FACTOR_OF_ALL ? 1 : d.x.c);
  const int64_t room = cn_channel_scale_workspace_bytes(context, op, n);
  begin_call();
  void *x = spoilt(next_image(&d.x, n)), *y = spoilt(next_result(&d.y, n));
  void *s = spoilt(of_maps ? next_image(&d.s, n) : next_input(vector));
  if (all_fit()) CALL(cn_channel_scale_forward, context, op, n, x, s, y);
  begin_call();
  x = spoilt(next_image(&d.x, n));
  s = spoilt(of_maps ? next_image(&d.s, n) : next_input(vector));
  void *dy = spoilt(next_image(&d.dy, n));
  /* Gradients may be null, so these pointers are not spoilt. */
  void *dx = chance(80) ? next_result(&d.dx, n) : NULL;
  void *ds = chance(20) ? NULL : of_maps ? next_result(&d.ds, n) : next_output(vector);
  void *workspace = spoilt(next_scratch(room));
  if (all_fit())
    CALL(cn_channel_scale_backward, context, op, n, x, dy, s, dx, ds, workspace,
         chance(5) ? room - 1 : room);
}

void fuzz_channels(void) {
  const cn_context some = any_context();
  const int32_t n = any_batch();
  cn_tensor from = any_tensor(below(3)), to = from;
  to.layout = below(3);
  to.sample_stride = 0;
  to.halo = to.layout == CN_FLAT ? 0 : below(3);
  if (chance(30)) spoil(&from, sizeof from / sizeof(int32_t));
  if (chance(30)) spoil(&to, sizeof to / sizeof(int32_t));
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  begin_call();
  void *src = spoilt(next_image(&from, n)), *dst = spoilt(next_result(&to, n));
  if (all_fit()) CALL(cn_reorder, context, &from, &to, n, src, dst);
  begin_call();
  to = from;
  to.c = ONE_OF(1, 16, 17, 40);
  other_halo(&to);
  int32_t channels[3] = {below(from.c > 0 ? from.c : 1), below(to.c), 1 + below(to.c)};
  if (chance(30)) spoil(channels, 3);
  src = spoilt(next_image(&from, n));
  void *copy = spoilt(next_state(cn_tensor_bytes(&to, n)));
  if (all_fit())
    CALL(cn_copy_channels, context, &from, &to, n, channels[0], channels[1], channels[2], src,
         copy);
  begin_call();
  void *y = spoilt(next_state(cn_tensor_bytes(&from, n)));
  void *bias = spoilt(next_input(vector_bytes(from.c)));
  if (all_fit()) CALL(cn_bias_add, context, &from, n, bias, y);
  begin_call();
  void *dy = spoilt(next_image(&from, n)), *db = spoilt(next_output(vector_bytes(from.c)));
  if (all_fit()) CALL(cn_bias_gradient, context, &from, n, dy, db);
}

static int64_t any_count(void) {
  return chance(90) ? below(5000) : (int64_t[]){-1, INT64_MIN, INT64_MAX, 0}[below(4)];
}

void fuzz_vectors(void) {
  const cn_context some = any_context();
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const int64_t count = any_count(), bytes = values_in_bytes((double)count);
  begin_call();
  void *a = spoilt(next_input(bytes)), *b = spoilt(next_input(bytes));
  void *out = spoilt(next_output(bytes > 0 ? bytes : 64));
  if (count != 0) CALL(cn_triad, context, count, 2.0f, a, b, out);
  begin_call();
  out = spoilt(next_output(bytes > 0 ? bytes : 64));
  if (count != 0) CALL(cn_fill, context, count, 1.0f, out);
  begin_call();
  a = spoilt(next_input(bytes)), out = spoilt(next_state(bytes));
  CALL(cn_accumulate, context, count, a, out);
  begin_call();
  out = spoilt(next_state(bytes));
  CALL(cn_scale, context, count, 0.5f, out);
  begin_call();
  out = spoilt(next_state(bytes));
  CALL(cn_clamp, context, count, chance(95) ? 0.5f : -1.0f, out);
  begin_call();
  a = spoilt(next_input(bytes));
  const int64_t runs = (bytes / (int64_t)sizeof(float) + CN_SUM_RUN - 1) / CN_SUM_RUN;
  void *sums = spoilt(next_output((runs > 0 ? runs : 1) * (int64_t)sizeof(double)));
  if (count != 0) CALL(cn_sums_of_squares, context, count, a, sums);
}

void fuzz_optimizer(void) {
  const cn_context some = any_context();
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const int64_t count = any_count(), bytes = values_in_bytes((double)count), half = count / 2;
  cn_segment segments[2] = {{0, half, 1.0f, 0.0f},
                            {half, count < 0 ? count : count - half, 0.5f, 0.1f}};
  if (chance(10)) spoil(&segments[0].rate_factor, 2);
  const cn_optimizer rule = any_optimizer();
  begin_call();
  void *gradients = spoilt(next_input(bytes)), *w = spoilt(next_state(bytes));
  float *states[CN_MOST_STATES] = {spoilt(next_state(bytes)), spoilt(next_state(bytes))};
  CALL(cn_optimizer_step, context, &rule, 0.1f, chance(98) ? 2 : -1, segments, gradients,
       chance(98) ? states : NULL, w);
}

void fuzz_loss(void) {
  const cn_context some = any_context();
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  cn_loss l = {.size = sizeof l,
               .kind = below(CN_KL_DIVERGENCE_LOG + 1),
               .classes = 1 + below(40),
               .margin = 1.0f,
               .weighted = below(2),
               .gradient = below(2),
               .reduction = below(CN_SUM + 1),
               .smoothing = chance(50) ? 0.0f : 0.25f,
               .ignores = below(2),
               .ignored = below(4) - 1,
               .power = 1 + below(2)};
  const bool margins = l.kind == CN_MULTICLASS_SVM || l.kind == CN_MULTI_MARGIN;
  l.pixels = margins || chance(50) ? 1 : 1 + below(80);
  if (chance(40)) SPOIL(&l, cn_loss, kind, margin);
  if (chance(5)) SPOIL(&l, cn_loss, weighted, power);
  const cn_loss *loss = offered(LAYER, &l, sizeof l);
  const int32_t n = any_batch();
  const double rows = (double)n * l.classes;
  if (fabs(rows * l.pixels) > MOST_WORK) return;
  static int32_t labels[MOST_WORK];
  static float weights[MOST_WORK];
  const int64_t label_count = (int64_t)n * l.pixels;
  for (int64_t i = 0; i < label_count && i < MOST_WORK; i++)
    labels[i] = l.classes > 0 ? below(l.classes) : 0;
  if (chance(3)) labels[below(4)] = chance(50) ? -1 : l.classes;
  for (int32_t i = 0; i < n && i < MOST_WORK; i++) weights[i] = (float)below(4);
  if (chance(3)) weights[0] = chance(50) ? -1.0f : NAN;
  begin_call();
  const int64_t bytes = values_in_bytes(rows * l.pixels);
  void *output = spoilt(next_input(bytes));
  const bool labelled = l.kind == CN_SOFTMAX_CROSS_ENTROPY || l.kind == CN_MULTICLASS_SVM ||
                        l.kind == CN_MULTI_MARGIN;
  void *targets = spoilt(labelled ? next_copy(labels, values_in_bytes((double)label_count))
                                  : next_input(bytes));
  void *weighted = l.weighted == 1 ? spoilt(next_copy(weights, values_in_bytes((double)n)))
                                   : (void *)(uintptr_t)68;
  void *gradient = (void *)(uintptr_t)68;
  if (l.gradient == 1)
    gradient = spoilt(loss->size < sizeof l ? next_scratch(bytes) : next_output(bytes));
  void *value = spoilt(next_output(sizeof(double)));
  if (all_fit())
    CALL(cn_loss_evaluate, context, loss, n, output, targets, weighted, value, gradient);
}

/* Pools come and go, and every thread performs its multiply-adds. */
void fuzz_machine(void) {
  cn_threads_options options = {.size = sizeof options, .spin_microseconds = below(3) - 1};
  if (chance(10)) options.spin_microseconds = ONE_OF(INT32_MIN, -2, 1000000, 1000001, INT32_MAX);
  const cn_threads_options *chosen = offered(OPTIONS, &options, sizeof options);
  cn_threads *threads = NULL;
  const int32_t made = cn_threads_create(chance(98) ? chosen : NULL, &threads);
  CHECK((made == CN_OK) == (threads != NULL), "cn_threads_create returns %d", (int)made);
  cn_context some = any_context();
  if (made == CN_OK) some.pool = threads;
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  begin_call();
  void *counts = spoilt(next_output(64 * (int64_t)some.threads));
  if (all_fit()) CALL(cn_fma_rounds, context, below(3) - 1, counts);
  CHECK(cn_threads_destroy(threads) == CN_OK, "cn_threads_destroy");
}
