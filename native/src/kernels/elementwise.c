/* Elementwise functions: activations, sums, dropout. Each is a formula; the loops over rows are
 * shared. */
#include "conv.h"

typedef struct elementwise_job {
  const cn_tensor *shape; /* descriptor of out, whose halo is written */
  view av, bv, ov;
  int64_t planes, rows, floats; /* planes of all samples; rows per plane; floats per row */
  const float *a, *b;
  float *out;
  cn_activation activation;
  int64_t lanes; /* of the last block, if the function or slope may not be 0 there; otherwise 0 */
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

/* f(a), and f'(x) b with a = y or a = x; p are the parameters of f. Then f(a + b). */
#define FORMULAS(KIND, name)                                                                       \
  ALWAYS_INLINE vec name##_of(vec a, vec b, const vec *p) {                                        \
    (void)b;                                                                                       \
    return activate_as(KIND, p, a);                                                                \
  }                                                                                                \
  ALWAYS_INLINE vec name##_times(vec a, vec b, const vec *p) { return slope_as(KIND, p, a, b); }
EACH_ACTIVATION(FORMULAS)
#undef FORMULAS
#define SUM(KIND, name)                                                                            \
  ALWAYS_INLINE vec name##_of_sum(vec a, vec b, const vec *p) {                                    \
    return activate_as(KIND, p, vec_add(a, b));                                                    \
  }
EACH_FUSED_ACTIVATION(SUM)
#undef SUM
ALWAYS_INLINE vec difference(vec a, vec b, const vec *p) {
  (void)p;
  return vec_sub(a, b);
}
ALWAYS_INLINE vec product(vec a, vec b, const vec *p) {
  (void)p;
  return vec_mul(a, b);
}

typedef vec (*formula)(vec a, vec b, const vec *p);

ALWAYS_INLINE void map_row(const float *a, const float *b, float *out, int64_t floats,
                           cn_activation activation, formula f) {
  vec p[ACTIVATION_PARAMETERS];
  load_parameters(activation, p);
  int64_t i = 0;
  for (; i + VEC <= floats; i += VEC)
    vec_store(out + i, f(vec_load(a + i), b == NULL ? vec_zero() : vec_load(b + i), p));
  const vec_mask tail = vec_first(floats - i);
  if (i < floats)
    vec_store_some(
        out + i, tail,
        f(vec_load_some(a + i, tail), b == NULL ? vec_zero() : vec_load_some(b + i, tail), p));
}

/* Zeroes the lanes from the given one on. */
static void zero_lanes(float *out, int64_t floats, int64_t lanes) {
  for (int64_t i = 0; i < floats; i += CN_BLOCK)
    memset(out + i + lanes, 0, (size_t)(CN_BLOCK - lanes) * sizeof(float));
}

/* Items are rows of all planes. */
ALWAYS_INLINE void map_rows(const elementwise_job *job, int64_t first, int64_t last, formula f) {
  for (int64_t item = first; item < last; item++) {
    const int64_t plane = item / job->rows, y = item % job->rows;
    float *out = job->out + plane_start(&job->ov, plane);
    map_row(row_of(&job->av, job->a, plane, y), row_of(&job->bv, job->b, plane, y),
            out + y * job->ov.row, job->floats, job->activation, f);
    if (job->lanes != 0 && plane % job->ov.planes == job->ov.planes - 1)
      zero_lanes(out + y * job->ov.row, job->floats, job->lanes);
    zero_border(job->shape, &job->ov, out, y, y + 1);
  }
}

#define ITEMS(formula)                                                                             \
  BODY(formula##_items) {                                                                          \
    (void)thread;                                                                                  \
    map_rows(state, first, last, formula);                                                         \
  }
#define ITEMS_OF(KIND, name) ITEMS(name##_of) ITEMS(name##_times)
#define ITEMS_OF_SUM(KIND, name) ITEMS(name##_of_sum)
EACH_ACTIVATION(ITEMS_OF)
EACH_FUSED_ACTIVATION(ITEMS_OF_SUM)
ITEMS(difference)
ITEMS(product)
#undef ITEMS_OF_SUM
#undef ITEMS_OF
#undef ITEMS

/* The loops of every activation, of its slope and, if f(0) = 0, of the activation of a sum. */
#define LOOPS(KIND, name) [KIND] = {name##_of_items, name##_times_items},
static const struct {
  phase_body forward, slope;
} activations[CN_ACTIVATIONS] = {EACH_ACTIVATION(LOOPS)};
#undef LOOPS
#define LOOP(KIND, name) [KIND] = name##_of_sum_items,
static const phase_body activated_sums[CN_ACTIVATIONS] = {EACH_FUSED_ACTIVATION(LOOP)};
#undef LOOP

/* The cost of an activation relative to moving a value. */
static double work_of(cn_activation f) {
  switch (f.kind) {
  case CN_IDENTITY:
  case CN_RELU:
  case CN_RELU6:
  case CN_LEAKY_RELU:
  case CN_CLIP:
  case CN_HARD_SIGMOID:
  case CN_HARD_SWISH:
  case CN_THRESHOLD:
    return 1.0;
  default:
    return 6.0;
  }
}

void ISA_NAME(activation_forward)(const cn_context *context, const cn_elementwise *op, int32_t n,
                                  const float *a, float *out) {
  elementwise_job job = job_of(&op->a, &op->a, &op->out, n);
  job.a = a;
  job.out = out;
  job.activation = op->activation;
  if (op->out.layout != CN_PLAIN && !keeps_zero(&op->activation)) job.lanes = op->out.c % CN_BLOCK;
  run_parallel(context, cost(&job) * work_of(op->activation),
               activations[op->activation.kind].forward, job.planes * job.rows, &job);
}

void ISA_NAME(activation_backward)(const cn_context *context, const cn_elementwise *op, int32_t n,
                                   const float *a, const float *dy, float *dx) {
  elementwise_job job = job_of(&op->a, &op->b, &op->out, n);
  job.a = a;
  job.b = dy;
  job.out = dx;
  job.activation = op->activation;
  /* A slope may be infinite at 0, the value of the lanes beyond the last channel. */
  if (op->out.layout != CN_PLAIN && !keeps_zero(&op->activation)) job.lanes = op->out.c % CN_BLOCK;
  run_parallel(context, cost(&job) * work_of(op->activation),
               activations[op->activation.kind].slope, job.planes * job.rows, &job);
}

void ISA_NAME(add)(const cn_context *context, const cn_elementwise *op, int32_t n, const float *a,
                   const float *b, float *out) {
  elementwise_job job = job_of(&op->a, &op->b, &op->out, n);
  job.a = a;
  job.b = b;
  job.out = out;
  job.activation = op->activation;
  run_parallel(context, cost(&job) * work_of(op->activation), activated_sums[op->activation.kind],
               job.planes * job.rows, &job);
}

static void combine(const cn_context *context, const cn_elementwise *op, int32_t n, const float *a,
                    const float *b, float *out, phase_body body) {
  elementwise_job job = job_of(&op->a, &op->b, &op->out, n);
  job.a = a;
  job.b = b;
  job.out = out;
  run_parallel(context, cost(&job), body, job.planes * job.rows, &job);
}

void ISA_NAME(subtract)(const cn_context *context, const cn_elementwise *op, int32_t n,
                        const float *a, const float *b, float *out) {
  combine(context, op, n, a, b, out, difference_items);
}

void ISA_NAME(multiply)(const cn_context *context, const cn_elementwise *op, int32_t n,
                        const float *a, const float *b, float *out) {
  combine(context, op, n, a, b, out, product_items);
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

/* The lanes of a plane that are kept: one channel, or a block of them. */
static void philox_of_plane(const elementwise_job *job, int64_t sample, int64_t plane,
                            float kept[WORDS]) {
  const cn_tensor *t = job->shape;
  const uint64_t index = (uint64_t)(job->first_sample + sample);
  const int64_t channel = t->layout == CN_PLAIN ? plane : plane * CN_BLOCK;
  if (job->dropout->unit == CN_DROP_MAPS)
    philox(job, index * (uint64_t)t->c + (uint64_t)channel, 1, kept);
  else
    philox(job, job->dropout->unit == CN_DROP_SAMPLES ? index : 0, 0, kept);
}

/* Items are (sample, plane, row). */
BODY(drop_unit_items) {
  const elementwise_job *job = state;
  const cn_tensor *t = job->shape;
  const vec scale = vec_set1(job->dropout->scale);
  float kept[WORDS];
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t y = item % t->h, plane = item / t->h % job->ov.planes;
    const int64_t sample = item / t->h / job->ov.planes;
    const float *in = job->a + plane_offset(&job->av, sample, plane) + y * job->av.row;
    float *out = job->out + plane_offset(&job->ov, sample, plane);
    float *to = out + y * job->ov.row;
    if (item == first || y == 0) philox_of_plane(job, sample, plane, kept);
    if (t->layout == CN_PLAIN) {
      const vec_mask keep = vec_not_le(vec_set1(kept[0]), vec_zero());
      for (int64_t i = 0; i < t->w; i += VEC) {
        const vec_mask some = vec_first(t->w - i);
        vec_store_some(to + i, some, vec_keep(keep, vec_mul(scale, vec_load_some(in + i, some))));
      }
    } else {
      for (int64_t i = 0; i < CN_BLOCK; i += VEC) {
        const vec_mask keep = vec_not_le(vec_load(kept + i), vec_zero());
        for (int64_t x = 0; x < t->w; x++)
          vec_store(to + x * job->ov.pixel + i,
                    vec_keep(keep, vec_mul(scale, vec_load(in + x * job->av.pixel + i))));
      }
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
  const int64_t lanes = dropout->y.layout == CN_PLAIN ? 1 : CN_BLOCK;
  if (dropout->unit == CN_DROP_VALUES && dropout->threshold > 0)
    run_parallel(context, 100.0 * rows * dropout->y.w, dropout_items, rows, &job);
  else
    run_parallel(context, 10.0 * rows * dropout->y.w * lanes, drop_unit_items, rows, &job);
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
  map_row(job->dst + i, job->src + i, job->dst + i, end - i, (cn_activation){0}, identity_of_sum);
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
