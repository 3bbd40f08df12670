/* Maximum and average over windows; lanes are channels and never meet. */
#include "conv.h"

typedef struct pool_job {
  const cn_pool2d *pool;
  view xv, yv, dxv; /* yv is that of y or of dy */
  const float *x, *dy;
  float *y, *dx;
} pool_job;

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* The part of a window inside the image: rows x cols pixels from (y, x). */
typedef struct window_part {
  int64_t y, x, rows, cols;
} window_part;

static inline window_part part_of(const cn_pool2d *p, int64_t oy, int64_t ox) {
  const int64_t y = oy * p->stride_h - p->pad_h, x = ox * p->stride_w - p->pad_w;
  const int64_t y0 = max_i64(y, 0), x0 = max_i64(x, 0);
  return (window_part){.y = y0,
                       .x = x0,
                       .rows = min_i64(y + p->kernel_h, p->x.h) - y0,
                       .cols = min_i64(x + p->kernel_w, p->x.w) - x0};
}

static float divisor(const cn_pool2d *p, window_part w) {
  return p->count_include_pad ? (float)((int64_t)p->kernel_h * p->kernel_w)
                              : (float)(w.rows * w.cols);
}

/* The first maximum in row-major order; of NaNs the last. x is at the first pixel. */
ALWAYS_INLINE vec maximum(const float *x, int64_t row, int64_t rows, int64_t cols) {
  vec best = vec_load(x);
  for (int64_t y = 0; y < rows; y++)
    for (int64_t i = 0; i < cols; i++) {
      const vec v = vec_load(x + y * row + i * CN_BLOCK);
      best = vec_select(vec_above_or_nan(v, best), v, best);
    }
  return best;
}

/* Which pixel that is, counted in row-major order. */
ALWAYS_INLINE vec maximum_at(const float *x, int64_t row, int64_t rows, int64_t cols) {
  vec best = vec_load(x), at = vec_zero();
  float number = 0.0f;
  for (int64_t y = 0; y < rows; y++)
    for (int64_t i = 0; i < cols; i++, number += 1.0f) {
      const vec v = vec_load(x + y * row + i * CN_BLOCK);
      const vec_mask wins = vec_above_or_nan(v, best);
      best = vec_select(wins, v, best);
      at = vec_select(wins, vec_set1(number), at);
    }
  return at;
}

/* dx += dy at that pixel. */
ALWAYS_INLINE void add_at(vec at, vec dy, float *dx, int64_t row, int64_t rows, int64_t cols) {
  float number = 0.0f;
  for (int64_t y = 0; y < rows; y++)
    for (int64_t i = 0; i < cols; i++, number += 1.0f) {
      float *to = dx + y * row + i * CN_BLOCK;
      vec_store(to, vec_add(vec_load(to), vec_keep(vec_equal(at, vec_set1(number)), dy)));
    }
}

/* Sum of a window: row by row, so a window of the whole image is no long sum. */
static vec window_sum(const float *x, int64_t row, window_part w) {
  vec sum = vec_zero();
  for (int64_t y = 0; y < w.rows; y++) {
    vec part = vec_zero();
    for (int64_t i = 0; i < w.cols; i++) part = vec_add(part, vec_load(x + y * row + i * CN_BLOCK));
    sum = vec_add(sum, part);
  }
  return sum;
}

/* y at one pixel. Windows of 2x2 and 3x3 are unrolled. */
static inline vec pooled(const pool_job *job, const float *x, window_part w) {
  const int64_t row = job->xv.row;
  if (job->pool->kind == CN_POOL_AVERAGE)
    return vec_div(window_sum(x, row, w), vec_set1(divisor(job->pool, w)));
  if (w.rows == 2 && w.cols == 2) return maximum(x, row, 2, 2);
  if (w.rows == 3 && w.cols == 3) return maximum(x, row, 3, 3);
  return maximum(x, row, w.rows, w.cols);
}

/* Items are rows of y: (sample, block, row). */
static void forward_items(const void *state, int64_t first, int64_t last, int thread) {
  const pool_job *job = state;
  const cn_pool2d *p = job->pool;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t oy = item % p->y.h, block = item / p->y.h % job->yv.planes;
    const int64_t sample = item / p->y.h / job->yv.planes;
    const float *x = job->x + plane_offset(&job->xv, sample, block);
    float *plane = job->y + plane_offset(&job->yv, sample, block);
    for (int64_t ox = 0; ox < p->y.w; ox++) {
      const window_part w = part_of(p, oy, ox);
      const float *from = x + w.y * job->xv.row + w.x * CN_BLOCK;
      float *y = plane + oy * job->yv.row + ox * CN_BLOCK;
      for (int lane = 0; lane < CN_BLOCK; lane += VEC)
        vec_store(y + lane, pooled(job, from + lane, w));
    }
    zero_border(&p->y, &job->yv, plane, oy, oy + 1);
  }
}

/* dx += dy at the maximum of one window. */
static inline void spread_max(const pool_job *job, const float *x, vec dy, window_part w,
                              float *dx) {
  const int64_t row = job->xv.row, dx_row = job->dxv.row;
  if (w.rows == 2 && w.cols == 2)
    add_at(maximum_at(x, row, 2, 2), dy, dx, dx_row, 2, 2);
  else if (w.rows == 3 && w.cols == 3)
    add_at(maximum_at(x, row, 3, 3), dy, dx, dx_row, 3, 3);
  else
    add_at(maximum_at(x, row, w.rows, w.cols), dy, dx, dx_row, w.rows, w.cols);
}

/* dx += dy / count at every pixel of one window. */
static inline void spread_average(const pool_job *job, vec dy, window_part w, float *dx) {
  const vec share = vec_div(dy, vec_set1(divisor(job->pool, w)));
  for (int64_t y = 0; y < w.rows; y++)
    for (int64_t i = 0; i < w.cols; i++) {
      float *to = dx + y * job->dxv.row + i * CN_BLOCK;
      vec_store(to, vec_add(vec_load(to), share));
    }
}

/* Items are planes of dx: (sample, block). Windows are added in row-major order. */
static void backward_items(const void *state, int64_t first, int64_t last, int thread) {
  const pool_job *job = state;
  const cn_pool2d *p = job->pool;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t sample = item / job->yv.planes, block = item % job->yv.planes;
    const float *x = job->x == NULL ? NULL : job->x + plane_offset(&job->xv, sample, block);
    const float *dy = job->dy + plane_offset(&job->yv, sample, block);
    float *dx = job->dx + plane_offset(&job->dxv, sample, block);
    memset(dx - job->dxv.origin, 0, (size_t)job->dxv.plane * sizeof(float));
    for (int64_t oy = 0; oy < p->dy.h; oy++)
      for (int64_t ox = 0; ox < p->dy.w; ox++) {
        const window_part w = part_of(p, oy, ox);
        const float *g = dy + oy * job->yv.row + ox * CN_BLOCK;
        float *to = dx + w.y * job->dxv.row + w.x * CN_BLOCK;
        for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
          if (x == NULL)
            spread_average(job, vec_load(g + lane), w, to + lane);
          else
            spread_max(job, x + w.y * job->xv.row + w.x * CN_BLOCK + lane, vec_load(g + lane), w,
                       to + lane);
        }
      }
  }
}

/* Every window is read once, and in the backward pass written once. */
static double cost(const cn_pool2d *p, const cn_tensor *y, int64_t n) {
  return 10.0 * n * blocks_of(y->c) * CN_BLOCK * y->h * y->w * p->kernel_h * p->kernel_w;
}

void ISA_NAME(pool2d_forward)(int threads, const cn_pool2d *pool, int32_t n, const float *x,
                              float *y) {
  const pool_job job = {
      .pool = pool, .xv = view_of(&pool->x, n), .yv = view_of(&pool->y, n), .x = x, .y = y};
  run_parallel(threads, cost(pool, &pool->y, n), forward_items, n * job.yv.planes * pool->y.h,
               &job);
}

void ISA_NAME(pool2d_backward)(int threads, const cn_pool2d *pool, int32_t n, const float *x,
                               const float *dy, float *dx) {
  const pool_job job = {.pool = pool,
                        .xv = view_of(&pool->x, n),
                        .yv = view_of(&pool->dy, n),
                        .dxv = view_of(&pool->dx, n),
                        .x = pool->kind == CN_POOL_MAX ? x : NULL,
                        .dy = dy,
                        .dx = dx};
  run_parallel(threads, 2 * cost(pool, &pool->dy, n), backward_items, n * job.yv.planes, &job);
}
