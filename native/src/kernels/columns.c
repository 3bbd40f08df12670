/* Chooses the tiles that cover a number of columns. */
#include "columns.h"

static int most_columns(int blocks) {
  return gemm_columns(blocks < GEMM_BLOCKS ? blocks : GEMM_BLOCKS);
}

int gemm_runs_together(int blocks, int64_t width) {
  return width == GEMM_SPLIT_RUN || 2 * width <= most_columns(blocks) ? 2 : 1;
}

/* Adds `tiles` tiles of `blocks` blocks, starting at call.block and column n. Adjacent tiles of one
 * run become one call. */
static void add_calls(gemm_plan *p, gemm_call call, int blocks, int32_t width, int32_t n,
                      int32_t tiles, int64_t b_n) {
  p->tiles += tiles;
  while (tiles > 0) {
    call.run = n >= width;
    call.column = n - call.run * width;
    const int32_t left = width - call.column, fit = left / call.per;
    const int32_t first = call.per < left ? call.per : left;
    call.tiles = fit < 1 ? 1 : fit < tiles ? fit : tiles;
    call.kernel = gemm_find_split(blocks, first, call.per - first, b_n);
    p->calls[p->count++] = call;
    n += call.tiles * call.per;
    tiles -= call.tiles;
  }
}

/* Covers each group of GEMM_BLOCKS blocks with tiles of equal width, some of them one column wider.
 * If such tiles would leave registers unused, the last columns go to one tile that spans two
 * blocks. */
gemm_plan gemm_plan_of(int blocks, int runs, int64_t width, int64_t b_n) {
  gemm_plan p = {.count = 0};
  const int32_t most = most_columns(blocks), w = (int32_t)width, columns = runs * w;
  const bool pair = blocks > GEMM_BLOCKS && GEMM_PAIR_N > 0;
  int32_t rest = 0, tiles = (columns + most - 1) / most;
  if (pair && columns <= GEMM_PAIR_N)
    rest = columns;
  else if (pair && tiles > 1 && columns / tiles + 1 < most)
    rest = GEMM_PAIR_N;
  const int32_t equal = columns - rest;
  tiles = (equal + most - 1) / most;
  for (int b = 0; b < blocks && tiles > 0; b += GEMM_BLOCKS) {
    const bool last = b + GEMM_BLOCKS >= blocks;
    const int some = last ? blocks - b : GEMM_BLOCKS;
    const int32_t wider = equal % tiles, narrow = equal / tiles;
    const gemm_call wide = {.block = b, .per = narrow + 1, .last = last};
    const gemm_call other = {.block = b, .per = narrow, .last = last};
    add_calls(&p, wide, some, w, 0, wider, b_n);
    add_calls(&p, other, some, w, wider * (narrow + 1), tiles - wider, b_n);
  }
  if (rest > 0) add_calls(&p, (gemm_call){.per = rest, .last = true}, blocks, w, equal, 1, b_n);
  return p;
}
