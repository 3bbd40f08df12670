#if defined(__linux__)
#define _GNU_SOURCE
#elif defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif
#include "threads.h"

#include <stdlib.h>

enum { STACK_BYTES = 1 << 20 };

/* The function that a new thread runs. */
typedef struct start {
  void (*body)(void *argument);
  void *argument;
} start;

static start *new_start(void (*body)(void *argument), void *argument) {
  start *s = malloc(sizeof *s);
  if (s != NULL) *s = (start){body, argument};
  return s;
}

static void run_start(void *memory) {
  const start s = *(start *)memory;
  free(memory);
  s.body(s.argument);
}

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <process.h>
#include <windows.h>

static unsigned __stdcall run_thread(void *memory) {
  run_start(memory);
  return 0;
}

bool thread_start(thread_handle *thread, void (*body)(void *argument), void *argument) {
  start *s = new_start(body, argument);
  if (s == NULL) return false;
  *thread = (thread_handle)_beginthreadex(NULL, STACK_BYTES, run_thread, s, 0, NULL);
  if (*thread == NULL) free(s);
  return *thread != NULL;
}

void thread_join(thread_handle thread) {
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
}

void sleep_while(atomic_uint *word, unsigned value) {
  WaitOnAddress((volatile void *)word, &value, sizeof value, INFINITE);
}

void wake(atomic_uint *word) { WakeByAddressAll((void *)word); }

int64_t nanoseconds(void) {
  LARGE_INTEGER count, frequency;
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&frequency);
  return (int64_t)((double)count.QuadPart * 1e9 / (double)frequency.QuadPart);
}

int processor_count(void) { return (int)GetActiveProcessorCount(ALL_PROCESSOR_GROUPS); }

int64_t process_number(void) { return (int64_t)GetCurrentProcessId(); }

void at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
  (void)before;
  (void)in_parent;
  (void)in_child;
}

/* While the loader unloads a library, threads that run in it cannot end. */
void stay_loaded(void) {
  HMODULE module;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                     (LPCWSTR)(const void *)stay_loaded, &module);
}

#else

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static void *run_thread(void *memory) {
  run_start(memory);
  return NULL;
}

/* A thread inherits the signal mask of its creator. */
bool thread_start(thread_handle *thread, void (*body)(void *argument), void *argument) {
  start *s = new_start(body, argument);
  pthread_attr_t attributes;
  if (s == NULL || pthread_attr_init(&attributes) != 0) {
    free(s);
    return false;
  }
  sigset_t all, before;
  sigfillset(&all);
  (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool started = pthread_create(thread, &attributes, run_thread, s) == 0;
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  (void)pthread_attr_destroy(&attributes);
  if (!started) free(s);
  return started;
}

void thread_join(thread_handle thread) { (void)pthread_join(thread, NULL); }

int64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t process_number(void) { return getpid(); }

void at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
  (void)pthread_atfork(before, in_parent, in_child);
}

void stay_loaded(void) {}

#if defined(__linux__)

#include <linux/futex.h>
#include <sys/syscall.h>

void sleep_while(atomic_uint *word, unsigned value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void wake(atomic_uint *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* The processors in the affinity mask of the process. */
int processor_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

#else

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

void sleep_while(atomic_uint *word, unsigned value) {
  pthread_mutex_lock(&gate);
  while (atomic_load(word) == value) pthread_cond_wait(&changed, &gate);
  pthread_mutex_unlock(&gate);
}

void wake(atomic_uint *word) {
  (void)word;
  pthread_mutex_lock(&gate);
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&gate);
}

int processor_count(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }

#endif
#endif

/* 0: free; 1: held; 2: held, with waiters. */
void lock(atomic_uint *word) {
  unsigned seen = 0;
  if (atomic_compare_exchange_strong(word, &seen, 1)) return;
  while (atomic_exchange(word, 2) != 0) sleep_while(word, 2);
}

void unlock(atomic_uint *word) {
  if (atomic_exchange(word, 0) == 2) wake(word);
}
