/*
 * Teams of threads: every item is processed once, for any caller and any number of available
 * threads, in child processes too, and with the caller's rounding mode. Compiled from the library's
 * source, and also tested through its functions.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "parallel.h"
#include "threads.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fenv.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
enum { FORKS = 0, UNLOADS = 0, ROUNDS = 20 }; /* the sanitizer's runtime does not support fork */
#elif defined(__SANITIZE_ADDRESS__)
enum { FORKS = 10, UNLOADS = 0, ROUNDS = 20 };
#else
enum { FORKS = 10, UNLOADS = 10, ROUNDS = 100 };
#endif

enum { MOST_ITEMS = 4096, MOST_PHASES = 3, MOST_TEAM = 64 };

/* ---- Threads that cannot be made ------------------------------------------------------------- */

static atomic_int allowed = 1 << 20; /* threads that the process may still create */

typedef int (*create_function)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* Replaces the function of the C library. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) {
  static create_function create;
  if (create == NULL) {
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&create, &found, sizeof create);
  }
  if (atomic_fetch_sub(&allowed, 1) <= 0) {
    atomic_fetch_add(&allowed, 1);
    return 11; /* EAGAIN */
  }
  return create(thread, attributes, body, argument);
}

/* ---- A job that knows what was done ---------------------------------------------------------- */

typedef struct job {
  atomic_int times[MOST_PHASES][MOST_ITEMS]; /* how often each item was processed */
  atomic_int phase_done[MOST_PHASES];        /* items */
  atomic_bool in_use[MOST_TEAM];             /* whether a thread index is in use */
  atomic_int wrong;
  int64_t items[MOST_PHASES];
  int threads;
  int work;  /* work per item */
  int delay; /* initial delay of every thread except the caller, in microseconds */
  uint32_t floats;
} job;

static void do_items(job *j, int phase, int64_t first, int64_t last, int thread) {
  const bool legal = thread >= 0 && thread < j->threads && thread < MOST_TEAM;
  if (!legal || atomic_exchange(&j->in_use[thread], true)) atomic_fetch_add(&j->wrong, 1);
  if (phase > 0 && atomic_load(&j->phase_done[phase - 1]) != j->items[phase - 1])
    atomic_fetch_add(&j->wrong, 1);
  if (float_state() != j->floats) atomic_fetch_add(&j->wrong, 1);
  if (thread > 0 && j->delay > 0) usleep((useconds_t)j->delay);
  for (int64_t i = first; i < last; i++) {
    for (volatile int k = 0; k < j->work; k++) {
    }
    atomic_fetch_add(&j->times[phase][i], 1);
  }
  if (legal) atomic_store(&j->in_use[thread], false);
  atomic_fetch_add(&j->phase_done[phase], (int)(last - first));
}

static void first_phase(const void *state, int64_t first, int64_t last, int thread) {
  do_items((job *)(uintptr_t)state, 0, first, last, thread);
}

static void second_phase(const void *state, int64_t first, int64_t last, int thread) {
  do_items((job *)(uintptr_t)state, 1, first, last, thread);
}

static void third_phase(const void *state, int64_t first, int64_t last, int thread) {
  do_items((job *)(uintptr_t)state, 2, first, last, thread);
}

/* Runs a job of up to three phases. Returns whether every item was processed once, in order. */
static bool run_job(job *j, int threads, double operations, int phases, const int64_t *items,
                    int work, int delay) {
  memset(j, 0, sizeof *j);
  j->threads = threads;
  j->work = work;
  j->delay = delay;
  j->floats = float_state();
  const phase_body bodies[MOST_PHASES] = {first_phase, second_phase, third_phase};
  phase list[MOST_PHASES] = {{NULL, 0}};
  for (int p = 0; p < phases; p++) {
    j->items[p] = items[p];
    list[p] = (phase){bodies[p], items[p]};
  }
  run_phases(threads, operations, list, phases, j);
  bool right = atomic_load(&j->wrong) == 0;
  for (int p = 0; p < phases; p++)
    for (int64_t i = 0; i < MOST_ITEMS; i++)
      right = right && atomic_load(&j->times[p][i]) == (i < items[p]);
  return right;
}

static job *new_job(void) {
  job *j = calloc(1, sizeof *j);
  if (j == NULL) abort();
  return j;
}

static const double sizes[] = {0.0, 2e6, 1e9, 1e12}; /* operations */

static void every_item_once(void) {
  static const int64_t items[] = {0, 1, 2, 3, 7, 16, 100, 1000, MOST_ITEMS};
  static const int threads[] = {1, 2, 3, 4, 5, 8, 17, 64};
  job *j = new_job();
  for (int t = 0; t < 8; t++)
    for (int i = 0; i < 9; i++)
      for (int s = 0; s < 4; s++) {
        const int64_t of[] = {items[i], items[(i + 4) % 9], items[(i + 7) % 9]};
        CHECK(run_job(j, threads[t], sizes[s], 1 + (i + t) % 3, of, 10, 0),
              "%d threads, %lld items, %g operations", threads[t], (long long)items[i], sizes[s]);
      }
  free(j);
}

/* Helpers that start late and work slowly. */
static void slow_helpers(void) {
  job *j = new_job();
  const int64_t items[] = {64, 64};
  for (int i = 0; i < ROUNDS / 10; i++)
    CHECK(run_job(j, 4, 2e6, 2, items, 1000, 3000), "round %d", i);
  free(j);
}

typedef struct held_job {
  int64_t items;
  atomic_int done; /* items */
  atomic_int held; /* items in the piece that a helper holds, or 0 */
} held_job;

/* The first helper continues with its piece after all other items are done. */
static void hold_items(const void *state, int64_t first, int64_t last, int thread) {
  held_job *j = (held_job *)(uintptr_t)state;
  const int count = (int)(last - first);
  int nobody = 0;
  if (thread > 0 && atomic_compare_exchange_strong(&j->held, &nobody, count))
    while (atomic_load(&j->done) + count < j->items) usleep(100);
  atomic_fetch_add(&j->done, count);
}

/* A helper that loses its processor delays only the piece in progress, so this terminates. */
static void held_helpers(void) {
  alarm(120);
  for (int i = 0; i < ROUNDS; i++) {
    held_job j = {.items = 2 + i % 63};
    run_parallel(2 + i % 3, 2e6, hold_items, j.items, &j);
    CHECK(atomic_load(&j.done) == j.items, "round %d: %d items", i, atomic_load(&j.done));
  }
  alarm(0);
}

/* ---- Concurrent and nested callers ----------------------------------------------------------- */

static void *call_often(void *argument) {
  const int64_t seed = (int64_t)(intptr_t)argument;
  job *j = new_job();
  intptr_t wrong = 0;
  for (int64_t i = 0; i < 10 * ROUNDS; i++) {
    const int64_t items[] = {1 + (seed * 7 + i) % 50, (seed + i) % 9};
    wrong += !run_job(j, 1 + (int)((seed + i) % 5), 2e6, 2, items, 20, 0);
  }
  free(j);
  return (void *)wrong;
}

static void concurrent_callers(void) {
  enum { CALLERS = 8 };
  pthread_t callers[CALLERS];
  for (intptr_t i = 0; i < CALLERS; i++)
    if (pthread_create(&callers[i], NULL, call_often, (void *)i) != 0) abort();
  for (int i = 0; i < CALLERS; i++) {
    void *wrong = NULL;
    pthread_join(callers[i], &wrong);
    CHECK(wrong == NULL, "caller %d: %lld calls went wrong", i, (long long)(intptr_t)wrong);
  }
}

static atomic_int inner_wrong;

static void call_again(const void *state, int64_t first, int64_t last, int thread) {
  (void)state;
  (void)thread;
  job *j = new_job();
  for (int64_t i = first; i < last; i++) {
    const int64_t items[] = {20 + i};
    atomic_fetch_add(&inner_wrong, !run_job(j, 3, 2e6, 1, items, 50, 0));
  }
  free(j);
}

static void nested_callers(void) {
  for (int i = 0; i < ROUNDS; i++) run_parallel(4, 1e9, call_again, 10, NULL);
  CHECK(atomic_load(&inner_wrong) == 0, "%d", atomic_load(&inner_wrong));
}

/* ---- Child processes ------------------------------------------------------------------------- */

static bool works_with(job *j, int threads) {
  bool right = true;
  for (int64_t i = 1; i < 20; i++) {
    const int64_t items[] = {50 * i, 3};
    right = right && run_job(j, threads, 2e7, 2, items, 10, 0);
  }
  return right;
}

static bool works(int threads) {
  job *j = new_job();
  const bool right = works_with(j, threads);
  free(j);
  return right;
}

static atomic_bool stop;

static void *call_on(void *argument) {
  intptr_t wrong = 0;
  while (!atomic_load(&stop)) wrong += !works_with(argument, 3);
  return (void *)wrong;
}

static void children(void) {
  pthread_t caller;
  if (FORKS == 0) return;
  static job other;
  if (pthread_create(&caller, NULL, call_on, &other) != 0) abort();
  for (int i = 0; i < FORKS; i++) {
    CHECK(works(4), "before fork %d", i);
    const pid_t child = fork();
    if (child == 0) {
      alarm(60); /* ends the child if it hangs */
      const bool right = works(4);
      fflush(NULL);
      exit(right ? 0 : 1); /* ends the child's own threads */
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %d ends with %d", i, status);
    CHECK(works(4), "after fork %d", i);
  }
  atomic_store(&stop, true);
  void *wrong = NULL;
  pthread_join(caller, &wrong);
  CHECK(wrong == NULL, "the other caller");
}

/* Must run first, before any thread exists. */
static void no_threads(void) {
  for (int count = 0; count < 4; count++) {
    if (FORKS == 0) {
      atomic_store(&allowed, 0);
      CHECK(works(8), "without threads");
      atomic_store(&allowed, 1 << 20);
      return;
    }
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      atomic_store(&allowed, count);
      exit(works(8) && works(8) ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "with %d threads: %d", count, status);
  }
}

/* ---- Rounding and subnormal numbers ---------------------------------------------------------- */

/* Values so small that sums of products are flushed, in a call on `threads` threads. Returns the
 * result. */
static float *products(int32_t threads, int64_t count) {
  const cn_context context = context_of(cn_cpu_isa(), threads);
  seed_values(5);
  float *a = new_reals(count), *b = new_reals(count), *out = new_floats(count);
  for (int64_t i = 0; i < count; i++) {
    a[i] *= 1e-38f;
    b[i] *= 1e-38f;
  }
  CHECK(cn_triad(&context, count, 0.3f, a, b, out) == CN_OK, "triad");
  free(a);
  free(b);
  return out;
}

static void float_states(void) {
  enum { COUNT = 1 << 20 };
  const uint32_t before = float_state();
#if defined(__SSE2__)
  enum { FLUSH = 0x8040, DOWNWARD = 0x2000, UPWARD = 0x4000 }; /* bits of the control register */
  static const uint32_t states[] = {0, FLUSH, DOWNWARD, UPWARD, FLUSH | UPWARD};
#else
  static const uint32_t states[] = {0};
#endif
  float *plain = products(1, COUNT);
  for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
    set_float_state(before | states[i]);
    float *one = products(1, COUNT);
    for (int32_t threads = 2; threads <= 4; threads++) {
      float *several = products(threads, COUNT);
      check_same_bits("caller's floating-point state", one, several, COUNT);
      free(several);
    }
    CHECK(works(4), "state %x", states[i]);
    set_float_state(before);
    CHECK((memcmp(plain, one, COUNT * sizeof *one) == 0) == (states[i] == 0), "state %x is %s",
          states[i], states[i] == 0 ? "kept" : "not seen");
    free(one);
  }
  free(plain);
  float *again = products(2, COUNT), *one = products(1, COUNT);
  check_same_bits("the default state once more", one, again, COUNT);
  free(one);
  free(again);
}

/* ---- Unloading ------------------------------------------------------------------------------- */

static int threads_of_process(void) {
  DIR *tasks = opendir("/proc/self/task");
  int count = 0;
  if (tasks == NULL) return 0;
  for (struct dirent *d; (d = readdir(tasks)) != NULL;) count += d->d_name[0] != '.';
  closedir(tasks);
  return count;
}

/* Loads a separate copy of the library each time, which ends its threads when unloaded. */
static void unloading(void) {
  const int before = threads_of_process();
  for (int i = 0; i < UNLOADS; i++) {
    void *library = dlmopen(LM_ID_NEWLM, CN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL, "%s", dlerror());
    if (library == NULL) return;
    int32_t (*fill)(const cn_context *, int64_t, float, float *);
    void *found = dlsym(library, "cn_fill");
    memcpy(&fill, &found, sizeof fill);
    const cn_context context = context_of(CN_SCALAR, 3);
    float *memory = new_floats(1 << 20);
    CHECK(fill(&context, 1 << 20, 1.0f, memory) == CN_OK, "fill");
    CHECK(threads_of_process() > before || before == 0, "%d threads", threads_of_process());
    CHECK(dlclose(library) == 0, "%s", dlerror());
    CHECK(threads_of_process() == before, "%d threads, %d before", threads_of_process(), before);
    free(memory);
  }
}

int main(void) {
  no_threads();
  every_item_once();
  slow_helpers();
  held_helpers();
  concurrent_callers();
  nested_callers();
  children();
  float_states();
  unloading();
  return verdict("parallel");
}
