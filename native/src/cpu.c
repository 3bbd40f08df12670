#include "cpu.h"

int32_t cn_abi_version(void) { return CN_ABI_VERSION; }

/* The compiler's runtime queried the processor and the operating system when the library was
 * loaded. */
int32_t cn_cpu_isa(void) {
  int32_t best = CN_SCALAR;
#define ISA(name, value, available)                                                                \
  if (available) best = value;
#include "isas.def"
#undef ISA
  return best;
}

const kernel_table *kernels_for(const cn_context *context) {
  switch (context->isa) {
#define ISA(name, value, available)                                                                \
  case value:                                                                                      \
    return &kernels_##name;
#include "isas.def"
#undef ISA
  default:
    return &kernels_scalar;
  }
}

const char *cn_status_text(int32_t status) {
  switch (status) {
  case CN_OK:
    return "The call succeeded.";
  case CN_NULL_POINTER:
    return "A required pointer is null.";
  case CN_BAD_CONTEXT:
    return "The context has another ABI version, an instruction set that this processor or this "
           "build lacks, or a thread count outside 1 to 1024.";
  case CN_BAD_SHAPE:
    return "A size is not positive or too large, or the sizes contradict each other.";
  case CN_BAD_LAYOUT:
    return "A layout is unknown, or not one that this function takes.";
  case CN_MISALIGNED:
    return "A pointer is not aligned: blocked and flat tensors, packed weights, per-channel "
           "vectors and workspace begin on 64 bytes.";
  case CN_BAD_VALUE:
    return "An option is out of its range.";
  case CN_BAD_LABEL:
    return "A label is negative, or not less than the number of classes.";
  case CN_WORKSPACE_TOO_SMALL:
    return "The workspace is smaller than the workspace query of this call asks for.";
  default:
    return "Unknown status.";
  }
}
