/*
 * Backward-data for a dx of few channels. Channels would leave most lanes empty, so the lanes hold
 * 16 samples. The gradients of 16 samples are transposed, pixel by pixel, before and after.
 *
 *   dx[c][x][n] = sum over k, r, s of w[k][c][r][s] dy[k][pixel][n]
 *
 * An item is a band of rows of dx, to which the blocks of channels of dy are added one after the
 * other. A tile covers consecutive pixels and all channels: each value of dy is used for all
 * channels, each weight for all pixels.
 */
#include "conv.h"

enum { SQUARE = CN_BLOCK * CN_BLOCK };

_Static_assert((int)SAMPLE_SUMS >= (int)SAMPLE_CHANNELS &&
                   (int)SAMPLE_SUMS <= (int)MOST_SAMPLE_SUMS,
               "a tile has a pixel at least, and no more than the margins of the plan allow");

typedef struct samples_job {
  const cn_conv2d *conv;
  samples_plan plan;
  view dxv, dyv;
  int64_t n;
  const float *dy, *w;
  float *dx, *own;
  const tail *tail; /* used if dx is blocked */
} samples_job;

/* Rows y0..y1 - 1 of dx for the samples from n0 on, and the rows first..end - 1 of dy that
 * contribute to them. */
typedef struct band {
  int64_t n0, samples;
  int32_t y0, y1;
  int64_t first, end;
} band;

/* The filter rows that contribute to a row of dx, starting with filter row `tap`, which reads row
 * `src` of dy. */
typedef struct dx_row {
  int64_t src, tap;
  int32_t count, src_tap, tap_step;
} dx_row;

static dx_row row_at(const cn_conv2d *c, int32_t y) {
  const axis a = axis_backward(c->window.kernel_h, c->window.stride_h, c->window.dilation_h,
                               c->window.pad_top, c->dx.h, y % c->window.stride_h);
  const int64_t t = y / c->window.stride_h;
  const taps inside = axis_taps_inside(&a, 1, c->dy.h, t, t);
  return (dx_row){.src = t + a.src + inside.first * a.src_tap,
                  .tap = a.tap + inside.first * a.tap_step,
                  .count = inside.end - inside.first,
                  .src_tap = a.src_tap,
                  .tap_step = a.tap_step};
}

static band band_at(const samples_job *job, int64_t item) {
  const cn_conv2d *c = job->conv;
  const samples_plan *p = &job->plan;
  band b = {.n0 = item / p->bands * CN_BLOCK, .first = c->dy.h};
  b.samples = min_i64(CN_BLOCK, job->n - b.n0);
  b.y0 = (int32_t)(item % p->bands) * p->rows;
  b.y1 = min_i32(b.y0 + p->rows, c->dx.h);
  for (int32_t y = b.y0; y < b.y1; y++) {
    const dx_row r = row_at(c, y);
    if (r.count == 0) continue;
    b.first = min_i64(b.first, r.src + (r.count - 1) * r.src_tap);
    b.end = max_i64(b.end, r.src + 1);
  }
  return b;
}

/* Copies a block of channels of dy to to[y][x][16k][16n], with columns of zeros on both sides. */
static void gather(const samples_job *job, const band *b, int64_t block, float *to) {
  const int64_t w = job->conv->dy.w, zeros = job->plan.zeros * SQUARE;
  const float *plane = job->dy + plane_offset(&job->dyv, b->n0, block);
  float samples[SQUARE] = {0};
  for (int64_t y = b->first; y < b->end; y++, to += job->plan.dy_row) {
    float *pixel = to + job->plan.margin * SQUARE;
    memset(pixel - zeros, 0, (size_t)zeros * sizeof(float));
    memset(pixel + w * SQUARE, 0, (size_t)zeros * sizeof(float));
    for (int64_t x = 0; x < w; x++, pixel += SQUARE) {
      const float *from = plane + y * job->dyv.row + x * CN_BLOCK;
      for (int64_t i = 0; i < b->samples; i++)
        memcpy(samples + i * CN_BLOCK, from + i * job->dyv.sample, CN_BLOCK * sizeof(float));
      transpose_block(samples, pixel);
    }
  }
}

/* Operands and strides of a tile, or of all tiles of a row. */
typedef struct samples_sum {
  const float *dy, *w;
  float *dx;
  int64_t dy_row, dy_col, w_row, w_col, w_channel, dx_channel, dx_pixel;
  int32_t rows, cols, k;
  int32_t rows_together, taps_together; /* how many filter rows and taps form one partial sum */
  bool add;                             /* accumulate into dx */
} samples_sum;

/* dx (=|+=) sum over filter rows row..end - 1 and taps first..last - 1, for one vector of samples.
 * Meanwhile prefetches the pixels of the next row or of the next tile: a quarter of them per tap,
 * so that four taps fetch them all. */
ALWAYS_INLINE void sum_taps(const samples_sum *s, int64_t lane, int32_t row, int32_t end,
                            int32_t first, int32_t last, bool add, int channels, int pixels) {
  const int ahead = pixels / 4 + 1;
  vec sum[SAMPLE_PIXELS][SAMPLE_CHANNELS];
#pragma GCC unroll 14
  for (int x = 0; x < pixels; x++)
#pragma GCC unroll 8
    for (int c = 0; c < channels; c++) sum[x][c] = vec_zero();
  for (; row < end; row++)
    for (int32_t j = first; j < last; j++) {
      const float *dy = s->dy + row * s->dy_row + j * s->dy_col + lane;
      const float *w = s->w + row * s->w_row + j * s->w_col;
      const float *next =
          row + 1 < s->rows ? s->dy + (row + 1) * s->dy_row : s->dy + pixels * SQUARE;
      next += (j * ahead - s->cols + 1) * SQUARE;
      for (int32_t k = 0; k < s->k; k++, dy += CN_BLOCK, w++, next += CN_BLOCK) {
#pragma GCC unroll 4
        for (int q = 0; q < ahead; q++) prefetch_near(next + q * SQUARE);
        if (channels <= pixels) {
          vec weight[SAMPLE_CHANNELS];
#pragma GCC unroll 8
          for (int c = 0; c < channels; c++) weight[c] = vec_set1(w[c * s->w_channel]);
#pragma GCC unroll 14
          for (int x = 0; x < pixels; x++) {
            const vec v = vec_load(dy + x * SQUARE);
#pragma GCC unroll 8
            for (int c = 0; c < channels; c++) sum[x][c] = vec_fma(v, weight[c], sum[x][c]);
          }
        } else {
          vec v[SAMPLE_PIXELS];
#pragma GCC unroll 14
          for (int x = 0; x < pixels; x++) v[x] = vec_load(dy + x * SQUARE);
#pragma GCC unroll 8
          for (int c = 0; c < channels; c++) {
            const vec weight = vec_set1(w[c * s->w_channel]);
#pragma GCC unroll 14
            for (int x = 0; x < pixels; x++) sum[x][c] = vec_fma(v[x], weight, sum[x][c]);
          }
        }
      }
    }
#pragma GCC unroll 14
  for (int x = 0; x < pixels; x++)
#pragma GCC unroll 8
    for (int c = 0; c < channels; c++) {
      float *to = s->dx + c * s->dx_channel + x * s->dx_pixel + lane;
      vec_store(to, add ? vec_add(vec_load(to), sum[x][c]) : sum[x][c]);
    }
}

ALWAYS_INLINE void sum_tile(const samples_sum *s, int channels, int pixels) {
  for (int64_t lane = 0; lane < CN_BLOCK; lane += VEC)
    for (int32_t row = 0; row == 0 || row < s->rows; row += s->rows_together)
      for (int32_t tap = 0; tap == 0 || tap < s->cols; tap += s->taps_together)
        sum_taps(s, lane, row, min_i32(row + s->rows_together, s->rows), tap,
                 min_i32(tap + s->taps_together, s->cols), s->add || row > 0 || tap > 0, channels,
                 pixels);
}

/* The taps that read inside the image for at least one of `pixels` pixels from t on. */
ALWAYS_INLINE taps taps_of(const cn_conv2d *conv, const axis *a, int32_t t, int32_t pixels) {
  return axis_taps_inside(a, 1, conv->dy.w, t, min_i32(t + pixels, a->count) - 1);
}

/* Computes the pixels of a row with one residue. Tiles are as wide as the registers allow, or half
 * as wide at the end of the row and where the narrower tile needs fewer taps. The last tile may
 * compute pixels beyond the row, which are ignored. */
ALWAYS_INLINE void sum_class(const cn_conv2d *conv, samples_sum s, const axis *a, int channels) {
  const int fit = SAMPLE_SUMS / channels, most = fit < SAMPLE_PIXELS ? fit : SAMPLE_PIXELS;
  const int half = (most + 1) / 2;
  for (int32_t t = 0, pixels; t < a->count; t += pixels) {
    const taps of_half = taps_of(conv, a, t, half), of_most = taps_of(conv, a, t, most);
    const bool whole =
        a->count - t > half && of_half.end - of_half.first == of_most.end - of_most.first;
    const taps inside = whole ? of_most : of_half;
    pixels = whole ? most : half;
    samples_sum tile = s;
    tile.dy += (t + inside.first * a->src_tap) * SQUARE;
    tile.w += inside.first * s.w_col;
    tile.dx += t * s.dx_pixel;
    tile.cols = inside.end - inside.first;
    if (pixels == most)
      sum_tile(&tile, channels, most);
    else
      sum_tile(&tile, channels, half);
  }
}

#define EACH_CHANNELS(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8)
#define SUM_CLASS(channels)                                                                        \
  static void sum_class_##channels(const cn_conv2d *conv, const samples_sum *s, const axis *a) {   \
    sum_class(conv, *s, a, channels);                                                              \
  }
EACH_CHANNELS(SUM_CLASS)

typedef void (*class_kernel)(const cn_conv2d *conv, const samples_sum *s, const axis *a);
#define CLASS_ENTRY(channels) [channels] = sum_class_##channels,
static const class_kernel class_kernels[SAMPLE_CHANNELS + 1] = {EACH_CHANNELS(CLASS_ENTRY)};

/* to[y][c][x][16n] (=|+=) the contribution of a block of dy to the rows of a band. */
static void add_block(const samples_job *job, const band *b, int64_t block, const float *dy,
                      float *to) {
  const cn_conv2d *c = job->conv;
  const samples_plan *p = &job->plan;
  const float *w = job->w + block * p->w_block;
  for (int32_t y = b->y0; y < b->y1; y++, to += p->dx_row) {
    const dx_row r = row_at(c, y);
    for (int32_t residue = 0; residue < min_i32(c->window.stride_w, c->dx.w); residue++) {
      const axis a = axis_backward(c->window.kernel_w, c->window.stride_w, c->window.dilation_w,
                                   c->window.pad_left, c->dx.w, residue);
      const int32_t row_terms = max_i32(1, a.taps * p->k);
      const samples_sum s = {.dy =
                                 dy + (r.src - b->first) * p->dy_row + (p->margin + a.src) * SQUARE,
                             .w = w + r.tap * p->w_row + a.tap * p->w_col,
                             .dx = to + residue * CN_BLOCK,
                             .dy_row = r.src_tap * p->dy_row,
                             .dy_col = (int64_t)a.src_tap * SQUARE,
                             .w_row = r.tap_step * p->w_row,
                             .w_col = a.tap_step * p->w_col,
                             .w_channel = p->w_channel,
                             .dx_channel = p->dx_cols * CN_BLOCK,
                             .dx_pixel = (int64_t)c->window.stride_w * CN_BLOCK,
                             .rows = r.count,
                             .k = p->k,
                             .rows_together = max_i32(1, SUM_TERMS / row_terms),
                             .taps_together = max_i32(1, SUM_TERMS / p->k),
                             .add = block > 0};
      class_kernels[c->dx.c](c, &s, &a);
    }
  }
}

/* Writes a row of plain dx from [c][x][16n]. */
static void spread_planes(const samples_job *job, const band *b, int64_t y, const float *row) {
  const cn_tensor *dx = &job->conv->dx;
  const view *v = &job->dxv;
  for (int64_t c = 0; c < dx->c; c++, row += job->plan.dx_cols * CN_BLOCK) {
    for (int64_t x = 0; x < dx->w; x += CN_BLOCK) {
      float samples[SQUARE];
      transpose_block(row + x * CN_BLOCK, samples);
      for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
        const vec_mask inside = vec_first(dx->w - x - lane);
        for (int64_t i = 0; i < b->samples; i++)
          vec_store_some(job->dx + plane_offset(v, b->n0 + i, c) + y * v->row + x + lane, inside,
                         vec_load(samples + i * CN_BLOCK + lane));
      }
    }
    for (int64_t i = 0; i < b->samples; i++)
      zero_border(dx, v, job->dx + plane_offset(v, b->n0 + i, c), y, y + 1);
  }
}

/* Writes a row of blocked dx from [c][x][16n] and applies the tail to it. */
static void spread_pixels(const samples_job *job, const band *b, int64_t y, const float *row) {
  const cn_tensor *dx = &job->conv->dx;
  const view *v = &job->dxv;
  float channels[SQUARE] = {0};
  for (int64_t x = 0; x < dx->w; x++) {
    float samples[SQUARE];
    for (int64_t c = 0; c < dx->c; c++)
      memcpy(channels + c * CN_BLOCK, row + (c * job->plan.dx_cols + x) * CN_BLOCK,
             CN_BLOCK * sizeof(float));
    transpose_block(channels, samples);
    for (int64_t i = 0; i < b->samples; i++)
      memcpy(job->dx + plane_offset(v, b->n0 + i, 0) + y * v->row + x * CN_BLOCK,
             samples + i * CN_BLOCK, CN_BLOCK * sizeof(float));
  }
  for (int64_t i = 0; i < b->samples; i++)
    tail_rows(job->tail, dx, v, b->n0 + i, 0, y, y + 1, job->dx + plane_offset(v, b->n0 + i, 0));
}

/* Items are bands of 16 samples each. */
BODY(samples_items) {
  const samples_job *job = state;
  const samples_plan *p = &job->plan;
  float *dy = job->own + thread * p->own_floats, *dx = dy + p->dy_floats;
  for (int64_t item = first; item < last; item++) {
    const band b = band_at(job, item);
    for (int64_t block = 0; block < p->y_blocks; block++) {
      gather(job, &b, block, dy);
      add_block(job, &b, block, dy, dx);
    }
    for (int32_t y = b.y0; y < b.y1; y++) {
      const float *row = dx + (y - b.y0) * p->dx_row;
      if (job->conv->dx.layout == CN_PLAIN)
        spread_planes(job, &b, y, row);
      else
        spread_pixels(job, &b, y, row);
    }
  }
}

void ISA_NAME(conv_samples_backward_data)(const conv_call *call) {
  const conv_shape shape = shape_of_call(call);
  const cn_tensor *dx = &call->conv->dx;
  const tail t = tail_of(call);
  const samples_job job = {.conv = call->conv,
                           .plan = samples_plan_of(call->conv, call->n),
                           .dxv = view_of(dx, call->n),
                           .dyv = view_of(&call->conv->dy, call->n),
                           .n = call->n,
                           .dy = call->dy,
                           .w = call->w,
                           .dx = call->out,
                           .own = call->workspace,
                           .tail = &t};
  run_parallel(call->context, shape_operations(&shape), samples_items,
               ceil_div(call->n, CN_BLOCK) * job.plan.bands, &job);
  if (dx->layout == CN_PLAIN) run_tail(call->context, &t, dx, call->n, call->out);
}
