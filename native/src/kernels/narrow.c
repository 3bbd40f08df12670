/*
 * Convolution of plain images with up to NARROW_CHANNELS filters. Output channels would leave most
 * lanes empty, so the lanes hold pixels of a row and the weights are broadcast. Blocks of 16 pixels
 * by 16 channels are transposed on output (forward) or on input (backward-weights). A max pool over
 * windows of 2x2 behind the convolution also works with windows in the lanes, which leaves a
 * quarter of the values to transpose.
 */
#include "conv.h"

enum {
  SQUARE = CN_BLOCK * CN_BLOCK,
  STRIP = 2 * CN_BLOCK, /* pixels of a row that are computed together */
};

/* Copies `count` pixels and fills with zeros up to pixel `end`. */
ALWAYS_INLINE void copy_pixels(const float *from, int64_t count, int64_t end, float *to) {
  for (int64_t i = 0; i < count * CN_BLOCK; i += VEC) vec_store(to + i, vec_load(from + i));
  for (int64_t i = count * CN_BLOCK; i < end * CN_BLOCK; i += VEC) vec_store(to + i, vec_zero());
}

/* ---- Forward --------------------------------------------------------------------------------- */

/* sums[k][i] for pixels i < vectors * VEC at b, of which the first `left` are valid. */
ALWAYS_INLINE void sum_pixels(const gemm_args *g, const float *b, int64_t left, int channels,
                              int vectors, float *sums) {
  vec sum[2 * NARROW_CHANNELS];
  const vec_mask some[2] = {vec_first(left), vec_first(left - VEC)};
#pragma GCC unroll 8
  for (int k = 0; k < channels; k++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
      sum[k * vectors + v] = (g->flags & GEMM_BIAS) != 0 ? vec_set1(g->bias[k]) : vec_zero();
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
          for (int v = 0; v < vectors; v++)
            sum[k * vectors + v] = vec_fma(vec_set1(w[k]), x[v], sum[k * vectors + v]);
      }
    }
  activate(g->activation, sum, channels * vectors);
#pragma GCC unroll 8
  for (int k = 0; k < channels; k++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      if (k >= g->lanes) continue;
      vec_store(sums + k * CN_BLOCK + v * VEC / CN_BLOCK * SQUARE + v * VEC % CN_BLOCK,
                sum[k * vectors + v]);
    }
}

ALWAYS_INLINE void sum_strip(const gemm_args *g, const float *b, int64_t left, int channels,
                             float *sums) {
  const int vectors = 2 * channels <= NARROW_SUMS ? 2 : 1;
  for (int i = 0; i < STRIP && i < left; i += vectors * VEC)
    sum_pixels(g, b + i, left - i, channels, vectors, sums + i / CN_BLOCK * SQUARE + i % CN_BLOCK);
}

/* sums[block of pixels][channel][16 pixels] of a strip that begins at pixel `first`. */
static void sum_channels(const gemm_args *g, int64_t first, int64_t left, float *sums) {
  if (g->lanes <= 2)
    sum_strip(g, g->b + first, left, 2, sums);
  else if (g->lanes <= 4)
    sum_strip(g, g->b + first, left, 4, sums);
  else if (g->lanes <= 6)
    sum_strip(g, g->b + first, left, 6, sums);
  else
    sum_strip(g, g->b + first, left, 8, sums);
}

void narrow_forward(const gemm_args *g, int64_t columns) {
  float sums[STRIP * CN_BLOCK];
  copy_pixels(sums, 0, STRIP, sums);
  for (int64_t first = 0; first < columns; first += STRIP) {
    const int64_t left = columns - first;
    sum_channels(g, first, left, sums);
    for (int64_t i = 0; i < STRIP && i < left; i += CN_BLOCK) {
      float pixels[SQUARE], *to = g->c + (first + i) * CN_BLOCK;
      const bool whole = left - i >= CN_BLOCK;
      transpose_block(sums + i * CN_BLOCK, whole ? to : pixels);
      if (!whole) copy_pixels(pixels, left - i, 0, to);
    }
  }
}

/* ---- Max pooling over windows of 2x2 --------------------------------------------------------- */

/* Compares a pixel of each window with the maximum so far. */
ALWAYS_INLINE void compare(vec x, float number, vec *best, vec *at) {
  const vec_mask wins = vec_above_or_nan(x, *best);
  *best = vec_select(wins, x, *best);
  *at = vec_select(wins, vec_set1(number), *at);
}

void narrow_windows_init(cn_activation activation, narrow_windows *to) {
  const narrow_windows none = {.activation = activation};
  *to = none;
  for (int i = 0; activation.kind != CN_IDENTITY && i < SQUARE; i++) to->winners[i] = CN_NO_WINNER;
}

void narrow_pool(const gemm_args *upper, const gemm_args *lower, int64_t columns, narrow_windows *w,
                 float *y, uint8_t *winners) {
  for (int64_t first = 0; first < columns; first += CN_BLOCK) {
    const int64_t left = columns - first, here = min_i64(CN_BLOCK, left);
    sum_channels(upper, 2 * first, 2 * left, w->above);
    sum_channels(lower, 2 * first, 2 * left, w->below);
    for (int k = 0; k < upper->lanes; k++)
      for (int v = 0; v < here; v += VEC) {
        const int a = 2 * v / CN_BLOCK * SQUARE + k * CN_BLOCK + 2 * v % CN_BLOCK;
        const int b = (2 * v + VEC) / CN_BLOCK * SQUARE + k * CN_BLOCK + (2 * v + VEC) % CN_BLOCK;
        const vec left_above = vec_load(w->above + a), right_above = vec_load(w->above + b);
        const vec left_below = vec_load(w->below + a), right_below = vec_load(w->below + b);
        vec best = vec_evens(left_above, right_above), at = vec_zero();
        compare(vec_odds(left_above, right_above), 1.0f, &best, &at);
        compare(vec_evens(left_below, right_below), 2.0f, &best, &at);
        compare(vec_odds(left_below, right_below), 3.0f, &best, &at);
        at = winner_after(w->activation, best, at);
        vec_store(w->largest + k * CN_BLOCK + v, best);
        vec_store(w->winners + k * CN_BLOCK + v, at);
      }
    float pixels[SQUARE];
    transpose_block(w->largest, pixels);
    copy_pixels(pixels, here, 0, y + first * CN_BLOCK);
    if (winners == NULL) continue;
    transpose_block(w->winners, pixels);
    for (int64_t i = 0; i < here * CN_BLOCK; i += VEC)
      vec_store_bytes(winners + first * CN_BLOCK + i, vec_load(pixels + i));
  }
}

/* ---- Backward-weights ------------------------------------------------------------------------ */

/* to[k][i] = channel k of pixel i of dy; zero from pixel `count` on. */
ALWAYS_INLINE void transpose_pixels(const float *dy, int64_t count, float *to) {
  float pixels[SQUARE];
  if (count < CN_BLOCK) {
    copy_pixels(dy, count, CN_BLOCK, pixels);
    dy = pixels;
  }
  transpose_block(dy, to);
}

/* to[image][row][channel][width] = dy, with rows padded with zeros to `width` pixels. */
static void transpose_rows(const narrow_weights *n, int channels, int64_t width, float *to) {
  for (int64_t i = 0; i < n->images; i++)
    for (int64_t y = 0; y < n->rows; y++, to += channels * width)
      for (int64_t x = 0; x < width; x += CN_BLOCK) {
        float transposed[SQUARE];
        const float *from = n->dy + i * n->dy_image + (n->row0 + y) * n->dy_row + x * CN_BLOCK;
        transpose_pixels(from, min_i64(CN_BLOCK, n->width - x), transposed);
        for (int k = 0; k < channels; k++)
          copy_pixels(transposed + k * CN_BLOCK, 1, 1, to + k * width + x);
      }
}

/* Gradients of one row of pixels under 16 windows of a channel: pixel `number` of each window and
 * the next one. `left` pixels of the row remain. */
ALWAYS_INLINE void spread_windows(const float *dy, const float *winners, float number, int64_t left,
                                  float *to) {
  for (int v = 0; v < CN_BLOCK; v += VEC) {
    const vec g = vec_load(dy + v), at = vec_load(winners + v);
    const vec even = vec_keep(vec_equal(at, vec_set1(number)), g);
    const vec odd = vec_keep(vec_equal(at, vec_set1(number + 1.0f)), g);
    if (2 * v < left) vec_store(to + 2 * v, vec_zip_low(even, odd));
    if (2 * v + VEC < left) vec_store(to + 2 * v + VEC, vec_zip_high(even, odd));
  }
}

/* Like transpose_rows, from the gradients of the pool's output: both rows of a window at once. */
static void transpose_windows(const narrow_weights *n, int channels, int64_t width, float *to) {
  for (int64_t i = 0; i < n->images; i++)
    for (int64_t y = n->row0, lines; y < n->row0 + n->rows; y += lines) {
      const int64_t window = y / 2;
      lines = min_i64(2 - y % 2, n->row0 + n->rows - y);
      for (int64_t x = 0; 2 * x < width; x += CN_BLOCK) {
        const int64_t inside = window < n->pooled_rows ? n->pooled_width - x : 0;
        const int64_t count = max_i64(0, min_i64(CN_BLOCK, inside));
        const uint8_t *from =
            n->winners + ((i * n->pooled_rows + window) * n->pooled_width + x) * CN_BLOCK;
        float numbers[SQUARE], winners[SQUARE], dy[SQUARE];
        for (int64_t j = 0; j < SQUARE; j += VEC)
          vec_store(numbers + j, j < count * CN_BLOCK ? vec_load_bytes(from + j) : vec_zero());
        transpose_block(numbers, winners);
        transpose_pixels(n->dy + i * n->dy_image + window * n->dy_row + x * CN_BLOCK, count, dy);
        for (int64_t l = 0; l < lines; l++)
          for (int k = 0; k < channels; k++)
            spread_windows(dy + k * CN_BLOCK, winners + k * CN_BLOCK, 2.0f * (float)(y % 2 + l),
                           width - 2 * x, to + (l * channels + k) * width + 2 * x);
      }
      to += lines * channels * width;
    }
}

/* db[k] += sum of dy[k]. */
static void sum_bias(const narrow_weights *n, const float *dy, int channels, int64_t width) {
  for (int k = 0; k < n->lanes; k++) {
    vec sum = vec_zero();
    int32_t terms = 0;
    for (int64_t i = 0; i < n->images * n->rows; i++)
      for (int64_t x = 0; x < width; x += VEC) {
        sum = vec_add(sum, vec_load(dy + (i * channels + k) * width + x));
        if (++terms < SUM_TERMS) continue;
        n->db[k] += vec_sum(sum);
        sum = vec_zero();
        terms = 0;
      }
    n->db[k] += vec_sum(sum);
  }
}

/* dw[j][k] += sum[j][k] */
ALWAYS_INLINE void add_sums(const narrow_weights *n, const vec *sum, float *dw, int channels,
                            int cols) {
#pragma GCC unroll 5
  for (int j = 0; j < cols; j++)
#pragma GCC unroll 8
    for (int k = 0; k < channels; k++)
      if (k < n->lanes) dw[j * CN_BLOCK + k] += vec_sum(sum[j * channels + k]);
}

/* dw[j][k] += sum over the pixels of dy[k] x[j], for `cols` consecutive taps, in partial sums of at
 * most SUM_TERMS vectors. */
ALWAYS_INLINE void sum_taps(const narrow_weights *n, const float *x, const float *dy, int64_t width,
                            float *dw, int channels, int cols) {
  vec sum[NARROW_SUMS];
  int64_t room = SUM_TERMS;
#pragma GCC unroll 30
  for (int i = 0; i < channels * cols; i++) sum[i] = vec_zero();
  for (int64_t i = 0; i < n->images; i++)
    for (int64_t y = 0; y < n->rows; y++, dy += channels * width)
      for (int64_t at = 0; at < n->width;) {
        if (room == 0) {
          add_sums(n, sum, dw, channels, cols);
#pragma GCC unroll 30
          for (int c = 0; c < channels * cols; c++) sum[c] = vec_zero();
          room = SUM_TERMS;
        }
        const int64_t end = min_i64(n->width, at + room * VEC);
        room -= ceil_div(end - at, VEC);
        for (; at < end; at += VEC) {
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
      }
  add_sums(n, sum, dw, channels, cols);
}

/* Accumulates all taps of a filter row. */
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

ALWAYS_INLINE void sum_weights(const narrow_weights *n, float *transposed, float *dw,
                               int channels) {
  const int64_t width = ceil_div(n->width, CN_BLOCK) * CN_BLOCK;
  if (n->winners != NULL)
    transpose_windows(n, channels, width, transposed);
  else
    transpose_rows(n, channels, width, transposed);
  if (n->db != NULL) sum_bias(n, transposed, channels, width);
  for (int32_t c = 0; c < n->channels; c++)
    for (int32_t i = 0; i < n->kernel_h; i++, dw += n->kernel_w * CN_BLOCK)
      sum_filter_row(n, n->x + c * n->x_plane + i * n->tap_row, transposed, width, dw, channels);
}

void narrow_backward_weights(const narrow_weights *n, float *transposed, float *dw) {
  if (n->lanes <= 2)
    sum_weights(n, transposed, dw, 2);
  else if (n->lanes <= 4)
    sum_weights(n, transposed, dw, 4);
  else if (n->lanes <= 6)
    sum_weights(n, transposed, dw, 6);
  else
    sum_weights(n, transposed, dw, 8);
}
