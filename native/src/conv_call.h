/* One pass of a convolution, as the entry points hand it to plans and kernels. */
#ifndef CN_CONV_CALL_H
#define CN_CONV_CALL_H

#include "tensor.h"

/* What a call computes, and its operands. Queries leave the operands null. */
typedef struct conv_call {
  const cn_context *context;
  const cn_conv2d *conv;
  const cn_epilogue *epilogue; /* never null */
  int32_t pass;                /* cn_pass */
  int32_t n;
  const float *x, *dy, *w;
  float *out;                    /* y or dx */
  const cn_gradients *gradients; /* backward-weights */
  float *workspace;
} conv_call;

static inline bool call_does(const conv_call *call, int32_t operation) {
  return (call->epilogue->operations & operation) != 0;
}

/* A kernel that computes a pass. conv_runs.def lists them. */
typedef void (*conv_run)(const conv_call *call);

typedef enum conv_run_index {
#define CONV_RUN(name) RUN_##name,
#include "conv_runs.def"
#undef CONV_RUN
  CONV_RUNS,
} conv_run_index;

#endif
