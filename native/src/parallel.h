/* The only place where threads start. */
#ifndef CN_PARALLEL_H
#define CN_PARALLEL_H

#include <stdint.h>

/* Does items first..last - 1 of a phase; thread numbers the caller's private workspace. */
typedef void (*phase_body)(const void *state, int64_t first, int64_t last, int thread);

typedef struct phase {
  phase_body body;
  int64_t items;
} phase;

/* Threads that a call with this much work runs on. Floating-point operations; to read or write a
 * value of memory takes as long as five. */
int team_size(int threads, double operations);

/*
 * Runs the phases one after another on up to `threads` threads: one parallel region, each thread a
 * contiguous share of the items, a barrier between phases. What an item computes must not depend on
 * who does it. With less work than a region is worth everything runs on the calling thread.
 */
void run_phases(int threads, double operations, const phase *phases, int count, const void *state);

static inline void run_parallel(int threads, double operations, phase_body body, int64_t items,
                                const void *state) {
  const phase only = {body, items};
  run_phases(threads, operations, &only, 1, state);
}

#endif
