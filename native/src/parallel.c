#include "parallel.h"

#include "team.h"

enum {
  /* About 10 us of work on one core. Calling a team whose threads are awake takes less than 0.5 us,
   * but data that one core has written is slow to read from another. */
  SERIAL_OPERATIONS = 1500000,
  FEWEST_PIECES = 4,           /* pieces per share */
  MOST_PIECES = 32,            /* most pieces per share, if each is longer than PIECE_OPERATIONS */
  PIECE_OPERATIONS = 30000000, /* about 150 us */
  RUN_PIECES = 4,              /* most pieces that a thread takes from its own share at a time */
  TIMED = 7,                   /* one in so many phases is timed */
  EVERYONE = 0x8000,           /* in the size of a head: see head_of */
};

/* ---- Pieces ---------------------------------------------------------------------------------- */

/* A phase is published as its number, size and pieces: 32, 16 and 16 bits. With EVERYONE, the first
 * piece of each share is left to its owner. */
static uint64_t head_of(uint32_t number, int size, bool everyone, int64_t pieces) {
  const uint64_t flagged = (uint64_t)size | (everyone ? EVERYONE : 0);
  return (uint64_t)number << 32 | flagged << 16 | (uint64_t)pieces;
}

static uint32_t number_in(uint64_t head) { return (uint32_t)(head >> 32); }
static uint64_t pieces_in(uint64_t head) { return head & 0xffff; }
static bool is_timed(uint64_t head) { return number_in(head) % TIMED == 0; }

static uint64_t pack(uint32_t number, uint64_t first, uint64_t end) {
  return (uint64_t)number << 32 | first << 16 | end;
}

void reset_shares(team *t, uint32_t number) {
  for (int i = 0; i < MOST_THREADS; i++)
    atomic_store_explicit(&t->shares[i].left, pack(number, 0, 0), memory_order_relaxed);
}

/*
 * Claims some of the remaining pieces of thread `of`. It takes runs from the front itself, other
 * threads half of the rest from the back. Returns false if nothing is left or the phase is over:
 * every share then has the number of the phase, or a later one, because none was empty.
 */
static bool claim(team *t, uint64_t head, int of, bool owner, uint64_t *first, uint64_t *end) {
  const uint32_t number = number_in(head);
  const uint64_t size = (uint64_t)size_in(head), pieces = pieces_in(head), i = (uint64_t)of;
  const bool everyone = (head >> 16 & EVERYONE) != 0;
  _Atomic uint64_t *word = &t->shares[of].left;
  uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);
  for (;;) {
    const int32_t age = (int32_t)(number - (uint32_t)(seen >> 32));
    if (age < 0) return false;
    const uint64_t from = age > 0 ? pieces * i / size : seen >> 16 & 0xffff;
    const uint64_t to = age > 0 ? pieces * (i + 1) / size : seen & 0xffff;
    const bool kept = everyone && !owner && from < to && from == pieces * i / size;
    const uint64_t left = to - from - (kept ? 1 : 0);
    if (from >= to || left == 0) return false;
    const uint64_t run = left * 3 / 4 < RUN_PIECES ? left * 3 / 4 : RUN_PIECES;
    const uint64_t half = (left + 1) / 2, taken = owner ? run + (run == 0) : half;
    *first = owner ? from : to - taken;
    *end = *first + taken;
    const uint64_t rest = owner ? pack(number, *end, to) : pack(number, from, *first);
    if (atomic_compare_exchange_weak_explicit(word, &seen, rest, memory_order_relaxed,
                                              memory_order_relaxed))
      return true;
  }
}

/* Processes pieces first..end - 1. */
static void do_pieces(const team *t, uint64_t head, uint64_t first, uint64_t end, int thread) {
  const int64_t items = atomic_load_explicit(&t->items, memory_order_relaxed);
  const int64_t pieces = (int64_t)pieces_in(head);
  const phase_body body = atomic_load_explicit(&t->body, memory_order_relaxed);
  const void *state = atomic_load_explicit(&t->state, memory_order_relaxed);
  body->run(state, items * (int64_t)first / pieces, items * (int64_t)end / pieces, thread);
}

/* Reports finished pieces. After this call the phase may be over. */
static void add_done(team *t, uint64_t pieces) {
  const unsigned done = atomic_fetch_add(&t->done, (unsigned)pieces) + (unsigned)pieces;
  if (atomic_load(&t->caller_asleep) &&
      done == atomic_load_explicit(&t->awaited, memory_order_relaxed))
    wake(&t->done);
}

uint64_t work(team *t, uint64_t head, int thread, bool helper) {
  uint64_t first, end, own = 0, others = 0;
  const bool timed = helper && is_timed(head);
  const int64_t begin = timed ? nanoseconds() : 0;
  while (claim(t, head, thread, true, &first, &end)) {
    do_pieces(t, head, first, end, thread);
    own += end - first;
  }
  if (timed && own > 0) {
    const int64_t time = min_i64((nanoseconds() - begin) / (int64_t)own, UINT32_MAX);
    atomic_store_explicit(&t->shares[thread].pace, (uint64_t)number_in(head) << 32 | (uint64_t)time,
                          memory_order_relaxed);
  }
  if (own > 0) COUNT_WORKER(t);
  if (helper && own > 0) add_done(t, own);
  const int size = size_in(head);
  for (int i = 1; i < size; i++)
    while (claim(t, head, (thread + i) % size, false, &first, &end)) {
      do_pieces(t, head, first, end, thread);
      if (own + others == 0) COUNT_WORKER(t);
      others += end - first;
      if (helper) add_done(t, end - first);
    }
  return own + others;
}

/* ---- Phases ---------------------------------------------------------------------------------- */

/* Waits until `done` is `all`. Returns how long that took after the first polls. */
static int64_t wait_for_others(team *t, unsigned all) {
  int64_t begin = 0;
  do {
    for (int i = 0; i < SPINS; i++) {
      if (atomic_load_explicit(&t->done, memory_order_acquire) == all)
        return begin == 0 ? 0 : nanoseconds() - begin;
      spin_pause();
    }
    if (begin == 0) begin = nanoseconds();
  } while (nanoseconds() - begin < t->pool->caller_spin);
  atomic_store_explicit(&t->awaited, all, memory_order_relaxed);
  atomic_store(&t->caller_asleep, true);
  for (unsigned done; (done = atomic_load(&t->done)) != all;) sleep_while(&t->done, done);
  atomic_store(&t->caller_asleep, false);
  return nanoseconds() - begin;
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
static int64_t pace_of(const team *t, uint64_t head, int64_t own_time, uint64_t own_pieces) {
  int64_t pace = own_pieces > 0 ? own_time / (int64_t)own_pieces : INT64_MAX;
  for (int i = 1; i < size_in(head); i++) {
    const uint64_t other = atomic_load_explicit(&t->shares[i].pace, memory_order_relaxed);
    if (other >> 32 == number_in(head)) pace = min_i64(pace, (int64_t)(other & UINT32_MAX));
  }
  return pace == INT64_MAX ? 0 : pace;
}

/* Threads may process the phase from here on. Returns its head. */
static uint64_t publish(team *t, int size, bool everyone, int64_t pieces, const phase *p,
                        const void *state) {
  const uint32_t last = number_in(atomic_load_explicit(&t->head, memory_order_relaxed));
  const uint64_t head = head_of(last + 1, size, everyone, pieces);
  /* No share may get so old that its number counts as a later one. */
  if (last % (1u << 30) == 0) reset_shares(t, last);
  atomic_store_explicit(&t->floats, float_state(), memory_order_relaxed);
  atomic_store_explicit(&t->items, p->items, memory_order_relaxed);
  atomic_store_explicit(&t->body, p->body, memory_order_relaxed);
  atomic_store_explicit(&t->state, state, memory_order_relaxed);
  atomic_store(&t->head, head);
  return head;
}

static void run_on_members(team *t, int size, bool everyone, int64_t pieces, const phase *p,
                           const void *state) {
  const unsigned before = atomic_load_explicit(&t->done, memory_order_relaxed);
  const uint64_t head = publish(t, size, everyone, pieces, p, state);
  const bool timed = is_timed(head) && !everyone;
  const int64_t begin = timed ? nanoseconds() : 0;
  for (int i = 1; i < size; i++)
    if (atomic_load(&t->shares[i].asleep) != 0 && atomic_exchange(&t->shares[i].asleep, 0) != 0)
      wake(&t->shares[i].asleep);
  const uint64_t own = work(t, head, 0, false);
  const int64_t worked = timed ? nanoseconds() : 0;
  const int64_t waited = wait_for_others(t, before + (unsigned)pieces - (unsigned)own);
  if (timed) {
    const int64_t saved = (pieces - (int64_t)own) * pace_of(t, head, worked - begin, own);
    const int64_t polled = nanoseconds() - worked - waited; /* not seen in other phases */
    weigh(t, TIMED * saved, waited + TIMED * polled);
  } else if (waited > 0 && !everyone) {
    weigh(t, 0, waited);
  }
}

/* ---- Threads that the caller brings ---------------------------------------------------------- */

static void run_index(void *argument, int32_t index) {
  team *t = argument;
  const uint32_t before = float_state();
  const uint32_t floats = atomic_load_explicit(&t->floats, memory_order_relaxed);
  if (floats != before) set_float_state(floats);
  work(t, atomic_load_explicit(&t->head, memory_order_relaxed), index, false);
  if (floats != before) set_float_state(before);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static int64_t pieces_per_share(int size, double operations, int phases) {
  const double wanted = operations / ((double)size * PIECE_OPERATIONS * phases);
  return wanted < FEWEST_PIECES ? FEWEST_PIECES
         : wanted > MOST_PIECES ? MOST_PIECES
                                : (int64_t)wanted;
}

/* Returns false if the calling thread must do all the work itself. */
static bool run_team(cn_threads *pool, int threads, bool everyone, double operations,
                     const phase *phases, int count, const void *state) {
  team *t = take_team(pool);
  if (t == NULL) return false;
  if (t->alone_until > 0 && nanoseconds() >= t->alone_until) t->alone_until = 0;
  const bool alone = t->alone_until > 0 && !everyone;
  const int most = pool->run != NULL ? threads : alone ? 1 : start_members(t, threads);
  const int64_t share = pieces_per_share(most, operations, count);
  for (int i = 0; i < count && most > 1; i++) {
    const phase *p = &phases[i];
    const int size = (int)min_i64(p->items, most);
    const int64_t pieces = min_i64(p->items, share * size);
    if (size == 1) p->body->run(state, 0, p->items, 0);
    if (size <= 1) continue;
    if (pool->run == NULL) {
      run_on_members(t, size, everyone, pieces, p, state);
    } else {
      publish(t, size, everyone, pieces, p, state);
      pool->run(pool->caller, size, run_index, t);
    }
    COUNT_BODY(t, p->body);
  }
  give_back(t);
  return most > 1;
}

int team_size(const cn_context *context, double operations) {
  const int64_t serial = context->serial_operations;
  return operations >= (double)(serial != 0 ? serial : SERIAL_OPERATIONS) ? context->threads : 1;
}

void run_phases(const cn_context *context, double operations, const phase *phases, int count,
                const void *state) {
  int threads = team_size(context, operations);
  if (threads > 1) {
    int64_t items = 0;
    for (int i = 0; i < count; i++) items = max_i64(items, phases[i].items);
    threads = (int)min_i64(threads, items);
  }
  if (threads > 1) {
    cn_threads *pool = pool_of(context);
    const bool everyone = context->serial_operations == 1;
    int used = pool->run == NULL ? threads : 0; /* threads of the library, with the calling one */
    const int others = atomic_fetch_add(&busy, used);
    if (used > 0 && others > 0 && !everyone) {
      threads = max_i32(1, min_i32(threads, processor_count() - others));
      atomic_fetch_sub(&busy, used - threads);
      used = threads;
    }
    const bool done =
        threads > 1 && run_team(pool, threads, everyone, operations, phases, count, state);
    atomic_fetch_sub(&busy, used);
    if (done) return;
  }
  for (int i = 0; i < count; i++)
    if (phases[i].items > 0) phases[i].body->run(state, 0, phases[i].items, 0);
}
