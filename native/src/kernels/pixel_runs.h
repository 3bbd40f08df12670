/* Kernels that compute with all channels of a pixel: their tensors, and runs of pixels in them. */
#ifndef CN_PIXEL_RUNS_H
#define CN_PIXEL_RUNS_H

#include "conv.h"

/* The tensors of a pass, which are CN_BLOCKED and have the same shape. */
typedef struct maps {
  const cn_tensor *shape,
      *result;     /* c, h, w of all; the descriptor of out, whose halo is written */
  view xv, ov, ev; /* of x, out and dy */
  int64_t n;
  const float *x, *dy; /* dy only in the backward pass; x may be the y of the forward pass */
  float *out;          /* y or dx, which may be NULL */
} maps;

/* Zeroes the border of rows y0..y1 - 1 of a block of the result. */
static inline void zero_map_border(const maps *m, int64_t sample, int64_t block, int64_t y0,
                                   int64_t y1) {
  zero_border(m->result, &m->ov, m->out + plane_offset(&m->ov, sample, block), y0, y1);
}

/* Consecutive pixels of a row: the offsets of the first one in the first plane of each tensor, and
 * its number in the batch. */
typedef struct pixel_run {
  int64_t x, out, dy, number;
} pixel_run;

/* The lanes of the last block that are channels; all lanes of other blocks. */
static inline vec_mask lanes_in(const maps *m, int64_t block, int lane) {
  return vec_first(m->shape->c - block * CN_BLOCK - lane);
}

/* Computes a run of `count` pixels, a constant of at most NORM_PIXELS. */
typedef void (*run_formula)(const void *job, const pixel_run *run, int count);

/* Computes `width` pixels from pixel p on of a row of the batch. The border of the row is zeroed
 * with its first pixel. */
ALWAYS_INLINE void map_runs(const maps *m, int64_t row, int64_t p, int64_t width, run_formula f,
                            const void *job) {
  const int64_t h = m->shape->h, sample = row / h, y = row % h;
  pixel_run run = {.x = plane_offset(&m->xv, sample, 0) + y * m->xv.row + p * CN_BLOCK,
                   .out = plane_offset(&m->ov, sample, 0) + y * m->ov.row + p * CN_BLOCK,
                   .dy = plane_offset(&m->ev, sample, 0) + y * m->ev.row + p * CN_BLOCK,
                   .number = row * m->shape->w + p};
#define PIECE(count)                                                                               \
  for (; width >= (count); width -= (count)) {                                                     \
    f(job, &run, (count));                                                                         \
    run.x += (count)*CN_BLOCK;                                                                     \
    run.out += (count)*CN_BLOCK;                                                                   \
    run.dy += (count)*CN_BLOCK;                                                                    \
    run.number += (count);                                                                         \
  }
  EACH_NORM_PIECE(PIECE)
#undef PIECE
  for (int64_t b = 0; p == 0 && m->out != NULL && b < m->ov.planes; b++)
    zero_map_border(m, sample, b, y, y + 1);
}

#endif
