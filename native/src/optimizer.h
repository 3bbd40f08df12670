/* Optimiser properties shared by the entry points and the kernels. */
#ifndef CN_OPTIMIZER_H
#define CN_OPTIMIZER_H

#include "convnet.h"

/* State values per weight of a validated optimiser. */
static inline int optimizer_states(const cn_optimizer *o) {
  if (o->kind == CN_ADAM) return 2;
  return (float)o->momentum != 0.0f ? 1 : 0;
}

#endif
