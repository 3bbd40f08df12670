#include "every_kernel.h"

/* ---- Layouts --------------------------------------------------------------------------------- */

enum { N = 5, CHANNELS = 20, HEIGHT = 7, WIDTH = 9, COUNT = 9001 };

static const cn_tensor plain = {CHANNELS, HEIGHT, WIDTH, 1, CN_PLAIN, 0, 0};
static const cn_tensor blocked = {CHANNELS, HEIGHT, WIDTH, 1, CN_BLOCKED, 0, 0};
static const cn_tensor packed = {CHANNELS, HEIGHT, WIDTH, 0, CN_BLOCKED, 0, 0};
static const cn_tensor flat = {CHANNELS, HEIGHT, WIDTH, 0, CN_FLAT, 0, 0};

static void reorder(run *r) {
  const cn_tensor *pairs[][2] = {{&plain, &blocked}, {&blocked, &plain}, {&plain, &flat},
                                 {&flat, &plain},    {&blocked, &flat},  {&flat, &blocked},
                                 {&plain, &plain},   {&packed, &blocked}};
  for (int i = 0; i < 8; i++) {
    const cn_tensor *from = pairs[i][0], *to = pairs[i][1];
    RUN(cn_reorder(r->context, from, to, N, tensor(r, from, N), tensor_result(r, to, N)));
  }
}

static void copy_channels(run *r) {
  for (int i = 0; i < 2; i++) {
    const cn_tensor *t = i == 0 ? &plain : &blocked;
    RUN(cn_copy_channels(r->context, t, t, N, 1, 3, 16, tensor(r, t, N), tensor_result(r, t, N)));
  }
}

static void bias_add(run *r) {
  float *y = keep(r, tensor(r, &blocked, N), tensor_floats(&blocked, N));
  RUN(cn_bias_add(r->context, &blocked, N, channels(r, CHANNELS), y));
}

static void bias_gradient(run *r) {
  RUN(cn_bias_gradient(r->context, &blocked, N, tensor(r, &blocked, N), aligned_result(r, 32)));
}

/* ---- Vectors --------------------------------------------------------------------------------- */

static void accumulate(run *r) {
  RUN(cn_accumulate(r->context, COUNT, values(r, COUNT), keep(r, values(r, COUNT), COUNT)));
}

static void fill(run *r) { RUN(cn_fill(r->context, COUNT, 0x1.8p-130f, result(r, COUNT))); }

static void scale(run *r) {
  RUN(cn_scale(r->context, COUNT, 0.3f, keep(r, values(r, COUNT), COUNT)));
}

static void clamp(run *r) {
  RUN(cn_clamp(r->context, COUNT, 0x1p-63f, keep(r, values(r, COUNT), COUNT)));
}

static void sums_of_squares(run *r) {
  double *sums = (double *)(void *)aligned_result(r, 6);
  RUN(cn_sums_of_squares(r->context, COUNT, values(r, COUNT), sums));
}

static void triad(run *r) {
  RUN(cn_triad(r->context, COUNT, 0.3f, values(r, COUNT), values(r, COUNT), result(r, COUNT)));
}

/* Every thread counts for itself; the first one's counts are results. */
static void fma_rounds(run *r) {
  float *counts = own(r, new_floats(16 * (int64_t)r->context->threads));
  RUN(cn_fma_rounds(r->context, 5, counts));
  keep(r, counts, 16);
}

/* ---- Elementwise and pools ------------------------------------------------------------------- */

static void activations(run *r, bool forward) {
  for (int32_t kind = CN_IDENTITY; kind < CN_ACTIVATIONS; kind++)
    for (int i = 0; i < 2; i++) {
      const cn_tensor *t = i == 0 ? &plain : &blocked;
      const cn_elementwise op = {
          .size = sizeof op, .a = *t, .b = *t, .out = *t, .activation = valid_activation(kind)};
      const float *a = tensor(r, t, N);
      if (forward)
        RUN(cn_activation_forward(r->context, &op, N, a, tensor_result(r, t, N)));
      else
        RUN(cn_activation_backward(r->context, &op, N, a, tensor(r, t, N), tensor_result(r, t, N)));
    }
}

static void activation_forward(run *r) { activations(r, true); }
static void activation_backward(run *r) { activations(r, false); }

static void add(run *r) {
  const cn_tensor *layouts[] = {&plain, &blocked, &flat};
  for (int32_t kind = CN_IDENTITY; kind < CN_ACTIVATIONS; kind++) {
    if (kind == CN_SIGMOID || kind == CN_HARD_SIGMOID || kind >= CN_SOFTPLUS)
      continue; /* not 0 at 0, or CN_ERF */
    const cn_tensor *t = layouts[kind % 3];
    const cn_elementwise op = {
        .size = sizeof op, .a = *t, .b = *t, .out = *t, .activation = valid_activation(kind)};
    RUN(cn_add(r->context, &op, N, tensor(r, t, N), tensor(r, t, N), tensor_result(r, t, N)));
  }
}

static void combinations(run *r, bool multiplies) {
  const cn_tensor *layouts[] = {&plain, &blocked, &flat};
  for (int i = 0; i < 3; i++) {
    const cn_tensor *t = layouts[i];
    const cn_elementwise op = {.size = sizeof op, .a = *t, .b = *t, .out = *t};
    const float *a = tensor(r, t, N), *b = tensor(r, t, N);
    float *out = tensor_result(r, t, N);
    RUN((multiplies ? cn_multiply : cn_subtract)(r->context, &op, N, a, b, out));
  }
}

static void subtract(run *r) { combinations(r, false); }
static void multiply(run *r) { combinations(r, true); }

static void dropout(run *r) {
  for (int i = 0; i < 4; i++) {
    const cn_tensor *t = i % 2 == 0 ? &plain : &blocked;
    const cn_dropout d = {.size = sizeof d,
                          .seed = 7,
                          .x = *t,
                          .y = *t,
                          .threshold = 1u << 30,
                          .scale = 4.0f / 3.0f,
                          .unit = i / 2 * CN_DROP_MAPS};
    RUN(cn_dropout_apply(r->context, &d, N, 0, 1, tensor(r, t, N), tensor_result(r, t, N)));
  }
}

static void channel_scales(run *r, bool backward) {
  const cn_tensor vector = {CHANNELS, 1, 1, 0, CN_BLOCKED, 0, 0};
  for (int i = 0; i < 6; i++) {
    const cn_channel_scale op = {.size = sizeof op,
                                 .factors = i / 2,
                                 .x = blocked,
                                 .y = blocked,
                                 .dx = blocked,
                                 .dy = blocked,
                                 .s = vector,
                                 .ds = vector,
                                 .negatives = i % 2};
    const int64_t factors = i < 2 ? tensor_floats(&vector, N) : 32;
    const float *x = tensor(r, &blocked, N);
    const float *s = i < 2 ? tensor(r, &vector, N) : channels(r, CHANNELS);
    if (!backward) {
      RUN(cn_channel_scale_forward(r->context, &op, N, x, s, tensor_result(r, &blocked, N)));
      continue;
    }
    const float *dy = tensor(r, &blocked, N);
    const int64_t bytes = cn_channel_scale_workspace_bytes(r->context, &op, N);
    void *workspace = own(r, new_bytes(bytes));
    RUN(cn_channel_scale_backward(r->context, &op, N, x, dy, s, tensor_result(r, &blocked, N),
                                  aligned_result(r, factors), workspace, bytes));
    RUN(cn_channel_scale_backward(r->context, &op, N, x, dy, NULL, NULL, aligned_result(r, factors),
                                  workspace, bytes));
    RUN(cn_channel_scale_backward(r->context, &op, N, x, dy, s, tensor_result(r, &blocked, N), NULL,
                                  NULL, 0));
  }
}

static void channel_scale_forward(run *r) { channel_scales(r, false); }
static void channel_scale_backward(run *r) { channel_scales(r, true); }

static cn_pool2d pool_of(int32_t kind, int32_t winners) {
  cn_tensor y = blocked;
  y.h = 4;
  y.w = 5;
  return (cn_pool2d){.size = sizeof(cn_pool2d),
                     .kind = kind,
                     .x = blocked,
                     .y = y,
                     .dx = blocked,
                     .dy = y,
                     .window = {3, 3, 2, 2, 1, 1, 1, 1, 1, 1},
                     .winners = winners};
}

static void pools(run *r, bool backward) {
  for (int i = 0; i < 3; i++) {
    const cn_pool2d p = pool_of(i == 2 ? CN_POOL_AVERAGE : CN_POOL_MAX, i == 0);
    const int64_t bytes = cn_pool2d_winner_bytes(&p, N);
    const float *x = tensor(r, &p.x, N);
    uint8_t *winners = own(r, new_bytes(bytes));
    RUN(cn_pool2d_forward(r->context, &p, N, x, tensor_result(r, &p.y, N), winners));
    if (i == 0) keep(r, (float *)(void *)winners, bytes / 4);
    if (!backward) continue;
    RUN(cn_pool2d_backward(r->context, &p, N, x, winners, tensor(r, &p.dy, N),
                           tensor_result(r, &p.dx, N)));
  }
}

/* Maxima of dilated windows, and means of adaptive ones, in many of which a pixel may be. */
static void other_pools(run *r) {
  const cn_tensor small = {CHANNELS, 2, 3, 0, CN_BLOCKED, 0, 0},
                  wide = {CHANNELS, 41, 43, 0, CN_BLOCKED, 0, 0};
  cn_pool2d dilated = pool_of(CN_POOL_MAX, 0);
  dilated.window.dilation_h = 2;
  dilated.y.h = dilated.dy.h = 3;
  const cn_pool2d adaptive = {.size = sizeof adaptive,
                              .kind = CN_POOL_AVERAGE,
                              .x = small,
                              .y = wide,
                              .dx = small,
                              .dy = wide,
                              .adaptive = 1};
  const cn_pool2d *all[] = {&dilated, &adaptive};
  for (int i = 0; i < 2; i++)
    RUN(cn_pool2d_backward(r->context, all[i], N, tensor(r, &all[i]->x, N), NULL,
                           tensor(r, &all[i]->dy, N), tensor_result(r, &all[i]->dx, N)));
}

static void resample(run *r) {
  static const int32_t starts[] = {0, 1, 2, 4, 4}, indices[] = {1, 2, 0, 3};
  static const float weights[] = {1.0f, 1.0f, 0.3f, 0.7f};
  cn_tensor y = blocked;
  y.h = y.w = 4;
  const cn_axis_taps taps = {starts, indices, weights};
  const cn_resampling op = {.size = sizeof op, .x = blocked, .y = y, .rows = taps, .cols = taps};
  RUN(cn_resample(r->context, &op, N, tensor(r, &op.x, N), tensor_result(r, &y, N)));
}

static void rearrange(run *r) {
  cn_tensor larger = blocked, turned = blocked;
  larger.c /= 4, larger.h *= 2, larger.w *= 2;
  turned.c = HEIGHT, turned.h = WIDTH, turned.w = CHANNELS;
  const cn_rearrangement all[] = {
      {.kind = CN_CHANNEL_SHUFFLE, .x = blocked, .y = blocked, .factor = 4},
      {.kind = CN_PIXEL_SHUFFLE, .x = blocked, .y = larger, .factor = 2},
      {.kind = CN_PIXEL_UNSHUFFLE, .x = larger, .y = blocked, .factor = 2},
      {.kind = CN_PERMUTE, .x = blocked, .y = turned, .order = {1, 2, 0}}};
  for (int i = 0; i < 4; i++) {
    cn_rearrangement op = all[i];
    op.size = sizeof op;
    RUN(cn_rearrange(r->context, &op, N, tensor(r, &op.x, N), tensor_result(r, &op.y, N)));
  }
}

static void pool2d_forward(run *r) { pools(r, false); }
static void pool2d_backward(run *r) { pools(r, true); }

/* ---- Batch normalisation --------------------------------------------------------------------- */

static float *row_statistics(run *r, const float *x) {
  float *statistics = aligned_result(r, floats_in(cn_row_statistics_bytes(&blocked, N)));
  RUN(cn_row_statistics(r->context, &blocked, N, x, statistics));
  return statistics;
}

static void row_statistics_of(run *r) { row_statistics(r, tensor(r, &blocked, N)); }

/* Sums of channels over a batch that callers share; those of squares are positive. */
static double *shared_sums(run *r) {
  double *sums = own(r, new_bytes(2 * 32 * (int64_t)sizeof(double)));
  const float *values = channels(r, 32), *squares = absolute(channels(r, 32), 32);
  for (int i = 0; i < 32; i++) {
    sums[i] = values[i];
    sums[32 + i] = squares[i];
  }
  return sums;
}

static double *sum_results(run *r) { return (double *)(void *)aligned_result(r, 4 * 32); }

static void batch_norms(run *r, int which) {
  const cn_batch_norm norm = {.size = sizeof norm,
                              .epsilon = 1e-5f,
                              .x = blocked,
                              .y = blocked,
                              .dx = blocked,
                              .dy = blocked,
                              .momentum = 0.1f};
  const cn_epilogue e = {
      .size = sizeof e, .operations = CN_ACTIVATE, .activation = {.kind = CN_RELU6}};
  const float *x = tensor(r, &blocked, N), *gamma = channels(r, CHANNELS);
  const float *beta = channels(r, CHANNELS);
  float *mean = channels(r, CHANNELS), *deviation = absolute(channels(r, CHANNELS), 32);
  float *y = tensor_result(r, &blocked, N);
  const int64_t bytes = cn_batch_norm_workspace_bytes(r->context, &norm, N);
  void *workspace = own(r, new_bytes(bytes));
  /* Of twice as many values: those of another caller are the same. */
  const double count = 2.0 * N * blocked.h * blocked.w;
  if (which == 0)
    RUN(cn_batch_norm_forward(r->context, &norm, &e, N, x, row_statistics(r, x), gamma, beta, y,
                              aligned_result(r, 32), aligned_result(r, 32), keep(r, mean, 32),
                              keep(r, deviation, 32), workspace, bytes));
  else if (which == 1)
    RUN(cn_batch_norm_infer(r->context, &norm, &e, N, x, gamma, beta, mean, deviation, y));
  else if (which == 2)
    RUN(cn_batch_norm_apply(r->context, &norm, &e, N, x, gamma, beta, mean, deviation, y));
  else if (which == 4)
    RUN(cn_batch_norm_moments(r->context, &norm, N, row_statistics(r, x), sum_results(r), workspace,
                              bytes));
  else if (which == 5)
    RUN(cn_batch_norm_forward_shared(r->context, &norm, &e, N, x, count, shared_sums(r), gamma,
                                     beta, y, aligned_result(r, 32), aligned_result(r, 32),
                                     keep(r, mean, 32), keep(r, deviation, 32)));
  else if (which == 6)
    RUN(cn_batch_norm_backward_sums(r->context, &norm, &e, N, x, tensor(r, &blocked, N), gamma,
                                    beta, mean, deviation, sum_results(r), aligned_result(r, 32),
                                    aligned_result(r, 32), workspace, bytes));
  else if (which == 7)
    RUN(cn_batch_norm_backward_shared(r->context, &norm, &e, N, x, tensor(r, &blocked, N), gamma,
                                      beta, mean, deviation, count, shared_sums(r), y, workspace,
                                      bytes));
  else
    RUN(cn_batch_norm_backward(r->context, &norm, &e, N, x, tensor(r, &blocked, N), gamma, beta,
                               mean, deviation, y, aligned_result(r, 32), aligned_result(r, 32),
                               workspace, bytes));
}

static void batch_norm_forward(run *r) { batch_norms(r, 0); }
static void batch_norm_infer(run *r) { batch_norms(r, 1); }
static void batch_norm_apply(run *r) { batch_norms(r, 2); }
static void batch_norm_backward(run *r) { batch_norms(r, 3); }
static void batch_norm_moments(run *r) { batch_norms(r, 4); }
static void batch_norm_forward_shared(run *r) { batch_norms(r, 5); }
static void batch_norm_backward_sums(run *r) { batch_norms(r, 6); }
static void batch_norm_backward_shared(run *r) { batch_norms(r, 7); }

/* ---- Normalisation of one sample, softmax ---------------------------------------------------- */

/* Each pixel by itself if there are no groups. */
static void sample_norm(run *r, int32_t groups, bool scales_values, bool backward) {
  cn_tensor t = blocked;
  if (groups == 0) t.w = 300; /* more than one chunk of pixels */
  const cn_sample_norm norm = {.size = sizeof norm,
                               .epsilon = 1e-5f,
                               .x = t,
                               .y = t,
                               .dx = t,
                               .dy = t,
                               .groups = groups,
                               .scales_values = scales_values};
  cn_tensor scales = t;
  scales.halo = 0;
  const int64_t statistics = floats_in(cn_sample_norm_statistics_bytes(&norm, N));
  const int64_t vector = scales_values ? tensor_floats(&scales, 1) : 32;
  const float *x = tensor(r, &t, N);
  const float *gamma = scales_values ? tensor(r, &scales, 1) : channels(r, CHANNELS);
  const float *beta = scales_values ? tensor(r, &scales, 1) : channels(r, CHANNELS);
  float *mean = aligned_result(r, statistics), *inverse = aligned_result(r, statistics);
  float *y = tensor_result(r, &t, N);
  RUN(cn_sample_norm_forward(r->context, &norm, N, x, gamma, beta, y, mean, inverse));
  if (!backward) return;
  const int64_t bytes = cn_sample_norm_workspace_bytes(r->context, &norm, N);
  void *workspace = own(r, new_bytes(bytes));
  RUN(cn_sample_norm_backward(r->context, &norm, N, x, tensor(r, &t, N), gamma, mean, inverse,
                              tensor_result(r, &t, N), aligned_result(r, vector),
                              aligned_result(r, vector), workspace, bytes));
}

/* Groups across blocks, and a scale for each value. */
static void group_norms(run *r, bool backward) {
  sample_norm(r, CHANNELS, false, backward);
  sample_norm(r, 1, true, backward);
}

static void group_norm_forward(run *r) { group_norms(r, false); }
static void group_norm_backward(run *r) { group_norms(r, true); }
static void pixel_norm_forward(run *r) { sample_norm(r, 0, false, false); }
static void pixel_norm_backward(run *r) { sample_norm(r, 0, false, true); }

static void softmaxes(run *r, bool backward) {
  for (int32_t logarithm = 0; logarithm < 2; logarithm++) {
    const cn_softmax softmax = {.size = sizeof softmax,
                                .logarithm = logarithm,
                                .x = blocked,
                                .y = blocked,
                                .dx = blocked,
                                .dy = blocked};
    const float *x = tensor(r, &blocked, N);
    float *y = tensor_result(r, &blocked, N);
    RUN(cn_softmax_forward(r->context, &softmax, N, x, y));
    if (backward)
      RUN(cn_softmax_backward(r->context, &softmax, N, y, tensor(r, &blocked, N),
                              tensor_result(r, &blocked, N)));
  }
}

static void softmax_forward(run *r) { softmaxes(r, false); }
static void softmax_backward(run *r) { softmaxes(r, true); }

static void lrns(run *r, bool backward) {
  const float exponents[] = {0.75f, 0.6f};
  for (int i = 0; i < 2; i++) {
    const cn_lrn lrn = {.size = sizeof lrn,
                        .neighbours = 5,
                        .x = blocked,
                        .y = blocked,
                        .dx = blocked,
                        .dy = blocked,
                        .alpha = 0.5f,
                        .beta = exponents[i],
                        .k = 2.0f};
    const float *x = tensor(r, &blocked, N);
    const int64_t bytes = cn_lrn_workspace_bytes(r->context, &lrn, N);
    void *workspace = own(r, new_bytes(bytes));
    float *to = tensor_result(r, &blocked, N);
    if (backward)
      RUN(cn_lrn_backward(r->context, &lrn, N, x, tensor(r, &blocked, N), to, workspace, bytes));
    else
      RUN(cn_lrn_forward(r->context, &lrn, N, x, to, workspace, bytes));
  }
}

static void lrn_forward(run *r) { lrns(r, false); }
static void lrn_backward(run *r) { lrns(r, true); }

/* ---- Losses and optimisers ------------------------------------------------------------------- */

static void losses(run *r) {
  enum { CLASSES = 11, LABELS = 40 };
  int32_t labels[LABELS];
  for (int i = 0; i < LABELS; i++) labels[i] = i * 7 % CLASSES;
  for (int32_t kind = CN_SOFTMAX_CROSS_ENTROPY; kind <= CN_KL_DIVERGENCE_LOG; kind++) {
    const bool labelled =
        kind == CN_SOFTMAX_CROSS_ENTROPY || kind == CN_MULTICLASS_SVM || kind == CN_MULTI_MARGIN;
    const cn_loss loss = {.size = sizeof loss,
                          .kind = kind,
                          .classes = CLASSES,
                          .pixels = kind == CN_SOFTMAX_CROSS_ENTROPY ? 4 : 1,
                          .margin = 1.0f,
                          .gradient = 1,
                          .smoothing = 0.125f,
                          .power = 2};
    const int64_t count = 10 * loss.classes * loss.pixels;
    double *value = (double *)(void *)aligned_result(r, 2);
    const void *targets = labelled ? (const void *)labels : absolute(values(r, count), count);
    RUN(cn_loss_evaluate(r->context, &loss, 10, values(r, count), targets, NULL, value,
                         result(r, count)));
  }
}

static void optimizer_step(run *r) {
  for (int32_t kind = CN_SGD; kind <= CN_ADAM; kind++) {
    const cn_optimizer o = optimizer_of(kind);
    const cn_segment all = {0, COUNT, 1.0f, 0.01f};
    float *states[2] = {keep(r, values(r, COUNT), COUNT),
                        keep(r, absolute(values(r, COUNT), COUNT), COUNT)};
    RUN(cn_optimizer_step(r->context, &o, 0.1f, 1, &all, values(r, COUNT), states,
                          keep(r, values(r, COUNT), COUNT)));
  }
}

/* ---- Linear layer ---------------------------------------------------------------------------- */

enum { OUTPUTS = 37, FEATURES = CHANNELS * HEIGHT * WIDTH };

static const cn_linear linear = {sizeof(cn_linear), CN_FLOAT32, CHANNELS, HEIGHT, WIDTH, OUTPUTS};
static const cn_tensor scores = {OUTPUTS, 1, 1, 0, CN_FLAT, 0, 0};

static float *linear_weights(run *r) {
  float *w = aligned_result(r, floats_in(cn_linear_weight_bytes(&linear)));
  RUN(cn_linear_pack_weights(r->context, &linear, values(r, OUTPUTS * FEATURES), w));
  return w;
}

static void linear_pack(run *r) { linear_weights(r); }

static void linear_unpack(run *r) {
  RUN(cn_linear_unpack_weights(r->context, &linear, linear_weights(r),
                               result(r, OUTPUTS * FEATURES)));
}

static void *linear_workspace(run *r, int32_t pass, int64_t *bytes) {
  *bytes = cn_linear_workspace_bytes(r->context, &linear, pass, N);
  return own(r, new_bytes(*bytes));
}

static void linear_forward(run *r) {
  const cn_epilogue e = {.size = sizeof e,
                         .operations = CN_BIAS | CN_ACTIVATE,
                         .activation = {.kind = CN_RELU},
                         .bias = channels(r, OUTPUTS)};
  int64_t bytes;
  void *workspace = linear_workspace(r, CN_FORWARD, &bytes);
  RUN(cn_linear_forward(r->context, &linear, &e, N, tensor(r, &flat, N), linear_weights(r),
                        tensor_result(r, &scores, N), workspace, bytes));
}

static void linear_backward_data(run *r) {
  int64_t bytes;
  void *workspace = linear_workspace(r, CN_BACKWARD_DATA, &bytes);
  RUN(cn_linear_backward_data(r->context, &linear, N, tensor(r, &scores, N), linear_weights(r),
                              tensor_result(r, &flat, N), workspace, bytes));
}

static void linear_backward_weights(run *r) {
  const cn_epilogue e = {.size = sizeof e, .operations = CN_BIAS};
  const float *w = linear_weights(r), *bias = channels(r, OUTPUTS);
  for (int32_t kind = CN_SGD; kind <= CN_ADAM; kind++) {
    const cn_gradients g =
        gradients(r, kind, w, floats_in(cn_linear_weight_bytes(&linear)), bias, 48);
    int64_t bytes;
    void *workspace = linear_workspace(r, CN_BACKWARD_WEIGHTS, &bytes);
    RUN(cn_linear_backward_weights(r->context, &linear, &e, N, tensor(r, &flat, N),
                                   tensor(r, &scores, N), &g, workspace, bytes));
  }
}

/* ---- The table ------------------------------------------------------------------------------- */

const kernel_case kernel_cases[] = {
    {.name = "reorder", .body = reorder},
    {.name = "copy_channels", .body = copy_channels},
    {.name = "bias_add", .body = bias_add},
    {.name = "bias_gradient", .body = bias_gradient},
    {.name = "accumulate", .body = accumulate},
    {.name = "fill", .body = fill},
    {.name = "scale", .body = scale},
    {.name = "clamp", .body = clamp},
    {.name = "sums_of_squares", .body = sums_of_squares},
    {.name = "triad", .body = triad},
    {.name = "fma_rounds", .body = fma_rounds},
    {.name = "activation_forward", .body = activation_forward},
    {.name = "activation_backward", .body = activation_backward},
    {.name = "add", .body = add},
    {.name = "subtract", .body = subtract},
    {.name = "multiply", .body = multiply},
    {.name = "channel_scale_forward", .body = channel_scale_forward},
    {.name = "channel_scale_backward", .body = channel_scale_backward},
    {.name = "dropout", .body = dropout},
    {.name = "pool2d_forward", .body = pool2d_forward},
    {.name = "pool2d_backward", .body = pool2d_backward},
    {.name = "pool2d_backward of other windows", .body = other_pools},
    {.name = "resample", .body = resample},
    {.name = "rearrange", .body = rearrange},
    {.name = "row_statistics_of", .body = row_statistics_of},
    {.name = "batch_norm_forward", .body = batch_norm_forward},
    {.name = "batch_norm_infer", .body = batch_norm_infer},
    {.name = "batch_norm_apply", .body = batch_norm_apply},
    {.name = "batch_norm_backward", .body = batch_norm_backward},
    {.name = "batch_norm_moments", .body = batch_norm_moments},
    {.name = "batch_norm_forward_shared", .body = batch_norm_forward_shared},
    {.name = "batch_norm_backward_sums", .body = batch_norm_backward_sums},
    {.name = "batch_norm_backward_shared", .body = batch_norm_backward_shared},
    {.name = "group_norm_forward", .body = group_norm_forward},
    {.name = "group_norm_backward", .body = group_norm_backward},
    {.name = "pixel_norm_forward", .body = pixel_norm_forward},
    {.name = "pixel_norm_backward", .body = pixel_norm_backward},
    {.name = "softmax_forward", .body = softmax_forward},
    {.name = "softmax_backward", .body = softmax_backward},
    {.name = "lrn_forward", .body = lrn_forward},
    {.name = "lrn_backward", .body = lrn_backward},
    {.name = "loss_evaluate", .body = losses},
    {.name = "optimizer_step", .body = optimizer_step},
    {.name = "linear_pack", .body = linear_pack},
    {.name = "linear_unpack", .body = linear_unpack},
    {.name = "linear_forward", .body = linear_forward},
    {.name = "linear_backward_data", .body = linear_backward_data},
    {.name = "linear_backward_weights", .body = linear_backward_weights},
    {.name = "conv2d_pack", .body = conv2d_pack},
    {.name = "conv2d_unpack", .body = conv2d_pack},
    {.name = "conv2d_transform", .body = conv2d_transform},
    {.name = "pixels in the lanes", .conv = &narrow},
    {.name = "pixels in the lanes, pool", .conv = &narrow, .pools = true},
    {.name = "plain rows", .conv = &stem},
    {.name = "plain rows, samples in the lanes", .conv = &stem_samples},
    {.name = "samples in the lanes", .conv = &samples},
    {.name = "gradients with pixels in the lanes", .conv = &pixels_data},
    {.name = "blocks", .conv = &blocks},
    {.name = "blocks, pool", .conv = &blocks, .pools = true},
    {.name = "blocks, stride", .conv = &strided},
    {.name = "1x1", .conv = &pixels},
    {.name = "groups", .conv = &grouped},
    {.name = "loops", .conv = &loops},
    {.name = "depthwise", .conv = &depthwise},
    {.name = "depthwise, stride", .conv = &depthwise_strided},
    {.name = "Winograd 2", .conv = &blocks, .algorithm = CN_WINOGRAD_2},
    {.name = "Winograd 4", .conv = &blocks, .algorithm = CN_WINOGRAD_4},
    {.name = "Winograd 4, pool", .conv = &blocks, .algorithm = CN_WINOGRAD_4, .pools = true},
    {.name = "Winograd 4, groups", .conv = &grouped, .algorithm = CN_WINOGRAD_4},
};
const int kernel_case_count = sizeof kernel_cases / sizeof kernel_cases[0];

float *run_kernel(const kernel_case *c, const cn_context *context, inputs inputs, int64_t shift,
                  int64_t *floats) {
  run r = {.name = c->name, .context = context, .inputs = inputs, .shift = shift};
  seed_values(17);
  if (c->body != NULL)
    c->body(&r);
  else if (c->pools)
    convolve_and_pool(&r, c->conv, c->algorithm);
  else
    convolve(&r, c->conv, c->algorithm);
  *floats = 0;
  for (int i = 0; i < r.result_count; i++) *floats += r.results[i].floats;
  float *all = new_floats(*floats), *to = all;
  for (int i = 0; i < r.result_count; to += r.results[i++].floats)
    memcpy(to, r.results[i].values, (size_t)r.results[i].floats * sizeof(float));
  for (int i = 0; i < r.owned_count; i++) free(r.owned[i]);
  return all;
}

void check_kernel_cases(void) {
  static const char *const kernels[] = {
#define KERNEL(name, parameters) #name,
#include "../src/kernels.def"
#undef KERNEL
  };
  for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
    int found = 0;
    for (int c = 0; c < kernel_case_count; c++)
      found += strcmp(kernel_cases[c].name, kernels[i]) == 0;
    CHECK(found == 1, "the kernel %s has %d cases", kernels[i], found);
  }
}
