/* Declarations shared by the convolution, linear and pooling kernels. */
#ifndef CN_CONV_H
#define CN_CONV_H

#include "../conv_call.h"
#include "../parallel.h"
#include "../winograd_plan.h"
#include "activation.h"
#include "gemm.h"
#include "update.h"

/* Results of at least this many floats are stored with non-temporal stores, because they would be
 * evicted before they are read again: 32 MiB, or 24 MiB for Winograd, whose stores come in bursts
 * that delay loads. */
enum { STREAMED_FLOATS = 8 * 1024 * 1024, BURSTS_FLOATS = 6 * 1024 * 1024 };

/* Whether to use non-temporal stores for a tensor of n samples: it must exceed `floats`, and
 * vectors must be whole cache lines. */
static inline bool stores_stream(const view *v, int64_t n, int64_t floats) {
  return (int)VEC == (int)CN_BLOCK && n * v->planes * v->plane > floats;
}

/* After the last value has been streamed, stream_end is required. */
static inline void store_or_stream(bool stream, float *to, vec value) {
  if (stream)
    vec_stream(to, value);
  else
    vec_store(to, value);
}

/* Offset of pixel (0, 0) of plane `block` of a sample. */
static inline int64_t plane_offset(const view *v, int64_t sample, int64_t block) {
  return v->origin + sample * v->sample + block * v->plane;
}

/* The same of a plane that is counted over all samples. */
static inline int64_t plane_start(const view *v, int64_t plane) {
  return plane_offset(v, plane / v->planes, plane % v->planes);
}

/* The taps first..end - 1 of an axis that read inside the image for at least one position t0..t1.
 * All other taps read padding only and contribute nothing. */
typedef struct taps {
  int32_t first, end;
} taps;

static inline taps axis_taps_inside(const axis *a, int64_t src_stride, int64_t size, int64_t t0,
                                    int64_t t1) {
  const int64_t low = t0 * src_stride + a->src, high = t1 * src_stride + a->src;
  taps r = {0, a->taps};
  while (r.first < r.end && (high + r.first * a->src_tap < 0 || low + r.first * a->src_tap >= size))
    r.first++;
  while (r.end > r.first &&
         (high + (r.end - 1) * a->src_tap < 0 || low + (r.end - 1) * a->src_tap >= size))
    r.end--;
  return r;
}

/* A window of rows x cols pixels from (y0, x0) in several planes; zero outside the image. */
typedef struct window {
  int64_t y0, x0, rows, cols, planes;
} window;

/* Copies a window to buffer[plane][row][col] without gaps. src points to pixel (0, 0) of the first
 * plane. */
static inline void pack_window(const cn_tensor *t, const view *v, const float *src, window w,
                               float *buffer) {
  const int64_t left = min_i64(w.cols, max_i64(0, -w.x0));
  const int64_t right = min_i64(w.cols, max_i64(0, w.x0 + w.cols - t->w));
  const int64_t inside = w.cols - left - right;
  const size_t pixel_bytes = (size_t)v->pixel * sizeof(float);
  for (int64_t p = 0; p < w.planes; p++)
    for (int64_t r = 0; r < w.rows; r++, buffer += w.cols * v->pixel) {
      const int64_t y = w.y0 + r;
      if (y < 0 || y >= t->h || inside <= 0) {
        memset(buffer, 0, (size_t)w.cols * pixel_bytes);
        continue;
      }
      const float *row = src + p * v->plane + y * v->row + (w.x0 + left) * v->pixel;
      memset(buffer, 0, (size_t)left * pixel_bytes);
      memcpy(buffer + left * v->pixel, row, (size_t)inside * pixel_bytes);
      memset(buffer + (left + inside) * v->pixel, 0, (size_t)right * pixel_bytes);
    }
}

/* Kernels copy this struct to a local variable. Otherwise the compiler must assume that a store to
 * a tensor changes it, and reload its fields. */
typedef struct pool_job {
  cn_pool2d pool;
  view xv, yv, dxv; /* yv: of y, or of dy */
  const float *x, *dy;
  float *y, *dx;
  uint8_t *new_winners;
  const uint8_t *winners;
  bool alone, whole; /* alone: windows do not overlap; whole: windows also cover every pixel */
  bool crowded;      /* a pixel may belong to more than SUM_TERMS windows */
} pool_job;

/* Computes rows oy0..oy1 - 1 of y in plane `plane`, counted over all samples. x points to pixel (0,
 * 0) of the corresponding plane. */
#define pool_rows ISA_NAME(pool_rows)
void pool_rows(const pool_job *job, int64_t plane, const float *x, int64_t oy0, int64_t oy1);

/*
 * The operations fused behind a convolution. They are applied to rows of dst whose sums are
 * complete, in this order: add a residual; apply the activation, or, if its outputs are given,
 * multiply by its slope; compute the statistics of each row. A null pointer or CN_IDENTITY skips an
 * operation.
 */
typedef struct tail {
  const float *add, *outputs; /* both have the shape of dst */
  view av, ov;
  cn_activation activation;
  float *statistics; /* as in convnet.h: cn_row_statistics */
  /* If not null, this pooling replaces all of the above: the rows go to a per-thread buffer and are
   * pooled from there into y. */
  const pool_job *pool;
} tail;

enum { ROW_STATISTICS = 2 * CN_BLOCK }; /* floats per row */

static inline bool tail_is_empty(const tail *t) {
  return t->add == NULL && t->activation.kind == CN_IDENTITY && t->statistics == NULL;
}

/* to[0..15] = mean of w pixels, per lane; to[16..31] = sum of squared deviations from that mean. */
#define row_statistics ISA_NAME(row_statistics)
void row_statistics(const float *x, int64_t w, float *to);

/* Applies the tail to rows y0..y1 - 1 of one plane and zeroes their halo. values points to pixel
 * (0, 0) of the plane. */
#define tail_rows ISA_NAME(tail_rows)
void tail_rows(const tail *t, const cn_tensor *dst, const view *v, int64_t sample, int64_t plane,
               int64_t y0, int64_t y1, float *values);

/* Applies the tail to a whole tensor, for algorithms that do not fuse it. */
#define run_tail ISA_NAME(run_tail)
void run_tail(const cn_context *context, const tail *t, const cn_tensor *dst, int64_t n,
              float *values);

/* Forward pass of the stem, full and grouped forms. bias may be null. */
#define run_sweep ISA_NAME(run_sweep)
void run_sweep(const cn_context *context, const sweep *plan, const float *src, const float *weights,
               const float *bias, cn_activation activation, const tail *t, float *dst,
               float *workspace);

/* The operation of gemm.h for one block of up to NARROW_CHANNELS lanes and `columns` columns, with
 * b_n = 1 and c_n = 16. Sums are not split. */
#define narrow_forward ISA_NAME(narrow_forward)
void narrow_forward(const gemm_args *g, int64_t columns);

/* The index of a winner, or CN_NO_WINNER where the slope of the activation f, CN_RELU or CN_RELU6,
 * is 0. y is the value of the winner, an output of f. */
ALWAYS_INLINE vec winner_after(cn_activation f, vec y, vec at) {
  const vec none = vec_set1(CN_NO_WINNER);
  if (f.kind == CN_RELU) return vec_select(vec_not_le(y, vec_zero()), at, none);
  if (f.kind == CN_IDENTITY) return at;
  at = vec_select(vec_not_le(vec_set1(6.0f), y), at, none);
  return vec_select(vec_not_le(y, vec_zero()), at, none);
}

/* Per-thread buffers for two rows of pixels and the 2x2 windows over them. A maximum has no winner
 * where the slope of the activation that its pixels are outputs of is 0. */
typedef struct narrow_windows {
  float above[2 * CN_BLOCK * CN_BLOCK], below[2 * CN_BLOCK * CN_BLOCK];
  float largest[CN_BLOCK * CN_BLOCK], winners[CN_BLOCK * CN_BLOCK];
  cn_activation activation;
} narrow_windows;

#define narrow_windows_init ISA_NAME(narrow_windows_init)
void narrow_windows_init(cn_activation activation, narrow_windows *to);

/* Computes two neighbouring rows as narrow_forward does, and the maxima of the `columns` windows
 * over them: y is [column][16]; winners, unless null, are as in convnet.h. */
#define narrow_pool ISA_NAME(narrow_pool)
void narrow_pool(const gemm_args *upper, const gemm_args *lower, int64_t columns, narrow_windows *w,
                 float *y, uint8_t *winners);

/* Operands of the backward-weights pass of a narrow stem with a stride_w of 1: rows row0..row0 +
 * rows - 1 of several images, for all taps. */
typedef struct narrow_weights {
  const float *x, *dy; /* x: what the first tap reads for row row0; dy: row 0 */
  int64_t x_image, x_plane, x_row, tap_row, tap_col;
  int64_t dy_image, dy_row;
  int64_t images, row0, rows, width;
  int32_t channels, kernel_h, kernel_w, lanes;
  float *db; /* accumulates the sums of dy, unless null */
  /* If winners is not null, dy is the gradient of a max pool over windows of 2x2 behind the
   * convolution, and has that pool's size. */
  const uint8_t *winners;
  int64_t pooled_rows, pooled_width;
} narrow_weights;

/* dw[channel][kernel_h][kernel_w][16] += sums over the rows. transposed is the buffer that the plan
 * provides. */
#define narrow_backward_weights ISA_NAME(narrow_backward_weights)
void narrow_backward_weights(const narrow_weights *n, float *transposed, float *dw);

/* Backward-weights of the stem, full and grouped forms, and of a linear layer. If pool is not null
 * (see shape_pools_narrow), dy is the gradient of the pool's output. */
#define run_weights ISA_NAME(run_weights)
void run_weights(const cn_context *context, const weights_plan *plan, const float *x,
                 const float *dy, const cn_pool2d *pool, const uint8_t *winners,
                 const gradient_use *use, float *workspace);

/* to[16] (=|+=) sum over rows y0..y1 - 1, of w pixels each, of one plane in several images. */
#define sum_bias_rows ISA_NAME(sum_bias_rows)
void sum_bias_rows(const view *v, const float *plane, int64_t w, int64_t images, int64_t y0,
                   int64_t y1, bool add, float *to);

/* Partial sums of the weight gradients, followed by those of the bias gradient: one set per chunk.
 * Chunks are added in order, so the result does not depend on the thread count. */
typedef struct chunk_sums {
  float *chunks;
  int64_t count, chunk_floats, weights; /* weights: offset of the bias */
  gradient_use use;
} chunk_sums;

static inline bool wants_bias(const chunk_sums *s) {
  return s->use.db != NULL || s->use.steps.bias.values != NULL;
}

static inline bool takes_step(const chunk_sums *s) { return s->use.steps.weights.values != NULL; }

/* Vectors of 16 floats that have to be added up. */
static inline int64_t chunk_sum_vectors(const chunk_sums *s) {
  return (wants_bias(s) ? s->chunk_floats : s->weights) / CN_BLOCK;
}

/* Adds up vectors first..last - 1 over all chunks, stores them if requested, and applies the
 * optimiser step. */
#define add_chunks ISA_NAME(add_chunks)
void add_chunks(const chunk_sums *s, int64_t first, int64_t last);

/* The operations of a call that are applied to complete rows. With a residual, the activation of
 * the forward pass applies to the sum, and so is one of them. */
static inline tail tail_of(const conv_call *call) {
  const cn_epilogue *e = call->epilogue;
  tail t = {.add = NULL};
  if (call_does(call, CN_ADD)) {
    t.add = e->add_values;
    t.av = view_of(&e->add, call->n);
  }
  if (call_does(call, CN_SLOPE)) {
    t.outputs = e->output_values;
    t.ov = view_of(&e->outputs, call->n);
  }
  if (call_does(call, CN_SLOPE) || (call_does(call, CN_ADD) && call_does(call, CN_ACTIVATE)))
    t.activation = e->activation;
  if (call_does(call, CN_STATISTICS)) t.statistics = e->statistics;
  return t;
}

/* The pool of a call; its y is the output of the call. */
static inline pool_job pool_job_of(const conv_call *call) {
  const cn_pool2d *pool = call->epilogue->pool;
  if (!call_does(call, CN_POOL)) return (pool_job){.x = NULL};
  return (pool_job){.pool = *pool,
                    .xv = view_of(&call->conv->y, call->n),
                    .yv = view_of(&pool->y, call->n),
                    .y = call->out,
                    .new_winners = pool->winners != 0 ? call->epilogue->winners : NULL};
}

/* The activation that is applied to sums before they are stored. */
static inline cn_activation activation_of(const conv_call *call) {
  const bool now = call_does(call, CN_ACTIVATE) && !call_does(call, CN_ADD);
  return now ? call->epilogue->activation : (cn_activation){0};
}

/* The bias, or null. */
static inline const float *bias_of(const conv_call *call) {
  return call_does(call, CN_BIAS) ? call->epilogue->bias : NULL;
}

#endif
