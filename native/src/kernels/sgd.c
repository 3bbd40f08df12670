/* Stochastic gradient descent with momentum, in PyTorch's form, over segments of parameters. */
#include "../parallel.h"
#include "sgd.h"

enum { RUN = 4096 }; /* floats of an item */

typedef struct sgd_job {
  sgd_rule rule;
  int32_t segment_count;
  const cn_segment *segments;
  const float *gradients;
  float *velocity, *weights;
} sgd_job;

/* Items are runs of up to RUN floats, segment after segment. */
static void sgd_items(const void *state, int64_t first, int64_t last, int thread) {
  const sgd_job *job = state;
  int64_t item = 0;
  (void)thread;
  for (int32_t s = 0; s < job->segment_count && item < last; s++) {
    const cn_segment *segment = &job->segments[s];
    const int64_t runs = ceil_div(segment->length, RUN);
    for (int64_t r = max_i64(0, first - item); r < min_i64(runs, last - item); r++) {
      const int64_t at = segment->offset + r * RUN;
      sgd_run(&job->rule, segment->weight_decay, min_i64(RUN, segment->length - r * RUN),
              job->gradients + at, sgd_at(job->velocity, at), job->weights + at);
    }
    item += runs;
  }
}

void ISA_NAME(sgd_step)(int threads, const cn_sgd *sgd, float learning_rate, int32_t segment_count,
                        const cn_segment *segments, const float *gradients, float *velocity,
                        float *weights) {
  const sgd_job job = {.rule = sgd_rule_of(sgd, learning_rate),
                       .segment_count = segment_count,
                       .segments = segments,
                       .gradients = gradients,
                       .velocity = velocity,
                       .weights = weights};
  int64_t items = 0, floats = 0;
  for (int32_t s = 0; s < segment_count; s++) {
    items += ceil_div(segments[s].length, RUN);
    floats += segments[s].length;
  }
  run_parallel(threads, 20.0 * floats, sgd_items, items, &job);
}
