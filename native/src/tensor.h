/* Offsets of the values of a tensor. */
#ifndef CN_TENSOR_H
#define CN_TENSOR_H

#include "convnet.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int32_t min_i32(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t max_i32(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Blocks of 16 that hold c channels; channels in block `block`. */
static inline int64_t blocks_of(int64_t c) { return ceil_div(c, CN_BLOCK); }
static inline int64_t lanes_of(int64_t c, int64_t block) {
  return min_i64(CN_BLOCK, c - block * CN_BLOCK);
}

/* Rows and columns of the largest window; an upper bound for adaptive windows. */
static inline int64_t largest_bin(int64_t inputs, int64_t outputs) {
  return inputs % outputs == 0 ? inputs / outputs : min_i64(inputs, inputs / outputs + 2);
}
static inline int64_t pool_kernel_h(const cn_pool2d *pool, const cn_tensor *y) {
  return pool->adaptive != 0 ? largest_bin(pool->x.h, y->h) : pool->window.kernel_h;
}
static inline int64_t pool_kernel_w(const cn_pool2d *pool, const cn_tensor *y) {
  return pool->adaptive != 0 ? largest_bin(pool->x.w, y->w) : pool->window.kernel_w;
}

/* Whether the pixels of every window have an index of one byte. */
static inline bool has_winners(const cn_pool2d *pool, const cn_tensor *y) {
  return pool->kind == CN_POOL_MAX &&
         pool_kernel_h(pool, y) * pool_kernel_w(pool, y) <= CN_NO_WINNER;
}

/* Whether other kernels can apply an activation: f(0) = 0, so that the lanes beyond the last
 * channel stay zero. */
static inline bool keeps_zero(const cn_activation *f) {
  switch (f->kind) {
  case CN_CLIP:
    return f->a <= 0.0f && f->b >= 0.0f;
  case CN_SIGMOID:
  case CN_HARD_SIGMOID:
  case CN_SOFTPLUS:
  case CN_EXP:
  case CN_LOG:
  case CN_SQRT:
  case CN_RECIPROCAL:
  case CN_POW:
  case CN_THRESHOLD:
  case CN_ERF:
    return false;
  default:
    return true;
  }
}

/*
 * Strides in floats between columns, rows, planes and samples. origin is the offset of pixel (0, 0)
 * of the first plane. A plane holds one channel (CN_PLAIN) or one block of 16.
 */
typedef struct view {
  int64_t pixel, row, plane, sample, origin;
  int64_t planes; /* planes per sample */
} view;

/* Floats of one sample, without those of a wider tensor that it is a slice of. */
static inline int64_t sample_floats(const cn_tensor *t) {
  const int64_t lanes = t->layout == CN_PLAIN ? 1 : CN_BLOCK;
  return ceil_div(t->c, lanes) * lanes * (t->h + 2 * (int64_t)t->halo) *
         (t->w + 2 * (int64_t)t->halo);
}

static inline view view_of(const cn_tensor *t, int64_t n) {
  const int64_t lanes = t->layout == CN_PLAIN ? 1 : CN_BLOCK;
  view v = {.planes = ceil_div(t->c, lanes)};
  v.pixel = t->layout == CN_FLAT ? n * lanes : lanes;
  v.row = (t->w + 2 * t->halo) * v.pixel;
  v.plane = (t->h + 2 * t->halo) * v.row;
  v.sample = t->layout == CN_FLAT    ? lanes
             : t->sample_stride != 0 ? t->sample_stride / (int64_t)sizeof(float)
                                     : v.planes * v.plane;
  v.origin = t->halo * (v.row + v.pixel);
  return v;
}

/* Zeroes the halo beside rows y0..y1 - 1 of a plane, and the halo rows above and below the image if
 * those are its first or last rows. */
static inline void zero_border(const cn_tensor *t, const view *v, float *plane, int64_t y0,
                               int64_t y1) {
  if (t->halo == 0) return;
  const int64_t side = t->halo * v->pixel;
  const size_t side_bytes = (size_t)side * sizeof(float);
  const size_t rows_bytes = (size_t)(t->halo * v->row) * sizeof(float);
  if (y0 == 0) memset(plane - t->halo * v->row - side, 0, rows_bytes);
  if (y0 < y1) memset(plane + y0 * v->row - side, 0, side_bytes);
  for (int64_t y = y0; y < y1; y++) /* right halo of a row, and left halo of the next */
    memset(plane + y * v->row + t->w * v->pixel, 0, y + 1 < y1 ? 2 * side_bytes : side_bytes);
  if (y1 == t->h) memset(plane + t->h * v->row - side, 0, rows_bytes);
}

#endif
