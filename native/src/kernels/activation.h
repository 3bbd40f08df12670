/*
 * Activations. Kernels apply them to results that are still in registers or in cache. If the kind
 * is a constant, only its formula remains. NaN passes through; where a slope is a function of the
 * output, so does the gradient at a NaN.
 */
#ifndef CN_ACTIVATION_H
#define CN_ACTIVATION_H

#include "functions.h"

/* F(kind, name) for each activation up to CN_LEAKY_RELU, for each with f(0) = 0, which other
 * kernels can apply, and for all. */
#define EACH_SIMPLE_ACTIVATION(F)                                                                  \
  F(CN_IDENTITY, identity) F(CN_RELU, relu) F(CN_RELU6, relu6) F(CN_LEAKY_RELU, leaky_relu)
#define EACH_FUSED_ACTIVATION(F)                                                                   \
  EACH_SIMPLE_ACTIVATION(F)                                                                        \
  F(CN_CLIP, clip)                                                                                 \
  F(CN_ELU, elu)                                                                                   \
  F(CN_CELU, celu)                                                                                 \
  F(CN_SELU, selu)                                                                                 \
  F(CN_TANH, tanh)                                                                                 \
  F(CN_GELU, gelu)                                                                                 \
  F(CN_GELU_TANH, gelu_tanh)                                                                       \
  F(CN_SILU, silu)                                                                                 \
  F(CN_MISH, mish)                                                                                 \
  F(CN_HARD_SWISH, hard_swish)
#define EACH_ACTIVATION(F)                                                                         \
  EACH_FUSED_ACTIVATION(F)                                                                         \
  F(CN_SIGMOID, sigmoid)                                                                           \
  F(CN_HARD_SIGMOID, hard_sigmoid)                                                                 \
  F(CN_SOFTPLUS, softplus)                                                                         \
  F(CN_EXP, exp)                                                                                   \
  F(CN_LOG, log)                                                                                   \
  F(CN_SQRT, sqrt)                                                                                 \
  F(CN_RECIPROCAL, reciprocal)                                                                     \
  F(CN_POW, pow)                                                                                   \
  F(CN_THRESHOLD, threshold)                                                                       \
  F(CN_ERF, erf)

/* lambda and lambda alpha of CN_SELU. */
#define SELU_SCALE 1.05070099f
#define SELU_LIMIT 1.75809934f

/* The parameters of an activation: slope, a, b. */
enum { ACTIVATION_PARAMETERS = 3 };
ALWAYS_INLINE void load_parameters(cn_activation f, vec p[ACTIVATION_PARAMETERS]) {
  p[0] = vec_set1(f.slope);
  p[1] = vec_set1(f.a);
  p[2] = vec_set1(f.b);
}

/* min(max(x, low), high) */
ALWAYS_INLINE vec limited(vec x, vec low, vec high) {
  return vec_select(vec_not_le(x, low), vec_select(vec_not_le(high, x), x, high), low);
}
/* dy where low < y < high, else 0. */
ALWAYS_INLINE vec kept_within(vec y, vec low, vec high, vec dy) {
  return vec_keep(vec_not_le(y, low), vec_keep(vec_not_le(high, y), dy));
}

/* min(max(x + 3, 0), 6) / 6 */
ALWAYS_INLINE vec hard_gate(vec x) {
  const vec six = vec_set1(6.0f);
  return vec_mul(limited(vec_add(x, vec_set1(3.0f)), vec_zero(), six), vec_set1(1.0f / 6.0f));
}

/* e^(-2 |z|) of z = sqrt(2 / pi) (a + 0.044715 a^3) for a >= 0. Arguments beyond 64 are limited to
 * 64, where it is 0. */
ALWAYS_INLINE vec logistic_tail(vec a) {
  const vec cubic = vec_fma(vec_mul(a, a), vec_set1(0.044715f), vec_set1(1.0f));
  return vec_exp(vec_mul(vec_mul(a, cubic), vec_set1(-1.59576912f)));
}
ALWAYS_INLINE vec at_most_64(vec a) {
  return vec_select(vec_not_le(a, vec_set1(64.0f)), vec_set1(64.0f), a);
}

ALWAYS_INLINE vec gelu_tanh_share(vec x) {
  const vec one = vec_set1(1.0f), e = logistic_tail(at_most_64(magnitude(x)));
  return vec_div(vec_select(vec_not_le(x, vec_zero()), one, e), vec_add(one, e));
}
/* s + x 2 z' e / (1 + e)^2, s = 1 / (1 + e^(-2 z)) */
ALWAYS_INLINE vec gelu_tanh_slope(vec x) {
  const vec one = vec_set1(1.0f), a = at_most_64(magnitude(x)), e = logistic_tail(a);
  const vec share = vec_div(one, vec_add(one, e));
  const vec s = vec_mul(vec_select(vec_not_le(x, vec_zero()), one, e), share);
  const vec z = vec_mul(vec_fma(vec_mul(a, a), vec_set1(0.134145f), one), vec_set1(1.59576912f));
  return vec_fma(x, vec_mul(vec_mul(z, e), vec_mul(share, share)), s);
}
/* Phi(x) + x phi(x) */
ALWAYS_INLINE vec gelu_slope(vec x) {
  vec e;
  const vec cdf = normal_cdf(x, &e), phi = vec_mul(e, vec_set1(0.398942280f));
  return vec_fma(x, phi, cdf);
}

/* s + x s (1 - s), s = 1 / (1 + e^-x) */
ALWAYS_INLINE vec silu_slope(vec x) {
  vec rest;
  const vec s = sigmoid_parts(x, &rest);
  return vec_mul(s, vec_fma(x, rest, vec_set1(1.0f)));
}

/*
 * t = tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2); with e = e^-|x|, and reduced by e^2x
 * where x > 0. *change is (1 - t^2) / (1 + e^-x) = 4 e^x (e^x + 1) / (n + 2)^2.
 */
ALWAYS_INLINE vec mish_parts(vec x, vec *change) {
  const vec one = vec_set1(1.0f), two = vec_set1(2.0f), e = decay(x);
  const vec_mask above = vec_not_le(x, vec_zero());
  const vec n = vec_mul(e, vec_add(e, two)), tail = vec_mul(e, vec_add(e, one));
  const vec share = vec_div(one, vec_select(above, vec_fma(two, tail, one), vec_add(n, two)));
  const vec four = vec_select(above, vec_mul(e, vec_set1(4.0f)), vec_set1(4.0f));
  *change = vec_mul(vec_mul(four, tail), vec_mul(share, share));
  return vec_mul(vec_select(above, vec_fma(two, e, one), n), share);
}

/* 0 where x <= -3, 1 where x >= 3, else x / 3 + 1/2. */
ALWAYS_INLINE vec hard_swish_slope(vec x) {
  const vec one = vec_set1(1.0f), three = vec_set1(3.0f);
  const vec middle = vec_fma(x, vec_set1(1.0f / 3.0f), vec_set1(0.5f));
  return vec_keep(vec_not_le(x, vec_set1(-3.0f)), vec_select(vec_not_le(three, x), middle, one));
}

/* 1 / (1 + e^-z) of z = beta x up to the threshold, and 1 beyond. */
ALWAYS_INLINE vec softplus_slope(vec z, vec threshold) {
  const vec s = vec_select(vec_not_le(z, threshold), vec_set1(1.0f), vec_sigmoid(z));
  return vec_select(vec_equal(z, z), s, z);
}

/* f(x); p are the parameters. */
ALWAYS_INLINE vec activate_as(int32_t kind, const vec *p, vec x) {
  const vec zero = vec_zero();
  const vec_mask above = vec_not_le(x, zero);
  vec part;
  switch (kind) {
  case CN_RELU:
    return vec_keep(above, x);
  case CN_RELU6:
    return limited(x, zero, vec_set1(6.0f));
  case CN_LEAKY_RELU:
    return vec_select(above, x, vec_keep(vec_not_le(p[0], zero), vec_mul(p[0], x)));
  case CN_CLIP:
    return limited(x, p[1], p[2]);
  case CN_ELU:
    return vec_select(above, x, vec_mul(p[1], vec_expm1(x)));
  case CN_CELU:
    return vec_select(above, x, vec_mul(p[1], vec_expm1(vec_div(x, p[1]))));
  case CN_SELU:
    return vec_select(above, vec_mul(vec_set1(SELU_SCALE), x),
                      vec_mul(vec_set1(SELU_LIMIT), vec_expm1(x)));
  case CN_SIGMOID:
    return vec_sigmoid(x);
  case CN_TANH:
    return vec_tanh(x);
  case CN_HARD_SIGMOID:
    return hard_gate(x);
  case CN_GELU:
    return vec_mul(x, normal_cdf(x, &part));
  case CN_GELU_TANH:
    return vec_mul(x, gelu_tanh_share(x));
  case CN_SILU:
    return vec_mul(x, rough_sigmoid(x));
  case CN_MISH:
    return vec_mul(x, mish_parts(x, &part));
  case CN_HARD_SWISH:
    return vec_mul(x, hard_gate(x));
  case CN_SOFTPLUS: {
    const vec z = vec_mul(p[1], x);
    return vec_select(vec_not_le(z, p[2]), x, vec_div(vec_softplus(z), p[1]));
  }
  case CN_EXP:
    return vec_exp(x);
  case CN_LOG:
    return vec_log(x);
  case CN_SQRT:
    return vec_sqrt(x);
  case CN_RECIPROCAL:
    return vec_div(vec_set1(1.0f), x);
  case CN_POW:
    return vec_pow(x, p[1], p[2]);
  case CN_THRESHOLD:
    return vec_select(vec_not_le(x, p[1]), x, p[2]);
  case CN_ERF:
    return vec_erf(x);
  default:
    return x;
  }
}

/* f'(x) dy, from y = f(x) if the slope is a function of it, else from x. */
ALWAYS_INLINE vec slope_as(int32_t kind, const vec *p, vec known, vec dy) {
  const vec zero = vec_zero(), one = vec_set1(1.0f);
  const vec_mask above = vec_not_le(known, zero);
  vec part;
  switch (kind) {
  case CN_RELU:
    return vec_keep(above, dy);
  case CN_RELU6:
    return kept_within(known, zero, vec_set1(6.0f), dy);
  case CN_LEAKY_RELU:
    return vec_select(above, dy, vec_keep(vec_not_le(p[0], zero), vec_mul(p[0], dy)));
  case CN_CLIP:
    return kept_within(known, p[1], p[2], dy);
  case CN_ELU:
    return vec_select(above, dy, vec_mul(vec_add(known, p[1]), dy));
  case CN_CELU:
    return vec_select(above, dy, vec_mul(vec_div(vec_add(known, p[1]), p[1]), dy));
  case CN_SELU:
    part = vec_add(known, vec_set1(SELU_LIMIT));
    return vec_mul(vec_select(above, vec_set1(SELU_SCALE), part), dy);
  case CN_SIGMOID:
    return vec_mul(vec_mul(known, vec_sub(one, known)), dy);
  case CN_TANH:
    return vec_mul(vec_mul(vec_sub(one, known), vec_add(one, known)), dy);
  case CN_HARD_SIGMOID:
    return kept_within(known, zero, one, vec_mul(vec_set1(1.0f / 6.0f), dy));
  case CN_GELU:
    return vec_mul(gelu_slope(known), dy);
  case CN_GELU_TANH:
    return vec_mul(gelu_tanh_slope(known), dy);
  case CN_SILU:
    return vec_mul(silu_slope(known), dy);
  case CN_MISH: {
    const vec t = mish_parts(known, &part);
    return vec_mul(vec_fma(known, part, t), dy);
  }
  case CN_HARD_SWISH:
    return vec_mul(hard_swish_slope(known), dy);
  case CN_SOFTPLUS:
    return vec_mul(softplus_slope(vec_mul(p[1], known), p[2]), dy);
  case CN_EXP:
    return vec_mul(vec_exp(known), dy);
  case CN_LOG:
    return vec_div(dy, vec_select(vec_not_le(zero, known), vec_set1(NAN), known));
  case CN_SQRT:
    return vec_div(vec_mul(vec_set1(0.5f), dy), vec_sqrt(known));
  case CN_RECIPROCAL:
    part = vec_div(one, known);
    return vec_mul(vec_mul(vec_sub(zero, part), part), dy);
  case CN_POW:
    part = vec_pow(known, vec_sub(p[1], one), vec_sub(zero, p[2]));
    return vec_mul(vec_mul(p[1], part), dy);
  case CN_THRESHOLD:
    return vec_keep(vec_not_le(known, p[1]), dy);
  case CN_ERF:
    part = vec_exp(vec_sub(zero, vec_mul(known, known)));
    return vec_mul(vec_mul(vec_set1(1.12837917f), part), dy);
  default:
    return dy;
  }
}

/* f'(x) dy, from x, with the same bits. */
ALWAYS_INLINE vec slope_from_x_as(int32_t kind, const vec *p, vec x, vec dy) {
  switch (kind) {
  case CN_ELU:
  case CN_CELU:
  case CN_SELU:
  case CN_SIGMOID:
  case CN_TANH:
  case CN_HARD_SIGMOID:
    return slope_as(kind, p, activate_as(kind, p, x), dy);
  default:
    return slope_as(kind, p, x, dy);
  }
}

/* x[i] = f(x[i]) for i < count; in tail.c. */
void ISA_NAME(activate_array)(cn_activation f, vec *x, int count);

/*
 * The same for values in registers: x is [rows][row], of which the first `count` of each row are
 * used. All are constants, and rows count is at most MOST_ACTIVATED. ReLU is computed in place,
 * with one branch for all values. The other kinds go through memory: their constants would take
 * registers from the caller's loops.
 */
enum { MOST_ACTIVATED = 32 };
ALWAYS_INLINE void activate_rows(cn_activation f, vec *x, int rows, int row, int count) {
  if (f.kind == CN_IDENTITY) return;
  if (f.kind == CN_RELU) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
      for (int j = 0; j < count; j++) x[i * row + j] = activate_as(CN_RELU, NULL, x[i * row + j]);
    return;
  }
  vec others[MOST_ACTIVATED];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
    for (int j = 0; j < count; j++) others[i * count + j] = x[i * row + j];
  ISA_NAME(activate_array)(f, others, rows * count);
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
    for (int j = 0; j < count; j++) x[i * row + j] = others[i * count + j];
}

ALWAYS_INLINE void activate(cn_activation f, vec *x, int count) {
  activate_rows(f, x, 1, count, count);
}

#endif
