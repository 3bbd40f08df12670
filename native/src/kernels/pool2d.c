/* Maximum and average over windows; lanes are channels and never meet. */
#include "conv.h"

typedef struct pool_job {
  const cn_pool2d *pool;
  view xv, yv, dxv; /* yv is that of y or of dy */
  const float *x, *dy;
  float *y, *dx;
} pool_job;

/* The part of a window inside the image. */
typedef struct window_part {
  int64_t y0, y1, x0, x1;
} window_part;

static window_part part_of(const pool_job *job, int64_t oy, int64_t ox) {
  const cn_pool2d *p = job->pool;
  const int64_t y = oy * p->stride_h - p->pad_h, x = ox * p->stride_w - p->pad_w;
  return (window_part){.y0 = max_i64(y, 0),
                       .y1 = min_i64(y + p->kernel_h, p->x.h),
                       .x0 = max_i64(x, 0),
                       .x1 = min_i64(x + p->kernel_w, p->x.w)};
}

static float divisor(const cn_pool2d *p, window_part w) {
  return p->count_include_pad ? (float)((int64_t)p->kernel_h * p->kernel_w)
                              : (float)((w.y1 - w.y0) * (w.x1 - w.x0));
}

/* The first maximum in row-major order; of NaNs the last. *where counts the pixels of the part. */
static vec maximum(const pool_job *job, const float *x, window_part w, vec *where) {
  vec best = vec_load(x + w.y0 * job->xv.row + w.x0 * CN_BLOCK), at = vec_zero();
  float number = 0.0f;
  for (int64_t y = w.y0; y < w.y1; y++)
    for (int64_t i = w.x0; i < w.x1; i++) {
      const vec v = vec_load(x + y * job->xv.row + i * CN_BLOCK);
      const vec_mask wins = vec_above_or_nan(v, best);
      best = vec_select(wins, v, best);
      at = vec_select(wins, vec_set1(number), at);
      number += 1.0f;
    }
  *where = at;
  return best;
}

/* Sum of a window: row by row, so a window of the whole image is no long sum. */
static vec window_sum(const pool_job *job, const float *x, window_part w) {
  vec sum = vec_zero();
  for (int64_t y = w.y0; y < w.y1; y++) {
    vec row = vec_zero();
    for (int64_t i = w.x0; i < w.x1; i++)
      row = vec_add(row, vec_load(x + y * job->xv.row + i * CN_BLOCK));
    sum = vec_add(sum, row);
  }
  return sum;
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
      const window_part w = part_of(job, oy, ox);
      float *y = plane + oy * job->yv.row + ox * CN_BLOCK;
      for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
        vec where;
        vec_store(y + lane, p->kind == CN_POOL_MAX
                                ? maximum(job, x + lane, w, &where)
                                : vec_div(window_sum(job, x + lane, w), vec_set1(divisor(p, w))));
      }
    }
    zero_border(&p->y, &job->yv, plane, oy, oy + 1);
  }
}

/* dx += what one window gives: to the maximum of each channel, or to all pixels alike. */
static void spread(const pool_job *job, const float *x, const float *dy, window_part w, float *dx) {
  const bool max = job->pool->kind == CN_POOL_MAX;
  vec where = vec_zero(), value = vec_load(dy);
  if (max)
    maximum(job, x, w, &where);
  else
    value = vec_div(value, vec_set1(divisor(job->pool, w)));
  float number = 0.0f;
  for (int64_t y = w.y0; y < w.y1; y++)
    for (int64_t i = w.x0; i < w.x1; i++) {
      float *to = dx + y * job->dxv.row + i * CN_BLOCK;
      const vec part = max ? vec_keep(vec_equal(where, vec_set1(number)), value) : value;
      vec_store(to, vec_add(vec_load(to), part));
      number += 1.0f;
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
        const window_part w = part_of(job, oy, ox);
        const float *g = dy + oy * job->yv.row + ox * CN_BLOCK;
        for (int lane = 0; lane < CN_BLOCK; lane += VEC)
          spread(job, x == NULL ? NULL : x + lane, g + lane, w, dx + lane);
      }
  }
}

/* Every window is read once, and in the backward pass written once. */
static double cost(const cn_pool2d *p, const cn_tensor *y, int64_t n) {
  return 2.0 * n * blocks_of(y->c) * CN_BLOCK * y->h * y->w * p->kernel_h * p->kernel_w;
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
