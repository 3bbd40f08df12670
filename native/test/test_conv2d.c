/* The three passes of convolution against double-precision loops, exactly on whole numbers and
 * within the error bound on reals. */
#include "conv_solution.h"

static void check_bits(const char *what, const outputs *a, const outputs *b) {
  check_same_bits(what, a->y, b->y, a->y_floats);
  check_same_bits(what, a->dx, b->dx, a->dx_floats);
  check_same_bits(what, a->dw, b->dw, a->dw_floats);
  if (a->db != NULL) check_same_bits(what, a->db, b->db, a->db_floats);
  if (a->statistics != NULL)
    check_same_bits(what, a->statistics, b->statistics, a->statistics_floats);
}

/* Exact sums have the same bits in any order, so one run suffices. */
static void run_exactly(const problem *p, const solution *s) {
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, THREADS);
    outputs o = run_passes(&context, p);
    check_outputs(&context, p, s, &o, true);
    free_outputs(&o);
  }
}

static void run_on_threads(const problem *p, const solution *s) {
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context one = context_of(set, 1);
    outputs first = run_passes(&one, p);
    check_outputs(&one, p, s, &first, false);
    const cn_context context = context_of(set, next_thread_count());
    outputs o = run_passes(&context, p);
    check_bits(p->t->name, &first, &o);
    free_outputs(&o);
    free_outputs(&first);
  }
}

static void run_with(const conv_case *t, int32_t algorithm, bool exact, bool tail,
                     const solution *sums) {
  problem p = problem_of(t, algorithm, exact, tail);
  solution s = finished(sums, &p);
  if (exact)
    run_exactly(&p, &s);
  else
    run_on_threads(&p, &s);
  free_solution(&s);
  free_problem(&p);
}

static solution sums_of_case(const conv_case *t, int32_t algorithm, bool exact) {
  problem p = problem_of(t, algorithm, exact, false);
  const solution s = sums_of(&p);
  free_problem(&p);
  return s;
}

static void run_exact_case(const conv_case *t) {
  solution sums = sums_of_case(t, CN_DIRECT, true);
  run_with(t, CN_DIRECT, true, false, &sums);
  free_solution(&sums);
}

/* The direct algorithm on whole numbers and on reals, with a tail and without; the others on whole
 * numbers of a larger scale, and on the same reals with a tail. */
static void run_case(const conv_case *t) {
  if (!takes(t, CN_DIRECT)) return;
  solution whole = sums_of_case(t, CN_DIRECT, true), real = sums_of_case(t, CN_DIRECT, false);
  for (int tail = 0; tail < 2; tail++) {
    run_with(t, CN_DIRECT, true, tail == 1, &whole);
    run_with(t, CN_DIRECT, false, tail == 1, &real);
  }
  if (takes(t, CN_WINOGRAD_4)) {
    solution scaled = sums_of_case(t, CN_WINOGRAD_4, true);
    for (int32_t algorithm = CN_WINOGRAD_2; algorithm <= CN_WINOGRAD_4; algorithm++) {
      run_with(t, algorithm, true, false, &scaled);
      run_with(t, algorithm, false, true, &real);
    }
    free_solution(&scaled);
  }
  free_solution(&whole);
  free_solution(&real);
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
      run_exact_case(&t);
      snprintf(name, sizeof name, "stem, filter %d wide to %d blocks", (int)width, (int)blocks);
      t.layout = CN_PLAIN;
      t.kernel_w = width;
      t.w = width + 2;
      t.pad_w = 0;
      run_exact_case(&t);
    }
}

/* Gradients of few channels have samples or pixels in the lanes, with separate tiles for each
 * number of channels. */
static void every_number_of_few_channels_is_covered(void) {
  for (int32_t channels = 1; channels <= 8; channels++)
    for (int32_t layout = CN_PLAIN; layout <= CN_BLOCKED; layout++) {
      char name[64];
      snprintf(name, sizeof name, "%d channels, %s", (int)channels,
               layout == CN_PLAIN ? "plain" : "blocked");
      const conv_case samples = {name, 17, channels, 7, 31,     17, 5, 3, 2, 1, 1, 1,
                                 1,    1,  1,        0, layout, 1,  1, 0, 0, 1, 2};
      run_exact_case(&samples);
      const conv_case pixels = {name, 2, channels, 9, 47,     21, 5, 4, 1, 1, 1, 2,
                                1,    2, 1,        0, layout, 1,  1, 0, 0, 1, 0};
      run_exact_case(&pixels);
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
  for (int i = 0; i < CONV_CASES; i++) run_case(&conv_cases[i]);
  every_width_is_covered();
  every_number_of_few_channels_is_covered();
  the_described_halo_saves_copies();
  return verdict("conv2d");
}
