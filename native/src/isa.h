/*
 * Included by every file that is compiled once per instruction set. CMake defines CN_SIMD as the
 * header with the vector operations. ISA_NAME appends the instruction set to a name with external
 * linkage.
 */
#ifndef CN_ISA_H
#define CN_ISA_H

#include CN_SIMD
#include "kernels.h"

#define ISA_JOIN(name, isa) name##_##isa
#define ISA_EXPAND(name, isa) ISA_JOIN(name, isa)
#define ISA_NAME(name) ISA_EXPAND(name, CN_ISA)

#define KERNEL(name, parameters) void ISA_NAME(name) parameters;
#include "kernels.def"
#undef KERNEL
#define CONV_RUN(name) void ISA_NAME(conv_##name)(const conv_call *call);
#include "conv_runs.def"
#undef CONV_RUN

#endif
