/* The three passes of the linear layer against double-precision loops. */
#include "conv_plan.h"
#include "parts.h"

typedef struct linear_case {
  int32_t n, c, h, w, outputs, flags;
} linear_case;

static const linear_case cases[] = {
    {1, 1, 1, 1, 1, CN_BIAS},
    {64, 16, 5, 5, 120, CN_BIAS | RELU},
    {64, 84, 1, 1, 10, CN_BIAS},
    {3, 17, 3, 2, 33, CN_BIAS},
    {5, 3, 4, 4, 7, 0},
    {37, 20, 2, 3, 47, CN_BIAS | RELU6},
    {1, 200, 1, 1, 300, CN_BIAS},
    {2, 90, 3, 2, 33, CN_BIAS | LEAKY_RELU},
    {70, 33, 1, 1, 50, CN_BIAS | LEAKY_RELU},
    {3, 18, 2, 2, 21, RELU6},
    {3, 1500, 1, 1, 20, 0},
    {4, 37, 1, 1, 16, RELU},
    {300, 33, 1, 1, 17, CN_BIAS},
    {509, 18, 1, 1, 5, CN_BIAS},
    {15, 48, 1, 1, 600, 0},
    {7, 1300, 1, 1, 150, CN_BIAS},
    {256, 64, 1, 1, 64, CN_BIAS},
};

typedef struct problem {
  const linear_case *t;
  cn_linear linear;
  cn_tensor x, y;
  int64_t features, w_count;
  float *xs, *w, *bias, *dy;
  tracked_sum *ys, *dx, *dw, *db;
} problem;

static tracked_sum *new_sums(int64_t count) {
  tracked_sum *s = calloc((size_t)count, sizeof(tracked_sum));
  if (s == NULL) abort();
  return s;
}

static void solve(problem *p) {
  const linear_case *t = p->t;
  for (int64_t i = 0; i < t->n; i++)
    for (int64_t o = 0; o < t->outputs; o++) {
      tracked_sum *y = &p->ys[i * t->outputs + o];
      const double dy = p->dy[i * t->outputs + o];
      if (p->bias != NULL) add_term(y, p->bias[o]);
      add_term(&p->db[o], dy);
      for (int64_t f = 0; f < p->features; f++) {
        const double x = p->xs[i * p->features + f], w = p->w[o * p->features + f];
        add_term(y, w * x);
        add_term(&p->dx[i * p->features + f], w * dy);
        add_term(&p->dw[o * p->features + f], x * dy);
      }
      y->sum = activated(activation_in(t->flags), y->sum);
    }
}

static cn_linear linear_of(int32_t c, int32_t h, int32_t w, int32_t outputs) {
  return (cn_linear){.size = sizeof(cn_linear), .c = c, .h = h, .w = w, .outputs = outputs};
}

/* Whole numbers, of which some may be scaled to subnormal ones; or reals, of which a few may not be
 * finite. */
typedef enum data_kind { WHOLE, SUBNORMAL_X, SUBNORMAL_DY, REAL, NOT_FINITE } data_kind;

/* Multiples of 2^-147, to which a slope of 1/4 can be applied, have exact sums. */
static void scale_values(float *values, int64_t count) {
  for (int64_t i = 0; values != NULL && i < count; i++) values[i] *= 0x1p-147f;
}

static void make_special(problem *p, data_kind data) {
  static const float not_finite[] = {NAN, INFINITY, -INFINITY};
  const int64_t xs = p->t->n * p->features, ys = (int64_t)p->t->n * p->t->outputs;
  if (data == SUBNORMAL_DY) scale_values(p->dy, ys);
  if (data == SUBNORMAL_X) {
    scale_values(p->xs, xs);
    scale_values(p->bias, p->t->outputs);
  }
  for (int i = 0; data == NOT_FINITE && i < 3; i++) {
    p->xs[next_random() % (uint64_t)xs] = not_finite[i];
    p->dy[next_random() % (uint64_t)ys] = not_finite[i];
  }
}

static problem problem_of(const linear_case *t, data_kind data) {
  const bool exact = data < REAL;
  problem p = {.t = t,
               .linear = linear_of(t->c, t->h, t->w, t->outputs),
               .x = {.c = t->c, .h = t->h, .w = t->w, .layout = CN_FLAT},
               .y = {.c = t->outputs, .h = 1, .w = 1, .layout = CN_FLAT}};
  p.features = (int64_t)t->c * t->h * t->w;
  p.w_count = p.features * t->outputs;
  seed_values((uint64_t)t->n * 31 + (uint64_t)t->outputs);
  p.xs = exact ? new_integers(t->n * p.features, 4) : new_reals(t->n * p.features);
  p.w = exact ? new_integers(p.w_count, 3) : new_reals(p.w_count);
  p.dy =
      exact ? new_integers((int64_t)t->n * t->outputs, 3) : new_reals((int64_t)t->n * t->outputs);
  if ((t->flags & CN_BIAS) != 0)
    p.bias = exact ? new_integers(t->outputs, 9) : new_reals(t->outputs);
  make_special(&p, data);
  p.ys = new_sums((int64_t)t->n * t->outputs);
  p.dx = new_sums(t->n * p.features);
  p.dw = new_sums(p.w_count);
  p.db = new_sums(t->outputs);
  solve(&p);
  return p;
}

static void free_problem(problem *p) {
  float *values[] = {p->xs, p->w, p->bias, p->dy};
  tracked_sum *sums[] = {p->ys, p->dx, p->dw, p->db};
  for (int i = 0; i < 4; i++) free(values[i]);
  for (int i = 0; i < 4; i++) free(sums[i]);
}

/* All results of one set of calls, in one block of memory: y, dx, dw, db. */
typedef struct outputs {
  float *all, *y, *dx, *dw, *db;
  int64_t floats;
} outputs;

static outputs new_outputs(const problem *p) {
  const int64_t y = tensor_floats(&p->y, p->t->n), dx = tensor_floats(&p->x, p->t->n);
  const int64_t dw = floats_in(cn_linear_weight_bytes(&p->linear));
  outputs o = {.floats = y + dx + dw + (p->t->outputs + 15) / 16 * 16};
  o.all = new_floats(o.floats);
  o.y = o.all;
  o.dx = o.y + y;
  o.dw = o.dx + dx;
  o.db = o.dw + dw;
  return o;
}

static void *new_workspace(const cn_context *context, const problem *p, int32_t pass,
                           int64_t *bytes) {
  *bytes = cn_linear_workspace_bytes(context, &p->linear, pass, p->t->n);
  return new_bytes(*bytes);
}

static outputs run(const cn_context *context, const problem *p) {
  const int32_t n = p->t->n;
  outputs o = new_outputs(p);
  float *x = new_tensor(&p->x, n, p->xs), *dy = new_tensor(&p->y, n, p->dy);
  float *w = new_floats(floats_in(cn_linear_weight_bytes(&p->linear)));
  float *bias = p->bias != NULL ? new_channels(p->t->outputs, p->bias) : NULL;
  cn_epilogue e = {.size = sizeof e,
                   .operations = operations_in(p->t->flags),
                   .activation = activation_in(p->t->flags),
                   .bias = bias};
  const cn_gradients g = {.size = sizeof g, .operations = CN_STORE, .dw = o.dw, .db = o.db};
  CHECK(cn_linear_pack_weights(context, &p->linear, p->w, w) == CN_OK, "pack");
  int64_t bytes;
  void *workspace = new_workspace(context, p, CN_FORWARD, &bytes);
  CHECK(cn_linear_forward(context, &p->linear, &e, n, x, w, o.y, workspace, bytes) == CN_OK,
        "forward");
  free(workspace);
  workspace = new_workspace(context, p, CN_BACKWARD_DATA, &bytes);
  CHECK(cn_linear_backward_data(context, &p->linear, n, dy, w, o.dx, workspace, bytes) == CN_OK,
        "backward data");
  free(workspace);
  workspace = new_workspace(context, p, CN_BACKWARD_WEIGHTS, &bytes);
  e.operations &= CN_BIAS;
  CHECK(cn_linear_backward_weights(context, &p->linear, &e, n, x, dy, &g, workspace, bytes) ==
            CN_OK,
        "backward weights");
  free(workspace);
  free(x);
  free(dy);
  free(w);
  free(bias);
  return o;
}

static void check_outputs(const cn_context *context, const problem *p, const outputs *o,
                          bool exact) {
  const linear_case *t = p->t;
  char what[128];
  snprintf(what, sizeof what, "n %d, %dx%dx%d to %d, %s, y", (int)t->n, (int)t->c, (int)t->h,
           (int)t->w, (int)t->outputs, features_name(context));
  const int64_t y_count = (int64_t)t->n * t->outputs, x_count = t->n * p->features;
  float *y = new_floats(y_count), *dx = new_floats(x_count), *dw = new_floats(p->w_count);
  read_tensor(what, &p->y, t->n, o->y, y);
  check_sums(what, p->ys, y, y_count, exact);
  what[strlen(what) - 1] = 'x';
  read_tensor(what, &p->x, t->n, o->dx, dx);
  check_sums(what, p->dx, dx, x_count, exact);
  what[strlen(what) - 1] = 'w';
  CHECK(cn_linear_unpack_weights(context, &p->linear, o->dw, dw) == CN_OK, "%s", what);
  check_sums(what, p->dw, dw, p->w_count, exact);
  what[strlen(what) - 1] = 'b';
  if (p->bias != NULL) check_sums(what, p->db, o->db, t->outputs, exact);
  const int64_t packed = floats_in(cn_linear_weight_bytes(&p->linear));
  float *again = new_floats(packed);
  CHECK(cn_linear_pack_weights(context, &p->linear, dw, again) == CN_OK, "%s", what);
  int64_t bad = 0;
  for (int64_t i = 0; i < packed; i++)
    bad += !(again[i] == o->dw[i] || (isnan(again[i]) && isnan(o->dw[i])));
  CHECK(bad == 0, "%s: %lld floats of the packed gradient are not zero where they must be", what,
        (long long)bad);
  free(y);
  free(dx);
  free(dw);
  free(again);
}

static void run_case(const linear_case *t, data_kind data) {
  const bool exact = data < REAL;
  problem p = problem_of(t, data);
  for (int set = 0; set < instruction_sets(); set++) {
    outputs first = {0};
    /* Exact sums have the same bits in any order, so one run suffices. */
    for (int i = 0; i < (exact ? 1 : THREAD_COUNTS); i++) {
      const cn_context context = context_of(set, exact ? THREADS : thread_counts[i]);
      outputs o = run(&context, &p);
      if (i == 0) {
        check_outputs(&context, &p, &o, exact);
        first = o;
        continue;
      }
      check_same_bits("linear", first.all, o.all, o.floats);
      free(o.all);
    }
    free(first.all);
  }
  free_problem(&p);
}

/* 100,000 equal terms: a running sum would exceed the bound many times over. */
static void long_sums_of_equal_terms_stay_within_the_bound(void) {
  const cn_linear linear = linear_of(100000, 1, 1, 1);
  const cn_tensor shape = {.c = 100000, .h = 1, .w = 1, .layout = CN_FLAT};
  float *plain = new_floats(100000);
  for (int i = 0; i < 100000; i++) plain[i] = 0.1f;
  tracked_sum expected = {0};
  for (int i = 0; i < 100000; i++) add_term(&expected, (double)0.1f * 0.1f);
  float *x = new_tensor(&shape, 1, plain),
        *w = new_floats(floats_in(cn_linear_weight_bytes(&linear)));
  float *y = new_floats(16);
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, THREADS);
    CHECK(cn_linear_pack_weights(&context, &linear, plain, w) == CN_OK, "pack");
    CHECK(cn_linear_forward(&context, &linear, NULL, 1, x, w, y, NULL, 0) == CN_OK, "forward");
    check_sums("100,000 equal terms", &expected, y, 1, false);
  }
  free(plain);
  free(x);
  free(w);
  free(y);
}

enum { MOST_SPECIAL = 100000 }; /* products of cases with special values */

/* How a case is divided: the samples of dw into chunks, dw into panels of features and of outputs,
 * and the outputs that dx of a few samples sums. */
typedef division (*divide)(const linear_case *t);

static weights_plan plan_of(const linear_case *t) {
  const cn_linear linear = linear_of(t->c, t->h, t->w, t->outputs);
  const conv_shape s = linear_shape_of(&linear, t->n);
  return weights_plan_of(&s);
}

static division chunks_of(const linear_case *t) {
  const weights_plan p = plan_of(t);
  return in_parts(p.row_blocks * p.image_blocks, p.chunks);
}

static division rows_of(const linear_case *t) {
  const weights_plan p = plan_of(t);
  return in_pieces(p.shape.y.h, p.rows);
}

static division feature_panels(const linear_case *t) {
  const weights_plan p = plan_of(t);
  return in_pieces(p.shape.x_blocks, p.panel_blocks);
}

static division output_panels(const linear_case *t) {
  const weights_plan p = plan_of(t);
  return in_pieces(ceil_div(p.shape.y_blocks, 2), p.panel_pairs);
}

static division output_slabs(const linear_case *t) {
  const cn_linear linear = linear_of(t->c, t->h, t->w, t->outputs);
  return in_pieces(linear_shape_of(&linear, t->n).y_blocks, SUM_TERMS);
}

static division feature_slabs(const linear_case *t) { return in_pieces(t->c, SUM_TERMS); }

static const int32_t batches[] = {1,   3,    5,    64,   255,  256,  512,  513, 655,
                                  768, 1000, 1300, 1536, 2048, 2300, 4096, 6000};
static const int32_t sizes[] = {5,    40,   100,   289,   500,   900,  2100,
                                2600, 5000, 10000, 14000, 36500, 41000};

enum {
  BATCHES = sizeof batches / sizeof batches[0],
  SIZES = sizeof sizes / sizeof sizes[0],
  MOST_PRODUCTS = 8000000
};

static int64_t products(const linear_case *t) { return (int64_t)t->n * t->c * t->outputs; }

static void every_division_is_covered(const char *what, divide of) {
  for (int k = 0; k < WANTED; k++) {
    linear_case found = {.n = 0};
    for (int i = 0; i < BATCHES * SIZES * SIZES; i++) {
      const linear_case t = {.n = batches[i / SIZES / SIZES],
                             .c = sizes[i / SIZES % SIZES],
                             .h = 1,
                             .w = 1,
                             .outputs = sizes[i % SIZES],
                             .flags = CN_BIAS};
      if (products(&t) <= MOST_PRODUCTS && is_wanted(of(&t), k) &&
          (found.n == 0 || products(&t) < products(&found)))
        found = t;
    }
    CHECK(found.n > 0, "%s: no shape has %s", what, wanted_names[k]);
    if (found.n > 0) run_case(&found, WHOLE);
  }
}

int main(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    run_case(&cases[i], WHOLE);
    run_case(&cases[i], REAL);
    const linear_case *t = &cases[i];
    if ((int64_t)t->n * t->c * t->h * t->w * t->outputs > MOST_SPECIAL) continue;
    for (data_kind data = SUBNORMAL_X; data <= NOT_FINITE; data++)
      if (data != REAL) run_case(t, data);
  }
  long_sums_of_equal_terms_stay_within_the_bound();
  every_division_is_covered("chunks of samples", chunks_of);
  every_division_is_covered("rows of samples", rows_of);
  every_division_is_covered("panels of features", feature_panels);
  every_division_is_covered("panels of outputs", output_panels);
  every_division_is_covered("slabs of outputs", output_slabs);
  every_division_is_covered("slabs of features", feature_slabs);
  return verdict("linear");
}
