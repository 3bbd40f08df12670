/* The operands and results of one run of a kernel, see every_kernel.h. */
#ifndef CN_TEST_OPERANDS_H
#define CN_TEST_OPERANDS_H

#include "harness.h"

/* Magnitudes of the inputs. */
typedef enum inputs {
  REALS, /* -1..1 */
  TINY,  /* with subnormal numbers, and products that become subnormal */
} inputs;

/* A run of one kernel: what it is given, and the memory that it has used so far. */
enum { MOST_BLOCKS = 512 };
typedef struct run {
  const char *name;
  const cn_context *context;
  inputs inputs;
  int64_t shift; /* floats by which operands that need no alignment are moved */
  void *owned[MOST_BLOCKS];
  int owned_count;
  struct {
    const float *values;
    int64_t floats;
  } results[MOST_BLOCKS];
  int result_count;
} run;

#define RUN(call) CHECK((call) == CN_OK, "%s", r->name)

/* Memory that is freed when the case is done. */
void *own(run *r, void *memory);

/* Scales reals by the magnitudes of the run. */
void make_tiny(const run *r, float *values, int64_t count);

/* Values with the alignment of tensors, and with that of a float. */
float *aligned_values(run *r, int64_t count);
float *values(run *r, int64_t count);

/* Makes values positive. */
float *absolute(float *p, int64_t count);

/* A per-channel vector, and a tensor. Plain tensors have the alignment of a float. */
float *channels(run *r, int32_t c);
float *tensor(run *r, const cn_tensor *t, int32_t n);

/* Includes memory in the results, with the contents that it has when the case is done. */
float *keep(run *r, float *p, int64_t floats);

/* New memory for results, likewise aligned. */
float *aligned_result(run *r, int64_t floats);
float *result(run *r, int64_t floats);
float *tensor_result(run *r, const cn_tensor *t, int32_t n);

cn_optimizer optimizer_of(int32_t kind);

/* Gradients that are stored and update parameters, whose padding is zero where that of the packed w
 * and bias is. */
cn_gradients gradients(run *r, int32_t kind, const float *w, int64_t w_floats, const float *bias,
                       int64_t biases);

#endif
