/* Functions of a vector, each with the error that it is tested for. All return NaN for NaN. */
#ifndef CN_FUNCTIONS_H
#define CN_FUNCTIONS_H

#include "exp.h"

#include <math.h>

/* |x| */
ALWAYS_INLINE vec magnitude(vec x) {
  return vec_select(vec_not_le(x, vec_zero()), x, vec_sub(vec_zero(), x));
}

/*
 * e^x - 1 for x <= 0 to within 2 ulp. With x = n ln 2 + r it is 2^n (e^r - 1) + (2^n - 1), which
 * does not cancel, because |r| <= ln 2 / 2.
 */
ALWAYS_INLINE vec vec_expm1(vec x) {
  vec r = not_below(x, -18.0f), lost;
  const vec s = vec_pow2(reduce_by_ln2(&r, &lost));
  return vec_fma(s, vec_fma(exp_rest(r), r, r), vec_sub(s, vec_set1(1.0f)));
}

/* (log(1 + z) - z) / z^2 for -0.2929 <= z <= 0.4142, interpolated at the Chebyshev nodes to within
 * 4e-8. */
ALWAYS_INLINE vec log_rest(vec z) {
  static const float terms[] = {-7.675226761e-02f, 1.272457127e-01f,  -1.312788297e-01f,
                                1.420463730e-01f,  -1.662659293e-01f, 2.000124128e-01f,
                                -2.500078282e-01f, 3.333332998e-01f,  -4.999999764e-01f};
  vec q = vec_set1(terms[0]);
  for (int i = 1; i < 9; i++) q = vec_fma(q, z, vec_set1(terms[i]));
  return q;
}

/*
 * log(1 + e) for 0 <= e <= 1 to within 2 ulp. With z = e, or z = (e - 1) / 2 and 1 + e = 2 (1 + z)
 * where e > 0.4142, it is log(1 + z) plus nothing or ln 2.
 */
ALWAYS_INLINE vec vec_log1p(vec e) {
  const vec half = vec_set1(0.5f);
  const vec_mask halved = vec_not_le(e, vec_set1(0.4142f));
  const vec z = vec_select(halved, vec_sub(vec_mul(e, half), half), e);
  return vec_add(vec_fma(vec_mul(z, z), log_rest(z), z), vec_keep(halved, vec_set1(0.693147182f)));
}

/*
 * log x to within 2 ulp, subnormal values included; -infinity at 0, NaN below. With x = 2^n (1 + z)
 * and 1 + z between the roots of 1/2 and 2, it is n ln 2 + z + z^2 Q(z), of which the last term
 * takes the low part of ln 2.
 */
ALWAYS_INLINE vec vec_log(vec x) {
  const vec zero = vec_zero(), one = vec_set1(1.0f), infinity = vec_set1(INFINITY);
  const vec_mask small = vec_not_le(vec_set1(1.17549435e-38f), x);
  const vec normal = vec_select(small, vec_mul(x, vec_set1(8388608.0f)), x);
  vec n = vec_exponent(normal);
  const vec m = vec_ldexp(normal, vec_sub(zero, n));
  const vec_mask halved = vec_not_le(m, vec_set1(1.41421356f));
  const vec z = vec_sub(vec_select(halved, vec_mul(m, vec_set1(0.5f)), m), one);
  n = vec_add(vec_sub(n, vec_keep(small, vec_set1(23.0f))), vec_keep(halved, one));
  const vec low = vec_fma(n, vec_set1(LN2_LOW), vec_mul(vec_mul(z, z), log_rest(z)));
  const vec log = vec_fma(n, vec_set1(LN2_HIGH), vec_add(z, low));
  const vec within = vec_select(vec_not_le(infinity, x), log, infinity);
  const vec outside = vec_select(vec_equal(x, zero), vec_sub(zero, infinity), vec_set1(NAN));
  const vec y = vec_select(vec_not_le(x, zero), within, outside);
  return vec_select(vec_equal(x, x), y, x);
}

/*
 * x^a as e^(a log |x|), with the error of the rounded argument: a few ulp more for each unit of a
 * log |x|. A negative x has `sign` times the value of |x|; 0 stands for NaN.
 */
ALWAYS_INLINE vec vec_pow(vec x, vec a, vec sign) {
  const vec zero = vec_zero(), one = vec_set1(1.0f);
  const vec power = vec_exp(vec_mul(a, vec_log(magnitude(x))));
  const vec size = vec_select(vec_equal(a, zero), one, power);
  const vec reflected = vec_mul(size, vec_div(sign, vec_mul(sign, sign)));
  return vec_select(vec_not_le(zero, x), reflected, size);
}

/* 1 / (1 + e^-x) and 1 minus that, to within 3 ulp. */
ALWAYS_INLINE vec sigmoid_parts(vec x, vec *rest) {
  const vec one = vec_set1(1.0f), e = decay(x), larger = vec_div(one, vec_add(one, e));
  const vec smaller = vec_mul(e, larger);
  const vec_mask above = vec_not_le(x, vec_zero());
  *rest = vec_select(above, smaller, larger);
  return vec_select(above, larger, smaller);
}

/* 1 / (1 + e^-x) to within 3 ulp. */
ALWAYS_INLINE vec rough_sigmoid(vec x) {
  const vec one = vec_set1(1.0f), e = decay(x);
  return vec_div(vec_select(vec_not_le(x, vec_zero()), one, e), vec_add(one, e));
}

/*
 * 1 / (1 + e^-x) to within 2 ulp. The quotient is corrected by what the rounded 1 + e loses; for
 * that 1 - e / 2 is close enough to 1 / (1 + e).
 */
ALWAYS_INLINE vec vec_sigmoid(vec x) {
  const vec one = vec_set1(1.0f), e = decay(x), d = vec_add(one, e);
  const vec lost = vec_mul(vec_sub(e, vec_sub(d, one)), vec_fma(e, vec_set1(-0.5f), one));
  const vec q = vec_div(vec_select(vec_not_le(x, vec_zero()), one, e), d);
  return vec_sub(q, vec_mul(q, lost));
}

/*
 * tanh x to within 2 ulp. Where |x| >= 0.55 it is 1 - 2 e / (1 + e) with e = e^(-2|x|), else x +
 * x^3 P(x^2), with P interpolated at the Chebyshev nodes to within 1e-8.
 */
ALWAYS_INLINE vec vec_tanh(vec x) {
  static const float terms[] = {2.505385028e-03f,  -8.511812110e-03f, 2.181497611e-02f,
                                -5.396436629e-02f, 1.333332310e-01f,  -3.333333329e-01f};
  const vec a = magnitude(x), one = vec_set1(1.0f), e = decay(vec_add(a, a)), z = vec_mul(a, a);
  const vec far = vec_sub(one, vec_div(vec_add(e, e), vec_add(one, e)));
  vec p = vec_set1(terms[0]);
  for (int i = 1; i < 6; i++) p = vec_fma(p, z, vec_set1(terms[i]));
  const vec near = vec_fma(vec_mul(a, z), p, a);
  const vec t = vec_select(vec_not_le(vec_set1(0.55f), a), near, far);
  return vec_select(vec_not_le(x, vec_zero()), t, vec_sub(vec_zero(), t));
}

/* log(1 + e^x) to within 2 ulp: max(x, 0) + log(1 + e^-|x|). */
ALWAYS_INLINE vec vec_softplus(vec x) {
  const vec log = vec_log1p(decay(x));
  return vec_select(vec_not_le(x, vec_zero()), vec_add(x, log), log);
}

/*
 * P(Z > a) for a standard normal Z and a >= 0, computed as k P(k) e^(-a a / 2) / 2 with k = 1 / (1
 * + 0.35 a / sqrt 2); also returns the exponential. P is the polynomial that interpolates erfc(t)
 * e^(t t) / k at the Chebyshev nodes of 0 <= t <= 9.5, to within 1e-8.
 */
ALWAYS_INLINE vec normal_tail(vec a, vec *e) {
  static const float terms[] = {
      3.570997342e-02f, -1.441787332e-01f, 1.464017779e-01f, 1.965027489e-02f, 4.702813923e-02f,
      1.679025292e-01f, 1.434621066e-01f,  1.896015108e-01f, 1.969273835e-01f, 1.974950433e-01f};
  const vec one = vec_set1(1.0f);
  const vec k = vec_div(one, vec_fma(a, vec_set1(0.247487373f), one));
  vec p = vec_set1(terms[0]);
  for (int i = 1; i < 10; i++) p = vec_fma(p, k, vec_set1(terms[i]));
  *e = vec_exp(vec_mul(vec_mul(a, a), vec_set1(-0.5f)));
  return vec_mul(vec_mul(vec_mul(k, p), vec_set1(0.5f)), *e);
}

/*
 * Phi(x) = P(Z <= x); also returns e^(-x x / 2). Where |x| < 1 it is 1/2 + x R(x x), with R
 * interpolated at the Chebyshev nodes to within 1e-9: there the tail is large, and its relative
 * error is three times that of the rounded k. With u = 2^-24 the error is at most 1.2 u, measured.
 */
ALWAYS_INLINE vec normal_cdf(vec x, vec *e) {
  static const float terms[] = {-7.660538358e-06f, 1.135022976e-04f,  -1.186343958e-03f,
                                9.973328561e-03f,  -6.649035960e-02f, 3.989422917e-01f};
  const vec one = vec_set1(1.0f), a = magnitude(x), z = vec_mul(x, x);
  const vec tail = normal_tail(a, e);
  vec r = vec_set1(terms[0]);
  for (int i = 1; i < 6; i++) r = vec_fma(r, z, vec_set1(terms[i]));
  return vec_select(vec_not_le(one, a), vec_fma(x, r, vec_set1(0.5f)),
                    vec_select(vec_not_le(x, vec_zero()), vec_sub(one, tail), tail));
}

/*
 * erf x to within 2 ulp. Where |x| < 1 it is x + x R(x^2), with R interpolated at the Chebyshev
 * nodes to within 2e-9, else 1 - 2 P(Z > |x| sqrt 2) with the sign of x.
 */
ALWAYS_INLINE vec vec_erf(vec x) {
  static const float terms[] = {7.875875063e-05f,  -8.016864287e-04f, 5.189087423e-03f,
                                -2.685421201e-02f, 1.128359472e-01f,  -3.761262667e-01f,
                                1.283791658e-01f};
  const vec one = vec_set1(1.0f), a = magnitude(x), z = vec_mul(x, x);
  vec r = vec_set1(terms[0]), e;
  for (int i = 1; i < 7; i++) r = vec_fma(r, z, vec_set1(terms[i]));
  const vec tail = normal_tail(vec_mul(a, vec_set1(1.41421356f)), &e);
  const vec far = vec_fma(tail, vec_set1(-2.0f), one);
  const vec signed_far = vec_select(vec_not_le(x, vec_zero()), far, vec_sub(vec_zero(), far));
  return vec_select(vec_not_le(one, a), vec_fma(x, r, x), signed_far);
}

#endif
