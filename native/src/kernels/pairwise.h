/* Pairwise summation of vectors. A running sum of n equal terms can be off by n / 3 ulp, because
 * all its roundings go the same way; pairwise, the error is at most log2(n) / 2 ulp. */
#ifndef CN_PAIRWISE_H
#define CN_PAIRWISE_H

#include "../isa.h"
#include "../sum_plan.h"

enum { PAIRWISE_LEVELS = 48 };

/* level[i] holds the sum of 2^i leaves if bit i of `leaves` is set. */
typedef struct pairwise {
  int64_t leaves;
  vec level[PAIRWISE_LEVELS];
} pairwise;

static inline void pairwise_clear(pairwise *s) { s->leaves = 0; }

static inline void pairwise_add(pairwise *s, vec leaf) {
  int i = 0;
  for (; (s->leaves >> i & 1) != 0; i++) leaf = vec_add(s->level[i], leaf);
  s->level[i] = leaf;
  s->leaves++;
}

/* The same for several sums: clears them and the leaves in progress; adds these and clears them. */
ALWAYS_INLINE void pairwise_begin(pairwise *s, vec *leaves, int count) {
  for (int i = 0; i < count; i++) {
    pairwise_clear(&s[i]);
    leaves[i] = vec_zero();
  }
}

ALWAYS_INLINE void pairwise_add_leaves(pairwise *s, vec *leaves, int count) {
  for (int i = 0; i < count; i++) {
    pairwise_add(&s[i], leaves[i]);
    leaves[i] = vec_zero();
  }
}

/* The sum of all leaves, and of `rest`, an incomplete leaf. */
static inline vec pairwise_total(const pairwise *s, vec rest) {
  for (int i = 0; s->leaves >> i != 0; i++)
    if ((s->leaves >> i & 1) != 0) rest = vec_add(s->level[i], rest);
  return rest;
}

#endif
