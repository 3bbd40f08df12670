/* Optimisers against their formulas, by the bits; a step fused into a weight gradient against a
 * separate one. */
#include "harness.h"
#include "sum_plan.h"

/* ---- The rules of optimisers ----------------------------------------------------------------- */

enum { PARAMETERS = 14 * OPTIMIZER_RUN, STEPS = 3 };

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

/* powers: beta1 and beta2 to the power of the step */
static void reference_adam(const cn_optimizer *o, const double *powers, float rate, float decay,
                           float gradient, float *m, float *v, float *w) {
  const float b1 = (float)o->beta1, r1 = (float)(1.0 - o->beta1), b2 = (float)o->beta2,
              r2 = (float)(1.0 - o->beta2);
  const float root = (float)(1.0 / sqrt(1.0 - powers[1])), a = (float)(rate / (1.0 - powers[0]));
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

static float *new_scaled(float scale) {
  float *p = new_reals(PARAMETERS);
  for (int64_t i = 0; i < PARAMETERS; i++) p[i] *= scale;
  return p;
}

/* With a scale of 2^-130, weights, gradients and states are subnormal. */
static void a_rule_follows_its_formula(const cn_context *context, const cn_optimizer *first,
                                       float scale) {
  /* Less than one item of work, one, two, eight, and several of which the last is smaller. */
  const int64_t one = OPTIMIZER_RUN;
  const cn_segment segments[] = {
      {.offset = 1, .length = 37, .rate_factor = 1.0f, .weight_decay = 0.01f},
      {.offset = 40, .length = one, .rate_factor = 0.3f, .weight_decay = 0.0f},
      {.offset = 44 + one, .length = 0, .rate_factor = 1.0f, .weight_decay = 0.5f},
      {.offset = 45 + one, .length = 2 * one, .rate_factor = 1.5f, .weight_decay = 0.03f},
      {.offset = 45 + 3 * one, .length = 8 * one, .rate_factor = 0.7f, .weight_decay = 0.0f},
      {.offset = 50 + 11 * one, .length = 3 * one - 51, .rate_factor = 2.0f, .weight_decay = 5e-4f},
  };
  const int count = sizeof segments / sizeof segments[0];
  const float rate = 0.05f;
  cn_optimizer o = *first;
  seed_values(11);
  float *g = new_scaled(scale), *got[3], *expected[3]; /* weights, then states */
  for (int i = 0; i < 3; i++) {
    got[i] = new_scaled(scale);
    for (int64_t j = 0; i == 2 && j < PARAMETERS; j++) got[i][j] = fabsf(got[i][j]);
    expected[i] = new_floats(PARAMETERS);
    memcpy(expected[i], got[i], PARAMETERS * sizeof(float));
  }
  for (int step = 0; step < STEPS; step++, o.step++) {
    double powers[] = {1.0, 1.0};
    for (int64_t i = 0; i < o.step; i++) {
      powers[0] *= o.beta1;
      powers[1] *= o.beta2;
    }
    for (int s = 0; s < count; s++)
      for (int64_t i = segments[s].offset; i < segments[s].offset + segments[s].length; i++) {
        const float own = rate * segments[s].rate_factor, decay = segments[s].weight_decay;
        if (o.kind == CN_SGD)
          reference_sgd(&o, own, decay, g[i], &expected[1][i], &expected[0][i]);
        else
          reference_adam(&o, powers, own, decay, g[i], &expected[1][i], &expected[2][i],
                         &expected[0][i]);
      }
    float *const states[] = {got[1], got[2]};
    CHECK(cn_optimizer_step(context, &o, rate, count, segments, g,
                            states_of(&o) > 0 ? states : NULL, got[0]) == CN_OK,
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

/* A convolution, or a linear layer of outputs > 0. */
typedef struct layer {
  const char *name;
  cn_conv2d conv;
  cn_linear linear;
  int32_t n;
  bool bias;
} layer;

static const layer layers[] = {
    {.name = "stem",
     .conv = {.x = {3, 17, 13, 1, CN_PLAIN, 0, 0},
              .y = {24, 17, 13, 0, CN_BLOCKED, 0, 0},
              .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}},
     .n = 5,
     .bias = true},
    {.name = "few weights, many pixels",
     .conv = {.x = {5, 20, 20, 1, CN_BLOCKED, 0, 0},
              .y = {17, 20, 20, 0, CN_BLOCKED, 0, 0},
              .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}},
     .n = 4,
     .bias = true},
    {.name = "many weights, few pixels",
     .conv = {.x = {145, 3, 3, 1, CN_BLOCKED, 0, 0},
              .y = {49, 3, 3, 0, CN_BLOCKED, 0, 0},
              .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}},
     .n = 2},
    {.name = "a wide filter",
     .conv = {.x = {20, 12, 12, 0, CN_BLOCKED, 0, 0},
              .y = {40, 4, 4, 0, CN_BLOCKED, 0, 0},
              .window = {9, 9, 1, 1, 0, 0, 0, 0, 1, 1}},
     .n = 3,
     .bias = true},
    {.name = "groups",
     .conv = {.groups = 2,
              .x = {64, 6, 6, 0, CN_BLOCKED, 0, 0},
              .y = {32, 4, 4, 0, CN_BLOCKED, 0, 0},
              .window = {3, 3, 1, 1, 0, 0, 0, 0, 1, 1}},
     .n = 3,
     .bias = true},
    {.name = "linear", .linear = {.c = 19, .h = 2, .w = 2, .outputs = 37}, .n = 7, .bias = true},
    {.name = "wide linear", .linear = {.c = 64, .h = 3, .w = 3, .outputs = 120}, .n = 3},
    {.name = "linear of 1",
     .linear = {.c = 21, .h = 2, .w = 3, .outputs = 35},
     .n = 1,
     .bias = true},
    {.name = "linear of 2", .linear = {.c = 19, .h = 1, .w = 2, .outputs = 16}, .n = 2},
    {.name = "linear of 4",
     .linear = {.c = 33, .h = 1, .w = 1, .outputs = 40},
     .n = 4,
     .bias = true},
};

static bool is_linear(const layer *l) { return l->linear.outputs > 0; }

/* The layer with the fields that all have in common. */
static layer whole(const layer *described) {
  layer l = *described;
  l.linear.size = sizeof l.linear;
  l.conv.size = sizeof l.conv;
  if (l.conv.groups == 0) l.conv.groups = 1;
  l.conv.dx = l.conv.x;
  l.conv.dy = l.conv.y;
  return l;
}

static int32_t outputs_of(const layer *l) { return is_linear(l) ? l->linear.outputs : l->conv.y.c; }

static cn_tensor x_of(const layer *l) {
  const cn_tensor flat = {.c = l->linear.c, .h = l->linear.h, .w = l->linear.w, .layout = CN_FLAT};
  return is_linear(l) ? flat : l->conv.x;
}

static cn_tensor y_of(const layer *l) {
  const cn_tensor flat = {.c = l->linear.outputs, .h = 1, .w = 1, .layout = CN_FLAT};
  return is_linear(l) ? flat : l->conv.y;
}

static int64_t weights_of(const layer *l) {
  return floats_in(is_linear(l) ? cn_linear_weight_bytes(&l->linear)
                                : cn_conv2d_weight_bytes(&l->conv));
}

static int64_t biases_of(const layer *l) { return l->bias ? (outputs_of(l) + 15) / 16 * 16 : 0; }

static int64_t workspace_of(const cn_context *context, const layer *l, const cn_epilogue *e) {
  if (is_linear(l))
    return cn_linear_workspace_bytes(context, &l->linear, CN_BACKWARD_WEIGHTS, l->n);
  cn_conv2d_variant v = {.size = sizeof v};
  CHECK(cn_conv2d_describe(context, &l->conv, e, CN_BACKWARD_WEIGHTS, l->n, &v) == CN_OK, "%s",
        l->name);
  CHECK(v.updates == 1, "%s: no update", l->name);
  return v.workspace;
}

static int32_t backward_weights(const cn_context *context, const layer *l, const float *x,
                                const float *dy, const cn_gradients *gradients) {
  const cn_epilogue e = {.size = sizeof e, .operations = l->bias ? CN_BIAS : 0};
  const int64_t bytes = workspace_of(context, l, &e);
  void *workspace = new_bytes(bytes);
  const int32_t status = is_linear(l) ? cn_linear_backward_weights(context, &l->linear, &e, l->n, x,
                                                                   dy, gradients, workspace, bytes)
                                      : cn_conv2d_backward_weights(context, &l->conv, &e, l->n, x,
                                                                   dy, gradients, workspace, bytes);
  free(workspace);
  return status;
}

/* Packed weights and the bias, then both of their states; zero in the padding. */
static float *new_state(const cn_context *context, const layer *l) {
  const int64_t weights = weights_of(l), biases = biases_of(l);
  float *state = new_floats(3 * (weights + biases));
  seed_values(3);
  for (int part = 0; part < 3; part++) {
    float *packed = state + part * (weights + biases), *plain = new_reals(weights);
    CHECK((is_linear(l) ? cn_linear_pack_weights(context, &l->linear, plain, packed)
                        : cn_conv2d_pack_weights(context, &l->conv, plain, packed)) == CN_OK,
          "%s", l->name);
    for (int64_t i = 0; i < biases; i++) packed[weights + i] = i < outputs_of(l) ? plain[i] : 0.0f;
    for (int64_t i = 0; part == 2 && i < weights + biases; i++) packed[i] = fabsf(packed[i]);
    free(plain);
  }
  return state;
}

/* Gradients that update the state, and are stored in g if it is not null. */
static cn_gradients update_of(const layer *l, const cn_optimizer *o, float *state, float *g) {
  const int64_t weights = weights_of(l), count = weights + biases_of(l);
  cn_gradients u = {.size = sizeof u,
                    .operations = CN_UPDATE | (g != NULL ? CN_STORE : 0),
                    .dw = g,
                    .db = g != NULL ? g + weights : NULL,
                    .optimizer = *o,
                    .weights = {.values = state, .learning_rate = 0.05f, .weight_decay = 1e-3f},
                    .bias = {.values = state + weights, .learning_rate = 0.05f * 0.5f}};
  for (int i = 0; i < states_of(o); i++) {
    u.weights.states[i] = state + (i + 1) * count;
    u.bias.states[i] = state + (i + 1) * count + weights;
  }
  return u;
}

static void a_step_inside_the_gradient_has_the_bits_of_one_after_it(const cn_context *context,
                                                                    const layer *described,
                                                                    const cn_optimizer *o) {
  const layer l = whole(described);
  const cn_tensor tx = x_of(&l), ty = y_of(&l);
  const int64_t weights = weights_of(&l), biases = biases_of(&l), count = weights + biases;
  seed_values(5);
  float *plain_x = new_reals((int64_t)l.n * tx.c * tx.h * tx.w);
  float *plain_y = new_reals((int64_t)l.n * ty.c * ty.h * ty.w);
  float *x = new_tensor(&tx, l.n, plain_x), *dy = new_tensor(&ty, l.n, plain_y);
  float *g = new_floats(count), *expected = new_state(context, &l);
  const cn_gradients stored = {
      .size = sizeof stored, .operations = CN_STORE, .dw = g, .db = g + weights};
  CHECK(backward_weights(context, &l, x, dy, &stored) == CN_OK, "%s", l.name);
  const cn_segment segments[] = {{0, weights, 1.0f, 1e-3f}, {weights, biases, 0.5f, 0.0f}};
  float *const states[] = {expected + count, expected + 2 * count};
  CHECK(cn_optimizer_step(context, o, 0.05f, 2, segments, g, states, expected) == CN_OK, "%s",
        l.name);
  for (int kept = 0; kept < 2; kept++) {
    float *state = new_state(context, &l), *kept_g = new_floats(count);
    const cn_gradients update = update_of(&l, o, state, kept ? kept_g : NULL);
    CHECK(backward_weights(context, &l, x, dy, &update) == CN_OK, "%s, kept %d", l.name, kept);
    CHECK(memcmp(state, expected, 3 * (size_t)count * sizeof(float)) == 0, "%s, kind %d, kept %d",
          l.name, (int)o->kind, kept);
    CHECK(!kept || memcmp(kept_g, g, (size_t)count * sizeof(float)) == 0, "%s", l.name);
    free(state);
    free(kept_g);
  }
  float *all[] = {plain_x, plain_y, x, dy, g, expected};
  for (int i = 0; i < 6; i++) free(all[i]);
}

int main(void) {
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < 3; i++) {
      const cn_context context = context_of(set, i == 0 ? 1 : next_thread_count());
      for (size_t o = 0; o < sizeof(optimizers) / sizeof(optimizers[0]); o++) {
        a_rule_follows_its_formula(&context, &optimizers[o], 1.0f);
        a_rule_follows_its_formula(&context, &optimizers[o], 0x1p-130f);
        zeros_stay_zero(&context, &optimizers[o]);
        for (size_t l = 0; l < sizeof(layers) / sizeof(layers[0]); l++)
          a_step_inside_the_gradient_has_the_bits_of_one_after_it(&context, &layers[l],
                                                                  &optimizers[o]);
      }
    }
  return verdict("training");
}
