/* The operations that the machine measurements time are all performed. */
#include "harness.h"

/* Independent sums of a round, and their lanes. */
typedef struct units {
  int64_t feature;
  int32_t chains, lanes;
} units;

static units units_of(const cn_context *context) {
  static const units all[] = {{0, 2, 16}, {CN_AVX2, 12, 8}, {CN_AVX512, 12, 16}, {CN_NEON, 16, 4}};
  const int64_t feature = cn_kernel_feature(context);
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (all[i].feature == feature) return all[i];
  CHECK(false, "the units of %s are unknown", features_name(context));
  return all[0];
}

static void every_multiply_add_is_counted(const cn_context *context) {
  static const int64_t all_rounds[] = {1, 7, 5000, 1 << 20};
  const units u = units_of(context);
  /* The largest number of rounds, once. */
  for (int i = 0; i < (context->threads == 1 ? 4 : 3); i++) {
    const int64_t rounds = all_rounds[i];
    float *counts = new_floats((int64_t)context->threads * CN_BLOCK);
    CHECK(cn_fma_rounds(context, rounds, counts) == CN_OK, "%s", features_name(context));
    for (int32_t j = 0; j < context->threads * CN_BLOCK; j++) {
      const double expected = j % CN_BLOCK < u.lanes ? (double)u.chains * (double)rounds : 0.0;
      CHECK((double)counts[j] == expected, "%s, %d threads, lane %d: %g instead of %g",
            features_name(context), (int)context->threads, (int)j, (double)counts[j], expected);
    }
    free(counts);
  }
}

/* Whole numbers, so that every sum is exact. */
static void the_triad_writes_every_sum(const cn_context *context, int64_t count) {
  float *a = new_integers(count, 100), *b = new_integers(count, 100), *out = new_floats(count);
  CHECK(cn_triad(context, count, 3.0f, a, b, out) == CN_OK, "%s", features_name(context));
  for (int64_t i = 0; i < count; i++)
    CHECK(out[i] == a[i] + 3.0f * b[i], "%s, %lld of %lld: %g", features_name(context),
          (long long)i, (long long)count, (double)out[i]);
  free(a);
  free(b);
  free(out);
}

int main(void) {
  static const int64_t counts[] = {1, 15, 4096, 4097, 50003};
  seed_values(20);
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(set, thread_counts[i]);
      every_multiply_add_is_counted(&context);
      for (int j = 0; j < 5; j++) the_triad_writes_every_sum(&context, counts[j]);
    }
  return verdict("machine");
}
