/*
 * Convolution test cases with their data in plain order, and a function that runs all three passes.
 */
#ifndef CN_TEST_CONV_PROBLEM_H
#define CN_TEST_CONV_PROBLEM_H

#include "harness.h"

typedef struct conv_case {
  const char *name;
  int32_t n, c, h, w, k, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h,
      dilation_w, groups, flags, layout;
  int32_t x_halo, y_halo, dx_halo, dy_halo;
  /* Rows and columns by which y is smaller than the largest possible y. Negative: by which y is
   * larger, with more padding at the bottom and on the right. */
  int32_t unread_h, unread_w;
} conv_case;

enum { CONV_CASES = 100 };
extern const conv_case conv_cases[CONV_CASES];

cn_conv2d conv_of(const conv_case *t);

/* Whether a case fits an algorithm. False for cases of more products than CN_TEST_PRODUCTS, if
 * set, as these take most of the time. */
bool takes(const conv_case *t, int32_t algorithm);

/* One case with its data in plain order. */
typedef struct problem {
  const conv_case *t;
  cn_conv2d conv;
  cn_activation activation, x_activation;
  int32_t n;
  int64_t x_count, y_count, w_count;
  float *x, *w, *bias, *dy;
  float *y_add, *dx_add; /* residuals to add; null if none */
  bool mask;             /* multiply dx by the slope of x_activation, whose output x is */
  bool statistics;       /* compute the statistics of the rows of y */
  int64_t shift;         /* floats by which plain images are moved from their alignment */
} problem;

/* Whole numbers if exact, else reals. With tail, the operations that can be fused behind the passes
 * are included. */
problem problem_of(const conv_case *t, int32_t algorithm, bool exact, bool tail);
void free_problem(problem *p);

/* An epilogue that adds the bias, if any, and applies the activation of the problem. */
cn_epilogue epilogue_of(const problem *p, const float *bias);

/* A new workspace of the size that cn_conv2d_describe says. */
void *new_workspace(const cn_context *context, const cn_conv2d *conv, const cn_epilogue *epilogue,
                    int32_t pass, int32_t n, int64_t *bytes);

/* The results of the three passes. */
typedef struct outputs {
  float *y, *dx, *dw, *db, *statistics;
  int64_t y_floats, dx_floats, dw_floats, db_floats, statistics_floats;
} outputs;

outputs run_passes(const cn_context *context, const problem *p);
void free_outputs(outputs *o);

#endif
