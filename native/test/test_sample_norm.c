/* Normalisation of one sample, softmax and local response normalisation against their definitions
 * in double precision. */
#include "sample_norm_plan.h"
#include "parts.h"

typedef struct norm_case {
  int32_t n, c, h, w, x_halo, y_halo, dx_halo, dy_halo, groups, scales_values;
  float offset; /* added to all values: a large mean must not degrade the statistics */
  int32_t seed;
} norm_case;

static const norm_case norm_cases[] = {
    {1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0.0f, 0},    {2, 16, 3, 4, 0, 0, 0, 0, 1, 0, 0.0f, 0},
    {3, 17, 5, 7, 1, 2, 0, 3, 17, 0, 2.0f, 0},  {2, 33, 5, 3, 0, 1, 1, 0, 3, 0, 0.0f, 0},
    {2, 40, 4, 4, 1, 0, 0, 1, 5, 0, 100.0f, 0}, {3, 48, 2, 3, 0, 0, 0, 0, 2, 0, 0.0f, 0},
    {2, 20, 3, 5, 1, 1, 1, 1, 1, 1, 0.0f, 0},   {70, 5, 2, 2, 0, 0, 0, 0, 1, 1, 0.0f, 0},
    {1, 96, 9, 11, 0, 0, 0, 0, 1, 0, 10.0f, 0}, {2, 17, 3, 13, 1, 2, 0, 3, 0, 0, 0.0f, 0},
    {2, 96, 7, 7, 0, 0, 0, 0, 0, 0, 1.0f, 0},   {5, 33, 1, 1, 0, 0, 0, 0, 0, 0, 0.0f, 0},
    {1, 3, 2, 1100, 0, 1, 1, 0, 0, 0, 0.0f, 0}, {1, 2, 3, 3000, 0, 0, 0, 0, 2, 0, 1000.0f, 0},
};

typedef struct problem {
  const norm_case *t;
  cn_sample_norm norm;
  int64_t count, scales; /* values of a tensor; of scale and shift */
  float *x, *dy, *scale, *shift;
  double *y, *dx, *dscale, *dshift;
} problem;

static double *new_doubles(int64_t count) {
  double *p = calloc((size_t)count, sizeof(double));
  if (p == NULL) abort();
  return p;
}

/* Value i of set s of a sample, and the scale of a value of the sample. */
static int64_t value_of(const norm_case *t, int64_t s, int64_t i) {
  const int64_t pixels = (int64_t)t->h * t->w;
  return t->groups == 0 ? i * pixels + s : s * (t->c / t->groups) * pixels + i;
}

static int64_t scale_of(const norm_case *t, int64_t value) {
  return t->scales_values ? value : value / ((int64_t)t->h * t->w);
}

static void solve_set(problem *p, int64_t sample, int64_t s) {
  const norm_case *t = p->t;
  const int64_t pixels = (int64_t)t->h * t->w, all = t->c * pixels, base = sample * all;
  const int64_t m = t->groups == 0 ? t->c : t->c / t->groups * pixels;
  double mean = 0.0, variance = 0.0, sum = 0.0, product = 0.0;
  for (int64_t i = 0; i < m; i++) mean += p->x[base + value_of(t, s, i)] / (double)m;
  for (int64_t i = 0; i < m; i++)
    variance += pow(p->x[base + value_of(t, s, i)] - mean, 2.0) / (double)m;
  const double inverse = 1.0 / sqrt(variance + p->norm.epsilon);
  for (int64_t i = 0; i < m; i++) {
    const int64_t v = value_of(t, s, i), k = scale_of(t, v);
    const double normal = (p->x[base + v] - mean) * inverse;
    p->y[base + v] = normal * p->scale[k] + p->shift[k];
    const double g = p->dy[base + v];
    p->dshift[k] += g;
    p->dscale[k] += g * normal;
    p->dx[base + v] = g * p->scale[k];
    sum += p->dx[base + v];
    product += p->dx[base + v] * normal;
  }
  for (int64_t i = 0; i < m; i++) {
    const int64_t v = base + value_of(t, s, i);
    const double normal = (p->x[v] - mean) * inverse;
    p->dx[v] = inverse * (p->dx[v] - sum / (double)m - normal * product / (double)m);
  }
}

static problem problem_of(const norm_case *t) {
  const cn_tensor shape = {.c = t->c, .h = t->h, .w = t->w, .layout = CN_BLOCKED};
  problem p = {.t = t,
               .norm = {.size = sizeof(cn_sample_norm),
                        .epsilon = 1e-3f,
                        .x = shape,
                        .y = shape,
                        .dx = shape,
                        .dy = shape,
                        .groups = t->groups,
                        .scales_values = t->scales_values},
               .count = (int64_t)t->n * t->c * t->h * t->w};
  p.scales = t->scales_values ? p.count / t->n : t->c;
  p.norm.x.halo = t->x_halo;
  p.norm.y.halo = t->y_halo;
  p.norm.dx.halo = t->dx_halo;
  p.norm.dy.halo = t->dy_halo;
  cn_tensor *slices[] = {&p.norm.x, &p.norm.y, &p.norm.dx, &p.norm.dy};
  for (int i = 0; t->seed % 2 != 0 && i < 4; i++) *slices[i] = as_slice(*slices[i]);
  seed_values((uint64_t)t->seed + 11);
  p.x = new_reals(p.count);
  for (int64_t i = 0; i < p.count; i++) p.x[i] += t->offset;
  p.dy = new_reals(p.count);
  p.scale = new_reals(p.scales);
  p.shift = new_reals(p.scales);
  p.y = new_doubles(p.count);
  p.dx = new_doubles(p.count);
  p.dscale = new_doubles(p.scales);
  p.dshift = new_doubles(p.scales);
  const int64_t sets = t->groups == 0 ? (int64_t)t->h * t->w : t->groups;
  for (int64_t i = 0; i < t->n; i++)
    for (int64_t s = 0; s < sets; s++) solve_set(&p, i, s);
  return p;
}

static void free_problem(problem *p) {
  void *all[] = {p->x, p->dy, p->scale, p->shift, p->y, p->dx, p->dscale, p->dshift};
  for (int i = 0; i < 8; i++) free(all[i]);
}

/* Scale and shift in the order of the kernels, and back. */
static cn_tensor scale_tensor(const problem *p) {
  const norm_case *t = p->t;
  return (cn_tensor){.c = t->c,
                     .h = t->scales_values ? t->h : 1,
                     .w = t->scales_values ? t->w : 1,
                     .layout = CN_BLOCKED};
}

/* One block of memory: y, dx, dscale, dshift. */
typedef struct outputs {
  float *all, *y, *dx, *dscale, *dshift;
  int64_t floats;
} outputs;

/* Without scale and shift, those are NULL, and their gradients are not asked for. */
static outputs run(const cn_context *context, const problem *p, bool affine) {
  const norm_case *t = p->t;
  const cn_sample_norm *norm = &p->norm;
  const cn_tensor scales = scale_tensor(p);
  const int64_t y = tensor_floats(&norm->y, t->n), dx = tensor_floats(&norm->dx, t->n);
  const int64_t vector = tensor_floats(&scales, 1);
  outputs o = {.floats = y + dx + (affine ? 2 * vector : 0)};
  o.all = o.y = new_floats(o.floats);
  o.dx = o.y + y;
  o.dscale = affine ? o.dx + dx : NULL;
  o.dshift = affine ? o.dscale + vector : NULL;
  float *x = new_tensor(&norm->x, t->n, p->x), *dy_values = new_tensor(&norm->dy, t->n, p->dy);
  float *scale = affine ? new_tensor(&scales, 1, p->scale) : NULL;
  float *shift = affine ? new_tensor(&scales, 1, p->shift) : NULL;
  const int64_t statistics = cn_sample_norm_statistics_bytes(norm, t->n);
  float *mean = new_bytes(statistics), *inverse = new_bytes(statistics);
  const int64_t bytes = cn_sample_norm_workspace_bytes(context, norm, t->n);
  void *workspace = new_bytes(bytes);
  CHECK(cn_sample_norm_forward(context, norm, t->n, x, scale, shift, o.y, mean, inverse) == CN_OK,
        "forward");
  CHECK(cn_sample_norm_backward(context, norm, t->n, x, dy_values, scale, mean, inverse, o.dx,
                                o.dscale, o.dshift, workspace, bytes) == CN_OK,
        "backward");
  if (affine) { /* without dx, the other gradients are the same */
    float *again = new_floats(2 * vector);
    CHECK(cn_sample_norm_backward(context, norm, t->n, x, dy_values, scale, mean, inverse, NULL,
                                  again, again + vector, workspace, bytes) == CN_OK,
          "backward without dx");
    check_same_bits("without dx", o.dscale, again, 2 * vector);
    free(again);
  }
  void *all[] = {x, dy_values, scale, shift, mean, inverse, workspace};
  for (int i = 0; i < 7; i++) free(all[i]);
  return o;
}

static void check_outputs(const problem *p, const outputs *o, const cn_context *context) {
  const norm_case *t = p->t;
  const cn_tensor scales = scale_tensor(p);
  const double offset = fabs(t->offset), root = sqrt((double)t->n * t->h * t->w) + 4.0;
  char what[96];
  snprintf(what, sizeof what, "n %d c %d groups %d, %s", (int)t->n, (int)t->c, (int)t->groups,
           features_name(context));
  const double deviation = 64.0 * (1.0 + offset);
  const double gain = t->c * t->h * t->w == 1 ? 32.0 : 8.0; /* up to 1 / sqrt(epsilon) */
  float *plain = new_floats(p->count);
  read_tensor(what, &p->norm.y, t->n, o->y, plain);
  check_close(what, p->y, plain, p->count, 1.0, deviation);
  read_tensor(what, &p->norm.dx, t->n, o->dx, plain);
  check_close(what, p->dx, plain, p->count, gain, deviation);
  read_tensor(what, &scales, 1, o->dscale, plain);
  check_close(what, p->dscale, plain, p->scales, root, deviation);
  read_tensor(what, &scales, 1, o->dshift, plain);
  check_close(what, p->dshift, plain, p->scales, root, deviation);
  free(plain);
}

static void run_norm(const norm_case *t) {
  problem p = problem_of(t);
  for (int set = 0; set < instruction_sets(); set++) {
    outputs first = {0};
    for (int j = 0; j < THREAD_COUNTS; j++) {
      const cn_context context = context_of(set, thread_counts[j]);
      outputs o = run(&context, &p, true);
      if (j == 0) {
        check_outputs(&p, &o, &context);
        first = o;
        continue;
      }
      check_same_bits("sample norm", first.all, o.all, o.floats);
      free(o.all);
    }
    free(first.all);
  }
  free_problem(&p);
}

/* Without scale and shift, y and dx are those of 1 and 0. */
static void scale_and_shift_are_optional(const norm_case *t) {
  problem p = problem_of(t);
  for (int64_t i = 0; i < p.scales; i++) {
    p.scale[i] = 1.0f;
    p.shift[i] = 0.0f;
  }
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, 2);
    const outputs with = run(&context, &p, true), without = run(&context, &p, false);
    check_same_bits("without scale and shift", with.all, without.all, without.floats);
    free(with.all);
    free(without.all);
  }
  free_problem(&p);
}

/* A NaN reaches the gradients of its channels, but not the lanes without a channel. */
static void lanes_without_a_channel_stay_zero(int32_t groups) {
  enum { C = 5, PIXELS = 9 };
  const cn_tensor t = {.c = C, .h = 1, .w = PIXELS, .layout = CN_BLOCKED};
  const cn_sample_norm norm = {
      .size = sizeof norm, .epsilon = 1e-3f, .x = t, .y = t, .dx = t, .dy = t, .groups = groups};
  float *plain = new_reals(C * PIXELS);
  plain[2 * PIXELS + 3] = NAN;
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, 1);
    const int64_t statistics = cn_sample_norm_statistics_bytes(&norm, 1);
    const int64_t bytes = cn_sample_norm_workspace_bytes(&context, &norm, 1);
    float *x = new_tensor(&t, 1, plain), *y = new_floats(tensor_floats(&t, 1));
    float *mean = new_bytes(statistics), *inverse = new_bytes(statistics);
    float *dscale = new_floats(CN_BLOCK), *dshift = new_floats(CN_BLOCK);
    void *workspace = new_bytes(bytes);
    CHECK(cn_sample_norm_forward(&context, &norm, 1, x, NULL, NULL, y, mean, inverse) == CN_OK,
          "forward");
    CHECK(cn_sample_norm_backward(&context, &norm, 1, x, x, NULL, mean, inverse, NULL, dscale,
                                  dshift, workspace, bytes) == CN_OK,
          "backward");
    CHECK(isnan(dscale[2]) && isnan(dshift[2]), "the NaN is lost");
    for (int c = C; c < CN_BLOCK; c++)
      CHECK(dscale[c] == 0.0f && dshift[c] == 0.0f, "lane %d has %g and %g, groups %d, %s", c,
            (double)dscale[c], (double)dshift[c], (int)groups, features_name(&context));
    void *all[] = {x, y, mean, inverse, dscale, dshift, workspace};
    for (int i = 0; i < 7; i++) free(all[i]);
  }
  free(plain);
}

/* ---- Softmax and local response normalisation ------------------------------------------------ */

typedef struct map_case {
  int32_t n, c, h, w, x_halo, y_halo;
  int32_t neighbours; /* 0: softmax; -1: its logarithm */
  float beta;
} map_case;

static const map_case map_cases[] = {
    {1, 1, 1, 1, 0, 0, 0, 0.0f},   {3, 17, 5, 7, 1, 2, 0, 0.0f},   {2, 40, 3, 13, 0, 1, 0, 0.0f},
    {2, 33, 2, 9, 2, 0, -1, 0.0f}, {5, 10, 1, 1, 0, 0, -1, 0.0f},  {2, 17, 3, 5, 1, 2, 5, 0.75f},
    {1, 40, 2, 3, 0, 1, 4, 0.5f},  {2, 3, 4, 2, 0, 0, 9, 1.0f},    {1, 33, 2, 2, 1, 0, 2, 0.6f},
    {1, 20, 1, 2, 0, 0, 1, 0.75f}, {1, 18, 2, 1, 0, 0, 40, 0.75f},
};

enum { MOST_CHANNELS = 64 };

/* y and dx of a pixel, whose channels are one after the other. */
static void solve_pixel(const map_case *t, const double *x, const double *dy, double *y,
                        double *dx) {
  const int32_t c = t->c, size = t->neighbours;
  double s[MOST_CHANNELS], most = -INFINITY, sum = 0.0, total = 0.0;
  if (size > 0) {
    for (int32_t i = 0; i < c; i++) {
      s[i] = 2.0;
      for (int32_t j = i - size / 2; j <= i + (size - 1) / 2; j++)
        if (j >= 0 && j < c) s[i] += 0.5 / size * x[j] * x[j];
      y[i] = x[i] * pow(s[i], -(double)t->beta);
    }
    for (int32_t i = 0; i < c; i++) {
      dx[i] = dy[i] * pow(s[i], -(double)t->beta);
      for (int32_t j = i - (size - 1) / 2; j <= i + size / 2; j++)
        if (j >= 0 && j < c)
          dx[i] -= 2.0 * 0.5 / size * (double)t->beta * x[i] * dy[j] * y[j] / s[j];
    }
    return;
  }
  for (int32_t i = 0; i < c; i++) most = fmax(most, x[i]);
  for (int32_t i = 0; i < c; i++) sum += exp(x[i] - most);
  for (int32_t i = 0; i < c; i++) {
    const double logarithm = x[i] - most - log(sum);
    y[i] = size < 0 ? logarithm : exp(logarithm);
    total += size < 0 ? dy[i] : dy[i] * y[i];
  }
  for (int32_t i = 0; i < c; i++)
    dx[i] = size < 0 ? dy[i] - exp(y[i]) * total : y[i] * (dy[i] - total);
}

static void solve_map(const map_case *t, const float *x, const float *dy, double *y, double *dx) {
  const int64_t pixels = (int64_t)t->h * t->w;
  for (int64_t i = 0; i < t->n * pixels; i++) {
    double in[2][MOST_CHANNELS], out[2][MOST_CHANNELS];
    const int64_t first = i / pixels * t->c * pixels + i % pixels;
    for (int64_t c = 0; c < t->c; c++) {
      in[0][c] = x[first + c * pixels];
      in[1][c] = dy[first + c * pixels];
    }
    solve_pixel(t, in[0], in[1], out[0], out[1]);
    for (int64_t c = 0; c < t->c; c++) {
      y[first + c * pixels] = out[0][c];
      dx[first + c * pixels] = out[1][c];
    }
  }
}

static void run_map_kernels(const cn_context *context, const map_case *t, const cn_tensor *xt,
                            const cn_tensor *yt, const float *x, const float *dy, float *y,
                            float *dx) {
  if (t->neighbours > 0) {
    const cn_lrn lrn = {.size = sizeof lrn,
                        .neighbours = t->neighbours,
                        .x = *xt,
                        .y = *yt,
                        .dx = *yt,
                        .dy = *xt,
                        .alpha = 0.5f,
                        .beta = t->beta,
                        .k = 2.0f};
    const int64_t bytes = cn_lrn_workspace_bytes(context, &lrn, t->n);
    void *workspace = new_bytes(bytes);
    CHECK(cn_lrn_forward(context, &lrn, t->n, x, y, workspace, bytes) == CN_OK, "forward");
    CHECK(cn_lrn_backward(context, &lrn, t->n, x, dy, dx, workspace, bytes) == CN_OK, "backward");
    free(workspace);
    return;
  }
  const cn_softmax softmax = {.size = sizeof softmax,
                              .logarithm = t->neighbours < 0,
                              .x = *xt,
                              .y = *yt,
                              .dx = *yt,
                              .dy = *xt};
  CHECK(cn_softmax_forward(context, &softmax, t->n, x, y) == CN_OK, "forward");
  CHECK(cn_softmax_backward(context, &softmax, t->n, y, dy, dx) == CN_OK, "backward");
}

static void run_map(const map_case *t) {
  const int64_t count = (int64_t)t->n * t->c * t->h * t->w;
  cn_tensor xt = {.c = t->c, .h = t->h, .w = t->w, .halo = t->x_halo, .layout = CN_BLOCKED};
  cn_tensor yt = xt;
  yt.halo = t->y_halo;
  seed_values((uint64_t)t->c + 5);
  float *x = new_reals(count), *dy = new_reals(count), *plain = new_floats(count);
  for (int64_t i = 0; i < count; i++) x[i] *= 8.0f;
  double *y = new_doubles(count), *dx = new_doubles(count);
  solve_map(t, x, dy, y, dx);
  float *x_values = new_tensor(&xt, t->n, x), *dy_values = new_tensor(&xt, t->n, dy);
  const int64_t floats = tensor_floats(&yt, t->n);
  for (int set = 0; set < instruction_sets(); set++) {
    float *first = new_floats(2 * floats), *other = new_floats(2 * floats);
    for (int j = 0; j < THREAD_COUNTS; j++) {
      const cn_context context = context_of(set, thread_counts[j]);
      float *to = j == 0 ? first : other;
      run_map_kernels(&context, t, &xt, &yt, x_values, dy_values, to, to + floats);
      if (j > 0) {
        check_same_bits("map", first, other, 2 * floats);
        continue;
      }
      read_tensor("y", &yt, t->n, first, plain);
      check_close("y", y, plain, count, t->neighbours < 0 ? 16.0 : 1.0, 16.0);
      read_tensor("dx", &yt, t->n, first + floats, plain);
      check_close("dx", dx, plain, count, 4.0, 32.0);
    }
    free(first);
    free(other);
  }
  void *all[] = {x, dy, plain, y, dx, x_values, dy_values};
  for (int i = 0; i < 7; i++) free(all[i]);
}

/* Softmax of values that are not finite: a NaN or +infinity affects its whole pixel and no other;
 * -infinity has the probability 0. Padding channels remain 0. */
static void softmax_of_infinities(void) {
  const cn_tensor t = {.c = 5, .h = 1, .w = 9, .layout = CN_BLOCKED};
  const cn_softmax softmax = {.size = sizeof softmax, .x = t, .y = t, .dx = t, .dy = t};
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, 1);
    float plain[45], got[45];
    for (int i = 0; i < 45; i++) plain[i] = (float)(i % 7);
    plain[2 * 9 + 1] = NAN;
    plain[0 * 9 + 3] = INFINITY;
    plain[4 * 9 + 5] = -INFINITY;
    for (int c = 0; c < 5; c++) plain[c * 9 + 7] = -INFINITY;
    float *x = new_tensor(&t, 1, plain), *y = new_floats(tensor_floats(&t, 1));
    CHECK(cn_softmax_forward(&context, &softmax, 1, x, y) == CN_OK, "forward");
    read_tensor("softmax", &t, 1, y, got);
    for (int c = 0; c < 5; c++)
      for (int p = 0; p < 9; p++) {
        const bool none = p == 1 || p == 3 || p == 7;
        CHECK(isnan(got[c * 9 + p]) == none, "channel %d of pixel %d is %g", c, p,
              (double)got[c * 9 + p]);
      }
    CHECK(got[4 * 9 + 5] == 0.0f, "minus infinity has %g", (double)got[4 * 9 + 5]);
    free(x);
    free(y);
  }
}

/* Rows of the batch and pieces of rows in chunks. */
static void every_division_is_covered(void) {
  for (int k = 0; k < WANTED; k++) {
    bool found = false;
    for (int32_t i = 1; i <= 12000 && !found; i++) {
      const norm_case t = {
          .n = 1, .c = 5, .h = 1, .w = i, .groups = 0, .scales_values = 0, .seed = i};
      const cn_tensor tensor = {.c = t.c, .h = t.h, .w = t.w, .layout = CN_BLOCKED};
      found = is_wanted((division){norm_chunks_of(&tensor, 1).count, i % NORM_CHUNK_PIXELS != 0},
                        (wanted)k);
      if (found) run_norm(&t);
    }
    CHECK(found, "no shape has %s", wanted_names[k]);
  }
}

int main(void) {
  for (size_t i = 0; i < sizeof norm_cases / sizeof norm_cases[0]; i++) {
    norm_case t = norm_cases[i];
    t.seed = (int32_t)i;
    run_norm(&t);
    scale_and_shift_are_optional(&t);
  }
  for (size_t i = 0; i < sizeof map_cases / sizeof map_cases[0]; i++) run_map(&map_cases[i]);
  lanes_without_a_channel_stay_zero(0);
  lanes_without_a_channel_stay_zero(1);
  softmax_of_infinities();
  every_division_is_covered();
  return verdict("sample_norm");
}
