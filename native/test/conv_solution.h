/*
 * The expected results of a convolution problem, from loops in double precision, and their
 * comparison with those of the library.
 */
#ifndef CN_TEST_CONV_SOLUTION_H
#define CN_TEST_CONV_SOLUTION_H

#include "conv_problem.h"

typedef struct solution {
  tracked_sum *y, *dx, *dw, *db;
} solution;

/* The sums of products and the bias: those of every algorithm, and with any tail. */
solution sums_of(const problem *p);

/* Finishes them: the residuals are terms too; then the activation is applied to y, and the slope of
 * that of x to dx. */
solution finished(const solution *sums, const problem *p);
void free_solution(solution *s);

/* Checks results, which are equal if exact. */
void check_outputs(const cn_context *context, const problem *p, const solution *s, const outputs *o,
                   bool exact);

#endif
