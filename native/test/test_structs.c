/*
 * Structs of older and newer callers. Fields beyond the size that a caller states count as 0,
 * whatever is in memory there. A size that exceeds the library's is accepted if the excess is 0.
 */
#include "harness.h"

enum { MORE = 64, MOST_STRUCT = 1024, N = 2, C = 16, SIDE = 4, FLOATS = 16 * SIDE * SIDE * N };

static const cn_tensor image = {C, SIDE, SIDE, 0, CN_BLOCKED, 0, 0};
static const cn_tensor pooled = {C, SIDE / 2, SIDE / 2, 0, CN_BLOCKED, 0, 0};

/* Operands of all calls. Outputs begin as NaN. */
static float *x, *w, *vector, *out, *more_out;
static void *room; /* workspace */
enum { ROOM = 1 << 20 };
static uint8_t *winners;
static cn_context context;

/* A call with the struct under test. It writes to out and more_out. */
typedef int32_t (*call)(const void *described);

static int32_t with_context(const void *c) { return cn_accumulate(c, FLOATS, x, out); }

static int32_t with_options(const void *o) {
  cn_threads *threads = NULL;
  const int32_t status = cn_threads_create(o, &threads);
  return status == CN_OK ? cn_threads_destroy(threads) : status;
}

static int32_t with_pool(const void *pool) {
  return cn_pool2d_forward(&context, pool, N, x, out, winners);
}

static cn_conv2d conv;

static int32_t convolve(const cn_conv2d *c, const cn_epilogue *e) {
  return cn_conv2d_forward(&context, c, e, N, x, w, out, room, ROOM);
}

static int32_t with_conv(const void *c) { return convolve(c, NULL); }
static int32_t with_epilogue(const void *e) { return convolve(&conv, e); }

static int32_t with_pool_in_epilogue(const void *pool) {
  const cn_epilogue e = {.size = sizeof e, .operations = CN_POOL, .pool = pool, .winners = winners};
  return convolve(&conv, &e);
}

static const cn_linear linear = {sizeof(cn_linear), CN_FLOAT32, C, SIDE, SIDE, C};

static int32_t with_gradients(const void *g) {
  return cn_linear_backward_weights(&context, &linear, NULL, N, x, x, g, room, ROOM);
}

static int32_t with_linear(const void *l) {
  return cn_linear_forward(&context, l, NULL, N, x, w, out, NULL, 0);
}

static int32_t with_norm(const void *norm) {
  return cn_batch_norm_infer(&context, norm, NULL, N, x, vector, vector, vector, vector, out);
}

static int32_t with_sample_norm(const void *norm) {
  return cn_sample_norm_forward(&context, norm, N, x, vector, vector, out, more_out,
                                more_out + 4096);
}

static int32_t with_softmax(const void *softmax) {
  return cn_softmax_forward(&context, softmax, N, x, out);
}

static int32_t with_lrn(const void *lrn) {
  return cn_lrn_forward(&context, lrn, N, x, out, room, ROOM);
}

static int32_t with_elementwise(const void *op) {
  return cn_activation_forward(&context, op, N, x, out);
}

static int32_t with_channel_scale(const void *op) {
  return cn_channel_scale_forward(&context, op, N, x, vector, out);
}

static int32_t with_dropout(const void *d) {
  return cn_dropout_apply(&context, d, N, 0, 1, x, out);
}

static int32_t with_loss(const void *loss) {
  return cn_loss_evaluate(&context, loss, N, x, x, vector, (double *)(void *)more_out, out);
}

/* ---- Cases ----------------------------------------------------------------------------------- */

/* A struct whose fields are all valid. */
typedef struct struct_case {
  const char *name;
  call call;
  union {
    uint32_t size;
    cn_context context;
    cn_threads_options options;
    cn_pool2d pool;
    cn_epilogue epilogue;
    cn_gradients gradients;
    cn_conv2d conv;
    cn_linear linear;
    cn_batch_norm norm;
    cn_sample_norm sample_norm;
    cn_softmax softmax;
    cn_lrn lrn;
    cn_elementwise elementwise;
    cn_channel_scale channel_scale;
    cn_dropout dropout;
    cn_loss loss;
  } described;
} struct_case;

enum { CASES = 16 };
static struct_case cases[CASES];

static void make_cases(void) {
  const cn_window pairs = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1};
  const cn_pool2d pool = {.size = sizeof pool,
                          .x = image,
                          .y = pooled,
                          .dx = image,
                          .dy = pooled,
                          .window = pairs,
                          .winners = 1,
                          .activation = {.kind = CN_RELU}};
  const cn_epilogue epilogue = {.size = sizeof epilogue,
                                .operations = CN_BIAS | CN_ADD | CN_ACTIVATE | CN_STATISTICS,
                                .add = image,
                                .outputs = image,
                                .activation = {.kind = CN_LEAKY_RELU, .slope = 0.5f},
                                .pool = &pool,
                                .bias = vector,
                                .add_values = x,
                                .statistics = more_out};
  const cn_gradients gradients = {
      .size = sizeof gradients,
      .operations = CN_STORE | CN_UPDATE,
      .dw = out,
      .optimizer = {.kind = CN_SGD, .momentum = 0.5},
      .weights = {.values = more_out, .states = {more_out + 8192}, .learning_rate = 0.1f}};
  const struct_case all[CASES] = {
      {"cn_context", with_context, {.context = context}},
      {"cn_threads_options",
       with_options,
       {.options = {.size = sizeof(cn_threads_options), .spin_microseconds = 10}}},
      {"cn_pool2d", with_pool, {.pool = pool}},
      {"cn_pool2d of an epilogue", with_pool_in_epilogue, {.pool = pool}},
      {"cn_epilogue", with_epilogue, {.epilogue = epilogue}},
      {"cn_gradients", with_gradients, {.gradients = gradients}},
      {"cn_conv2d", with_conv, {.conv = conv}},
      {"cn_linear", with_linear, {.linear = linear}},
      {"cn_batch_norm",
       with_norm,
       {.norm = {.size = sizeof(cn_batch_norm),
                 .epsilon = 0.5f,
                 .x = image,
                 .y = image,
                 .dx = image,
                 .dy = image,
                 .momentum = 0.5f}}},
      {"cn_sample_norm",
       with_sample_norm,
       {.sample_norm = {.size = sizeof(cn_sample_norm),
                        .epsilon = 0.5f,
                        .x = image,
                        .y = image,
                        .dx = image,
                        .dy = image,
                        .groups = 1}}},
      {"cn_softmax",
       with_softmax,
       {.softmax = {.size = sizeof(cn_softmax),
                    .logarithm = 1,
                    .x = image,
                    .y = image,
                    .dx = image,
                    .dy = image}}},
      {"cn_lrn",
       with_lrn,
       {.lrn = {.size = sizeof(cn_lrn),
                .neighbours = 3,
                .x = image,
                .y = image,
                .dx = image,
                .dy = image,
                .alpha = 0.5f,
                .beta = 0.5f,
                .k = 1.0f}}},
      {"cn_elementwise",
       with_elementwise,
       {.elementwise = {.size = sizeof(cn_elementwise),
                        .a = image,
                        .b = image,
                        .out = image,
                        .activation = {.kind = CN_LEAKY_RELU, .slope = 0.5f}}}},
      {"cn_channel_scale",
       with_channel_scale,
       {.channel_scale = {.size = sizeof(cn_channel_scale),
                          .factors = CN_FACTOR_OF_CHANNEL,
                          .x = image,
                          .y = image,
                          .dx = image,
                          .dy = image,
                          .negatives = 1}}},
      {"cn_dropout",
       with_dropout,
       {.dropout = {.size = sizeof(cn_dropout),
                    .node = 1,
                    .seed = 2,
                    .x = image,
                    .y = image,
                    .threshold = 1u << 31,
                    .scale = 2.0f,
                    .unit = CN_DROP_MAPS}}},
      {"cn_loss",
       with_loss,
       {.loss = {.size = sizeof(cn_loss),
                 .kind = CN_MEAN_SQUARED_ERROR,
                 .classes = C,
                 .pixels = SIDE,
                 .weighted = 1,
                 .gradient = 1}}},
  };
  memcpy(cases, all, sizeof all);
}

/* ---- Sizes ----------------------------------------------------------------------------------- */

enum { OUT_FLOATS = 32768 };

static void clear_outputs(void) {
  fill_nan(out, OUT_FLOATS);
  fill_nan(more_out, OUT_FLOATS);
  memset(winners, 0xEE, FLOATS);
}

typedef struct written {
  int32_t status;
  float *values;
} written;

static written call_with(const struct_case *c, const void *described) {
  clear_outputs();
  const written w_ = {c->call(described), new_floats(2 * OUT_FLOATS + FLOATS / 4)};
  memcpy(w_.values, out, OUT_FLOATS * sizeof(float));
  memcpy(w_.values + OUT_FLOATS, more_out, OUT_FLOATS * sizeof(float));
  memcpy(w_.values + 2 * OUT_FLOATS, winners, FLOATS);
  return w_;
}

static void check_same_effect(const struct_case *c, uint32_t size, const void *a, const void *b) {
  const written first = call_with(c, a), second = call_with(c, b);
  CHECK(first.status == second.status, "%s of %u bytes: %s, expected: %s", c->name, (unsigned)size,
        cn_status_text(second.status), cn_status_text(first.status));
  CHECK(memcmp(first.values, second.values, (2 * OUT_FLOATS + FLOATS / 4) * sizeof(float)) == 0,
        "%s of %u bytes has other results", c->name, (unsigned)size);
  free(first.values);
  free(second.values);
}

/* Cuts a struct behind its size, and behind every multiple of 8, so never in a pointer. */
static void missing_fields_count_as_zero(const struct_case *c) {
  const uint32_t whole = c->described.size;
  for (uint32_t size = sizeof(uint32_t); size < whole; size += size < 8 ? 4 : 8) {
    _Alignas(8) unsigned char zeroed[MOST_STRUCT] = {0}, cut[MOST_STRUCT];
    memcpy(zeroed, &c->described, size);
    memcpy(zeroed, &whole, sizeof whole);
    memset(cut, 0xA5, sizeof cut);
    memcpy(cut, &c->described, size);
    memcpy(cut, &size, sizeof size);
    check_same_effect(c, size, zeroed, cut);
  }
}

static void excess_zeros_are_accepted(const struct_case *c) {
  const uint32_t whole = c->described.size;
  for (uint32_t size = whole + 4; size <= whole + MORE; size += 4) {
    _Alignas(8) unsigned char larger[MOST_STRUCT] = {0};
    memcpy(larger, &c->described, whole);
    memcpy(larger, &size, sizeof size);
    check_same_effect(c, size, &c->described, larger);
    for (uint32_t at = whole; at < size; at += 5) {
      larger[at] = 1;
      clear_outputs();
      CHECK(c->call(larger) == CN_BAD_SIZE, "%s with a byte at %u", c->name, (unsigned)at);
      for (int i = 0; i < OUT_FLOATS; i++)
        if (!isnan(out[i]) || !isnan(more_out[i])) {
          CHECK(false, "%s with a byte at %u: something was written", c->name, (unsigned)at);
          break;
        }
      larger[at] = 0;
    }
  }
  CHECK(c->call(&c->described) == CN_OK, "%s is not valid", c->name);
}

static void impossible_sizes_are_refused(const struct_case *c) {
  static const uint32_t sizes[] = {0, 1, 3, 1u << 31, UINT32_MAX};
  for (int i = 0; i < 5; i++) {
    struct_case changed = *c;
    changed.described.size = sizes[i];
    CHECK(c->call(&changed.described) == CN_BAD_SIZE, "%s of %u bytes", c->name,
          (unsigned)sizes[i]);
  }
}

/* The library writes the fields that fit the size of a result, and 0 for those that it lacks. */
static void results_fit_their_size(void) {
  cn_conv2d_variant whole = {.size = sizeof whole};
  CHECK(cn_conv2d_describe(&context, &conv, NULL, CN_FORWARD, N, &whole) == CN_OK, "describe");
  for (uint32_t size = sizeof(uint32_t); size <= sizeof whole + MORE; size += 4) {
    _Alignas(8) unsigned char expected[MOST_STRUCT], got[MOST_STRUCT];
    memset(expected, 0xA5, sizeof expected);
    memset(got, 0xA5, sizeof got);
    memset(expected, 0, size);
    memcpy(expected, &whole, size < sizeof whole ? size : sizeof whole);
    memcpy(expected, &size, sizeof size);
    memcpy(got, &size, sizeof size);
    CHECK(cn_conv2d_describe(&context, &conv, NULL, CN_FORWARD, N, (void *)got) == CN_OK,
          "%u bytes", (unsigned)size);
    CHECK(memcmp(expected, got, sizeof got) == 0, "a variant of %u bytes", (unsigned)size);
  }
  whole.size = 3;
  CHECK(cn_conv2d_describe(&context, &conv, NULL, CN_FORWARD, N, &whole) == CN_BAD_SIZE, "3 bytes");
}

int main(void) {
  context = context_of(0, 2);
  conv = (cn_conv2d){.size = sizeof conv,
                     .groups = 1,
                     .x = image,
                     .y = image,
                     .dx = image,
                     .dy = image,
                     .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}};
  x = new_reals(FLOATS);
  w = new_reals(1 << 13);
  room = new_bytes(ROOM);
  vector = new_reals(2 * C);
  for (int i = 0; i < 2 * C; i++) vector[i] = fabsf(vector[i]);
  out = new_floats(OUT_FLOATS);
  more_out = new_floats(OUT_FLOATS);
  winners = new_bytes(FLOATS);
  make_cases();
  for (int i = 0; i < CASES; i++) {
    missing_fields_count_as_zero(&cases[i]);
    excess_zeros_are_accepted(&cases[i]);
    impossible_sizes_are_refused(&cases[i]);
  }
  results_fit_their_size();
  void *all[] = {x, w, vector, out, more_out, winners, room};
  for (int i = 0; i < 7; i++) free(all[i]);
  return verdict("structs");
}
