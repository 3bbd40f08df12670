/* Operating-system services used by parallel.c: threads, waiting for a word of memory to change,
 * and time. Implemented for POSIX (with futexes on Linux) and Windows. */
#ifndef CN_THREADS_H
#define CN_THREADS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(_WIN32)
typedef void *thread_handle;
#else
#include <pthread.h>
typedef pthread_t thread_handle;
#endif

/* Runs body(argument) on a new thread that blocks all signals. Returns false if no thread can be
 * created. */
bool thread_start(thread_handle *thread, void (*body)(void *argument), void *argument);
void thread_join(thread_handle thread);

/* Sleeps until wake(word), unless *word differs from value. May return early. */
void sleep_while(atomic_uint *word, unsigned value);
void wake(atomic_uint *word);

/* A lock for critical sections of a few instructions. */
void lock(atomic_uint *word);
void unlock(atomic_uint *word);

int64_t nanoseconds(void);
int processor_count(void);

/* The process ID. A forked child has a different one. */
int64_t process_number(void);

/* Registers functions to call before a fork, and after it in the parent and in the child. */
void at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

/* Keeps the library loaded on systems where threads cannot be joined during unloading. */
void stay_loaded(void);

/* Tells the processor that this is a spin-wait loop. */
static inline void spin_pause(void) {
#if defined(__SSE2__)
  _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  __asm__ volatile("yield");
#endif
}

/* Rounding mode, subnormal flushing and exception masks of the calling thread, without the
 * exception flags. 0 on processors whose state cannot be read. */
static inline uint32_t float_state(void) {
#if defined(__SSE2__)
  return _mm_getcsr() & ~0x3fu;
#elif defined(__aarch64__) && defined(__GNUC__)
  uint64_t state;
  __asm__ volatile("mrs %0, fpcr" : "=r"(state));
  return (uint32_t)state;
#else
  return 0;
#endif
}

/* Leaves the exception flags as they are. */
static inline void set_float_state(uint32_t state) {
#if defined(__SSE2__)
  _mm_setcsr(state | (_mm_getcsr() & 0x3fu));
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)state));
#else
  (void)state;
#endif
}

#endif
