/* AVX2 and FMA: a block of 16 floats is two vectors. scalar.h specifies the operations. */
#ifndef CN_SIMD_AVX2_H
#define CN_SIMD_AVX2_H

#include "../compiler.h"

#include <immintrin.h>
#include <stdint.h>

#define CN_ISA avx2

enum { VEC = 8 };
typedef __m256 vec;
typedef __m256i vec_mask; /* all bits of a lane are set, or none */

/* Independent sums that hide the latency of two multiply-adds per cycle. */
enum { FMA_CHAINS = 12 };

/*
 * 1 block x 6: 12 accumulators, 2 registers of a, 1 of b: 15 of 16. With fewer than 10
 * accumulators, latency limits the speed. Columns that tiles of 6 and 5 do not cover form tiles of
 * 2 blocks x 3, with 3 registers of b and 1 of a. Two rows of 7 become 6 + (1 + 4) + 3 for two
 * blocks, and 5 + (2 + 3) + 4 for one.
 */
enum { GEMM_BLOCKS = 1, GEMM_N = 6, GEMM_N_ONE = 6, GEMM_PAIR_N = 3, GEMM_SPLIT_RUN = 7 };
/* Without unrolling, loop overhead costs tiles of 5 columns 4%; GEMM_NEAR would cost 1%. */
enum { GEMM_UNROLL = 2, GEMM_NEAR = 0 };
#define GEMM_EACH_TILE(F, ...)                                                                     \
  F(1, 1, 0, __VA_ARGS__)                                                                          \
  F(1, 2, 0, __VA_ARGS__)                                                                          \
  F(1, 3, 0, __VA_ARGS__)                                                                          \
  F(1, 4, 0, __VA_ARGS__)                                                                          \
  F(1, 5, 0, __VA_ARGS__)                                                                          \
  F(1, 6, 0, __VA_ARGS__)                                                                          \
  F(1, 1, 1, __VA_ARGS__)                                                                          \
  F(1, 2, 2, __VA_ARGS__)                                                                          \
  F(1, 3, 3, __VA_ARGS__)                                                                          \
  F(1, 1, 4, __VA_ARGS__)                                                                          \
  F(1, 2, 3, __VA_ARGS__)                                                                          \
  F(2, 1, 0, __VA_ARGS__)                                                                          \
  F(2, 2, 0, __VA_ARGS__)                                                                          \
  F(2, 3, 0, __VA_ARGS__)                                                                          \
  F(2, 1, 1, __VA_ARGS__)

/*
 * Sums in narrow.c that fit the registers together with their operands: at least NARROW_CHANNELS.
 */
enum { NARROW_SUMS = 12 };

/* The same for a tile in samples.c: at least SAMPLE_CHANNELS, at most MOST_SAMPLE_SUMS. */
enum { SAMPLE_SUMS = 12 };

/* Pixels of a depthwise row that are computed together: with a tap 15 of 16 registers. These sizes
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

static inline vec vec_zero(void) { return _mm256_setzero_ps(); }
static inline vec vec_set1(float x) { return _mm256_set1_ps(x); }
static inline vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vec_store(float *p, vec a) { _mm256_storeu_ps(p, a); }
static inline void vec_stream(float *p, vec a) { _mm256_stream_ps(p, a); }
static inline void stream_end(void) { _mm_sfence(); }

static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec vec_sqrt(vec a) { return _mm256_sqrt_ps(a); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec vec_count(vec count, vec one) { return vec_fma(count, one, one); }

static inline vec vec_pow2(vec n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}

static inline vec vec_exponent(vec a) {
  const __m256i bits = _mm256_srli_epi32(_mm256_castps_si256(a), 23);
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(bits, _mm256_set1_epi32(127)));
}

/* Only the second of two factors leaves the normal range. */
static inline vec vec_ldexp(vec a, vec n) {
  const vec rounding = vec_set1(12582912.0f); /* 1.5 * 2^23 */
  const vec half = vec_sub(vec_add(vec_mul(n, vec_set1(0.5f)), rounding), rounding);
  return vec_mul(vec_mul(a, vec_pow2(half)), vec_pow2(vec_sub(n, half)));
}

static inline vec_mask vec_first(int64_t n) {
  const int lanes = n >= VEC ? VEC : n <= 0 ? 0 : (int)n;
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vec_mask vec_above_or_nan(vec a, vec b) {
  return _mm256_castps_si256(
      _mm256_or_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ), _mm256_cmp_ps(a, a, _CMP_UNORD_Q)));
}
static inline vec_mask vec_not_le(vec a, vec b) {
  return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_NLE_UQ));
}
static inline vec_mask vec_equal(vec a, vec b) {
  return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_EQ_OQ));
}
static inline vec vec_select(vec_mask m, vec yes, vec no) {
  return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(m));
}
static inline vec vec_keep(vec_mask m, vec a) { return _mm256_and_ps(a, _mm256_castsi256_ps(m)); }

static inline vec vec_evens(vec a, vec b) {
  const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}
static inline vec vec_odds(vec a, vec b) {
  const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}
static inline vec vec_zip_low(vec a, vec b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}
static inline vec vec_zip_high(vec a, vec b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}

static inline vec vec_load_some(const float *p, vec_mask m) { return _mm256_maskload_ps(p, m); }
static inline void vec_store_some(float *p, vec_mask m, vec a) { _mm256_maskstore_ps(p, m, a); }

static inline vec vec_load_bytes(const uint8_t *p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline void vec_store_bytes(uint8_t *p, vec a) {
  const __m256i words = _mm256_cvtps_epi32(a);
  const __m128i halves =
      _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(halves, halves));
}

static inline float vec_sum(vec a) {
  const __m128 h4 = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 h2 = _mm_add_ps(h4, _mm_movehl_ps(h4, h4));
  return _mm_cvtss_f32(_mm_add_ss(h2, _mm_movehdup_ps(h2)));
}

/* Without always_inline, gcc 12 assumes that the function has no effects and removes the calls. */
ALWAYS_INLINE void prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }
ALWAYS_INLINE void prefetch_near(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

/* Transposes one 8 x 8 quarter; rows of src and dst are 16 floats apart. */
static inline void transpose_quarter(const float *src, float *dst) {
  __m256 a[8], b[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(src + i * 16);
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    b[2 * i] = _mm256_unpacklo_ps(a[2 * i], a[2 * i + 1]);
    b[2 * i + 1] = _mm256_unpackhi_ps(a[2 * i], a[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    a[4 * i] = _mm256_shuffle_ps(b[4 * i], b[4 * i + 2], 0x44);
    a[4 * i + 1] = _mm256_shuffle_ps(b[4 * i], b[4 * i + 2], 0xee);
    a[4 * i + 2] = _mm256_shuffle_ps(b[4 * i + 1], b[4 * i + 3], 0x44);
    a[4 * i + 3] = _mm256_shuffle_ps(b[4 * i + 1], b[4 * i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_ps(dst + i * 16, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
    _mm256_storeu_ps(dst + (i + 4) * 16, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
  }
}
static inline void transpose_block(const float *src, float *dst) {
  transpose_quarter(src, dst);
  transpose_quarter(src + 8, dst + 8 * 16);
  transpose_quarter(src + 8 * 16, dst + 8);
  transpose_quarter(src + 8 * 16 + 8, dst + 8 * 16 + 8);
}

#endif
