/* The kernel tables, one for each instruction set. */
#ifndef CN_KERNELS_H
#define CN_KERNELS_H

#include "tensor.h"

/* The kernels of one instruction set. The caller has validated the arguments; units and layouts are
 * those of convnet.h. */
typedef struct kernel_table {
#define KERNEL(name, parameters) void(*name) parameters;
#include "kernels.def"
#undef KERNEL
} kernel_table;

#define ISA(name, value, available) extern const kernel_table kernels_##name;
#include "isas.def"
#undef ISA

#endif
