/*
 * Backward-data with a stride of 1 for a dx of few channels. Channels would leave most lanes empty,
 * so the lanes hold pixels of a row. The gradients of a band of rows are transposed before and
 * after.
 *
 *   dx[c][x] = sum over k, r, s of w[k][c][r][s] dy[k][y + pad - r][x + pad - s]
 *
 * The blocks of channels of dy are added one after the other. A tile covers one or two vectors of
 * pixels and all channels: each vector of dy is used for all channels.
 */
#include "conv.h"

enum { SQUARE = CN_BLOCK * CN_BLOCK };

typedef struct pixels_job {
  const cn_conv2d *conv;
  pixels_plan plan;
  view dxv, dyv;
  const float *dy, *w;
  float *dx, *own;
  const tail *tail; /* used if dx is blocked */
} pixels_job;

/* Rows y0..y1 - 1 of dx of one sample, and the rows first..end - 1 of dy that contribute to them.
 */
typedef struct band {
  int64_t sample, y0, y1, first, end;
} band;

static band band_at(const pixels_job *job, int64_t item) {
  const cn_window *window = &job->conv->window;
  const pixels_plan *p = &job->plan;
  band b = {.sample = item / p->bands, .y0 = item % p->bands * p->rows};
  b.y1 = min_i64(b.y0 + p->rows, job->conv->dx.h);
  b.first =
      max_i64(0, b.y0 + window->pad_top - (int64_t)(window->kernel_h - 1) * window->dilation_h);
  b.end = max_i64(b.first, min_i64(job->conv->dy.h, b.y1 + window->pad_top));
  return b;
}

/* Copies a block of channels of dy to to[y][16k][dy_cols]. */
static void gather(const pixels_job *job, const band *b, int64_t block, float *to) {
  const pixels_plan *p = &job->plan;
  const int64_t w = job->conv->dy.w;
  const float *row = job->dy + plane_offset(&job->dyv, b->sample, block) + b->first * job->dyv.row;
  for (int64_t y = b->first; y < b->end; y++, row += job->dyv.row, to += p->dy_row) {
    memset(to, 0, (size_t)p->dy_row * sizeof(float));
    for (int64_t x = 0; x < w; x += CN_BLOCK) {
      float pixels[SQUARE] = {0}, channels[SQUARE];
      const bool whole = w - x >= CN_BLOCK;
      const float *from = row + x * CN_BLOCK;
      if (!whole) memcpy(pixels, from, (size_t)(w - x) * CN_BLOCK * sizeof(float));
      transpose_block(whole ? from : pixels, channels);
      for (int32_t k = 0; k < p->k; k++)
        memcpy(to + k * p->dy_cols + p->left + x, channels + k * CN_BLOCK,
               CN_BLOCK * sizeof(float));
    }
  }
}

/* Operands and strides of a row. */
typedef struct pixels_sum {
  const float *dy, *w; /* what the first tap reads, and its weights */
  float *dx;
  int64_t dy_row, dy_tap, dy_channel, w_row, w_col, w_channel, dx_channel;
  int32_t rows, cols, k;
  int32_t rows_together, taps_together; /* how many filter rows and taps form one partial sum */
  bool add;                             /* accumulate into dx */
} pixels_sum;

/* dx (=|+=) sum over filter rows row..end - 1 and taps first..last - 1, for `vectors` vectors of
 * pixels from x on. */
ALWAYS_INLINE void sum_taps(const pixels_sum *s, int64_t x, int32_t row, int32_t end, int32_t first,
                            int32_t last, bool add, int channels, int vectors) {
  vec sum[2 * SAMPLE_CHANNELS];
#pragma GCC unroll 16
  for (int i = 0; i < channels * vectors; i++) sum[i] = vec_zero();
  for (; row < end; row++)
    for (int32_t j = first; j < last; j++) {
      const float *dy = s->dy + row * s->dy_row + j * s->dy_tap + x;
      const float *w = s->w + row * s->w_row + j * s->w_col;
      for (int32_t k = 0; k < s->k; k++, dy += s->dy_channel, w++) {
        vec v[2];
#pragma GCC unroll 2
        for (int i = 0; i < vectors; i++) v[i] = vec_load(dy + i * VEC);
#pragma GCC unroll 8
        for (int c = 0; c < channels; c++) {
          const vec weight = vec_set1(w[c * s->w_channel]);
#pragma GCC unroll 2
          for (int i = 0; i < vectors; i++)
            sum[c * vectors + i] = vec_fma(weight, v[i], sum[c * vectors + i]);
        }
      }
    }
#pragma GCC unroll 8
  for (int c = 0; c < channels; c++)
#pragma GCC unroll 2
    for (int i = 0; i < vectors; i++) {
      float *to = s->dx + c * s->dx_channel + x + i * VEC;
      vec_store(to, add ? vec_add(vec_load(to), sum[c * vectors + i]) : sum[c * vectors + i]);
    }
}

/* Without taps inside the image, the sum is zero. */
ALWAYS_INLINE void sum_pixels(const pixels_sum *s, int64_t x, int channels, int vectors) {
  for (int32_t row = 0; row == 0 || row < s->rows; row += s->rows_together)
    for (int32_t tap = 0; tap == 0 || tap < s->cols; tap += s->taps_together)
      sum_taps(s, x, row, min_i32(row + s->rows_together, s->rows), tap,
               min_i32(tap + s->taps_together, s->cols), s->add || row > 0 || tap > 0, channels,
               vectors);
}

ALWAYS_INLINE void sum_row(const pixels_sum *s, int64_t width, int channels) {
  const int vectors = 2 * channels <= NARROW_SUMS ? 2 : 1;
  int64_t x = 0;
  for (; x + (vectors - 1) * VEC < width; x += vectors * VEC) sum_pixels(s, x, channels, vectors);
  if (x < width) sum_pixels(s, x, channels, 1);
}

#define EACH_CHANNELS(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8)
#define SUM_ROW(channels)                                                                          \
  static void sum_row_##channels(const pixels_sum *s, int64_t width) {                             \
    sum_row(s, width, channels);                                                                   \
  }
EACH_CHANNELS(SUM_ROW)

typedef void (*row_kernel)(const pixels_sum *s, int64_t width);
#define ROW_ENTRY(channels) [channels] = sum_row_##channels,
static const row_kernel row_kernels[SAMPLE_CHANNELS + 1] = {EACH_CHANNELS(ROW_ENTRY)};

/* to[y][c][dx_cols] (=|+=) the contribution of a block of dy to the rows of a band. */
static void add_block(const pixels_job *job, const band *b, int64_t block, const float *dy,
                      float *to) {
  const cn_conv2d *conv = job->conv;
  const cn_window *window = &conv->window;
  const pixels_plan *p = &job->plan;
  const axis rows =
      axis_backward(window->kernel_h, 1, window->dilation_h, window->pad_top, conv->dx.h, 0);
  const int32_t row_terms = window->kernel_w * p->k;
  for (int64_t y = b->y0; y < b->y1; y++, to += p->dx_row) {
    const taps inside = axis_taps_inside(&rows, 1, conv->dy.h, y, y);
    const int64_t source = y + rows.src + inside.first * rows.src_tap;
    const pixels_sum s = {.dy = dy + (source - b->first) * p->dy_row + p->left + window->pad_left,
                          .w = job->w + block * p->w_block + inside.first * p->w_row,
                          .dx = to,
                          .dy_row = rows.src_tap * p->dy_row,
                          .dy_tap = -window->dilation_w,
                          .dy_channel = p->dy_cols,
                          .w_row = p->w_row,
                          .w_col = p->w_col,
                          .w_channel = p->w_channel,
                          .dx_channel = p->dx_cols,
                          .rows = inside.end - inside.first,
                          .cols = window->kernel_w,
                          .k = p->k,
                          .rows_together = max_i32(1, SUM_TERMS / row_terms),
                          .taps_together = max_i32(1, SUM_TERMS / p->k),
                          .add = block > 0};
    row_kernels[conv->dx.c](&s, conv->dx.w);
  }
}

/* Writes a row of plain dx from [c][dx_cols]. */
static void spread_planes(const pixels_job *job, const band *b, int64_t y, const float *row) {
  const cn_tensor *dx = &job->conv->dx;
  const view *v = &job->dxv;
  for (int64_t c = 0; c < dx->c; c++, row += job->plan.dx_cols) {
    float *plane = job->dx + plane_offset(v, b->sample, c);
    memcpy(plane + y * v->row, row, (size_t)dx->w * sizeof(float));
    zero_border(dx, v, plane, y, y + 1);
  }
}

/* Writes a row of blocked dx from [c][dx_cols] and applies the tail to it. */
static void spread_pixels(const pixels_job *job, const band *b, int64_t y, const float *row) {
  const cn_tensor *dx = &job->conv->dx;
  const view *v = &job->dxv;
  float channels[SQUARE] = {0}, *plane = job->dx + plane_offset(v, b->sample, 0);
  for (int64_t x = 0; x < dx->w; x += CN_BLOCK) {
    const bool whole = dx->w - x >= CN_BLOCK;
    float pixels[SQUARE], *to = plane + y * v->row + x * CN_BLOCK;
    for (int64_t c = 0; c < dx->c; c++)
      memcpy(channels + c * CN_BLOCK, row + c * job->plan.dx_cols + x, CN_BLOCK * sizeof(float));
    transpose_block(channels, whole ? to : pixels);
    if (!whole) memcpy(to, pixels, (size_t)(dx->w - x) * CN_BLOCK * sizeof(float));
  }
  tail_rows(job->tail, dx, v, b->sample, 0, y, y + 1, plane);
}

/* Items are bands of rows of a sample. */
BODY(pixels_items) {
  const pixels_job *job = state;
  const pixels_plan *p = &job->plan;
  float *dy = job->own + thread * p->own_floats, *dx = dy + p->dy_floats;
  for (int64_t item = first; item < last; item++) {
    const band b = band_at(job, item);
    for (int64_t block = 0; block < p->y_blocks; block++) {
      gather(job, &b, block, dy);
      add_block(job, &b, block, dy, dx);
    }
    for (int64_t y = b.y0; y < b.y1; y++) {
      const float *row = dx + (y - b.y0) * p->dx_row;
      if (job->conv->dx.layout == CN_PLAIN)
        spread_planes(job, &b, y, row);
      else
        spread_pixels(job, &b, y, row);
    }
  }
}

void ISA_NAME(conv_pixels_backward_data)(const conv_call *call) {
  const conv_shape shape = shape_of_call(call);
  const cn_tensor *dx = &call->conv->dx;
  const tail t = tail_of(call);
  const pixels_job job = {.conv = call->conv,
                          .plan = pixels_plan_of(call->conv, call->n),
                          .dxv = view_of(dx, call->n),
                          .dyv = view_of(&call->conv->dy, call->n),
                          .dy = call->dy,
                          .w = call->w,
                          .dx = call->out,
                          .own = call->workspace,
                          .tail = &t};
  run_parallel(call->context, shape_operations(&shape), pixels_items, call->n * job.plan.bands,
               &job);
  if (dx->layout == CN_PLAIN) run_tail(call->context, &t, dx, call->n, call->out);
}
