/*
 * Activations whose slope is a function of their output. Kernels apply them to results that are
 * still in registers or in cache. If the kind is a constant, only its formula remains. NaN passes
 * through, and so does its gradient.
 */
#ifndef CN_ACTIVATION_H
#define CN_ACTIVATION_H

#include "../isa.h"

/* F(kind, name) for each of them. */
#define EACH_ACTIVATION(F)                                                                         \
  F(CN_IDENTITY, identity) F(CN_RELU, relu) F(CN_RELU6, relu6) F(CN_LEAKY_RELU, leaky_relu)

/* f(x); slope is that of CN_LEAKY_RELU. */
ALWAYS_INLINE vec activate_as(int32_t kind, vec slope, vec x) {
  const vec_mask above = vec_not_le(x, vec_zero());
  const vec six = vec_set1(6.0f);
  switch (kind) {
  case CN_RELU:
    return vec_keep(above, x);
  case CN_RELU6:
    return vec_keep(above, vec_select(vec_not_le(six, x), x, six));
  case CN_LEAKY_RELU:
    return vec_select(above, x, vec_mul(slope, x));
  default:
    return x;
  }
}

/* f'(x) dy, from y = f(x). */
ALWAYS_INLINE vec slope_as(int32_t kind, vec slope, vec y, vec dy) {
  const vec_mask above = vec_not_le(y, vec_zero());
  switch (kind) {
  case CN_RELU:
    return vec_keep(above, dy);
  case CN_RELU6:
    return vec_keep(above, vec_keep(vec_not_le(vec_set1(6.0f), y), dy));
  case CN_LEAKY_RELU:
    return vec_select(above, dy, vec_mul(slope, dy));
  default:
    return dy;
  }
}

/* f'(x) dy, from x, with the same bits. Only the leaky ReLU needs y: with slope 0 it is NaN at
 * minus infinity. */
ALWAYS_INLINE vec slope_from_x_as(int32_t kind, vec slope, vec x, vec dy) {
  return slope_as(kind, slope, kind == CN_LEAKY_RELU ? activate_as(kind, slope, x) : x, dy);
}

/* x[i] = f(x[i]) for i < count. */
NEVER_INLINE void activate_array(cn_activation f, vec *x, int count) {
  const vec slope = vec_set1(f.slope);
  switch (f.kind) {
#define ACTIVATE(KIND, name)                                                                       \
  case KIND:                                                                                       \
    for (int i = 0; i < count; i++) x[i] = activate_as(KIND, slope, x[i]);                         \
    break;
    EACH_ACTIVATION(ACTIVATE)
#undef ACTIVATE
  }
}

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
      for (int j = 0; j < count; j++)
        x[i * row + j] = activate_as(CN_RELU, vec_zero(), x[i * row + j]);
    return;
  }
  vec others[MOST_ACTIVATED];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
    for (int j = 0; j < count; j++) others[i * count + j] = x[i * row + j];
  activate_array(f, others, rows * count);
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 16
    for (int j = 0; j < count; j++) x[i * row + j] = others[i * count + j];
}

ALWAYS_INLINE void activate(cn_activation f, vec *x, int count) {
  activate_rows(f, x, 1, count, count);
}

#endif
