/*
 * The micro-kernel: a batch-reduce matrix product (Georganas et al., "High-Performance Deep
 * Learning via a Single Building Block", 2020). Convolution in its three passes and the linear
 * layer are loops around it.
 *
 *   c[m][n] (=|+=) sum over steps (o, i, j) and over kk < k of
 *       a[o a_outer + i a_row + j a_col + m a_block + 16 kk + lane] *
 *       b[o b_outer + i b_row + j b_col + b_k kk + (n < first ? n b_n : (n - first) b_n + b_group)]
 *
 * m counts blocks of 16 lanes, n the columns: a run of `first`, and behind it one of `second`, or
 * none. What the three mean:
 *   forward            lanes = output channels, n = pixels, kk = input channels
 *   backward-data      lanes = input channels, n = pixels, kk = output channels
 *   backward-weights   lanes = output channels, n = input channels (stem: filter columns), kk =
 * pixels
 *
 * Contract: a starts every block on 64 bytes; b, c need no alignment; c is written whole, and only
 * read under GEMM_ADD; nothing outside the named elements is touched, but for prefetches. Terms are
 * added in the order of the steps, in partial sums of at most GEMM_SLAB terms, of whole rows of
 * steps where a row has no more, which are then added to c: so the error of a long sum stays small.
 */
#ifndef CN_GEMM_H
#define CN_GEMM_H

#include "../conv_plan.h"
#include "../isa.h"

enum { GEMM_SLAB = SUM_TERMS };

enum {
  GEMM_ADD = 1,    /* add to c instead of overwriting it */
  GEMM_BIAS = 2,   /* start from bias[m][lane]; not together with GEMM_ADD */
  GEMM_RELU = 4,   /* c <= 0 becomes 0 at the end */
  GEMM_STREAM = 8, /* store past the caches; c is aligned, stream_end follows; not with GEMM_ADD */
};

typedef struct gemm_args {
  const float *a, *b, *bias;
  float *c;
  int64_t a_outer, a_row, a_col, a_block;
  int64_t b_outer, b_row, b_col, b_n, b_group, b_k;
  int64_t c_block, c_n, c_group;
  int32_t outers, rows, cols, k; /* 0 outers, rows or cols: an empty sum */
  int32_t lanes;                 /* of the last block; c is zero in the others */
  int32_t flags;
  /* Tiles behind the first one, each b_tile and c_tile further than the one before. */
  int32_t more;
  int64_t b_tile, c_tile;
  /* What is needed soon, or null: one prefetch per kk, next_step apart, next_outer more after an o.
   */
  const float *next;
  int64_t next_step, next_outer;
} gemm_args;

typedef void (*gemm_kernel)(const gemm_args *args);

/* Columns that a tile of `blocks` <= GEMM_BLOCKS blocks has at most; half as many in each of two
 * runs. */
static inline int gemm_columns(int blocks) { return blocks == 1 ? GEMM_N_ONE : GEMM_N; }

/*
 * The kernel for a tile of GEMM_EACH_TILE: it has all of up to gemm_columns columns, alone and in
 * two equal runs, and those that gemm_runs takes besides. b_n of 1, 2, 4, 16 and 32 floats is
 * fastest; any other works.
 */
#define gemm_find_split ISA_NAME(gemm_find_split)
gemm_kernel gemm_find_split(int blocks, int first, int second, int64_t b_n);

/* The same for `groups` runs (1 or 2) of `per` columns. */
static inline gemm_kernel gemm_find(int blocks, int groups, int per, int64_t b_n) {
  return gemm_find_split(blocks, per, groups == 2 ? per : 0, b_n);
}

#endif
