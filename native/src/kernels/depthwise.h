/* What the passes of a depthwise convolution share: the band of source rows. */
#ifndef CN_DEPTHWISE_H
#define CN_DEPTHWISE_H

#include "../depthwise_plan.h"
#include "conv.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { AHEAD = 256 * CN_BLOCK }; /* floats: 16 KiB */

/* The rows of one plane of src that the band of a thread holds. */
typedef struct band {
  const depthwise_plan *plan;
  float *rows;
  const float *plane, *end; /* pixel (0, 0) of the plane; the end of the tensor */
  int64_t next;             /* the row to load next */
} band;

/* The sides stay zero from here on: rows are copied between them. */
static inline band band_of(const depthwise_plan *p, const float *src, float *rows) {
  memset(rows, 0, (size_t)p->band_floats * sizeof(float));
  return (band){.plan = p, .rows = rows, .end = src + p->n * p->sv.sample};
}

static inline void band_start(band *b, const float *plane) {
  b->plane = plane;
  b->next = 0;
}

static inline float *band_row(const band *b, int64_t y) {
  return b->rows + (y & (b->plan->slots - 1)) * b->plan->slot;
}

/* Fetches what lies AHEAD of a row of pixels; without that, memory waits for the arithmetic. */
static inline void fetch_ahead(const float *row, int64_t pixels, const float *end) {
  if (end - row < pixels * CN_BLOCK + AHEAD) return;
  for (int64_t i = 0; i < pixels; i++) prefetch(row + AHEAD + i * CN_BLOCK);
}

static inline void copy_pixel(const float *from, float *to) {
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) vec_store(to + lane, vec_load(from + lane));
}

/* Row y of the plane, its columns sorted by residue. */
static inline void load_row(const band *b, int64_t y) {
  const depthwise_plan *p = b->plan;
  const int64_t count = p->last_column - p->first_column;
  const float *from = b->plane + y * p->sv.row + p->first_column * CN_BLOCK;
  float *to = band_row(b, y) + p->first_at;
  fetch_ahead(from, count, b->end);
  if (p->src_stride_w == 1) {
    for (int64_t i = 0; i < count; i++) copy_pixel(from + i * CN_BLOCK, to + i * CN_BLOCK);
    return;
  }
  int64_t residue = p->first_residue;
  for (int64_t i = 0; i < count; i++) {
    copy_pixel(from + i * CN_BLOCK, to);
    to += p->phase;
    if (++residue < p->src_stride_w) continue;
    to += CN_BLOCK - p->slot;
    residue = 0;
  }
}

/* Loads what step t reads and the band does not hold yet. */
static inline void load_rows(band *b, int64_t t) {
  const depthwise_plan *p = b->plan;
  const int64_t last = min_i64(p->src.h - 1, t * p->src_stride_h + p->high_y);
  b->next = max_i64(b->next, t * p->src_stride_h + p->low_y);
  for (; b->next <= last; b->next++) load_row(b, b->next);
}

/* Where taps of an axis read in a row of the band, one after another: floats from its start. */
typedef struct tap_walk {
  int64_t offset, residue;            /* of the first tap in step 0 */
  int64_t step, residue_step, stride; /* to the next tap, */
  int64_t wrap;                       /* and back where that passes the last residue */
} tap_walk;

static inline tap_walk tap_walk_of(const depthwise_plan *p, const axis *x) {
  const int64_t at = x->src - p->low_x, stride = p->src_stride_w;
  const int64_t residue_step = x->src_tap % stride;
  return (tap_walk){.offset = at % stride * p->phase + at / stride * CN_BLOCK,
                    .residue = at % stride,
                    .step = residue_step * p->phase + x->src_tap / stride * CN_BLOCK,
                    .residue_step = residue_step,
                    .stride = stride,
                    .wrap = stride * p->phase - CN_BLOCK};
}

/* Floats from a tap, which lies in `residue`, to the next. */
static inline int64_t next_tap(const tap_walk *t, int64_t *residue) {
  *residue += t->residue_step;
  if (*residue < t->stride) return t->step;
  *residue -= t->stride;
  return t->step - t->wrap;
}

#endif
