/*
 * Tables of calls that differ in one argument from a valid call: the status that they return, and
 * that a refused call writes nothing.
 */
#ifndef CN_TEST_ARGUMENTS_H
#define CN_TEST_ARGUMENTS_H

#include "harness.h"

/* The arguments of every call. Those of a valid call are in `valid`; a row changes a copy, `a`, to
 * which also the pointers in `valid` point. */
typedef struct arguments {
  cn_context context;
  cn_conv2d conv;
  cn_linear linear;
  cn_pool2d pool;
  cn_resampling resampling;
  cn_rearrangement rearrangement;
  cn_batch_norm norm;
  cn_sample_norm sample_norm;
  cn_softmax softmax;
  cn_lrn lrn;
  cn_elementwise elementwise;
  cn_channel_scale channel_scale;
  cn_dropout dropout;
  cn_loss loss;
  cn_epilogue epilogue;
  cn_gradients gradients;
  cn_conv2d_variant variant;
  cn_tensor from, to;
  const cn_context *in; /* these point to the above */
  const cn_conv2d *by_conv;
  const cn_linear *by_linear;
  const cn_pool2d *by_pool;
  const cn_resampling *by_resampling;
  const cn_rearrangement *by_rearrangement;
  const cn_batch_norm *by_norm;
  const cn_sample_norm *by_sample_norm;
  const cn_softmax *by_softmax;
  const cn_lrn *by_lrn;
  const cn_elementwise *by_elementwise;
  const cn_channel_scale *by_channel_scale;
  const cn_dropout *by_dropout;
  const cn_loss *by_loss;
  const cn_epilogue *behind;
  const cn_gradients *into;
  cn_conv2d_variant *described;
  const cn_tensor *src_tensor, *dst_tensor;
  int32_t n, pass, from_channel, to_channel, channels, first_sample;
  int64_t count, room; /* values; bytes of the workspace */
  float number;
  double shared;                         /* values of a channel of a shared batch */
  void *x, *w, *y, *dy, *dx, *workspace; /* and these to memory */
  float *scale, *shift, *mean, *inverse_std, *running_mean, *running_variance, *dscale, *dshift;
  double *sums;
  uint8_t *winners;
} arguments;
extern arguments a, valid;

/* Makes `valid` the arguments of nothing but a context of all features and two threads. */
void begin_table(void);

/* Memory for an operand, aligned to 64 bytes, at most PIECE bytes. No call that is refused writes
 * to it. */
enum { PIECES = 24, PIECE = 1 << 16 };
void *piece(int number);

/* The pointer moved by some bytes. */
void *beside(const void *pointer, int bytes);

/* Neither null nor aligned, and to no memory. */
extern void *const nowhere;

typedef struct function {
  const char *name;
  int64_t (*run)(void);
} function;

/* Defines a function of the library as a call with the arguments `a`. */
#define FUNCTION(name, ...)                                                                        \
  static int64_t run_##name(void) { return name(__VA_ARGS__); }                                    \
  static const function name##_row = {#name, run_##name}

void check_row(const function *f, const char *change, int64_t expected);

/* What a function returns after some changes to valid arguments. */
#define ROW(f, status, ...) (a = valid, __VA_ARGS__, check_row((f), #__VA_ARGS__, (status)))

/* A pointer that the call requires, aligned like a value, or to 64 bytes. */
#define REQUIRED(f, pointer)                                                                       \
  (ROW(f, CN_NULL_POINTER, (pointer) = NULL), ROW(f, CN_MISALIGNED, (pointer) = beside(pointer, 2)))
#define ALIGNED(f, pointer)                                                                        \
  (REQUIRED(f, pointer), ROW(f, CN_MISALIGNED, (pointer) = beside(pointer, 4)))

/* One that may be absent. */
#define OPTIONAL(f, pointer)                                                                       \
  (ROW(f, CN_OK, (pointer) = NULL), ROW(f, CN_MISALIGNED, (pointer) = beside(pointer, 4)))

/* A pointer that is not asked for, after some changes. */
#define IGNORED(f, pointer, ...) ROW(f, CN_OK, (pointer) = nowhere, __VA_ARGS__)

/* A descriptor and its address. */
#define DESCRIPTOR(f, descriptor, pointer)                                                         \
  (ROW(f, CN_NULL_POINTER, (pointer) = NULL), ROW(f, CN_BAD_SIZE, (descriptor).size = 0),          \
   ROW(f, CN_BAD_SIZE, (descriptor).size = 3),                                                     \
   ROW(f, CN_BAD_SIZE, (descriptor).size = UINT32_MAX))

/* A call is valid, and refuses every invalid context. */
void context_rows(const function *f);

/* a.n. */
void batch_rows(const function *f);

/* a.workspace and a.room, of which the call needs everything. */
void workspace_rows(const function *f);

/* A tensor in blocks of channels, without a border. */
static inline cn_tensor blocked(int32_t c, int32_t h, int32_t w) {
  return (cn_tensor){.c = c, .h = h, .w = w, .layout = CN_BLOCKED};
}

/* Fields of a tensor in `a`. The second: one whose shape another tensor gives. */
void tensor_rows(const function *f, cn_tensor *tensor);
void same_shape_rows(const function *f, cn_tensor *tensor);

/* An activation in `a`: of any kind, or with f(0) = 0. */
void activation_rows(const function *f, cn_activation *activation);
void fused_rows(const function *f, cn_activation *activation);

/* a.epilogue, of which the call supports some operations. The second: one whose operands are those
 * of `valid`, with its pointers, and that is applied to tensors like `result`. */
void operation_rows(const function *f, int32_t supported);
void epilogue_rows(const function *f, int32_t operations);

/* a.gradients of a layer whose epilogue adds a bias. */
void gradient_rows(const function *f);

/* Rules that no step accepts. */
extern const cn_optimizer bad_rules[];
extern const int bad_rule_count;
extern const cn_optimizer adam;

/* Gradients of a layer with a bias, in the pieces from this one on. */
enum { GRADIENT_PIECES = 8 };
cn_gradients gradients_in(int first);

void tensor_arguments(void);
void conv_arguments(void);
void layer_arguments(void);
void norm_arguments(void);
void training_arguments(void);

#endif
