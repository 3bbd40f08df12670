/* Measures the limits of the processor: multiply-adds without memory accesses, and memory bandwidth
 * with almost no arithmetic. Benchmarks relate the kernels to these figures. */
#include "conv.h"

typedef struct fma_job {
  int64_t rounds;
  /* Known at run time only; otherwise the compiler would merge the chains or evaluate them. */
  float zero[FMA_CHAINS], one;
  float *counts;
} fma_job;

/* One item per thread: FMA_CHAINS independent chains, each value = value * 1 + 1. */
BODY(fma_items) {
  const fma_job *job = state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const vec one = vec_set1(job->one);
    vec chain[FMA_CHAINS];
#pragma GCC unroll 16
    for (int i = 0; i < FMA_CHAINS; i++) chain[i] = vec_set1(job->zero[i]);
    for (int64_t round = 0; round < job->rounds; round++) {
#pragma GCC unroll 16
      for (int i = 0; i < FMA_CHAINS; i++) chain[i] = vec_count(chain[i], one);
    }
    vec count = chain[0];
    for (int i = 1; i < FMA_CHAINS; i++) count = vec_add(count, chain[i]);
    float *counts = job->counts + item * CN_BLOCK;
    for (int lane = VEC; lane < CN_BLOCK; lane++) counts[lane] = 0.0f;
    vec_store(counts, count);
  }
}

void ISA_NAME(fma_rounds)(const cn_context *context, int64_t rounds, float *counts) {
  const fma_job job = {.rounds = rounds, .one = 1.0f, .counts = counts};
  const double operations = 2.0 * FMA_CHAINS * VEC * context->threads * (double)rounds;
  run_parallel(context, operations, fma_items, context->threads, &job);
}

typedef struct triad_job {
  int64_t count;
  float scale;
  const float *a, *b;
  float *out;
} triad_job;

enum { RUN = 4096 }; /* floats per item */

/* out[i] = a[i] + scale * b[i] */
BODY(triad_items) {
  const triad_job *job = state;
  const int64_t end = min_i64(last * RUN, job->count);
  const vec scale = vec_set1(job->scale);
  (void)thread;
  int64_t i = first * RUN;
  for (; i + VEC <= end; i += VEC)
    vec_store(job->out + i, vec_fma(scale, vec_load(job->b + i), vec_load(job->a + i)));
  const vec_mask tail = vec_first(end - i);
  const vec a = vec_load_some(job->a + i, tail), b = vec_load_some(job->b + i, tail);
  vec_store_some(job->out + i, tail, vec_fma(scale, b, a));
}

void ISA_NAME(triad)(const cn_context *context, int64_t count, float scale, const float *a,
                     const float *b, float *out) {
  const triad_job job = {.count = count, .scale = scale, .a = a, .b = b, .out = out};
  run_parallel(context, 4.0 * count, triad_items, ceil_div(count, RUN), &job);
}
