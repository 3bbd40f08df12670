/*
 * Normalisation of groups of channels. Statistics are first computed for each channel and then
 * combined as in Chan, Golub and LeVeque (1983).
 */
#include "pairwise.h"
#include "sample_norm.h"

enum { VECS = CN_BLOCK / VEC }; /* vectors of a block */

typedef struct group_job group_job;

/* A part of a pass: of a block, or of a span, of a sample. */
typedef void (*group_part)(const group_job *job, int64_t sample, int64_t index);

/* A pass computes a part for every block, for every span, and for every block again. */
struct group_job {
  norm_job all;
  group_part of_blocks, of_spans, of_blocks_again;
  int64_t span;           /* blocks of a span, which consists of whole groups */
  float *offset, *factor; /* [n][channels]; dx = (g - offset - (x - mean) factor) / std */
};

/* Whether every value has its own scale. Without scales, this makes no difference. */
static bool scales_each(const group_job *job) {
  return job->all.norm->scales_values != 0 && job->all.scale != NULL;
}

/* The offset of a block in the scales and shifts. */
static int64_t scales_of(const group_job *job, int64_t block) {
  const cn_tensor *t = job->all.m.shape;
  return block * CN_BLOCK * (job->all.norm->scales_values != 0 ? (int64_t)t->h * t->w : 1);
}

/* The offset of a block in the statistics, sums and coefficients. */
static int64_t channels_of(const group_job *job, int64_t sample, int64_t block) {
  return sample * job->all.channels + block * CN_BLOCK;
}

/* ---- Forward --------------------------------------------------------------------------------- */

/* sum[j] += sum of d or d^2 over w pixels, where d = x - origin[j]. Four accumulators hide the
 * latency of additions. */
ALWAYS_INLINE void sum_pixels(const float *x, int64_t w, const vec *origin, bool squared,
                              vec *sum) {
  for (int j = 0; j < VECS; j++, x += VEC) {
    vec a[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    int64_t i = 0;
    for (; i + 4 <= w; i += 4)
#pragma GCC unroll 4
      for (int u = 0; u < 4; u++) {
        const vec d = vec_sub(vec_load(x + (i + u) * CN_BLOCK), origin[j]);
        a[u] = squared ? vec_fma(d, d, a[u]) : vec_add(a[u], d);
      }
    for (; i < w; i++) {
      const vec d = vec_sub(vec_load(x + i * CN_BLOCK), origin[j]);
      a[0] = squared ? vec_fma(d, d, a[0]) : vec_add(a[0], d);
    }
    sum[j] = vec_add(sum[j], vec_add(vec_add(a[0], a[1]), vec_add(a[2], a[3])));
  }
}

/* The sum over all pixels of a plane. */
static void sum_plane(const maps *m, const float *x, const vec *origin, bool squared, vec *total) {
  int64_t h = m->shape->h, w = m->shape->w;
  if (m->xv.row == w * CN_BLOCK) {
    w *= h;
    h = 1;
  }
  pairwise sums[VECS];
  vec partial[VECS];
  int pieces = 0;
  pairwise_begin(sums, partial, VECS);
  for (int64_t y = 0; y < h; y++)
    for (int64_t p = 0; p < w; p += NORM_PIECE) {
      const float *from = x + y * m->xv.row + p * CN_BLOCK;
      const int64_t count = min_i64(NORM_PIECE, w - p);
      if (squared)
        sum_pixels(from, count, origin, true, partial);
      else
        sum_pixels(from, count, origin, false, partial);
      if (++pieces % LEAF_TERMS == 0) pairwise_add_leaves(sums, partial, VECS);
    }
  for (int j = 0; j < VECS; j++) total[j] = pairwise_total(&sums[j], partial[j]);
}

/* Stores the mean and the sum of squared deviations of each channel of a block. */
static void channel_statistics(const group_job *job, int64_t sample, int64_t block) {
  const maps *m = &job->all.m;
  const float *x = m->x + plane_offset(&m->xv, sample, block);
  const int64_t to = channels_of(job, sample, block);
  const vec count = vec_set1((float)((double)m->shape->h * m->shape->w));
  vec mean[VECS], squares[VECS];
  for (int j = 0; j < VECS; j++) mean[j] = vec_zero();
  sum_plane(m, x, mean, false, squares);
  for (int j = 0; j < VECS; j++) mean[j] = vec_div(squares[j], count);
  sum_plane(m, x, mean, true, squares);
  for (int j = 0; j < VECS; j++) {
    vec_store(job->all.mean + to + j * VEC, mean[j]);
    vec_store(job->all.inverse_std + to + j * VEC, squares[j]);
  }
}

/* Blocks or channels. */
typedef struct range {
  int64_t first, last;
} range;

static range blocks_of_span(const group_job *job, int64_t span) {
  return (range){span * job->span, min_i64((span + 1) * job->span, job->all.m.xv.planes)};
}

/* The last may be a padding channel. */
static range channels_of_span(const group_job *job, int64_t span) {
  const range blocks = blocks_of_span(job, span);
  return (range){blocks.first * CN_BLOCK, blocks.last * CN_BLOCK};
}

static int64_t spans_of(const group_job *job) { return ceil_div(job->all.m.xv.planes, job->span); }

/* Replaces the statistics of the channels of a span by those of their groups. */
static void group_statistics(const group_job *job, int64_t sample, int64_t span) {
  const cn_tensor *t = job->all.m.shape;
  const int64_t size = t->c / job->all.norm->groups;
  const double pixels = (double)t->h * t->w;
  const range channels = channels_of_span(job, span);
  float *mean = job->all.mean + sample * job->all.channels;
  float *rest = job->all.inverse_std + sample * job->all.channels;
  int64_t c = channels.first;
  for (; c < min_i64(channels.last, t->c); c += size) {
    double sum = 0.0, squares = 0.0;
    for (int64_t i = c; i < c + size; i++) sum += mean[i];
    const double centre = sum / (double)size;
    for (int64_t i = c; i < c + size; i++) {
      const double d = mean[i] - centre;
      squares += rest[i] + pixels * d * d;
    }
    const float inverse = inverse_root(squares / ((double)size * pixels), job->all.norm->epsilon);
    for (int64_t i = c; i < c + size; i++) {
      mean[i] = (float)centre;
      rest[i] = inverse;
    }
  }
  for (; c < channels.last; c++) mean[c] = rest[c] = 0.0f;
}

/* y of a plane. `each`: every value has its own scale and shift. */
ALWAYS_INLINE void normalise_plane(const group_job *job, int64_t sample, int64_t block, bool each) {
  const maps *m = &job->all.m;
  const int64_t h = m->shape->h, w = m->shape->w;
  const int64_t at = channels_of(job, sample, block), scales = scales_of(job, block);
  const bool stream = stores_stream(&m->ov, m->n, STREAMED_FLOATS);
  const float *x = m->x + plane_offset(&m->xv, sample, block);
  float *y = m->out + plane_offset(&m->ov, sample, block);
  vec mean[VECS], inverse[VECS], a[VECS], b[VECS];
  for (int j = 0; j < VECS; j++) {
    mean[j] = vec_load(job->all.mean + at + j * VEC);
    inverse[j] = vec_load(job->all.inverse_std + at + j * VEC);
    a[j] = vec_mul(inverse[j], scale_at(&job->all, scales + j * VEC));
    b[j] = shift_at(&job->all, scales + j * VEC);
  }
  const float *scale = each ? job->all.scale + scales : NULL;
  const float *shift = each ? job->all.shift + scales : NULL;
  for (int64_t r = 0; r < h; r++, x += m->xv.row, y += m->ov.row)
    for (int64_t i = 0; i < w * CN_BLOCK; i += CN_BLOCK)
      for (int j = 0; j < VECS; j++) {
        if (each) {
          const int64_t own = r * w * CN_BLOCK + i + j * VEC;
          a[j] = vec_mul(inverse[j], vec_load(scale + own));
          b[j] = vec_load(shift + own);
        }
        const vec value = vec_fma(vec_sub(vec_load(x + i + j * VEC), mean[j]), a[j], b[j]);
        store_or_stream(stream, y + i + j * VEC, value);
      }
  if (stream) stream_end();
}

static void normalise_block(const group_job *job, int64_t sample, int64_t block) {
  if (scales_each(job))
    normalise_plane(job, sample, block, true);
  else
    normalise_plane(job, sample, block, false);
  zero_map_border(&job->all.m, sample, block, 0, job->all.m.shape->h);
}

/* ---- Backward -------------------------------------------------------------------------------- */

/* Sums of g and g (x - mean) over w pixels, with two accumulators each. g = scale dy if every value
 * has its own scale, else dy. */
ALWAYS_INLINE void sum_gradient_row(const float *x, const float *dy, const float *scale, int64_t w,
                                    vec mean, bool each, vec *sum) {
  vec g[2] = {vec_zero(), vec_zero()}, gx[2] = {vec_zero(), vec_zero()};
  for (int64_t i = 0; i < w; i += 2)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      if (i + j == w) break;
      const int64_t at = (i + j) * CN_BLOCK;
      vec d = vec_load(dy + at);
      if (each) d = vec_mul(d, vec_load(scale + at));
      g[j] = vec_add(g[j], d);
      gx[j] = vec_fma(d, vec_sub(vec_load(x + at), mean), gx[j]);
    }
  sum[0] = vec_add(sum[0], vec_add(g[0], g[1]));
  sum[1] = vec_add(sum[1], vec_add(gx[0], gx[1]));
}

ALWAYS_INLINE void sum_gradient_plane(const group_job *job, int64_t sample, int64_t block,
                                      bool each) {
  const maps *m = &job->all.m;
  const int64_t h = m->shape->h, w = m->shape->w, to = channels_of(job, sample, block);
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    const vec mean = vec_load(job->all.mean + to + lane);
    const float *x = m->x + plane_offset(&m->xv, sample, block) + lane;
    const float *dy = m->dy + plane_offset(&m->ev, sample, block) + lane;
    const float *scale = each ? job->all.scale + scales_of(job, block) + lane : NULL;
    pairwise total[2];
    vec partial[2];
    int pieces = 0;
    pairwise_begin(total, partial, 2);
    for (int64_t r = 0; r < h; r++, x += m->xv.row, dy += m->ev.row)
      for (int64_t p = 0; p < w; p += NORM_PIECE) {
        sum_gradient_row(x + p * CN_BLOCK, dy + p * CN_BLOCK,
                         each ? scale + (r * w + p) * CN_BLOCK : NULL, min_i64(NORM_PIECE, w - p),
                         mean, each, partial);
        if (++pieces % LEAF_TERMS == 0) pairwise_add_leaves(total, partial, 2);
      }
    vec_store(job->all.sums + to + lane, pairwise_total(&total[0], partial[0]));
    vec_store(job->all.products + to + lane, pairwise_total(&total[1], partial[1]));
  }
}

static void sum_gradient_block(const group_job *job, int64_t sample, int64_t block) {
  if (scales_each(job))
    sum_gradient_plane(job, sample, block, true);
  else
    sum_gradient_plane(job, sample, block, false);
}

/* The coefficients of dx for the channels of a span, from the sums over their groups. */
static void gradient_coefficients(const group_job *job, int64_t sample, int64_t span) {
  const cn_tensor *t = job->all.m.shape;
  const int64_t size = t->c / job->all.norm->groups, row = sample * job->all.channels;
  const double count = (double)size * t->h * t->w;
  const float *scale = scales_each(job) ? NULL : job->all.scale;
  const range channels = channels_of_span(job, span);
  int64_t c = channels.first;
  for (; c < min_i64(channels.last, t->c); c += size) {
    const double inverse = job->all.inverse_std[row + c];
    double sum = 0.0, product = 0.0;
    for (int64_t i = c; i < c + size; i++) {
      const double factor = scale == NULL ? 1.0 : scale[i];
      sum += factor * job->all.sums[row + i];
      product += factor * job->all.products[row + i];
    }
    for (int64_t i = row + c; i < row + c + size; i++) {
      job->offset[i] = (float)(sum / count);
      job->factor[i] = (float)(product / count * inverse * inverse);
    }
  }
  for (; c < channels.last; c++) job->offset[row + c] = job->factor[row + c] = 0.0f;
}

/* dx = (scale dy - offset - (x - mean) factor) / std */
ALWAYS_INLINE void input_gradient_plane(const group_job *job, int64_t sample, int64_t block,
                                        bool each) {
  const maps *m = &job->all.m;
  const int64_t h = m->shape->h, w = m->shape->w, at = channels_of(job, sample, block);
  const bool stream = stores_stream(&m->ov, m->n, STREAMED_FLOATS);
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    const int64_t scales = scales_of(job, block) + lane;
    const vec mean = vec_load(job->all.mean + at + lane);
    const vec inverse = vec_load(job->all.inverse_std + at + lane);
    const vec offset = vec_load(job->offset + at + lane);
    const vec factor = vec_load(job->factor + at + lane);
    vec scale = scale_at(&job->all, scales);
    const float *x = m->x + plane_offset(&m->xv, sample, block) + lane;
    const float *dy = m->dy + plane_offset(&m->ev, sample, block) + lane;
    float *dx = m->out + plane_offset(&m->ov, sample, block) + lane;
    for (int64_t r = 0; r < h; r++, x += m->xv.row, dy += m->ev.row, dx += m->ov.row)
      for (int64_t i = 0; i < w * CN_BLOCK; i += CN_BLOCK) {
        if (each) scale = vec_load(job->all.scale + scales + r * w * CN_BLOCK + i);
        const vec g = vec_mul(vec_load(dy + i), scale);
        const vec d = vec_sub(vec_load(x + i), mean);
        const vec rest = vec_sub(vec_sub(g, offset), vec_mul(d, factor));
        store_or_stream(stream, dx + i, vec_mul(inverse, rest));
      }
  }
  if (stream) stream_end();
}

static void input_gradient_block(const group_job *job, int64_t sample, int64_t block) {
  if (scales_each(job))
    input_gradient_plane(job, sample, block, true);
  else
    input_gradient_plane(job, sample, block, false);
  zero_map_border(&job->all.m, sample, block, 0, job->all.m.shape->h);
}

/* dshift = sum of dy; dscale = sum of dy (x - mean) / std. Items are channels. */
BODY(group_norm_total_items) {
  const group_job *job = state;
  (void)thread;
  add_norm_gradients(&job->all, first, last, job->all.m.n, job->all.inverse_std);
}

/* The same for the scales of a vector of values. The terms of LEAF_TERMS samples are added up
 * before they are added to the others. */
static void sum_value_gradients(const group_job *job, int64_t block, int64_t row, int64_t p,
                                int lane) {
  const maps *m = &job->all.m;
  vec total[2] = {vec_zero(), vec_zero()};
  for (int64_t start = 0; start < m->n; start += LEAF_TERMS) {
    vec leaf[2] = {vec_zero(), vec_zero()};
    for (int64_t i = start; i < min_i64(start + LEAF_TERMS, m->n); i++) {
      const int64_t at = channels_of(job, i, block) + lane;
      const float *x = m->x + plane_offset(&m->xv, i, block) + row * m->xv.row;
      const float *dy = m->dy + plane_offset(&m->ev, i, block) + row * m->ev.row;
      const vec d = vec_sub(vec_load(x + p * CN_BLOCK + lane), vec_load(job->all.mean + at));
      const vec g = vec_load(dy + p * CN_BLOCK + lane);
      leaf[0] = vec_add(leaf[0], g);
      leaf[1] = vec_fma(vec_mul(g, d), vec_load(job->all.inverse_std + at), leaf[1]);
    }
    for (int s = 0; s < 2; s++) total[s] = vec_add(total[s], leaf[s]);
  }
  const int64_t to = scales_of(job, block) + (row * m->shape->w + p) * CN_BLOCK + lane;
  if (job->all.dshift != NULL) vec_store(job->all.dshift + to, total[0]);
  if (job->all.dscale != NULL) vec_store(job->all.dscale + to, total[1]);
}

/* Items are rows of planes of one sample. */
BODY(group_norm_value_items) {
  const group_job *job = state;
  const int64_t h = job->all.m.shape->h;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    for (int64_t p = 0; p < job->all.m.shape->w; p++)
      for (int lane = 0; lane < CN_BLOCK; lane += VEC)
        sum_value_gradients(job, item / h, item % h, p, lane);
}

/* ---- Passes ---------------------------------------------------------------------------------- */

/* Items are (sample, span): a whole pass, while the span is in cache. */
BODY(group_norm_pass_items) {
  const group_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t span = item % spans_of(job), sample = item / spans_of(job);
    const range blocks = blocks_of_span(job, span);
    for (int64_t b = blocks.first; b < blocks.last; b++) job->of_blocks(job, sample, b);
    job->of_spans(job, sample, span);
    for (int64_t b = blocks.first; b < blocks.last; b++) job->of_blocks_again(job, sample, b);
  }
}

/* The same in three phases, with more items: (sample, block), (sample, span), (sample, block). */
static void each_item(const group_job *job, int64_t first, int64_t last, int64_t parts,
                      group_part part) {
  for (int64_t item = first; item < last; item++) part(job, item / parts, item % parts);
}

BODY(group_norm_block_items) {
  const group_job *job = state;
  (void)thread;
  each_item(job, first, last, job->all.m.xv.planes, job->of_blocks);
}

BODY(group_norm_span_items) {
  const group_job *job = state;
  (void)thread;
  each_item(job, first, last, spans_of(job), job->of_spans);
}

BODY(group_norm_block_again_items) {
  const group_job *job = state;
  (void)thread;
  each_item(job, first, last, job->all.m.xv.planes, job->of_blocks_again);
}

/* The phases of a pass, and their number. Only the blocks are needed if there is nothing to write.
 * If there are too few spans for the threads, they are split; the results have the same bits. */
static int phases_of(const cn_context *context, const group_job *job, phase phases[3]) {
  const int64_t blocks = job->all.m.n * job->all.m.xv.planes, spans = job->all.m.n * spans_of(job);
  const bool splits = job->span > 1 && spans < 2 * (int64_t)context->threads;
  phases[0] = (phase){group_norm_block_items, blocks};
  phases[1] = (phase){group_norm_span_items, spans};
  phases[2] = (phase){group_norm_block_again_items, blocks};
  if (job->all.m.out == NULL) return 1;
  if (splits) return 3;
  phases[0] = (phase){group_norm_pass_items, spans};
  return 1;
}

void ISA_NAME(group_norm_forward)(const cn_context *context, const cn_sample_norm *norm, int32_t n,
                                  const float *x, const float *scale, const float *shift, float *y,
                                  float *mean, float *inverse_std) {
  const group_job job = {.all = norm_forward_job(norm, n, x, scale, shift, y, mean, inverse_std),
                         .of_blocks = channel_statistics,
                         .of_spans = group_statistics,
                         .of_blocks_again = normalise_block,
                         .span = norm_span_blocks(norm)};
  phase phases[3];
  const int count = phases_of(context, &job, phases);
  run_phases(context, norm_cost(&job.all), phases, count, &job);
}

void ISA_NAME(group_norm_backward)(const cn_context *context, const cn_sample_norm *norm, int32_t n,
                                   const float *x, const float *dy, const float *scale,
                                   const float *mean, const float *inverse_std, float *dx,
                                   float *dscale, float *dshift, float *workspace) {
  group_job job = {.all = norm_backward_job(norm, n, x, dy, scale, mean, inverse_std, dx, dscale,
                                            dshift, workspace),
                   .of_blocks = sum_gradient_block,
                   .of_spans = gradient_coefficients,
                   .of_blocks_again = input_gradient_block,
                   .span = norm_span_blocks(norm)};
  const int64_t floats = n * job.all.channels;
  job.all.products = job.all.sums + floats;
  job.offset = job.all.products + floats;
  job.factor = job.offset + floats;
  phase phases[4];
  int count = phases_of(context, &job, phases);
  if (dscale != NULL || dshift != NULL)
    phases[count++] = norm->scales_values != 0
                          ? (phase){group_norm_value_items, job.all.m.xv.planes * norm->x.h}
                          : (phase){group_norm_total_items, job.all.channels};
  run_phases(context, norm_cost(&job.all), phases, count, &job);
}
