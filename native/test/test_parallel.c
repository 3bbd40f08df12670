/*
 * Every item of a call is processed once, for any caller, any kind of threads and any number of
 * them that is available. Linked to the library's internal functions.
 */
#define _GNU_SOURCE
#include "job.h"

#include <pthread.h>
#include <unistd.h>

#define CN_ISA test

static const double sizes[] = {0.0, 2e6, 1e9, 1e12}; /* operations */

static void every_item_once(void) {
  static const int64_t items[] = {0, 1, 2, 3, 7, 16, 100, 1000, MOST_ITEMS};
  static const int32_t threads[] = {1, 2, 3, 4, 5, 8, 17, MOST_TEAM};
  job *j = new_job();
  for (int t = 0; t < 8; t++)
    for (int i = 0; i < 9; i++)
      for (int s = 0; s < 4; s++)
        for (int kind = threads[t] <= 4 ? 0 : (i + s) % 4; kind < KINDS;
             kind += threads[t] <= 4 ? 1 : 4) {
          const int64_t of[] = {items[i], items[(i + 4) % 9], items[(i + 7) % 9]};
          const cn_context context = kind_context(kind, threads[t]);
          CHECK(run_job(j, &context, sizes[s], 1 + (i + t) % 3, of, 10, 0),
                "%s: %d threads, %lld items, %g operations", kind_name(kind), threads[t],
                (long long)items[i], sizes[s]);
        }
  free(j);
}

/* If no call is to be serial, each thread does some work, however little there is. */
static void everyone_works(void) {
  job *j = new_job();
  for (int kind = 0; kind < KINDS; kind++)
    for (int32_t threads = 1; threads <= 5; threads++)
      for (int64_t items = 1; items < 12; items++) {
        const cn_context context = kind_context(kind, threads);
        if (context.serial_operations != 1) continue;
        CHECK(run_job(j, &context, 1.0, 1, &items, 0, 0), "%s: %d threads", kind_name(kind),
              threads);
        int working = 0;
        for (int i = 0; i < MOST_TEAM; i++) working += atomic_load(&j->turns[i]) > 0;
        CHECK(working == (items < threads ? (int)items : threads),
              "%s: %d of %d threads work on %d items", kind_name(kind), working, threads,
              (int)items);
      }
  free(j);
}

static void small_calls_are_serial(void) {
  cn_context context = kind_context(0, 3);
  CHECK(team_size(&context, 1499999.0) == 1 && team_size(&context, 1500000.0) == 3, "default");
  context.serial_operations = 10;
  CHECK(team_size(&context, 9.0) == 1 && team_size(&context, 10.0) == 3, "ten operations");
  context.serial_operations = 1;
  CHECK(team_size(&context, 1.0) == 3, "one operation");
}

/* Helpers that start late and work slowly. */
static void slow_helpers(void) {
  job *j = new_job();
  const int64_t items[] = {64, 64};
  for (int i = 0; i < ROUNDS / 10; i++)
    for (int kind = 0; kind < KINDS; kind++) {
      const cn_context context = kind_context(kind, 4);
      CHECK(run_job(j, &context, 2e6, 2, items, 1000, 1000), "%s: round %d", kind_name(kind), i);
    }
  free(j);
}

typedef struct held_job {
  int64_t items;
  atomic_int done; /* items */
  atomic_int held; /* items in the piece that a helper holds, or 0 */
} held_job;

/* The first helper continues with its piece after all other items are done. */
BODY(hold_items) {
  held_job *j = (held_job *)(uintptr_t)state;
  const int count = (int)(last - first);
  int nobody = 0;
  if (thread > 0 && atomic_compare_exchange_strong(&j->held, &nobody, count))
    while (atomic_load(&j->done) + count < j->items) usleep(100);
  atomic_fetch_add(&j->done, count);
}

/* A helper that loses its processor delays only the piece in progress, so this terminates. If no
 * call is to be serial, it also delays the first piece of its share, which is that piece. */
static void held_helpers(void) {
  alarm(120);
  for (int i = 0; i < ROUNDS; i++) {
    const cn_context context = kind_context(i % LIBRARY_KINDS, 2 + i % 3);
    held_job j = {.items = 2 + i % 63};
    run_parallel(&context, 2e6, hold_items, j.items, &j);
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
    const cn_context context = kind_context((int)((seed + i) % KINDS), 1 + (int)((seed + i) % 5));
    wrong += !run_job(j, &context, 2e6, 2, items, 20, 0);
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

BODY(call_again) {
  const int *kind = state;
  (void)thread;
  job *j = new_job();
  for (int64_t i = first; i < last; i++) {
    const int64_t items[] = {20 + i};
    const cn_context context = kind_context(*kind, 3);
    atomic_fetch_add(&inner_wrong, !run_job(j, &context, 2e6, 1, items, 50, 0));
  }
  free(j);
}

static void nested_callers(void) {
  for (int outer = 0; outer < KINDS; outer++)
    for (int inner = 0; inner < KINDS; inner++) {
      const cn_context context = kind_context(outer, 4);
      run_parallel(&context, 1e9, call_again, 10, &inner);
      CHECK(atomic_load(&inner_wrong) == 0, "%s in %s", kind_name(inner), kind_name(outer));
    }
}

/* ---- Threads that cannot be created ---------------------------------------------------------- */

static bool works_with_few(void *argument) {
  atomic_store(&allowed_threads, *(const int *)argument);
  return works(8) && works(8);
}

/* Must run first, before any thread exists. */
static void few_threads(void) {
  for (int count = 0; count < 4 && FORKS > 0; count++)
    CHECK(in_child(works_with_few, &count), "with %d threads", count);
  if (FORKS > 0) return;
  int none = 0;
  CHECK(works_with_few(&none), "without threads");
  atomic_store(&allowed_threads, 1 << 20);
  usleep(1200 * 1000); /* by then the library tries to create threads again */
}

int main(void) {
  create_kinds();
  few_threads();
  every_item_once();
  everyone_works();
  small_calls_are_serial();
  slow_helpers();
  held_helpers();
  concurrent_callers();
  nested_callers();
  destroy_kinds();
  CHECK(atomic_load(&lost_states) == 0, "%d floating-point states lost", atomic_load(&lost_states));
  return verdict("parallel");
}
