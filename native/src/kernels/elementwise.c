/* Elementwise functions: activations, sums, dropout. Each is a formula; the loops over rows are
 * shared. */
#include "conv.h"
#include "exp.h"

typedef struct elementwise_job {
  const cn_tensor *shape; /* descriptor of out, whose halo is written */
  view av, bv, ov;
  int64_t planes, rows, floats; /* planes of all samples; rows per plane; floats per row */
  const float *a, *b;
  float *out;
  float slope; /* of the activation */
  const cn_dropout *dropout;
  int64_t first_sample;
  uint32_t step;
} elementwise_job;

/* Flattened tensors are planes of one row, and so are tensors without halos. */
static elementwise_job job_of(const cn_tensor *a, const cn_tensor *b, const cn_tensor *out,
                              int64_t n) {
  elementwise_job job = {
      .shape = out, .av = view_of(a, n), .bv = view_of(b, n), .ov = view_of(out, n)};
  const bool whole = a->halo == 0 && b->halo == 0 && out->halo == 0;
  job.planes = n * job.ov.planes;
  job.rows = whole ? 1 : out->h;
  job.floats = whole ? job.ov.plane : out->w * job.ov.pixel;
  if (out->layout == CN_FLAT) job.planes = job.ov.planes;
  return job;
}

/* Memory-bound work counts more than its operations. */
static double cost(const elementwise_job *job) {
  return 20.0 * job->planes * job->rows * job->floats;
}

static const float *row_of(const view *v, const float *base, int64_t plane, int64_t y) {
  return base == NULL ? NULL : base + plane_start(v, plane) + y * v->row;
}

/*
 * P(Z > a) for a standard normal Z and a >= 0, computed as k P(k) e^(-a a / 2) / 2 with k = 1 / (1
 * + 0.35 a / sqrt 2); also returns the exponential. P is the polynomial that interpolates erfc(t)
 * e^(t t) / k at the Chebyshev nodes of 0 <= t <= 9.5, to within 1e-8.
 */
ALWAYS_INLINE vec normal_tail(vec a, vec *e) {
  static const float terms[] = {
      3.570997342e-02f, -1.441787332e-01f, 1.464017779e-01f, 1.965027489e-02f, 4.702813923e-02f,
      1.679025292e-01f, 1.434621066e-01f,  1.896015108e-01f, 1.969273835e-01f, 1.974950433e-01f};
  const vec one = vec_set1(1.0f);
  const vec k = vec_div(one, vec_fma(a, vec_set1(0.247487373f), one));
  vec p = vec_set1(terms[0]);
  for (int i = 1; i < 10; i++) p = vec_fma(p, k, vec_set1(terms[i]));
  *e = vec_exp(vec_mul(vec_mul(a, a), vec_set1(-0.5f)));
  return vec_mul(vec_mul(vec_mul(k, p), vec_set1(0.5f)), *e);
}

/* |a|; NaN for NaN. */
ALWAYS_INLINE vec magnitude(vec a) {
  return vec_select(vec_not_le(a, vec_zero()), a, vec_sub(vec_zero(), a));
}

/*
 * Phi(x) = P(Z <= x); also returns e^(-x x / 2). Where |x| < 1 it is 1/2 + x R(x x), with R
 * interpolated at the Chebyshev nodes to within 1e-9: there the tail is large, and its relative
 * error is three times that of the rounded k. With u = 2^-24 the error is at most 1.2 u, measured.
 */
ALWAYS_INLINE vec normal_cdf(vec x, vec *e) {
  static const float terms[] = {-7.660538358e-06f, 1.135022976e-04f,  -1.186343958e-03f,
                                9.973328561e-03f,  -6.649035960e-02f, 3.989422917e-01f};
  const vec one = vec_set1(1.0f), a = magnitude(x), z = vec_mul(x, x);
  const vec tail = normal_tail(a, e);
  vec r = vec_set1(terms[0]);
  for (int i = 1; i < 6; i++) r = vec_fma(r, z, vec_set1(terms[i]));
  return vec_select(vec_not_le(one, a), vec_fma(x, r, vec_set1(0.5f)),
                    vec_select(vec_not_le(x, vec_zero()), vec_sub(one, tail), tail));
}

/* out[i] = a[i] Phi(a[i]) */
ALWAYS_INLINE vec gelu(vec a, vec b, vec slope) {
  (void)b;
  (void)slope;
  vec e;
  return vec_mul(a, normal_cdf(a, &e));
}
/* dx[i] = dy[i] (Phi(x[i]) + x[i] phi(x[i])) */
ALWAYS_INLINE vec gelu_slope(vec x, vec dy, vec slope) {
  (void)slope;
  vec e;
  const vec cdf = normal_cdf(x, &e), phi = vec_mul(e, vec_set1(0.398942280f));
  return vec_mul(dy, vec_fma(x, phi, cdf));
}

/* e^(-2 |z|) of z = sqrt(2 / pi) (a + 0.044715 a^3) for a >= 0. Arguments beyond 64 are limited to
 * 64, where it is 0. */
ALWAYS_INLINE vec logistic_tail(vec a) {
  const vec cubic = vec_fma(vec_mul(a, a), vec_set1(0.044715f), vec_set1(1.0f));
  return vec_exp(vec_mul(vec_mul(a, cubic), vec_set1(-1.59576912f)));
}
ALWAYS_INLINE vec at_most_64(vec a) {
  return vec_select(vec_not_le(a, vec_set1(64.0f)), vec_set1(64.0f), a);
}

/* out[i] = a[i] / (1 + e^(-2 z)), which is a[i] (1 + tanh z) / 2 */
ALWAYS_INLINE vec gelu_tanh(vec a, vec b, vec slope) {
  (void)b;
  (void)slope;
  const vec one = vec_set1(1.0f), e = logistic_tail(at_most_64(magnitude(a)));
  return vec_mul(a, vec_div(vec_select(vec_not_le(a, vec_zero()), one, e), vec_add(one, e)));
}
/* dx[i] = dy[i] (s + x[i] 2 z' e / (1 + e)^2), s = 1 / (1 + e^(-2 z)) */
ALWAYS_INLINE vec gelu_tanh_slope(vec x, vec dy, vec slope) {
  (void)slope;
  const vec one = vec_set1(1.0f), a = at_most_64(magnitude(x)), e = logistic_tail(a);
  const vec share = vec_div(one, vec_add(one, e));
  const vec s = vec_mul(vec_select(vec_not_le(x, vec_zero()), one, e), share);
  const vec z = vec_mul(vec_fma(vec_mul(a, a), vec_set1(0.134145f), one), vec_set1(1.59576912f));
  return vec_mul(dy, vec_fma(x, vec_mul(vec_mul(z, e), vec_mul(share, share)), s));
}

/* f(a), f(a + b), and the slope in terms of y times dy. */
#define FORMULAS(KIND, name)                                                                       \
  ALWAYS_INLINE vec name(vec a, vec b, vec slope) {                                                \
    (void)b;                                                                                       \
    return activate_as(KIND, slope, a);                                                            \
  }                                                                                                \
  ALWAYS_INLINE vec sum_##name(vec a, vec b, vec slope) {                                          \
    return activate_as(KIND, slope, vec_add(a, b));                                                \
  }                                                                                                \
  ALWAYS_INLINE vec name##_slope(vec y, vec dy, vec slope) { return slope_as(KIND, slope, y, dy); }
EACH_ACTIVATION(FORMULAS)
#undef FORMULAS

typedef vec (*formula)(vec a, vec b, vec slope);

ALWAYS_INLINE void map_row(const float *a, const float *b, float *out, int64_t floats, float factor,
                           formula f) {
  const vec slope = vec_set1(factor);
  int64_t i = 0;
  for (; i + VEC <= floats; i += VEC)
    vec_store(out + i, f(vec_load(a + i), b == NULL ? vec_zero() : vec_load(b + i), slope));
  const vec_mask tail = vec_first(floats - i);
  if (i < floats)
    vec_store_some(
        out + i, tail,
        f(vec_load_some(a + i, tail), b == NULL ? vec_zero() : vec_load_some(b + i, tail), slope));
}

/* Items are rows of all planes. */
ALWAYS_INLINE void map_rows(const elementwise_job *job, int64_t first, int64_t last, formula f) {
  for (int64_t item = first; item < last; item++) {
    const int64_t plane = item / job->rows, y = item % job->rows;
    float *out = job->out + plane_start(&job->ov, plane);
    map_row(row_of(&job->av, job->a, plane, y), row_of(&job->bv, job->b, plane, y),
            out + y * job->ov.row, job->floats, job->slope, f);
    zero_border(job->shape, &job->ov, out, y, y + 1);
  }
}

#define ITEMS(formula)                                                                             \
  BODY(formula##_items) {                                                                          \
    (void)thread;                                                                                  \
    map_rows(state, first, last, formula);                                                         \
  }
#define ITEMS_OF(KIND, name) ITEMS(name) ITEMS(name##_slope) ITEMS(sum_##name)
EACH_ACTIVATION(ITEMS_OF)
ITEMS(gelu)
ITEMS(gelu_slope)
ITEMS(gelu_tanh)
ITEMS(gelu_tanh_slope)
#undef ITEMS_OF
#undef ITEMS

/* The loops of every activation, of its derivative and, if that is computed from y, of the
 * activation of a sum; and their cost relative to moving a value. */
#define LOOPS(KIND, name) [KIND] = {name##_items, name##_slope_items, sum_##name##_items, 1},
static const struct {
  phase_body forward, slope, sum;
  double work;
} activations[CN_ACTIVATIONS] = {[CN_GELU] = {gelu_items, gelu_slope_items, NULL, 6},
                                 [CN_GELU_TANH] = {gelu_tanh_items, gelu_tanh_slope_items, NULL, 6},
                                 EACH_ACTIVATION(LOOPS)};
#undef LOOPS

void ISA_NAME(activation_forward)(const cn_context *context, const cn_elementwise *op, int32_t n,
                                  const float *a, float *out) {
  elementwise_job job = job_of(&op->a, &op->a, &op->out, n);
  job.a = a;
  job.out = out;
  job.slope = op->activation.slope;
  run_parallel(context, cost(&job) * activations[op->activation.kind].work,
               activations[op->activation.kind].forward, job.planes * job.rows, &job);
}

void ISA_NAME(activation_backward)(const cn_context *context, const cn_elementwise *op, int32_t n,
                                   const float *a, const float *dy, float *dx) {
  elementwise_job job = job_of(&op->a, &op->b, &op->out, n);
  job.a = a;
  job.b = dy;
  job.out = dx;
  job.slope = op->activation.slope;
  run_parallel(context, cost(&job) * activations[op->activation.kind].work,
               activations[op->activation.kind].slope, job.planes * job.rows, &job);
}

void ISA_NAME(add)(const cn_context *context, const cn_elementwise *op, int32_t n, const float *a,
                   const float *b, float *out) {
  elementwise_job job = job_of(&op->a, &op->b, &op->out, n);
  job.a = a;
  job.b = b;
  job.out = out;
  job.slope = op->activation.slope;
  run_parallel(context, cost(&job), activations[op->activation.kind].sum, job.planes * job.rows,
               &job);
}

/* ---- Dropout --------------------------------------------------------------------------------- */

enum { WORDS = CN_BLOCK };

/*
 * kept[i] = 1 if word 0 of Philox4x32-10 of (e + i stride, step, node), keyed by the seed, reaches
 * the threshold, else 0. With the rounds unrolled, the compiler vectorises over i.
 */
static void philox(const elementwise_job *job, uint64_t e, uint64_t stride,
                   float kept[restrict WORDS]) {
  const uint32_t seed_low = (uint32_t)job->dropout->seed;
  const uint32_t seed_high = (uint32_t)(job->dropout->seed >> 32);
  const uint32_t step = job->step, node = job->dropout->node, threshold = job->dropout->threshold;
  uint32_t low[WORDS], high[WORDS];
  for (uint64_t i = 0; i < WORDS; i++) {
    low[i] = (uint32_t)(e + i * stride);
    high[i] = (uint32_t)((e + i * stride) >> 32);
  }
  for (int i = 0; i < WORDS; i++) {
    uint32_t c0 = low[i], c1 = high[i], c2 = step, c3 = node, k0 = seed_low, k1 = seed_high;
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
      const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
      c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
      c1 = (uint32_t)p1;
      c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
      c3 = (uint32_t)p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    kept[i] = c0 >= threshold ? 1.0f : 0.0f;
  }
}

/* Applies dropout to `lanes` channels of one pixel, or one channel of `lanes` pixels: elements e, e
 * + stride, ... */
static void drop(const elementwise_job *job, uint64_t e, uint64_t stride, int64_t lanes,
                 const float *x, float *y) {
  const vec scale = vec_set1(job->dropout->scale);
  float kept[WORDS];
  for (int64_t i = 0; i < lanes; i += VEC) {
    if (i % WORDS == 0) philox(job, e + (uint64_t)i * stride, stride, kept);
    const vec_mask some = vec_first(lanes - i);
    const vec_mask keep = vec_not_le(vec_load(kept + i % WORDS), vec_zero());
    vec_store_some(y + i, some, vec_keep(keep, vec_mul(scale, vec_load_some(x + i, some))));
  }
}

/* Items are (sample, plane, row). */
BODY(dropout_items) {
  const elementwise_job *job = state;
  const cn_tensor *t = job->shape;
  const uint64_t pixels = (uint64_t)t->h * (uint64_t)t->w;
  const bool plain = t->layout == CN_PLAIN;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t y = item % t->h, plane = item / t->h % job->ov.planes;
    const int64_t sample = item / t->h / job->ov.planes;
    const int64_t channel = plain ? plane : plane * CN_BLOCK;
    const int64_t map = (job->first_sample + sample) * t->c + channel;
    const uint64_t e = (uint64_t)map * pixels + (uint64_t)(y * t->w);
    const float *in = job->a + plane_offset(&job->av, sample, plane) + y * job->av.row;
    float *out = job->out + plane_offset(&job->ov, sample, plane);
    float *to = out + y * job->ov.row;
    if (plain) drop(job, e, 1, t->w, in, to);
    for (int64_t x = 0; x < t->w && !plain; x++) {
      const int64_t lanes = lanes_of(t->c, plane);
      drop(job, e + (uint64_t)x, pixels, lanes, in + x * job->av.pixel, to + x * job->ov.pixel);
      for (int64_t i = lanes; i < CN_BLOCK; i++) to[x * job->ov.pixel + i] = 0.0f;
    }
    zero_border(t, &job->ov, out, y, y + 1);
  }
}

void ISA_NAME(dropout)(const cn_context *context, const cn_dropout *dropout, int32_t n,
                       int32_t first_sample, uint32_t step, const float *x, float *y) {
  const elementwise_job job = {.shape = &dropout->y,
                               .av = view_of(&dropout->x, n),
                               .ov = view_of(&dropout->y, n),
                               .a = x,
                               .out = y,
                               .dropout = dropout,
                               .first_sample = first_sample,
                               .step = step};
  const int64_t rows = n * job.ov.planes * dropout->y.h;
  run_parallel(context, 100.0 * rows * dropout->y.w, dropout_items, rows, &job);
}

/* ---- Runs of floats -------------------------------------------------------------------------- */

enum { RUN = CN_SUM_RUN }; /* floats per item */

typedef struct run_job {
  int64_t count;
  const float *src;
  float value, *dst;
  double *sums;
} run_job;

/* Items are runs of RUN floats. */
BODY(accumulate_items) {
  const run_job *job = state;
  const int64_t i = first * RUN, end = min_i64(last * RUN, job->count);
  (void)thread;
  map_row(job->dst + i, job->src + i, job->dst + i, end - i, 0.0f, sum_identity);
}

BODY(fill_items) {
  const run_job *job = state;
  (void)thread;
  for (int64_t i = first * RUN; i < min_i64(last * RUN, job->count); i++) job->dst[i] = job->value;
}

BODY(scale_items) {
  const run_job *job = state;
  (void)thread;
  for (int64_t i = first * RUN; i < min_i64(last * RUN, job->count); i++) job->dst[i] *= job->value;
}

/* A NaN is neither below nor above, and stays. */
BODY(clamp_items) {
  const run_job *job = state;
  const float most = job->value;
  (void)thread;
  for (int64_t i = first * RUN; i < min_i64(last * RUN, job->count); i++) {
    const float v = job->dst[i];
    job->dst[i] = v < -most ? -most : v > most ? most : v;
  }
}

/* A sum of its own for each run, over as many sums as lanes: the same bits on every processor. The
 * square of a float is exact in double precision. */
BODY(squares_items) {
  const run_job *job = state;
  (void)thread;
  for (int64_t run = first; run < last; run++) {
    const float *x = job->src + run * RUN;
    const int64_t count = min_i64(RUN, job->count - run * RUN);
    double lanes[CN_BLOCK] = {0.0}, sum = 0.0;
    for (int64_t i = 0; i + CN_BLOCK <= count; i += CN_BLOCK)
      for (int lane = 0; lane < CN_BLOCK; lane++)
        lanes[lane] += (double)x[i + lane] * (double)x[i + lane];
    for (int64_t i = count / CN_BLOCK * CN_BLOCK; i < count; i++)
      lanes[i % CN_BLOCK] += (double)x[i] * (double)x[i];
    for (int lane = 0; lane < CN_BLOCK; lane++) sum += lanes[lane];
    job->sums[run] = sum;
  }
}

void ISA_NAME(accumulate)(const cn_context *context, int64_t count, const float *src, float *dst) {
  const run_job job = {.count = count, .src = src, .dst = dst};
  run_parallel(context, 20.0 * count, accumulate_items, ceil_div(count, RUN), &job);
}

void ISA_NAME(fill)(const cn_context *context, int64_t count, float value, float *dst) {
  const run_job job = {.count = count, .value = value, .dst = dst};
  run_parallel(context, 10.0 * count, fill_items, ceil_div(count, RUN), &job);
}

void ISA_NAME(scale)(const cn_context *context, int64_t count, float factor, float *dst) {
  const run_job job = {.count = count, .value = factor, .dst = dst};
  run_parallel(context, 20.0 * count, scale_items, ceil_div(count, RUN), &job);
}

void ISA_NAME(clamp)(const cn_context *context, int64_t count, float most, float *dst) {
  const run_job job = {.count = count, .value = most, .dst = dst};
  run_parallel(context, 20.0 * count, clamp_items, ceil_div(count, RUN), &job);
}

void ISA_NAME(sums_of_squares)(const cn_context *context, int64_t count, const float *x,
                               double *sums) {
  const run_job job = {.count = count, .src = x, .sums = sums};
  run_parallel(context, 10.0 * count, squares_items, ceil_div(count, RUN), &job);
}
