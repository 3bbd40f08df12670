/* What the files in kernels/ share; each of them is compiled once per instruction set. */
#ifndef CN_KERNELS_H
#define CN_KERNELS_H

#include "tensor.h"

/* The kernels of one instruction set. Arguments have been checked; units and layouts as in
 * convnet.h. */
typedef struct kernel_table {
#define KERNEL(name, parameters) void(*name) parameters;
#include "kernels.def"
#undef KERNEL
} kernel_table;

extern const kernel_table kernels_scalar;
#if defined(CN_HAVE_X86)
extern const kernel_table kernels_avx2, kernels_avx512;
#endif

#endif
