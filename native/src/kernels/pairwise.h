/* Sums of many vectors in pairs, pairs of pairs and so on. A running sum of equal terms rounds all
 * one way, up to n / 3 ulp; in pairs n terms are off by log2(n) / 2 ulp at most. */
#ifndef CN_PAIRWISE_H
#define CN_PAIRWISE_H

#include "../isa.h"

enum {
  PAIRWISE_LEVELS = 48,
  PART_TERMS = 64, /* that are summed one after the other before they are a part of such a sum */
};

/* level[i] holds the sum of 2^i parts where bit i of their number is set. */
typedef struct pairwise {
  int64_t parts;
  vec level[PAIRWISE_LEVELS];
} pairwise;

static inline void pairwise_clear(pairwise *s) { s->parts = 0; }

static inline void pairwise_add(pairwise *s, vec part) {
  int i = 0;
  for (; (s->parts >> i & 1) != 0; i++) part = vec_add(s->level[i], part);
  s->level[i] = part;
  s->parts++;
}

/* The sum, and what is not yet a part of it. */
static inline vec pairwise_total(const pairwise *s, vec rest) {
  for (int i = 0; s->parts >> i != 0; i++)
    if ((s->parts >> i & 1) != 0) rest = vec_add(s->level[i], rest);
  return rest;
}

#endif
