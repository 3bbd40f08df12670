/*
 * A job that knows which of its items were processed, and contexts with every kind of threads. For
 * tests that are linked to the library's internal functions.
 */
#ifndef CN_TEST_JOB_H
#define CN_TEST_JOB_H

#include "harness.h"
#include "parallel.h"
#include "threads.h"

#if defined(CN_NO_FORKS)
enum { FORKS = 0, UNLOADS = 0, ROUNDS = 20 };
#else
enum { FORKS = 10, UNLOADS = 10, ROUNDS = 100 };
#endif

enum { MOST_ITEMS = 4096, MOST_PHASES = 3, MOST_TEAM = 64 };

typedef struct job {
  atomic_int times[MOST_PHASES][MOST_ITEMS]; /* how often each item was processed */
  atomic_int phase_done[MOST_PHASES];        /* items */
  atomic_int turns[MOST_TEAM];               /* pieces that each thread processed in phase 0 */
  atomic_bool in_use[MOST_TEAM];             /* whether a thread index is in use */
  atomic_int wrong;
  int64_t items[MOST_PHASES];
  int threads;
  int work;  /* work per item */
  int delay; /* initial delay of every thread except the caller, in microseconds */
  uint32_t floats;
} job;

job *new_job(void);

/* Runs a job of up to three phases. Returns whether every item was processed once, in order, by a
 * thread with the floating-point state of the caller. */
bool run_job(job *j, const cn_context *context, double operations, int phases, const int64_t *items,
             int work, int delay);

/* Kinds of threads: the library's shared ones, pools of its own, and threads that the test brings.
 * The first LIBRARY_KINDS are threads of the library. */
enum { LIBRARY_KINDS = 5, KINDS = 9 };

/* Creates the pools, and destroys them. */
void create_kinds(void);
void destroy_kinds(void);

const char *kind_name(int kind);
cn_context kind_context(int kind, int32_t threads);

/* How often a thread that the test brought did not get its own floating-point state back. */
extern atomic_int lost_states;

/* Threads that the process may still create. */
extern atomic_int allowed_threads;

/* A few jobs of each kind. */
bool works(int32_t threads);

/* Runs `body` in a child process, which is ended if it hangs. Returns whether it returned true. */
bool in_child(bool (*body)(void *argument), void *argument);

/* The threads of this process, or 0 if they cannot be counted. */
int threads_of_process(void);

/* Whether the process has at most this many threads, at the latest after a second: the system lists
 * a thread that has been joined for a moment longer. */
bool comes_to_threads(int most);

#endif
