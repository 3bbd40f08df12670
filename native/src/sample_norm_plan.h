/* Divisions of the work of sample normalisation, for the kernels and the queries. They depend on
 * shapes only. */
#ifndef CN_SAMPLE_NORM_PLAN_H
#define CN_SAMPLE_NORM_PLAN_H

#include "tensor.h"

/* Blocks of the smallest range that consists of whole groups and whole blocks, or ends with the
 * last channel; and the number of such ranges. */
static inline int64_t norm_span_blocks(const cn_sample_norm *norm) {
  const int64_t channels = norm->x.c / norm->groups;
  int64_t blocks = channels, common = CN_BLOCK; /* channels / gcd(channels, 16) */
  while (common > 1 && blocks % 2 == 0) {
    blocks /= 2;
    common /= 2;
  }
  return min_i64(blocks, blocks_of(norm->x.c));
}
static inline int64_t norm_spans(const cn_sample_norm *norm) {
  return ceil_div(blocks_of(norm->x.c), norm_span_blocks(norm));
}

/* Where every pixel is a set, a chunk of about this many pixels has its own partial sums: rows of
 * the batch, or a piece of a long row. */
enum { NORM_CHUNK_PIXELS = 1024 };

typedef struct norm_chunks {
  int64_t rows, width;   /* rows of the batch, and their pixels */
  int64_t rows_in_chunk; /* one if a row has several pieces */
  int64_t pieces;        /* of a row */
  int64_t count;
} norm_chunks;

static inline norm_chunks norm_chunks_of(const cn_tensor *t, int64_t n) {
  norm_chunks c = {.rows = n * t->h, .width = t->w};
  c.rows_in_chunk = max_i64(1, NORM_CHUNK_PIXELS / t->w);
  c.pieces = ceil_div(t->w, NORM_CHUNK_PIXELS);
  c.count = ceil_div(c.rows, c.rows_in_chunk) * c.pieces;
  return c;
}

/* Floats of the means, and of the inverse deviations. */
static inline int64_t sample_norm_statistics(const cn_sample_norm *norm, int64_t n) {
  return norm->groups == 0 ? n * norm->x.h * norm->x.w : n * blocks_of(norm->x.c) * CN_BLOCK;
}

/* Floats of the workspace of the backward pass: two sums for each chunk and channel; or two sums
 * and two coefficients for each sample and channel. */
static inline int64_t sample_norm_floats(const cn_sample_norm *norm, int64_t n) {
  const int64_t channels = blocks_of(norm->x.c) * CN_BLOCK;
  return norm->groups == 0 ? 2 * norm_chunks_of(&norm->x, n).count * channels : 4 * n * channels;
}

#endif
