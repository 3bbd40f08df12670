/*
 * Plain images and up to NARROW_CHANNELS filters, which would leave most lanes empty: here the
 * lanes hold pixels of a row. Output channels meet them as broadcast values, and blocks of 16
 * pixels by 16 channels are transposed on the way out (forward) or in (backward-weights).
 */
#include "conv.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum {
  SQUARE = CN_BLOCK * CN_BLOCK,
  STRIP = 2 * CN_BLOCK, /* pixels of a row that are computed together */
};

/* to = `count` pixels of from, and zeros up to `end`. */
ALWAYS_INLINE void copy_pixels(const float *from, int64_t count, int64_t end, float *to) {
  for (int64_t i = 0; i < count * CN_BLOCK; i += VEC) vec_store(to + i, vec_load(from + i));
  for (int64_t i = count * CN_BLOCK; i < end * CN_BLOCK; i += VEC) vec_store(to + i, vec_zero());
}

/* ---- Forward --------------------------------------------------------------------------------- */

/* sums[k][i] for the pixels i < vectors VEC at b, of which `left` are wanted. */
ALWAYS_INLINE void sum_pixels(const gemm_args *g, const float *b, int64_t left, int channels,
                              int vectors, float *sums) {
  vec sum[NARROW_CHANNELS][2];
  const vec_mask some[2] = {vec_first(left), vec_first(left - VEC)};
#pragma GCC unroll 8
  for (int k = 0; k < channels; k++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
      sum[k][v] = (g->flags & GEMM_BIAS) != 0 ? vec_set1(g->bias[k]) : vec_zero();
  for (int32_t o = 0; o < g->outers; o++)
    for (int32_t i = 0; i < g->rows; i++) {
      const float *w = g->a + o * g->a_outer + i * g->a_row;
      const float *at = b + o * g->b_outer + i * g->b_row;
      for (int32_t j = 0; j < g->k; j++, w += CN_BLOCK, at += g->b_k) {
        vec x[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) x[v] = vec_load_some(at + v * VEC, some[v]);
#pragma GCC unroll 8
        for (int k = 0; k < channels; k++)
#pragma GCC unroll 2
          for (int v = 0; v < vectors; v++) sum[k][v] = vec_fma(vec_set1(w[k]), x[v], sum[k][v]);
      }
    }
  const bool relu = (g->flags & GEMM_RELU) != 0;
#pragma GCC unroll 8
  for (int k = 0; k < channels; k++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      if (k >= g->lanes) continue;
      vec y = sum[k][v];
      if (relu) y = vec_keep(vec_not_le(y, vec_zero()), y);
      vec_store(sums + k * CN_BLOCK + v * VEC / CN_BLOCK * SQUARE + v * VEC % CN_BLOCK, y);
    }
}

ALWAYS_INLINE void sum_strip(const gemm_args *g, const float *b, int64_t left, int channels,
                             float *sums) {
  const int vectors = 2 * channels <= NARROW_SUMS ? 2 : 1;
  for (int i = 0; i < STRIP && i < left; i += vectors * VEC)
    sum_pixels(g, b + i, left - i, channels, vectors, sums + i / CN_BLOCK * SQUARE + i % CN_BLOCK);
}

void narrow_forward(const gemm_args *g, int64_t columns) {
  float sums[STRIP * CN_BLOCK]; /* [block of pixels][channel][16 pixels] */
  for (int i = 0; i < STRIP * CN_BLOCK; i += SQUARE) copy_pixels(sums, 0, CN_BLOCK, sums + i);
  for (int64_t first = 0; first < columns; first += STRIP) {
    const int64_t left = columns - first;
    if (g->lanes <= 2)
      sum_strip(g, g->b + first, left, 2, sums);
    else if (g->lanes <= 4)
      sum_strip(g, g->b + first, left, 4, sums);
    else if (g->lanes <= 6)
      sum_strip(g, g->b + first, left, 6, sums);
    else
      sum_strip(g, g->b + first, left, 8, sums);
    for (int64_t i = 0; i < STRIP && i < left; i += CN_BLOCK) {
      float pixels[SQUARE], *to = g->c + (first + i) * CN_BLOCK;
      const bool whole = left - i >= CN_BLOCK;
      transpose_block(sums + i * CN_BLOCK, whole ? to : pixels);
      if (!whole) copy_pixels(pixels, left - i, 0, to);
    }
  }
}

/* ---- Backward-weights ------------------------------------------------------------------------ */

/* to[image][row][channel][width] = dy, whose rows are filled up with zeros to `width` pixels. */
static void turn_rows(const narrow_weights *n, int channels, int64_t width, float *to) {
  for (int64_t i = 0; i < n->images; i++)
    for (int64_t y = 0; y < n->rows; y++, to += channels * width)
      for (int64_t x = 0; x < width; x += CN_BLOCK) {
        const float *from = n->dy + i * n->dy_image + y * n->dy_row + x * CN_BLOCK;
        float pixels[SQUARE], turned[SQUARE];
        if (n->width - x < CN_BLOCK) {
          copy_pixels(from, n->width - x, CN_BLOCK, pixels);
          from = pixels;
        }
        transpose_block(from, turned);
        for (int k = 0; k < channels; k++)
          copy_pixels(turned + k * CN_BLOCK, 1, 1, to + k * width + x);
      }
}

/* dw[j][k] += sum over the pixels of dy[k] x[j], for `cols` taps that are neighbours. */
ALWAYS_INLINE void sum_taps(const narrow_weights *n, const float *x, const float *dy, int64_t width,
                            float *dw, int channels, int cols) {
  vec sum[NARROW_SUMS];
#pragma GCC unroll 30
  for (int i = 0; i < channels * cols; i++) sum[i] = vec_zero();
  for (int64_t i = 0; i < n->images; i++)
    for (int64_t y = 0; y < n->rows; y++, dy += channels * width)
      for (int64_t at = 0; at < n->width; at += VEC) {
        const float *from = x + i * n->x_image + y * n->x_row + at;
        const vec_mask some = vec_first(n->width - at);
#pragma GCC unroll 5
        for (int j = 0; j < cols; j++) {
          const vec v = vec_load_some(from + j * n->tap_col, some);
#pragma GCC unroll 8
          for (int k = 0; k < channels; k++)
            sum[j * channels + k] =
                vec_fma(v, vec_load(dy + k * width + at), sum[j * channels + k]);
        }
      }
#pragma GCC unroll 5
  for (int j = 0; j < cols; j++)
#pragma GCC unroll 8
    for (int k = 0; k < channels; k++)
      if (k < n->lanes) dw[j * CN_BLOCK + k] += vec_sum(sum[j * channels + k]);
}

/* All taps of a filter row. */
ALWAYS_INLINE void sum_filter_row(const narrow_weights *n, const float *x, const float *dy,
                                  int64_t width, float *dw, int channels) {
  for (int32_t j = 0, cols; j < n->kernel_w; j += cols) {
    const int32_t left = n->kernel_w - j;
    const float *from = x + j * n->tap_col;
    float *to = dw + j * CN_BLOCK;
    cols = left >= 5 && 5 * channels <= NARROW_SUMS   ? 5
           : left >= 3 && 3 * channels <= NARROW_SUMS ? 3
           : left >= 2 && 2 * channels <= NARROW_SUMS ? 2
                                                      : 1;
    if (5 * channels <= NARROW_SUMS && cols == 5)
      sum_taps(n, from, dy, width, to, channels, 5);
    else if (3 * channels <= NARROW_SUMS && cols == 3)
      sum_taps(n, from, dy, width, to, channels, 3);
    else if (2 * channels <= NARROW_SUMS && cols == 2)
      sum_taps(n, from, dy, width, to, channels, 2);
    else
      sum_taps(n, from, dy, width, to, channels, 1);
  }
}

ALWAYS_INLINE void sum_weights(const narrow_weights *n, float *turned, float *dw, int channels) {
  const int64_t width = ceil_div(n->width, CN_BLOCK) * CN_BLOCK;
  turn_rows(n, channels, width, turned);
  for (int32_t c = 0; c < n->channels; c++)
    for (int32_t i = 0; i < n->kernel_h; i++, dw += n->kernel_w * CN_BLOCK)
      sum_filter_row(n, n->x + c * n->x_plane + i * n->tap_row, turned, width, dw, channels);
}

void narrow_backward_weights(const narrow_weights *n, float *turned, float *dw) {
  if (n->lanes <= 2)
    sum_weights(n, turned, dw, 2);
  else if (n->lanes <= 4)
    sum_weights(n, turned, dw, 4);
  else if (n->lanes <= 6)
    sum_weights(n, turned, dw, 6);
  else
    sum_weights(n, turned, dw, 8);
}
