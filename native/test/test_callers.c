/*
 * The results of every kernel have the same bits for every number of threads, under every
 * floating-point state of the caller, with operands of any alignment, and beside other callers.
 */
#include "every_kernel.h"
#include "threads.h"

#include <fenv.h>

/* ---- Floating-point state -------------------------------------------------------------------- */

#if defined(__SSE2__)
enum { FLUSH = 0x8040 }; /* of results and operands */
#elif defined(__aarch64__)
enum { FLUSH = 1 << 24 };
#else
enum { FLUSH = 0 };
#endif

typedef struct state {
  const char *name;
  int rounding;
  bool flush;
} state;

static const state states[] = {{"to nearest", FE_TONEAREST, false},
                               {"upward", FE_UPWARD, false},
                               {"downward", FE_DOWNWARD, false},
                               {"towards zero", FE_TOWARDZERO, false},
                               {"flush to zero", FE_TONEAREST, true}};
enum { STATES = sizeof states / sizeof states[0] };

/* Runs a case in a state, which the call must not change. */
static float *run_in(const state *s, const kernel_case *c, int set, int32_t threads,
                     int64_t *floats) {
  const cn_context context = context_of(set, threads);
  const uint32_t before = float_state();
  fesetround(s->rounding);
  if (s->flush) set_float_state(float_state() | FLUSH);
  const uint32_t during = float_state();
  float *results = run_kernel(c, &context, TINY, 0, floats);
  CHECK(float_state() == during, "%s, %s: the call changes the state", c->name, s->name);
  fesetround(FE_TONEAREST);
  set_float_state(before);
  return results;
}

static bool are_equal(const float *a, const float *b, int64_t floats) {
  return memcmp(a, b, (size_t)floats * sizeof(float)) == 0;
}

static void all_threads_have_the_state_of_the_caller(void) {
  static const int32_t counts[] = {1, 2, THREADS};
  int different[STATES] = {0}; /* cases whose results depend on the state */
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < kernel_case_count; i++) {
      const kernel_case *c = &kernel_cases[i];
      float *usual = NULL;
      int64_t floats;
      for (int s = 0; s < STATES; s++) {
        float *first = run_in(&states[s], c, set, counts[0], &floats);
        for (int t = 1; t < 3; t++) {
          float *results = run_in(&states[s], c, set, counts[t], &floats);
          CHECK(are_equal(first, results, floats), "%s, %s, %d threads", c->name, states[s].name,
                (int)counts[t]);
          free(results);
        }
        if (usual == NULL) {
          usual = first;
          continue;
        }
        different[s] += !are_equal(usual, first, floats);
        free(first);
      }
      float *again = run_in(&states[0], c, set, THREADS, &floats);
      CHECK(are_equal(usual, again, floats), "%s: a state remains", c->name);
      free(again);
      free(usual);
    }
  for (int s = 1; s < STATES; s++)
    CHECK(different[s] > instruction_sets() * kernel_case_count / 2 || (states[s].flush && !FLUSH),
          "%s changes the results of %d cases only", states[s].name, different[s]);
}

/* ---- Alignment ------------------------------------------------------------------------------- */

/* Aligned to 4, 8, 16 and 32 bytes, and just below a block. */
static const int64_t shifts[] = {1, 2, 4, 8, CN_BLOCK - 1};
enum { SHIFTS = sizeof shifts / sizeof shifts[0] };

static void plain_operands_may_have_any_alignment(void) {
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < kernel_case_count; i++) {
      const kernel_case *c = &kernel_cases[i];
      if (c->conv != NULL && c->conv->layout != CN_PLAIN) continue;
      const cn_context context = context_of(set, THREADS);
      int64_t floats;
      float *aligned = run_kernel(c, &context, REALS, 0, &floats);
      for (int j = 0; j < SHIFTS; j++) {
        float *results = run_kernel(c, &context, REALS, shifts[j], &floats);
        CHECK(are_equal(aligned, results, floats), "%s, moved by %d floats", c->name,
              (int)shifts[j]);
        free(results);
      }
      free(aligned);
    }
}

/* ---- Callers --------------------------------------------------------------------------------- */

enum { CALLERS = 6, ROUNDS = 2 };

/* Results of all cases for an instruction set. */
typedef struct reference {
  float **results;
  int64_t *floats;
} reference;

typedef struct caller {
  cn_context context;
  const reference *expected;
  int first; /* case to begin with */
  atomic_int wrong;
} caller;

/* Threads of the caller: all indices on one thread, the last first. */
static void run_backwards(void *unused, int32_t count, void (*body)(void *state, int32_t index),
                          void *body_state) {
  (void)unused;
  for (int32_t i = count - 1; i >= 0; i--) body(body_state, i);
}

static void call_all(void *argument) {
  caller *me = argument;
  for (int i = 0; i < ROUNDS * kernel_case_count; i++) {
    const int at = (me->first + i) % kernel_case_count;
    int64_t floats;
    float *results = run_kernel(&kernel_cases[at], &me->context, REALS, 0, &floats);
    if (!are_equal(me->expected->results[at], results, floats)) atomic_fetch_add(&me->wrong, 1);
    free(results);
  }
}

static reference reference_of(int set) {
  reference r = {calloc((size_t)kernel_case_count, sizeof(float *)),
                 calloc((size_t)kernel_case_count, sizeof(int64_t))};
  if (r.results == NULL || r.floats == NULL) abort();
  const cn_context context = context_of(set, 1);
  for (int i = 0; i < kernel_case_count; i++)
    r.results[i] = run_kernel(&kernel_cases[i], &context, REALS, 0, &r.floats[i]);
  return r;
}

/* Contexts of different instruction sets, numbers of threads, and pools: the library's, one of its
 * own, one that two callers share, and threads of the caller. */
static void callers_do_not_disturb_each_other(void) {
  const cn_threads_options options[] = {
      {.size = sizeof options[0], .spin_microseconds = 0},
      {.size = sizeof options[0], .spin_microseconds = -1},
      {.size = sizeof options[0], .spin_microseconds = -1, .run = run_backwards}};
  cn_threads *pools[4] = {NULL};
  for (int i = 0; i < 3; i++)
    CHECK(cn_threads_create(&options[i], &pools[i + 1]) == CN_OK, "pool %d", i);
  static const int pool_of_caller[CALLERS] = {0, 1, 2, 2, 3, 0};
  caller callers[CALLERS];
  thread_handle threads[CALLERS];
  reference *references = calloc((size_t)instruction_sets(), sizeof *references);
  if (references == NULL) abort();
  for (int set = 0; set < instruction_sets(); set++) references[set] = reference_of(set);
  for (int i = 0; i < CALLERS; i++) {
    const int set = i % instruction_sets();
    callers[i] = (caller){.context = context_of(set, 1 + i % THREADS),
                          .expected = &references[set],
                          .first = i * kernel_case_count / CALLERS};
    callers[i].context.pool = pools[pool_of_caller[i]];
    if (!thread_start(&threads[i], call_all, &callers[i])) abort();
  }
  for (int i = 0; i < CALLERS; i++) {
    thread_join(threads[i]);
    CHECK(atomic_load(&callers[i].wrong) == 0, "caller %d has %d wrong results", i,
          atomic_load(&callers[i].wrong));
  }
  for (int i = 0; i < 4; i++) CHECK(cn_threads_destroy(pools[i]) == CN_OK, "pool %d", i);
  for (int set = 0; set < instruction_sets(); set++) {
    for (int i = 0; i < kernel_case_count; i++) free(references[set].results[i]);
    free(references[set].results);
    free(references[set].floats);
  }
  free(references);
}

int main(void) {
  check_kernel_cases();
  all_threads_have_the_state_of_the_caller();
  plain_operands_may_have_any_alignment();
  callers_do_not_disturb_each_other();
  return verdict("callers");
}
