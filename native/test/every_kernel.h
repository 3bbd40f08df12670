/*
 * Every kernel on a small shape, with results that are compared by their bits. For properties that
 * all kernels share: they do not depend on threads, on callers beside them, or on alignment.
 */
#ifndef CN_TEST_EVERY_KERNEL_H
#define CN_TEST_EVERY_KERNEL_H

#include "every_conv.h"

typedef struct kernel_case {
  const char *name;     /* of the kernel in kernels.def, or of what a convolution shows */
  void (*body)(run *r); /* null: all passes of conv */
  const conv_case *conv;
  int32_t algorithm;
  bool pools; /* with a pool in the epilogue */
} kernel_case;

extern const kernel_case kernel_cases[];
extern const int kernel_case_count;

/* Runs a case, and returns all that it has written as new memory of *floats floats. */
float *run_kernel(const kernel_case *c, const cn_context *context, inputs inputs, int64_t shift,
                  int64_t *floats);

/* Checks that every kernel of the library has a case. */
void check_kernel_cases(void);

#endif
