/* One optimiser step over segments of parameters. */
#include "../parallel.h"
#include "../sum_plan.h"
#include "update.h"

typedef struct optimizer_job {
  const cn_optimizer *optimizer;
  float learning_rate;
  int32_t segment_count;
  const cn_segment *segments;
  const float *gradients;
  update_step blocks;
} optimizer_job;

/* Items are runs of up to OPTIMIZER_RUN floats, segment after segment. */
BODY(optimizer_items) {
  const optimizer_job *job = state;
  update_step step = job->blocks;
  int64_t item = 0;
  (void)thread;
  for (int32_t s = 0; s < job->segment_count && item < last; s++) {
    const cn_segment *segment = &job->segments[s];
    const int64_t runs = ceil_div(segment->length, OPTIMIZER_RUN);
    const int64_t run0 = max_i64(0, first - item), run1 = min_i64(runs, last - item);
    if (run0 < run1)
      step.rule = update_rule_of(job->optimizer, job->learning_rate * segment->rate_factor,
                                 segment->weight_decay);
    for (int64_t r = run0; r < run1; r++) {
      const int64_t at = segment->offset + r * OPTIMIZER_RUN;
      step_run(&step, at, min_i64(OPTIMIZER_RUN, segment->length - r * OPTIMIZER_RUN),
               job->gradients + at);
    }
    item += runs;
  }
}

void ISA_NAME(optimizer_step)(const cn_context *context, const cn_optimizer *optimizer,
                              float learning_rate, int32_t segment_count,
                              const cn_segment *segments, const float *gradients,
                              float *const *states, float *weights) {
  optimizer_job job = {.optimizer = optimizer,
                       .learning_rate = learning_rate,
                       .segment_count = segment_count,
                       .segments = segments,
                       .gradients = gradients,
                       .blocks.values = weights};
  for (int i = 0; i < optimizer_states(optimizer); i++) job.blocks.states[i] = states[i];
  int64_t items = 0, floats = 0;
  for (int32_t s = 0; s < segment_count; s++) {
    items += ceil_div(segments[s].length, OPTIMIZER_RUN);
    floats += segments[s].length;
  }
  run_parallel(context, 20.0 * floats, optimizer_items, items, &job);
}
