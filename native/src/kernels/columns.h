/* Covers any number of columns with tiles of the micro-kernel. */
#ifndef CN_COLUMNS_H
#define CN_COLUMNS_H

#include "prefetch.h"

enum {
  GEMM_PAIR = 2,  /* the preferred number of blocks in a tile */
  GEMM_CALLS = 8, /* upper bound: per block two widths of tiles, plus one tile over both blocks */
};

/* One call of the micro-kernel: adjacent tiles of `per` columns in one run, or a single tile, which
 * may extend into the second run. */
typedef struct gemm_call {
  gemm_kernel kernel;
  int32_t block, run, column; /* start of the first tile */
  int32_t per, tiles;
  bool last; /* includes the last block */
} gemm_call;

/* The tiles that cover `blocks` blocks and one or two runs of equal width. */
typedef struct gemm_plan {
  gemm_call calls[GEMM_CALLS];
  int32_t count, tiles;
} gemm_plan;

/* How many runs of `width` columns to compute together: 1 or 2. */
#define gemm_runs_together ISA_NAME(gemm_runs_together)
int gemm_runs_together(int blocks, int64_t width);

/* blocks: up to GEMM_PAIR; runs: up to gemm_runs_together. */
#define gemm_plan_of ISA_NAME(gemm_plan_of)
gemm_plan gemm_plan_of(int blocks, int runs, int64_t width, int64_t b_n);

/*
 * Computes all tiles of a plan. Two runs are b_group and c_group apart; g.lanes refers to the last
 * block. If g.more > 0 the whole plan is repeated g.more times, advancing b by b_tile and c by
 * c_tile. Every call receives its share of the prefetches. On return g is unchanged, except for the
 * prefetch fields.
 *
 * The function is inline and does not copy g: a vector load of fields that were just stored one by
 * one would stall until all earlier stores, including those of the previous tile, have completed.
 */
static inline void gemm_run(const gemm_plan *p, gemm_args *g, prefetcher *ahead) {
  const float *a = g->a, *b = g->b, *bias = g->bias;
  float *c = g->c;
  const int64_t b_group = g->b_group, c_group = g->c_group, b_n = g->b_n, c_n = g->c_n;
  const int32_t lanes = g->lanes;
  const bool repeated = g->more > 0;
  for (const gemm_call *call = p->calls; call < p->calls + p->count; call++) {
    const int64_t b_tile = call->per * b_n, c_tile = call->per * c_n;
    g->a = a + call->block * g->a_block;
    g->b = b + call->run * b_group + call->column * b_n;
    g->c = c + call->block * g->c_block + call->run * c_group + call->column * c_n;
    if (bias != NULL) g->bias = bias + call->block * CN_BLOCK;
    g->lanes = call->last ? lanes : CN_BLOCK;
    g->b_group = b_group - call->column * b_n;
    g->c_group = c_group - call->column * c_n;
    if (!repeated) {
      g->more = call->tiles - 1;
      g->b_tile = b_tile;
      g->c_tile = c_tile;
    }
    for (int32_t i = repeated ? call->tiles : 1; i > 0; i--, g->b += b_tile, g->c += c_tile) {
      prefetch_share(ahead, g);
      call->kernel(g);
    }
  }
  g->a = a;
  g->b = b;
  g->c = c;
  g->bias = bias;
  g->b_group = b_group;
  g->c_group = c_group;
  g->lanes = lanes;
  if (!repeated) g->more = 0;
}

#endif
