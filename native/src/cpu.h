/* Selects the kernels for the processor. */
#ifndef CN_CPU_H
#define CN_CPU_H

#include "kernels.h"

/* The kernels for a validated context, and the feature of convnet.h that they need. */
const kernel_table *kernels_for(const cn_context *context);
uint64_t feature_of(const cn_context *context);

#endif
