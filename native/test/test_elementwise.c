/* Reorders, activations, sums, dropout and operations on runs of floats. Most results are exact
 * formulas and are compared by their bits. */
#include "harness.h"

typedef struct shape_case {
  int32_t n, c, h, w;
} shape_case;

static const shape_case shapes[] = {
    {1, 1, 1, 1}, {3, 17, 5, 7}, {2, 16, 4, 4}, {5, 3, 6, 1}, {17, 84, 1, 1}, {2, 40, 3, 33},
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static int64_t count_of(const shape_case *s) { return (int64_t)s->n * s->c * s->h * s->w; }

static cn_tensor tensor_of(const shape_case *s, int32_t layout, int32_t halo) {
  const cn_tensor t = {s->c, s->h, s->w, layout == CN_FLAT ? 0 : halo, layout, CN_FLOAT32, 0};
  return t.halo > 0 ? as_slice(t) : t;
}

static void reorders_keep_every_value(const cn_context *context) {
  for (int i = 0; i < SHAPES; i++)
    for (int32_t pair = 0; pair < 9; pair++)
      for (int32_t halos = 0; halos < 4; halos++) {
        const shape_case *s = &shapes[i];
        const cn_tensor from = tensor_of(s, pair / 3, halos / 2 * 2);
        const cn_tensor to = tensor_of(s, pair % 3, halos % 2 * 3);
        float *plain = new_reals(count_of(s)), *back = new_floats(count_of(s));
        float *src = new_tensor(&from, s->n, plain);
        float *dst = new_floats(tensor_floats(&to, s->n));
        CHECK(cn_reorder(context, &from, &to, s->n, src, dst) == CN_OK, "layouts %d", (int)pair);
        read_tensor("reorder", &to, s->n, dst, back);
        check_equal("reorder", plain, back, count_of(s));
        float *all[] = {plain, back, src, dst};
        for (int j = 0; j < 4; j++) free(all[j]);
      }
}

/* A few floats of every kind. */
static float *new_awkward(int64_t count) {
  static const float values[] = {0.0f,   -0.0f,   NAN,  INFINITY, -INFINITY,
                                 1e-40f, -1e-40f, 1.0f, -1.0f};
  float *p = new_reals(count);
  for (int64_t i = 0; i < count; i++) {
    const uint64_t pick = next_random() % 16;
    if (pick < sizeof values / sizeof values[0]) p[i] = values[pick];
  }
  return p;
}

typedef enum function {
  ADD,
  ADD_RELU,
  ADD_RELU6,
  ADD_LEAKY_RELU,
  SUBTRACT,
  MULTIPLY,
  FUNCTIONS
} function;

static cn_activation activation_of(function f) {
  static const int32_t flags[] = {0, RELU, RELU6, LEAKY_RELU, 0, 0};
  return activation_in(flags[f]);
}

static float result_of(function f, float a, float b) {
  if (f == SUBTRACT) return a - b;
  return f == MULTIPLY ? a * b : (float)activated(activation_of(f), a + b);
}

static int32_t run_function(const cn_context *context, function f, const cn_elementwise *op,
                            int32_t n, const float *a, const float *b, float *out) {
  if (f == SUBTRACT) return cn_subtract(context, op, n, a, b, out);
  return (f == MULTIPLY ? cn_multiply : cn_add)(context, op, n, a, b, out);
}

static void check_function(const cn_context *context, function f, const shape_case *s,
                           int32_t layout, int32_t halos) {
  cn_elementwise op = {.size = sizeof op,
                       .a = tensor_of(s, layout, halos & 1),
                       .b = tensor_of(s, layout, halos & 2),
                       .out = tensor_of(s, layout, halos >> 2),
                       .activation = activation_of(f)};
  const int64_t count = count_of(s), floats = tensor_floats(&op.out, s->n);
  float *a_plain = new_awkward(count), *b_plain = new_awkward(count);
  float *expected = new_floats(count), *got = new_floats(count), *out = new_floats(floats);
  for (int64_t i = 0; i < count; i++) expected[i] = result_of(f, a_plain[i], b_plain[i]);
  float *a = new_tensor(&op.a, s->n, a_plain), *b = new_tensor(&op.b, s->n, b_plain);
  CHECK(run_function(context, f, &op, s->n, a, b, out) == CN_OK, "function %d", (int)f);
  read_tensor("elementwise", &op.out, s->n, out, got);
  check_equal("elementwise", expected, got, count);
  op.out = op.a;
  CHECK(run_function(context, f, &op, s->n, a, b, a) == CN_OK, "function %d in place", (int)f);
  read_tensor("elementwise in place", &op.out, s->n, a, got);
  check_equal("elementwise in place", expected, got, count);
  float *all[] = {a_plain, b_plain, expected, got, out, a, b};
  for (int i = 0; i < 7; i++) free(all[i]);
}

static void functions_follow_their_formulas(const cn_context *context) {
  for (function f = ADD; f < FUNCTIONS; f++)
    for (int i = 0; i < SHAPES; i++)
      for (int32_t layout = CN_PLAIN; layout <= CN_FLAT; layout++)
        for (int32_t halos = 0; halos < 8; halos += 3)
          check_function(context, f, &shapes[i], layout, halos);
}

/* ---- Activations ----------------------------------------------------------------------------- */

/* An activation and its derivative in double precision. The kernel must be within `ulps` units in
 * the last place of its result or of x (dy for the derivative). */
typedef struct activation_case {
  cn_activation activation;
  double (*f)(double x), (*slope)(double x);
  bool from_y;
  double ulps;
} activation_case;

static const cn_activation identity, relu = {.kind = CN_RELU}, relu6 = {.kind = CN_RELU6},
                                     leaky = {.kind = CN_LEAKY_RELU, .slope = 0.3f};

#define PIECEWISE(name)                                                                            \
  static double name##_of(double x) { return activated(name, x); }                                 \
  static double name##_slope_of(double x) { return slope_at(name, activated(name, x)); }
PIECEWISE(identity)
PIECEWISE(relu)
PIECEWISE(relu6)
PIECEWISE(leaky)

static double gelu_of(double x) { return x * erfc(-x / sqrt(2)) / 2; }
static double gelu_slope_of(double x) {
  return erfc(-x / sqrt(2)) / 2 + x * exp(-x * x / 2) / sqrt(2 * acos(-1));
}
/* Uses 1 - tanh z = 2 / (1 + e^(2 z)), which avoids cancellation. */
static double half_tanh_of(double x) {
  return 1 / (1 + exp(-2 * sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}
static double gelu_tanh_of(double x) { return x * half_tanh_of(x); }
static double gelu_tanh_slope_of(double x) {
  const double z = 2 * sqrt(2 / acos(-1)) * (1 + 3 * 0.044715 * x * x);
  return half_tanh_of(x) + x * z * half_tanh_of(x) * half_tanh_of(-x);
}

/* The others, from their definitions; a NaN takes the branch of x > 0. */
static double clip_of(double x) { return x <= -1.5 ? -1.5 : x >= 2 ? 2 : x; }
static double clip_slope_of(double x) { return x <= -1.5 || x >= 2 ? 0 : 1; }
static double elu_of(double x) { return x <= 0 ? 0.75 * expm1(x) : x; }
static double elu_slope_of(double x) { return x <= 0 ? 0.75 * exp(x) : 1; }
static double celu_of(double x) { return x <= 0 ? 0.75 * expm1(x / 0.75) : x; }
static double celu_slope_of(double x) { return x <= 0 ? exp(x / 0.75) : 1; }
static const double selu_scale = 1.0507009873554804934, selu_alpha = 1.6732632423543772848;
static double selu_of(double x) { return selu_scale * (x <= 0 ? selu_alpha * expm1(x) : x); }
static double selu_slope_of(double x) { return selu_scale * (x <= 0 ? selu_alpha * exp(x) : 1); }
static double sigmoid_of(double x) { return 1 / (1 + exp(-x)); }
static double sigmoid_slope_of(double x) { return sigmoid_of(x) * sigmoid_of(-x); }
static double tanh_of(double x) { return tanh(x); }
static double tanh_slope_of(double x) { return 4 * sigmoid_of(2 * x) * sigmoid_of(-2 * x); }
static double gate_of(double x) { return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6; }
static double gate_slope_of(double x) { return fabs(x) >= 3 ? 0 : 1.0 / 6; }
static double silu_of(double x) { return x * sigmoid_of(x); }
static double silu_slope_of(double x) { return sigmoid_of(x) * (1 + x * sigmoid_of(-x)); }
static double softplus_of(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double mish_of(double x) { return x * tanh(softplus_of(x)); }
static double mish_slope_of(double x) {
  const double t = tanh(softplus_of(x));
  return t + x * tanh_slope_of(softplus_of(x)) * sigmoid_of(x);
}
static double hard_swish_of(double x) { return x * gate_of(x); }
static double hard_swish_slope_of(double x) { return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5; }
static double scaled_softplus_of(double x) {
  return 0.75 * x > 4 ? x : softplus_of(0.75 * x) / 0.75;
}
static double scaled_softplus_slope_of(double x) { return 0.75 * x > 4 ? 1 : sigmoid_of(0.75 * x); }

static double root_of(double x) { return sqrt(x); }
static double root_slope_of(double x) { return 0.5 / sqrt(x); }
static double reciprocal_of(double x) { return 1 / x; }
static double reciprocal_slope_of(double x) { return (float)(-1 / (x * x)); }
static double log_slope_of(double x) { return x < 0 ? NAN : 1 / x; }
static double cube_of(double x) { return x * x * x; }
static double cube_slope_of(double x) { return 3 * x * x; }
static double power_of(double x) { return x < 0 ? NAN : pow(x, 1.5); }
static double power_slope_of(double x) { return x < 0 ? NAN : 1.5 * pow(x, 0.5); }
static double inverse_square_of(double x) { return 1 / (x * x); }
/* -0 counts as 0. */
static double inverse_square_slope_of(double x) {
  return x == 0 ? -INFINITY : (float)(-2 / (x * x * x));
}
static double threshold_of(double x) { return x <= 0.25 ? -1 : x; }
static double threshold_slope_of(double x) { return x <= 0.25 ? 0 : 1; }
static double erf_slope_of(double x) { return 1.1283791670955125739 * exp(-x * x); }

static const activation_case activation_cases[] = {
    {{.kind = CN_IDENTITY}, identity_of, identity_slope_of, true, 0},
    {{.kind = CN_RELU}, relu_of, relu_slope_of, true, 0},
    {{.kind = CN_RELU6}, relu6_of, relu6_slope_of, true, 0},
    {{.kind = CN_LEAKY_RELU, .slope = 0.3f}, leaky_of, leaky_slope_of, true, 1},
    {{.kind = CN_GELU}, gelu_of, gelu_slope_of, false, 2},
    {{.kind = CN_GELU_TANH}, gelu_tanh_of, gelu_tanh_slope_of, false, 4},
    {{.kind = CN_CLIP, .a = -1.5f, .b = 2.0f}, clip_of, clip_slope_of, true, 0},
    {{.kind = CN_ELU, .a = 0.75f}, elu_of, elu_slope_of, true, 3},
    {{.kind = CN_CELU, .a = 0.75f}, celu_of, celu_slope_of, true, 4},
    {{.kind = CN_SELU}, selu_of, selu_slope_of, true, 4},
    {{.kind = CN_SIGMOID}, sigmoid_of, sigmoid_slope_of, true, 4},
    {{.kind = CN_TANH}, tanh_of, tanh_slope_of, true, 4},
    {{.kind = CN_HARD_SIGMOID}, gate_of, gate_slope_of, true, 3},
    {{.kind = CN_SILU}, silu_of, silu_slope_of, false, 6},
    {{.kind = CN_MISH}, mish_of, mish_slope_of, false, 6},
    {{.kind = CN_HARD_SWISH}, hard_swish_of, hard_swish_slope_of, false, 4},
    {{.kind = CN_SOFTPLUS, .a = 0.75f, .b = 4.0f},
     scaled_softplus_of,
     scaled_softplus_slope_of,
     false,
     6},
    {{.kind = CN_EXP}, exp, exp, false, 2},
    {{.kind = CN_LOG}, log, log_slope_of, false, 3},
    {{.kind = CN_SQRT}, root_of, root_slope_of, false, 2},
    {{.kind = CN_RECIPROCAL}, reciprocal_of, reciprocal_slope_of, false, 2},
    {{.kind = CN_POW, .a = 3, .b = -1}, cube_of, cube_slope_of, false, 40},
    {{.kind = CN_POW, .a = -2, .b = 1}, inverse_square_of, inverse_square_slope_of, false, 40},
    {{.kind = CN_POW, .a = 1.5f}, power_of, power_slope_of, false, 20},
    {{.kind = CN_THRESHOLD, .a = 0.25f, .b = -1}, threshold_of, threshold_slope_of, false, 0},
    {{.kind = CN_ERF}, erf, erf_slope_of, false, 4},
};

enum { ACTIVATION_CASES = sizeof activation_cases / sizeof activation_cases[0] };

/* Non-finite values must correspond, with equal infinities. */
static bool is_near(double expected, double got, double scale, double ulps) {
  if (isnan(expected) || isnan(got)) return isnan(expected) && isnan(got);
  /* What float32 cannot hold is infinite. */
  if (isinf((float)expected) || isinf(got)) return (float)expected == (float)got;
  const double size = isfinite(scale) ? fmax(fabs(expected), fabs(scale)) : fabs(expected);
  return fabs(got - expected) <= ulps * (size / (1 << 24) + 0x1p-149);
}

static void check_activation(const cn_context *context, const activation_case *c,
                             const shape_case *s, int32_t layout, int32_t halos) {
  const cn_elementwise op = {.size = sizeof op,
                             .a = tensor_of(s, layout, halos & 1),
                             .b = tensor_of(s, layout, halos & 2),
                             .out = tensor_of(s, layout, halos >> 2),
                             .activation = c->activation};
  cn_context one = *context;
  one.threads = 1;
  const int64_t count = count_of(s), floats = tensor_floats(&op.out, s->n);
  float *x_plain = new_awkward(count), *dy_plain = new_awkward(count), *got = new_floats(count);
  float *y_plain = new_floats(count), *out = new_floats(floats), *same = new_floats(floats);
  for (int64_t i = 0; i < count; i++) x_plain[i] *= i % 3 == 0 ? 1.0f : 8.0f;
  float *x = new_tensor(&op.a, s->n, x_plain), *dy = new_tensor(&op.b, s->n, dy_plain);
  CHECK(cn_activation_forward(context, &op, s->n, x, out) == CN_OK, "forward");
  CHECK(cn_activation_forward(&one, &op, s->n, x, same) == CN_OK, "forward");
  check_same_bits("activation", same, out, floats);
  read_tensor("activation", &op.out, s->n, out, y_plain);
  float *y = new_tensor(&op.a, s->n, y_plain);
  const float *known = c->from_y ? y : x;
  CHECK(cn_activation_backward(context, &op, s->n, known, dy, out) == CN_OK, "backward");
  CHECK(cn_activation_backward(&one, &op, s->n, known, dy, same) == CN_OK, "backward");
  check_same_bits("slope", same, out, floats);
  read_tensor("slope", &op.out, s->n, out, got);
  for (int64_t i = 0; i < count; i++) {
    const double f = c->f(x_plain[i]), slope = c->slope(x_plain[i]);
    /*
     * If the derivative rounds to 0 in float32, an infinite dy gives NaN or infinity; either is
     * accepted.
     */
    const bool vanishes = isinf(dy_plain[i]) && ((fabs(x_plain[i]) > 2.5 && c->ulps > 1) ||
                                                 (slope != 0 && (float)slope == 0));
    const bool gates = (c->from_y && (c->ulps <= 1 || c->activation.kind == CN_HARD_SIGMOID)) ||
                       c->activation.kind == CN_THRESHOLD;
    const double dx = slope == 0 && gates ? 0 : slope * dy_plain[i];
    CHECK(is_near(f, y_plain[i], x_plain[i], c->ulps), "activation %d of %g is %g, not %g",
          (int)c->activation.kind, (double)x_plain[i], (double)y_plain[i], f);
    CHECK(vanishes || is_near(dx, got[i], dy_plain[i], 2 * c->ulps),
          "slope %d at %g times %g is %g, not %g", (int)c->activation.kind, (double)x_plain[i],
          (double)dy_plain[i], (double)got[i], dx);
  }
  float *all[] = {x_plain, dy_plain, got, y_plain, out, same, x, dy, y};
  for (int i = 0; i < 9; i++) free(all[i]);
}

static void activations_follow_their_formulas(const cn_context *context) {
  for (int c = 0; c < ACTIVATION_CASES; c++)
    for (int i = 0; i < SHAPES; i++)
      for (int32_t layout = CN_PLAIN; layout <= CN_FLAT; layout++)
        for (int32_t halos = 0; halos < 8; halos += 3)
          check_activation(context, &activation_cases[c], &shapes[i], layout, halos);
}

/* cn_add applies the same function to a sum. */
static void sums_are_activated(const cn_context *context) {
  static const int32_t others[] = {CN_CLIP, CN_ELU,       CN_CELU, CN_SELU, CN_TANH,
                                   CN_GELU, CN_GELU_TANH, CN_SILU, CN_MISH, CN_HARD_SWISH};
  const shape_case *s = &shapes[1];
  const cn_tensor t = tensor_of(s, CN_BLOCKED, 0);
  const int64_t floats = tensor_floats(&t, s->n);
  float *a_plain = new_awkward(count_of(s)), *b_plain = new_awkward(count_of(s));
  float *a = new_tensor(&t, s->n, a_plain), *b = new_tensor(&t, s->n, b_plain);
  float *sum = new_floats(floats), *expected = new_floats(floats), *got = new_floats(floats);
  cn_elementwise op = {.size = sizeof op, .a = t, .b = t, .out = t};
  CHECK(cn_add(context, &op, s->n, a, b, sum) == CN_OK, "sum");
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    op.activation = valid_activation(others[i]);
    CHECK(cn_activation_forward(context, &op, s->n, sum, expected) == CN_OK, "forward");
    CHECK(cn_add(context, &op, s->n, a, b, got) == CN_OK, "sum");
    check_equal("activated sum", expected, got, floats);
  }
  float *all[] = {a_plain, b_plain, a, b, sum, expected, got};
  for (int i = 0; i < 7; i++) free(all[i]);
}

/* Floats of every sign and exponent, from a given one on. */
enum { DENSE = 1 << 19 };
static float *new_dense(float least) {
  float *p = new_floats(DENSE);
  uint32_t bits = 0;
  for (int i = 0; i < DENSE; i++) {
    do {
      bits += 8191;
      memcpy(&p[i], &bits, sizeof bits);
    } while (!isfinite(p[i]) || p[i] < least);
  }
  return p;
}

/* Units in the last place of the expected value; those of subnormal numbers are 2^-149. */
static double ulps_between(double got, double expected) {
  if (isinf((float)expected)) return got == (float)expected ? 0 : INFINITY;
  int exponent;
  frexp(expected, &exponent);
  return fabs(got - expected) / ldexp(1, exponent < -125 ? -149 : exponent - 24);
}

/* The errors that convnet_types.h states. */
static void activations_are_as_accurate_as_stated(const cn_context *context) {
  static const struct {
    cn_activation activation;
    double (*f)(double x);
    double ulps;
    float least;
  } cases[] = {{{.kind = CN_SELU}, selu_of, 2, -INFINITY},
               {{.kind = CN_ELU, .a = 0.75f}, elu_of, 2, -INFINITY},
               {{.kind = CN_SIGMOID}, sigmoid_of, 2, -INFINITY},
               {{.kind = CN_TANH}, tanh_of, 2, -INFINITY},
               {{.kind = CN_HARD_SIGMOID}, gate_of, 2, -INFINITY},
               {{.kind = CN_SOFTPLUS, .a = 1.0f, .b = 20.0f}, softplus_of, 2, -INFINITY},
               {{.kind = CN_SILU}, silu_of, 3, -87.0f},
               {{.kind = CN_MISH}, mish_of, 4, -87.0f},
               {{.kind = CN_HARD_SWISH}, hard_swish_of, 3, -INFINITY},
               {{.kind = CN_EXP}, exp, 1, -INFINITY},
               {{.kind = CN_SQRT}, root_of, 1, 0},
               {{.kind = CN_RECIPROCAL}, reciprocal_of, 1, 1e-38f},
               {{.kind = CN_LOG}, log, 2, 1e-45f},
               {{.kind = CN_ERF}, erf, 2, -INFINITY}};
  const cn_tensor t = {DENSE, 1, 1, 0, CN_PLAIN, CN_FLOAT32, 0};
  float *y = new_floats(DENSE);
  for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
    const cn_elementwise op = {
        .size = sizeof op, .a = t, .out = t, .activation = cases[c].activation};
    float *x = new_dense(cases[c].least);
    CHECK(cn_activation_forward(context, &op, 1, x, y) == CN_OK, "forward");
    int worst = 0;
    double most = 0;
    for (int i = 0; i < DENSE; i++) {
      const double error = ulps_between(y[i], cases[c].f(x[i]));
      if (!(error <= most)) worst = i, most = error;
    }
    CHECK(most <= cases[c].ulps, "activation %d of %g is %g, which is %g ulp off",
          (int)cases[c].activation.kind, (double)x[worst], (double)y[worst], most);
    free(x);
  }
  free(y);
}

/* ---- Dropout --------------------------------------------------------------------------------- */

/* Written from the paper, with all four words. */
static void philox4x32(uint32_t c[4], uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; round++) {
    const uint64_t even = 0xD2511F53ull * c[0], odd = 0xCD9E8D57ull * c[2];
    const uint32_t next[4] = {(uint32_t)(odd >> 32) ^ c[1] ^ k0, (uint32_t)odd,
                              (uint32_t)(even >> 32) ^ c[3] ^ k1, (uint32_t)even};
    memcpy(c, next, sizeof next);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

static void the_oracle_gives_the_published_words(void) {
  uint32_t zero[4] = {0, 0, 0, 0}, ones[4] = {~0u, ~0u, ~0u, ~0u};
  uint32_t pi[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
  philox4x32(zero, 0, 0);
  philox4x32(ones, ~0u, ~0u);
  philox4x32(pi, 0xa4093822, 0x299f31d0);
  CHECK(zero[0] == 0x6627e8d5 && zero[3] == 0x9b00dbd8, "counter 0");
  CHECK(ones[0] == 0x408f276d && ones[3] == 0x6d5451fd, "counter of ones");
  CHECK(pi[0] == 0xd16cfe09 && pi[3] == 0x24126ea1, "counter of pi");
}

static void check_dropout(const cn_context *context, const cn_dropout *d, const shape_case *s,
                          int32_t first) {
  const int64_t count = count_of(s), sample = count / s->n;
  const int64_t units[] = {1, sample / s->c, sample}; /* their values */
  float *plain = new_awkward(count), *expected = new_floats(count), *got = new_floats(count);
  for (int64_t e = 0; e < count; e++) {
    const uint64_t unit =
        d->unit == CN_DROP_BATCH ? 0 : (uint64_t)((e + first * sample) / units[d->unit]);
    uint32_t c[4] = {(uint32_t)unit, (uint32_t)(unit >> 32), 42, d->node};
    philox4x32(c, (uint32_t)d->seed, (uint32_t)(d->seed >> 32));
    expected[e] = c[0] >= d->threshold ? d->scale * plain[e] : 0.0f;
  }
  float *x = new_tensor(&d->x, s->n, plain), *y = new_floats(tensor_floats(&d->y, s->n));
  CHECK(cn_dropout_apply(context, d, s->n, first, 42, x, y) == CN_OK, "dropout");
  read_tensor("dropout", &d->y, s->n, y, got);
  check_equal("dropout", expected, got, count);
  float *all[] = {plain, expected, got, x, y};
  for (int j = 0; j < 5; j++) free(all[j]);
}

static void dropout_follows_its_counters(const cn_context *context) {
  static const int32_t firsts[] = {0, 3, INT32_MAX};
  for (int i = 0; i < SHAPES; i++)
    for (int32_t layout = CN_PLAIN; layout <= CN_FLAT; layout++)
      for (int32_t unit = CN_DROP_VALUES; unit <= CN_DROP_BATCH; unit++) {
        cn_dropout d = {.size = sizeof d,
                        .node = 7,
                        .seed = 0x123456789abcdef0u,
                        .x = tensor_of(&shapes[i], layout, 1),
                        .y = tensor_of(&shapes[i], layout, 2),
                        .threshold = 0x60000000,
                        .scale = 1.6f,
                        .unit = unit};
        check_dropout(context, &d, &shapes[i], firsts[layout]);
        d.threshold = 0;
        check_dropout(context, &d, &shapes[i], firsts[layout]);
      }
}

/* ---- Runs of floats -------------------------------------------------------------------------- */

static void runs_touch_exactly_their_floats(const cn_context *context) {
  /* Less than one item of work, one, two, eight, and several of which the last is smaller. */
  static const int64_t counts[] = {
      0, 1, 33, CN_SUM_RUN, 2 * CN_SUM_RUN, 8 * CN_SUM_RUN, 4 * CN_SUM_RUN + 3617};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    const int64_t count = counts[i];
    float *src = new_reals(count + 2), *dst = new_reals(count + 2);
    float *expected = new_floats(count + 2);
    for (int64_t j = 0; j < count + 2; j++)
      expected[j] = j > 0 && j <= count ? dst[j] + src[j] : dst[j];
    CHECK(cn_accumulate(context, count, src + 1, dst + 1) == CN_OK, "accumulate");
    check_equal("accumulate", expected, dst, count + 2);
    for (int64_t j = 1; j <= count; j++) expected[j] = 2.5f;
    CHECK(cn_fill(context, count, 2.5f, dst + 1) == CN_OK, "fill");
    check_equal("fill", expected, dst, count + 2);
    double sums[32], got = 0.0, squares = 0.0;
    CHECK(cn_sums_of_squares(context, count, src + 1, sums) == CN_OK, "squares");
    for (int64_t j = 0; j < (count + CN_SUM_RUN - 1) / CN_SUM_RUN; j++) got += sums[j];
    for (int64_t j = 1; j <= count; j++) squares += (double)src[j] * (double)src[j];
    CHECK(fabs(got - squares) <= 1e-13 * squares, "squares: %.17g for %.17g", got, squares);
    memcpy(expected, src, (size_t)(count + 2) * sizeof(float));
    for (int64_t j = 1; j <= count; j++) expected[j] *= -0.3f;
    CHECK(cn_scale(context, count, -0.3f, src + 1) == CN_OK, "scale");
    check_equal("scale", expected, src, count + 2);
    for (int64_t j = 1; j <= count; j++) expected[j] = fmaxf(-0.1f, fminf(0.1f, expected[j]));
    CHECK(cn_clamp(context, count, 0.1f, src + 1) == CN_OK, "clamp");
    check_equal("clamp", expected, src, count + 2);
    src[1] = NAN;
    CHECK(cn_clamp(context, count < 1 ? count : 1, 0.1f, src + 1) == CN_OK, "clamp");
    CHECK(isnan(src[1]), "a NaN stays");
    free(src);
    free(dst);
    free(expected);
  }
}

int main(void) {
  the_oracle_gives_the_published_words();
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < 3; i++) {
      const cn_context context = context_of(set, i == 0 ? 1 : next_thread_count());
      seed_values(3);
      reorders_keep_every_value(&context);
      functions_follow_their_formulas(&context);
      activations_follow_their_formulas(&context);
      sums_are_activated(&context);
      if (i == 0) activations_are_as_accurate_as_stated(&context);
      dropout_follows_its_counters(&context);
      runs_touch_exactly_their_floats(&context);
    }
  return verdict("elementwise");
}
