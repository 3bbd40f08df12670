/* The processor, and the kernels for it. */
#ifndef CN_CPU_H
#define CN_CPU_H

#include "kernels.h"

/* The table of a checked context. */
const kernel_table *kernels_for(const cn_context *context);

#endif
