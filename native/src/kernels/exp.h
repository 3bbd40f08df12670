/* The exponential function of a vector. */
#ifndef CN_EXP_H
#define CN_EXP_H

#include "../isa.h"

/* 1.5 * 2^23: adding and subtracting it rounds to a whole number. */
#define ROUNDING 12582912.0f

/* ln 2 in two parts. The first has so few bits that its product with a whole number is exact. */
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f

/* x, but not below `least`; NaN for NaN. */
ALWAYS_INLINE vec not_below(vec x, float least) {
  return vec_select(vec_not_le(x, vec_set1(least)), x, vec_set1(least));
}

/* n of x = n ln 2 + r + lost, and r with |r| <= ln 2 / 2 in the place of x. */
ALWAYS_INLINE vec reduce_by_ln2(vec *x, vec *lost) {
  const vec rounding = vec_set1(ROUNDING);
  const vec n = vec_sub(vec_add(vec_mul(*x, vec_set1(1.44269504089f)), rounding), rounding);
  const vec high = vec_sub(*x, vec_mul(n, vec_set1(LN2_HIGH))), low = vec_mul(n, vec_set1(LN2_LOW));
  *x = vec_sub(high, low);
  *lost = vec_sub(vec_sub(high, *x), low);
  return n;
}

/* (e^r - 1 - r) / r for |r| <= ln 2 / 2: a polynomial from Moshier, "Methods and programs for
 * mathematical functions", 1989. */
ALWAYS_INLINE vec exp_rest(vec r) {
  static const float terms[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  vec p = vec_set1(terms[0]);
  for (int i = 1; i < 6; i++) p = vec_fma(p, r, vec_set1(terms[i]));
  return vec_mul(p, r);
}

/*
 * e^x to within 1 ulp, subnormal values included; infinity above 88.73, 0 below -104, NaN for NaN.
 * e^r is the sum of 1 + r, the errors of that and of r, and the rest.
 */
ALWAYS_INLINE vec vec_exp(vec x) {
  const vec most = vec_set1(89.0f);
  vec r = vec_select(vec_not_le(most, x), not_below(x, -104.0f), most), lost;
  const vec n = reduce_by_ln2(&r, &lost);
  const vec one = vec_set1(1.0f), sum = vec_add(one, r);
  lost = vec_add(lost, vec_sub(r, vec_sub(sum, one)));
  const vec p = vec_add(sum, vec_fma(exp_rest(r), r, lost));
  return vec_ldexp(p, n);
}

/* e^-|x| to within 1 ulp with fewer operations: the errors of 1 + r and of r are not added. */
ALWAYS_INLINE vec decay(vec x) {
  const vec rounding = vec_set1(ROUNDING);
  const vec negative = vec_select(vec_not_le(x, vec_zero()), vec_sub(vec_zero(), x), x);
  vec r = not_below(negative, -104.0f);
  const vec n = vec_sub(vec_fma(r, vec_set1(1.44269504089f), rounding), rounding);
  r = vec_fma(n, vec_set1(-LN2_LOW), vec_fma(n, vec_set1(-LN2_HIGH), r));
  return vec_ldexp(vec_add(vec_fma(exp_rest(r), r, r), vec_set1(1.0f)), n);
}

#endif
