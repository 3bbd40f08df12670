/*
 * Values that are not ordinary: subnormal numbers keep their bits, NaN and infinity reach the
 * results that depend on them and no others, and rectified zeros are positive.
 */
#include "conv_solution.h"
#include "every_conv.h"

static const conv_case *const convolutions[] = {
    &narrow,  &stem,   &stem_samples, &samples, &pixels_data, &blocks,
    &strided, &pixels, &grouped,      &loops,   &depthwise,   &depthwise_strided};
enum { CONVOLUTIONS = sizeof convolutions / sizeof convolutions[0] };

static void scale_values(float *values, int64_t count, float scale) {
  for (int64_t i = 0; values != NULL && i < count; i++) values[i] *= scale;
}

static void check_passes(const problem *p, bool exact) {
  solution sums = sums_of(p), s = finished(&sums, p);
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, THREADS);
    outputs o = run_passes(&context, p);
    check_outputs(&context, p, &s, &o, exact);
    free_outputs(&o);
  }
  free_solution(&sums);
  free_solution(&s);
}

/* ---- Subnormal numbers ----------------------------------------------------------------------- */

/* Whole multiples of 2^-147, to which a slope of 1/4 can be applied, have exact sums. Either the
 * images are subnormal, or their gradients. */
static void convolve_subnormal(const conv_case *t, int32_t algorithm) {
  for (int gradients_are = 0; gradients_are < 2; gradients_are++) {
    problem p = problem_of(t, algorithm, true, algorithm == CN_DIRECT);
    if (gradients_are) {
      scale_values(p.dy, p.y_count, 0x1p-147f);
      scale_values(p.dx_add, p.x_count, 0x1p-147f);
    } else {
      scale_values(p.x, p.x_count, 0x1p-147f);
      scale_values(p.y_add, p.y_count, 0x1p-147f);
      scale_values(p.bias, p.conv.y.c, 0x1p-147f);
    }
    check_passes(&p, true);
    free_problem(&p);
  }
}

/* A normalisation that changes nothing. */
static void normalise_subnormal(const cn_context *context) {
  const cn_tensor t = {20, 7, 9, 1, CN_BLOCKED, 0, 0};
  const cn_batch_norm norm = {
      .size = sizeof norm, .epsilon = 0.25f, .x = t, .y = t, .dx = t, .dy = t};
  const int64_t floats = tensor_floats(&t, 2), count = 2 * 20 * 7 * 9;
  seed_values(31);
  float *plain = new_integers(count, 1 << 20), constant[32];
  scale_values(plain, count, 0x1p-149f);
  float *x = new_tensor(&t, 2, plain), *y = new_floats(floats), *vectors[4];
  static const float values[] = {1.0f, 0.0f, 0.0f, 0.75f}; /* scale, shift, mean, variance */
  for (int i = 0; i < 4; i++) {
    for (int c = 0; c < 20; c++) constant[c] = values[i];
    vectors[i] = new_channels(20, constant);
  }
  CHECK(cn_batch_norm_infer(context, &norm, NULL, 2, x, vectors[0], vectors[1], vectors[2],
                            vectors[3], y) == CN_OK,
        "infer");
  for (int64_t i = 0; i < floats; i++)
    if (x[i] != y[i]) {
      CHECK(false, "value %lld is %g, expected %g", (long long)i, (double)y[i], (double)x[i]);
      break;
    }
  float *all[] = {plain, x, y, vectors[0], vectors[1], vectors[2], vectors[3]};
  for (int i = 0; i < 7; i++) free(all[i]);
}

/* ---- NaN and infinity ------------------------------------------------------------------------ */

/* An output whose window lies inside the image. Elsewhere the padding takes part in sums: a NaN
 * times 0 may or may not be a term. */
static int64_t inner_output(const problem *p) {
  const cn_conv2d *c = &p->conv;
  const cn_window *w = &c->window;
  for (;;) {
    const int64_t at = (int64_t)(next_random() % (uint64_t)p->y_count);
    const int64_t y = at / c->y.w % c->y.h * w->stride_h - w->pad_top;
    const int64_t x = at % c->y.w * w->stride_w - w->pad_left;
    if (y >= 0 && x >= 0 && y + (w->kernel_h - 1) * w->dilation_h < c->x.h &&
        x + (w->kernel_w - 1) * w->dilation_w < c->x.w)
      return at;
  }
}

/* With a Winograd algorithm, others of the same tile may not be finite either. */
static void check_not_finite(const char *what, const tracked_sum *expected, const float *got,
                             int64_t count) {
  int64_t bad = 0;
  for (int64_t i = 0; i < count; i++) bad += !isfinite(expected[i].sum) && isfinite(got[i]);
  CHECK(bad == 0, "%s: %lld values are finite", what, (long long)bad);
}

/* A few values of x and of dy are not finite. So are the results whose sum has them as a term. */
static void convolve_not_finite(const conv_case *t, int32_t algorithm) {
  static const float values[] = {NAN, INFINITY, -INFINITY};
  problem p = problem_of(t, algorithm, false, false);
  for (int i = 0; i < 3; i++) {
    p.x[next_random() % (uint64_t)p.x_count] = values[i];
    p.dy[inner_output(&p)] = values[i];
  }
  if (algorithm == CN_DIRECT) {
    check_passes(&p, false);
    free_problem(&p);
    return;
  }
  solution sums = sums_of(&p), s = finished(&sums, &p);
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, THREADS);
    outputs o = run_passes(&context, &p);
    float *y = new_floats(p.y_count), *dx = new_floats(p.x_count), *dw = new_floats(p.w_count);
    read_tensor(t->name, &p.conv.y, p.n, o.y, y);
    read_tensor(t->name, &p.conv.dx, p.n, o.dx, dx);
    CHECK(cn_conv2d_unpack_weights(&context, &p.conv, o.dw, dw) == CN_OK, "%s", t->name);
    check_not_finite(t->name, s.y, y, p.y_count);
    check_not_finite(t->name, s.dx, dx, p.x_count);
    check_not_finite(t->name, s.dw, dw, p.w_count);
    float *all[] = {y, dx, dw};
    for (int i = 0; i < 3; i++) free(all[i]);
    free_outputs(&o);
  }
  free_solution(&sums);
  free_solution(&s);
  free_problem(&p);
}

/* ---- Zeros ----------------------------------------------------------------------------------- */

static void rectified_zeros_are_positive(const conv_case *t, int32_t algorithm) {
  problem p = problem_of(t, algorithm, true, false);
  if (p.activation.kind != CN_RELU) {
    free_problem(&p);
    return;
  }
  for (int64_t i = 0; i < p.x_count; i++) p.x[i] = i % 3 == 0 ? p.x[i] : -0.0f;
  for (int64_t i = 0; i < p.conv.y.c; i++) p.bias[i] = -0.0f;
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, THREADS);
    outputs o = run_passes(&context, &p);
    float *y = new_floats(p.y_count);
    read_tensor(t->name, &p.conv.y, p.n, o.y, y);
    int64_t zeros = 0, negative = 0;
    for (int64_t i = 0; i < p.y_count; i++) {
      zeros += y[i] == 0.0f;
      negative += y[i] == 0.0f && signbit(y[i]);
    }
    CHECK(zeros > 0 && negative == 0, "%s: %d of %d zeros are negative", t->name, (int)negative,
          (int)zeros);
    free(y);
    free_outputs(&o);
  }
  free_problem(&p);
}

/* ---- Copies ---------------------------------------------------------------------------------- */

/* Any bits, of which some are those of a NaN with a payload, arrive as they are. */
static void copies_keep_every_bit(const cn_context *context) {
  enum { N = 3, COUNT = N * 20 * 7 * 9 };
  const cn_tensor plain = {20, 7, 9, 0, CN_PLAIN, 0, 0}, blocked = {20, 7, 9, 1, CN_BLOCKED, 0, 0},
                  flat = {20, 7, 9, 0, CN_FLAT, 0, 0};
  uint32_t bits[COUNT];
  seed_values(41);
  for (int i = 0; i < COUNT; i++)
    bits[i] = (uint32_t)next_random() | (i % 5 == 0 ? 0x7f800000u : 0);
  float *p = new_floats(COUNT), *b = new_floats(tensor_floats(&blocked, N));
  float *f = new_floats(tensor_floats(&flat, N)), *back = new_floats(COUNT);
  memcpy(p, bits, sizeof bits);
  CHECK(cn_reorder(context, &plain, &blocked, N, p, b) == CN_OK, "blocked");
  CHECK(cn_reorder(context, &blocked, &flat, N, b, f) == CN_OK, "flat");
  CHECK(cn_reorder(context, &flat, &plain, N, f, back) == CN_OK, "plain");
  CHECK(memcmp(bits, back, sizeof bits) == 0, "%s: reorder", features_name(context));
  fill_nan(b, tensor_floats(&blocked, N));
  float *moved = new_tensor(&blocked, N, p);
  CHECK(cn_copy_channels(context, &blocked, &blocked, N, 0, 0, 20, moved, b) == CN_OK, "copy");
  CHECK(memcmp(moved, b, (size_t)tensor_floats(&blocked, N) * sizeof(float)) == 0,
        "%s: copy of channels", features_name(context));
  float *all[] = {p, b, f, back, moved};
  for (int i = 0; i < 5; i++) free(all[i]);
}

int main(void) {
  for (int i = 0; i < CONVOLUTIONS; i++)
    for (int32_t algorithm = CN_DIRECT; algorithm <= CN_WINOGRAD_4; algorithm++) {
      if (!takes(convolutions[i], algorithm)) continue;
      convolve_subnormal(convolutions[i], algorithm);
      convolve_not_finite(convolutions[i], algorithm);
      rectified_zeros_are_positive(convolutions[i], algorithm);
    }
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, THREADS);
    normalise_subnormal(&context);
    copies_keep_every_bit(&context);
  }
  return verdict("special");
}
