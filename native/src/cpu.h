/* Selects the kernels for the processor. */
#ifndef CN_CPU_H
#define CN_CPU_H

#include "kernels.h"

/* The kernel table for a validated context. */
const kernel_table *kernels_for(const cn_context *context);

#endif
