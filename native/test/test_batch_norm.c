/* Batch normalisation against its definition in double precision. */
#include "batch_norm_plan.h"
#include "parts.h"
#include "sum_plan.h"

typedef struct norm_case {
  int32_t n, c, h, w, x_halo, y_halo, dx_halo, dy_halo, flags;
  float offset; /* added to all values: a large mean must not degrade the statistics */
  int32_t seed;
} norm_case;

static const norm_case cases[] = {
    {1, 1, 1, 1, 0, 0, 0, 0, 0, 0.0f, 0},           {2, 16, 3, 4, 0, 0, 0, 0, 0, 0.0f, 0},
    {3, 17, 5, 7, 1, 2, 0, 3, RELU, 0.0f, 0},       {3, 17, 5, 7, 1, 2, 0, 3, RELU6, 2.0f, 0},
    {5, 33, 6, 4, 0, 1, 1, 0, LEAKY_RELU, 0.0f, 0}, {5, 33, 8, 6, 0, 1, 1, 0, 0, 100.0f, 0},
    {40, 20, 14, 14, 1, 1, 1, 1, RELU, -3.0f, 0},   {1, 3, 9, 1, 0, 0, 0, 0, 0, 1000.0f, 0},
};

enum { CHANNEL_VECTORS = 6 }; /* mean, inverse std, running mean and variance, dscale, dshift */

typedef struct truth {
  double *y, *y_sum, *infer, *dx, *channel[CHANNEL_VECTORS];
} truth;

typedef struct problem {
  const norm_case *t;
  cn_batch_norm norm;
  cn_epilogue plain, sum;  /* the activation, and with a residual before it */
  int64_t count, channels; /* values of a tensor; floats of a per-channel vector */
  float *x, *dy, *add, *scale, *shift, *running_mean, *running_variance;
  truth expected;
} problem;

static double *new_doubles(int64_t count) {
  double *p = calloc((size_t)count, sizeof(double));
  if (p == NULL) abort();
  return p;
}

/* Value j of channel c, counted over the batch. */
static int64_t value_at(const norm_case *t, int64_t c, int64_t j) {
  const int64_t pixels = (int64_t)t->h * t->w;
  return (j / pixels * t->c + c) * pixels + j % pixels;
}

static double clamp(const norm_case *t, double y) { return activated(activation_in(t->flags), y); }

/* y_sum has a residual added before the activation. The gradient is with respect to y, after its
 * activation. */
static void solve_channel(problem *p, int64_t c) {
  const norm_case *t = p->t;
  const int64_t m = (int64_t)t->n * t->h * t->w;
  const double rate = p->norm.momentum;
  double mean = 0.0, variance = 0.0, dshift = 0.0, dscale = 0.0;
  for (int64_t j = 0; j < m; j++) mean += p->x[value_at(t, c, j)] / (double)m;
  for (int64_t j = 0; j < m; j++) variance += pow(p->x[value_at(t, c, j)] - mean, 2.0);
  const double unbiased = m > 1 ? variance / (double)(m - 1) : p->running_variance[c];
  variance /= (double)m;
  const double inverse = 1.0 / sqrt(variance + p->norm.epsilon);
  const double run = 1.0 / sqrt((double)p->running_variance[c] + p->norm.epsilon);
  for (int64_t j = 0; j < m; j++) {
    const int64_t i = value_at(t, c, j);
    const double y = (p->x[i] - mean) * inverse * p->scale[c] + p->shift[c];
    p->expected.y[i] = clamp(t, y);
    p->expected.y_sum[i] = clamp(t, y + p->add[i]);
    const double g = slope_at(activation_in(t->flags), clamp(t, y)) * p->dy[i];
    p->expected.dx[i] = g;
    dshift += g;
    dscale += g * (p->x[i] - mean) * inverse;
    p->expected.infer[i] =
        clamp(t, (p->x[i] - p->running_mean[c]) * run * p->scale[c] + p->shift[c]);
  }
  for (int64_t j = 0; j < m; j++) {
    const int64_t i = value_at(t, c, j);
    p->expected.dx[i] =
        p->scale[c] * inverse *
        (p->expected.dx[i] - dshift / (double)m - (p->x[i] - mean) * inverse * dscale / (double)m);
  }
  const double values[CHANNEL_VECTORS] = {mean,
                                          inverse,
                                          (1.0 - rate) * p->running_mean[c] + rate * mean,
                                          (1.0 - rate) * p->running_variance[c] + rate * unbiased,
                                          dscale,
                                          dshift};
  for (int i = 0; i < CHANNEL_VECTORS; i++) p->expected.channel[i][c] = values[i];
}

static problem problem_of(const norm_case *t) {
  const cn_tensor shape = {.c = t->c, .h = t->h, .w = t->w, .layout = CN_BLOCKED};
  problem p = {.t = t,
               .norm = {.size = sizeof(cn_batch_norm),
                        .epsilon = 1e-5f,
                        .x = shape,
                        .y = shape,
                        .dx = shape,
                        .dy = shape,
                        .momentum = 0.1f},
               .plain = {.size = sizeof(cn_epilogue),
                         .operations = operations_in(t->flags),
                         .activation = activation_in(t->flags)},
               .count = (int64_t)t->n * t->c * t->h * t->w,
               .channels = (t->c + 15) / 16 * 16};
  p.norm.x.halo = t->x_halo;
  p.norm.y.halo = t->y_halo;
  p.norm.dx.halo = t->dx_halo;
  p.norm.dy.halo = t->dy_halo;
  p.sum = p.plain;
  p.sum.operations |= CN_ADD;
  p.sum.add = p.norm.dx;
  cn_tensor *slices[] = {&p.norm.x, &p.norm.y, &p.norm.dx, &p.norm.dy, &p.sum.add};
  for (int i = 0; t->seed % 2 != 0 && i < 5; i++) *slices[i] = as_slice(*slices[i]);
  seed_values((uint64_t)t->seed + 7);
  p.x = new_reals(p.count);
  for (int64_t i = 0; i < p.count; i++) p.x[i] += t->offset;
  p.dy = new_reals(p.count);
  p.add = new_reals(p.count);
  p.scale = new_reals(t->c);
  p.shift = new_reals(t->c);
  p.running_mean = new_reals(t->c);
  p.running_variance = new_reals(t->c);
  for (int64_t c = 0; c < t->c; c++) p.running_variance[c] = fabsf(p.running_variance[c]) + 0.5f;
  p.expected.y = new_doubles(p.count);
  p.expected.y_sum = new_doubles(p.count);
  p.expected.infer = new_doubles(p.count);
  p.expected.dx = new_doubles(p.count);
  for (int i = 0; i < CHANNEL_VECTORS; i++) p.expected.channel[i] = new_doubles(t->c);
  for (int64_t c = 0; c < t->c; c++) solve_channel(&p, c);
  return p;
}

static void free_problem(problem *p) {
  float *values[] = {p->x, p->dy, p->add, p->scale, p->shift, p->running_mean, p->running_variance};
  for (int i = 0; i < 7; i++) free(values[i]);
  for (int i = 0; i < CHANNEL_VECTORS; i++) free(p->expected.channel[i]);
  free(p->expected.y);
  free(p->expected.y_sum);
  free(p->expected.infer);
  free(p->expected.dx);
}

/* One block of memory: y, y with a residual, y of inference, dx, then the per-channel vectors. */
typedef struct outputs {
  float *all, *y, *y_sum, *infer, *dx, *channel[CHANNEL_VECTORS];
  int64_t floats;
} outputs;

/* Without scale and shift, those are NULL. */
static outputs run(const cn_context *context, const problem *p, bool affine) {
  const norm_case *t = p->t;
  const cn_batch_norm *norm = &p->norm;
  const int64_t y = tensor_floats(&norm->y, t->n), dx = tensor_floats(&norm->dx, t->n);
  outputs o = {.floats = 3 * y + dx + CHANNEL_VECTORS * p->channels};
  o.all = o.y = new_floats(o.floats);
  o.y_sum = o.y + y;
  o.infer = o.y_sum + y;
  o.dx = o.infer + y;
  for (int i = 0; i < CHANNEL_VECTORS; i++) o.channel[i] = o.dx + dx + i * p->channels;
  float *x_values = new_tensor(&norm->x, t->n, p->x),
        *dy_values = new_tensor(&norm->dy, t->n, p->dy);
  float *scale = affine ? new_channels(t->c, p->scale) : NULL;
  float *shift = affine ? new_channels(t->c, p->shift) : NULL;
  float *mean = new_channels(t->c, p->running_mean);
  float *variance = new_channels(t->c, p->running_variance);
  const size_t channels = (size_t)p->channels * sizeof(float);
  const int64_t bytes = cn_batch_norm_workspace_bytes(context, norm, t->n);
  float *workspace = new_floats(floats_in(bytes));
  float *statistics = new_bytes(cn_row_statistics_bytes(&norm->x, t->n));
  cn_epilogue with_sum = p->sum;
  float *add = new_tensor(&with_sum.add, t->n, p->add);
  with_sum.add_values = add;
  CHECK(cn_row_statistics(context, &norm->x, t->n, x_values, statistics) == CN_OK, "statistics");
  CHECK(cn_batch_norm_infer(context, norm, &p->plain, t->n, x_values, scale, shift, mean, variance,
                            o.infer) == CN_OK,
        "infer");
  /* The call with a residual comes first: the statistics that it stores are those of the batch, and
   * must be recomputed identically. */
  for (int sum = 1; sum >= 0; sum--) {
    memcpy(o.channel[2], mean, channels);
    memcpy(o.channel[3], variance, channels);
    CHECK(cn_batch_norm_forward(context, norm, sum ? &with_sum : &p->plain, t->n, x_values,
                                statistics, scale, shift, sum ? o.y_sum : o.y, o.channel[0],
                                o.channel[1], o.channel[2], o.channel[3], workspace,
                                bytes) == CN_OK,
          "forward");
  }
  const int64_t y_floats = tensor_floats(&norm->y, t->n);
  float *again = new_floats(y_floats);
  CHECK(cn_batch_norm_apply(context, norm, &p->plain, t->n, x_values, scale, shift, o.channel[0],
                            o.channel[1], again) == CN_OK,
        "apply");
  check_same_bits("y once more", o.y, again, y_floats);
  free(again);
  fill_nan(workspace, floats_in(bytes));
  CHECK(cn_batch_norm_backward(context, norm, &p->plain, t->n, x_values, dy_values, scale, shift,
                               o.channel[0], o.channel[1], o.dx, o.channel[4], o.channel[5],
                               workspace, bytes) == CN_OK,
        "backward");
  float *all[] = {x_values, dy_values, scale, shift, mean, variance, workspace, statistics, add};
  for (int i = 0; i < 9; i++) free(all[i]);
  return o;
}

/* Compares y, dx and the per-channel vectors. x - mean is inaccurate by the rounding of the offset;
 * the rest is a few roundings. */
static void check_passes(const problem *p, const char *what, const float *y, const float *dx,
                         float *const *channel) {
  const norm_case *t = p->t;
  const double offset = fabs(t->offset), root = sqrt((double)t->n * t->h * t->w);
  const double deviation = 64.0 * (1.0 + offset);
  const double gain =
      t->n * t->h * t->w == 1 ? 1e3 : 4.0; /* 1 / sqrt(epsilon) for a single value */
  check_close(what, p->expected.y, y, p->count, 1.0, deviation);
  check_close(what, p->expected.dx, dx, p->count, gain, deviation);
  const double scales[CHANNEL_VECTORS] = {1.0 + offset, gain, 1.0 + offset, 1.0, root, root};
  for (int i = 0; i < CHANNEL_VECTORS; i++) {
    check_close(what, p->expected.channel[i], channel[i], t->c, scales[i], deviation);
    for (int64_t c = t->c; c < p->channels; c++)
      CHECK(i == 1 || channel[i][c] == 0.0f, "%s: padding of vector %d", what, i);
  }
}

static void check_outputs(const problem *p, const outputs *o, const cn_context *context) {
  const norm_case *t = p->t;
  const double offset = fabs(t->offset);
  char what[96];
  snprintf(what, sizeof what, "n %d c %d, %s", (int)t->n, (int)t->c, features_name(context));
  float *plain = new_floats(p->count), *dx = new_floats(p->count);
  read_tensor(what, &p->norm.y, t->n, o->y_sum, plain);
  check_close(what, p->expected.y_sum, plain, p->count, 1.0, 64.0 * (1.0 + offset));
  read_tensor(what, &p->norm.y, t->n, o->infer, plain);
  check_close(what, p->expected.infer, plain, p->count, 1.0 + offset, 64.0);
  read_tensor(what, &p->norm.y, t->n, o->y, plain);
  read_tensor(what, &p->norm.dx, t->n, o->dx, dx);
  check_passes(p, what, plain, dx, o->channel);
  free(plain);
  free(dx);
}

/* What a caller has of a batch that two callers share, or one has alone. */
typedef struct share {
  int32_t n;
  int64_t first; /* its first value in the plain tensors */
  float *x, *dy, *y, *dx, *statistics, *channel[CHANNEL_VECTORS];
  double *sums;
} share;

static share new_share(const problem *p, int32_t n, int64_t first) {
  const cn_batch_norm *norm = &p->norm;
  share s = {.n = n,
             .first = first,
             .x = new_tensor(&norm->x, n, p->x + first),
             .dy = new_tensor(&norm->dy, n, p->dy + first),
             .y = new_floats(tensor_floats(&norm->y, n)),
             .dx = new_floats(tensor_floats(&norm->dx, n)),
             .statistics = new_bytes(cn_row_statistics_bytes(&norm->x, n)),
             .sums = new_doubles(2 * p->channels)};
  for (int i = 0; i < CHANNEL_VECTORS; i++) s.channel[i] = new_floats(p->channels);
  free(s.channel[2]);
  free(s.channel[3]);
  s.channel[2] = new_channels(p->t->c, p->running_mean);
  s.channel[3] = new_channels(p->t->c, p->running_variance);
  return s;
}

static void free_share(share *s) {
  float *all[] = {s->x, s->dy, s->y, s->dx, s->statistics};
  for (int i = 0; i < 5; i++) free(all[i]);
  for (int i = 0; i < CHANNEL_VECTORS; i++) free(s->channel[i]);
  free(s->sums);
}

/* Adds up the vectors of all callers, and gives each the result. */
static void add_up(share *shares, int callers, int64_t first, int64_t count) {
  for (int64_t i = first; i < first + count; i++) {
    double sum = 0.0;
    for (int j = 0; j < callers; j++) sum += shares[j].sums[i];
    for (int j = 0; j < callers; j++) shares[j].sums[i] = sum;
  }
}

static void share_moments(const problem *p, share *shares, int callers) {
  const double area = (double)p->t->h * p->t->w, count = p->t->n * area;
  double *own = new_doubles(callers * p->channels);
  for (int j = 0; j < callers; j++)
    memcpy(own + j * p->channels, shares[j].sums, (size_t)p->channels * sizeof(double));
  add_up(shares, callers, 0, p->channels);
  for (int j = 0; j < callers; j++)
    for (int64_t c = 0; c < p->channels; c++) {
      const double m = shares[j].n * area;
      const double d = own[j * p->channels + c] / m - shares[j].sums[c] / count;
      shares[j].sums[p->channels + c] += m * d * d;
    }
  free(own);
  add_up(shares, callers, p->channels, p->channels);
}

/* Both passes of two callers, each with some samples of the batch, or of one. */
static void run_shared(const cn_context *context, const problem *p, share *shares, int callers) {
  const cn_batch_norm *norm = &p->norm;
  const double count = (double)p->t->n * p->t->h * p->t->w;
  const int64_t bytes = cn_batch_norm_workspace_bytes(context, norm, p->t->n);
  float *workspace = new_floats(floats_in(bytes));
  float *scale = new_channels(p->t->c, p->scale), *shift = new_channels(p->t->c, p->shift);
  for (share *s = shares; s < shares + callers; s++) {
    CHECK(cn_row_statistics(context, &norm->x, s->n, s->x, s->statistics) == CN_OK, "statistics");
    CHECK(cn_batch_norm_moments(context, norm, s->n, s->statistics, s->sums, workspace, bytes) ==
              CN_OK,
          "moments");
  }
  share_moments(p, shares, callers);
  for (share *s = shares; s < shares + callers; s++)
    CHECK(cn_batch_norm_forward_shared(context, norm, &p->plain, s->n, s->x, count, s->sums, scale,
                                       shift, s->y, s->channel[0], s->channel[1], s->channel[2],
                                       s->channel[3]) == CN_OK,
          "forward");
  fill_nan(workspace, floats_in(bytes));
  for (share *s = shares; s < shares + callers; s++)
    CHECK(cn_batch_norm_backward_sums(context, norm, &p->plain, s->n, s->x, s->dy, scale, shift,
                                      s->channel[0], s->channel[1], s->sums, s->channel[4],
                                      s->channel[5], workspace, bytes) == CN_OK,
          "sums");
  add_up(shares, callers, 0, 2 * p->channels);
  fill_nan(workspace, floats_in(bytes));
  for (share *s = shares; s < shares + callers; s++)
    CHECK(cn_batch_norm_backward_shared(context, norm, &p->plain, s->n, s->x, s->dy, scale, shift,
                                        s->channel[0], s->channel[1], count, s->sums, s->dx,
                                        workspace, bytes) == CN_OK,
          "backward");
  free(workspace);
  free(scale);
  free(shift);
}

/* One caller has the bits of the calls that compute a whole batch. */
static void one_caller_has_the_same_bits(const problem *p, const outputs *o,
                                         const cn_context *context) {
  share s = new_share(p, p->t->n, 0);
  run_shared(context, p, &s, 1);
  check_same_bits("shared y", o->y, s.y, tensor_floats(&p->norm.y, s.n));
  check_same_bits("shared dx", o->dx, s.dx, tensor_floats(&p->norm.dx, s.n));
  for (int i = 0; i < CHANNEL_VECTORS; i++)
    check_same_bits("shared vectors", o->channel[i], s.channel[i], p->channels);
  free_share(&s);
}

/* Two callers compute the batch as one does; their gradients add up to its. */
static void two_callers_are_as_one(const problem *p, const cn_context *context) {
  const norm_case *t = p->t;
  const int32_t own = t->n / 3 + 1;
  if (own >= t->n) return;
  const int64_t first = own * (p->count / t->n);
  share shares[] = {new_share(p, own, 0), new_share(p, t->n - own, first)};
  run_shared(context, p, shares, 2);
  float *y = new_floats(p->count), *dx = new_floats(p->count);
  for (int j = 0; j < 2; j++) {
    read_tensor("shared y", &p->norm.y, shares[j].n, shares[j].y, y + shares[j].first);
    read_tensor("shared dx", &p->norm.dx, shares[j].n, shares[j].dx, dx + shares[j].first);
  }
  for (int i = 0; i < 4; i++)
    check_same_bits("both callers", shares[0].channel[i], shares[1].channel[i], p->channels);
  for (int i = 4; i < CHANNEL_VECTORS; i++)
    for (int64_t c = 0; c < p->channels; c++) shares[0].channel[i][c] += shares[1].channel[i][c];
  check_passes(p, "two callers", y, dx, shares[0].channel);
  free(y);
  free(dx);
  free_share(&shares[0]);
  free_share(&shares[1]);
}

static void run_case(const norm_case *t) {
  problem p = problem_of(t);
  for (int set = 0; set < instruction_sets(); set++) {
    outputs first = {0};
    for (int j = 0; j < THREAD_COUNTS; j++) {
      const cn_context context = context_of(set, thread_counts[j]);
      outputs o = run(&context, &p, true);
      if (j == 0) {
        check_outputs(&p, &o, &context);
        one_caller_has_the_same_bits(&p, &o, &context);
        two_callers_are_as_one(&p, &context);
        first = o;
        continue;
      }
      check_same_bits("batch norm", first.all, o.all, o.floats);
      free(o.all);
    }
    free(first.all);
  }
  free_problem(&p);
}

/* Without scale and shift, the results are those of 1 and 0. */
static void scale_and_shift_are_optional(const norm_case *t) {
  problem p = problem_of(t);
  for (int64_t c = 0; c < t->c; c++) {
    p.scale[c] = 1.0f;
    p.shift[c] = 0.0f;
  }
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, 2);
    const outputs with = run(&context, &p, true), without = run(&context, &p, false);
    check_same_bits("without scale and shift", with.all, without.all, with.floats);
    free(with.all);
    free(without.all);
  }
  free_problem(&p);
}

/* How a case is divided: samples into chunks, the rows of a chunk into leaves, the pixels of a row
 * into pieces. */
typedef division (*divide)(const norm_case *t);

static division chunks_of(const norm_case *t) { return in_parts(t->n, batch_norm_chunks(t->n)); }

static division leaves_of(const norm_case *t) {
  return in_pieces(t->n / batch_norm_chunks(t->n) * t->h, LEAF_TERMS);
}

static division pieces_of(const norm_case *t) { return in_pieces(t->w, NORM_PIECE); }

static division statistics_of(const norm_case *t) { return in_pieces(t->w, STATISTICS_PIECE); }

/* Tests the first size in 1..2000 that is divided as wanted, with one to four blocks of channels:
 * the number of samples, or of rows or columns of two. */
static void every_division_is_covered(const char *what, divide of) {
  for (int k = 0; k < WANTED; k++) {
    bool found = false;
    for (int32_t i = 1; i <= 2000 && !found; i++) {
      norm_case t = {.n = 2, .h = 2, .w = i, .offset = 0.5f, .seed = i};
      if (of == leaves_of) t = (norm_case){.n = 2, .h = i, .w = 3, .y_halo = 1, .seed = i};
      if (of == chunks_of) t = (norm_case){.n = i, .h = 3, .w = 5, .flags = RELU, .seed = i};
      found = is_wanted(of(&t), k);
      for (int32_t blocks = 1; blocks <= 4 && found; blocks++) {
        t.c = 16 * blocks - (blocks == 2 ? 5 : 0);
        run_case(&t);
      }
    }
    CHECK(found, "%s: no shape has %s", what, wanted_names[k]);
  }
}

int main(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    norm_case t = cases[i];
    t.seed = (int32_t)i;
    run_case(&t);
    scale_and_shift_are_optional(&t);
  }
  every_division_is_covered("chunks of samples", chunks_of);
  every_division_is_covered("leaves of rows", leaves_of);
  every_division_is_covered("pieces of rows", pieces_of);
  every_division_is_covered("pieces of statistics", statistics_of);
  return verdict("batch_norm");
}
