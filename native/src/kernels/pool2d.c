/* Max and average pooling. Lanes are channels and are independent. */
#include "conv.h"
#include "pairwise.h"

/* The part of a window inside the image: rows x cols pixels from (y, x), each `dilation` from the
 * next; and how many pixels it has in the image and its padding. */
typedef struct window_part {
  int64_t y, x, rows, cols, padded;
} window_part;

/* The same along one axis. */
typedef struct axis_part {
  int64_t first, count, padded;
} axis_part;

ALWAYS_INLINE axis_part clipped(int64_t start, int64_t kernel, int64_t dilation, int64_t size,
                                int64_t behind) {
  if (dilation == 1) {
    const int64_t first = max_i64(start, 0);
    return (axis_part){first, min_i64(start + kernel, size) - first,
                       min_i64(kernel, size + behind - start)};
  }
  const int64_t first = start >= 0 ? start : start + ceil_div(-start, dilation) * dilation;
  const int64_t end = min_i64(start + (kernel - 1) * dilation + 1, size);
  return (axis_part){.first = first, .count = ceil_div(end - first, dilation)};
}

ALWAYS_INLINE axis_part bin_of(int64_t i, int64_t inputs, int64_t outputs) {
  const int64_t first = i * inputs / outputs, end = ceil_div((i + 1) * inputs, outputs);
  return (axis_part){first, end - first, end - first};
}

ALWAYS_INLINE window_part part_of(const cn_pool2d *p, const cn_tensor *out, int64_t oy,
                                  int64_t ox) {
  const cn_window *w = &p->window;
  const axis_part rows = p->adaptive != 0 ? bin_of(oy, p->x.h, out->h)
                                          : clipped(oy * w->stride_h - w->pad_top, w->kernel_h,
                                                    w->dilation_h, p->x.h, w->pad_bottom);
  const axis_part cols = p->adaptive != 0 ? bin_of(ox, p->x.w, out->w)
                                          : clipped(ox * w->stride_w - w->pad_left, w->kernel_w,
                                                    w->dilation_w, p->x.w, w->pad_right);
  return (window_part){.y = rows.first,
                       .x = cols.first,
                       .rows = rows.count,
                       .cols = cols.count,
                       .padded = rows.padded * cols.padded};
}

ALWAYS_INLINE float divisor(const cn_pool2d *p, window_part w) {
  if (p->divisor > 0) return (float)p->divisor;
  return (float)(p->count_include_pad ? w.padded : w.rows * w.cols);
}

/* The first maximum in row-major order (of NaNs the last), and the index of its pixel in that
 * order. */
typedef struct peak {
  vec best, at;
} peak;

ALWAYS_INLINE peak peak_of(const float *x, int64_t row, int64_t col, int64_t rows, int64_t cols) {
  peak p = {vec_load(x), vec_zero()};
  float number = 0.0f;
  for (int64_t y = 0; y < rows; y++)
    for (int64_t i = 0; i < cols; i++, number += 1.0f) {
      const vec v = vec_load(x + y * row + i * col);
      const vec_mask wins = vec_above_or_nan(v, p.best);
      p.best = vec_select(wins, v, p.best);
      p.at = vec_select(wins, vec_set1(number), p.at);
    }
  return p;
}

ALWAYS_INLINE int64_t row_dilation(const cn_pool2d *p) {
  return p->adaptive != 0 ? 1 : p->window.dilation_h;
}

ALWAYS_INLINE int64_t col_dilation(const cn_pool2d *p) {
  return p->adaptive != 0 ? 1 : p->window.dilation_w;
}

/* Distances between the rows and the pixels of a window. */
ALWAYS_INLINE int64_t row_step(const pool_job *job, const view *v) {
  return row_dilation(&job->pool) * v->row;
}

ALWAYS_INLINE int64_t col_step(const pool_job *job) { return col_dilation(&job->pool) * CN_BLOCK; }

/* 2x2 and 3x3 windows are unrolled. */
ALWAYS_INLINE peak peak_in(const pool_job *job, const float *x, window_part w) {
  const int64_t row = row_step(job, &job->xv), col = col_step(job);
  if (w.rows == 2 && w.cols == 2) return peak_of(x, row, col, 2, 2);
  if (w.rows == 3 && w.cols == 3) return peak_of(x, row, col, 3, 3);
  return peak_of(x, row, col, w.rows, w.cols);
}

/* dx += dy at pixel `at`; or, if windows do not overlap, dx = dy there and 0 in the rest of the
 * window. */
ALWAYS_INLINE void add_at(vec at, vec dy, bool alone, float *dx, int64_t row, int64_t col,
                          int64_t rows, int64_t cols) {
  float number = 0.0f;
  for (int64_t y = 0; y < rows; y++)
    for (int64_t i = 0; i < cols; i++, number += 1.0f) {
      float *to = dx + y * row + i * col;
      const vec partial = vec_keep(vec_equal(at, vec_set1(number)), dy);
      vec_store(to, alone ? partial : vec_add(vec_load(to), partial));
    }
}

/* Sum of a large window: pairwise over runs of pixels. */
static vec large_window_sum(const float *x, int64_t row, int64_t rows, int64_t cols) {
  pairwise sum;
  pairwise_clear(&sum);
  for (int64_t y = 0; y < rows; y++)
    for (int64_t first = 0; first < cols; first += LEAF_TERMS) {
      const int64_t end = min_i64(first + LEAF_TERMS, cols);
      vec partial = vec_zero();
      for (int64_t i = first; i < end; i++)
        partial = vec_add(partial, vec_load(x + y * row + i * CN_BLOCK));
      pairwise_add(&sum, partial);
    }
  return pairwise_total(&sum, vec_zero());
}

/* Sum of a window; small ones are summed row by row. */
ALWAYS_INLINE vec window_sum(const float *x, int64_t row, window_part w) {
  if (w.rows * w.cols > SUM_TERMS) return large_window_sum(x, row, w.rows, w.cols);
  vec sum = vec_zero();
  for (int64_t y = 0; y < w.rows; y++) {
    vec partial = vec_zero();
    for (int64_t i = 0; i < w.cols; i++)
      partial = vec_add(partial, vec_load(x + y * row + i * CN_BLOCK));
    sum = vec_add(sum, partial);
  }
  return sum;
}

/* Computes y at one pixel, and the winner unless null. */
ALWAYS_INLINE void pool_pixel(const pool_job *job, const float *x, window_part w, float *y,
                              uint8_t *winner) {
  if (job->pool.kind == CN_POOL_AVERAGE) {
    vec_store(y, vec_div(window_sum(x, job->xv.row, w), vec_set1(divisor(&job->pool, w))));
    return;
  }
  if (winner == NULL) {
    vec_store(y, peak_in(job, x, w).best);
    return;
  }
  peak p = peak_in(job, x, w);
  vec_store(y, p.best);
  vec_store_bytes(winner, winner_after(job->pool.activation, p.best, p.at));
}

void pool_rows(const pool_job *shared, int64_t plane, const float *x, int64_t oy0, int64_t oy1) {
  const pool_job copy = *shared, *job = &copy;
  const cn_pool2d *p = &copy.pool;
  float *y = job->y + plane_start(&job->yv, plane);
  for (int64_t oy = oy0; oy < oy1; oy++) {
    const int64_t first = (plane * p->y.h + oy) * p->y.w;
    for (int64_t ox = 0; ox < p->y.w; ox++) {
      const window_part w = part_of(p, &p->y, oy, ox);
      const float *from = x + w.y * job->xv.row + w.x * CN_BLOCK;
      float *to = y + oy * job->yv.row + ox * CN_BLOCK;
      uint8_t *winner =
          job->new_winners == NULL ? NULL : job->new_winners + (first + ox) * CN_BLOCK;
      for (int lane = 0; lane < CN_BLOCK; lane += VEC)
        pool_pixel(job, from + lane, w, to + lane, winner == NULL ? NULL : winner + lane);
    }
    zero_border(&p->y, &job->yv, y, oy, oy + 1);
  }
}

/* Items are rows of y: (sample, block, row). */
BODY(pool_forward_items) {
  const pool_job *job = state;
  const int64_t h = job->pool.y.h, planes = job->yv.planes;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t plane = item / h, oy = item % h;
    pool_rows(job, plane, job->x + plane_offset(&job->xv, plane / planes, plane % planes), oy,
              oy + 1);
  }
}

/* Adds dy at the winner of one window. */
ALWAYS_INLINE void spread_max(const pool_job *job, vec at, vec dy, window_part w, float *dx) {
  const int64_t row = row_step(job, &job->dxv), col = col_step(job);
  if (job->alone && w.rows == 2 && w.cols == 2)
    add_at(at, dy, true, dx, row, col, 2, 2);
  else if (job->alone)
    add_at(at, dy, true, dx, row, col, w.rows, w.cols);
  else if (w.rows == 3 && w.cols == 3)
    add_at(at, dy, false, dx, row, col, 3, 3);
  else
    add_at(at, dy, false, dx, row, col, w.rows, w.cols);
}

/* dx += dy / count at every pixel of one window. */
ALWAYS_INLINE void spread_average(const pool_job *job, vec dy, window_part w, float *dx) {
  const vec share = vec_div(dy, vec_set1(divisor(&job->pool, w)));
  for (int64_t y = 0; y < w.rows; y++)
    for (int64_t i = 0; i < w.cols; i++) {
      float *to = dx + y * job->dxv.row + i * CN_BLOCK;
      vec_store(to, vec_add(vec_load(to), share));
    }
}

/* Zeroes rows *clean..end - 1 of dx before windows write to them. */
ALWAYS_INLINE void clear_rows(const pool_job *job, float *dx, int64_t *clean, int64_t end) {
  const size_t bytes = (size_t)job->pool.dx.w * CN_BLOCK * sizeof(float);
  for (; *clean < end; ++*clean) memset(dx + *clean * job->dxv.row, 0, bytes);
}

/* Backward pass of one window of plane `item`, at pixel (oy, ox) of dy. */
ALWAYS_INLINE void spread(const pool_job *job, int64_t item, const float *x, const float *dy,
                          int64_t oy, int64_t ox, float *dx) {
  const cn_pool2d *p = &job->pool;
  const window_part w = part_of(p, &p->dy, oy, ox);
  const float *g = dy + oy * job->yv.row + ox * CN_BLOCK;
  float *to = dx + w.y * job->dxv.row + w.x * CN_BLOCK;
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    const vec v = vec_load(g + lane);
    if (job->winners != NULL) {
      const uint8_t *at = job->winners + ((item * p->dy.h + oy) * p->dy.w + ox) * CN_BLOCK + lane;
      spread_max(job, vec_load_bytes(at), v, w, to + lane);
    } else if (x != NULL) {
      const float *from = x + w.y * job->xv.row + w.x * CN_BLOCK + lane;
      spread_max(job, peak_in(job, from, w).at, v, w, to + lane);
    } else
      spread_average(job, v, w, to + lane);
  }
}

/* Outputs first..end - 1 of an axis, whose windows contain pixel i. */
typedef struct run {
  int64_t first, end;
} run;

ALWAYS_INLINE run windows_over(int64_t i, int64_t reach, int64_t stride, int64_t pad,
                               int64_t outputs) {
  const int64_t before = i + pad - reach;
  return (run){before < 0 ? 0 : before / stride + 1, min_i64(outputs, (i + pad) / stride + 1)};
}

ALWAYS_INLINE run bins_over(int64_t i, int64_t inputs, int64_t outputs) {
  return (run){i * outputs / inputs, ceil_div((i + 1) * outputs, inputs)};
}

static inline int64_t reach_of(int64_t kernel, int64_t dilation) {
  return (kernel - 1) * dilation + 1;
}

ALWAYS_INLINE run rows_over(const cn_pool2d *p, int64_t y) {
  const cn_window *w = &p->window;
  return p->adaptive != 0 ? bins_over(y, p->x.h, p->dy.h)
                          : windows_over(y, reach_of(w->kernel_h, w->dilation_h), w->stride_h,
                                         w->pad_top, p->dy.h);
}

ALWAYS_INLINE run cols_over(const cn_pool2d *p, int64_t x) {
  const cn_window *w = &p->window;
  return p->adaptive != 0 ? bins_over(x, p->x.w, p->dy.w)
                          : windows_over(x, reach_of(w->kernel_w, w->dilation_w), w->stride_w,
                                         w->pad_left, p->dy.w);
}

/* The most windows along an axis that a pixel may belong to. */
static int64_t overlap_of(int64_t kernel, int64_t dilation, int64_t stride, int64_t outputs) {
  const int64_t covering = (reach_of(kernel, dilation) - 1) / stride + 1;
  return min_i64(outputs, min_i64(kernel, covering));
}

/* Whether a pixel may belong to more than SUM_TERMS windows. */
static bool is_crowded(const cn_pool2d *p) {
  const cn_window *w = &p->window;
  const int64_t rows = p->adaptive != 0
                           ? min_i64(p->dy.h, p->dy.h / p->x.h + 2)
                           : overlap_of(w->kernel_h, w->dilation_h, w->stride_h, p->dy.h);
  const int64_t cols = p->adaptive != 0
                           ? min_i64(p->dy.w, p->dy.w / p->x.w + 2)
                           : overlap_of(w->kernel_w, w->dilation_w, w->stride_w, p->dy.w);
  return rows * cols > SUM_TERMS;
}

/* Whether all windows are means of as many pixels: the padding counts, and the last ones end in it.
 */
static bool counts_alike(const cn_pool2d *p) {
  const cn_window *w = &p->window;
  if (p->divisor > 0) return true;
  return p->adaptive == 0 && p->count_include_pad &&
         (p->dy.h - 1) * (int64_t)w->stride_h + w->kernel_h <=
             (int64_t)p->x.h + w->pad_top + w->pad_bottom &&
         (p->dy.w - 1) * (int64_t)w->stride_w + w->kernel_w <=
             (int64_t)p->x.w + w->pad_left + w->pad_right;
}

/* A pixel of dx in many windows: the pairwise sum of their dy / count. */
static vec crowded_average(const pool_job *job, const float *dy, int64_t y, int64_t x) {
  const cn_pool2d *p = &job->pool;
  const run rows = rows_over(p, y), cols = cols_over(p, x);
  const bool alike = counts_alike(p);
  pairwise sum;
  pairwise_clear(&sum);
  for (int64_t oy = rows.first; oy < rows.end; oy++)
    for (int64_t first = cols.first; first < cols.end; first += LEAF_TERMS) {
      const int64_t end = min_i64(first + LEAF_TERMS, cols.end);
      vec partial = vec_zero();
      for (int64_t ox = first; ox < end; ox++) {
        const vec g = vec_load(dy + oy * job->yv.row + ox * CN_BLOCK);
        const float count = alike ? 1.0f : divisor(p, part_of(p, &p->dy, oy, ox));
        partial = vec_add(partial, alike ? g : vec_div(g, vec_set1(count)));
      }
      pairwise_add(&sum, partial);
    }
  const vec total = pairwise_total(&sum, vec_zero());
  return alike ? vec_div(total, vec_set1(divisor(p, part_of(p, &p->dy, 0, 0)))) : total;
}

/* A group of windows with the indices of their winners. */
typedef struct window_group {
  run rows, cols;
  window_part part[SUM_TERMS];
  vec at[SUM_TERMS];
} window_group;

/* The contribution of the windows of a group to a pixel of dx. */
ALWAYS_INLINE vec group_sum(const pool_job *job, const window_group *g, const float *dy, int64_t y,
                            int64_t x) {
  const run rows = rows_over(&job->pool, y), cols = cols_over(&job->pool, x);
  const int64_t dh = row_dilation(&job->pool), dw = col_dilation(&job->pool);
  vec sum = vec_zero();
  for (int64_t oy = max_i64(rows.first, g->rows.first); oy < min_i64(rows.end, g->rows.end); oy++)
    for (int64_t ox = max_i64(cols.first, g->cols.first); ox < min_i64(cols.end, g->cols.end);
         ox++) {
      const int64_t i = (oy - g->rows.first) * (g->cols.end - g->cols.first) + ox - g->cols.first;
      const window_part *w = &g->part[i];
      const int64_t down = (y - w->y) / dh, right = (x - w->x) / dw;
      if (down * dh != y - w->y || right * dw != x - w->x) continue;
      const float number = (float)(down * w->cols + right);
      const vec v = vec_load(dy + oy * job->yv.row + ox * CN_BLOCK);
      sum = vec_add(sum, vec_keep(vec_equal(g->at[i], vec_set1(number)), v));
    }
  return sum;
}

/* Adds the gradients of maxima of large windows to one vector of a zeroed plane of dx. Each group
 * of windows adds one sum to each pixel. */
static void crowded_maxima(const pool_job *job, const float *x, const float *dy, float *dx) {
  const cn_pool2d *p = &job->pool;
  const int64_t width = min_i64(p->dy.w, SUM_TERMS), height = SUM_TERMS / width;
  window_group g;
  for (int64_t oy = 0; oy < p->dy.h; oy += height)
    for (int64_t ox = 0; ox < p->dy.w; ox += width) {
      g.rows = (run){oy, min_i64(oy + height, p->dy.h)};
      g.cols = (run){ox, min_i64(ox + width, p->dy.w)};
      int64_t count = 0;
      for (int64_t r = g.rows.first; r < g.rows.end; r++)
        for (int64_t c = g.cols.first; c < g.cols.end; c++, count++) {
          const window_part w = g.part[count] = part_of(p, &p->dy, r, c);
          g.at[count] = peak_in(job, x + w.y * job->xv.row + w.x * CN_BLOCK, w).at;
        }
      const window_part first = g.part[0], last = g.part[count - 1];
      /* The first and the last pixels of dilated windows do not follow the order of the windows. */
      const bool tall = row_dilation(p) > 1, wide = col_dilation(p) > 1;
      const int64_t end_h = tall ? p->dx.h : last.y + last.rows;
      const int64_t end_w = wide ? p->dx.w : last.x + last.cols;
      for (int64_t h = tall ? 0 : first.y; h < end_h; h++)
        for (int64_t w = wide ? 0 : first.x; w < end_w; w++) {
          float *to = dx + h * job->dxv.row + w * CN_BLOCK;
          vec_store(to, vec_add(vec_load(to), group_sum(job, &g, dy, h, w)));
        }
    }
}

/* A plane of dx whose pixels belong to many windows each. */
static void crowded_plane(const pool_job *job, const float *x, const float *dy, float *dx) {
  const cn_pool2d *p = &job->pool;
  int64_t clean = 0;
  clear_rows(job, dx, &clean, p->dx.h);
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    if (x != NULL) {
      crowded_maxima(job, x + lane, dy + lane, dx + lane);
      continue;
    }
    for (int64_t h = 0; h < p->dx.h; h++)
      for (int64_t w = 0; w < p->dx.w; w++)
        vec_store(dx + h * job->dxv.row + w * CN_BLOCK + lane,
                  crowded_average(job, dy + lane, h, w));
  }
}

/* Items are planes of dx: (sample, block). Windows are processed in row-major order. */
BODY(pool_backward_items) {
  const pool_job copy = *(const pool_job *)state, *job = &copy;
  const cn_pool2d *p = &copy.pool;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t sample = item / job->yv.planes, block = item % job->yv.planes;
    const float *x = job->x == NULL ? NULL : job->x + plane_offset(&job->xv, sample, block);
    const float *dy = job->dy + plane_offset(&job->yv, sample, block);
    float *dx = job->dx + plane_offset(&job->dxv, sample, block);
    int64_t clean = job->whole ? p->dx.h : 0;
    if (job->crowded) crowded_plane(job, x, dy, dx);
    for (int64_t oy = 0; oy < p->dy.h && !job->crowded; oy++) {
      const window_part w = part_of(p, &p->dy, oy, 0);
      clear_rows(job, dx, &clean, w.y + (w.rows - 1) * row_dilation(p) + 1);
      for (int64_t ox = 0; ox < p->dy.w; ox++) spread(job, item, x, dy, oy, ox, dx);
    }
    if (!job->crowded) clear_rows(job, dx, &clean, p->dx.h);
    zero_border(&p->dx, &job->dxv, dx, 0, p->dx.h);
  }
}

/* Every window is read once, and in the backward pass written once. */
static double cost(const cn_pool2d *p, const cn_tensor *y, int64_t n) {
  return 10.0 * n * blocks_of(y->c) * CN_BLOCK * y->h * y->w * pool_kernel_h(p, y) *
         pool_kernel_w(p, y);
}

/* Whether windows do not overlap; and whether, besides, every pixel is in one. */
static bool is_alone(const cn_pool2d *p) {
  const cn_window *w = &p->window;
  if (p->adaptive != 0) return p->x.h % p->dy.h == 0 && p->x.w % p->dy.w == 0;
  return w->dilation_h == 1 && w->dilation_w == 1 && w->stride_h >= w->kernel_h &&
         w->stride_w >= w->kernel_w;
}

static bool is_whole(const cn_pool2d *p) {
  const cn_window *w = &p->window;
  return p->adaptive != 0 ||
         (w->stride_h == w->kernel_h && w->stride_w == w->kernel_w && w->pad_top == 0 &&
          w->pad_left == 0 && p->dy.h * w->stride_h == p->dx.h && p->dy.w * w->stride_w == p->dx.w);
}

void ISA_NAME(pool2d_forward)(const cn_context *context, const cn_pool2d *pool, int32_t n,
                              const float *x, float *y, uint8_t *winners) {
  const pool_job job = {.pool = *pool,
                        .xv = view_of(&pool->x, n),
                        .yv = view_of(&pool->y, n),
                        .x = x,
                        .y = y,
                        .new_winners = winners};
  run_parallel(context, cost(pool, &pool->y, n), pool_forward_items, n * job.yv.planes * pool->y.h,
               &job);
}

void ISA_NAME(pool2d_backward)(const cn_context *context, const cn_pool2d *pool, int32_t n,
                               const float *x, const uint8_t *winners, const float *dy, float *dx) {
  pool_job job = {.pool = *pool,
                  .xv = view_of(&pool->x, n),
                  .yv = view_of(&pool->dy, n),
                  .dxv = view_of(&pool->dx, n),
                  .x = pool->kind == CN_POOL_MAX ? x : NULL,
                  .winners = winners,
                  .dy = dy,
                  .dx = dx};
  /* Winner indices are below 255, so a pixel belongs to few windows. */
  job.crowded = winners == NULL && is_crowded(pool);
  job.alone = pool->kind == CN_POOL_MAX && is_alone(pool);
  job.whole = job.alone && is_whole(pool);
  run_parallel(context, 2 * cost(pool, &pool->dy, n), pool_backward_items, n * job.yv.planes, &job);
}
