/* Advanced SIMD of AArch64: a block of 16 floats is four vectors. scalar.h specifies the
 * operations. */
#ifndef CN_SIMD_NEON_H
#define CN_SIMD_NEON_H

#include "../compiler.h"

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define CN_ISA neon

enum { VEC = 4 };
typedef float32x4_t vec;
typedef uint32x4_t vec_mask; /* all bits of a lane are set, or none */

/* Independent sums that hide the latency of four multiply-adds per cycle. */
enum { FMA_CHAINS = 16 };

/*
 * 1 block x 6: 24 accumulators, 4 registers of a, 1 of b: 29 of 32. Columns that tiles of 6 and 5
 * do not cover form tiles of 2 blocks x 3, with 3 registers of b and 1 of a. These are the tiles of
 * avx2.h, whose vectors are twice as long and half as many.
 */
enum { GEMM_BLOCKS = 1, GEMM_N = 6, GEMM_N_ONE = 6, GEMM_PAIR_N = 3, GEMM_SPLIT_RUN = 7 };
enum { GEMM_UNROLL = 1, GEMM_NEAR = 0 };
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
enum { NARROW_SUMS = 24 };

/* The same for a tile in samples.c: at least SAMPLE_CHANNELS, at most MOST_SAMPLE_SUMS. */
enum { SAMPLE_SUMS = 24 };

/* Pixels of a depthwise row that are computed together: with seven taps 22 of 32 registers. These
 * sizes divide the map widths of common networks evenly. */
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

static inline vec vec_zero(void) { return vdupq_n_f32(0.0f); }
static inline vec vec_set1(float x) { return vdupq_n_f32(x); }
static inline vec vec_load(const float *p) { return vld1q_f32(p); }
static inline void vec_store(float *p, vec a) { vst1q_f32(p, a); }
/* A vector is no whole cache line, so no kernel asks for non-temporal stores. */
static inline void vec_stream(float *p, vec a) { vst1q_f32(p, a); }
static inline void stream_end(void) {}

static inline vec vec_add(vec a, vec b) { return vaddq_f32(a, b); }
static inline vec vec_sub(vec a, vec b) { return vsubq_f32(a, b); }
static inline vec vec_mul(vec a, vec b) { return vmulq_f32(a, b); }
static inline vec vec_div(vec a, vec b) { return vdivq_f32(a, b); }
static inline vec vec_sqrt(vec a) { return vsqrtq_f32(a); }
static inline vec vec_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
/* The instruction overwrites its addend. */
static inline vec vec_count(vec count, vec one) { return vec_fma(one, one, count); }

static inline vec vec_pow2(vec n) {
  const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
  return vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23));
}

static inline vec vec_exponent(vec a) {
  const int32x4_t bits = vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_f32(a), 23));
  return vcvtq_f32_s32(vsubq_s32(bits, vdupq_n_s32(127)));
}

/* Only the second of two factors leaves the normal range. */
static inline vec vec_ldexp(vec a, vec n) {
  const vec rounding = vec_set1(12582912.0f); /* 1.5 * 2^23 */
  const vec half = vec_sub(vec_add(vec_mul(n, vec_set1(0.5f)), rounding), rounding);
  return vec_mul(vec_mul(a, vec_pow2(half)), vec_pow2(vec_sub(n, half)));
}

static inline vec_mask vec_first(int64_t n) {
  static const uint32_t lanes[VEC] = {0, 1, 2, 3};
  const uint32_t count = n >= VEC ? VEC : n <= 0 ? 0 : (uint32_t)n;
  return vcltq_u32(vld1q_u32(lanes), vdupq_n_u32(count));
}
static inline vec_mask vec_above_or_nan(vec a, vec b) {
  return vorrq_u32(vcgtq_f32(a, b), vmvnq_u32(vceqq_f32(a, a)));
}
static inline vec_mask vec_not_le(vec a, vec b) { return vmvnq_u32(vcleq_f32(a, b)); }
static inline vec_mask vec_equal(vec a, vec b) { return vceqq_f32(a, b); }
static inline vec vec_select(vec_mask m, vec yes, vec no) { return vbslq_f32(m, yes, no); }
static inline vec vec_keep(vec_mask m, vec a) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), m));
}

static inline vec vec_evens(vec a, vec b) { return vuzp1q_f32(a, b); }
static inline vec vec_odds(vec a, vec b) { return vuzp2q_f32(a, b); }
static inline vec vec_zip_low(vec a, vec b) { return vzip1q_f32(a, b); }
static inline vec vec_zip_high(vec a, vec b) { return vzip2q_f32(a, b); }

/* There are no masked loads and stores. Most masks are full. */
static inline vec vec_load_some(const float *p, vec_mask m) {
  if (vminvq_u32(m) != 0) return vld1q_f32(p);
  vec r = vec_zero();
  if (vgetq_lane_u32(m, 0) != 0) r = vld1q_lane_f32(p, r, 0);
  if (vgetq_lane_u32(m, 1) != 0) r = vld1q_lane_f32(p + 1, r, 1);
  if (vgetq_lane_u32(m, 2) != 0) r = vld1q_lane_f32(p + 2, r, 2);
  if (vgetq_lane_u32(m, 3) != 0) r = vld1q_lane_f32(p + 3, r, 3);
  return r;
}
static inline void vec_store_some(float *p, vec_mask m, vec a) {
  if (vminvq_u32(m) != 0) {
    vst1q_f32(p, a);
    return;
  }
  if (vgetq_lane_u32(m, 0) != 0) vst1q_lane_f32(p, a, 0);
  if (vgetq_lane_u32(m, 1) != 0) vst1q_lane_f32(p + 1, a, 1);
  if (vgetq_lane_u32(m, 2) != 0) vst1q_lane_f32(p + 2, a, 2);
  if (vgetq_lane_u32(m, 3) != 0) vst1q_lane_f32(p + 3, a, 3);
}

static inline vec vec_load_bytes(const uint8_t *p) {
  uint32_t four;
  memcpy(&four, p, sizeof four);
  const uint16x8_t halves = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(halves)));
}
static inline void vec_store_bytes(uint8_t *p, vec a) {
  const uint16x4_t halves = vmovn_u32(vcvtq_u32_f32(a));
  const uint8x8_t bytes = vmovn_u16(vcombine_u16(halves, halves));
  const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  memcpy(p, &four, sizeof four);
}

static inline float vec_sum(vec a) {
  return vaddv_f32(vadd_f32(vget_low_f32(a), vget_high_f32(a)));
}

ALWAYS_INLINE void prefetch(const void *p) { PREFETCH_FAR(p); }
ALWAYS_INLINE void prefetch_near(const void *p) { PREFETCH_NEAR(p); }

/* Transposes a 4 x 4 square; rows of src and dst are 16 floats apart. */
static inline void transpose_square(const float *src, float *dst) {
  const float32x4_t a = vld1q_f32(src), b = vld1q_f32(src + 16);
  const float32x4_t c = vld1q_f32(src + 32), d = vld1q_f32(src + 48);
  const float64x2_t ab_even = vreinterpretq_f64_f32(vtrn1q_f32(a, b));
  const float64x2_t ab_odd = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
  const float64x2_t cd_even = vreinterpretq_f64_f32(vtrn1q_f32(c, d));
  const float64x2_t cd_odd = vreinterpretq_f64_f32(vtrn2q_f32(c, d));
  vst1q_f32(dst, vreinterpretq_f32_f64(vtrn1q_f64(ab_even, cd_even)));
  vst1q_f32(dst + 16, vreinterpretq_f32_f64(vtrn1q_f64(ab_odd, cd_odd)));
  vst1q_f32(dst + 32, vreinterpretq_f32_f64(vtrn2q_f64(ab_even, cd_even)));
  vst1q_f32(dst + 48, vreinterpretq_f32_f64(vtrn2q_f64(ab_odd, cd_odd)));
}
static inline void transpose_block(const float *src, float *dst) {
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 16; j += 4) transpose_square(src + i * 16 + j, dst + j * 16 + i);
}

#endif
