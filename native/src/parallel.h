/*
 * Distributes work over threads: those of the context's pool, see team.h, or those that the caller
 * brings. The calling thread is always one of the former.
 */
#ifndef CN_PARALLEL_H
#define CN_PARALLEL_H

#include "compiler.h"
#include "tensor.h"

/* A function that processes items first..last - 1 of a phase, and its name for tests. `thread` is
 * the index of the thread's private workspace. */
typedef struct body_record {
  void (*run)(const void *state, int64_t first, int64_t last, int thread);
  const char *name;
} body_record;

typedef const body_record *phase_body;

#define BODY_TEXT(isa, name) #isa " " name
#define BODY_NAME(isa, name) BODY_TEXT(isa, name)

/* BODY(name) { ... } defines the phase_body `name`. All records are in one section, so that a test
 * finds those that never ran. */
#define BODY(name)                                                                                 \
  static void name##_run(const void *state, int64_t first, int64_t last, int thread);              \
  static const body_record name[1] IN_SECTION("cn_bodies", body_record) = {                        \
      {name##_run, BODY_NAME(CN_ISA, #name)}};                                                     \
  static void name##_run(const void *state, int64_t first, int64_t last, int thread)

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
 * The last two do not count for threads that the caller brings, nor if no call is to be serial
 * (serial_operations = 1). Then, besides, the first piece of a share is left to its owner, so that
 * each thread does some work.
 */
void run_phases(const cn_context *context, double operations, const phase *phases, int count,
                const void *state);

static inline void run_parallel(const cn_context *context, double operations, phase_body body,
                                int64_t items, const void *state) {
  const phase only = {body, items};
  run_phases(context, operations, &only, 1, state);
}

#endif
