/* AVX-512 F, BW, DQ, VL: a vector is one block of 16 floats. scalar.h specifies the operations. */
#ifndef CN_SIMD_AVX512_H
#define CN_SIMD_AVX512_H

#include "../compiler.h"

#include <immintrin.h>
#include <stdint.h>

#define CN_ISA avx512

enum { VEC = 16 };
typedef __m512 vec;
typedef __mmask16 vec_mask;

/* Independent sums that hide the latency of two multiply-adds per cycle. */
enum { FMA_CHAINS = 12 };

/* 2 blocks x 14: 28 accumulators, 2 registers of a, 1 of b: 31 of 32. A single block x 16: all
 * channels of a block, and one load of a for 16 of b. */
enum {
  GEMM_UNROLL = 1,
  GEMM_NEAR = 1,
  GEMM_BLOCKS = 2,
  GEMM_N = 14,
  GEMM_N_ONE = 16,
  GEMM_PAIR_N = 0,
  GEMM_SPLIT_RUN = 0
};
#define GEMM_UP_TO_14(F, blocks, ...)                                                              \
  F(blocks, 1, 0, __VA_ARGS__)                                                                     \
  F(blocks, 2, 0, __VA_ARGS__)                                                                     \
  F(blocks, 3, 0, __VA_ARGS__)                                                                     \
  F(blocks, 4, 0, __VA_ARGS__)                                                                     \
  F(blocks, 5, 0, __VA_ARGS__)                                                                     \
  F(blocks, 6, 0, __VA_ARGS__)                                                                     \
  F(blocks, 7, 0, __VA_ARGS__)                                                                     \
  F(blocks, 8, 0, __VA_ARGS__)                                                                     \
  F(blocks, 9, 0, __VA_ARGS__)                                                                     \
  F(blocks, 10, 0, __VA_ARGS__)                                                                    \
  F(blocks, 11, 0, __VA_ARGS__)                                                                    \
  F(blocks, 12, 0, __VA_ARGS__)                                                                    \
  F(blocks, 13, 0, __VA_ARGS__)                                                                    \
  F(blocks, 14, 0, __VA_ARGS__)                                                                    \
  F(blocks, 1, 1, __VA_ARGS__)                                                                     \
  F(blocks, 2, 2, __VA_ARGS__)                                                                     \
  F(blocks, 3, 3, __VA_ARGS__)                                                                     \
  F(blocks, 4, 4, __VA_ARGS__)                                                                     \
  F(blocks, 5, 5, __VA_ARGS__)                                                                     \
  F(blocks, 6, 6, __VA_ARGS__)                                                                     \
  F(blocks, 7, 7, __VA_ARGS__)
#define GEMM_EACH_TILE(F, ...)                                                                     \
  GEMM_UP_TO_14(F, 1, __VA_ARGS__)                                                                 \
  F(1, 15, 0, __VA_ARGS__)                                                                         \
  F(1, 16, 0, __VA_ARGS__)                                                                         \
  F(1, 8, 8, __VA_ARGS__)                                                                          \
  GEMM_UP_TO_14(F, 2, __VA_ARGS__)

/*
 * Sums in narrow.c that fit the registers together with their operands: at least NARROW_CHANNELS.
 */
enum { NARROW_SUMS = 30 };

/* The same for a tile in samples.c: at least SAMPLE_CHANNELS, at most MOST_SAMPLE_SUMS. */
enum { SAMPLE_SUMS = 24 };

/* Pixels of a depthwise row that are computed together: with a tap 15 of 32 registers. These sizes
 * divide the map widths of common networks evenly. */
enum { ROW_PIXELS = 14 };
#define EACH_ROW_PIECE(F, ...)                                                                     \
  F(14, __VA_ARGS__)                                                                               \
  F(8, __VA_ARGS__)                                                                                \
  F(7, __VA_ARGS__)                                                                                \
  F(4, __VA_ARGS__)                                                                                \
  F(2, __VA_ARGS__)                                                                                \
  F(1, __VA_ARGS__)

/* Pixels whose channels are normalised together, with two sums of each in registers. */
enum { NORM_PIXELS = 8 };
#define EACH_NORM_PIECE(F) F(8) F(4) F(1)

static inline vec vec_zero(void) { return _mm512_setzero_ps(); }
static inline vec vec_set1(float x) { return _mm512_set1_ps(x); }
static inline vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vec_store(float *p, vec a) { _mm512_storeu_ps(p, a); }
static inline void vec_stream(float *p, vec a) { _mm512_stream_ps(p, a); }
static inline void stream_end(void) { _mm_sfence(); }

static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec vec_sqrt(vec a) { return _mm512_sqrt_ps(a); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec vec_count(vec count, vec one) { return vec_fma(count, one, one); }

static inline vec vec_pow2(vec n) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
}
static inline vec vec_exponent(vec a) {
  const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(a), 23);
  return _mm512_cvtepi32_ps(_mm512_sub_epi32(bits, _mm512_set1_epi32(127)));
}
static inline vec vec_ldexp(vec a, vec n) { return _mm512_scalef_ps(a, n); }

static inline vec_mask vec_first(int64_t n) {
  return n >= VEC ? 0xffff : n <= 0 ? 0 : (vec_mask)((1u << n) - 1);
}
static inline vec_mask vec_above_or_nan(vec a, vec b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ) | _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
static inline vec_mask vec_not_le(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ); }
static inline vec_mask vec_equal(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline vec vec_select(vec_mask m, vec yes, vec no) {
  return _mm512_mask_blend_ps(m, no, yes);
}
static inline vec vec_keep(vec_mask m, vec a) { return _mm512_maskz_mov_ps(m, a); }

static inline vec vec_evens(vec a, vec b) {
  const __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(a, at, b);
}
static inline vec vec_odds(vec a, vec b) {
  const __m512i at = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return _mm512_permutex2var_ps(a, at, b);
}

static inline vec vec_zip_low(vec a, vec b) {
  const __m512i at = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return _mm512_permutex2var_ps(a, at, b);
}
static inline vec vec_zip_high(vec a, vec b) {
  const __m512i at =
      _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  return _mm512_permutex2var_ps(a, at, b);
}

static inline vec vec_load_some(const float *p, vec_mask m) { return _mm512_maskz_loadu_ps(m, p); }
static inline void vec_store_some(float *p, vec_mask m, vec a) { _mm512_mask_storeu_ps(p, m, a); }

static inline vec vec_load_bytes(const uint8_t *p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline void vec_store_bytes(uint8_t *p, vec a) {
  _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}

static inline float vec_sum(vec a) {
  const __m256 h8 = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  const __m128 h4 = _mm_add_ps(_mm256_castps256_ps128(h8), _mm256_extractf128_ps(h8, 1));
  const __m128 h2 = _mm_add_ps(h4, _mm_movehl_ps(h4, h4));
  return _mm_cvtss_f32(_mm_add_ss(h2, _mm_movehdup_ps(h2)));
}

/* Without always_inline, gcc 12 assumes that the function has no effects and removes the calls. */
ALWAYS_INLINE void prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }
ALWAYS_INLINE void prefetch_near(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

/* Four rounds that exchange 1 x 1, 2 x 2, 4 x 4 and 8 x 8 blocks across the diagonal. */
static inline void transpose_block(const float *src, float *dst) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(src + i * 16);
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]);
    b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __m512d p = _mm512_castps_pd(b[4 * i]), q = _mm512_castps_pd(b[4 * i + 1]);
    const __m512d r = _mm512_castps_pd(b[4 * i + 2]), s = _mm512_castps_pd(b[4 * i + 3]);
    a[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(p, r));
    a[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(p, r));
    a[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(q, s));
    a[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(q, s));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    b[i] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88);
    b[i + 4] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
    b[i + 8] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88);
    b[i + 12] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    _mm512_storeu_ps(dst + i * 16, _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88));
    _mm512_storeu_ps(dst + (i + 8) * 16, _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd));
  }
}

#endif
