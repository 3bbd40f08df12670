/*
 * Portable C: a vector is 16 floats, and every operation a loop. The operations have the same
 * meaning as those of the same names in avx2.h and avx512.h; this file is their specification.
 */
#ifndef CN_SIMD_SCALAR_H
#define CN_SIMD_SCALAR_H

#include "../compiler.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define CN_ISA scalar

enum { VEC = 16 };

typedef struct vec {
  float f[VEC];
} vec;

/* One bit per lane. */
typedef uint32_t vec_mask;

/* Independent sums that hide the latency of a multiplication and an addition: eight registers of
 * four lanes. */
enum { FMA_CHAINS = 2 };

/*
 * The tiles of the micro-kernel: GEMM_BLOCKS blocks of 16 lanes by up to GEMM_N columns, or one
 * block by up to GEMM_N_ONE. If two blocks do not fit one tile, GEMM_PAIR_N columns of both form a
 * tile where that uses the registers better. Two runs of GEMM_SPLIT_RUN columns are tiled together.
 * Loops over the terms are unrolled GEMM_UNROLL times; with GEMM_NEAR they prefetch lines of a and
 * b to the first-level cache.
 *
 * GEMM_EACH_TILE(F): F(blocks, first, second) for each tile of one run of columns, or of two. Here
 * a tile is 1 block x 4; the compiler allocates the registers.
 */
enum {
  GEMM_UNROLL = 1,
  GEMM_NEAR = 0,
  GEMM_BLOCKS = 1,
  GEMM_N = 4,
  GEMM_N_ONE = 4,
  GEMM_PAIR_N = 0,
  GEMM_SPLIT_RUN = 0
};
#define GEMM_EACH_TILE(F, ...)                                                                     \
  F(1, 1, 0, __VA_ARGS__)                                                                          \
  F(1, 2, 0, __VA_ARGS__)                                                                          \
  F(1, 3, 0, __VA_ARGS__)                                                                          \
  F(1, 4, 0, __VA_ARGS__)                                                                          \
  F(1, 1, 1, __VA_ARGS__)                                                                          \
  F(1, 2, 2, __VA_ARGS__)

/*
 * Sums in narrow.c that fit the registers together with their operands: at least NARROW_CHANNELS.
 */
enum { NARROW_SUMS = 8 };

/* The same for a tile in samples.c: at least SAMPLE_CHANNELS, at most MOST_SAMPLE_SUMS. */
enum { SAMPLE_SUMS = 8 };

/* Pixels of a depthwise row that are computed together. */
enum { ROW_PIXELS = 4 };
#define EACH_ROW_PIECE(F, ...) F(4, __VA_ARGS__) F(2, __VA_ARGS__) F(1, __VA_ARGS__)

/* Pixels whose channels are normalised together, with two sums of each in registers. */
enum { NORM_PIXELS = 1 };
#define EACH_NORM_PIECE(F) F(1)

#define EACH_LANE for (int i = 0; i < VEC; i++)

static inline vec vec_set1(float x) {
  vec r;
  EACH_LANE r.f[i] = x;
  return r;
}
static inline vec vec_zero(void) { return vec_set1(0.0f); }
static inline vec vec_load(const float *p) {
  vec r;
  memcpy(&r, p, sizeof r);
  return r;
}
static inline void vec_store(float *p, vec a) { memcpy(p, &a, sizeof a); }
/* Non-temporal store to aligned memory. Call stream_end before another thread may read it. */
static inline void vec_stream(float *p, vec a) { vec_store(p, a); }
static inline void stream_end(void) {}

static inline vec vec_add(vec a, vec b) {
  EACH_LANE a.f[i] += b.f[i];
  return a;
}
static inline vec vec_sub(vec a, vec b) {
  EACH_LANE a.f[i] -= b.f[i];
  return a;
}
static inline vec vec_mul(vec a, vec b) {
  EACH_LANE a.f[i] *= b.f[i];
  return a;
}
static inline vec vec_div(vec a, vec b) {
  EACH_LANE a.f[i] /= b.f[i];
  return a;
}
static inline vec vec_sqrt(vec a) {
  EACH_LANE a.f[i] = sqrtf(a.f[i]);
  return a;
}
/* a b + c, rounded once if the processor can; twice here. */
static inline vec vec_fma(vec a, vec b, vec c) {
  EACH_LANE a.f[i] = a.f[i] * b.f[i] + c.f[i];
  return a;
}
/* count + 1 as one multiply-add, for cn_fma_rounds. one is 1, unknown to the compiler, which must
 * not move the product out of a loop. */
static inline vec vec_count(vec count, vec one) { return vec_fma(count, one, one); }

/* 2^n for whole numbers n in -126..127; unspecified for a NaN. */
static inline vec vec_pow2(vec n) {
  EACH_LANE n.f[i] = ldexpf(1.0f, n.f[i] == n.f[i] ? (int)n.f[i] : 0);
  return n;
}
/* n of a = m 2^n with 1 <= m < 2, for normal a > 0; unspecified for any other. */
static inline vec vec_exponent(vec a) {
  EACH_LANE {
    uint32_t bits;
    memcpy(&bits, &a.f[i], sizeof bits);
    a.f[i] = (float)((int32_t)(bits >> 23) - 127);
  }
  return a;
}
/* a 2^n, rounded once, for whole numbers n in -252..254 and 1/2 <= a <= 2; unspecified if n alone
 * is a NaN. */
static inline vec vec_ldexp(vec a, vec n) {
  EACH_LANE a.f[i] = ldexpf(a.f[i], n.f[i] == n.f[i] ? (int)n.f[i] : 0);
  return a;
}

/* The first n lanes; none if n <= 0. */
static inline vec_mask vec_first(int64_t n) {
  return n >= VEC ? (1u << VEC) - 1 : n <= 0 ? 0 : (1u << n) - 1;
}
/* a > b, or a is a NaN. */
static inline vec_mask vec_above_or_nan(vec a, vec b) {
  vec_mask m = 0;
  EACH_LANE m |= (uint32_t)(a.f[i] > b.f[i] || a.f[i] != a.f[i]) << i;
  return m;
}
/* !(a <= b), so true if either is a NaN. */
static inline vec_mask vec_not_le(vec a, vec b) {
  vec_mask m = 0;
  EACH_LANE m |= (uint32_t) !(a.f[i] <= b.f[i]) << i;
  return m;
}
static inline vec_mask vec_equal(vec a, vec b) {
  vec_mask m = 0;
  EACH_LANE m |= (uint32_t)(a.f[i] == b.f[i]) << i;
  return m;
}
static inline vec vec_select(vec_mask m, vec yes, vec no) {
  EACH_LANE yes.f[i] = (m >> i & 1) != 0 ? yes.f[i] : no.f[i];
  return yes;
}
/* The lanes of the mask; zero elsewhere. */
static inline vec vec_keep(vec_mask m, vec a) { return vec_select(m, a, vec_zero()); }

/* The values with even indices of a, then of b; and those with odd indices. */
static inline vec vec_evens(vec a, vec b) {
  vec r;
  EACH_LANE r.f[i] = i < VEC / 2 ? a.f[2 * i] : b.f[2 * i - VEC];
  return r;
}
static inline vec vec_odds(vec a, vec b) {
  vec r;
  EACH_LANE r.f[i] = i < VEC / 2 ? a.f[2 * i + 1] : b.f[2 * i + 1 - VEC];
  return r;
}
/* Interleaves the first halves of a and b; and their second halves. */
static inline vec vec_zip_low(vec a, vec b) {
  vec r;
  EACH_LANE r.f[i] = i % 2 == 0 ? a.f[i / 2] : b.f[i / 2];
  return r;
}
static inline vec vec_zip_high(vec a, vec b) {
  vec r;
  EACH_LANE r.f[i] = i % 2 == 0 ? a.f[(VEC + i) / 2] : b.f[(VEC + i) / 2];
  return r;
}

/* Neither accesses memory outside the mask; lanes outside it load as zero. */
static inline vec vec_load_some(const float *p, vec_mask m) {
  vec r;
  EACH_LANE r.f[i] = (m >> i & 1) != 0 ? p[i] : 0.0f;
  return r;
}
static inline void vec_store_some(float *p, vec_mask m, vec a) {
  EACH_LANE if ((m >> i & 1) != 0) p[i] = a.f[i];
}

/* VEC integers in 0..255, one byte each. */
static inline vec vec_load_bytes(const uint8_t *p) {
  vec r;
  EACH_LANE r.f[i] = (float)p[i];
  return r;
}
static inline void vec_store_bytes(uint8_t *p, vec a) { EACH_LANE p[i] = (uint8_t)a.f[i]; }

/* Sum of the lanes: adds the two halves, then the halves of the result, and so on. */
static inline float vec_sum(vec a) {
  for (int half = VEC / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) a.f[i] += a.f[i + half];
  return a.f[0];
}

/* Prefetches to the second-level cache; prefetch_near to the first. */
static inline void prefetch(const void *p) { (void)p; }
static inline void prefetch_near(const void *p) { (void)p; }

/* dst[j][i] = src[i][j], 16 x 16. */
static inline void transpose_block(const float *src, float *dst) {
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++) dst[j * 16 + i] = src[i * 16 + j];
}

#undef EACH_LANE

#endif
