/*
 * Depthwise convolution, forward and backward-data. Every channel has its own filter, so lanes are
 * independent. Each source row is read once per filter row, and each of its pixels is combined with
 * all filter columns in registers, so that memory bandwidth bounds the time.
 */
#include "../depthwise_plan.h"
#include "conv.h"

enum { MOST_NEIGHBOURS = 7 };

/* The columns of dst with one residue modulo the stride. */
typedef struct residue_columns {
  axis x;
  int64_t pieces,
      piece; /* number and size of the pieces of pixels; the last may overlap the one before */
  bool neighbours; /* taps are adjacent columns, and no pixel has all of them outside the image */
} residue_columns;

/* Forward, or backward-data with src = dy and dst = dx. */
typedef struct depthwise_job {
  depthwise_plan plan;
  const float *in, *w, *bias;
  float *out;
  cn_activation activation;
  bool stream; /* use non-temporal stores */
  const tail *tail;
  residue_columns kept[KEPT_AXES]; /* precomputed for the first residues, as divisions are slow */
} depthwise_job;

static residue_columns columns_of(const depthwise_plan *p, int32_t residue) {
#define SIZE(pixels, ...) pixels,
  static const int32_t sizes[] = {EACH_ROW_PIECE(SIZE, 0)};
#undef SIZE
  residue_columns c = {.x = depthwise_axis_x(p, residue)};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    const int64_t pieces = ceil_div(c.x.count, sizes[i]);
    if (sizes[i] > c.x.count || (c.piece > 0 && pieces * sizes[i] >= c.pieces * c.piece)) continue;
    c.pieces = pieces;
    c.piece = sizes[i];
  }
  const int64_t last = (int64_t)(c.x.count - 1) * p->src_stride_w + c.x.src + c.x.taps - 1;
  c.neighbours = (c.x.src_tap == 1 || c.x.taps == 1) && c.x.src > -c.x.taps &&
                 last - (p->src.w - 1) < c.x.taps;
  return c;
}

/* The pixels of one residue in a row of dst. */
typedef struct row_sums {
  const float *in, *w;   /* in: column 0 of the source row of the first tap; w: the first tap */
  int64_t in_row, w_row; /* strides to the next filter row */
  int64_t w_col;         /* stride to the next tap of a row */
  int64_t width;         /* columns of src */
  int32_t taps, rows, stride; /* taps per row; filter rows inside the image; stride of src */
  const residue_columns *columns;
  float *out;
  int64_t out_step;
  vec bias;
  cn_activation activation;
  bool stream;
} row_sums;

static const float no_pixel[CN_BLOCK];

/* Column x of a source row; zeros outside the image. */
ALWAYS_INLINE const float *column(const row_sums *r, const float *row, int64_t x) {
  return (uint64_t)x < (uint64_t)r->width ? row + x * CN_BLOCK : no_pixel;
}

/* sum[p] += products of `taps` adjacent taps, p < count. Each pixel is loaded once. */
ALWAYS_INLINE void add_neighbours(vec *sum, const row_sums *r, const float *row, const float *w,
                                  int64_t x0, int count, int taps, int stride) {
  const int reach = (count - 1) * stride + taps;
  const float *in = row + x0 * CN_BLOCK;
  vec tap[MOST_NEIGHBOURS];
#pragma GCC unroll 7
  for (int j = 0; j < taps; j++) tap[j] = vec_load(w + j * r->w_col);
#pragma GCC unroll 33
  for (int q = 0; q < reach; q++) {
    const bool inside = q >= taps - 1 && q <= reach - taps;
    const vec x = vec_load(inside ? in + q * CN_BLOCK : column(r, row, x0 + q));
#pragma GCC unroll 7
    for (int j = 0; j < taps; j++)
      if (q >= j && (q - j) % stride == 0 && (q - j) / stride < count)
        sum[(q - j) / stride] = vec_fma(tap[j], x, sum[(q - j) / stride]);
  }
}

/* The same for taps that are not adjacent. */
ALWAYS_INLINE void add_taps(vec *sum, const row_sums *r, const float *row, const float *w,
                            int64_t x0, int count, int32_t taps) {
  for (int32_t j = 0; j < taps; j++, w += r->w_col, x0 += r->columns->x.src_tap) {
    const vec tap = vec_load(w);
#pragma GCC unroll 14
    for (int p = 0; p < count; p++)
      sum[p] = vec_fma(tap, vec_load(column(r, row, x0 + p * r->stride)), sum[p]);
  }
}

/* sum[p] += products of all taps, in partial sums of at most SUM_TERMS. */
ALWAYS_INLINE void add_rows(vec *sum, const row_sums *r, int64_t x0, int count) {
  vec total[ROW_PIXELS];
#pragma GCC unroll 14
  for (int p = 0; p < count; p++) total[p] = vec_zero();
  int32_t terms = 0;
  const float *row = r->in, *w = r->w;
  for (int32_t i = r->rows; i > 0; i--, row += r->in_row, w += r->w_row)
    for (int32_t j = 0, some; j < r->taps; j += some) {
      some = min_i32(SUM_TERMS, r->taps - j);
      if (terms > 0 && terms + some > SUM_TERMS) {
#pragma GCC unroll 14
        for (int p = 0; p < count; p++) {
          total[p] = vec_add(total[p], sum[p]);
          sum[p] = vec_zero();
        }
        terms = 0;
      }
      add_taps(sum, r, row, w + j * r->w_col, x0 + j * r->columns->x.src_tap, count, some);
      terms += some;
    }
#pragma GCC unroll 14
  for (int p = 0; p < count; p++) sum[p] = vec_add(total[p], sum[p]);
}

/* Computes pixels u..u + count - 1. taps and stride are constants for adjacent taps, else 0. */
ALWAYS_INLINE void sum_pixels(const row_sums *r, int64_t u, int count, int taps, int stride) {
  vec sum[ROW_PIXELS];
#pragma GCC unroll 14
  for (int p = 0; p < count; p++) sum[p] = r->bias;
  const int64_t x0 = u * r->stride + r->columns->x.src;
  if (taps > 0) {
    const float *row = r->in, *w = r->w;
    for (int32_t i = r->rows; i > 0; i--, row += r->in_row, w += r->w_row)
      add_neighbours(sum, r, row, w, x0, count, taps, stride);
  } else
    add_rows(sum, r, x0, count);
  float *out = r->out + u * r->out_step;
  activate(r->activation, sum, count);
  if (r->stream) {
#pragma GCC unroll 14
    for (int p = 0; p < count; p++) vec_stream(out + p * r->out_step, sum[p]);
    return;
  }
#pragma GCC unroll 14
  for (int p = 0; p < count; p++) vec_store(out + p * r->out_step, sum[p]);
}

/* Computes all pixels of the residue. */
ALWAYS_INLINE void sum_pieces(const row_sums *r, int taps, int stride) {
  const int64_t count = r->columns->x.count, piece = r->columns->piece;
  for (int64_t i = 0; i < r->columns->pieces; i++) {
    const int64_t u = min_i64(i * piece, count - piece);
    switch (piece) {
#define PIECE(pixels, ...)                                                                         \
  case pixels:                                                                                     \
    sum_pixels(r, u, pixels, __VA_ARGS__);                                                         \
    break;
      EACH_ROW_PIECE(PIECE, taps, stride)
#undef PIECE
    }
  }
}

/* The (taps, stride) pairs with specialised code for adjacent taps. Backward-data with a stride of
 * 2 has half as many taps per residue. */
#define EACH_NEIGHBOURS(F) F(3, 1) F(5, 1) F(7, 1) F(3, 2) F(5, 2) F(7, 2) F(1, 1) F(2, 1) F(4, 1)

static void sum_row(const row_sums *r) {
  const bool neighbours = r->columns->neighbours && r->rows * r->taps <= SUM_TERMS;
#define NEIGHBOURS(count, each)                                                                    \
  if (neighbours && r->taps == count && r->stride == each) {                                       \
    sum_pieces(r, count, each);                                                                    \
    return;                                                                                        \
  }
  EACH_NEIGHBOURS(NEIGHBOURS)
#undef NEIGHBOURS
  sum_pieces(r, 0, 0);
}

/* The planes that a strip of rows reads and writes. */
typedef struct strip {
  const float *in, *w, *bias; /* in: pixel (0, 0); w, bias (or null): of the block */
  float *out;                 /* pixel (0, 0) */
} strip;

/* Computes row residue + t stride of dst. */
static void dst_row(const depthwise_job *job, const strip *s, int32_t residue, int64_t t,
                    float *row) {
  const depthwise_plan *p = &job->plan;
  const axis y = depthwise_axis_y(p, residue);
  const taps inside = axis_taps_inside(&y, p->src_stride_h, p->src.h, t, t);
  const int64_t source = t * p->src_stride_h + y.src + inside.first * y.src_tap;
  const int64_t filter_row = p->conv->window.kernel_w * CN_BLOCK;
  row_sums r = {.in_row = y.src_tap * p->sv.row,
                .w_row = y.tap_step * filter_row,
                .width = p->src.w,
                .rows = inside.end - inside.first,
                .stride = p->src_stride_w,
                .out_step = p->dst_stride_w * CN_BLOCK,
                .activation = job->activation,
                .stream = job->stream};
  for (int32_t i = 0; i < min_i32(p->dst_stride_w, p->dst.w); i++) {
    residue_columns other;
    if (i >= KEPT_AXES) other = columns_of(p, i);
    const residue_columns *c = i < KEPT_AXES ? &job->kept[i] : &other;
    const float *w = s->w + (y.tap + inside.first * y.tap_step) * filter_row + c->x.tap * CN_BLOCK;
    r.columns = c;
    r.taps = c->x.taps;
    r.w_col = c->x.tap_step * CN_BLOCK;
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      r.in = s->in + source * p->sv.row + lane;
      r.w = w + lane;
      r.out = row + c->x.dst * CN_BLOCK + lane;
      r.bias = s->bias != NULL ? vec_load(s->bias + lane) : vec_zero();
      sum_row(&r);
    }
  }
}

/* Items are strips of rows of dst: (sample, block, strip). */
BODY(depthwise_items) {
  const depthwise_job *job = state;
  const depthwise_plan *p = &job->plan;
  const int64_t taps = (int64_t)p->conv->window.kernel_h * p->conv->window.kernel_w;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t plane = item / p->strips;
    const int64_t sample = plane / p->dv.planes, block = plane % p->dv.planes;
    const int64_t y0 = item % p->strips * p->strip_rows;
    const int64_t y1 = min_i64(y0 + p->strip_rows, p->dst.h);
    const strip s = {job->in + plane_offset(&p->sv, sample, block),
                     job->w + block * taps * CN_BLOCK,
                     job->bias != NULL ? job->bias + block * CN_BLOCK : NULL,
                     job->out + plane_offset(&p->dv, sample, block)};
    int32_t residue = (int32_t)(y0 % p->dst_stride_h);
    int64_t t = y0 / p->dst_stride_h;
    for (int64_t y = y0; y < y1; y++) {
      dst_row(job, &s, residue, t, s.out + y * p->dv.row);
      tail_rows(job->tail, &p->dst, &p->dv, sample, block, y, y + 1, s.out);
      if (++residue < p->dst_stride_h) continue;
      residue = 0;
      t++;
    }
  }
  if (job->stream) stream_end();
}

static void run_depthwise(const cn_context *context, depthwise_job *job) {
  const depthwise_plan *p = &job->plan;
  job->stream = tail_is_empty(job->tail) && stores_stream(&p->dv, p->n, STREAMED_FLOATS);
  for (int32_t i = 0; i < min_i64(KEPT_AXES, p->dst_stride_w); i++) job->kept[i] = columns_of(p, i);
  run_parallel(context, depthwise_operations(p->conv, p->n), depthwise_items,
               p->n * p->dv.planes * p->strips, job);
}

void ISA_NAME(conv_depthwise_forward)(const conv_call *call) {
  const tail t = tail_of(call);
  depthwise_job job = {.plan = depthwise_plan_of(call->conv, CN_FORWARD, call->n),
                       .in = call->x,
                       .w = call->w,
                       .bias = bias_of(call),
                       .out = call->out,
                       .activation = activation_of(call),
                       .tail = &t};
  run_depthwise(call->context, &job);
}

void ISA_NAME(conv_depthwise_backward_data)(const conv_call *call) {
  const tail t = tail_of(call);
  depthwise_job job = {.plan = depthwise_plan_of(call->conv, CN_BACKWARD_DATA, call->n),
                       .in = call->dy,
                       .w = call->w,
                       .out = call->out,
                       .tail = &t};
  run_depthwise(call->context, &job);
}
