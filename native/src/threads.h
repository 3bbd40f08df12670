/* What the operating system gives: threads, waiting for a word of memory to change, time. POSIX,
 * with futexes where Linux has them, and Windows. Used by parallel.c. */
#ifndef CN_THREADS_H
#define CN_THREADS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(_WIN32)
typedef void *thread_handle;
#else
#include <pthread.h>
typedef pthread_t thread_handle;
#endif

/* Runs body(argument) on a new thread, which takes no signals; false if there can be no more. */
bool thread_start(thread_handle *thread, void (*body)(void *argument), void *argument);
void thread_join(thread_handle thread);

/* Sleeps until somebody wakes the word, unless it has another value already. May return early. */
void sleep_while(atomic_uint *word, unsigned value);
void wake(atomic_uint *word);

/* Held for a few instructions. */
void lock(atomic_uint *word);
void unlock(atomic_uint *word);

int64_t nanoseconds(void);
int processor_count(void);

/* The process by number: that of a child that was forked is another. */
int64_t process_number(void);

/* Has functions called before a fork, and after it in the parent and in the child. */
void at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

/* The library stays loaded where it could not end its threads while it is unloaded. */
void stay_loaded(void);

/* Tells the processor that a loop waits. */
static inline void spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  __asm__ volatile("yield");
#endif
}

/* Rounding, flushing of subnormals and masks of the calling thread, without what has happened; 0
 * where only the default is known. */
static inline uint32_t float_state(void) {
#if defined(__SSE2__)
  return __builtin_ia32_stmxcsr() & ~0x3fu;
#elif defined(__aarch64__) && defined(__GNUC__)
  uint64_t state;
  __asm__ volatile("mrs %0, fpcr" : "=r"(state));
  return (uint32_t)state;
#else
  return 0;
#endif
}

static inline void set_float_state(uint32_t state) {
#if defined(__SSE2__)
  __builtin_ia32_ldmxcsr(state);
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)state));
#else
  (void)state;
#endif
}

#endif
