/*
 * The transforms of the Winograd algorithms, and the tiles that they work on.
 *
 * F(m x m, 3 x 3) computes y = A^T ((G w G^T) o (B^T x B)) A from a tile x of a x a values, a = m +
 * 2: Winograd's polynomial products at the points 0, infinity, 1, -1 and, for m = 4, 2 and -2
 * (Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016). The rows of the
 * matrices are in that order here, so that they form pairs that share most of their arithmetic:
 * pair 0 is {0, infinity}, pair 1 {1, -1}, pair 2 {2, -2}. The weight gradient is the adjoint: dw =
 * G^T ((A dy A^T) o (B^T x B)) G.
 *
 * Only G has entries that are not integers. Its products are rounded before they are added, so that
 * inputs that are multiples of 576 = 24^2 (4 for m = 2) give exact results: the rounded 1/6 times a
 * multiple of 6 rounds to the exact quotient.
 */
#ifndef CN_WINOGRAD_H
#define CN_WINOGRAD_H

#include "../winograd_plan.h"
#include "conv.h"

enum { MOST_A = 6, MOST_M = 4 };

/* Two rows of a transform. */
typedef struct vec_pair {
  vec a, b;
} vec_pair;

/* Rows 2 pair and 2 pair + 1 of B^T d. */
ALWAYS_INLINE vec_pair input_pair(int m, int pair, const vec *d) {
  if (m == 2)
    return pair == 0 ? (vec_pair){vec_sub(d[0], d[2]), vec_sub(d[1], d[3])}
                     : (vec_pair){vec_add(d[1], d[2]), vec_sub(d[2], d[1])};
  const vec two = vec_set1(2.0f), four = vec_set1(4.0f);
  if (pair == 0) {
    const vec five = vec_set1(-5.0f);
    return (vec_pair){vec_fma(four, d[0], vec_fma(five, d[2], d[4])),
                      vec_fma(four, d[1], vec_fma(five, d[3], d[5]))};
  }
  if (pair == 1) {
    const vec minus = vec_set1(-4.0f), even = vec_fma(minus, d[2], d[4]),
              odd = vec_fma(minus, d[1], d[3]);
    return (vec_pair){vec_add(even, odd), vec_sub(even, odd)};
  }
  const vec even = vec_sub(d[4], d[2]), odd = vec_sub(d[3], d[1]);
  return (vec_pair){vec_fma(two, odd, even), vec_fma(vec_set1(-2.0f), odd, even)};
}

/* A^T t, m values. */
ALWAYS_INLINE void output_values(int m, const vec *t, vec *y) {
  const vec s1 = vec_add(t[2], t[3]), d1 = vec_sub(t[2], t[3]);
  if (m == 2) {
    y[0] = vec_add(t[0], s1);
    y[1] = vec_sub(d1, t[1]);
    return;
  }
  const vec s2 = vec_add(t[4], t[5]), d2 = vec_sub(t[4], t[5]);
  y[0] = vec_add(vec_add(t[0], s1), s2);
  y[1] = vec_fma(vec_set1(2.0f), d2, d1);
  y[2] = vec_fma(vec_set1(4.0f), s2, s1);
  y[3] = vec_fma(vec_set1(8.0f), d2, vec_add(d1, t[1]));
}

/* Rows 2 pair and 2 pair + 1 of A y. */
ALWAYS_INLINE vec_pair gradient_pair(int m, int pair, const vec *y) {
  if (m == 2)
    return pair == 0 ? (vec_pair){y[0], vec_sub(vec_zero(), y[1])}
                     : (vec_pair){vec_add(y[0], y[1]), vec_sub(y[0], y[1])};
  if (pair == 0) return (vec_pair){y[0], y[3]};
  if (pair == 1) {
    const vec even = vec_add(y[0], y[2]), odd = vec_add(y[1], y[3]);
    return (vec_pair){vec_add(even, odd), vec_sub(even, odd)};
  }
  const vec even = vec_fma(vec_set1(4.0f), y[2], y[0]);
  const vec odd = vec_fma(vec_set1(8.0f), y[3], vec_add(y[1], y[1]));
  return (vec_pair){vec_add(even, odd), vec_sub(even, odd)};
}

/* G g, m + 2 values. */
ALWAYS_INLINE void filter_values(int m, const vec *g, vec *t) {
  const vec ends = vec_add(g[0], g[2]);
  t[1] = g[2];
  if (m == 2) {
    const vec half = vec_set1(0.5f), even = vec_mul(half, ends), odd = vec_mul(half, g[1]);
    t[0] = g[0];
    t[2] = vec_add(even, odd);
    t[3] = vec_sub(even, odd);
    return;
  }
  const vec sixth = vec_set1(1.0f / 6), minus = vec_set1(-1.0f / 6);
  const vec even1 = vec_mul(minus, ends), odd1 = vec_mul(minus, g[1]);
  const vec even2 = vec_add(vec_mul(vec_set1(1.0f / 24), g[0]), vec_mul(sixth, g[2]));
  const vec odd2 = vec_mul(vec_set1(1.0f / 12), g[1]);
  t[0] = vec_mul(vec_set1(0.25f), g[0]);
  t[2] = vec_add(even1, odd1);
  t[3] = vec_sub(even1, odd1);
  t[4] = vec_add(even2, odd2);
  t[5] = vec_sub(even2, odd2);
}

/* G^T t, 3 values. */
ALWAYS_INLINE void filter_gradient(int m, const vec *t, vec *g) {
  const vec s1 = vec_add(t[2], t[3]), d1 = vec_sub(t[2], t[3]);
  if (m == 2) {
    const vec half = vec_set1(0.5f), even = vec_mul(half, s1);
    g[0] = vec_add(t[0], even);
    g[1] = vec_mul(half, d1);
    g[2] = vec_add(even, t[1]);
    return;
  }
  const vec s2 = vec_add(t[4], t[5]), d2 = vec_sub(t[4], t[5]);
  const vec sixth = vec_set1(1.0f / 6), minus = vec_set1(-1.0f / 6), even = vec_mul(minus, s1);
  const vec first = vec_add(vec_mul(vec_set1(0.25f), t[0]), even);
  g[0] = vec_add(first, vec_mul(vec_set1(1.0f / 24), s2));
  g[1] = vec_add(vec_mul(minus, d1), vec_mul(vec_set1(1.0f / 12), d2));
  g[2] = vec_add(vec_add(even, vec_mul(sixth, s2)), t[1]);
}

/* size x size pixels of a plane. Rows and columns outside the tensor's memory count as zero. */
typedef struct patch {
  const float *row[MOST_A];
  int first, end; /* columns in memory */
  bool whole;     /* the whole patch is in memory */
} patch;

static const float no_row[MOST_A * CN_BLOCK];

/* The patch starting at pixel (y, x). src points to pixel (0, 0). Values from the halo are read,
 * including those that no output uses. */
static inline patch patch_at(const cn_tensor *t, const view *v, const float *src, int64_t y,
                             int64_t x, int size) {
  const int64_t low = -t->halo, rows = t->h + t->halo, cols = t->w + t->halo;
  patch p = {.first = (int)max_i64(0, low - x), .end = (int)min_i64(size, cols - x)};
  p.whole = y >= low && y + size <= rows && p.first == 0 && p.end == size;
  for (int i = 0; i < size; i++)
    p.row[i] = y + i >= low && y + i < rows ? src + (y + i) * v->row + x * CN_BLOCK : no_row;
  return p;
}

/* Applies the first transform (rows 2 pair and 2 pair + 1) to each column of a patch, then the
 * second one along the rows. Writes points 2 pair a to 2 pair a + 2 a - 1, `plane` floats apart, of
 * B^T x B or, with `gradient`, of A dy A^T. */
ALWAYS_INLINE void transform_pair(int m, bool gradient, int pair, const patch *p, bool whole,
                                  int lane, float *to, int64_t plane) {
  const int a = m + 2, size = gradient ? m : a;
  vec upper[MOST_A], lower[MOST_A];
#pragma GCC unroll 6
  for (int j = 0; j < size; j++) {
    vec d[MOST_A];
    upper[j] = lower[j] = vec_zero();
    if (!whole && (j < p->first || j >= p->end)) continue;
#pragma GCC unroll 6
    for (int i = 0; i < size; i++) d[i] = vec_load(p->row[i] + j * CN_BLOCK + lane);
    const vec_pair rows = gradient ? gradient_pair(m, pair, d) : input_pair(m, pair, d);
    upper[j] = rows.a;
    lower[j] = rows.b;
  }
#pragma GCC unroll 3
  for (int q = 0; q < a / 2; q++) {
    const vec_pair u = gradient ? gradient_pair(m, q, upper) : input_pair(m, q, upper);
    const vec_pair l = gradient ? gradient_pair(m, q, lower) : input_pair(m, q, lower);
    vec_store(to + 2 * q * plane + lane, u.a);
    vec_store(to + (2 * q + 1) * plane + lane, u.b);
    vec_store(to + (a + 2 * q) * plane + lane, l.a);
    vec_store(to + (a + 2 * q + 1) * plane + lane, l.b);
  }
}

/* Transforms the tiles of one operand at some pairs of rows of points. */
typedef struct tiles_job {
  const cn_tensor *tensor;
  const view *v;
  const float *from;     /* the tensor */
  int64_t block, blocks; /* blocks of the tensor */
  int64_t row0, row1;    /* rows of tiles, counted over all images */
  int64_t tile_rows, tile_cols;
  int32_t offset_y, offset_x; /* pixel where tile 0 begins */
  int32_t pair0, pair1;
  float *to; /* [point][block][tile][16] */
  int64_t plane;
} tiles_job;

/* Computes B^T x B, or A dy A^T with `gradient`, for all tiles of the job. */
#define transform_tiles ISA_NAME(transform_tiles)
void transform_tiles(int m, bool gradient, const tiles_job *job);

#endif
