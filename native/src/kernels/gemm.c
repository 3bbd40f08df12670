#include "gemm.h"

#include "activation.h"

enum {
  V = CN_BLOCK / VEC,
  MAX_BLOCKS = 2,
  MAX_M = MAX_BLOCKS * V,
  MAX_N = GEMM_N > GEMM_N_ONE ? GEMM_N : GEMM_N_ONE
};

/* The accumulators of a tile. With constant bounds and full unrolling the compiler keeps them in
 * registers. */
typedef struct tile {
  vec v[MAX_M][MAX_N];
} tile;

/* Location of the tile in c. A local copy, so that stores to c do not force the compiler to reload
 * it. */
typedef struct location {
  float *c;
  int64_t block, n, group;
} location;

ALWAYS_INLINE float *element(location p, int i, int n, int first) {
  return p.c + i / V * p.block + i % V * VEC + (n < first ? n * p.n : (n - first) * p.n + p.group);
}

ALWAYS_INLINE void tile_clear(tile *t, int m, int nt) {
#pragma GCC unroll 8
  for (int i = 0; i < m; i++)
#pragma GCC unroll 16
    for (int n = 0; n < nt; n++) t->v[i][n] = vec_zero();
}

ALWAYS_INLINE void tile_bias(tile *t, const gemm_args *g, int m, int nt) {
#pragma GCC unroll 8
  for (int i = 0; i < m; i++) {
    const vec bias = vec_load(g->bias + i * VEC);
#pragma GCC unroll 16
    for (int n = 0; n < nt; n++) t->v[i][n] = bias;
  }
}

ALWAYS_INLINE void tile_add(tile *t, location p, int m, int nt, int first) {
#pragma GCC unroll 8
  for (int i = 0; i < m; i++)
#pragma GCC unroll 16
    for (int n = 0; n < nt; n++)
      t->v[i][n] = vec_add(vec_load(element(p, i, n, first)), t->v[i][n]);
}

ALWAYS_INLINE void tile_store(const tile *t, location p, int m, int nt, int first) {
#pragma GCC unroll 8
  for (int i = 0; i < m; i++)
#pragma GCC unroll 16
    for (int n = 0; n < nt; n++) vec_store(element(p, i, n, first), t->v[i][n]);
}

ALWAYS_INLINE void tile_stream(const tile *t, location p, int m, int nt, int first) {
#pragma GCC unroll 8
  for (int i = 0; i < m; i++)
#pragma GCC unroll 16
    for (int n = 0; n < nt; n++) vec_stream(element(p, i, n, first), t->v[i][n]);
}

/* Zeroes the lanes of the last block from `lanes` on, even if they hold NaN (0 * infinity). */
ALWAYS_INLINE void tile_mask(tile *t, int lanes, int m, int nt) {
#pragma GCC unroll 8
  for (int i = m - V; i < m; i++) {
    const vec_mask keep = vec_first(lanes - i % V * VEC);
#pragma GCC unroll 16
    for (int n = 0; n < nt; n++) t->v[i][n] = vec_keep(keep, t->v[i][n]);
  }
}

/* t[i][n] += a[i] b[n]. Registers hold the shorter side of the tile. b1 is the second run. */
ALWAYS_INLINE void tile_product(tile *t, const gemm_args *g, const float *a, const float *b,
                                const float *b1, int m, int nt, int first, int64_t b_n) {
  if (m <= nt) {
    vec w[MAX_M];
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) w[i] = vec_load(a + i / V * g->a_block + i % V * VEC);
#pragma GCC unroll 16
    for (int n = 0; n < nt; n++) {
      const vec x = vec_set1(n < first ? b[n * b_n] : b1[(n - first) * b_n]);
#pragma GCC unroll 8
      for (int i = 0; i < m; i++) t->v[i][n] = vec_fma(w[i], x, t->v[i][n]);
    }
  } else {
    vec x[MAX_N];
#pragma GCC unroll 16
    for (int n = 0; n < nt; n++) x[n] = vec_set1(n < first ? b[n * b_n] : b1[(n - first) * b_n]);
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
      const vec w = vec_load(a + i / V * g->a_block + i % V * VEC);
#pragma GCC unroll 16
      for (int n = 0; n < nt; n++) t->v[i][n] = vec_fma(w, x[n], t->v[i][n]);
    }
  }
}

/* Distance of the prefetches to the first-level cache, in cache lines, and the least number of
 * terms for which they pay. */
enum { NEAR_LINES = 16, NEAR_TERMS = 32 };

/* Prefetch addresses, `shift` floats beyond the current columns of the first and the second run.
 * step leads to the next column if each column is a cache line, or to a later term if all columns
 * share one. */
typedef struct near_lines {
  const float *first, *second;
  int64_t step;
} near_lines;

ALWAYS_INLINE near_lines near_lines_of(const gemm_args *g, const float *b, int64_t shift,
                                       int64_t b_n) {
  if (b_n == 1) return (near_lines){.step = g->k >= NEAR_TERMS ? NEAR_LINES * g->b_k : 0};
  return (near_lines){b + shift, b + shift + g->b_group, b_n};
}

/* Prefetches to the first-level cache: one line of b per term, alternating between both runs,
 * because the next outer step starts with lines not touched before; and the lines of a. */
ALWAYS_INLINE void fetch_near(near_lines *near, const gemm_args *g, const float *a, const float *b,
                              int m, bool split, int64_t b_n) {
  if (b_n == 1) {
    prefetch_near(b + near->step);
    return;
  }
  prefetch_near(near->first);
  near->first += near->step;
  if (split) {
    const float *then = near->first;
    near->first = near->second;
    near->second = then;
  }
#pragma GCC unroll 8
  for (int i = 0; i < m; i++)
    prefetch_near(a + i / V * g->a_block + i % V * VEC + NEAR_LINES * CN_BLOCK);
}

/* Adds `terms` rank-one updates to the tile. Returns the advanced prefetch pointer. */
ALWAYS_INLINE const float *tile_update(tile *t, const gemm_args *g, const float *a, const float *b,
                                       const float *next, int m, int nt, int first, int64_t b_n,
                                       int64_t shift, int32_t terms) {
  const bool fetches = GEMM_NEAR && IS_CONSTANT(b_n) && (b_n == 1 || b_n >= CN_BLOCK);
  const float *b1 = b + g->b_group;
  near_lines near = near_lines_of(g, b, shift, b_n);
#pragma GCC unroll GEMM_UNROLL
  for (int32_t kk = 0; kk < terms; kk++, a += CN_BLOCK, b += g->b_k, b1 += g->b_k) {
    if (fetches) fetch_near(&near, g, a, b, m, first < nt, b_n);
    prefetch(next);
    next += g->next_step;
    tile_product(t, g, a, b, b1, m, nt, first, b_n);
  }
  return next;
}

/* Computes the tile at b and c. Returns the advanced prefetch pointer. */
ALWAYS_INLINE const float *tile_compute(const gemm_args *g, const float *b_outer, location c,
                                        const float *next, int m, int nt, int first, int64_t b_n) {
  bool add = (g->flags & GEMM_ADD) != 0;
  const int32_t row_terms = g->cols * g->k;
  int32_t terms = 0;
  tile t;
  if ((g->flags & GEMM_BIAS) != 0)
    tile_bias(&t, g, m, nt);
  else
    tile_clear(&t, m, nt);
  const float *a_outer = g->a;
  for (int32_t o = g->outers; o > 0; o--) {
    const float *a_row = a_outer, *b_row = b_outer;
    /* Distance to where the next o, or the next tile, begins. */
    const int64_t shift = o > 1 ? g->b_outer : g->b_tile - (g->outers - 1) * g->b_outer;
    for (int32_t i = g->rows; i > 0; i--) {
      const float *a_col = a_row, *b_col = b_row;
      int32_t whole =
          row_terms; /* at the start of a row: keep its terms in one partial sum, if they fit */
      for (int32_t j = g->cols; j > 0; j--, a_col += g->a_col, b_col += g->b_col) {
        const float *a = a_col, *b = b_col;
        for (int32_t left = g->k, some; left > 0; left -= some) {
          some = left < GEMM_SLAB ? left : GEMM_SLAB;
          if (terms > 0 && terms + (whole > some ? whole : some) > GEMM_SLAB) {
            if (add) tile_add(&t, c, m, nt, first);
            tile_store(&t, c, m, nt, first);
            tile_clear(&t, m, nt);
            add = true;
            terms = 0;
          }
          next = tile_update(&t, g, a, b, next, m, nt, first, b_n, shift, some);
          a += some * CN_BLOCK;
          b += some * g->b_k;
          terms += some;
          whole = 0;
        }
      }
      a_row += g->a_row;
      b_row += g->b_row;
    }
    next += g->next_outer;
    a_outer += g->a_outer;
    b_outer += g->b_outer;
  }
  if (add) tile_add(&t, c, m, nt, first);
  activate_rows(g->activation, t.v[0], m, MAX_N, nt);
  if (g->lanes < CN_BLOCK) tile_mask(&t, g->lanes, m, nt);
  if ((g->flags & GEMM_STREAM) != 0)
    tile_stream(&t, c, m, nt, first);
  else
    tile_store(&t, c, m, nt, first);
  return next;
}

ALWAYS_INLINE void gemm_body(const gemm_args *args, int blocks, int first, int second,
                             int64_t b_n) {
  const gemm_args copy = *args, *g = &copy; /* stores to c cannot change it */
  const float *b = g->b, *next = g->next != NULL ? g->next : g->a;
  location c = {g->c, g->c_block, g->c_n, g->c_group};
  for (int32_t i = g->more; i >= 0; i--, b += g->b_tile, c.c += g->c_tile)
    next = tile_compute(g, b, c, next, blocks * V, first + second, first, b_n);
}

/* F(B_N, b_n) for each stride b_n that has functions of its own; B_N names it. The sanitizers,
 * which would compile them for minutes, are given those for any stride alone: the accesses are the
 * same. */
#ifdef CN_ANY_STRIDE
#define GEMM_EACH_STRIDE(F) F(any, g->b_n)
#else
#define GEMM_EACH_STRIDE(F) F(1, 1) F(2, 2) F(4, 4) F(16, 16) F(32, 32) F(any, g->b_n)
#endif

/* One function per tile and stride; they differ only in their constants. */
#define GEMM_NAME(blocks, first, second, B_N) gemm_##blocks##_##first##_##second##_##B_N
#define GEMM_TILE(blocks, first, second, B_N, b_n)                                                 \
  static void GEMM_NAME(blocks, first, second, B_N)(const gemm_args *g) {                          \
    gemm_body(g, blocks, first, second, b_n);                                                      \
  }
#define GEMM_TILES(B_N, b_n) GEMM_EACH_TILE(GEMM_TILE, B_N, b_n)
GEMM_EACH_STRIDE(GEMM_TILES)

#define GEMM_ENTRY(blocks, first, second, B_N)                                                     \
  [blocks - 1][first][second] = GEMM_NAME(blocks, first, second, B_N),
#define GEMM_ENTRIES(B_N, b_n) {GEMM_EACH_TILE(GEMM_ENTRY, B_N)},

static const gemm_kernel kernels[][MAX_BLOCKS][MAX_N + 1][MAX_N] = {GEMM_EACH_STRIDE(GEMM_ENTRIES)};

gemm_kernel gemm_find_split(int blocks, int first, int second, int64_t b_n) {
  enum { ANY = sizeof kernels / sizeof *kernels - 1 };
  const int own = b_n == 1 ? 0 : b_n == 2 ? 1 : b_n == 4 ? 2 : b_n == 16 ? 3 : b_n == 32 ? 4 : ANY;
  return kernels[own < ANY ? own : ANY][blocks - 1][first][second];
}
