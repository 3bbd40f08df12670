/* The exponential function of a vector. */
#ifndef CN_EXP_H
#define CN_EXP_H

#include "conv.h"

/*
 * e^x for x <= 0 to within 2 ulp; 0 below -87; NaN for NaN. x = n ln 2 + r with |r| <= ln 2 / 2,
 * and e^r is a polynomial from Moshier, "Methods and programs for mathematical functions", 1989. ln
 * 2 is split in two; the first constant has so few bits that its product with n is exact.
 */
static inline vec vec_exp(vec x) {
  static const float terms[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  const vec least = vec_set1(-87.0f);
  const vec rounding =
      vec_set1(12582912.0f); /* 1.5 * 2^23: adding and subtracting it rounds to an integer */
  const vec_mask in_range = vec_not_le(x, least);
  x = vec_select(in_range, x, least);
  const vec n = vec_sub(vec_add(vec_mul(x, vec_set1(1.44269504089f)), rounding), rounding);
  vec r = vec_sub(x, vec_mul(n, vec_set1(0.693359375f)));
  r = vec_add(r, vec_mul(n, vec_set1(2.12194440e-4f)));
  vec p = vec_set1(terms[0]);
  for (int i = 1; i < 6; i++) p = vec_fma(p, r, vec_set1(terms[i]));
  p = vec_add(vec_fma(vec_mul(p, r), r, r), vec_set1(1.0f));
  return vec_keep(in_range, vec_mul(p, vec_pow2(n)));
}

#endif
