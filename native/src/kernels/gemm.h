/*
 * The micro-kernel: a batch-reduce matrix product (Georganas et al., "High-Performance Deep
 * Learning via a Single Building Block", 2020). The three passes of convolution and of the linear
 * layer are loops around it.
 *
 *   c[m][n] (=|+=) sum over (o, i, j) and kk < k of
 *       a[o a_outer + i a_row + j a_col + m a_block + 16 kk + lane] *
 *       b[o b_outer + i b_row + j b_col + b_k kk + (n < first ? n b_n : (n - first) b_n + b_group)]
 *
 * with o < outers, i < rows, j < cols. m counts blocks of 16 lanes. n counts columns: a run of
 * `first` columns, optionally followed by a second run of `second` columns. Their meaning by pass:
 *
 *   pass               lanes             columns n                           terms kk
 *   forward            output channels   pixels                              input channels
 *   backward-data      input channels    pixels                              output channels
 *   backward-weights   output channels   input channels (stem: kernel cols)  pixels
 *
 * Contract:
 *   - every block of a is aligned to 64 bytes; b and c need no alignment;
 *   - c is written completely, and read only with GEMM_ADD;
 *   - apart from prefetches, nothing outside the named elements is accessed;
 *   - terms are added in the order of (o, i, j, kk), in partial sums of at most GEMM_SLAB terms,
 *     which end at a row i where rows are short enough. Partial sums are then added to c, which
 *     bounds the rounding error of a long sum.
 */
#ifndef CN_GEMM_H
#define CN_GEMM_H

#include "../conv_plan.h"
#include "../isa.h"

enum { GEMM_SLAB = SUM_TERMS };

enum {
  GEMM_ADD = 1,    /* add to c instead of overwriting it */
  GEMM_BIAS = 2,   /* start from bias[m][lane]; not together with GEMM_ADD */
  GEMM_STREAM = 4, /* non-temporal; c is aligned; then stream_end; not with GEMM_ADD */
};

typedef struct gemm_args {
  const float *a, *b, *bias;
  float *c;
  int64_t a_outer, a_row, a_col, a_block;
  int64_t b_outer, b_row, b_col, b_n, b_group, b_k;
  int64_t c_block, c_n, c_group;
  int32_t outers, rows, cols, k; /* 0 outers, rows or cols: an empty sum */
  int32_t lanes;                 /* valid lanes of the last block; c is zero in the rest */
  int32_t flags;
  cn_activation activation; /* applied to the result */
  /* Further tiles after the first, each b_tile and c_tile beyond the one before. */
  int32_t more;
  int64_t b_tile, c_tile;
  /* Address to prefetch, or null: one prefetch per kk, next_step apart, and next_outer further
   * after each o. */
  const float *next;
  int64_t next_step, next_outer;
} gemm_args;

typedef void (*gemm_kernel)(const gemm_args *args);

/* The most columns in a tile of `blocks` <= GEMM_BLOCKS blocks. With two runs, each has at most
 * half as many. */
static inline int gemm_columns(int blocks) { return blocks == 1 ? GEMM_N_ONE : GEMM_N; }

/*
 * The kernel for a tile of GEMM_EACH_TILE. That list has every width up to gemm_columns, as one run
 * and as two equal runs, and the tiles that gemm_run needs besides. b_n may have any value; 1, 2,
 * 4, 16 and 32 floats are fastest.
 */
#define gemm_find_split ISA_NAME(gemm_find_split)
gemm_kernel gemm_find_split(int blocks, int first, int second, int64_t b_n);

/* The same for `groups` runs (1 or 2) of `per` columns. */
static inline gemm_kernel gemm_find(int blocks, int groups, int per, int64_t b_n) {
  return gemm_find_split(blocks, per, groups == 2 ? per : 0, b_n);
}

#endif
