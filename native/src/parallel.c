#include "parallel.h"

#include "threads.h"

#include <stdlib.h>

enum {
  /* About 10 us of work on one core. Calling a team whose threads are awake takes 0.5 to 1 us, but
   * data that one core has written is slow to read from another. */
  SERIAL_OPERATIONS = 1500000,
  MOST_THREADS = 1024,
  FEWEST_PIECES = 4,           /* pieces per share */
  MOST_PIECES = 32,            /* most pieces per share, if each is longer than PIECE_OPERATIONS */
  PIECE_OPERATIONS = 30000000, /* about 150 us */
  RUN_PIECES = 4,              /* most pieces that a thread takes from its own share at a time */
  SPINS = 64,                  /* polls of a word between two readings of the clock */
  MICROSECOND = 1000,
  MILLISECOND = 1000 * MICROSECOND,
};

/* How long a waiting thread polls before it sleeps and frees its processor: a helper waits for the
 * next call, a caller for the last pieces of a phase. */
static const int64_t helper_spins = 100 * MICROSECOND, caller_spins = 40 * MICROSECOND;
static const int64_t start_again =
    1000 * MILLISECOND; /* retry interval after a thread could not be created */

/* ---- Teams ----------------------------------------------------------------------------------- */

/* What remains of the share of one thread, on its own cache line. */
typedef struct share {
  /* Phase number, first remaining piece and end: 32, 16 and 16 bits. A late thread sees a different
   * phase number and takes nothing. */
  _Alignas(64) _Atomic uint64_t left;
  _Atomic uint64_t pace; /* phase number and nanoseconds per piece: 32 bits each */
  atomic_uint asleep;    /* 1: the thread sleeps until this is 0 */
} share;

typedef struct team team;

typedef struct member {
  team *team;
  thread_handle thread;
} member;

struct team {
  /* The current phase, read by threads that claim pieces. It does not change before all pieces are
   * done. */
  _Alignas(64) atomic_uint number;
  atomic_int size;
  atomic_uint pieces, floats;
  _Atomic int64_t items;
  _Atomic phase_body body;
  _Atomic(const void *) state;
  atomic_bool closed; /* the threads must end */

  _Alignas(64) atomic_uint done; /* pieces done */
  atomic_uint caller_asleep;

  /* The fields below are accessed only by the caller that holds the team. */
  _Alignas(64) int started; /* members 1..started are running */
  int64_t start_at;         /* no thread is created before this time */
  int64_t process;          /* process that the threads belong to */
  int64_t saved, lost;      /* nanoseconds; see weigh */
  int64_t alone_until, pause;
  team *next_free, *next;
  member members[MOST_THREADS];
  share shares[MOST_THREADS];
};

static atomic_uint teams_lock;
static team *all_teams, *free_teams;
static atomic_int busy; /* threads in use by multi-threaded calls */

static uint64_t pack(unsigned number, uint64_t first, uint64_t end) {
  return (uint64_t)number << 32 | first << 16 | end;
}

/* Claims some of the remaining pieces of a share. The owner takes runs from the front, other
 * threads half of the rest from the back. Returns false if nothing is left or the phase is over. */
static bool claim(share *s, unsigned number, bool owner, uint64_t *first, uint64_t *end) {
  uint64_t seen = atomic_load_explicit(&s->left, memory_order_relaxed);
  for (;;) {
    const uint64_t from = seen >> 16 & 0xffff, to = seen & 0xffff, left = to - from;
    if (seen >> 32 != number || from >= to) return false;
    const uint64_t run = left * 3 / 4 < RUN_PIECES ? left * 3 / 4 : RUN_PIECES;
    const uint64_t half = (left + 1) / 2, taken = owner ? run + (run == 0) : half;
    *first = owner ? from : to - taken;
    *end = *first + taken;
    const uint64_t rest = owner ? pack(number, *end, to) : pack(number, from, *first);
    if (atomic_compare_exchange_weak_explicit(&s->left, &seen, rest, memory_order_relaxed,
                                              memory_order_relaxed))
      return true;
  }
}

/* Processes pieces first..end - 1. */
static void do_pieces(const team *t, uint64_t first, uint64_t end, int thread) {
  const int64_t items = atomic_load_explicit(&t->items, memory_order_relaxed);
  const int64_t pieces = atomic_load_explicit(&t->pieces, memory_order_relaxed);
  const phase_body body = atomic_load_explicit(&t->body, memory_order_relaxed);
  const void *state = atomic_load_explicit(&t->state, memory_order_relaxed);
  body(state, items * (int64_t)first / pieces, items * (int64_t)end / pieces, thread);
}

/* Reports finished pieces. After this call the phase may be over. */
static void add_done(team *t, uint64_t pieces, bool caller) {
  const unsigned all = atomic_load_explicit(&t->pieces, memory_order_relaxed);
  const unsigned done = atomic_fetch_add(&t->done, (unsigned)pieces) + (unsigned)pieces;
  if (!caller && done == all && atomic_load(&t->caller_asleep) != 0) wake(&t->done);
}

/* Processes pieces until none are left in the phase. Returns how many it did. */
static uint64_t work(team *t, unsigned number, int thread, int size) {
  uint64_t first, end, own = 0, others = 0;
  share *s = &t->shares[thread];
  const int64_t begin = thread == 0 ? 0 : nanoseconds();
  while (claim(s, number, true, &first, &end)) {
    do_pieces(t, first, end, thread);
    own += end - first;
  }
  if (own > 0) {
    if (thread != 0) {
      const int64_t time = min_i64((nanoseconds() - begin) / (int64_t)own, UINT32_MAX);
      atomic_store_explicit(&s->pace, (uint64_t)number << 32 | (uint64_t)time,
                            memory_order_relaxed);
    }
    add_done(t, own, thread == 0);
  }
  for (int i = 1; i < size; i++)
    while (claim(&t->shares[(thread + i) % size], number, false, &first, &end)) {
      do_pieces(t, first, end, thread);
      others += end - first;
      add_done(t, end - first, thread == 0);
    }
  return own + others;
}

/* ---- Members --------------------------------------------------------------------------------- */

/* Waits for the next phase and returns its number. Sleeps if that takes long. */
static unsigned next_phase(team *t, share *s, unsigned seen, int64_t *sleep_at) {
  unsigned number;
  do
    for (int i = 0; i < SPINS; i++) {
      number = atomic_load_explicit(&t->number, memory_order_acquire);
      if (number != seen) return number;
      spin_pause();
    }
  while (nanoseconds() < *sleep_at);
  atomic_store(&s->asleep, 1);
  while ((number = atomic_load(&t->number)) == seen && !atomic_load(&t->closed) &&
         atomic_load(&s->asleep) != 0)
    sleep_while(&s->asleep, 1);
  atomic_store(&s->asleep, 0);
  *sleep_at = nanoseconds() + helper_spins;
  return number;
}

static void run_member(void *argument) {
  member *m = argument;
  team *t = m->team;
  const int thread = (int)(m - t->members);
  int64_t sleep_at = nanoseconds() + helper_spins;
  /* The thread may have been created for a phase that has already begun. */
  for (unsigned seen = atomic_load(&t->number) - 1; !atomic_load(&t->closed);) {
    seen = next_phase(t, &t->shares[thread], seen, &sleep_at);
    const int size = atomic_load_explicit(&t->size, memory_order_relaxed);
    if (thread >= size) continue;
    set_float_state(atomic_load_explicit(&t->floats, memory_order_relaxed));
    if (work(t, seen, thread, size) > 0) sleep_at = nanoseconds() + helper_spins;
  }
}

/* Creates missing threads. Returns the size of the team, including the caller. */
static int start_members(team *t, int threads) {
  while (t->started + 1 < threads) {
    if (t->start_at > 0 && nanoseconds() < t->start_at) break;
    member *m = &t->members[t->started + 1];
    m->team = t;
    if (!thread_start(&m->thread, run_member, m)) {
      t->start_at = nanoseconds() + start_again;
      break;
    }
    t->started++;
  }
  return min_i32(threads, t->started + 1);
}

static void end_members(team *t) {
  atomic_store(&t->closed, true);
  for (int i = 1; i <= t->started; i++) {
    atomic_store(&t->shares[i].asleep, 0);
    wake(&t->shares[i].asleep);
  }
  for (int i = 1; i <= t->started; i++) thread_join(t->members[i].thread);
}

/* ---- Holding a team -------------------------------------------------------------------------- */

static void before_fork(void) { lock(&teams_lock); }
static void after_fork(void) { unlock(&teams_lock); }

/* After a fork the child has only the thread that forked, so its teams start empty. */
static void forget_members(void) {
  free_teams = NULL;
  for (team *t = all_teams; t != NULL; t = t->next) {
    for (int i = 0; i <= t->started; i++) {
      atomic_store(&t->shares[i].asleep, 0);
      atomic_store(&t->shares[i].left, 0);
    }
    atomic_store(&t->caller_asleep, 0);
    t->started = 0;
    t->start_at = 0;
    t->process = process_number();
    t->next_free = free_teams;
    free_teams = t;
  }
  atomic_store(&busy, 0);
  atomic_store(&teams_lock, 0);
}

static team *new_team(void) {
  team *t = NULL;
#if defined(_WIN32)
  t = _aligned_malloc(sizeof *t, 64);
#else
  t = aligned_alloc(64, sizeof *t);
#endif
  if (t == NULL) return NULL;
  memset(t, 0, sizeof *t);
  t->process = process_number();
  return t;
}

/* Takes the most recently used free team, or creates one. Null if memory is exhausted. */
static team *take_team(void) {
  lock(&teams_lock);
  team *t = free_teams;
  if (t != NULL) free_teams = t->next_free;
  unlock(&teams_lock);
  if (t != NULL) return t;
  t = new_team();
  if (t == NULL) return NULL;
  lock(&teams_lock);
  const bool first = all_teams == NULL;
  t->next = all_teams;
  all_teams = t;
  unlock(&teams_lock);
  if (first) {
    at_fork(before_fork, after_fork, forget_members);
    stay_loaded();
  }
  return t;
}

static void give_back(team *t) {
  lock(&teams_lock);
  t->next_free = free_teams;
  free_teams = t;
  unlock(&teams_lock);
}

#if !defined(_WIN32)
/* Runs when the library is unloaded or the process exits. At exit other threads may still be
 * computing; their teams are not freed. */
__attribute__((destructor)) static void end_teams(void) {
  lock(&teams_lock);
  team *all = all_teams;
  free_teams = all_teams = NULL;
  unlock(&teams_lock);
  for (team *t = all; t != NULL; t = t->next)
    if (t->process == process_number()) end_members(t);
  while (atomic_load(&busy) == 0 && all != NULL) {
    team *t = all;
    all = t->next;
    free(t);
  }
}
#endif

/* ---- Calls ----------------------------------------------------------------------------------- */

/* Waits until all pieces are done. */
static void wait_for_others(team *t, unsigned pieces) {
  const int64_t sleep_at = nanoseconds() + caller_spins;
  do
    for (int i = 0; i < SPINS; i++) {
      if (atomic_load_explicit(&t->done, memory_order_acquire) == pieces) return;
      spin_pause();
    }
  while (nanoseconds() < sleep_at);
  atomic_store(&t->caller_asleep, 1);
  for (unsigned done; (done = atomic_load(&t->done)) != pieces;) sleep_while(&t->done, done);
  atomic_store(&t->caller_asleep, 0);
}

/*
 * Weighs the benefit of helper threads. They save the caller the time of the pieces that they do,
 * and cost it the time for which it waits for the last piece. A helper that is kept off its
 * processor costs more than it saves; the caller then works alone for a while, and longer if that
 * soon happens again.
 */
static void weigh(team *t, int64_t saved, int64_t lost) {
  enum {
    MEMORY = 40 * MILLISECOND,
    MARGIN = 4 * MILLISECOND,
    MOST_LOST = 10 * MILLISECOND, /* cap per phase: longer waits are not caused by helpers */
  };
  const int64_t shortest = 10 * MILLISECOND, longest = 500 * MILLISECOND;
  t->saved += saved;
  t->lost += min_i64(lost, MOST_LOST);
  if (t->lost > t->saved + MARGIN) {
    t->pause = max_i64(shortest, min_i64(longest, 2 * t->pause));
    t->alone_until = nanoseconds() + t->pause;
    t->saved = t->lost = 0;
  } else if (t->saved + t->lost > MEMORY) {
    t->pause /= 2;
    t->saved /= 2;
    t->lost /= 2;
  }
}

/* Nanoseconds per piece of the fastest thread. One that lost its processor would show too long a
 * time. */
static int64_t pace_of(const team *t, unsigned number, int size, int64_t own_time,
                       uint64_t own_pieces) {
  int64_t pace = own_pieces > 0 ? own_time / (int64_t)own_pieces : INT64_MAX;
  for (int i = 1; i < size; i++) {
    const uint64_t other = atomic_load_explicit(&t->shares[i].pace, memory_order_relaxed);
    if (other >> 32 == number) pace = min_i64(pace, (int64_t)(other & UINT32_MAX));
  }
  return pace == INT64_MAX ? 0 : pace;
}

static void run_phase(team *t, int size, int64_t pieces, const phase *p, const void *state) {
  const unsigned number = atomic_load_explicit(&t->number, memory_order_relaxed) + 1;
  const int64_t begin = nanoseconds();
  atomic_store_explicit(&t->size, size, memory_order_relaxed);
  atomic_store_explicit(&t->pieces, (unsigned)pieces, memory_order_relaxed);
  atomic_store_explicit(&t->floats, float_state(), memory_order_relaxed);
  atomic_store_explicit(&t->items, p->items, memory_order_relaxed);
  atomic_store_explicit(&t->body, p->body, memory_order_relaxed);
  atomic_store_explicit(&t->state, state, memory_order_relaxed);
  atomic_store_explicit(&t->done, 0, memory_order_relaxed);
  for (int i = 0; i < size; i++)
    atomic_store_explicit(
        &t->shares[i].left,
        pack(number, (uint64_t)(pieces * i / size), (uint64_t)(pieces * (i + 1) / size)),
        memory_order_relaxed);
  atomic_store(&t->number, number);
  for (int i = 1; i < size; i++)
    if (atomic_load(&t->shares[i].asleep) != 0 && atomic_exchange(&t->shares[i].asleep, 0) != 0)
      wake(&t->shares[i].asleep);
  const uint64_t own = work(t, number, 0, size);
  const int64_t worked = nanoseconds();
  int64_t end = worked;
  if (atomic_load_explicit(&t->done, memory_order_acquire) != (unsigned)pieces) {
    wait_for_others(t, (unsigned)pieces);
    end = nanoseconds();
  }
  const int64_t pace = pace_of(t, number, size, worked - begin, own);
  weigh(t, (pieces - (int64_t)own) * pace, end - worked);
}

/* Returns false if the calling thread must do all the work itself. */
static bool run_team(int threads, double operations, const phase *phases, int count,
                     const void *state) {
  team *t = take_team();
  if (t == NULL) return false;
  const bool alone = t->alone_until > 0 && nanoseconds() < t->alone_until;
  const int size = alone ? 1 : start_members(t, threads);
  if (size > 1) {
    const double wanted = operations / ((double)size * PIECE_OPERATIONS * count);
    const int64_t share = wanted < FEWEST_PIECES ? FEWEST_PIECES
                          : wanted > MOST_PIECES ? MOST_PIECES
                                                 : (int64_t)wanted;
    for (int i = 0; i < count; i++)
      if (phases[i].items > 0)
        run_phase(t, size, min_i64(phases[i].items, share * size), &phases[i], state);
  }
  give_back(t);
  return size > 1;
}

int team_size(const cn_context *context, double operations) {
  return operations >= SERIAL_OPERATIONS ? context->threads : 1;
}

void run_phases(const cn_context *context, double operations, const phase *phases, int count,
                const void *state) {
  int threads = team_size(context, operations);
  if (threads > 1) {
    const int others = atomic_fetch_add(&busy, 1);
    if (others > 0) threads = min_i32(threads, processor_count() - others);
    const int helpers = max_i32(threads, 1) - 1;
    atomic_fetch_add(&busy, helpers);
    const bool done = helpers > 0 && run_team(threads, operations, phases, count, state);
    atomic_fetch_sub(&busy, helpers + 1);
    if (done) return;
  }
  for (int i = 0; i < count; i++)
    if (phases[i].items > 0) phases[i].body(state, 0, phases[i].items, 0);
}
