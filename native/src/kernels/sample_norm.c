/*
 * Normalisation of groups of channels, or of the channels of each pixel, of one sample (Wu and He,
 * 2018; Ba, Kiros and Hinton, 2016). Variances are sums of squared deviations from the mean. Those
 * of groups are first computed for each channel and then combined as in Chan, Golub and LeVeque
 * (1983).
 */
#include "../sample_norm_plan.h"
#include "conv.h"
#include "pairwise.h"

#include <math.h>

enum { VECS = CN_BLOCK / VEC }; /* vectors of a block */

typedef struct norm_job {
  const cn_sample_norm *norm;
  cn_activation activation;
  const cn_tensor *shape;    /* c, h, w; the same for all tensors */
  view xv, ov, ev;           /* ov: of y or dx; ev: of dy */
  int64_t n, channels, span; /* floats of a per-channel vector; blocks of a span */
  const float *x, *dy;
  const float *scale, *shift;   /* NULL for 1 and 0 */
  float *mean, *inverse_std;    /* [n][channels] or [n][h][w] */
  float *out, *dscale, *dshift; /* the gradients are NULL if they are not needed */
  float *sums, *products;       /* of dy and dy (x - mean): [n][channels] or [chunks][channels] */
  float *offset, *factor;       /* [n][channels]; dx = (g - offset - (x - mean) factor) / std */
} norm_job;

static double cost(const norm_job *job) {
  return 20.0 * job->n * job->channels * job->shape->h * job->shape->w;
}

static float inverse_root(double variance, float epsilon) {
  return (float)(1.0 / sqrt(variance + (double)epsilon));
}

/* The activation of an epilogue. */
static cn_activation activation_behind(const cn_epilogue *e) {
  return (e->operations & CN_ACTIVATE) != 0 ? e->activation : (cn_activation){0};
}

/* The scale and the shift of the values of a block: of all its pixels, or one for each. */
typedef struct affine {
  const float *scale, *shift;
  float ones[CN_BLOCK], zeros[CN_BLOCK];
} affine;

static void affine_of(const norm_job *job, int64_t block, int64_t pixel, affine *a) {
  const int64_t pixels = (int64_t)job->shape->h * job->shape->w;
  const int64_t at = (job->norm->scales_values ? block * pixels + pixel : block) * CN_BLOCK;
  const int64_t lanes = lanes_of(job->shape->c, block);
  for (int64_t i = 0; i < CN_BLOCK; i++) {
    a->ones[i] = i < lanes ? 1.0f : 0.0f;
    a->zeros[i] = 0.0f;
  }
  a->scale = job->scale == NULL ? a->ones : job->scale + at;
  a->shift = job->shift == NULL ? a->zeros : job->shift + at;
}

/* Whether every value has its own scale. Without scales, this makes no difference. */
static bool scales_each(const norm_job *job) {
  return job->norm->scales_values != 0 && job->scale != NULL;
}

static inline void store_or_stream(bool stream, float *to, vec value) {
  if (stream)
    vec_stream(to, value);
  else
    vec_store(to, value);
}

/* ---- Groups of channels: forward ------------------------------------------------------------- */

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
static void sum_plane(const norm_job *job, const float *x, const vec *origin, bool squared,
                      vec *total) {
  int64_t h = job->shape->h, w = job->shape->w;
  if (job->xv.row == w * CN_BLOCK) {
    w *= h;
    h = 1;
  }
  pairwise sums[VECS];
  vec partial[VECS];
  int pieces = 0;
  for (int j = 0; j < VECS; j++) {
    pairwise_clear(&sums[j]);
    partial[j] = vec_zero();
  }
  for (int64_t y = 0; y < h; y++)
    for (int64_t p = 0; p < w; p += NORM_PIECE) {
      const float *from = x + y * job->xv.row + p * CN_BLOCK;
      const int64_t count = min_i64(NORM_PIECE, w - p);
      if (squared)
        sum_pixels(from, count, origin, true, partial);
      else
        sum_pixels(from, count, origin, false, partial);
      if (++pieces < LEAF_TERMS) continue;
      for (int j = 0; j < VECS; j++) {
        pairwise_add(&sums[j], partial[j]);
        partial[j] = vec_zero();
      }
      pieces = 0;
    }
  for (int j = 0; j < VECS; j++) total[j] = pairwise_total(&sums[j], partial[j]);
}

/* Stores the mean and the sum of squared deviations of each channel of a block. */
static void channel_statistics(const norm_job *job, int64_t sample, int64_t block) {
  const float *x = job->x + plane_offset(&job->xv, sample, block);
  const int64_t to = sample * job->channels + block * CN_BLOCK;
  const vec count = vec_set1((float)((double)job->shape->h * job->shape->w));
  vec mean[VECS], squares[VECS];
  for (int j = 0; j < VECS; j++) mean[j] = vec_zero();
  sum_plane(job, x, mean, false, squares);
  for (int j = 0; j < VECS; j++) mean[j] = vec_div(squares[j], count);
  sum_plane(job, x, mean, true, squares);
  for (int j = 0; j < VECS; j++) {
    vec_store(job->mean + to + j * VEC, mean[j]);
    vec_store(job->inverse_std + to + j * VEC, squares[j]);
  }
}

/* The channels of a span, and those of one of its groups. */
typedef struct span_range {
  int64_t first, last; /* the last may be a padding channel */
} span_range;

static span_range span_channels(const norm_job *job, int64_t span) {
  const int64_t width = job->span * CN_BLOCK;
  return (span_range){span * width, min_i64((span + 1) * width, job->channels)};
}

/* Replaces the statistics of the channels of a span by those of their groups. */
static void group_statistics(const norm_job *job, int64_t sample, int64_t span) {
  const int64_t size = job->shape->c / job->norm->groups;
  const double pixels = (double)job->shape->h * job->shape->w;
  const span_range range = span_channels(job, span);
  float *mean = job->mean + sample * job->channels, *rest = job->inverse_std + (mean - job->mean);
  int64_t c = range.first;
  for (; c < min_i64(range.last, job->shape->c); c += size) {
    double sum = 0.0, squares = 0.0;
    for (int64_t i = c; i < c + size; i++) sum += mean[i];
    const double centre = sum / (double)size;
    for (int64_t i = c; i < c + size; i++) {
      const double d = mean[i] - centre;
      squares += rest[i] + pixels * d * d;
    }
    const float inverse = inverse_root(squares / ((double)size * pixels), job->norm->epsilon);
    for (int64_t i = c; i < c + size; i++) {
      mean[i] = (float)centre;
      rest[i] = inverse;
    }
  }
  for (; c < range.last; c++) mean[c] = rest[c] = 0.0f;
}

/* The statistics of a block: k[0] is the mean, k[1] the inverse deviation, each VECS vectors. */
static void load_statistics(const norm_job *job, int64_t sample, int64_t block, vec k[2][VECS]) {
  const int64_t from = sample * job->channels + block * CN_BLOCK;
  for (int j = 0; j < VECS; j++) {
    k[0][j] = vec_load(job->mean + from + j * VEC);
    k[1][j] = vec_load(job->inverse_std + from + j * VEC);
  }
}

/* y of a plane. `each`: every value has its own scale and shift. */
ALWAYS_INLINE void normalise_plane(const norm_job *job, int64_t sample, int64_t block, int32_t kind,
                                   bool each) {
  const int64_t h = job->shape->h, w = job->shape->w;
  vec p[ACTIVATION_PARAMETERS];
  load_parameters(job->activation, p);
  const bool stream = stores_stream(&job->ov, job->n, STREAMED_FLOATS);
  const float *x = job->x + plane_offset(&job->xv, sample, block);
  float *y = job->out + plane_offset(&job->ov, sample, block);
  vec k[2][VECS], a[VECS], b[VECS];
  affine f;
  load_statistics(job, sample, block, k);
  affine_of(job, block, 0, &f);
  for (int j = 0; j < VECS; j++) {
    a[j] = vec_mul(k[1][j], vec_load(f.scale + j * VEC));
    b[j] = vec_load(f.shift + j * VEC);
  }
  const float *scale = f.scale, *shift = f.shift;
  for (int64_t r = 0; r < h; r++, x += job->xv.row, y += job->ov.row)
    for (int64_t i = 0; i < w * CN_BLOCK; i += CN_BLOCK)
      for (int j = 0; j < VECS; j++) {
        if (each) {
          const int64_t at = r * w * CN_BLOCK + i + j * VEC;
          a[j] = vec_mul(k[1][j], vec_load(scale + at));
          b[j] = vec_load(shift + at);
        }
        const vec value = vec_fma(vec_sub(vec_load(x + i + j * VEC), k[0][j]), a[j], b[j]);
        store_or_stream(stream, y + i + j * VEC, activate_as(kind, p, value));
      }
  if (stream) stream_end();
}

static void normalise_block(const norm_job *job, int64_t sample, int64_t block) {
  switch (job->activation.kind) {
#define NORMALISE(KIND, name)                                                                      \
  case KIND:                                                                                       \
    if (scales_each(job))                                                                          \
      normalise_plane(job, sample, block, KIND, true);                                             \
    else                                                                                           \
      normalise_plane(job, sample, block, KIND, false);                                            \
    break;
    EACH_SIMPLE_ACTIVATION(NORMALISE)
#undef NORMALISE
  }
  zero_border(&job->norm->y, &job->ov, job->out + plane_offset(&job->ov, sample, block), 0,
              job->shape->h);
}

/* The blocks of a span. */
static span_range span_blocks(const norm_job *job, int64_t span) {
  return (span_range){span * job->span, min_i64((span + 1) * job->span, job->xv.planes)};
}

static int64_t spans_of(const norm_job *job) { return ceil_div(job->xv.planes, job->span); }

/* Items are (sample, span): everything, while the span is in cache. */
BODY(norm_span_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t span = item % spans_of(job), sample = item / spans_of(job);
    const span_range range = span_blocks(job, span);
    for (int64_t b = range.first; b < range.last; b++) channel_statistics(job, sample, b);
    group_statistics(job, sample, span);
    for (int64_t b = range.first; b < range.last; b++) normalise_block(job, sample, b);
  }
}

/* The same in three phases, with more items: (sample, block), (sample, span), (sample, block). */
BODY(norm_channel_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    channel_statistics(job, item / job->xv.planes, item % job->xv.planes);
}

BODY(norm_group_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    group_statistics(job, item / spans_of(job), item % spans_of(job));
}

BODY(norm_block_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    normalise_block(job, item / job->xv.planes, item % job->xv.planes);
}

/* Whether there are too few spans for the threads. The results have the same bits. */
static bool splits_spans(const cn_context *context, const norm_job *job) {
  return job->span > 1 && job->n * spans_of(job) < 2 * (int64_t)context->threads;
}

/* ---- Groups of channels: backward ------------------------------------------------------------ */

/* The operands of a value in the backward pass. g is the gradient through the activation and, if
 * every value has its own, the scale, which are at `scale` and `shift`. */
typedef struct gradient_operands {
  vec mean, inverse, scale, shift, p[ACTIVATION_PARAMETERS];
} gradient_operands;

ALWAYS_INLINE vec gradient_of(vec x, vec dy, const float *scale, const float *shift,
                              const gradient_operands *k, int32_t kind, bool each) {
  if (kind == CN_IDENTITY) return each ? vec_mul(dy, vec_load(scale)) : dy;
  const vec factor = each ? vec_load(scale) : k->scale;
  const vec y =
      vec_fma(vec_sub(x, k->mean), vec_mul(k->inverse, factor), each ? vec_load(shift) : k->shift);
  const vec g = slope_from_x_as(kind, k->p, y, dy);
  return each ? vec_mul(g, factor) : g;
}

static gradient_operands operands_of(const norm_job *job, const affine *f, int64_t at, int lane) {
  return (gradient_operands){.mean = vec_load(job->mean + at + lane),
                             .inverse = vec_load(job->inverse_std + at + lane),
                             .scale = vec_load(f->scale + lane),
                             .shift = vec_load(f->shift + lane),
                             .p = {vec_set1(job->activation.slope)}};
}

/* Sums of g and g (x - mean) over w pixels, with two accumulators each. */
ALWAYS_INLINE void sum_gradient_row(const float *x, const float *dy, const float *scale,
                                    const float *shift, int64_t w, const gradient_operands *k,
                                    int32_t kind, bool each, vec *sum) {
  vec g[2] = {vec_zero(), vec_zero()}, gx[2] = {vec_zero(), vec_zero()};
  for (int64_t i = 0; i < w; i += 2)
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++) {
      if (i + j == w) break;
      const int64_t at = (i + j) * CN_BLOCK;
      const vec v = vec_load(x + at);
      const vec d = gradient_of(v, vec_load(dy + at), scale + at, shift + at, k, kind, each);
      g[j] = vec_add(g[j], d);
      gx[j] = vec_fma(d, vec_sub(v, k->mean), gx[j]);
    }
  sum[0] = vec_add(sum[0], vec_add(g[0], g[1]));
  sum[1] = vec_add(sum[1], vec_add(gx[0], gx[1]));
}

ALWAYS_INLINE void sum_gradient_plane(const norm_job *job, int64_t sample, int64_t block,
                                      int32_t kind, bool each) {
  const int64_t h = job->shape->h, w = job->shape->w;
  const int64_t to = sample * job->channels + block * CN_BLOCK;
  affine f;
  affine_of(job, block, 0, &f);
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    const gradient_operands k = operands_of(job, &f, to, lane);
    const float *x = job->x + plane_offset(&job->xv, sample, block) + lane;
    const float *dy = job->dy + plane_offset(&job->ev, sample, block) + lane;
    vec partial[2] = {vec_zero(), vec_zero()};
    pairwise total[2];
    pairwise_clear(&total[0]);
    pairwise_clear(&total[1]);
    int pieces = 0;
    for (int64_t r = 0; r < h; r++, x += job->xv.row, dy += job->ev.row)
      for (int64_t p = 0; p < w; p += NORM_PIECE) {
        const int64_t from = p * CN_BLOCK, own = each ? (r * w + p) * CN_BLOCK + lane : lane;
        sum_gradient_row(x + from, dy + from, f.scale + own, f.shift + own,
                         min_i64(NORM_PIECE, w - p), &k, kind, each, partial);
        if (++pieces < LEAF_TERMS) continue;
        for (int s = 0; s < 2; s++) {
          pairwise_add(&total[s], partial[s]);
          partial[s] = vec_zero();
        }
        pieces = 0;
      }
    vec_store(job->sums + to + lane, pairwise_total(&total[0], partial[0]));
    vec_store(job->products + to + lane, pairwise_total(&total[1], partial[1]));
  }
}

static void sum_gradient_block(const norm_job *job, int64_t sample, int64_t block) {
  switch (job->activation.kind) {
#define SUMS(KIND, name)                                                                           \
  case KIND:                                                                                       \
    if (scales_each(job))                                                                          \
      sum_gradient_plane(job, sample, block, KIND, true);                                          \
    else                                                                                           \
      sum_gradient_plane(job, sample, block, KIND, false);                                         \
    break;
    EACH_SIMPLE_ACTIVATION(SUMS)
#undef SUMS
  }
}

/* The coefficients of dx for the channels of a span, from the sums over their groups. */
static void gradient_coefficients(const norm_job *job, int64_t sample, int64_t span) {
  const int64_t size = job->shape->c / job->norm->groups, row = sample * job->channels;
  const double count = (double)size * job->shape->h * job->shape->w;
  const float *scale = scales_each(job) ? NULL : job->scale;
  const span_range range = span_channels(job, span);
  int64_t c = range.first;
  for (; c < min_i64(range.last, job->shape->c); c += size) {
    const double inverse = job->inverse_std[row + c];
    double sum = 0.0, product = 0.0;
    for (int64_t i = c; i < c + size; i++) {
      const double factor = scale == NULL ? 1.0 : scale[i];
      sum += factor * job->sums[row + i];
      product += factor * job->products[row + i];
    }
    for (int64_t i = row + c; i < row + c + size; i++) {
      job->offset[i] = (float)(sum / count);
      job->factor[i] = (float)(product / count * inverse * inverse);
    }
  }
  for (; c < range.last; c++) job->offset[row + c] = job->factor[row + c] = 0.0f;
}

/* dx = (scale g - offset - (x - mean) factor) / std */
ALWAYS_INLINE void input_gradient_plane(const norm_job *job, int64_t sample, int64_t block,
                                        int32_t kind, bool each) {
  const int64_t h = job->shape->h, w = job->shape->w;
  const int64_t at = sample * job->channels + block * CN_BLOCK;
  const bool stream = stores_stream(&job->ov, job->n, STREAMED_FLOATS);
  affine f;
  affine_of(job, block, 0, &f);
  for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
    const gradient_operands k = operands_of(job, &f, at, lane);
    const vec offset = vec_load(job->offset + at + lane);
    const vec factor = vec_load(job->factor + at + lane);
    const float *x = job->x + plane_offset(&job->xv, sample, block) + lane;
    const float *dy = job->dy + plane_offset(&job->ev, sample, block) + lane;
    float *dx = job->out + plane_offset(&job->ov, sample, block) + lane;
    for (int64_t r = 0; r < h; r++, x += job->xv.row, dy += job->ev.row, dx += job->ov.row)
      for (int64_t i = 0; i < w * CN_BLOCK; i += CN_BLOCK) {
        const int64_t own = each ? r * w * CN_BLOCK + i + lane : lane;
        const vec v = vec_load(x + i);
        vec g = gradient_of(v, vec_load(dy + i), f.scale + own, f.shift + own, &k, kind, each);
        if (!each) g = vec_mul(g, k.scale);
        const vec rest = vec_sub(vec_sub(g, offset), vec_mul(vec_sub(v, k.mean), factor));
        store_or_stream(stream, dx + i, vec_mul(k.inverse, rest));
      }
  }
  if (stream) stream_end();
}

static void input_gradient_block(const norm_job *job, int64_t sample, int64_t block) {
  switch (job->activation.kind) {
#define GRADIENT(KIND, name)                                                                       \
  case KIND:                                                                                       \
    if (scales_each(job))                                                                          \
      input_gradient_plane(job, sample, block, KIND, true);                                        \
    else                                                                                           \
      input_gradient_plane(job, sample, block, KIND, false);                                       \
    break;
    EACH_SIMPLE_ACTIVATION(GRADIENT)
#undef GRADIENT
  }
  zero_border(&job->norm->dx, &job->ov, job->out + plane_offset(&job->ov, sample, block), 0,
              job->shape->h);
}

BODY(norm_gradient_span_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t span = item % spans_of(job), sample = item / spans_of(job);
    const span_range range = span_blocks(job, span);
    for (int64_t b = range.first; b < range.last; b++) sum_gradient_block(job, sample, b);
    gradient_coefficients(job, sample, span);
    for (int64_t b = range.first; b < range.last; b++) input_gradient_block(job, sample, b);
  }
}

BODY(norm_gradient_sum_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    sum_gradient_block(job, item / job->xv.planes, item % job->xv.planes);
}

BODY(norm_coefficient_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    gradient_coefficients(job, item / spans_of(job), item % spans_of(job));
}

BODY(norm_input_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    input_gradient_block(job, item / job->xv.planes, item % job->xv.planes);
}

/* dshift = sum of g; dscale = sum of g (x - mean) / std. Items are channels. */
BODY(norm_channel_gradient_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t c = first; c < last; c++) {
    double sum = 0.0, product = 0.0;
    for (int64_t i = c; i < job->n * job->channels; i += job->channels) {
      sum += job->sums[i];
      product += (double)job->products[i] * job->inverse_std[i];
    }
    if (job->dshift != NULL) job->dshift[c] = (float)sum;
    if (job->dscale != NULL) job->dscale[c] = (float)product;
  }
}

/* The same where every value has its own scale. Items are rows of planes of one sample. The terms
 * of LEAF_TERMS samples are added up before they are added to the others. */
ALWAYS_INLINE void sum_value_gradients(const norm_job *job, int64_t block, int64_t row, int64_t p,
                                       int lane, int32_t kind) {
  affine f;
  affine_of(job, block, row * job->shape->w + p, &f);
  vec total[2] = {vec_zero(), vec_zero()};
  for (int64_t start = 0; start < job->n; start += LEAF_TERMS) {
    vec leaf[2] = {vec_zero(), vec_zero()};
    for (int64_t i = start; i < min_i64(start + LEAF_TERMS, job->n); i++) {
      const int64_t at = i * job->channels + block * CN_BLOCK;
      const gradient_operands k = operands_of(job, &f, at, lane);
      const vec v = vec_load(job->x + plane_offset(&job->xv, i, block) + row * job->xv.row +
                             p * CN_BLOCK + lane);
      const vec dy = vec_load(job->dy + plane_offset(&job->ev, i, block) + row * job->ev.row +
                              p * CN_BLOCK + lane);
      const vec g = gradient_of(v, dy, NULL, NULL, &k, kind, false);
      leaf[0] = vec_add(leaf[0], g);
      leaf[1] = vec_fma(vec_mul(g, vec_sub(v, k.mean)), k.inverse, leaf[1]);
    }
    for (int s = 0; s < 2; s++) total[s] = vec_add(total[s], leaf[s]);
  }
  const int64_t pixels = (int64_t)job->shape->h * job->shape->w;
  const int64_t to = (block * pixels + row * job->shape->w + p) * CN_BLOCK + lane;
  if (job->dshift != NULL) vec_store(job->dshift + to, total[0]);
  if (job->dscale != NULL) vec_store(job->dscale + to, total[1]);
}

BODY(norm_value_gradient_items) {
  const norm_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++)
    for (int64_t p = 0; p < job->shape->w; p++)
      for (int lane = 0; lane < CN_BLOCK; lane += VEC) switch (job->activation.kind) {
#define SUMS(KIND, name)                                                                           \
  case KIND:                                                                                       \
    sum_value_gradients(job, item / job->shape->h, item % job->shape->h, p, lane, KIND);           \
    break;
          EACH_SIMPLE_ACTIVATION(SUMS)
#undef SUMS
        }
}

/* ---- The channels of each pixel -------------------------------------------------------------- */

/* Consecutive pixels of a row: the offsets of the first one in the first plane of each tensor, and
 * its number in the batch. */
typedef struct pixel_run {
  int64_t x, out, dy, number;
} pixel_run;

/* The lanes of the last block that are channels; all lanes of other blocks. */
static inline vec_mask lanes_in(const norm_job *job, int64_t block, int lane) {
  return vec_first(job->shape->c - block * CN_BLOCK - lane);
}

/* The mean and the inverse deviation of `count` pixels. */
ALWAYS_INLINE void pixel_statistics(const norm_job *job, const pixel_run *run, int count) {
  const int64_t blocks = job->xv.planes;
  const float *x = job->x + run->x;
  vec sum[NORM_PIXELS], centre[NORM_PIXELS];
  for (int i = 0; i < count; i++) sum[i] = vec_zero();
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC)
#pragma GCC unroll 8
      for (int i = 0; i < count; i++)
        sum[i] = vec_add(sum[i], vec_load(x + b * job->xv.plane + i * CN_BLOCK + lane));
  for (int i = 0; i < count; i++) {
    const float mean = vec_sum(sum[i]) / (float)job->shape->c;
    job->mean[run->number + i] = mean;
    centre[i] = vec_set1(mean);
    sum[i] = vec_zero();
  }
  for (int64_t b = 0; b < blocks; b++)
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec_mask inside = lanes_in(job, b, lane);
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec v = vec_load(x + b * job->xv.plane + i * CN_BLOCK + lane);
        const vec d = vec_keep(inside, vec_sub(v, centre[i]));
        sum[i] = vec_fma(d, d, sum[i]);
      }
    }
  for (int i = 0; i < count; i++)
    job->inverse_std[run->number + i] =
        inverse_root((double)vec_sum(sum[i]) / job->shape->c, job->norm->epsilon);
}

ALWAYS_INLINE void normalise_pixels(const norm_job *job, const pixel_run *run, int count,
                                    int32_t kind) {
  const bool stream = stores_stream(&job->ov, job->n, STREAMED_FLOATS);
  vec p[ACTIVATION_PARAMETERS];
  load_parameters(job->activation, p);
  vec mean[NORM_PIXELS], inverse[NORM_PIXELS];
  pixel_statistics(job, run, count);
  for (int i = 0; i < count; i++) {
    mean[i] = vec_set1(job->mean[run->number + i]);
    inverse[i] = vec_set1(job->inverse_std[run->number + i]);
  }
  for (int64_t b = 0; b < job->xv.planes; b++) {
    affine f;
    affine_of(job, b, 0, &f);
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec scale = vec_load(f.scale + lane), shift = vec_load(f.shift + lane);
      const float *x = job->x + run->x + b * job->xv.plane + lane;
      const vec_mask inside = lanes_in(job, b, lane);
      float *y = job->out + run->out + b * job->ov.plane + lane;
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec d = vec_sub(vec_load(x + i * CN_BLOCK), mean[i]);
        const vec value = activate_as(kind, p, vec_fma(d, vec_mul(inverse[i], scale), shift));
        store_or_stream(stream, y + i * CN_BLOCK, vec_keep(inside, value));
      }
    }
  }
  if (stream) stream_end();
}

/* dx of `count` pixels, and adds their terms to the sums of a chunk. */
ALWAYS_INLINE void pixel_gradients(const norm_job *job, const pixel_run *run, int count,
                                   int32_t kind, float *sums, float *products) {
  const vec channels = vec_set1((float)job->shape->c);
  vec g_sum[NORM_PIXELS], product[NORM_PIXELS];
  gradient_operands k[NORM_PIXELS];
  for (int i = 0; i < count; i++) {
    k[i] = (gradient_operands){.mean = vec_set1(job->mean[run->number + i]),
                               .inverse = vec_set1(job->inverse_std[run->number + i]),
                               .p = {vec_set1(job->activation.slope)}};
    g_sum[i] = product[i] = vec_zero();
  }
  for (int64_t b = 0; b < job->xv.planes; b++) {
    affine f;
    affine_of(job, b, 0, &f);
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec scale = vec_load(f.scale + lane), shift = vec_load(f.shift + lane);
      const float *x = job->x + run->x + b * job->xv.plane + lane;
      const float *dy = job->dy + run->dy + b * job->ev.plane + lane;
      vec sum = vec_zero(), scaled = vec_zero();
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec v = vec_load(x + i * CN_BLOCK), d = vec_sub(v, k[i].mean);
        gradient_operands own = k[i];
        own.scale = scale;
        own.shift = shift;
        const vec g = gradient_of(v, vec_load(dy + i * CN_BLOCK), NULL, NULL, &own, kind, false);
        const vec gs = vec_mul(g, scale);
        g_sum[i] = vec_add(g_sum[i], gs);
        product[i] = vec_fma(gs, d, product[i]);
        sum = vec_add(sum, g);
        scaled = vec_fma(vec_mul(g, d), k[i].inverse, scaled);
      }
      float *to_sum = sums + b * CN_BLOCK + lane, *to_product = products + b * CN_BLOCK + lane;
      vec_store(to_sum, vec_add(vec_load(to_sum), sum));
      vec_store(to_product, vec_add(vec_load(to_product), scaled));
    }
  }
  if (job->out == NULL) return;
  const bool stream = stores_stream(&job->ov, job->n, STREAMED_FLOATS);
  for (int i = 0; i < count; i++) {
    const vec mean_product = vec_div(vec_set1(vec_sum(product[i])), channels);
    g_sum[i] = vec_div(vec_set1(vec_sum(g_sum[i])), channels);
    product[i] = vec_mul(mean_product, vec_mul(k[i].inverse, k[i].inverse));
  }
  for (int64_t b = 0; b < job->xv.planes; b++) {
    affine f;
    affine_of(job, b, 0, &f);
    for (int lane = 0; lane < CN_BLOCK; lane += VEC) {
      const vec scale = vec_load(f.scale + lane), shift = vec_load(f.shift + lane);
      const vec_mask inside = lanes_in(job, b, lane);
      const float *x = job->x + run->x + b * job->xv.plane + lane;
      const float *dy = job->dy + run->dy + b * job->ev.plane + lane;
      float *dx = job->out + run->out + b * job->ov.plane + lane;
#pragma GCC unroll 8
      for (int i = 0; i < count; i++) {
        const vec v = vec_load(x + i * CN_BLOCK);
        gradient_operands own = k[i];
        own.scale = scale;
        own.shift = shift;
        const vec g = vec_mul(
            gradient_of(v, vec_load(dy + i * CN_BLOCK), NULL, NULL, &own, kind, false), scale);
        const vec rest = vec_sub(vec_sub(g, g_sum[i]), vec_mul(vec_sub(v, k[i].mean), product[i]));
        store_or_stream(stream, dx + i * CN_BLOCK, vec_keep(inside, vec_mul(k[i].inverse, rest)));
      }
    }
  }
  if (stream) stream_end();
}

/* The run that starts at pixel p of a row of the batch. */
static pixel_run run_at(const norm_job *job, int64_t row, int64_t p) {
  const int64_t h = job->shape->h, sample = row / h, y = row % h;
  return (pixel_run){.x = plane_offset(&job->xv, sample, 0) + y * job->xv.row + p * CN_BLOCK,
                     .out = plane_offset(&job->ov, sample, 0) + y * job->ov.row + p * CN_BLOCK,
                     .dy = plane_offset(&job->ev, sample, 0) + y * job->ev.row + p * CN_BLOCK,
                     .number = row * job->shape->w + p};
}

static void advance(pixel_run *run, int count) {
  run->x += count * CN_BLOCK;
  run->out += count * CN_BLOCK;
  run->dy += count * CN_BLOCK;
  run->number += count;
}

/* The rows of a chunk, and its pixels of each row. */
typedef struct chunk_range {
  int64_t first_row, last_row, p, width;
} chunk_range;

static chunk_range range_of(const norm_chunks *c, int64_t chunk) {
  const int64_t first = chunk / c->pieces * c->rows_in_chunk;
  const int64_t p = chunk % c->pieces * NORM_CHUNK_PIXELS;
  return (chunk_range){first, min_i64(first + c->rows_in_chunk, c->rows), p,
                       min_i64(NORM_CHUNK_PIXELS, c->width - p)};
}

/* The borders of a row in all planes of the output. */
static void zero_borders(const norm_job *job, const cn_tensor *out, int64_t row) {
  const int64_t h = job->shape->h;
  for (int64_t b = 0; b < job->ov.planes; b++)
    zero_border(out, &job->ov, job->out + plane_offset(&job->ov, row / h, b), row % h, row % h + 1);
}

/* Items are chunks. */
ALWAYS_INLINE void normalise_chunk(const norm_job *job, const chunk_range *range, int32_t kind) {
  for (int64_t row = range->first_row; row < range->last_row; row++) {
    pixel_run run = run_at(job, row, range->p);
    int64_t left = range->width;
#define PIECE(count)                                                                               \
  for (; left >= (count); left -= (count), advance(&run, (count)))                                 \
    normalise_pixels(job, &run, (count), kind);
    EACH_NORM_PIECE(PIECE)
#undef PIECE
    if (range->p == 0) zero_borders(job, &job->norm->y, row);
  }
}

BODY(norm_pixel_items) {
  const norm_job *job = state;
  const norm_chunks chunks = norm_chunks_of(job->shape, job->n);
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const chunk_range range = range_of(&chunks, item);
    switch (job->activation.kind) {
#define NORMALISE(KIND, name)                                                                      \
  case KIND:                                                                                       \
    normalise_chunk(job, &range, KIND);                                                            \
    break;
      EACH_SIMPLE_ACTIVATION(NORMALISE)
#undef NORMALISE
    }
  }
}

ALWAYS_INLINE void differentiate_chunk(const norm_job *job, const chunk_range *range, int32_t kind,
                                       float *sums, float *products) {
  for (int64_t row = range->first_row; row < range->last_row; row++) {
    pixel_run run = run_at(job, row, range->p);
    int64_t left = range->width;
#define PIECE(count)                                                                               \
  for (; left >= (count); left -= (count), advance(&run, (count)))                                 \
    pixel_gradients(job, &run, (count), kind, sums, products);
    EACH_NORM_PIECE(PIECE)
#undef PIECE
    if (range->p == 0 && job->out != NULL) zero_borders(job, &job->norm->dx, row);
  }
}

BODY(norm_pixel_gradient_items) {
  const norm_job *job = state;
  const norm_chunks chunks = norm_chunks_of(job->shape, job->n);
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const chunk_range range = range_of(&chunks, item);
    float *sums = job->sums + item * job->channels;
    float *products = job->products + item * job->channels;
    memset(sums, 0, (size_t)job->channels * sizeof(float));
    memset(products, 0, (size_t)job->channels * sizeof(float));
    switch (job->activation.kind) {
#define DIFFERENTIATE(KIND, name)                                                                  \
  case KIND:                                                                                       \
    differentiate_chunk(job, &range, KIND, sums, products);                                        \
    break;
      EACH_SIMPLE_ACTIVATION(DIFFERENTIATE)
#undef DIFFERENTIATE
    }
  }
}

/* dshift and dscale are the sums over the chunks. Items are channels. */
BODY(norm_chunk_total_items) {
  const norm_job *job = state;
  const int64_t count = norm_chunks_of(job->shape, job->n).count;
  (void)thread;
  for (int64_t c = first; c < last; c++) {
    double sum = 0.0, product = 0.0;
    for (int64_t i = 0; i < count; i++) {
      sum += job->sums[i * job->channels + c];
      product += job->products[i * job->channels + c];
    }
    if (job->dshift != NULL) job->dshift[c] = (float)sum;
    if (job->dscale != NULL) job->dscale[c] = (float)product;
  }
}

/* ---- Passes ---------------------------------------------------------------------------------- */

/* The fields of a job that both passes share. */
static norm_job job_of(const cn_sample_norm *norm, const cn_epilogue *e, int64_t n,
                       const cn_tensor *out, const cn_tensor *other) {
  return (norm_job){.norm = norm,
                    .activation = activation_behind(e),
                    .shape = &norm->x,
                    .xv = view_of(&norm->x, n),
                    .ov = view_of(out, n),
                    .ev = view_of(other, n),
                    .n = n,
                    .channels = blocks_of(norm->x.c) * CN_BLOCK,
                    .span = norm->groups == 0 ? 0 : norm_span_blocks(norm)};
}

void ISA_NAME(sample_norm_forward)(const cn_context *context, const cn_sample_norm *norm,
                                   const cn_epilogue *epilogue, int32_t n, const float *x,
                                   const float *scale, const float *shift, float *y, float *mean,
                                   float *inverse_std) {
  norm_job job = job_of(norm, epilogue, n, &norm->y, &norm->x);
  job.x = x;
  job.scale = scale;
  job.shift = shift;
  job.out = y;
  job.mean = mean;
  job.inverse_std = inverse_std;
  if (norm->groups == 0) {
    run_parallel(context, cost(&job), norm_pixel_items, norm_chunks_of(&norm->x, n).count, &job);
    return;
  }
  const int64_t blocks = n * job.xv.planes, spans = n * spans_of(&job);
  if (!splits_spans(context, &job)) {
    run_parallel(context, cost(&job), norm_span_items, spans, &job);
    return;
  }
  const phase phases[] = {
      {norm_channel_items, blocks}, {norm_group_items, spans}, {norm_block_items, blocks}};
  run_phases(context, cost(&job), phases, 3, &job);
}

void ISA_NAME(sample_norm_backward)(const cn_context *context, const cn_sample_norm *norm,
                                    const cn_epilogue *epilogue, int32_t n, const float *x,
                                    const float *dy, const float *scale, const float *shift,
                                    const float *mean, const float *inverse_std, float *dx,
                                    float *dscale, float *dshift, float *workspace) {
  norm_job job = job_of(norm, epilogue, n, dx != NULL ? &norm->dx : &norm->x, &norm->dy);
  job.x = x;
  job.dy = dy;
  job.scale = scale;
  job.shift = shift;
  job.out = dx;
  job.dscale = dscale;
  job.dshift = dshift;
  job.mean = (float *)(uintptr_t)mean; /* which this pass only reads */
  job.inverse_std = (float *)(uintptr_t)inverse_std;
  job.sums = workspace;
  const bool sums = dscale != NULL || dshift != NULL;
  if (norm->groups == 0) {
    const int64_t count = norm_chunks_of(&norm->x, n).count;
    job.products = job.sums + count * job.channels;
    const phase phases[] = {{norm_pixel_gradient_items, count},
                            {norm_chunk_total_items, job.channels}};
    run_phases(context, cost(&job), phases, sums ? 2 : 1, &job);
    return;
  }
  const int64_t blocks = n * job.xv.planes, spans = n * spans_of(&job);
  job.products = job.sums + n * job.channels;
  job.offset = job.products + n * job.channels;
  job.factor = job.offset + n * job.channels;
  phase phases[4];
  int count = 0;
  if (dx == NULL || splits_spans(context, &job)) {
    phases[count++] = (phase){norm_gradient_sum_items, blocks};
    if (dx != NULL) {
      phases[count++] = (phase){norm_coefficient_items, spans};
      phases[count++] = (phase){norm_input_items, blocks};
    }
  } else {
    phases[count++] = (phase){norm_gradient_span_items, spans};
  }
  if (sums)
    phases[count++] = norm->scales_values != 0
                          ? (phase){norm_value_gradient_items, job.xv.planes * norm->x.h}
                          : (phase){norm_channel_gradient_items, job.channels};
  run_phases(context, cost(&job), phases, count, &job);
}
