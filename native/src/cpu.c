#include "check.h"
#include "compiler.h"
#include "cpu.h"

int32_t cn_version(void) { return CN_VERSION; }

/* The compiler's runtime queried the processor and the operating system when the library was
 * loaded. */
uint64_t cn_cpu_features(void) {
  uint64_t features = 0;
#define ISA(name, feature, available)                                                              \
  if (available) features |= feature;
#include "isas.def"
#undef ISA
  return features;
}

/* An instruction set and its kernels. */
typedef struct isa_entry {
  uint64_t feature;
  const kernel_table *kernels;
} isa_entry;

static const isa_entry isas[] = {
#define ISA(name, feature, available) {feature, &kernels_##name},
#include "isas.def"
#undef ISA
};

/* The last one that the context allows. */
static const isa_entry *isa_of(const cn_context *context) {
  const isa_entry *best = &isas[0];
  for (size_t i = 1; i < sizeof isas / sizeof isas[0]; i++)
    if ((context->features & isas[i].feature) != 0) best = &isas[i];
  return best;
}

const kernel_table *kernels_for(const cn_context *context) { return isa_of(context)->kernels; }

uint64_t feature_of(const cn_context *context) { return isa_of(context)->feature; }

int64_t cn_kernel_feature(const cn_context *context) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  return (int64_t)feature_of(context);
}

const char *cn_status_text(int32_t status) {
  switch (status) {
  case CN_OK:
    return "The call succeeded.";
  case CN_NULL_POINTER:
    return "A required pointer is null.";
  case CN_BAD_CONTEXT:
    return "The context has features that this processor or this build lacks, or a thread count "
           "outside 1 to 1024.";
  case CN_BAD_SHAPE:
    return "A size is not positive or too large, or the sizes contradict each other.";
  case CN_BAD_LAYOUT:
    return "A layout or an element type is unknown, or not one that this function takes.";
  case CN_MISALIGNED:
    return "A pointer is not aligned: blocked and flat tensors, packed weights, per-channel "
           "vectors and workspace begin on 64 bytes.";
  case CN_BAD_VALUE:
    return "An option is out of its range.";
  case CN_BAD_LABEL:
    return "A label is negative, or not less than the number of classes.";
  case CN_WORKSPACE_TOO_SMALL:
    return "The workspace is smaller than the workspace query of this call asks for.";
  case CN_BAD_SIZE:
    return "The size of a struct is less than that of its first field, or the struct has fields "
           "that "
           "this version of the library does not know.";
  case CN_UNSUPPORTED:
    return "The arguments are valid, but there is no kernel for them: the algorithm, the epilogue "
           "or "
           "the update does not fit the layer.";
  case CN_NO_MEMORY:
    return "Memory or threads could not be allocated.";
  default:
    return "Unknown status.";
  }
}
