/* Channel factors and their gradients, against loops in plain order. */
#include "channel_scale_plan.h"
#include "parts.h"

typedef struct scale_case {
  int32_t n, c, h, w, factors, negatives, halos;
} scale_case;

/* The tensors of a case, each with a halo of its own or as a slice of a wider one. */
static cn_channel_scale op_of(const scale_case *k) {
  const cn_tensor t = {k->c, k->h, k->w, 0, CN_BLOCKED, CN_FLOAT32, 0};
  const cn_tensor v = {k->c, 1, 1, 0, CN_BLOCKED, CN_FLOAT32, 0};
  cn_channel_scale op = {.size = sizeof op,
                         .factors = k->factors,
                         .x = t,
                         .y = t,
                         .dx = t,
                         .dy = t,
                         .s = v,
                         .ds = v,
                         .negatives = k->negatives};
  if (k->halos == 0) return op;
  op.x.halo = op.dy.halo = op.ds.halo = 1;
  op.y.halo = op.dx.halo = op.s.halo = 2;
  op.x = as_slice(op.x);
  op.dx = as_slice(op.dx);
  op.s = as_slice(op.s);
  return op;
}

/* Index of the factor of a value in plain order. */
static int64_t factor_of(const scale_case *k, int64_t value) {
  const int64_t map = value / ((int64_t)k->h * k->w);
  return k->factors == CN_FACTOR_OF_MAP ? map : k->factors == CN_FACTOR_OF_CHANNEL ? map % k->c : 0;
}

static int64_t factors_in(const scale_case *k) {
  return k->factors == CN_FACTOR_OF_MAP       ? (int64_t)k->n * k->c
         : k->factors == CN_FACTOR_OF_CHANNEL ? k->c
                                              : 1;
}

/* Floats of ds, with its halo and zero lanes. */
static int64_t gradient_floats(const scale_case *k) {
  const cn_channel_scale op = op_of(k);
  return k->factors == CN_FACTOR_OF_MAP ? tensor_floats(&op.ds, k->n)
                                        : (factors_in(k) + 15) / 16 * 16;
}

/* A call with the gradients that it asks for; the others keep their NaN. */
typedef struct gradients {
  float *dx, *ds;
} gradients;

static gradients run_backward(const cn_context *context, const scale_case *k, const float *x,
                              const float *dy, const float *s, bool wants_dx, bool wants_ds) {
  const cn_channel_scale op = op_of(k);
  const int64_t bytes = cn_channel_scale_workspace_bytes(context, &op, k->n);
  gradients g = {new_floats(tensor_floats(&op.dx, k->n)), new_floats(gradient_floats(k))};
  float *workspace = new_bytes(bytes);
  CHECK(cn_channel_scale_backward(context, &op, k->n, x, dy, s, wants_dx ? g.dx : NULL,
                                  wants_ds ? g.ds : NULL, workspace, bytes) == CN_OK,
        "backward");
  free(workspace);
  return g;
}

/* ds in the order of the factors. What lies beyond the last factor is zero. */
static void check_factor_gradients(const scale_case *k, const float *ds, const tracked_sum *sums,
                                   bool exact) {
  const cn_channel_scale op = op_of(k);
  const int64_t count = factors_in(k);
  float *got = new_floats(count);
  if (k->factors == CN_FACTOR_OF_MAP) {
    read_tensor("factor gradients", &op.ds, k->n, ds, got);
  } else {
    memcpy(got, ds, (size_t)count * sizeof(float));
    for (int64_t i = count; i < gradient_floats(k); i++) CHECK(ds[i] == 0, "lane %d", (int)i);
  }
  check_sums("factor gradients", sums, got, count, exact);
  free(got);
}

/* Whole numbers have exact sums; of reals a few are not finite. */
static void check_case(const cn_context *context, const scale_case *k, bool exact) {
  static const float special[] = {NAN, INFINITY, -INFINITY, -0.0f};
  cn_context one = *context;
  one.threads = 1;
  const cn_channel_scale op = op_of(k);
  const int64_t count = (int64_t)k->n * k->c * k->h * k->w, factors = factors_in(k);
  float *x = exact ? new_integers(count, 9) : new_reals(count);
  float *dy = exact ? new_integers(count, 9) : new_reals(count);
  float *s = exact ? new_integers(factors, 9) : new_reals(factors);
  for (int i = 0; !exact && i < 4; i++) {
    x[next_random() % (uint64_t)count] = special[i];
    dy[next_random() % (uint64_t)count] = special[i];
  }
  float *y = new_floats(count), *dx = new_floats(count), *got = new_floats(count);
  tracked_sum *sums = calloc((size_t)factors, sizeof *sums);
  for (int64_t i = 0; i < count; i++) {
    const int64_t f = factor_of(k, i);
    const bool kept = k->negatives != 0 && x[i] > 0;
    y[i] = kept ? x[i] : s[f] * x[i];
    dx[i] = kept ? dy[i] : s[f] * dy[i];
    add_term(&sums[f], kept ? 0.0 : (double)x[i] * dy[i]);
  }
  float *tx = new_tensor(&op.x, k->n, x), *tdy = new_tensor(&op.dy, k->n, dy);
  float *ts =
      k->factors == CN_FACTOR_OF_MAP ? new_tensor(&op.s, k->n, s) : new_channels(factors, s);
  float *ty = new_floats(tensor_floats(&op.y, k->n));
  CHECK(cn_channel_scale_forward(context, &op, k->n, tx, ts, ty) == CN_OK, "forward");
  read_tensor("scaled", &op.y, k->n, ty, got);
  check_equal("scaled", y, got, count);
  const gradients both = run_backward(context, k, tx, tdy, ts, true, true);
  const gradients same = run_backward(&one, k, tx, tdy, ts, true, true);
  const gradients values =
      run_backward(context, k, k->negatives != 0 ? tx : NULL, tdy, ts, true, false);
  const gradients sums_only = run_backward(context, k, tx, tdy, NULL, false, true);
  const int64_t ds_floats = gradient_floats(k);
  check_same_bits("dx", same.dx, both.dx, tensor_floats(&op.dx, k->n));
  check_same_bits("dx alone", both.dx, values.dx, tensor_floats(&op.dx, k->n));
  check_same_bits("ds", same.ds, both.ds, ds_floats);
  check_same_bits("ds alone", both.ds, sums_only.ds, ds_floats);
  read_tensor("dx", &op.dx, k->n, both.dx, got);
  check_equal("dx", dx, got, count);
  check_factor_gradients(k, both.ds, sums, exact);
  float *all[] = {x,       dy,      s,         y,         dx,           got,
                  tx,      tdy,     ts,        ty,        both.dx,      both.ds,
                  same.dx, same.ds, values.dx, values.ds, sums_only.dx, sums_only.ds};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
  free(sums);
}

static const int32_t shapes[][4] = {{1, 1, 1, 1},  {3, 17, 5, 7},   {2, 16, 4, 4},
                                    {70, 3, 6, 1}, {2, 19, 40, 41}, {1, 5, 70, 100}};

static void scales_follow_their_formulas(const cn_context *context) {
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
    for (int32_t kind = 0; kind < 12; kind++) {
      const scale_case k = {shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3],
                            kind / 4,     kind % 2,     kind / 2 % 2};
      check_case(context, &k, false);
      check_case(context, &k, true);
    }
}

/* In one chunk of rows and in several; in one leaf of a pairwise sum and in several. */
static void every_part_of_a_sum_counts(const cn_context *context) {
  for (int what = 0; what < WANTED; what++) {
    bool chunks = false, leaves = false;
    for (int32_t h = 1; h <= 4 * SCALE_CHUNK && !(chunks && leaves); h++) {
      scale_case k = {.n = 1, .c = 3, .h = h, .w = 65};
      const cn_channel_scale op = op_of(&k);
      if (!chunks && is_wanted(in_pieces(h, scale_rows_in_chunk(&op.x)), what)) {
        chunks = true;
        check_case(context, &k, true);
      }
      k.w = 3;
      if (!leaves && is_wanted(in_pieces(h, LEAF_TERMS), what)) {
        leaves = true;
        check_case(context, &k, true);
      }
    }
    CHECK(chunks && leaves, "no shape has %s", wanted_names[what]);
  }
}

int main(void) {
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(set, thread_counts[i]);
      seed_values(5);
      scales_follow_their_formulas(&context);
      every_part_of_a_sum_counts(&context);
    }
  return verdict("channel_scale");
}
