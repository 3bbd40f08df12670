#include "arguments.h"

#include <stddef.h>

arguments a, valid;

void *const nowhere = (void *)(uintptr_t)68;

static char *memory, *copy;
enum { MEMORY = PIECES * PIECE };

void begin_table(void) {
  if (memory == NULL) {
    memory = new_bytes(MEMORY);
    copy = new_bytes(MEMORY);
    memcpy(copy, memory, MEMORY);
  }
  valid = (arguments){.context = context_of(instruction_sets() - 1, 2), .in = &a.context, .n = 2};
}

void *piece(int number) { return memory + (ptrdiff_t)number * PIECE; }

void *beside(const void *pointer, int bytes) { return (char *)(uintptr_t)pointer + bytes; }

void check_row(const function *f, const char *change, int64_t expected) {
  const int64_t got = f->run();
  CHECK(got == expected, "%s, %s: %lld: %s", f->name, change, (long long)got,
        got > 0 ? "a size" : cn_status_text((int32_t)got));
  if (memcmp(memory, copy, MEMORY) == 0) return;
  CHECK(got == CN_OK, "%s, %s: a call that is refused writes", f->name, change);
  memcpy(memory, copy, MEMORY);
}

void context_rows(const function *f) {
  ROW(f, CN_OK, (void)0);
  DESCRIPTOR(f, a.context, a.in);
  ROW(f, CN_BAD_CONTEXT, a.context.threads = 0);
  ROW(f, CN_BAD_CONTEXT, a.context.threads = -1);
  ROW(f, CN_BAD_CONTEXT, a.context.threads = 1025);
  ROW(f, CN_BAD_CONTEXT, a.context.features = ~cn_cpu_features());
  ROW(f, CN_BAD_VALUE, a.context.serial_operations = -1);
}

void batch_rows(const function *f) {
  ROW(f, CN_BAD_SHAPE, a.n = 0);
  ROW(f, CN_BAD_SHAPE, a.n = -1);
  ROW(f, CN_BAD_SHAPE, a.n = CN_MOST_SIZE + 1);
}

void workspace_rows(const function *f) {
  ALIGNED(f, a.workspace);
  ROW(f, CN_WORKSPACE_TOO_SMALL, a.room--);
  ROW(f, CN_WORKSPACE_TOO_SMALL, a.room = 0);
  ROW(f, CN_WORKSPACE_TOO_SMALL, a.room = -1);
}

void tensor_rows(const function *f, cn_tensor *tensor) {
  ROW(f, CN_BAD_SHAPE, tensor->c = 0);
  ROW(f, CN_BAD_SHAPE, tensor->h = -1);
  ROW(f, CN_BAD_SHAPE, tensor->w = 0);
  ROW(f, CN_BAD_SHAPE, tensor->c = CN_MOST_SIZE + 1);
  ROW(f, CN_BAD_SHAPE, tensor->w = INT32_MAX);
  ROW(f, CN_BAD_SHAPE, tensor->h = CN_MOST_SIZE / 2, tensor->w = 4);
  ROW(f, CN_BAD_LAYOUT, tensor->layout = 3);
  ROW(f, CN_BAD_LAYOUT, tensor->layout = -1);
  ROW(f, CN_BAD_LAYOUT, tensor->type = 1);
  if (tensor->layout == CN_FLAT) {
    ROW(f, CN_BAD_LAYOUT, tensor->halo = 1);
    ROW(f, CN_BAD_LAYOUT, tensor->sample_stride = 1 << 20);
    return;
  }
  ROW(f, CN_BAD_SHAPE, tensor->halo = -1);
  ROW(f, CN_BAD_SHAPE, tensor->halo = CN_MOST_HALO + 1);
  ROW(f, CN_BAD_SHAPE, tensor->sample_stride = -64);
  ROW(f, CN_BAD_SHAPE, tensor->sample_stride = 64);
  ROW(f, CN_BAD_SHAPE, tensor->sample_stride = (1 << 20) + 2);
  ROW(f, CN_BAD_SHAPE, tensor->sample_stride = INT64_MAX - 63);
  if (tensor->layout == CN_BLOCKED) ROW(f, CN_BAD_SHAPE, tensor->sample_stride = (1 << 20) + 4);
}

void same_shape_rows(const function *f, cn_tensor *tensor) {
  tensor_rows(f, tensor);
  ROW(f, CN_BAD_SHAPE, tensor->c += 16);
  ROW(f, CN_BAD_SHAPE, tensor->h++);
  ROW(f, CN_BAD_SHAPE, tensor->w++);
}

void activation_rows(const function *f, cn_activation *activation) {
  const cn_activation wrong[] = {{.kind = -1},
                                 {.kind = CN_ACTIVATIONS},
                                 {.kind = CN_RELU, .slope = 1.0f},
                                 {.kind = CN_RELU, .a = 1.0f},
                                 {.kind = CN_RELU, .b = NAN},
                                 {.kind = CN_LEAKY_RELU, .slope = 0.5f, .a = 1.0f},
                                 {.kind = CN_CLIP, .a = 1.0f, .b = 1.0f},
                                 {.kind = CN_CLIP, .a = -INFINITY, .b = 1.0f},
                                 {.kind = CN_CLIP, .a = 0.0f, .b = NAN},
                                 {.kind = CN_CLIP, .slope = 1.0f, .b = 1.0f},
                                 {.kind = CN_ELU, .a = -1.0f},
                                 {.kind = CN_ELU, .a = 1.0f, .b = 1.0f},
                                 {.kind = CN_CELU, .a = 0.0f},
                                 {.kind = CN_CELU, .a = INFINITY},
                                 {.kind = CN_SOFTPLUS, .a = 0.0f, .b = 20.0f},
                                 {.kind = CN_SOFTPLUS, .a = 1.0f, .b = -1.0f},
                                 {.kind = CN_EXP, .a = 1.0f},
                                 {.kind = CN_POW, .a = INFINITY},
                                 {.kind = CN_POW, .a = 2.0f, .b = 0.5f},
                                 {.kind = CN_THRESHOLD, .a = NAN},
                                 {.kind = CN_THRESHOLD, .b = INFINITY},
                                 {.kind = CN_LEAKY_RELU, .slope = -0.1f},
                                 {.kind = CN_LEAKY_RELU, .slope = INFINITY},
                                 {.kind = CN_LEAKY_RELU, .slope = NAN}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    ROW(f, CN_BAD_VALUE, *activation = wrong[i]);
}

void fused_rows(const function *f, cn_activation *activation) {
  activation_rows(f, activation);
  const cn_activation wrong[] = {{.kind = CN_SIGMOID},
                                 {.kind = CN_HARD_SIGMOID},
                                 {.kind = CN_SOFTPLUS, .a = 1.0f, .b = 20.0f},
                                 {.kind = CN_EXP},
                                 {.kind = CN_LOG},
                                 {.kind = CN_SQRT},
                                 {.kind = CN_RECIPROCAL},
                                 {.kind = CN_POW, .a = 2.0f, .b = 1.0f},
                                 {.kind = CN_THRESHOLD, .a = 1.0f},
                                 {.kind = CN_ERF},
                                 {.kind = CN_CLIP, .a = 1.0f, .b = 2.0f},
                                 {.kind = CN_CLIP, .a = -2.0f, .b = -1.0f}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    ROW(f, CN_BAD_VALUE, *activation = wrong[i]);
}

void operation_rows(const function *f, int32_t supported) {
  ROW(f, CN_OK, a.behind = NULL);
  ROW(f, CN_BAD_SIZE, a.epilogue.size = 0);
  ROW(f, CN_BAD_SIZE, a.epilogue.size = UINT32_MAX);
  ROW(f, CN_BAD_VALUE, a.epilogue.operations = 64);
  ROW(f, CN_BAD_VALUE, a.epilogue.operations |= INT32_MIN);
  for (int32_t bit = 1; bit <= CN_POOL; bit *= 2)
    if ((supported & bit) == 0)
      ROW(f, CN_UNSUPPORTED, a.epilogue.operations |= bit, a.epilogue.pool = &a.pool,
          a.pool.size = sizeof a.pool);
}

void epilogue_rows(const function *f, int32_t operations) {
  cn_epilogue *e = &a.epilogue;
  ROW(f, CN_OK, e->operations = operations);
  if ((operations & CN_BIAS) != 0) {
    ROW(f, CN_NULL_POINTER, e->operations = CN_BIAS, e->bias = NULL);
    ROW(f, CN_MISALIGNED, e->operations = CN_BIAS, e->bias++);
  }
  if ((operations & CN_ADD) != 0) {
    ROW(f, CN_NULL_POINTER, e->operations = CN_ADD, e->add_values = NULL);
    ROW(f, CN_MISALIGNED, e->operations = CN_ADD, e->add_values = beside(e->add_values, 2));
    ROW(f, CN_BAD_SHAPE, e->operations = CN_ADD, e->add.c += 16);
    ROW(f, CN_BAD_SHAPE, e->operations = CN_ADD, e->add.w = 0);
    ROW(f, CN_BAD_LAYOUT, e->operations = CN_ADD, e->add.layout = CN_FLAT, e->add.halo = 0);
    ROW(f, CN_BAD_LAYOUT, e->operations = CN_ADD, e->add.type = 1);
  }
  if ((operations & CN_SLOPE) != 0) {
    ROW(f, CN_NULL_POINTER, e->operations = CN_SLOPE, e->output_values = NULL);
    ROW(f, CN_MISALIGNED, e->operations = CN_SLOPE, e->output_values = beside(e->output_values, 2));
    ROW(f, CN_BAD_SHAPE, e->operations = CN_SLOPE, e->outputs.h++);
    ROW(f, CN_BAD_LAYOUT, e->operations = CN_SLOPE, e->outputs.layout = CN_FLAT,
        e->outputs.halo = 0);
    ROW(f, CN_BAD_VALUE, e->operations = CN_SLOPE, e->activation.kind = CN_SIGMOID);
    for (int32_t kind = CN_SILU; kind <= CN_HARD_SWISH; kind++)
      ROW(f, CN_BAD_VALUE, e->operations = CN_SLOPE, e->activation.kind = kind);
  }
  if ((operations & CN_ACTIVATE) != 0) {
    ROW(f, CN_OK, e->operations = CN_ACTIVATE);
    const cn_epilogue before = valid.epilogue;
    valid.epilogue.operations = CN_ACTIVATE;
    fused_rows(f, &e->activation);
    valid.epilogue = before;
  }
  if ((operations & CN_STATISTICS) != 0) {
    ROW(f, CN_NULL_POINTER, e->operations = CN_STATISTICS, e->statistics = NULL);
    ROW(f, CN_MISALIGNED, e->operations = CN_STATISTICS, e->statistics++);
  }
  /* Fields of other operations are ignored, whatever they contain. */
  ROW(f, CN_OK, memset(e, 0xA5, sizeof *e), e->size = sizeof *e, e->operations = 0);
}

const cn_optimizer adam = {
    .kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};

const cn_optimizer bad_rules[] = {
    {.kind = -1},
    {.kind = 2},
    {.kind = CN_SGD, .momentum = 1.0},
    {.kind = CN_SGD, .momentum = 0.9999999999}, /* 1 in single precision */
    {.kind = CN_SGD, .momentum = -0.1},
    {.kind = CN_SGD, .momentum = NAN},
    {.kind = CN_SGD, .momentum = 0.9, .flags = CN_DECOUPLED},
    {.kind = CN_SGD, .flags = INT32_MIN},
    {.kind = CN_SGD, .reserved = {1.0}},
    {.kind = CN_SGD, .reserved = {0.0, 0.0, 0.0, NAN}},
    {.kind = CN_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
    {.kind = CN_ADAM, .step = 1, .beta1 = 1.0, .beta2 = 0.999, .epsilon = 1e-8},
    {.kind = CN_ADAM, .step = 1, .beta1 = -0.1, .beta2 = 0.999, .epsilon = 1e-8},
    {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = NAN, .epsilon = 1e-8},
    {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999},
    {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-60},
    {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e60},
    {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .flags = 1},
};
const int bad_rule_count = sizeof bad_rules / sizeof bad_rules[0];

cn_gradients gradients_in(int first) {
  return (cn_gradients){
      .size = sizeof(cn_gradients),
      .operations = CN_STORE,
      .dw = piece(first),
      .db = piece(first + 1),
      .optimizer = adam,
      .weights = {piece(first + 2), {piece(first + 3), piece(first + 4)}, 0.1f, 0.0f},
      .bias = {piece(first + 5), {piece(first + 6), piece(first + 7)}, 0.1f, 0.0f}};
}

static void parameter_rows(const function *f, cn_parameter *p) {
  ROW(f, CN_BAD_VALUE, p->learning_rate = INFINITY);
  ROW(f, CN_BAD_VALUE, p->learning_rate = NAN);
  ROW(f, CN_BAD_VALUE, p->weight_decay = -1.0f);
  ROW(f, CN_BAD_VALUE, p->weight_decay = NAN);
  ALIGNED(f, p->values);
  ALIGNED(f, p->states[0]);
  ALIGNED(f, p->states[1]);
  IGNORED(f, p->states[2], p->states[3] = nowhere);
  IGNORED(f, p->states[1], a.gradients.optimizer = (cn_optimizer){.momentum = 0.5});
  IGNORED(f, p->states[0], a.gradients.optimizer = (cn_optimizer){.kind = CN_SGD});
}

void gradient_rows(const function *f) {
  DESCRIPTOR(f, a.gradients, a.into);
  ALIGNED(f, a.gradients.dw);
  ALIGNED(f, a.gradients.db);
  IGNORED(f, a.gradients.db, a.behind = NULL);
  ROW(f, CN_BAD_VALUE, a.gradients.operations = 0);
  ROW(f, CN_BAD_VALUE, a.gradients.operations = 4);
  ROW(f, CN_BAD_VALUE, a.gradients.operations |= INT32_MIN);
  IGNORED(f, a.gradients.weights.values, a.gradients.optimizer.kind = -1);
  const cn_gradients before = valid.gradients;
  valid.gradients.operations = CN_STORE | CN_UPDATE;
  parameter_rows(f, &a.gradients.weights);
  parameter_rows(f, &a.gradients.bias);
  IGNORED(f, a.gradients.bias.values, a.behind = NULL);
  for (int i = 0; i < bad_rule_count; i++)
    ROW(f, CN_BAD_VALUE, a.gradients.optimizer = bad_rules[i]);
  valid.gradients.operations = CN_UPDATE;
  IGNORED(f, a.gradients.dw, a.gradients.db = nowhere);
  valid.gradients = before;
}
