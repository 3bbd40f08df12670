/*
 * The only place where work is shared among threads. The library keeps teams of threads of its own,
 * which it makes as calls need them and joins when it is unloaded: a call takes a team that is
 * free, and its own thread is always one of them.
 */
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
 * Runs the phases one after another on up to `threads` threads. Every thread has a share of
 * neighbouring items, which it does piece by piece, and then helps the others with theirs: nobody
 * waits for a thread that has not begun, only for pieces at work. What an item computes must not
 * depend on who does it, nor on the items beside it. On one thread everything runs on the caller's:
 * with less work than threads are worth, where no thread can be made or every processor has a
 * thread of another call, and for a while where helpers cost more time than they save.
 */
void run_phases(int threads, double operations, const phase *phases, int count, const void *state);

static inline void run_parallel(int threads, double operations, phase_body body, int64_t items,
                                const void *state) {
  const phase only = {body, items};
  run_phases(threads, operations, &only, 1, state);
}

#endif
