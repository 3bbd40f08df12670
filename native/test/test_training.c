/* Losses and optimisers, against hand-computed values, definitions in double precision, and
 * formulas compared by their bits; a step fused into a weight gradient against a separate one. */
#include "harness.h"

static bool near(double a, double b) { return fabs(a - b) <= 1e-12 * fmax(1.0, fabs(b)); }

static void losses_give_the_values_computed_by_hand(const cn_context *context) {
  const float scores[] = {3.25f, 5.0f, -1.75f, 1.0f, 1.0f, 1.0f};
  const int32_t labels[] = {0, 2};
  float d[6];
  double loss;
  /* Margins of the first row: 5 - 3.25 + 1 = 2.75 and -4; of the second: 1 and 1. */
  CHECK(cn_multiclass_svm(context, 2, 3, 1.0f, scores, labels, NULL, &loss, d) == CN_OK, "svm");
  CHECK(near(loss, (2.75 + 2.0) / 2.0), "svm is %.17g", loss);
  const float svm[] = {-0.5f, 0.5f, 0.0f, 0.5f, 0.5f, -1.0f};
  for (int i = 0; i < 6; i++) CHECK(d[i] == svm[i], "svm gradient %d is %g", i, (double)d[i]);
  /* At the hinge the derivative is 0. */
  const float hinge[] = {2.0f, 1.0f};
  CHECK(cn_multiclass_svm(context, 1, 2, 1.0f, hinge, labels, NULL, &loss, d) == CN_OK, "svm");
  CHECK(loss == 0.0 && d[0] == 0.0f && d[1] == 0.0f, "svm at the hinge: %g", (double)d[1]);

  CHECK(cn_softmax_cross_entropy(context, 2, 3, 1, scores, labels, NULL, &loss, d) == CN_OK,
        "softmax");
  const double sum = exp(3.25) + exp(5.0) + exp(-1.75);
  CHECK(near(loss, (log(sum) - 3.25 + log(3.0)) / 2.0), "softmax is %.17g", loss);
  CHECK(near(d[1], (float)(exp(5.0) / sum / 2.0)), "softmax gradient is %g", (double)d[1]);
  CHECK(d[5] == (float)((1.0 / 3.0 - 1.0) / 2.0), "softmax gradient is %g", (double)d[5]);
  const float huge[] = {1000.0f, -1000.0f, 1000.0f};
  CHECK(cn_softmax_cross_entropy(context, 1, 3, 1, huge, labels, NULL, &loss, NULL) == CN_OK,
        "softmax");
  CHECK(near(loss, log(2.0)), "softmax of huge scores is %.17g", loss);

  const float targets[] = {3.0f, 5.5f, -1.75f, 0.0f, 1.0f, 3.0f};
  CHECK(cn_mean_squared_error(context, 2, 3, scores, targets, NULL, &loss, d) == CN_OK, "mse");
  CHECK(near(loss, (0.0625 + 0.25 + 1.0 + 4.0) / 6.0), "mse is %.17g", loss);
  CHECK(d[5] == (float)(-4.0 / 6.0), "mse gradient is %g", (double)d[5]);
}

/* More classes than the loss stores exponentials for. */
static void softmax_of_many_classes_is_its_definition(const cn_context *context) {
  enum { CLASSES = 1000 };
  seed_values(21);
  float *scores = new_reals(CLASSES), d[CLASSES];
  const int32_t label = 700;
  double loss, sum = 0.0, total = 0.0;
  for (int j = 0; j < CLASSES; j++) sum += exp((double)scores[j]);
  CHECK(cn_softmax_cross_entropy(context, 1, CLASSES, 1, scores, &label, NULL, &loss, d) == CN_OK,
        "softmax");
  CHECK(near(loss, log(sum) - (double)scores[label]), "softmax is %.17g", loss);
  for (int j = 0; j < CLASSES; j++) {
    const double expected = exp((double)scores[j]) / sum - (j == label ? 1.0 : 0.0);
    CHECK(fabs(d[j] - expected) <= 1e-7 * fabs(expected), "gradient %d is %g", j, (double)d[j]);
    total += d[j];
  }
  CHECK(fabs(total) < 1e-6, "the gradients sum to %g", total);
  free(scores);
}

/* Maps of pixels give the bits of the transposed rows of classes, also with more pixels than are
 * processed at a time. */
static void softmax_per_pixel_is_softmax_of_every_pixel(const cn_context *context) {
  enum { N = 2, CLASSES = 5, MAP = 150, ALL = N * CLASSES * MAP };
  seed_values(22);
  float *maps = new_reals(ALL), rows[ALL], dmaps[ALL], drows[ALL];
  int32_t labels[N * MAP];
  const float weights[N] = {0.5f, 2.0f};
  double by_maps, by_rows;
  for (int i = 0; i < N * MAP; i++) {
    labels[i] = (i * 7) % CLASSES;
    for (int j = 0; j < CLASSES; j++)
      rows[i * CLASSES + j] = maps[(i / MAP * CLASSES + j) * MAP + i % MAP];
  }
  for (int weighted = 0; weighted < 2; weighted++) {
    float pixel_weights[N * MAP];
    for (int i = 0; i < N * MAP; i++) pixel_weights[i] = weights[i / MAP];
    CHECK(cn_softmax_cross_entropy(context, N, CLASSES, MAP, maps, labels,
                                   weighted ? weights : NULL, &by_maps, dmaps) == CN_OK,
          "maps");
    CHECK(cn_softmax_cross_entropy(context, N * MAP, CLASSES, 1, rows, labels,
                                   weighted ? pixel_weights : NULL, &by_rows, drows) == CN_OK,
          "rows");
    CHECK(near(by_maps, by_rows), "loss %.17g of maps, %.17g of rows", by_maps, by_rows);
    for (int i = 0; i < N * MAP; i++)
      for (int j = 0; j < CLASSES; j++) {
        const float map = dmaps[(i / MAP * CLASSES + j) * MAP + i % MAP];
        CHECK(map == drows[i * CLASSES + j], "pixel %d, class %d: %g", i, j, (double)map);
      }
  }
  free(maps);
}

/* A weight of 2 equals a duplicated sample, a weight of 0 an absent one. */
static void weights_count_samples(const cn_context *context) {
  const float scores[] = {3.25f, 5.0f, -1.75f, 1.0f, 2.0f, 1.0f, 0.5f, 0.25f, 4.0f};
  const float twice[] = {3.25f, 5.0f, -1.75f, 3.25f, 5.0f, -1.75f, 0.5f, 0.25f, 4.0f};
  const float targets[] = {1.0f, 0.0f, 0.0f, 9.0f, 9.0f, 9.0f, 0.0f, 1.0f, 0.0f};
  const float twice_targets[] = {1.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.0f};
  const int32_t labels[] = {0, 2, 1}, twice_labels[] = {0, 0, 1};
  const float weights[] = {2.0f, 0.0f, 1.0f};
  for (int kind = 0; kind < 3; kind++) {
    float d[9], dtwice[9];
    double loss = 0.0, loss_twice = 0.0;
    if (kind == 0) {
      cn_softmax_cross_entropy(context, 3, 3, 1, scores, labels, weights, &loss, d);
      cn_softmax_cross_entropy(context, 3, 3, 1, twice, twice_labels, NULL, &loss_twice, dtwice);
    } else if (kind == 1) {
      cn_multiclass_svm(context, 3, 3, 1.0f, scores, labels, weights, &loss, d);
      cn_multiclass_svm(context, 3, 3, 1.0f, twice, twice_labels, NULL, &loss_twice, dtwice);
    } else {
      cn_mean_squared_error(context, 3, 3, scores, targets, weights, &loss, d);
      cn_mean_squared_error(context, 3, 3, twice, twice_targets, NULL, &loss_twice, dtwice);
    }
    CHECK(loss > 0.0 && near(loss, loss_twice), "%d: %.17g, not %.17g", kind, loss, loss_twice);
    for (int j = 0; j < 3; j++) {
      const double pair = (double)dtwice[j] + (double)dtwice[3 + j];
      CHECK(fabs(d[j] - pair) <= 1e-6, "%d: gradient %d is %g", kind, j, (double)d[j]);
      CHECK(d[3 + j] == 0.0f, "%d: a sample without weight has a gradient", kind);
      CHECK(fabs(d[6 + j] - dtwice[6 + j]) <= 1e-6, "%d: gradient of the last", kind);
    }
  }
}

static void a_nan_in_the_scores_reaches_the_loss(const cn_context *context) {
  for (int at = 0; at < 4; at++) {
    float scores[] = {0.5f, 1.5f, -2.0f, 0.25f}, d[4];
    const float targets[] = {0.0f, 0.0f, 0.0f, 0.0f};
    const int32_t label = 1;
    double loss;
    scores[at] = NAN;
    cn_softmax_cross_entropy(context, 1, 4, 1, scores, &label, NULL, &loss, d);
    CHECK(isnan(loss) && isnan(d[0]), "softmax, NaN at %d", at);
    cn_multiclass_svm(context, 1, 4, 1.0f, scores, &label, NULL, &loss, d);
    CHECK(isnan(loss), "svm, NaN at %d", at);
    cn_mean_squared_error(context, 1, 4, scores, targets, NULL, &loss, d);
    CHECK(isnan(loss) && isnan(d[at]), "mse, NaN at %d", at);
  }
}

static void a_label_out_of_range_writes_nothing(const cn_context *context) {
  const float scores[] = {1.0f, 2.0f, 3.0f, 4.0f};
  const int32_t bad[][2] = {{0, 2}, {-1, 0}};
  for (int i = 0; i < 2; i++) {
    float d[4] = {7.0f, 7.0f, 7.0f, 7.0f};
    double loss = 7.0;
    CHECK(cn_softmax_cross_entropy(context, 2, 2, 1, scores, bad[i], NULL, &loss, d) ==
              CN_BAD_LABEL,
          "%d", i);
    CHECK(cn_multiclass_svm(context, 2, 2, 1.0f, scores, bad[i], NULL, &loss, d) == CN_BAD_LABEL,
          "%d", i);
    CHECK(loss == 7.0 && d[0] == 7.0f && d[3] == 7.0f, "%d: something was written", i);
  }
}

/* ---- The rules of optimisers ------------------------------------------------------------------
 */

enum { PARAMETERS = 20011, STEPS = 3 };

static const cn_optimizer optimizers[] = {
    {.kind = CN_SGD},
    {.kind = CN_SGD, .momentum = 0.9f},
    {.kind = CN_SGD, .momentum = 0.9f, .flags = CN_NESTEROV},
    {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
    {.kind = CN_ADAM,
     .step = 1000,
     .beta1 = 0.5,
     .beta2 = 0.99,
     .epsilon = 1e-3,
     .flags = CN_DECOUPLED},
};

static int states_of(const cn_optimizer *o) {
  return o->kind == CN_ADAM ? 2 : o->momentum > 0.0 ? 1 : 0;
}

/* One parameter. Every operation is rounded to float by a store. */
static void reference_sgd(const cn_optimizer *o, float rate, float decay, float gradient, float *v,
                          float *w) {
  const float momentum = (float)o->momentum;
  volatile float g = gradient, t;
  if (decay != 0.0f) {
    t = decay * *w;
    g = g + t;
  }
  volatile float direction = g;
  if (momentum != 0.0f) {
    t = momentum * *v;
    *v = t + g;
    direction = *v;
    if ((o->flags & CN_NESTEROV) != 0) {
      t = momentum * *v;
      direction = g + t;
    }
  }
  t = rate * direction;
  *w = *w - t;
}

static void reference_adam(const cn_optimizer *o, float rate, float decay, float gradient, float *m,
                           float *v, float *w) {
  const float b1 = (float)o->beta1, r1 = (float)(1.0 - o->beta1), b2 = (float)o->beta2,
              r2 = (float)(1.0 - o->beta2);
  double power1 = 1.0, power2 = 1.0;
  for (int64_t i = 0; i < o->step; i++) {
    power1 *= o->beta1;
    power2 *= o->beta2;
  }
  const float root = (float)(1.0 / sqrt(1.0 - power2)), a = (float)(rate / (1.0 - power1));
  volatile float g = gradient, t, u;
  if ((o->flags & CN_DECOUPLED) != 0) {
    *w = (float)(1.0 - (double)rate * decay) * *w;
  } else {
    t = decay * *w;
    g = g + t;
  }
  t = b1 * *m;
  u = r1 * g;
  *m = t + u;
  t = b2 * *v;
  u = r2 * g;
  u = u * g;
  *v = t + u;
  t = sqrtf(*v);
  t = t * root;
  t = t + (float)o->epsilon;
  u = a * *m;
  u = u / t;
  *w = *w - u;
}

static void a_rule_follows_its_formula(const cn_context *context, const cn_optimizer *first) {
  const cn_segment segments[] = {
      {.offset = 1, .length = 37, .rate_factor = 1.0f, .weight_decay = 0.01f},
      {.offset = 40, .length = 4096, .rate_factor = 0.3f, .weight_decay = 0.0f},
      {.offset = 4200, .length = 0, .rate_factor = 1.0f, .weight_decay = 0.5f},
      {.offset = 4201, .length = PARAMETERS - 4202, .rate_factor = 2.0f, .weight_decay = 5e-4f},
  };
  const float rate = 0.05f;
  cn_optimizer o = *first;
  seed_values(11);
  float *g = new_reals(PARAMETERS), *got[3], *expected[3]; /* weights, then states */
  for (int i = 0; i < 3; i++) {
    got[i] = new_reals(PARAMETERS);
    for (int64_t j = 0; i == 2 && j < PARAMETERS; j++) got[i][j] = fabsf(got[i][j]);
    expected[i] = new_floats(PARAMETERS);
    memcpy(expected[i], got[i], PARAMETERS * sizeof(float));
  }
  for (int step = 0; step < STEPS; step++, o.step++) {
    for (int s = 0; s < 4; s++)
      for (int64_t i = segments[s].offset; i < segments[s].offset + segments[s].length; i++) {
        const float own = rate * segments[s].rate_factor, decay = segments[s].weight_decay;
        if (o.kind == CN_SGD)
          reference_sgd(&o, own, decay, g[i], &expected[1][i], &expected[0][i]);
        else
          reference_adam(&o, own, decay, g[i], &expected[1][i], &expected[2][i], &expected[0][i]);
      }
    float *const states[] = {got[1], got[2]};
    CHECK(cn_optimizer_step(context, &o, rate, 4, segments, g, states_of(&o) > 0 ? states : NULL,
                            got[0]) == CN_OK,
          "kind %d", (int)o.kind);
  }
  for (int i = 0; i < 3; i++) {
    CHECK(memcmp(got[i], expected[i], PARAMETERS * sizeof(float)) == 0,
          "kind %d, momentum %g, flags %d: %s %d", (int)o.kind, o.momentum, (int)o.flags,
          i == 0 ? "weights" : "state", i);
    free(got[i]);
    free(expected[i]);
  }
  free(g);
}

/* The padding of packed weights stays zero. */
static void zeros_stay_zero(const cn_context *context, const cn_optimizer *o) {
  float w[20] = {0}, states[2][20] = {{0}};
  const float g[20] = {0};
  float *const state[] = {states[0], states[1]};
  const cn_segment all = {0, 20, 1.0f, 0.1f};
  CHECK(cn_optimizer_step(context, o, 0.5f, 1, &all, g, state, w) == CN_OK, "kind %d",
        (int)o->kind);
  for (int i = 0; i < 20; i++)
    CHECK(w[i] == 0.0f && states[0][i] == 0.0f && states[1][i] == 0.0f, "kind %d: %d is %g",
          (int)o->kind, i, (double)w[i]);
}

/* ---- A step fused into a weight gradient ----------------------------------------------------- */

typedef struct layer {
  const char *name;
  cn_conv2d conv;
  cn_linear linear; /* if outputs is 0 the layer is the convolution */
  int32_t n;
} layer;

static const layer layers[] = {
    {.name = "stem",
     .conv = {.x = {3, 17, 13, 1, CN_PLAIN, 0},
              .y = {24, 17, 13, 0, CN_BLOCKED, 0},
              .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
              .flags = CN_BIAS},
     .n = 5},
    {.name = "few weights, many pixels",
     .conv = {.x = {17, 40, 40, 1, CN_BLOCKED, 0},
              .y = {33, 40, 40, 0, CN_BLOCKED, 0},
              .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
              .flags = CN_BIAS},
     .n = 4},
    {.name = "many weights, few pixels",
     .conv = {.x = {300, 3, 3, 1, CN_BLOCKED, 0},
              .y = {130, 3, 3, 0, CN_BLOCKED, 0},
              .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}},
     .n = 2},
    {.name = "a wide filter",
     .conv = {.x = {20, 12, 12, 0, CN_BLOCKED, 0},
              .y = {40, 4, 4, 0, CN_BLOCKED, 0},
              .window = {9, 9, 1, 1, 0, 0, 0, 0, 1, 1},
              .flags = CN_BIAS},
     .n = 3},
    {.name = "groups",
     .conv = {.x = {64, 6, 6, 0, CN_BLOCKED, 0},
              .y = {32, 4, 4, 0, CN_BLOCKED, 0},
              .window = {3, 3, 1, 1, 0, 0, 0, 0, 1, 1},
              .groups = 2,
              .flags = CN_BIAS},
     .n = 3},
    {.name = "linear",
     .linear = {.c = 19, .h = 2, .w = 2, .outputs = 37, .flags = CN_BIAS},
     .n = 7},
    {.name = "wide linear", .linear = {.c = 64, .h = 5, .w = 5, .outputs = 200}, .n = 3},
};

static cn_conv2d whole(const cn_conv2d *described) {
  cn_conv2d conv = *described;
  if (conv.groups == 0) conv.groups = 1;
  conv.dx = conv.x;
  conv.dy = conv.y;
  return conv;
}

static int32_t backward_weights(const cn_context *context, const layer *l, const float *x,
                                const float *dy, float *dw, float *db, const cn_update *update) {
  const cn_conv2d conv = whole(&l->conv);
  const bool linear = l->linear.outputs > 0;
  const int64_t floats =
      linear ? cn_linear_workspace_floats(context, &l->linear, CN_BACKWARD_WEIGHTS, l->n)
             : cn_conv2d_workspace_floats(context, &conv, CN_BACKWARD_WEIGHTS, l->n);
  float *workspace = new_floats(floats);
  const int32_t status = linear ? cn_linear_backward_weights(context, &l->linear, l->n, x, dy, dw,
                                                             db, update, workspace, floats)
                                : cn_conv2d_backward_weights(context, &conv, l->n, x, dy, dw, db,
                                                             update, workspace, floats);
  free(workspace);
  return status;
}

/* Packed weights and the bias, then both of their states; zero in the padding. */
static float *new_state(const cn_context *context, const layer *l, int64_t weights,
                        int64_t biases) {
  const cn_conv2d conv = whole(&l->conv);
  const bool linear = l->linear.outputs > 0;
  float *state = new_floats(3 * (weights + biases));
  seed_values(3);
  for (int part = 0; part < 3; part++) {
    float *packed = state + part * (weights + biases), *plain = new_reals(weights);
    CHECK((linear ? cn_linear_pack_weights(context, &l->linear, plain, packed)
                  : cn_conv2d_pack_weights(context, &conv, plain, packed)) == CN_OK,
          "%s", l->name);
    const int32_t outputs = linear ? l->linear.outputs : conv.y.c;
    for (int64_t i = 0; i < biases; i++) packed[weights + i] = i < outputs ? plain[i] : 0.0f;
    for (int64_t i = 0; part == 2 && i < weights + biases; i++) packed[i] = fabsf(packed[i]);
    free(plain);
  }
  return state;
}

static cn_update update_of(const cn_optimizer *o, float *state, int64_t weights, int64_t biases) {
  const int64_t count = weights + biases;
  cn_update u = {
      .optimizer = *o,
      .weights = {.values = state, .learning_rate = 0.05f, .weight_decay = 1e-3f},
      .bias = {.values = biases > 0 ? state + weights : NULL, .learning_rate = 0.05f * 0.5f}};
  for (int i = 0; i < states_of(o); i++) {
    u.weights.states[i] = state + (i + 1) * count;
    u.bias.states[i] = biases > 0 ? state + (i + 1) * count + weights : NULL;
  }
  return u;
}

static void a_step_inside_the_gradient_has_the_bits_of_one_after_it(const cn_context *context,
                                                                    const layer *l,
                                                                    const cn_optimizer *o) {
  const bool linear = l->linear.outputs > 0;
  const cn_conv2d conv = whole(&l->conv);
  const int32_t flags = linear ? l->linear.flags : conv.flags,
                outputs = linear ? l->linear.outputs : conv.y.c;
  const cn_tensor flat_x = {l->linear.c, l->linear.h, l->linear.w, 0, CN_FLAT, 0},
                  flat_y = {outputs, 1, 1, 0, CN_FLAT, 0};
  const cn_tensor *tx = linear ? &flat_x : &conv.x, *ty = linear ? &flat_y : &conv.y;
  const int64_t weights =
      linear ? cn_linear_weight_floats(&l->linear) : cn_conv2d_weight_floats(&conv);
  const int64_t biases = (flags & CN_BIAS) != 0 ? (outputs + 15) / 16 * 16 : 0;
  const int64_t count = weights + biases;
  seed_values(5);
  float *plain_x = new_reals((int64_t)l->n * tx->c * tx->h * tx->w);
  float *plain_y = new_reals((int64_t)l->n * ty->c * ty->h * ty->w);
  float *x = new_tensor(tx, l->n, plain_x), *dy = new_tensor(ty, l->n, plain_y);
  float *g = new_floats(count), *expected = new_state(context, l, weights, biases);
  float *db = biases > 0 ? g + weights : NULL;
  CHECK(backward_weights(context, l, x, dy, g, db, NULL) == CN_OK, "%s", l->name);
  const cn_segment segments[] = {{0, weights, 1.0f, 1e-3f}, {weights, biases, 0.5f, 0.0f}};
  float *const states[] = {expected + count, expected + 2 * count};
  CHECK(cn_optimizer_step(context, o, 0.05f, 2, segments, g, states, expected) == CN_OK, "%s",
        l->name);
  for (int kept = 0; kept < 2; kept++) {
    float *state = new_state(context, l, weights, biases), *kept_g = new_floats(count);
    const cn_update update = update_of(o, state, weights, biases);
    CHECK(backward_weights(context, l, x, dy, kept ? kept_g : NULL,
                           kept && biases > 0 ? kept_g + weights : NULL, &update) == CN_OK,
          "%s, kept %d", l->name, kept);
    CHECK(memcmp(state, expected, 3 * (size_t)count * sizeof(float)) == 0, "%s, kind %d, kept %d",
          l->name, (int)o->kind, kept);
    CHECK(!kept || memcmp(kept_g, g, (size_t)count * sizeof(float)) == 0, "%s", l->name);
    free(state);
    free(kept_g);
  }
  float *all[] = {plain_x, plain_y, x, dy, g, expected};
  for (int i = 0; i < 6; i++) free(all[i]);
}

int main(void) {
  for (int32_t isa = first_isa(); isa <= cn_cpu_isa(); isa++)
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(isa, thread_counts[i]);
      losses_give_the_values_computed_by_hand(&context);
      softmax_of_many_classes_is_its_definition(&context);
      softmax_per_pixel_is_softmax_of_every_pixel(&context);
      weights_count_samples(&context);
      a_nan_in_the_scores_reaches_the_loss(&context);
      a_label_out_of_range_writes_nothing(&context);
      for (size_t o = 0; o < sizeof(optimizers) / sizeof(optimizers[0]); o++) {
        a_rule_follows_its_formula(&context, &optimizers[o]);
        zeros_stay_zero(&context, &optimizers[o]);
        for (size_t l = 0; l < sizeof(layers) / sizeof(layers[0]); l++)
          a_step_inside_the_gradient_has_the_bits_of_one_after_it(&context, &layers[l],
                                                                  &optimizers[o]);
      }
    }
  return verdict("training");
}
