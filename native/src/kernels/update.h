/*
 * One optimiser step on a contiguous run of values. convnet.h documents the update rules.
 */
#ifndef CN_UPDATE_H
#define CN_UPDATE_H

#include "../isa.h"
#include "../optimizer.h"

#include <math.h>

/* The update rule for one parameter, with all factors that depend on the options alone precomputed
 * and rounded once. */
typedef struct update_rule {
  int32_t kind;
  bool nesterov;
  float momentum;
  float beta1, rest1, beta2, rest2; /* rest: 1 - beta */
  float root, epsilon;              /* root: 1 / sqrt(1 - beta2^step) */
  float decay;                      /* L2 penalty: decay * w is added to the gradient */
  float keep;                       /* with CN_DECOUPLED the weight is multiplied by it; else 1 */
  float rate;                       /* the effective learning rate, in the last line of the rule */
} update_rule;

static inline update_rule update_rule_of(const cn_optimizer *o, float learning_rate,
                                         float weight_decay) {
  update_rule r = {.kind = o->kind, .decay = weight_decay, .keep = 1.0f, .rate = learning_rate};
  if (o->kind == CN_SGD) {
    r.momentum = (float)o->momentum;
    r.nesterov = (o->flags & CN_NESTEROV) != 0;
    return r;
  }
  r.beta1 = (float)o->beta1;
  r.rest1 = (float)(1.0 - o->beta1);
  r.beta2 = (float)o->beta2;
  r.rest2 = (float)(1.0 - o->beta2);
  r.root = (float)(1.0 / sqrt(1.0 - pow(o->beta2, (double)o->step)));
  r.epsilon = (float)o->epsilon;
  r.rate = (float)(learning_rate / (1.0 - pow(o->beta1, (double)o->step)));
  if ((o->flags & CN_DECOUPLED) != 0) {
    r.decay = 0.0f;
    r.keep = (float)(1.0 - (double)learning_rate * weight_decay);
  }
  return r;
}

/* A parameter, its optimiser state and its rule. */
typedef struct update_step {
  update_rule rule;
  float *values, *states[CN_MOST_STATES];
} update_step;

/* The steps of a layer's weights and bias. values is null if there is no step. */
typedef struct layer_steps {
  update_step weights, bias;
} layer_steps;

static inline update_step update_step_of(const cn_optimizer *o, const cn_parameter *p) {
  update_step s = {.rule = update_rule_of(o, p->learning_rate, p->weight_decay),
                   .values = p->values};
  for (int i = 0; i < CN_MOST_STATES; i++) s.states[i] = p->states[i];
  return s;
}

/* What becomes of a layer's gradients: where they are stored, or null, and the steps. */
typedef struct gradient_use {
  float *dw, *db;
  layer_steps steps;
} gradient_use;

static inline gradient_use gradient_use_of(const cn_gradients *g, bool bias) {
  gradient_use u = {.dw = NULL};
  if ((g->operations & CN_STORE) != 0) u.dw = g->dw;
  if ((g->operations & CN_STORE) != 0 && bias) u.db = g->db;
  if ((g->operations & CN_UPDATE) == 0) return u;
  u.steps.weights = update_step_of(&g->optimizer, &g->weights);
  if (bias) u.steps.bias = update_step_of(&g->optimizer, &g->bias);
  return u;
}

/*
 * ---- The rules on one vector; they return the new weights -------------------------------------
 */

static inline vec sgd_vec(const update_rule *r, vec g, vec *v, vec w) {
  const vec momentum = vec_set1(r->momentum);
  if (r->decay != 0.0f) g = vec_add(g, vec_mul(vec_set1(r->decay), w));
  vec direction = g;
  if (r->momentum != 0.0f) {
    *v = vec_add(vec_mul(momentum, *v), g);
    direction = r->nesterov ? vec_add(g, vec_mul(momentum, *v)) : *v;
  }
  return vec_sub(w, vec_mul(vec_set1(r->rate), direction));
}

static inline vec adam_vec(const update_rule *r, vec g, vec *m, vec *v, vec w) {
  if (r->decay != 0.0f) g = vec_add(g, vec_mul(vec_set1(r->decay), w));
  if (r->keep != 1.0f) w = vec_mul(vec_set1(r->keep), w);
  *m = vec_add(vec_mul(vec_set1(r->beta1), *m), vec_mul(vec_set1(r->rest1), g));
  *v = vec_add(vec_mul(vec_set1(r->beta2), *v), vec_mul(vec_mul(vec_set1(r->rest2), g), g));
  const vec size = vec_add(vec_mul(vec_sqrt(*v), vec_set1(r->root)), vec_set1(r->epsilon));
  return vec_sub(w, vec_div(vec_mul(vec_set1(r->rate), *m), size));
}

/*
 * ---- The rules on a run; tail and body round alike --------------------------------------------
 */

static inline void sgd_run(const update_rule *rule, int64_t count, const float *g, float *velocity,
                           float *w) {
  const bool moves = rule->momentum != 0.0f;
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC) {
    vec v = moves ? vec_load(velocity + i) : vec_zero();
    vec_store(w + i, sgd_vec(rule, vec_load(g + i), &v, vec_load(w + i)));
    if (moves) vec_store(velocity + i, v);
  }
  if (i == count) return;
  const vec_mask some = vec_first(count - i);
  vec v = moves ? vec_load_some(velocity + i, some) : vec_zero();
  const vec next = sgd_vec(rule, vec_load_some(g + i, some), &v, vec_load_some(w + i, some));
  vec_store_some(w + i, some, next);
  if (moves) vec_store_some(velocity + i, some, v);
}

static inline void adam_run(const update_rule *rule, int64_t count, const float *g, float *first,
                            float *second, float *w) {
  int64_t i = 0;
  for (; i + VEC <= count; i += VEC) {
    vec m = vec_load(first + i), v = vec_load(second + i);
    vec_store(w + i, adam_vec(rule, vec_load(g + i), &m, &v, vec_load(w + i)));
    vec_store(first + i, m);
    vec_store(second + i, v);
  }
  if (i == count) return;
  const vec_mask some = vec_first(count - i);
  vec m = vec_load_some(first + i, some), v = vec_load_some(second + i, some);
  const vec next = adam_vec(rule, vec_load_some(g + i, some), &m, &v, vec_load_some(w + i, some));
  vec_store_some(w + i, some, next);
  vec_store_some(first + i, some, m);
  vec_store_some(second + i, some, v);
}

/* Applies the step to the vector of values at index `at`. */
static inline void step_vec(const update_step *s, int64_t at, vec g) {
  float *w = s->values + at;
  if (s->rule.kind == CN_SGD) {
    const bool moves = s->rule.momentum != 0.0f;
    vec v = moves ? vec_load(s->states[0] + at) : vec_zero();
    vec_store(w, sgd_vec(&s->rule, g, &v, vec_load(w)));
    if (moves) vec_store(s->states[0] + at, v);
    return;
  }
  vec m = vec_load(s->states[0] + at), v = vec_load(s->states[1] + at);
  vec_store(w, adam_vec(&s->rule, g, &m, &v, vec_load(w)));
  vec_store(s->states[0] + at, m);
  vec_store(s->states[1] + at, v);
}

/* Applies the step to `count` values of a parameter from index `at` on. State that the rule does
 * not use is not accessed. */
static inline void step_run(const update_step *s, int64_t at, int64_t count, const float *g) {
  float *state[CN_MOST_STATES];
  for (int i = 0; i < CN_MOST_STATES; i++)
    state[i] = s->states[i] == NULL ? NULL : s->states[i] + at;
  if (s->rule.kind == CN_SGD)
    sgd_run(&s->rule, count, g, state[0], s->values + at);
  else
    adam_run(&s->rule, count, g, state[0], state[1], s->values + at);
}

#endif
