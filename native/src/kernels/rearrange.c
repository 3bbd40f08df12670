/* Moves values between channels, rows and columns of CN_BLOCKED tensors. */
#include "conv.h"

typedef struct rearrange_job {
  cn_rearrangement op;
  view xv, yv;
  const float *x;
  float *y;
} rearrange_job;

/* to[i * to_step] = from[i * from_step], i < count. */
ALWAYS_INLINE void copy_steps(float *to, int64_t to_step, const float *from, int64_t from_step,
                              int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i * to_step] = from[i * from_step];
}

/* Pixel (row, col) of a channel of x. */
ALWAYS_INLINE const float *pixel_of(const rearrange_job *job, int64_t sample, int64_t channel,
                                    int64_t row, int64_t col) {
  return job->x + plane_offset(&job->xv, sample, channel / CN_BLOCK) + row * job->xv.row +
         col * CN_BLOCK + channel % CN_BLOCK;
}

/* y[j g + i] = x[i (c / g) + j] for g groups. */
static void shuffle_channel(const rearrange_job *job, int64_t sample, int64_t k, int64_t row,
                            float *to) {
  const int64_t groups = job->op.factor, size = job->op.x.c / groups;
  const float *from = pixel_of(job, sample, k % groups * size + k / groups, row, 0);
  copy_steps(to, CN_BLOCK, from, CN_BLOCK, job->op.y.w);
}

/* y[k, h r + i, w r + j] = x[k r r + i r + j, h, w] */
static void shuffle_pixels(const rearrange_job *job, int64_t sample, int64_t k, int64_t row,
                           float *to) {
  const int64_t r = job->op.factor;
  for (int64_t j = 0; j < r; j++) {
    const float *from = pixel_of(job, sample, (k * r + row % r) * r + j, row / r, 0);
    copy_steps(to + j * CN_BLOCK, r * CN_BLOCK, from, CN_BLOCK, job->op.x.w);
  }
}

/* y[k r r + i r + j, h, w] = x[k, h r + i, w r + j] */
static void unshuffle_pixels(const rearrange_job *job, int64_t sample, int64_t k, int64_t row,
                             float *to) {
  const int64_t r = job->op.factor;
  const float *from = pixel_of(job, sample, k / (r * r), row * r + k / r % r, k % r);
  copy_steps(to, CN_BLOCK, from, r * CN_BLOCK, job->op.y.w);
}

/* y[k, row, col] = x at the coordinates that are k, row and col in another order. */
static void permute(const rearrange_job *job, int64_t sample, int64_t k, int64_t row, float *to) {
  const int32_t *order = job->op.order;
  int64_t at[3] = {0};
  at[order[0]] = k;
  at[order[1]] = row;
  if (order[2] == 0) {
    for (int64_t c = 0; c < job->op.x.c; c += CN_BLOCK)
      copy_steps(to + c * CN_BLOCK, CN_BLOCK, pixel_of(job, sample, c, at[1], at[2]), 1,
                 lanes_of(job->op.x.c, c / CN_BLOCK));
    return;
  }
  const int64_t step = order[2] == 1 ? job->xv.row : CN_BLOCK;
  copy_steps(to, CN_BLOCK, pixel_of(job, sample, at[0], at[1], at[2]), step, job->op.y.w);
}

static void fill_channel(const rearrange_job *job, int64_t sample, int64_t k, int64_t row,
                         float *to) {
  switch (job->op.kind) {
  case CN_CHANNEL_SHUFFLE:
    shuffle_channel(job, sample, k, row, to);
    break;
  case CN_PIXEL_SHUFFLE:
    shuffle_pixels(job, sample, k, row, to);
    break;
  case CN_PIXEL_UNSHUFFLE:
    unshuffle_pixels(job, sample, k, row, to);
    break;
  default:
    permute(job, sample, k, row, to);
  }
}

/* Items are rows of y: (sample, block, row). */
BODY(rearrange_items) {
  const rearrange_job copy = *(const rearrange_job *)state, *job = &copy;
  const cn_tensor *t = &copy.op.y;
  const int64_t planes = job->yv.planes;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t row = item % t->h, block = item / t->h % planes, sample = item / t->h / planes;
    const int64_t lanes = lanes_of(t->c, block);
    float *plane = job->y + plane_offset(&job->yv, sample, block), *to = plane + row * job->yv.row;
    for (int64_t lane = 0; lane < lanes; lane++)
      fill_channel(job, sample, block * CN_BLOCK + lane, row, to + lane);
    if (lanes < CN_BLOCK)
      for (int64_t w = 0; w < t->w; w++)
        memset(to + w * CN_BLOCK + lanes, 0, (size_t)(CN_BLOCK - lanes) * sizeof(float));
    zero_border(t, &job->yv, plane, row, row + 1);
  }
}

void ISA_NAME(rearrange)(const cn_context *context, const cn_rearrangement *op, int32_t n,
                         const float *x, float *y) {
  const rearrange_job job = {
      .op = *op, .xv = view_of(&op->x, n), .yv = view_of(&op->y, n), .x = x, .y = y};
  run_parallel(context, 10.0 * n * job.yv.planes * CN_BLOCK * op->y.h * op->y.w, rearrange_items,
               n * job.yv.planes * op->y.h, &job);
}
