/*
 * Included by every file that is compiled once per instruction set: CN_SIMD, from CMake, names the
 * header with its vectors, and every name with external linkage gets its suffix.
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

#endif
