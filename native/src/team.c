#include "team.h"

#include "check.h"
#include "compiler.h"

#include <stdlib.h>

enum { MOST_SPIN_MICROSECONDS = 1000000, SPIN = 100 * MICROSECOND };

/* A piece takes long only if its thread has lost its processor, which a sleeping caller frees. */
static const int64_t most_caller_spin = 40 * MICROSECOND;
static const int64_t start_again =
    1000 * MILLISECOND; /* retry interval after a thread could not be created */

static cn_threads shared_threads = {.helper_spin = SPIN, .caller_spin = 40 * MICROSECOND};
static cn_threads *pools = &shared_threads;
static atomic_uint pools_lock; /* guards the lists of pools and teams */
atomic_int busy;

cn_threads *pool_of(const cn_context *context) {
  return context->pool != NULL ? context->pool : &shared_threads;
}

/* ---- Members --------------------------------------------------------------------------------- */

/* Waits for another phase than the one seen last and returns its head. Polls until *sleep_at, which
 * is set first if it is 0, and then sleeps. */
static uint64_t next_phase(team *t, share *s, uint64_t seen, int64_t *sleep_at) {
  const int64_t spin = t->pool->helper_spin;
  uint64_t head;
  while (spin > 0) {
    for (int i = 0; i < SPINS; i++) {
      head = atomic_load_explicit(&t->head, memory_order_acquire);
      if (head != seen) return head;
      spin_pause();
    }
    const int64_t now = nanoseconds();
    if (*sleep_at == 0) *sleep_at = now + spin;
    if (now >= *sleep_at || atomic_load_explicit(&t->closed, memory_order_relaxed)) break;
  }
  atomic_store(&s->asleep, 1);
  while ((head = atomic_load(&t->head)) == seen && !atomic_load(&t->closed) &&
         atomic_load(&s->asleep) != 0)
    sleep_while(&s->asleep, 1);
  atomic_store(&s->asleep, 0);
  *sleep_at = 0;
  return head;
}

static void run_member(void *argument) {
  member *m = argument;
  team *t = m->team;
  const int thread = (int)(m - t->members);
  int64_t sleep_at = 0;
  /* The thread may have been created for a phase that has already begun. */
  for (uint64_t head = ~atomic_load(&t->head); !atomic_load(&t->closed);) {
    head = next_phase(t, &t->shares[thread], head, &sleep_at);
    if (thread >= size_in(head)) continue;
    set_float_state(atomic_load_explicit(&t->floats, memory_order_relaxed));
    if (work(t, head, thread, true) > 0) sleep_at = 0;
  }
}

int start_members(team *t, int threads) {
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

/* A process that was created without the handlers of fork has none of the threads. */
static void end_members(team *t) {
  if (t->process != process_number()) return;
  atomic_store(&t->closed, true);
  for (int i = 1; i <= t->started; i++) {
    atomic_store(&t->shares[i].asleep, 0);
    wake(&t->shares[i].asleep);
  }
  for (int i = 1; i <= t->started; i++) thread_join(t->members[i].thread);
}

/* ---- Teams ----------------------------------------------------------------------------------- */

static void *new_memory(size_t bytes) {
  void *memory = NULL;
#if defined(_WIN32)
  memory = _aligned_malloc(bytes, 64);
#else
  memory = aligned_alloc(64, bytes);
#endif
  if (memory != NULL) memset(memory, 0, bytes);
  return memory;
}

static void free_memory(void *memory) {
#if defined(_WIN32)
  _aligned_free(memory);
#else
  free(memory);
#endif
}

/* The next phase has number + 1. */
static void begin_numbers(team *t, uint32_t number) {
  atomic_store(&t->head, (uint64_t)number << 32);
  reset_shares(t, number);
}

static void before_fork(void) { lock(&pools_lock); }
static void after_fork(void) { unlock(&pools_lock); }

/* After a fork the child has only the thread that forked, so its teams start empty. */
static void forget_members(void) {
  for (cn_threads *pool = pools; pool != NULL; pool = pool->next) {
    atomic_store(&pool->ready, NULL);
    pool->free_teams = NULL;
    for (team *t = pool->teams; t != NULL; t = t->next) {
      for (int i = 0; i <= t->started; i++) atomic_store(&t->shares[i].asleep, 0);
      begin_numbers(t, (uint32_t)(atomic_load(&t->head) >> 32));
      atomic_store(&t->caller_asleep, false);
      t->started = 0;
      t->start_at = 0;
      t->process = process_number();
      t->next_free = pool->free_teams;
      pool->free_teams = t;
    }
  }
  atomic_store(&busy, 0);
  atomic_store(&pools_lock, 0);
}

static team *new_team(cn_threads *pool) {
  static atomic_bool registered;
  team *t = new_memory(sizeof *t);
  if (t == NULL) return NULL;
  t->pool = pool;
  t->process = process_number();
  /* The numbers wrap early, so that this is no rare event. */
  begin_numbers(t, UINT32_MAX - 1000);
  if (!atomic_exchange(&registered, true)) {
    at_fork(before_fork, after_fork, forget_members);
    stay_loaded();
  }
  lock(&pools_lock);
  t->next = pool->teams;
  pool->teams = t;
  unlock(&pools_lock);
  return t;
}

team *take_team(cn_threads *pool) {
  team *t = atomic_exchange(&pool->ready, NULL);
  if (t != NULL) return t;
  lock(&pools_lock);
  t = pool->free_teams;
  if (t != NULL) pool->free_teams = t->next_free;
  unlock(&pools_lock);
  return t != NULL ? t : new_team(pool);
}

void give_back(team *t) {
  team *none = NULL;
  if (atomic_compare_exchange_strong(&t->pool->ready, &none, t)) return;
  lock(&pools_lock);
  t->next_free = t->pool->free_teams;
  t->pool->free_teams = t;
  unlock(&pools_lock);
}

/* ---- Pools ----------------------------------------------------------------------------------- */

int32_t cn_threads_create(const cn_threads_options *options, cn_threads **threads) {
  ADOPT(cn_threads_options, options);
  if (threads == NULL) return CN_NULL_POINTER;
  const int32_t spin = options->spin_microseconds;
  if (spin < -1 || spin > MOST_SPIN_MICROSECONDS) return CN_BAD_VALUE;
  cn_threads *pool = new_memory(sizeof *pool);
  if (pool == NULL) return CN_NO_MEMORY;
  pool->helper_spin = spin < 0 ? SPIN : (int64_t)spin * MICROSECOND;
  pool->caller_spin = min_i64(most_caller_spin, pool->helper_spin);
  pool->run = options->run;
  pool->caller = options->caller;
  lock(&pools_lock);
  pool->next = pools;
  pools = pool;
  unlock(&pools_lock);
  *threads = pool;
  return CN_OK;
}

int32_t cn_threads_destroy(cn_threads *threads) {
  if (threads == NULL) return CN_OK;
  lock(&pools_lock);
  cn_threads **at = &pools;
  while (*at != threads) at = &(*at)->next;
  *at = threads->next;
  unlock(&pools_lock);
  for (team *t = threads->teams, *next; t != NULL; t = next) {
    next = t->next;
    end_members(t);
    free_memory(t);
  }
  free_memory(threads);
  return CN_OK;
}

#if !defined(_WIN32)
/* Runs when the library is unloaded or the process exits. At exit other threads may still be
 * computing; the teams that they hold are not freed. */
AT_UNLOAD static void end_threads(void) {
  for (cn_threads *pool = pools; pool != NULL; pool = pool->next) {
    lock(&pools_lock);
    team *all = pool->teams, *unused = atomic_exchange(&pool->ready, NULL);
    if (unused != NULL)
      unused->next_free = pool->free_teams;
    else
      unused = pool->free_teams;
    pool->free_teams = pool->teams = NULL;
    unlock(&pools_lock);
    for (team *t = all; t != NULL; t = t->next) end_members(t);
    for (team *t = unused, *next; t != NULL; t = next) {
      next = t->next_free;
      free_memory(t);
    }
  }
}
#endif
