/*
 * The variants of a convolution: one table says which algorithm computes which call, with how much
 * workspace and by which kernel.
 */
#ifndef CN_CONV_VARIANTS_H
#define CN_CONV_VARIANTS_H

#include "conv_call.h"

typedef struct conv_variant {
  const char *name;
  int32_t algorithm; /* cn_algorithm */
  int32_t passes;    /* bits 1 << cn_pass */
  bool updates;      /* an optimiser step can be fused into backward-weights */
  bool (*fits)(const conv_call *call);
  int64_t (*workspace)(const conv_call *call); /* floats; null: none */
  conv_run_index run;
} conv_variant;

/* The first variant of the descriptor's algorithm that fits a validated call; null if none does. */
const conv_variant *variant_of(const conv_call *call);

/* Floats of workspace that it needs. */
int64_t variant_workspace(const conv_variant *v, const conv_call *call);

/* The smallest halo of the source with which it copies no rows. */
int32_t variant_halo(const conv_variant *v, const conv_call *call);

/* Separate sums over pixels that backward-weights adds up in order; 1 for other passes. */
int64_t variant_chunks(const conv_variant *v, const conv_call *call);

/* Estimated nanoseconds on one thread; 0 where there is no choice of algorithm. See conv_cost.c. */
double conv_nanoseconds(const conv_call *call);

#endif
