/* The test harness: data, a naive implementation of the layouts, comparisons, and the
 * configurations to test. */
#ifndef CN_TEST_HARNESS_H
#define CN_TEST_HARNESS_H

#include "convnet.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The C library of Windows frees aligned memory with a function of its own. */
#if defined(_WIN32)
#include <malloc.h>
#define aligned_alloc(alignment, bytes) _aligned_malloc(bytes, alignment)
#define calloc(count, bytes) _aligned_recalloc(NULL, count, bytes, 16)
#define free(memory) _aligned_free(memory)
#endif

extern atomic_int failures;

/* Counts and prints a failure. The test continues, or stops if the environment variable
 * CN_TEST_STOP is set. */
#define CHECK(condition, ...)                                                                      \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      failures++;                                                                                  \
      printf("%s:%d: %s: ", __FILE__, __LINE__, #condition);                                       \
      printf(__VA_ARGS__);                                                                         \
      printf("\n");                                                                                \
      if (getenv("CN_TEST_STOP") != NULL) exit(1);                                                 \
    }                                                                                              \
  } while (0)

/*
 * The instruction sets to test: portable C, then those of the processor. The environment variable
 * CN_TEST_FEATURES names the only one to test, such as avx2.
 */
int instruction_sets(void);

/*
 * A context that selects instruction set `set`, which is less than instruction_sets(). No call is
 * too small for several threads, so every kernel body runs on as many as it has items for.
 */
enum { THREADS = 4 };
cn_context context_of(int set, int32_t threads);

/* The name of the instruction set that a context selects. */
const char *features_name(const cn_context *context);

/* Thread counts, none of which may change a bit. The first is the reference. */
enum { THREAD_COUNTS = 5 };
extern const int32_t thread_counts[THREAD_COUNTS];

/* The others in turn, for tests of many cases. */
int32_t next_thread_count(void);

/* Memory for exactly count floats, or this many bytes, aligned to 64 bytes and filled with NaN to
 * reveal unwritten values. */
float *new_floats(int64_t count);
void *new_bytes(int64_t bytes);
void fill_nan(float *p, int64_t count);

/* The result of a query in floats. Stops the test if it is a status. */
int64_t floats_in(int64_t bytes);

/* cn_tensor_bytes in floats. */
int64_t tensor_floats(const cn_tensor *t, int32_t n);

/* Seeded random values: whole numbers in -most..most, or reals in -1..1. */
void seed_values(uint64_t seed);
uint64_t next_random(void);
float *new_integers(int64_t count, int32_t most);
float *new_reals(int64_t count);

/* Index of value (sample, channel, row, column) in a tensor, by the formula in convnet.h. */
int64_t index_of(const cn_tensor *t, int64_t n, int64_t i, int64_t c, int64_t y, int64_t x);

/* The tensor as a slice of the channels of a wider one. */
cn_tensor as_slice(cn_tensor t);

/* Copies values in plain order into a tensor that is zero elsewhere, with NaN between the samples
 * of a slice, and back. read_tensor also checks that all other values are still so. */
float *new_tensor(const cn_tensor *t, int32_t n, const float *plain);
void read_tensor(const char *what, const cn_tensor *t, int32_t n, const float *values,
                 float *plain);

/* A per-channel vector of count values, padded with zeros. */
float *new_channels(int64_t count, const float *values);

/* A sum that records what its error bound needs: |got - sum| <= 4 u sqrt(terms) (root of squares +
 * largest partial sum). */
typedef struct tracked_sum {
  double sum, squares, largest;
  int64_t terms;
} tracked_sum;

static inline void add_term(tracked_sum *s, double term) {
  s->sum += term;
  s->squares += term * term;
  if (fabs(s->sum) > s->largest) s->largest = fabs(s->sum);
  s->terms++;
}

/* Checks values against sums: equal if exact or not finite, else within the bound. */
void check_sums(const char *what, const tracked_sum *expected, const float *got, int64_t count,
                bool exact);

/* Checks that values are within `ulps` units in the last place of the larger of |expected| and
 * `scale`. */
void check_close(const char *what, const double *expected, const float *got, int64_t count,
                 double scale, double ulps);

/* Compares bits, except that any NaN equals any other. */
void check_equal(const char *what, const float *expected, const float *got, int64_t count);

void check_same_bits(const char *what, const float *expected, const float *got, int64_t count);

/* For main: prints the verdict and returns the exit code. */
int verdict(const char *name);

/* Activations of a case, in its flags beside CN_BIAS. */
enum { RELU = 1 << 8, RELU6 = 1 << 9, LEAKY_RELU = 1 << 10 };

cn_activation activation_in(int32_t flags);

/* An activation of a kind, with parameters in its range. */
cn_activation valid_activation(int32_t kind);

/* The operations of an epilogue for the flags of a case: CN_BIAS and CN_ACTIVATE. */
int32_t operations_in(int32_t flags);

/* f(x), and f'(x) from y = f(x), in double. */
double activated(cn_activation a, double x);
double slope_at(cn_activation a, double y);

#endif
