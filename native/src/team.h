/*
 * Pools, the public cn_threads, and their teams. A pool has a team for each concurrent call. A team
 * holds the current phase of a call and the threads that help with it.
 */
#ifndef CN_TEAM_H
#define CN_TEAM_H

#include "parallel.h"
#include "threads.h"

enum {
  MOST_THREADS = 1024,
  SPINS = 64, /* polls of a word between two readings of the clock */
  MICROSECOND = 1000,
  MILLISECOND = 1000 * MICROSECOND,
};

/* What remains of the share of one thread. The lines are written by different threads. */
typedef struct share {
  /* Phase number, first remaining piece and end: 32, 16 and 16 bits. An older number than that of
   * the current phase means that nothing has been taken yet. */
  _Alignas(64) _Atomic uint64_t left;
  _Atomic uint64_t pace;           /* phase number and nanoseconds per piece: 32 bits each */
  _Alignas(64) atomic_uint asleep; /* 1: the thread sleeps until this is 0 */
} share;

typedef struct team team;

typedef struct member {
  team *team;
  thread_handle thread;
} member;

struct team {
  /* The current phase, read by threads that claim pieces. It does not change before all pieces are
   * done. Writing `head` publishes it, see parallel.c. */
  _Alignas(64) _Atomic uint64_t head;
  atomic_uint floats;
  _Atomic int64_t items;
  _Atomic phase_body body;
  _Atomic(const void *) state;
  atomic_bool closed; /* the threads must end */

  _Alignas(64) atomic_uint done; /* pieces done by helpers, in all phases */
  atomic_uint awaited;           /* value of `done` at which a sleeping caller is woken */
  atomic_bool caller_asleep;
#if defined(CN_COUNT_BODIES)
  atomic_int workers; /* threads that have processed pieces of the phase */
#endif

  _Alignas(64) cn_threads *pool;
  /* The fields below are accessed only by the caller that holds the team. */
  int started;         /* members 1..started are running */
  int64_t start_at;    /* no thread is created before this time */
  int64_t process;     /* process that the threads belong to */
  int64_t saved, lost; /* nanoseconds; see weigh */
  int64_t alone_until; /* the caller works alone before this time; 0: it does not */
  int64_t pause;
  team *next_free, *next;
  member members[MOST_THREADS];
  share shares[MOST_THREADS];
};

struct cn_threads {
  _Alignas(64) _Atomic(team *) ready; /* the free team that was used last, or null */
  team *free_teams, *teams;           /* the other free ones; all */
  int64_t helper_spin, caller_spin;   /* nanoseconds for which a waiting thread polls */
  cn_parallel_for run;
  void *caller;
  cn_threads *next;
};

/* The context's pool. */
cn_threads *pool_of(const cn_context *context);

/* Takes a free team, or creates one. Null if memory is exhausted. */
team *take_team(cn_threads *pool);
void give_back(team *t);

/* Creates missing threads. Returns the size of the team, including the caller. */
int start_members(team *t, int threads);

/* Threads in use by calls that several threads of the library run. */
extern atomic_int busy;

/* Nothing is left of phase `number` in any share. */
void reset_shares(team *t, uint32_t number);

/* Processes pieces of the phase that `head` publishes until none are left. Returns how many. A
 * helper reports them to the caller. */
uint64_t work(team *t, uint64_t head, int thread, bool helper);

/* A test build records on how many threads each body ran. */
#if defined(CN_COUNT_BODIES)
void count_body(phase_body body, int threads);
#define COUNT_WORKER(t) atomic_fetch_add(&(t)->workers, 1)
#define COUNT_BODY(t, body) count_body(body, atomic_exchange(&(t)->workers, 0))
#else
#define COUNT_WORKER(t) (void)0
#define COUNT_BODY(t, body) (void)0
#endif

static inline int size_in(uint64_t head) { return (int)(head >> 16 & 0x7fff); }

#endif
