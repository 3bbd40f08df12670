/* What the files of convolution and of the linear layer share. */
#ifndef CN_CONV_H
#define CN_CONV_H

#include "../winograd_plan.h"
#include "../parallel.h"
#include "gemm.h"
#include "update.h"

/* A larger result leaves the caches anyway: 32 MiB. Where stores come in bursts and hold up the
 * loads, it pays from 24 MiB on. */
enum { STREAMED_FLOATS = 8 * 1024 * 1024, BURSTS_FLOATS = 6 * 1024 * 1024 };

/* Whether to store all of n samples past the caches if they are more than so many floats, which
 * takes vectors of whole lines. */
static inline bool stores_stream(const view *v, int64_t n, int64_t floats) {
  return (int)VEC == (int)CN_BLOCK && n * v->planes * v->plane > floats;
}

/* Pixel (0, 0) of the first plane of a sample, at block `block`. */
static inline int64_t plane_offset(const view *v, int64_t sample, int64_t block) {
  return v->origin + sample * v->sample + block * v->plane;
}

/* The taps of an axis that find a pixel of src for any of the steps t0..t1; the others add nothing.
 */
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

/* rows x cols pixels from (y0, x0) of some planes, zero outside the image. */
typedef struct window {
  int64_t y0, x0, rows, cols, planes;
} window;

/* buffer[plane][row][col] = that window, without gaps; src is at pixel (0, 0) of the first plane.
 */
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

/* Bodies work on a copy of their own: else every store to a tensor would make the compiler read the
 * numbers below again. */
typedef struct pool_job {
  cn_pool2d pool;
  view xv, yv, dxv; /* yv is that of y or of dy */
  const float *x, *dy;
  float *y, *dx;
  uint8_t *new_winners;
  const uint8_t *winners;
  bool alone, whole; /* no pixel is in two windows; every pixel is in one */
  bool crowded;      /* a pixel may be in more than SUM_TERMS windows */
} pool_job;

/* Rows oy0..oy1 - 1 of plane number `plane`, counted over samples, of y; x is at pixel (0, 0). */
#define pool_rows ISA_NAME(pool_rows)
void pool_rows(const pool_job *job, int64_t plane, const float *x, int64_t oy0, int64_t oy1);

/*
 * What follows on rows of dst whose sums are complete, in this order: a sum with other values,
 * zeros where a mask is not above zero, a ReLU, the statistics of each row. A null leaves a part
 * out.
 */
typedef struct tail {
  const float *add, *mask; /* of the shape of dst */
  view av, mv;
  bool relu;
  float *statistics; /* as in convnet.h: cn_row_statistics */
  /* Pooling instead of all that: rows go to a buffer of the thread, and from there into y. */
  const pool_job *pool;
} tail;

enum { ROW_STATISTICS = 2 * CN_BLOCK }; /* floats of one row */

static inline bool tail_is_empty(const tail *t) {
  return t->add == NULL && t->mask == NULL && !t->relu && t->statistics == NULL;
}

/* to[0..15] = mean of w pixels per lane, to[16..31] = sum of squared deviations from it. */
#define row_statistics ISA_NAME(row_statistics)
void row_statistics(const float *x, int64_t w, float *to);

/* The tail on rows y0..y1 of one plane, whose pixel (0, 0) is at values, and the border beside
 * them.
 */
#define tail_rows ISA_NAME(tail_rows)
void tail_rows(const tail *t, const cn_tensor *dst, const view *v, int64_t sample, int64_t plane,
               int64_t y0, int64_t y1, float *values);

/* The tail as a pass of its own, behind an algorithm that knows nothing of it. */
#define run_tail ISA_NAME(run_tail)
void run_tail(int threads, const tail *t, const cn_tensor *dst, int64_t n, float *values);

/* Forward of the stem, full and grouped forms. */
#define run_sweep ISA_NAME(run_sweep)
void run_sweep(int threads, const sweep *w, const float *src, const float *weights,
               const float *bias, int flags, const tail *t, float *dst, float *workspace);

/* Backward-data of those: transposes the weights first. */
#define run_sweep_backward ISA_NAME(run_sweep_backward)
void run_sweep_backward(int threads, const sweep *w, const float *dy, const float *weights,
                        const tail *t, float *dx, float *workspace);

/* The same into the plain images of a stem: by blocks of channels, of which few are filled. */
#define run_stem_backward ISA_NAME(run_stem_backward)
void run_stem_backward(int threads, const cn_conv2d *conv, int64_t n, const float *dy,
                       const float *weights, float *dx, float *workspace);

/* What gemm.h says, for one block of up to NARROW_CHANNELS lanes, `columns` columns with b_n = 1
 * and c_n = 16, and sums of one part. */
#define narrow_forward ISA_NAME(narrow_forward)
void narrow_forward(const gemm_args *g, int64_t columns);

/* Two rows of pixels, and the windows of 2x2 over them, of a thread; cut: maxima up to zero have no
 * winner. */
typedef struct narrow_windows {
  float above[2 * CN_BLOCK * CN_BLOCK], below[2 * CN_BLOCK * CN_BLOCK];
  float largest[CN_BLOCK * CN_BLOCK], winners[CN_BLOCK * CN_BLOCK];
  bool cut;
} narrow_windows;

#define narrow_windows_init ISA_NAME(narrow_windows_init)
void narrow_windows_init(bool cut, narrow_windows *to);

/* Two neighbouring rows of such sums, and their maxima over `columns` windows: y of [column][16],
 * and the winners as in convnet.h unless null. */
#define narrow_pool ISA_NAME(narrow_pool)
void narrow_pool(const gemm_args *upper, const gemm_args *lower, int64_t columns, narrow_windows *w,
                 float *y, uint8_t *winners);

/* Rows row0.. of some images of a stem with a stride_w of 1, and all taps. */
typedef struct narrow_weights {
  const float *x, *dy; /* what the first tap finds for row row0, and row 0 */
  int64_t x_image, x_plane, x_row, tap_row, tap_col;
  int64_t dy_image, dy_row;
  int64_t images, row0, rows, width;
  int32_t channels, kernel_h, kernel_w, lanes;
  float *db; /* += the sums of dy, unless null */
  /* Unless null, dy is that of a pool over windows of 2x2, and so large. */
  const uint8_t *winners;
  int64_t pooled_rows, pooled_width;
} narrow_weights;

/* dw[channel][kernel_h][kernel_w][16] += their sums; turned is the buffer of the plan. */
#define narrow_backward_weights ISA_NAME(narrow_backward_weights)
void narrow_backward_weights(const narrow_weights *n, float *turned, float *dw);

/* With a pool, which shape_pools_narrow allows, dy is the gradient behind it. */
#define run_weights ISA_NAME(run_weights)
void run_weights(int threads, const weights_plan *plan, const float *x, const float *dy,
                 const cn_pool2d *pool, const uint8_t *winners, float *dw, float *db,
                 const cn_update *update, float *workspace);

/* Backward-data with samples in the lanes; see samples_plan. */
#define run_samples ISA_NAME(run_samples)
void run_samples(int threads, const cn_conv2d *conv, int64_t n, const float *dy, const float *w,
                 const tail *t, float *dx, float *workspace);

/* Forward, and backward-data with src = dy; flags are those of the layer. */
#define run_winograd ISA_NAME(run_winograd)
void run_winograd(int threads, const winograd_plan *p, const float *src, const float *weights,
                  const float *bias, int32_t flags, const tail *t, float *dst, float *workspace);

#define run_winograd_weights ISA_NAME(run_winograd_weights)
void run_winograd_weights(int threads, const winograd_weights_plan *p, const float *x,
                          const float *dy, float *dw, float *db, const cn_update *update,
                          float *workspace);

/* to[16] (=|+=) rows y0..y1 of w pixels of a plane of some images. */
#define sum_bias_rows ISA_NAME(sum_bias_rows)
void sum_bias_rows(const view *v, const float *plane, int64_t w, int64_t images, int64_t y0,
                   int64_t y1, bool add, float *to);

/* Sums of the weights and then of the bias, in chunks that are to be added up in their order. */
typedef struct chunk_sums {
  float *chunks;
  int64_t count, chunk_floats, weights; /* weights: where the bias begins */
  float *dw, *db;                       /* null where they are not kept */
  layer_steps steps; /* of weights: null where dw and db are all that is wanted */
} chunk_sums;

static inline bool wants_bias(const chunk_sums *s) {
  return s->db != NULL || s->steps.bias.values != NULL;
}

static inline bool takes_step(const chunk_sums *s) { return s->steps.weights.values != NULL; }

/* Vectors of 16 floats that anybody wants. */
static inline int64_t chunk_sum_vectors(const chunk_sums *s) {
  return (wants_bias(s) ? s->chunk_floats : s->weights) / CN_BLOCK;
}

/* Adds up vectors first..last - 1, keeps them, and takes the step. */
#define add_chunks ISA_NAME(add_chunks)
void add_chunks(const chunk_sums *s, int64_t first, int64_t last);

#define depthwise_forward ISA_NAME(depthwise_forward)
void depthwise_forward(int threads, const cn_conv2d *conv, int64_t n, const float *x,
                       const float *w, const float *bias, const tail *t, float *y);
#define depthwise_backward_data ISA_NAME(depthwise_backward_data)
void depthwise_backward_data(int threads, const cn_conv2d *conv, int64_t n, const float *dy,
                             const float *w, const tail *t, float *dx);
#define depthwise_backward_weights ISA_NAME(depthwise_backward_weights)
void depthwise_backward_weights(int threads, const cn_conv2d *conv, int64_t n, const float *x,
                                const float *dy, float *dw, float *db, const cn_update *update,
                                float *workspace);

#define other_forward ISA_NAME(other_forward)
void other_forward(int threads, const cn_conv2d *conv, int64_t n, const float *x, const float *w,
                   const float *bias, float *y);
#define other_backward_data ISA_NAME(other_backward_data)
void other_backward_data(int threads, const cn_conv2d *conv, int64_t n, const float *dy,
                         const float *w, float *dx);
#define other_backward_weights ISA_NAME(other_backward_weights)
void other_backward_weights(int threads, const cn_conv2d *conv, int64_t n, const float *x,
                            const float *dy, float *dw, float *db);

#endif
