/*
 * Backward-data into few channels: 16 samples in the lanes, where channels would leave most of them
 * empty. The gradients of 16 samples are transposed, pixel by pixel, before and after.
 *
 *   dx[c][n] = sum over k, r, s of w[k][c][r][s] dy[k][n]   at pixels that belong together
 *
 * The terms are added in the order of the other form, so the bits are the same.
 */
#include "columns.h"
#include "conv.h"

enum { SQUARE = CN_BLOCK * CN_BLOCK };

typedef struct samples_job {
  const cn_conv2d *conv;
  samples_plan plan;
  view dxv, dyv;
  int64_t n;
  const float *dy, *w;
  float *dx, *own;
  const tail *tail; /* for blocked dx */
} samples_job;

/* to[y][x][k block][16k][16n] from samples n0.., with a column of zeros on both sides. */
static void gather(const samples_job *job, int64_t n0, float *to) {
  const cn_tensor *dy = &job->conv->dy;
  const samples_plan *p = &job->plan;
  const int64_t here = min_i64(CN_BLOCK, job->n - n0);
  for (int64_t y = 0; y < dy->h; y++) {
    float *row = to + y * p->row;
    memset(row, 0, (size_t)p->pixel * sizeof(float));
    memset(row + (dy->w + 1) * p->pixel, 0, (size_t)p->pixel * sizeof(float));
    for (int64_t block = 0; block < p->y_blocks; block++)
      for (int64_t x = 0; x < dy->w; x++) {
        const float *from =
            job->dy + plane_offset(&job->dyv, n0, block) + y * job->dyv.row + x * CN_BLOCK;
        float samples[SQUARE] = {0};
        for (int64_t i = 0; i < here; i++)
          memcpy(samples + i * CN_BLOCK, from + i * job->dyv.sample, CN_BLOCK * sizeof(float));
        transpose_block(samples, row + (x + 1) * p->pixel + block * SQUARE);
      }
  }
}

/* Row y of dx: out[x][c][16n]. */
static void compute_row(const samples_job *job, int32_t y, const float *from, float *out) {
  const cn_conv2d *c = job->conv;
  const samples_plan *p = &job->plan;
  const axis ay =
      axis_backward(c->kernel_h, c->stride_h, c->dilation_h, c->pad_h, c->dx.h, y % c->stride_h);
  const int64_t ty = y / c->stride_h;
  const taps rows = axis_taps_inside(&ay, 1, c->dy.h, ty, ty);
  for (int32_t residue = 0; residue < c->stride_w; residue++) {
    const axis ax =
        axis_backward(c->kernel_w, c->stride_w, c->dilation_w, c->pad_w, c->dx.w, residue);
    for (int32_t t = 0; t < ax.count; t += GEMM_PAIR) {
      const int blocks = (int)min_i64(GEMM_PAIR, ax.count - t);
      const taps cols = axis_taps_inside(&ax, 1, c->dy.w, t, t + blocks - 1);
      const int64_t src_y = ty + ay.src + rows.first * ay.src_tap;
      const int64_t src_x = t + ax.src + cols.first * ax.src_tap;
      const int64_t tap_y = ay.tap + rows.first * ay.tap_step;
      const int64_t tap_x = ax.tap + cols.first * ax.tap_step;
      gemm_args g = {.a = from + src_y * p->row + (src_x + 1) * p->pixel,
                     .a_outer = SQUARE,
                     .a_row = ay.src_tap * p->row,
                     .a_col = ax.src_tap * p->pixel,
                     .a_block = p->pixel,
                     .b = job->w + tap_y * p->w_row + tap_x * p->w_col,
                     .b_outer = p->w_block,
                     .b_row = ay.tap_step * p->w_row,
                     .b_col = ax.tap_step * p->w_col,
                     .b_n = p->w_channel,
                     .b_k = 1,
                     .c = out + (residue + (int64_t)t * c->stride_w) * SQUARE,
                     .c_block = (int64_t)c->stride_w * SQUARE,
                     .c_n = CN_BLOCK,
                     .outers = (int32_t)p->y_blocks,
                     .rows = rows.end - rows.first,
                     .cols = cols.end - cols.first,
                     .k = p->k,
                     .lanes = CN_BLOCK};
      prefetcher none = {.at = 2};
      const gemm_plan plan = gemm_plan_of(blocks, 1, c->dx.c, g.b_n);
      gemm_run(&plan, &g, &none);
    }
  }
}

/* Row y of the samples from n0 on, from out[x][c][16n]. */
static void scatter(const samples_job *job, int64_t n0, int64_t y, const float *out) {
  const cn_tensor *dx = &job->conv->dx;
  const view *v = &job->dxv;
  const int64_t here = min_i64(CN_BLOCK, job->n - n0);
  for (int64_t x = 0; x < dx->w; x++) {
    float samples[SQUARE];
    transpose_block(out + x * SQUARE, samples);
    for (int64_t i = 0; i < here; i++) {
      float *to = job->dx + plane_offset(v, n0 + i, 0) + y * v->row + x * v->pixel;
      if (dx->layout == CN_BLOCKED)
        memcpy(to, samples + i * CN_BLOCK, CN_BLOCK * sizeof(float));
      else
        for (int64_t c = 0; c < dx->c; c++) to[c * v->plane] = samples[i * CN_BLOCK + c];
    }
  }
  for (int64_t i = 0; i < here; i++)
    if (dx->layout == CN_BLOCKED)
      tail_rows(job->tail, dx, v, n0 + i, 0, y, y + 1, job->dx + plane_offset(v, n0 + i, 0));
    else
      for (int64_t c = 0; c < dx->c; c++)
        zero_border(dx, v, job->dx + plane_offset(v, n0 + i, c), y, y + 1);
}

/* Items are 16 samples each. */
static void samples_items(const void *state, int64_t first, int64_t last, int thread) {
  const samples_job *job = state;
  const samples_plan *p = &job->plan;
  const cn_tensor *dx = &job->conv->dx;
  float *from = job->own + thread * p->own_floats, *out = from + job->conv->dy.h * p->row;
  memset(out, 0, (size_t)(dx->w * SQUARE) * sizeof(float)); /* rows past the last channel */
  for (int64_t item = first; item < last; item++) {
    gather(job, item * CN_BLOCK, from);
    for (int32_t y = 0; y < dx->h; y++) {
      compute_row(job, y, from, out);
      scatter(job, item * CN_BLOCK, y, out);
    }
  }
}

void run_samples(int threads, const cn_conv2d *conv, int64_t n, const float *dy, const float *w,
                 const tail *t, float *dx, float *workspace) {
  const conv_shape shape = conv_shape_of(conv, &conv->dx, &conv->dy, n);
  const samples_job job = {.conv = conv,
                           .plan = samples_plan_of(conv),
                           .dxv = view_of(&conv->dx, n),
                           .dyv = view_of(&conv->dy, n),
                           .n = n,
                           .dy = dy,
                           .w = w,
                           .dx = dx,
                           .own = workspace,
                           .tail = t};
  run_parallel(threads, shape_operations(&shape), samples_items, ceil_div(n, CN_BLOCK), &job);
}
