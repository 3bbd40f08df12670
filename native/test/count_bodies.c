/*
 * Part of a library that counts. At the end of the process it adds a line to the file that the
 * environment variable CN_BODIES names for each function that processes items: its number, the
 * most threads that a phase of it ran on, and its name. Those of instruction sets that the
 * processor lacks are left out.
 */
#include "compiler.h"
#include "team.h"

#include <stdio.h>
#include <stdlib.h>

extern const body_record __start_cn_bodies[], __stop_cn_bodies[];

enum { MOST_BODIES = 1024 };
static atomic_int most_threads[MOST_BODIES];

void count_body(phase_body body, int threads) {
  const ptrdiff_t number = body - __start_cn_bodies;
  if (number < 0 || number >= MOST_BODIES) return; /* a body of a test */
  int most = atomic_load(&most_threads[number]);
  while (threads > most && !atomic_compare_exchange_weak(&most_threads[number], &most, threads)) {
  }
}

static bool can_run(const char *body) {
#define ISA(name, feature, available)                                                              \
  if (strncmp(body, #name " ", sizeof #name) == 0) return available;
#include "isas.def"
#undef ISA
  return false;
}

AT_UNLOAD static void write_counts(void) {
  const char *name = getenv("CN_BODIES");
  FILE *file = name != NULL ? fopen(name, "a") : NULL;
  if (file == NULL) return;
  const int bodies = (int)(__stop_cn_bodies - __start_cn_bodies);
  for (int i = 0; i < bodies && i < MOST_BODIES; i++)
    if (can_run(__start_cn_bodies[i].name))
      fprintf(file, "%d %d %s\n", i, atomic_load(&most_threads[i]), __start_cn_bodies[i].name);
  (void)fclose(file);
}
