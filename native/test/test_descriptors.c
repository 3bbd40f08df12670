/*
 * Random descriptors, valid and not, for every function. Each call is refused before it writes
 * anything, or stays within the sizes that the queries return.
 *
 *   test_descriptors                 a fixed number of cases, for ctest
 *   test_descriptors SECONDS [SEED]  cases with the seeds from SEED on, for this time
 *   test_descriptors 0 SEED          the case of this seed
 *
 * A case that fails prints its seed, also if it ends the program.
 */
#define _DEFAULT_SOURCE
#include "fuzz.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

/* VARIANTS: of a convolution, with and without a pool, for each pass that they compute. */
enum { CASES = 15000, VARIANTS = 27 };

static volatile uint64_t seed;

/* Async-signal-safe. */
static void print_seed(void) {
  char text[32] = "seed ", digits[24];
  size_t length = 5, count = 0;
  uint64_t rest = seed;
  do digits[count++] = (char)('0' + rest % 10);
  while ((rest /= 10) > 0);
  while (count > 0) text[length++] = digits[--count];
  text[length++] = '\n';
  if (write(STDOUT_FILENO, text, length) < 0) abort();
}

/* Signals that end the program, and what handled them before: a sanitizer, or nothing. */
static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM};
enum { SIGNALS = sizeof signals / sizeof signals[0] };
static struct sigaction before[SIGNALS];

/* A fault happens again after this, and is handled as before. */
static void stop(int number) {
  for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], &before[i], NULL);
  print_seed();
  if (number == SIGTERM) raise(number);
}

static void print_seed_at_end(void) {
  struct sigaction action = {.sa_handler = stop};
  for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], &action, &before[i]);
}

static void run_case(void) {
  static void (*const functions[])(void) = {
      fuzz_convolution, fuzz_convolution, fuzz_convolution,  fuzz_linear, fuzz_pool,
      fuzz_norm,        fuzz_sample_norm, fuzz_softmax,      fuzz_lrn,    fuzz_elementwise,
      fuzz_channels,    fuzz_vectors,     fuzz_optimizer,    fuzz_loss,   fuzz_machine,
      fuzz_resample,    fuzz_rearrange,   fuzz_channel_scale};
  const int32_t count = sizeof functions / sizeof functions[0];
  const int before = failures;
  seed_values(seed);
  functions[below(count)]();
  if (failures == before) return;
  fflush(stdout);
  print_seed();
}

int main(int argc, char **argv) {
  const double seconds = argc > 1 ? strtod(argv[1], NULL) : 0.0;
  const uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  const time_t end = time(NULL) + (time_t)seconds;
  print_seed_at_end();
  seed_values(1);
  make_operands();
  make_slots();
  make_pools();
  int64_t cases = 0;
  const int64_t most = argc < 2 ? CASES : seconds > 0.0 ? INT64_MAX : 1;
  for (; cases < most && (seconds == 0.0 || time(NULL) < end); cases++) {
    seed = first + (uint64_t)cases;
    run_case();
  }
  free_pools();
  printf("%lld cases with seeds from %llu on, %lld calls, %lld computed\n", (long long)cases,
         (unsigned long long)first, (long long)calls, (long long)computed);
  const int32_t variants = print_variants();
  if (argc < 2) {
    CHECK(computed > calls / 3, "most calls are refused");
    CHECK(variants >= VARIANTS, "%d variants of a convolution ran", (int)variants);
  }
  return verdict("descriptors");
}
