#include "operands.h"

void *own(run *r, void *memory) {
  if (r->owned_count == MOST_BLOCKS) abort();
  return r->owned[r->owned_count++] = memory;
}

/* Without arithmetic on subnormal numbers, which the caller's state might flush. */
void make_tiny(const run *r, float *values, int64_t count) {
  for (int64_t i = 0; r->inputs == TINY && i < count; i++) {
    values[i] *= 0x1p-62f;
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    if (next_random() % 4 == 0) bits &= 0x807fffff;
    memcpy(&values[i], &bits, sizeof bits);
  }
}

float *aligned_values(run *r, int64_t count) {
  float *p = own(r, new_reals(count));
  make_tiny(r, p, count);
  return p;
}

static float *moved(run *r, const float *p, int64_t floats, int64_t shift) {
  float *to = (float *)own(r, new_floats(floats + shift)) + shift;
  return memcpy(to, p, (size_t)floats * sizeof(float));
}

float *values(run *r, int64_t count) { return moved(r, aligned_values(r, count), count, r->shift); }

float *absolute(float *p, int64_t count) {
  for (int64_t i = 0; i < count; i++) p[i] = fabsf(p[i]);
  return p;
}

float *channels(run *r, int32_t c) { return own(r, new_channels(c, aligned_values(r, c))); }

float *tensor(run *r, const cn_tensor *t, int32_t n) {
  float *p = own(r, new_tensor(t, n, aligned_values(r, (int64_t)n * t->c * t->h * t->w)));
  return t->layout == CN_PLAIN ? moved(r, p, tensor_floats(t, n), r->shift) : p;
}

float *keep(run *r, float *p, int64_t floats) {
  if (r->result_count == MOST_BLOCKS) abort();
  r->results[r->result_count].values = p;
  r->results[r->result_count++].floats = floats;
  return p;
}

float *aligned_result(run *r, int64_t floats) {
  return keep(r, own(r, new_floats(floats)), floats);
}

float *result(run *r, int64_t floats) {
  return keep(r, (float *)own(r, new_floats(floats + r->shift)) + r->shift, floats);
}

float *tensor_result(run *r, const cn_tensor *t, int32_t n) {
  const int64_t floats = tensor_floats(t, n);
  return t->layout == CN_PLAIN ? result(r, floats) : aligned_result(r, floats);
}

cn_optimizer optimizer_of(int32_t kind) {
  return (cn_optimizer){.kind = kind,
                        .step = 3,
                        .momentum = kind == CN_SGD ? 0.9 : 0.0,
                        .beta1 = 0.9,
                        .beta2 = 0.999,
                        .epsilon = 1e-8};
}

/* A parameter in packed form, of which only the padding is zero, and its states. */
static cn_parameter parameter(run *r, const float *like, int64_t floats) {
  cn_parameter p = {.learning_rate = 0.1f, .weight_decay = 0.01f};
  float *blocks[3];
  for (int i = 0; i < 3; i++) {
    blocks[i] = keep(r, absolute(aligned_values(r, floats), floats), floats);
    for (int64_t j = 0; j < floats; j++) blocks[i][j] = like[j] == 0.0f ? 0.0f : blocks[i][j];
  }
  p.values = blocks[0];
  p.states[0] = blocks[1];
  p.states[1] = blocks[2];
  return p;
}

cn_gradients gradients(run *r, int32_t kind, const float *w, int64_t w_floats, const float *bias,
                       int64_t biases) {
  return (cn_gradients){.size = sizeof(cn_gradients),
                        .operations = CN_STORE | CN_UPDATE,
                        .dw = aligned_result(r, w_floats),
                        .db = aligned_result(r, biases),
                        .optimizer = optimizer_of(kind),
                        .weights = parameter(r, w, w_floats),
                        .bias = parameter(r, bias, biases)};
}
