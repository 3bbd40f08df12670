/* What the entry points and the kernels know of an optimiser. */
#ifndef CN_OPTIMIZER_H
#define CN_OPTIMIZER_H

#include "convnet.h"

/* Values of state that a checked rule keeps for a weight. */
static inline int optimizer_states(const cn_optimizer *o) {
  if (o->kind == CN_ADAM) return 2;
  return (float)o->momentum != 0.0f ? 1 : 0;
}

#endif
