/* The kernel table of one instruction set. */
#include "isa.h"

const kernel_table ISA_NAME(kernels) = {
#define KERNEL(name, parameters) .name = ISA_NAME(name),
#include "kernels.def"
#undef KERNEL
    .conv =
        {
#define CONV_RUN(name) [RUN_##name] = ISA_NAME(conv_##name),
#include "conv_runs.def"
#undef CONV_RUN
        },
};
