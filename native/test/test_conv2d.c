/* The three passes of convolution against double-precision loops, exactly on whole numbers and
 * within the error bound on reals. */
#include "conv_problem.h"

/* The expected results of a problem. */
typedef struct solution {
  tracked_sum *y, *dx, *dw, *db;
} solution;

static tracked_sum *new_sums(int64_t count) {
  tracked_sum *s = calloc((size_t)count, sizeof(tracked_sum));
  if (s == NULL) abort();
  return s;
}

/* The seven loops. Every product is a term of one y, one dx and one dw, and a residual is a term
 * too. Then the activation is applied to y, and the slope of that of x to dx. */
static solution solve(const problem *p) {
  const cn_conv2d *c = &p->conv;
  const solution s = {new_sums(p->y_count), new_sums(p->x_count), new_sums(p->w_count),
                      new_sums(c->y.c)};
  const int64_t channels = c->x.c / c->groups, filters = c->y.c / c->groups;
  for (int64_t i = 0; i < p->n; i++)
    for (int64_t k = 0; k < c->y.c; k++)
      for (int64_t q = 0; q < (int64_t)c->y.h * c->y.w; q++) {
        const int64_t oy = q / c->y.w, ox = q % c->y.w;
        const int64_t out = (i * c->y.c + k) * c->y.h * c->y.w + q;
        if (p->bias != NULL) add_term(&s.y[out], p->bias[k]);
        add_term(&s.db[k], p->dy[out]);
        for (int64_t j = 0; j < channels; j++)
          for (int64_t tap = 0; tap < (int64_t)c->window.kernel_h * c->window.kernel_w; tap++) {
            const int64_t iy = oy * c->window.stride_h +
                               tap / c->window.kernel_w * c->window.dilation_h - c->window.pad_top;
            const int64_t ix = ox * c->window.stride_w +
                               tap % c->window.kernel_w * c->window.dilation_w - c->window.pad_left;
            if (iy < 0 || ix < 0 || iy >= c->x.h || ix >= c->x.w) continue;
            const int64_t channel = k / filters * channels + j;
            const int64_t in = ((i * c->x.c + channel) * c->x.h + iy) * c->x.w + ix;
            const int64_t weight =
                (k * channels + j) * c->window.kernel_h * c->window.kernel_w + tap;
            add_term(&s.y[out], (double)p->w[weight] * p->x[in]);
            add_term(&s.dx[in], (double)p->w[weight] * p->dy[out]);
            add_term(&s.dw[weight], (double)p->x[in] * p->dy[out]);
          }
      }
  for (int64_t i = 0; i < p->y_count; i++) {
    if (p->y_add != NULL) add_term(&s.y[i], p->y_add[i]);
    s.y[i].sum = activated(p->activation, s.y[i].sum);
  }
  for (int64_t i = 0; i < p->x_count; i++) {
    if (p->dx_add != NULL) add_term(&s.dx[i], p->dx_add[i]);
    if (p->mask) s.dx[i].sum *= slope_at(p->x_activation, p->x[i]);
  }
  return s;
}

/* The values of a Winograd tile share their rounding errors, so the largest bound in a tensor
 * applies to all its values. */
static void check_values(const char *what, const problem *p, const tracked_sum *expected,
                         const float *got, int64_t count, bool exact) {
  if (exact || p->conv.algorithm == CN_DIRECT) {
    check_sums(what, expected, got, count, exact);
    return;
  }
  double *sums = calloc((size_t)count, sizeof(double)), scale = 0.0;
  if (sums == NULL) abort();
  for (int64_t i = 0; i < count; i++) {
    sums[i] = expected[i].sum;
    scale = fmax(scale, sqrt(expected[i].squares) + expected[i].largest);
  }
  check_close(what, sums, got, count, scale, p->conv.algorithm == CN_WINOGRAD_4 ? 256.0 : 32.0);
  free(sums);
}

static void check_outputs(const cn_context *context, const problem *p, const solution *s,
                          const outputs *o, bool exact) {
  const cn_conv2d *c = &p->conv;
  char what[128];
  snprintf(what, sizeof what, "%s, %s, algorithm %d, y", p->t->name, features_name(context),
           (int)c->algorithm);
  float *y = new_floats(p->y_count), *dx = new_floats(p->x_count), *dw = new_floats(p->w_count);
  read_tensor(what, &c->y, p->n, o->y, y);
  check_values(what, p, s->y, y, p->y_count, exact);
  what[strlen(what) - 1] = 'x';
  read_tensor(what, &c->dx, p->n, o->dx, dx);
  check_values(what, p, s->dx, dx, p->x_count, exact);
  what[strlen(what) - 1] = 'w';
  CHECK(cn_conv2d_unpack_weights(context, c, o->dw, dw) == CN_OK, "%s", what);
  check_values(what, p, s->dw, dw, p->w_count, exact);
  what[strlen(what) - 1] = 'b';
  if (o->db != NULL) check_sums(what, s->db, o->db, c->y.c, exact);
  for (int64_t i = c->y.c; i < o->db_floats && o->db != NULL; i++)
    CHECK(o->db[i] == 0.0f, "%s: padding %lld", what, (long long)i);
  if (o->statistics != NULL) {
    float *statistics = new_floats(o->statistics_floats);
    CHECK(cn_row_statistics(context, &c->y, p->n, o->y, statistics) == CN_OK, "%s", what);
    check_same_bits("statistics of rows", statistics, o->statistics, o->statistics_floats);
    free(statistics);
  }
  /* Packing unpacked weights gives the same floats: the padding is zero. */
  float *again = new_floats(o->dw_floats);
  CHECK(cn_conv2d_pack_weights(context, c, dw, again) == CN_OK, "%s", what);
  for (int64_t i = 0; i < o->dw_floats; i++)
    if (again[i] != o->dw[i]) {
      CHECK(false, "%s: packed gradient %lld is %g, expected %g", what, (long long)i,
            (double)o->dw[i], (double)again[i]);
      break;
    }
  free(y);
  free(dx);
  free(dw);
  free(again);
}

static void run_case(const conv_case *t, int32_t algorithm, bool exact, bool tail) {
  problem p = problem_of(t, algorithm, exact, tail);
  const solution s = solve(&p);
  for (int set = 0; set < instruction_sets(); set++) {
    outputs first = {0};
    /* Exact sums have the same bits in any order, so one run suffices. */
    for (int i = 0; i < (exact ? 1 : THREAD_COUNTS); i++) {
      const cn_context context = context_of(set, exact ? THREADS : thread_counts[i]);
      outputs o = run_passes(&context, &p);
      if (i == 0) {
        check_outputs(&context, &p, &s, &o, exact);
        first = o;
        continue;
      }
      check_same_bits(t->name, first.y, o.y, o.y_floats);
      check_same_bits(t->name, first.dx, o.dx, o.dx_floats);
      check_same_bits(t->name, first.dw, o.dw, o.dw_floats);
      if (tail) check_same_bits(t->name, first.statistics, o.statistics, o.statistics_floats);
      if (o.db != NULL) check_same_bits(t->name, first.db, o.db, o.db_floats);
      free_outputs(&o);
    }
    free_outputs(&first);
  }
  free_problem(&p);
  tracked_sum *sums[] = {s.y, s.dx, s.dw, s.db};
  for (int i = 0; i < 4; i++) free(sums[i]);
}

/*
 * The tiles that cover a row, or the filter rows of a stem, depend on its width and on the blocks
 * of channels. Tests every width for which an instruction set has tiles, and larger ones.
 */
static void every_width_is_covered(void) {
  for (int32_t width = 1; width <= 20; width++)
    for (int32_t blocks = 1; blocks <= 3; blocks++) {
      char name[64];
      snprintf(name, sizeof name, "%d wide to %d blocks", (int)width, (int)blocks);
      conv_case t = {name, 1, 3, 5,       width,      16 * blocks, 3, 3, 1, 1, 1, 1,
                     1,    1, 1, CN_BIAS, CN_BLOCKED, 1,           0, 0, 1, 0, 0};
      run_case(&t, CN_DIRECT, true, false);
      snprintf(name, sizeof name, "stem, filter %d wide to %d blocks", (int)width, (int)blocks);
      t.layout = CN_PLAIN;
      t.kernel_w = width;
      t.w = width + 2;
      t.pad_w = 0;
      run_case(&t, CN_DIRECT, true, false);
    }
}

/* Gradients of few channels use samples in the lanes, with separate tiles for each number of
 * channels. */
static void every_number_of_few_channels_is_covered(void) {
  for (int32_t channels = 1; channels <= 8; channels++)
    for (int layout = 0; layout < 2; layout++) {
      char name[64];
      snprintf(name, sizeof name, "%d channels, %s", (int)channels,
               layout == 0 ? "plain" : "blocked");
      const conv_case t = {name,
                           17,
                           channels,
                           7,
                           31,
                           18,
                           5,
                           3,
                           2,
                           1,
                           1,
                           1,
                           1,
                           1,
                           1,
                           0,
                           layout == 0 ? CN_PLAIN : CN_BLOCKED,
                           1,
                           1,
                           0,
                           0,
                           1,
                           2};
      run_case(&t, CN_DIRECT, true, false);
    }
}

static cn_conv2d_variant describe(const cn_conv2d *conv, int32_t pass) {
  const cn_context context = context_of(0, 1);
  cn_conv2d_variant v = {.size = sizeof v};
  const int32_t status = cn_conv2d_describe(&context, conv, NULL, pass, 1, &v);
  CHECK(status == CN_OK, "pass %d: %s", (int)pass, cn_status_text(status));
  return v;
}

/* With the halo that is described, no pass needs to copy rows; with a smaller one it does. */
static void the_described_halo_saves_copies(void) {
  for (int i = 0; i < CONV_CASES; i++)
    for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_DATA; pass++) {
      const char *name = conv_cases[i].name;
      cn_conv2d conv = conv_of(&conv_cases[i]);
      if (conv.groups > 1) continue;
      conv.x.sample_stride = conv.dy.sample_stride = 0;
      int32_t *source = pass == CN_FORWARD ? &conv.x.halo : &conv.dy.halo;
      const int32_t halo = describe(&conv, pass).halo;
      *source = halo + 1;
      const int64_t least = describe(&conv, pass).workspace;
      *source = halo;
      CHECK(describe(&conv, pass).workspace == least, "%s: halo %d", name, (int)halo);
      if (pass == CN_FORWARD) CHECK(least == 0, "%s: %lld bytes", name, (long long)least);
      *source = halo - 1;
      CHECK(halo == 0 || describe(&conv, pass).workspace > least, "%s: halo %d", name, (int)halo);
    }
}

int main(void) {
  for (int i = 0; i < CONV_CASES; i++)
    for (int32_t algorithm = CN_DIRECT; algorithm <= CN_WINOGRAD_4; algorithm++)
      for (int tail = 0; tail < 2 && takes(&conv_cases[i], algorithm); tail++) {
        if (algorithm == CN_DIRECT || tail == 0)
          run_case(&conv_cases[i], algorithm, true, tail == 1);
        if (algorithm == CN_DIRECT || tail == 1)
          run_case(&conv_cases[i], algorithm, false, tail == 1);
      }
  every_width_is_covered();
  every_number_of_few_channels_is_covered();
  the_described_halo_saves_copies();
  return verdict("conv2d");
}
