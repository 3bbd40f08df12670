#define _GNU_SOURCE
#include "job.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define CN_ISA test

/* ---- Threads that cannot be created ---------------------------------------------------------- */

atomic_int allowed_threads = 1 << 20;

typedef int (*create_function)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* Replaces the function of the C library. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) {
  static create_function create;
  if (create == NULL) {
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&create, &found, sizeof create);
  }
  if (atomic_fetch_sub(&allowed_threads, 1) <= 0) {
    atomic_fetch_add(&allowed_threads, 1);
    return 11; /* EAGAIN */
  }
  return create(thread, attributes, body, argument);
}

#if defined(CN_NO_FORKS) /* the sanitizer or the emulator may have threads of its own */
int threads_of_process(void) { return 0; }
#else
int threads_of_process(void) {
  DIR *tasks = opendir("/proc/self/task");
  int count = 0;
  if (tasks == NULL) return 0;
  for (struct dirent *d; (d = readdir(tasks)) != NULL;) count += d->d_name[0] != '.';
  closedir(tasks);
  return count;
}
#endif

bool comes_to_threads(int most) {
  for (int i = 0; i < 1000 && threads_of_process() > most; i++) usleep(1000);
  return threads_of_process() <= most;
}

bool in_child(bool (*body)(void *argument), void *argument) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(120);
    const bool right = body(argument);
    fflush(NULL);
    exit(right ? 0 : 1); /* ends the child's own threads */
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

job *new_job(void) {
  job *j = calloc(1, sizeof *j);
  if (j == NULL) abort();
  return j;
}

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
  if (legal && phase == 0) atomic_fetch_add(&j->turns[thread], 1);
  atomic_fetch_add(&j->phase_done[phase], (int)(last - first));
}

BODY(first_phase) { do_items((job *)(uintptr_t)state, 0, first, last, thread); }
BODY(second_phase) { do_items((job *)(uintptr_t)state, 1, first, last, thread); }
BODY(third_phase) { do_items((job *)(uintptr_t)state, 2, first, last, thread); }

bool run_job(job *j, const cn_context *context, double operations, int phases, const int64_t *items,
             int work, int delay) {
  memset(j, 0, sizeof *j);
  j->threads = context->threads;
  j->work = work;
  j->delay = delay;
  j->floats = float_state();
  const phase_body bodies[MOST_PHASES] = {first_phase, second_phase, third_phase};
  phase list[MOST_PHASES] = {{NULL, 0}};
  for (int p = 0; p < phases; p++) {
    j->items[p] = items[p];
    list[p] = (phase){bodies[p], items[p]};
  }
  run_phases(context, operations, list, phases, j);
  bool right = atomic_load(&j->wrong) == 0;
  for (int p = 0; p < phases; p++)
    for (int64_t i = 0; i < MOST_ITEMS; i++)
      right = right && atomic_load(&j->times[p][i]) == (i < items[p]);
  return right;
}

/* ---- Threads that the test brings ------------------------------------------------------------ */

atomic_int lost_states;

typedef struct brought {
  void (*body)(void *state, int32_t index);
  void *state;
  int32_t index;
} brought;

#if defined(__SSE2__)
enum { OWN_STATE = 0x8040 | 0x2000 }; /* subnormal numbers are flushed, sums are rounded down */
#elif defined(__aarch64__)
enum { OWN_STATE = 1 << 24 | 2 << 22 };
#else
enum { OWN_STATE = 0 };
#endif

/* Calls the body on a thread that has a floating-point state of its own. */
static void *call_brought(void *argument) {
  const brought *b = argument;
  const uint32_t caller = float_state(), own = caller ^ OWN_STATE;
  set_float_state(own);
  b->body(b->state, b->index);
  if (float_state() != own) atomic_fetch_add(&lost_states, 1);
  set_float_state(caller);
  return NULL;
}

/* One after another, from the last to the first, on the calling thread. */
static void run_backwards(void *caller, int32_t count, void (*body)(void *state, int32_t index),
                          void *state) {
  if (caller != &lost_states) abort();
  for (int32_t i = count - 1; i >= 0; i--) {
    brought b = {body, state, i};
    (void)call_brought(&b);
  }
}

/* Each on a thread of its own, as far as threads can be created. */
static void run_on_new_threads(void *caller, int32_t count,
                               void (*body)(void *state, int32_t index), void *state) {
  if (caller != &lost_states) abort();
  pthread_t threads[MOST_TEAM];
  brought calls[MOST_TEAM];
  bool created[MOST_TEAM];
  for (int32_t i = 0; i < count; i++) {
    calls[i] = (brought){body, state, i};
    created[i] = pthread_create(&threads[i], NULL, call_brought, &calls[i]) == 0;
  }
  for (int32_t i = 0; i < count; i++) {
    if (created[i])
      pthread_join(threads[i], NULL);
    else
      (void)call_brought(&calls[i]);
  }
}

/* ---- Kinds of threads ------------------------------------------------------------------------ */

static const struct kind {
  const char *name;
  bool shared;
  int32_t spin;
  cn_parallel_for run;
  int64_t serial_operations;
} kinds[KINDS] = {
    {"the shared threads", true, 0, NULL, 0},
    {"the shared threads, all of them", true, 0, NULL, 1},
    {"a pool", false, -1, NULL, 0},
    {"a pool that does not poll", false, 0, NULL, 1},
    {"a pool that polls for 1 ms", false, 1000, NULL, 1},
    {"threads brought, in reverse", false, 0, run_backwards, 0},
    {"threads brought, in reverse, all of them", false, 0, run_backwards, 1},
    {"threads brought", false, 0, run_on_new_threads, 0},
    {"threads brought, all of them", false, 0, run_on_new_threads, 1},
};
static cn_threads *pools[KINDS];

void create_kinds(void) {
  for (int i = 0; i < KINDS; i++) {
    const cn_threads_options options = {.size = sizeof options,
                                        .spin_microseconds = kinds[i].spin,
                                        .run = kinds[i].run,
                                        .caller = &lost_states};
    if (kinds[i].shared) continue;
    CHECK(cn_threads_create(&options, &pools[i]) == CN_OK, "%s", kinds[i].name);
  }
}

void destroy_kinds(void) {
  for (int i = 0; i < KINDS; i++) CHECK(cn_threads_destroy(pools[i]) == CN_OK, "%s", kinds[i].name);
}

const char *kind_name(int kind) { return kinds[kind].name; }

cn_context kind_context(int kind, int32_t threads) {
  return (cn_context){.size = sizeof(cn_context),
                      .threads = threads,
                      .pool = pools[kind],
                      .serial_operations = kinds[kind].serial_operations};
}

bool works(int32_t threads) {
  job *j = new_job();
  bool right = true;
  for (int kind = 0; kind < KINDS; kind++)
    for (int64_t i = 1; i < 20; i += 4) {
      const cn_context context = kind_context(kind, threads);
      const int64_t items[] = {50 * i, 3};
      right = right && run_job(j, &context, 2e7, 2, items, 10, 0);
    }
  free(j);
  return right;
}
