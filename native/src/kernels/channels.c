/* Per-channel operations: copying a range of channels, adding a bias, and its gradient. */
#include "conv.h"
#include "pairwise.h"

/* ---- Copies ---------------------------------------------------------------------------------- */

typedef struct copy_job {
  const cn_tensor *from, *to;
  view fv, tv;
  int64_t from_channel, to_channel, channels;
  int64_t first_plane, planes; /* planes of dst that are written */
  const float *src;
  float *dst;
} copy_job;

/* Writes one row of the block of dst whose first channel is `channel`. row points to its first
 * pixel. */
static void copy_row(const copy_job *job, int64_t sample, int64_t channel, int64_t y, float *row) {
  const int64_t end = job->to_channel + job->channels, w = job->to->w;
  const int64_t first = max_i64(job->to_channel - channel, 0);
  const int64_t last = min_i64(end - channel, CN_BLOCK);
  for (int64_t lane = first; lane < last;) {
    const int64_t source = job->from_channel + channel + lane - job->to_channel;
    const int64_t block = source / CN_BLOCK, at = source % CN_BLOCK;
    const int64_t run = min_i64(last - lane, CN_BLOCK - at);
    const float *src = job->src + plane_offset(&job->fv, sample, block) + y * job->fv.row + at;
    if (run == CN_BLOCK)
      memcpy(row, src, (size_t)(w * CN_BLOCK) * sizeof(float));
    else
      for (int64_t x = 0; x < w; x++)
        for (int64_t i = 0; i < run; i++) row[x * CN_BLOCK + lane + i] = src[x * CN_BLOCK + i];
    lane += run;
  }
  if (end == job->to->c && last < CN_BLOCK)
    for (int64_t x = 0; x < w; x++)
      for (int64_t i = last; i < CN_BLOCK; i++) row[x * CN_BLOCK + i] = 0.0f;
}

/* Items are (sample, plane of dst, row). */
BODY(copy_items) {
  const copy_job *job = state;
  const bool plain = job->to->layout == CN_PLAIN;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t y = item % job->to->h, index = item / job->to->h % job->planes;
    const int64_t sample = item / job->to->h / job->planes, number = job->first_plane + index;
    float *plane = job->dst + plane_offset(&job->tv, sample, number);
    float *row = plane + y * job->tv.row;
    if (plain) {
      const int64_t source = job->from_channel + number - job->to_channel;
      const float *src = job->src + plane_offset(&job->fv, sample, source) + y * job->fv.row;
      memcpy(row, src, (size_t)job->to->w * sizeof(float));
    } else {
      copy_row(job, sample, number * CN_BLOCK, y, row);
    }
    zero_border(job->to, &job->tv, plane, y, y + 1);
  }
}

void ISA_NAME(copy_channels)(const cn_context *context, const cn_tensor *from, const cn_tensor *to,
                             int32_t n, int32_t from_channel, int32_t to_channel, int32_t channels,
                             const float *src, float *dst) {
  const int64_t lanes = to->layout == CN_PLAIN ? 1 : CN_BLOCK;
  copy_job job = {.from = from,
                  .to = to,
                  .fv = view_of(from, n),
                  .tv = view_of(to, n),
                  .from_channel = from_channel,
                  .to_channel = to_channel,
                  .channels = channels,
                  .first_plane = to_channel / lanes,
                  .src = src,
                  .dst = dst};
  job.planes = ceil_div(to_channel + channels, lanes) - job.first_plane;
  const int64_t items = n * job.planes * to->h;
  run_parallel(context, 20.0 * items * to->w * lanes, copy_items, items, &job);
}

/* ---- Bias ------------------------------------------------------------------------------------ */

typedef struct bias_job {
  const cn_tensor *tensor;
  view v;
  int64_t n;
  const float *in; /* the bias, or dy */
  float *out;      /* y, or db */
} bias_job;

/* Items are (sample, block, row). */
BODY(bias_add_items) {
  const bias_job *job = state;
  const cn_tensor *t = job->tensor;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t y = item % t->h, block = item / t->h % job->v.planes;
    float *row =
        job->out + plane_offset(&job->v, item / t->h / job->v.planes, block) + y * job->v.row;
    for (int64_t i = 0; i < CN_BLOCK; i += VEC) {
      const vec bias = vec_load(job->in + block * CN_BLOCK + i);
      for (int64_t x = 0; x < t->w; x++)
        vec_store(row + x * CN_BLOCK + i, vec_add(vec_load(row + x * CN_BLOCK + i), bias));
    }
  }
}

/* Items are blocks of channels. */
BODY(bias_gradient_items) {
  const bias_job *job = state;
  const cn_tensor *t = job->tensor;
  (void)thread;
  for (int64_t block = first; block < last; block++)
    for (int64_t i = 0; i < CN_BLOCK; i += VEC) {
      pairwise sum;
      pairwise_clear(&sum);
      vec partial = vec_zero();
      int terms = 0;
      for (int64_t row = 0; row < job->n * t->h; row++) {
        const float *dy =
            job->in + plane_offset(&job->v, row / t->h, block) + row % t->h * job->v.row;
        for (int64_t x = 0; x < t->w; x++) {
          partial = vec_add(partial, vec_load(dy + x * CN_BLOCK + i));
          if (++terms < LEAF_TERMS) continue;
          pairwise_add(&sum, partial);
          partial = vec_zero();
          terms = 0;
        }
      }
      vec_store(job->out + block * CN_BLOCK + i, pairwise_total(&sum, partial));
    }
}

void ISA_NAME(bias_add)(const cn_context *context, const cn_tensor *tensor, int32_t n,
                        const float *bias, float *y) {
  const bias_job job = {.tensor = tensor, .v = view_of(tensor, n), .n = n, .in = bias, .out = y};
  const int64_t items = n * job.v.planes * tensor->h;
  run_parallel(context, 20.0 * items * tensor->w * CN_BLOCK, bias_add_items, items, &job);
}

void ISA_NAME(bias_gradient)(const cn_context *context, const cn_tensor *tensor, int32_t n,
                             const float *dy, float *db) {
  const bias_job job = {.tensor = tensor, .v = view_of(tensor, n), .n = n, .in = dy, .out = db};
  run_parallel(context, 20.0 * n * tensor->h * tensor->w * CN_BLOCK * job.v.planes,
               bias_gradient_items, job.v.planes, &job);
}
