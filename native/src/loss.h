/* A validated call of cn_loss_evaluate. */
#ifndef CN_LOSS_H
#define CN_LOSS_H

#include "tensor.h"

/* Null stands for weights that are all 1, or for a gradient that is not wanted. */
typedef struct loss_call {
  const cn_loss *loss;
  int32_t n;
  const float *output;
  const int32_t *labels;
  const float *targets; /* of kinds that take values */
  const float *weights; /* of the samples */
  double share;         /* factor of the weighted sum of all losses */
  double *value;
  float *doutput;
} loss_call;

#endif
