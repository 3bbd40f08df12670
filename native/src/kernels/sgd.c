/* Stochastic gradient descent with momentum, in PyTorch's form; tail and body of a run round alike.
 */
#include "conv.h"

enum { RUN = 4096 }; /* floats of an item */

typedef struct sgd_job {
  float momentum, learning_rate;
  bool nesterov;
  int32_t segment_count;
  const cn_segment *segments;
  const float *gradients;
  float *velocity, *weights;
} sgd_job;

/* One vector of parameters; returns the new weights. */
static inline vec update(const sgd_job *job, float decay, vec g, vec *v, vec w) {
  const vec momentum = vec_set1(job->momentum);
  if (decay != 0.0f) g = vec_add(g, vec_mul(vec_set1(decay), w));
  vec direction = g;
  if (job->momentum != 0.0f) {
    *v = vec_add(vec_mul(momentum, *v), g);
    direction = job->nesterov ? vec_add(g, vec_mul(momentum, *v)) : *v;
  }
  return vec_sub(w, vec_mul(vec_set1(job->learning_rate), direction));
}

static void update_run(const sgd_job *job, float decay, int64_t offset, int64_t count) {
  const float *g = job->gradients + offset;
  float *w = job->weights + offset, *velocity = NULL;
  if (job->momentum != 0.0f) velocity = job->velocity + offset;
  for (int64_t i = 0; i < count; i += VEC) {
    const vec_mask some = vec_first(count - i);
    vec v = velocity != NULL ? vec_load_some(velocity + i, some) : vec_zero();
    const vec next = update(job, decay, vec_load_some(g + i, some), &v, vec_load_some(w + i, some));
    if (velocity != NULL) vec_store_some(velocity + i, some, v);
    vec_store_some(w + i, some, next);
  }
}

/* Items are runs of up to RUN floats, segment after segment. */
static void sgd_items(const void *state, int64_t first, int64_t last, int thread) {
  const sgd_job *job = state;
  int64_t item = 0;
  (void)thread;
  for (int32_t s = 0; s < job->segment_count && item < last; s++) {
    const cn_segment *segment = &job->segments[s];
    const int64_t runs = ceil_div(segment->length, RUN);
    for (int64_t r = max_i64(0, first - item); r < min_i64(runs, last - item); r++)
      update_run(job, segment->weight_decay, segment->offset + r * RUN,
                 min_i64(RUN, segment->length - r * RUN));
    item += runs;
  }
}

void ISA_NAME(sgd_step)(int threads, const cn_sgd *sgd, float learning_rate, int32_t segment_count,
                        const cn_segment *segments, const float *gradients, float *velocity,
                        float *weights) {
  const sgd_job job = {.momentum = sgd->momentum,
                       .learning_rate = learning_rate,
                       .nesterov = (sgd->flags & CN_NESTEROV) != 0,
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
