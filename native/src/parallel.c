#include "parallel.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

/* About 10 us of work on one core. A parallel region costs 0.5 to 1 us when its threads are awake,
 * but what one core wrote comes slowly to another that reads it next. */
enum { SERIAL_OPERATIONS = 1500000 };

static void run_share(const phase *p, const void *state, int thread, int team) {
  const int64_t first = p->items * thread / team, last = p->items * (thread + 1) / team;
  if (first < last) p->body(state, first, last, thread);
}

int team_size(int threads, double operations) {
#if defined(_OPENMP)
  return operations >= SERIAL_OPERATIONS ? threads : 1;
#else
  (void)threads;
  (void)operations;
  return 1;
#endif
}

void run_phases(int threads, double operations, const phase *phases, int count, const void *state) {
#if defined(_OPENMP)
  threads = team_size(threads, operations);
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    for (int i = 0; i < count; i++) {
      if (i > 0) {
#pragma omp barrier
      }
      run_share(&phases[i], state, omp_get_thread_num(), omp_get_num_threads());
    }
    return;
  }
#else
  (void)threads;
  (void)operations;
#endif
  for (int i = 0; i < count; i++) run_share(&phases[i], state, 0, 1);
}
