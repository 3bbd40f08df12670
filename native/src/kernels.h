/* The kernel tables, one for each instruction set. */
#ifndef CN_KERNELS_H
#define CN_KERNELS_H

#include "conv_call.h"
#include "loss.h"

/* The kernels of one instruction set. The caller has validated the arguments; layouts are those of
 * convnet.h, sizes in floats. */
typedef struct kernel_table {
#define KERNEL(name, parameters) void(*name) parameters;
#include "kernels.def"
#undef KERNEL
  conv_run conv[CONV_RUNS];
} kernel_table;

#define ISA(name, feature, available) extern const kernel_table kernels_##name;
#include "isas.def"
#undef ISA

#endif
