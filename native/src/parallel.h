/*
 * Distributes work over threads. The library keeps its own teams of threads, which are created on
 * demand and joined when the library is unloaded. A call uses a free team; the calling thread is
 * always part of it.
 */
#ifndef CN_PARALLEL_H
#define CN_PARALLEL_H

#include "tensor.h"

/* Processes items first..last - 1 of a phase. `thread` is the index of the thread's private
 * workspace. */
typedef void (*phase_body)(const void *state, int64_t first, int64_t last, int thread);

typedef struct phase {
  phase_body body;
  int64_t items;
} phase;

/* The number of threads for a call with this much work. `operations` counts floating-point
 * operations; reading or writing a value in memory counts as five. */
int team_size(const cn_context *context, double operations);

/*
 * Runs the phases one after another on up to the context's threads. Each thread owns a share of
 * consecutive items, which it processes in pieces; when it is done it takes pieces of the other
 * shares. A call therefore never waits for a thread that has not started, only for pieces in
 * progress. The result of an item must not depend on the thread that computes it, nor on other
 * items.
 *
 * The calling thread does all the work itself if
 *   - there is too little work to be worth several threads;
 *   - no thread can be created, or other calls occupy all processors;
 *   - helper threads have recently cost more time than they saved (for a limited time).
 */
void run_phases(const cn_context *context, double operations, const phase *phases, int count,
                const void *state);

static inline void run_parallel(const cn_context *context, double operations, phase_body body,
                                int64_t items, const void *state) {
  const phase only = {body, items};
  run_phases(context, operations, &only, 1, state);
}

#endif
