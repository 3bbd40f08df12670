/* A step of stochastic gradient descent on a run of values, wherever their gradients come from. */
#ifndef CN_SGD_H
#define CN_SGD_H

#include "../isa.h"

typedef struct sgd_rule {
  float momentum, learning_rate;
  bool nesterov;
} sgd_rule;

static inline sgd_rule sgd_rule_of(const cn_sgd *sgd, float learning_rate) {
  return (sgd_rule){sgd->momentum, learning_rate, (sgd->flags & CN_NESTEROV) != 0};
}

/* A place in the velocity, which is null without momentum. */
static inline float *sgd_at(float *velocity, int64_t offset) {
  return velocity == NULL ? NULL : velocity + offset;
}

/* One vector of parameters; returns the new weights. */
static inline vec sgd_step_vec(const sgd_rule *rule, float decay, vec g, vec *v, vec w) {
  const vec momentum = vec_set1(rule->momentum);
  if (decay != 0.0f) g = vec_add(g, vec_mul(vec_set1(decay), w));
  vec direction = g;
  if (rule->momentum != 0.0f) {
    *v = vec_add(vec_mul(momentum, *v), g);
    direction = rule->nesterov ? vec_add(g, vec_mul(momentum, *v)) : *v;
  }
  return vec_sub(w, vec_mul(vec_set1(rule->learning_rate), direction));
}

/* count values; with momentum 0 velocity is not touched. Tail and body round alike. */
static inline void sgd_run(const sgd_rule *rule, float decay, int64_t count, const float *g,
                           float *velocity, float *w) {
  const bool moves = rule->momentum != 0.0f;
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC) {
    vec v = moves ? vec_load(velocity + i) : vec_zero();
    vec_store(w + i, sgd_step_vec(rule, decay, vec_load(g + i), &v, vec_load(w + i)));
    if (moves) vec_store(velocity + i, v);
  }
  if (i == count) return;
  const vec_mask some = vec_first(count - i);
  vec v = moves ? vec_load_some(velocity + i, some) : vec_zero();
  const vec next =
      sgd_step_vec(rule, decay, vec_load_some(g + i, some), &v, vec_load_some(w + i, some));
  vec_store_some(w + i, some, next);
  if (moves) vec_store_some(velocity + i, some, v);
}

#endif
