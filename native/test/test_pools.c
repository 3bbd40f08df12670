/*
 * The life of threads: creation and end of pools, child processes, the caller's rounding mode, and
 * unloading of the library. Linked to the library's internal functions.
 */
#define _GNU_SOURCE
#include "job.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

/* ---- Creation and end ------------------------------------------------------------------------ */

static void statuses(void) {
  cn_threads_options good = {.size = sizeof good}, bad = good;
  cn_threads *pool = (cn_threads *)&good;
  CHECK(cn_threads_create(NULL, &pool) == CN_NULL_POINTER, "options");
  CHECK(cn_threads_create(&good, NULL) == CN_NULL_POINTER, "result");
  bad.size = 3;
  CHECK(cn_threads_create(&bad, &pool) == CN_BAD_SIZE, "size");
  bad = good;
  bad.spin_microseconds = -2;
  CHECK(cn_threads_create(&bad, &pool) == CN_BAD_VALUE, "spin -2");
  bad.spin_microseconds = 1000001;
  CHECK(cn_threads_create(&bad, &pool) == CN_BAD_VALUE, "spin 1,000,001");
  CHECK(pool == (cn_threads *)&good, "a refusal writes nothing");
  CHECK(cn_threads_destroy(NULL) == CN_OK, "null");
  for (int32_t spin = -1; spin <= 1000000; spin = spin < 1 ? spin + 1 : spin * 1000) {
    good.spin_microseconds = spin;
    CHECK(cn_threads_create(&good, &pool) == CN_OK, "spin %d", spin);
    CHECK(cn_threads_destroy(pool) == CN_OK, "spin %d", spin);
  }
}

/* Destroys pools whose threads poll and pools whose threads sleep. All of them end. */
static void ends(void) {
  static const int32_t spins[] = {0, -1, 1000000};
  job *j = new_job();
  const int before = threads_of_process();
  for (int i = 0; i < ROUNDS / 5; i++) {
    const cn_threads_options options = {.size = sizeof options, .spin_microseconds = spins[i % 3]};
    cn_context context = {.size = sizeof context, .threads = 4, .serial_operations = 1};
    CHECK(cn_threads_create(&options, &context.pool) == CN_OK, "create");
    const int64_t items[] = {100, 10};
    CHECK(run_job(j, &context, 1.0, 2, items, 10, 0), "spin %d", spins[i % 3]);
    CHECK(threads_of_process() == before + 3 || before == 0, "%d threads, %d before",
          threads_of_process(), before);
    if (i % 2 == 0) usleep(2000);
    CHECK(cn_threads_destroy(context.pool) == CN_OK, "destroy");
    CHECK(comes_to_threads(before), "%d threads, %d before", threads_of_process(), before);
  }
  free(j);
}

/* A pool whose numbers of phases wrap, and whose third thread rests meanwhile. */
static void many_phases(void) {
  enum { PHASES = 3000 };
  job *j = new_job();
  for (int kind = 0; kind < KINDS - 2; kind++)
    for (int i = 0; i < PHASES; i++) {
      const cn_context context = kind_context(kind, i % 500 == 0 ? 3 : 2);
      const int64_t items = 3 + i % 5;
      if (!run_job(j, &context, 2e6, 1, &items, 1, 0)) {
        CHECK(false, "%s: call %d", kind_name(kind), i);
        break;
      }
    }
  free(j);
}

/* ---- Child processes ------------------------------------------------------------------------- */

static atomic_bool stop;

static void *call_on(void *argument) {
  intptr_t wrong = 0;
  (void)argument;
  while (!atomic_load(&stop)) wrong += !works(3);
  return (void *)wrong;
}

/* A child uses its parent's pools, has children, and destroys the pools. */
static bool live(void *argument) {
  const int *depth = argument;
  int next = *depth - 1;
  bool right = works(4);
  if (*depth > 0) right = in_child(live, &next) && works(4) && right;
  destroy_kinds();
  return right;
}

static void children(void) {
  pthread_t caller;
  if (FORKS == 0) return;
  if (pthread_create(&caller, NULL, call_on, NULL) != 0) abort();
  for (int i = 0; i < FORKS; i++) {
    int depth = i % 2;
    CHECK(works(4), "before fork %d", i);
    CHECK(in_child(live, &depth), "child %d", i);
    CHECK(works(4), "after fork %d", i);
  }
  atomic_store(&stop, true);
  void *wrong = NULL;
  pthread_join(caller, &wrong);
  CHECK(wrong == NULL, "the other caller");
}

/* ---- Rounding and subnormal numbers ---------------------------------------------------------- */

/* Values so small that sums of products are flushed. */
static float *products(cn_context context, int64_t count) {
  seed_values(5);
  float *a = new_reals(count), *b = new_reals(count), *out = new_floats(count);
  for (int64_t i = 0; i < count; i++) {
    a[i] *= 1e-38f;
    b[i] *= 1e-38f;
  }
  context.features = cn_cpu_features();
  CHECK(cn_triad(&context, count, 0.3f, a, b, out) == CN_OK, "triad");
  free(a);
  free(b);
  return out;
}

static void float_states(void) {
  enum { COUNT = 1 << 16 };
  const uint32_t before = float_state();
#if defined(__SSE2__)
  enum { FLUSH = 0x8040, DOWNWARD = 0x2000, UPWARD = 0x4000 }; /* bits of the control register */
  static const uint32_t states[] = {0, FLUSH, DOWNWARD, UPWARD, FLUSH | UPWARD};
#elif defined(__aarch64__)
  enum { FLUSH = 1 << 24, DOWNWARD = 2 << 22, UPWARD = 1 << 22 };
  static const uint32_t states[] = {0, FLUSH, DOWNWARD, UPWARD, FLUSH | UPWARD};
#else
  static const uint32_t states[] = {0};
#endif
  float *plain = products(kind_context(0, 1), COUNT);
  for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
    set_float_state(before | states[i]);
    float *one = products(kind_context(0, 1), COUNT);
    for (int kind = 0; kind < KINDS; kind++)
      for (int32_t threads = 2; threads <= 4; threads++) {
        float *several = products(kind_context(kind, threads), COUNT);
        check_same_bits(kind_name(kind), one, several, COUNT);
        free(several);
      }
    CHECK(works(4), "state %x", states[i]);
    set_float_state(before);
    CHECK((memcmp(plain, one, COUNT * sizeof *one) == 0) == (states[i] == 0), "state %x is %s",
          states[i], states[i] == 0 ? "kept" : "not seen");
    free(one);
  }
  free(plain);
  float *again = products(kind_context(1, 2), COUNT), *one = products(kind_context(0, 1), COUNT);
  check_same_bits("the default state once more", one, again, COUNT);
  free(one);
  free(again);
}

/* ---- Unloading ------------------------------------------------------------------------------- */

static void *function_of(void *library, const char *name) {
  void *found = dlsym(library, name);
  CHECK(found != NULL, "%s", name);
  return found;
}

/* Loads a separate copy of the library each time, which ends its threads when unloaded: the shared
 * ones and those of pools that were not destroyed. */
static void unloading(void) {
  const int before = threads_of_process();
  for (int i = 0; i < UNLOADS; i++) {
    void *library = dlmopen(LM_ID_NEWLM, CN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL, "%s", dlerror());
    if (library == NULL) return;
    int32_t (*fill)(const cn_context *, int64_t, float, float *);
    int32_t (*create)(const cn_threads_options *, cn_threads **);
    void *found[] = {function_of(library, "cn_fill"), function_of(library, "cn_threads_create")};
    memcpy(&fill, &found[0], sizeof fill);
    memcpy(&create, &found[1], sizeof create);
    cn_context context = {.size = sizeof context, .threads = 3, .serial_operations = 1};
    const cn_threads_options options = {.size = sizeof options};
    float *memory = new_floats(1 << 16);
    CHECK(fill(&context, 1 << 16, 1.0f, memory) == CN_OK, "fill");
    CHECK(create(&options, &context.pool) == CN_OK, "create");
    CHECK(fill(&context, 1 << 16, 1.0f, memory) == CN_OK, "fill");
    CHECK(threads_of_process() == before + 4 || before == 0, "%d threads", threads_of_process());
    CHECK(dlclose(library) == 0, "%s", dlerror());
    CHECK(comes_to_threads(before), "%d threads, %d before", threads_of_process(), before);
    free(memory);
  }
}

int main(void) {
  statuses();
  ends();
  create_kinds();
  many_phases();
  children();
  float_states();
  const int more = threads_of_process();
  destroy_kinds();
  CHECK(more == 0 || comes_to_threads(more - 1), "%d threads", threads_of_process());
  CHECK(atomic_load(&lost_states) == 0, "%d floating-point states lost", atomic_load(&lost_states));
  unloading();
  return verdict("pools");
}
