/* Depthwise convolution, forward and backward-data: every channel has a filter of its own, so lanes
 * never meet. */
#include "depthwise.h"

enum { STREAM_FLOATS = 8 * 1024 * 1024 }; /* a larger result leaves the caches anyway: 32 MiB */

/* One class of residues of the columns of dst. */
typedef struct columns {
  axis x;
  tap_walk walk;
  int64_t pieces, piece; /* the pixels fall into, all of one size: the last may begin in another */
} columns;

/* Forward, or backward-data with src = dy and dst = dx. */
typedef struct depthwise_job {
  depthwise_plan plan;
  const float *in, *w, *bias;
  float *out, *bands;
  bool relu;
  bool stream; /* store past the caches: whole lines, that nothing reads here again */
  const tail *tail;
  columns kept[KEPT_AXES]; /* of the first classes: divisions take longer than short rows */
} depthwise_job;

static columns columns_of(const depthwise_plan *p, int32_t residue) {
#define SIZE(pixels, columns) pixels,
  static const int32_t sizes[] = {EACH_ROW_PIECE(SIZE, 0)};
#undef SIZE
  columns c = {.x = depthwise_axis_x(p, residue)};
  c.walk = tap_walk_of(p, &c.x);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    const int64_t pieces = ceil_div(c.x.count, sizes[i]);
    if (sizes[i] > c.x.count || (c.piece > 0 && pieces * sizes[i] >= c.pieces * c.piece)) continue;
    c.pieces = pieces;
    c.piece = sizes[i];
  }
  return c;
}

/* The pixels of one class of residues in a row of dst: what is the same for all of them. */
typedef struct row_sums {
  const band *band;
  int64_t lane;
  const float *w;       /* of the first tap, */
  int64_t w_row, w_col; /* and from one tap to the next */
  int64_t source;       /* row of the first tap, */
  axis y;
  int32_t first, last; /* taps of a column that are inside the image */
  columns columns;
  float *out;
  int64_t out_step;
  vec bias;
  bool relu, stream;
} row_sums;

/* sum[p] += w in[p] */
ALWAYS_INLINE void add_tap(vec *sum, const float *w, const float *in, int count) {
  const vec tap = vec_load(w);
#pragma GCC unroll 14
  for (int p = 0; p < count; p++) sum[p] = vec_fma(tap, vec_load(in + p * CN_BLOCK), sum[p]);
}

/* Pixels u..u + count - 1; cols: the taps of a row, if they are neighbours, or 0. */
ALWAYS_INLINE void sum_pixels(const row_sums *r, int64_t u, int count, int cols) {
  vec sum[ROW_PIXELS];
#pragma GCC unroll 14
  for (int p = 0; p < count; p++) sum[p] = r->bias;
  for (int32_t i = r->first; i < r->last; i++) {
    const float *in = band_row(r->band, r->source + i * r->y.src_tap) + r->lane;
    const float *w = r->w + i * r->w_row;
    in += r->columns.walk.offset + u * CN_BLOCK;
    if (cols > 0) {
#pragma GCC unroll 5
      for (int j = 0; j < cols; j++) add_tap(sum, w + j * r->w_col, in + j * CN_BLOCK, count);
      continue;
    }
    int64_t residue = r->columns.walk.residue;
    for (int32_t j = 0; j < r->columns.x.taps;
         j++, w += r->w_col, in += next_tap(&r->columns.walk, &residue))
      add_tap(sum, w, in, count);
  }
  float *out = r->out + u * r->out_step;
  if (r->relu) {
#pragma GCC unroll 14
    for (int p = 0; p < count; p++) sum[p] = vec_keep(vec_not_le(sum[p], vec_zero()), sum[p]);
  }
  if (r->stream) {
#pragma GCC unroll 14
    for (int p = 0; p < count; p++) vec_stream(out + p * r->out_step, sum[p]);
    return;
  }
#pragma GCC unroll 14
  for (int p = 0; p < count; p++) vec_store(out + p * r->out_step, sum[p]);
}

/* All pixels of the class. */
ALWAYS_INLINE void sum_pieces(const row_sums *r, int cols) {
  const int64_t count = r->columns.x.count, pieces = r->columns.pieces, piece = r->columns.piece;
  for (int64_t i = 0; i < pieces; i++) {
    const int64_t u = min_i64(i * piece, count - piece);
    switch (piece) {
#define PIECE(pixels, columns)                                                                     \
  case pixels:                                                                                     \
    sum_pixels(r, u, pixels, columns);                                                             \
    break;
      EACH_ROW_PIECE(PIECE, cols)
#undef PIECE
    }
  }
}

static void sum_row(const row_sums *r) {
  const bool neighbours = r->columns.walk.step == CN_BLOCK && r->columns.walk.stride == 1;
  if (neighbours && r->columns.x.taps == 3)
    sum_pieces(r, 3);
  else if (neighbours && r->columns.x.taps == 5)
    sum_pieces(r, 5);
  else
    sum_pieces(r, 0);
}

/* Taps i with 0 <= source + i step < size, of count: they are neighbours. */
static void taps_inside(row_sums *r, int64_t size) {
  r->first = 0;
  r->last = r->y.taps;
  while (r->first < r->last && (uint64_t)(r->source + r->first * r->y.src_tap) >= (uint64_t)size)
    r->first++;
  while (r->first < r->last &&
         (uint64_t)(r->source + (r->last - 1) * r->y.src_tap) >= (uint64_t)size)
    r->last--;
}

/* Row residue + t stride of a plane of dst from the band. */
static void dst_row(const depthwise_job *job, const band *band, int64_t block, int32_t residue,
                    int64_t t, float *row) {
  const depthwise_plan *p = &job->plan;
  const int64_t kernel_w = p->conv->kernel_w, taps = p->conv->kernel_h * kernel_w;
  row_sums r = {.band = band, .y = depthwise_axis_y(p, residue)};
  r.source = t * p->src_stride_h + r.y.src;
  r.relu = job->relu;
  r.stream = job->stream;
  r.out_step = p->dst_stride_w * CN_BLOCK;
  r.w_row = r.y.tap_step * kernel_w * CN_BLOCK;
  taps_inside(&r, p->src.h);
  for (int32_t i = 0; i < p->dst_stride_w; i++) {
    r.columns = i < KEPT_AXES ? job->kept[i] : columns_of(p, i);
    r.w_col = r.columns.x.tap_step * CN_BLOCK;
    const float *w = job->w + (block * taps + r.y.tap * kernel_w + r.columns.x.tap) * CN_BLOCK;
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      r.lane = lane;
      r.w = w + lane;
      r.out = row + r.columns.x.dst * CN_BLOCK + lane;
      r.bias = job->bias != NULL ? vec_load(job->bias + block * CN_BLOCK + lane) : vec_zero();
      sum_row(&r);
    }
  }
}

/* Items are strips of rows of dst: (sample, block, strip). */
static void depthwise_items(const void *state, int64_t first, int64_t last, int thread) {
  const depthwise_job *job = state;
  const depthwise_plan *p = &job->plan;
  band rows = band_of(p, job->in, job->bands + thread * p->band_floats);
  for (int64_t item = first; item < last; item++) {
    const int64_t plane = item / p->strips;
    const int64_t sample = plane / p->dv.planes, block = plane % p->dv.planes;
    const int64_t y0 = item % p->strips * p->strip_rows;
    const int64_t y1 = min_i64(y0 + p->strip_rows, p->dst.h);
    float *out = job->out + plane_offset(&p->dv, sample, block);
    band_start(&rows, job->in + plane_offset(&p->sv, sample, block));
    int32_t residue = (int32_t)(y0 % p->dst_stride_h);
    int64_t t = y0 / p->dst_stride_h;
    for (int64_t y = y0; y < y1; y++) {
      load_rows(&rows, t);
      dst_row(job, &rows, block, residue, t, out + y * p->dv.row);
      tail_rows(job->tail, &p->dst, &p->dv, sample, block, y, y + 1, out);
      if (++residue < p->dst_stride_h) continue;
      residue = 0;
      t++;
    }
  }
  if (job->stream) stream_end();
}

static void run_depthwise(int threads, depthwise_job *job) {
  const depthwise_plan *p = &job->plan;
  const bool whole_lines = (int)VEC == (int)CN_BLOCK;
  job->stream = whole_lines && tail_is_empty(job->tail) && p->n * p->dv.sample > STREAM_FLOATS;
  for (int32_t i = 0; i < min_i64(KEPT_AXES, p->dst_stride_w); i++) job->kept[i] = columns_of(p, i);
  run_parallel(threads, depthwise_operations(p->conv, p->n), depthwise_items,
               p->n * p->dv.planes * p->strips, job);
}

void depthwise_forward(int threads, const cn_conv2d *conv, int64_t n, const float *x,
                       const float *w, const float *bias, const tail *t, float *y,
                       float *workspace) {
  depthwise_job job = {.plan = depthwise_plan_of(conv, CN_FORWARD, n),
                       .in = x,
                       .w = w,
                       .bias = bias,
                       .out = y,
                       .bands = workspace,
                       .relu = (conv->flags & CN_RELU) != 0,
                       .tail = t};
  run_depthwise(threads, &job);
}

void depthwise_backward_data(int threads, const cn_conv2d *conv, int64_t n, const float *dy,
                             const float *w, const tail *t, float *dx, float *workspace) {
  depthwise_job job = {.plan = depthwise_plan_of(conv, CN_BACKWARD_DATA, n),
                       .in = dy,
                       .w = w,
                       .out = dx,
                       .bands = workspace,
                       .tail = t};
  run_depthwise(threads, &job);
}
