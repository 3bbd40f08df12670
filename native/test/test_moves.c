/* Resampling and rearrangement against their formulas in plain order. */
#include "parts.h"
#include "sum_plan.h"

enum { SUM_TERMS = 288, MOST_TAPS = 1 << 16 };

static cn_tensor blocked(int32_t c, int32_t h, int32_t w, int32_t halo) {
  return (cn_tensor){.c = c, .h = h, .w = w, .halo = halo, .layout = CN_BLOCKED};
}

/* ---- Resampling ------------------------------------------------------------------------------ */

/* The taps of an axis, in memory of their own. */
typedef struct axis {
  int32_t starts[2048], indices[MOST_TAPS];
  float weights[MOST_TAPS];
  int32_t outputs, pending;
} axis;

static axis rows, cols;

static cn_axis_taps native(const axis *a) {
  return (cn_axis_taps){.starts = a->starts, .indices = a->indices, .weights = a->weights};
}

static void begin_axis(axis *a) {
  a->outputs = 0;
  a->starts[0] = 0;
}

/* Adds a tap to the output that comes next. */
static void add_tap(axis *a, int32_t index, float weight) {
  const int32_t at = a->starts[a->outputs] + a->pending++;
  a->indices[at] = index;
  a->weights[at] = weight;
}

static void end_output(axis *a) {
  a->starts[a->outputs + 1] = a->starts[a->outputs] + a->pending;
  a->outputs++;
  a->pending = 0;
}

/* Outputs with the given numbers of taps of consecutive inputs, or of any inputs. */
static void make_axis(axis *a, int32_t inputs, int32_t outputs, int32_t most, bool copies) {
  begin_axis(a);
  for (int32_t o = 0; o < outputs; o++) {
    const int32_t count = copies ? 1 : (int32_t)(next_random() % (uint64_t)(most + 1));
    const bool run = copies && o % 5 != 4;
    for (int32_t t = 0; t < count; t++)
      add_tap(a, run ? o % inputs : (int32_t)(next_random() % (uint64_t)inputs),
              copies ? 1.0f : (float)(next_random() % 9) / 4.0f - 1.0f);
    end_output(a);
  }
}

/* All outputs sum all inputs. */
static void make_full_axis(axis *a, int32_t inputs, int32_t outputs) {
  begin_axis(a);
  for (int32_t o = 0; o < outputs; o++) {
    for (int32_t i = 0; i < inputs; i++) add_tap(a, i, i % 3 == 0 ? 0.5f : 1.0f);
    end_output(a);
  }
}

static void resample_plain(const cn_resampling *op, int32_t n, const float *x, tracked_sum *y) {
  const int64_t in = (int64_t)op->x.h * op->x.w, out = (int64_t)op->y.h * op->y.w;
  for (int64_t plane = 0; plane < (int64_t)n * op->x.c; plane++)
    for (int64_t o = 0; o < out; o++) {
      const int64_t p = o / op->y.w, q = o % op->y.w;
      for (int32_t i = op->rows.starts[p]; i < op->rows.starts[p + 1]; i++)
        for (int32_t j = op->cols.starts[q]; j < op->cols.starts[q + 1]; j++)
          add_term(&y[plane * out + o],
                   (double)op->rows.weights[i] * (double)op->cols.weights[j] *
                       (double)x[plane * in + op->rows.indices[i] * op->x.w + op->cols.indices[j]]);
    }
}

/* Small whole numbers and weights that are multiples of 1/4 have exact sums. */
static void check_resampling(const char *name, int32_t n, cn_tensor x, cn_tensor y) {
  const cn_resampling op = {
      .size = sizeof op, .x = x, .y = y, .rows = native(&rows), .cols = native(&cols)};
  const int64_t x_count = (int64_t)n * x.c * x.h * x.w, y_count = (int64_t)n * y.c * y.h * y.w;
  float *plain = new_integers(x_count, 8), *got = new_floats(y_count);
  float *from = new_tensor(&x, n, plain);
  tracked_sum *expected = calloc((size_t)y_count, sizeof *expected);
  if (expected == NULL) abort();
  resample_plain(&op, n, plain, expected);
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(set, thread_counts[i]);
      float *to = new_floats(tensor_floats(&y, n));
      CHECK(cn_resample(&context, &op, n, from, to) == CN_OK, "%s", name);
      read_tensor(name, &y, n, to, got);
      bool equal = true;
      for (int64_t k = 0; k < y_count && equal; k++) equal = expected[k].sum == (double)got[k];
      CHECK(equal, "%s, %s", name, features_name(&context));
      free(to);
    }
  free(plain);
  free(got);
  free(from);
  free(expected);
}

static void resampling(void) {
  static const int32_t sizes[][6] = {{1, 1, 1, 1, 1, 1},
                                     {2, 17, 5, 4, 9, 7},
                                     {3, 16, 4, 9, 2, 5},
                                     {1, 33, 3, 8, 6, 16},
                                     {2, 5, 7, 30, 7, 31}};
  for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
    for (int variant = 0; variant < 6; variant++) {
      const int32_t *s = sizes[k], n = s[0], halo = variant % 3;
      cn_tensor x = blocked(s[1], s[2], s[3], halo), y = blocked(s[1], s[4], s[5], 2 - halo);
      if (variant == 4) x = as_slice(x), y = as_slice(y);
      make_axis(&rows, x.h, y.h, 3, variant % 2 == 0);
      make_axis(&cols, x.w, y.w, 3, variant < 3);
      check_resampling("resampling", n, x, y);
    }
  /* Two by two taps, and more terms than a partial sum has. */
  begin_axis(&rows);
  begin_axis(&cols);
  for (int32_t o = 0; o < 6; o++) {
    add_tap(&rows, o / 2, 0.75f);
    add_tap(&rows, o / 2 + 1, 0.25f);
    end_output(&rows);
    add_tap(&cols, o / 2, 0.5f);
    add_tap(&cols, o / 2 + 1, 0.5f);
    end_output(&cols);
  }
  check_resampling("two by two", 2, blocked(17, 4, 4, 0), blocked(17, 6, 6, 1));
  for (int k = 0; k < WANTED; k++) {
    const int32_t h = SUM_TERMS / LEAF_TERMS + 1;
    int32_t w = LEAF_TERMS;
    while (w <= 8 * LEAF_TERMS && !is_wanted(in_pieces(w, LEAF_TERMS), k)) w++;
    CHECK(w <= 8 * LEAF_TERMS, "resampling: no width has %s", wanted_names[k]);
    make_full_axis(&rows, h, 2);
    make_full_axis(&cols, w, 3);
    check_resampling(wanted_names[k], 1, blocked(3, h, w, 0), blocked(3, 2, 3, 0));
  }
}

/* ---- Rearrangement --------------------------------------------------------------------------- */

typedef struct place {
  int64_t c, h, w;
} place;

/* Where value `to` of y comes from in x. */
static place source_of(const cn_rearrangement *op, place to) {
  const int64_t r = op->factor;
  if (op->kind == CN_CHANNEL_SHUFFLE)
    return (place){to.c % r * (op->x.c / r) + to.c / r, to.h, to.w};
  if (op->kind == CN_PIXEL_SHUFFLE)
    return (place){to.c * r * r + to.h % r * r + to.w % r, to.h / r, to.w / r};
  if (op->kind == CN_PIXEL_UNSHUFFLE)
    return (place){to.c / (r * r), to.h * r + to.c / r % r, to.w * r + to.c % r};
  const int64_t out[] = {to.c, to.h, to.w};
  int64_t in[3] = {0};
  for (int i = 0; i < 3; i++) in[op->order[i]] = out[i];
  return (place){in[0], in[1], in[2]};
}

static void check_rearrangement(cn_rearrangement op, int32_t n, int variant) {
  op.size = sizeof op;
  op.x.halo = variant % 3;
  op.y.halo = variant % 2;
  op.x.layout = op.y.layout = CN_BLOCKED;
  if (variant == 3) op.x = as_slice(op.x), op.y = as_slice(op.y);
  const int64_t area = (int64_t)op.y.h * op.y.w, count = n * op.y.c * area;
  float *plain = new_reals(count), *expected = new_floats(count), *got = new_floats(count);
  float *x = new_tensor(&op.x, n, plain);
  for (int64_t i = 0; i < count; i++) {
    const place to = {i / area % op.y.c, i % area / op.y.w, i % op.y.w}, at = source_of(&op, to);
    expected[i] = plain[((i / (area * op.y.c) * op.x.c + at.c) * op.x.h + at.h) * op.x.w + at.w];
  }
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(set, thread_counts[i]);
      float *y = new_floats(tensor_floats(&op.y, n));
      CHECK(cn_rearrange(&context, &op, n, x, y) == CN_OK, "kind %d", (int)op.kind);
      read_tensor("rearrangement", &op.y, n, y, got);
      check_same_bits("rearrangement", expected, got, count);
      free(y);
    }
  float *all[] = {plain, expected, got, x};
  for (int i = 0; i < 4; i++) free(all[i]);
}

static void rearrangement(void) {
  static const int32_t shapes[][3] = {{1, 1, 1}, {18, 5, 3}, {36, 6, 12}, {64, 2, 5}, {17, 17, 33}};
  static const int32_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                      {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++)
    for (int variant = 0; variant < 4; variant++) {
      const cn_tensor x = {.c = shapes[k][0], .h = shapes[k][1], .w = shapes[k][2]};
      for (int32_t r = 1; r <= 6; r++) {
        cn_rearrangement op = {.kind = CN_CHANNEL_SHUFFLE, .x = x, .y = x, .factor = r};
        if (x.c % r == 0) check_rearrangement(op, 2, variant);
        op.kind = CN_PIXEL_SHUFFLE;
        op.y = (cn_tensor){.c = x.c / (r * r), .h = x.h * r, .w = x.w * r};
        if (x.c % (r * r) == 0) check_rearrangement(op, 2, variant);
        op.kind = CN_PIXEL_UNSHUFFLE;
        op.y = (cn_tensor){.c = x.c * r * r, .h = x.h / r, .w = x.w / r};
        if (x.h % r == 0 && x.w % r == 0) check_rearrangement(op, 2, variant);
      }
      for (int i = 0; i < 6; i++) {
        const int32_t in[] = {x.c, x.h, x.w}, *o = orders[i];
        check_rearrangement((cn_rearrangement){.kind = CN_PERMUTE,
                                               .x = x,
                                               .y = {.c = in[o[0]], .h = in[o[1]], .w = in[o[2]]},
                                               .order = {o[0], o[1], o[2]}},
                            2, variant);
      }
    }
}

int main(void) {
  seed_values(6);
  resampling();
  rearrangement();
  return verdict("moves");
}
