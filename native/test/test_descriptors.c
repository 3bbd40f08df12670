/*
 * Random descriptors, valid and invalid, for every function. Each call either rejects them before
 * writing anything, or stays within the sizes that the queries return. Operands end at an
 * inaccessible page. CN_TEST_ROUNDS multiplies the number of rounds.
 */
#define _DEFAULT_SOURCE
#include "descriptors.h"
#include "harness.h"

#include <stddef.h>
#include <sys/mman.h>

enum {
  ROOM = 1 << 15,      /* most floats of an operand; larger ones are only queried */
  PAGE = 1 << 16,      /* bytes; a multiple of the page size */
  OPERANDS = 16,       /* most operands of a call */
  FRINGE = 16,         /* floats beside an operand that must stay unchanged */
  MOST_WORK = 2000000, /* most multiply-adds of a call */
};

/* ---- Operands -------------------------------------------------------------------------------- */

typedef struct operand {
  float *start;  /* ROOM floats and the fringe, up to the inaccessible page */
  float *values; /* the operand of the current call */
  int64_t before, floats;
  int64_t sample, stride; /* of a slice: floats of a sample, and from one to the next; else 0 */
} operand;

static operand operands[OPERANDS];
static int used;
static bool too_large; /* an operand of this call exceeds ROOM */

static const uint32_t untouched = 0x7fc0ca11; /* a NaN */

static void make_operands(void) {
  const size_t bytes = (ROOM + 2 * FRINGE) * sizeof(float);
  const size_t pages = (bytes + PAGE - 1) / PAGE * PAGE;
  for (int i = 0; i < OPERANDS; i++) {
    char *memory =
        mmap(NULL, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + pages, PAGE, PROT_NONE) != 0) abort();
    operands[i].start = (float *)(memory + pages) - ROOM - FRINGE;
  }
}

static void mark(float *p, int64_t count) {
  for (int64_t i = 0; i < count; i++) memcpy(p + i, &untouched, sizeof *p);
}

static bool is_marked(const float *p, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (memcmp(p + i, &untouched, sizeof *p) != 0) return false;
  return true;
}

/* The next operand: `floats` marked floats, as close to the inaccessible page as 64-byte alignment
 * allows. Sizes that the queries reject become a few floats. */
static float *next_operand(int64_t floats) {
  if (floats > ROOM) too_large = true;
  if (floats < 1 || floats > ROOM) floats = 16;
  operand *o = &operands[used++];
  const int64_t room = (floats + 15) / 16 * 16;
  o->floats = floats;
  o->before = FRINGE;
  o->sample = o->stride = 0;
  o->values = o->start + ROOM + FRINGE - room;
  mark(o->values - FRINGE, FRINGE + room);
  return o->values;
}

/* The same for an input: small numbers, many of them equal, without NaN. */
static float *next_input(int64_t floats) {
  float *p = next_operand(floats);
  for (int64_t i = 0; i < operands[used - 1].floats; i++) p[i] = (float)(next_random() % 5) - 2.0f;
  return p;
}

static float *next_tensor(const cn_tensor *t, int32_t n) {
  const int64_t floats = cn_tensor_floats(t, n);
  float *p = next_operand(floats);
  cn_tensor whole = *t;
  whole.sample_stride = 0;
  const int64_t sample = cn_tensor_floats(&whole, 1);
  if (floats == operands[used - 1].floats && sample > 0 && t->sample_stride > sample) {
    operands[used - 1].sample = sample;
    operands[used - 1].stride = t->sample_stride;
  }
  return p;
}

static float *next_image(const cn_tensor *t, int32_t n) {
  return next_input(cn_tensor_floats(t, n));
}

/* Occasionally an invalid pointer: null, or misaligned. */
static float *spoilt(float *p) {
  if (chance(97)) return p;
  return chance(50) ? NULL : (float *)(void *)((char *)p + 2);
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static int64_t calls, done; /* calls, and those that returned CN_OK */

static void check_status(const char *function, int64_t status) {
  calls++;
  done += status == CN_OK;
  CHECK(status <= CN_OK && status >= CN_WORKSPACE_TOO_SMALL, "%s returns %lld", function,
        (long long)status);
  for (int i = 0; i < used; i++) {
    const operand *o = &operands[i];
    const int64_t room = (o->floats + 15) / 16 * 16;
    CHECK(is_marked(o->values - FRINGE, FRINGE), "%s writes before operand %d", function, i);
    CHECK(is_marked(o->values + o->floats, room - o->floats), "%s writes behind operand %d",
          function, i);
    for (int64_t at = o->sample; o->stride > 0 && at < o->floats; at += o->stride)
      CHECK(is_marked(o->values + at, o->stride - o->sample),
            "%s writes between samples of operand %d", function, i);
  }
}

/* Checks that a rejected call left its output unchanged. */
static void check_refused(const char *function, int64_t status, const float *output) {
  for (int i = 0; i < used && status != CN_OK; i++)
    CHECK(operands[i].values != output || is_marked(output, operands[i].floats),
          "%s writes although it returns %lld", function, (long long)status);
}

#define CALL(output, function, ...)                                                                \
  do {                                                                                             \
    const int64_t call_status = function(__VA_ARGS__);                                             \
    check_status(#function, call_status);                                                          \
    check_refused(#function, call_status, output);                                                 \
  } while (0)

/* Checks the result of a query: a status, or a size far from overflow. */
static int64_t check_size(const char *query, int64_t size) {
  calls++;
  CHECK(size >= CN_WORKSPACE_TOO_SMALL && size <= (int64_t)1 << 60, "%s returns %lld", query,
        (long long)size);
  return size;
}

#define SIZE(function, ...) check_size(#function, function(__VA_ARGS__))

/* ---- Functions ------------------------------------------------------------------------------- */

/* Multiply-adds of a pass with the given sizes, valid or not. */
static bool is_long(const cn_conv2d *c, int32_t n) {
  return fabs((double)n * c->y.c * c->y.h * c->y.w) * fabs((double)c->x.c * c->window.kernel_h) *
                 fabs((double)c->window.kernel_w) >
             MOST_WORK ||
         fabs((double)n * c->dx.c * c->dx.h * c->dx.w) * fabs((double)c->y.c * c->window.kernel_h) *
                 fabs((double)c->window.kernel_w) >
             MOST_WORK;
}

static void conv_queries(const cn_context *context, const cn_conv2d *c, const cn_pool2d *p,
                         int32_t n) {
  SIZE(cn_conv2d_weight_floats, c);
  for (int32_t pass = -1; pass <= 3; pass++) {
    SIZE(cn_conv2d_workspace_floats, context, c, pass, n);
    SIZE(cn_conv2d_transformed_floats, c, pass);
    SIZE(cn_conv2d_halo, c, pass);
  }
  SIZE(cn_conv2d_pools, c, p);
  SIZE(cn_conv2d_pools_backward, c, p);
  SIZE(cn_conv2d_pool_workspace_floats, context, c, p, n);
}

static float *bias_of(int32_t flags, int64_t channels) {
  return (flags & CN_BIAS) != 0 ? next_input((channels + 15) / 16 * 16) : NULL;
}

static void conv_weights(const cn_context *context, const cn_conv2d *c) {
  const int64_t floats = cn_conv2d_weight_floats(c);
  const double plain = (double)c->y.c * c->x.c / (c->groups > 0 ? c->groups : 1) *
                       c->window.kernel_h * c->window.kernel_w;
  const int64_t values = plain >= 1 && plain <= ROOM ? (int64_t)plain : plain > ROOM ? ROOM + 1 : 1;
  used = 0;
  too_large = false;
  float *oihw = next_input(values), *packed = next_operand(floats);
  if (!too_large) CALL(packed, cn_conv2d_pack_weights, context, c, spoilt(oihw), spoilt(packed));
  used = 0;
  float *from = next_input(floats), *back = next_operand(values);
  if (!too_large) CALL(back, cn_conv2d_unpack_weights, context, c, spoilt(from), spoilt(back));
  const int32_t pass = below(3);
  used = 0;
  too_large = false;
  float *w = next_input(floats);
  float *transformed = next_operand(cn_conv2d_transformed_floats(c, pass));
  if (!too_large)
    CALL(transformed, cn_conv2d_transform_weights, context, c, pass, spoilt(w),
         spoilt(transformed));
}

static int64_t pass_weights(const cn_conv2d *c, int32_t pass) {
  return (c->flags & CN_TRANSFORMED) != 0 ? cn_conv2d_transformed_floats(c, pass)
                                          : cn_conv2d_weight_floats(c);
}

static void conv_forward(const cn_context *context, const cn_conv2d *c, int32_t n) {
  used = 0;
  too_large = false;
  const int64_t room = cn_conv2d_workspace_floats(context, c, CN_FORWARD, n);
  float *x = next_image(&c->x, n), *w = next_input(pass_weights(c, CN_FORWARD));
  float *bias = bias_of(c->flags, c->y.c), *y = next_tensor(&c->y, n);
  float *add = chance(30) ? next_image(&c->add, n) : NULL;
  float *statistics = chance(30) ? next_operand(cn_row_statistics_floats(&c->y, n)) : NULL;
  float *workspace = next_operand(room);
  if (!too_large)
    CALL(y, cn_conv2d_forward, context, c, n, spoilt(x), spoilt(w), bias, add, spoilt(y),
         statistics, spoilt(workspace), chance(5) ? room - 1 : room);
}

static void conv_backward_data(const cn_context *context, const cn_conv2d *c, int32_t n) {
  used = 0;
  too_large = false;
  const int64_t room = cn_conv2d_workspace_floats(context, c, CN_BACKWARD_DATA, n);
  float *dy = next_image(&c->dy, n), *w = next_input(pass_weights(c, CN_BACKWARD_DATA));
  float *add = chance(30) ? next_image(&c->add, n) : NULL;
  float *x = chance(30) ? next_image(&c->x, n) : NULL;
  float *dx = next_tensor(&c->dx, n), *workspace = next_operand(room);
  if (!too_large)
    CALL(dx, cn_conv2d_backward_data, context, c, n, spoilt(dy), spoilt(w), add, x, spoilt(dx),
         spoilt(workspace), chance(5) ? room - 1 : room);
}

static cn_parameter any_parameter(int64_t floats) {
  cn_parameter p = {.values = next_input(floats), .learning_rate = 0.125f};
  for (int i = 0; i < CN_MOST_STATES; i++) p.states[i] = next_input(floats);
  return p;
}

/* An optimiser step on weights like those of the layer. */
static cn_update any_update(int64_t floats, float *bias, int64_t channels) {
  cn_update u = {.optimizer = any_optimizer()};
  u.weights = any_parameter(floats);
  if (bias != NULL) u.bias = any_parameter((channels + 15) / 16 * 16);
  return u;
}

static void conv_backward_weights(const cn_context *context, const cn_conv2d *c, const cn_pool2d *p,
                                  int32_t n) {
  used = 0;
  too_large = false;
  const int64_t floats = cn_conv2d_weight_floats(c);
  const int64_t room = cn_conv2d_workspace_floats(context, c, CN_BACKWARD_WEIGHTS, n);
  const bool pooled = cn_conv2d_pools_backward(c, p) == 1 && chance(70), steps = chance(30);
  float *x = next_image(&c->x, n), *dw = steps && chance(50) ? NULL : next_operand(floats);
  float *dy = next_image(pooled ? &p->dy : &c->dy, n), *workspace = next_operand(room);
  float *db = bias_of(c->flags, c->y.c);
  const cn_update u = any_update(floats, db, c->y.c);
  const int64_t given = chance(5) ? room - 1 : room;
  if (pooled) {
    const cn_pool2d forward = {
        .x = p->dx, .y = p->dy, .dx = p->dx, .dy = p->dy, .window = p->window};
    const int64_t bytes = cn_pool2d_winner_bytes(&forward, n);
    uint8_t *winners = (uint8_t *)next_operand((bytes + 3) / 4);
    if (too_large) return;
    memset(winners, 3, bytes > 0 ? (size_t)bytes : 0);
    CALL(dw, cn_conv2d_pool_backward_weights, context, c, p, n, x, winners, spoilt(dy), dw, db,
         steps ? &u : NULL, spoilt(workspace), given);
  } else if (!too_large)
    CALL(dw, cn_conv2d_backward_weights, context, c, n, spoilt(x), spoilt(dy), dw, db,
         steps ? &u : NULL, spoilt(workspace), given);
}

static void conv_pool(const cn_context *context, const cn_conv2d *c, const cn_pool2d *p,
                      int32_t n) {
  used = 0;
  too_large = false;
  const int64_t room = cn_conv2d_pool_workspace_floats(context, c, p, n);
  const int64_t bytes = cn_pool2d_winner_bytes(p, n);
  float *x = next_image(&c->x, n), *w = next_input(pass_weights(c, CN_FORWARD));
  float *bias = bias_of(c->flags, c->y.c), *y = next_tensor(&p->y, n);
  float *winners = bytes > 0 && chance(50) ? next_operand((bytes + 3) / 4) : NULL;
  float *workspace = next_operand(room);
  if (!too_large)
    CALL(y, cn_conv2d_pool_forward, context, c, p, n, spoilt(x), spoilt(w), bias, spoilt(y),
         (uint8_t *)winners, spoilt(workspace), room);
}

static void convolutions(bool extreme) {
  const cn_context context = any_context();
  const int32_t n = any_batch();
  cn_conv2d c = any_conv();
  cn_pool2d p = any_pool(&c.y);
  if (chance(80)) c.y.halo = p.x.halo = 0;
  if (chance(10)) c.flags |= CN_TRANSFORMED;
  if (chance(70)) spoil(&c, sizeof c / sizeof(int32_t));
  if (chance(50)) spoil(&p, sizeof p / sizeof(int32_t));
  conv_queries(&context, &c, &p, n);
  if (extreme || is_long(&c, n)) return;
  conv_weights(&context, &c);
  conv_forward(&context, &c, n);
  conv_backward_data(&context, &c, n);
  conv_backward_weights(&context, &c, &p, n);
  conv_pool(&context, &c, &p, n);
}

static void linear_layers(bool extreme) {
  const cn_context context = any_context();
  const int32_t n = any_batch();
  cn_linear d = {.c = ONE_OF(1, 3, 16, 17, 33, 64),
                 .h = 1 + below(3),
                 .w = 1 + below(3),
                 .outputs = ONE_OF(1, 2, 10, 16, 17, 33),
                 .flags = below(2),
                 .activation = any_activation()};
  spoil(&d, sizeof d / sizeof(int32_t));
  const int64_t floats = SIZE(cn_linear_weight_floats, &d);
  int64_t room[4];
  for (int32_t pass = 0; pass < 4; pass++)
    room[pass] = SIZE(cn_linear_workspace_floats, &context, &d, pass, n);
  const double work = (double)n * d.c * d.h * d.w * d.outputs;
  if (extreme || fabs(work) > MOST_WORK) return;
  const cn_tensor input = {d.c, d.h, d.w, 0, CN_FLAT, 0}, output = {d.outputs, 1, 1, 0, CN_FLAT, 0};
  const double plain = (double)d.c * d.h * d.w * d.outputs;
  const int64_t values = plain >= 1 && plain <= ROOM ? (int64_t)plain : plain > ROOM ? ROOM + 1 : 1;
  used = 0;
  too_large = false;
  float *from = next_input(values), *packed = next_operand(floats);
  if (!too_large) CALL(packed, cn_linear_pack_weights, &context, &d, spoilt(from), spoilt(packed));
  float *w = next_input(floats), *back = next_operand(values);
  if (!too_large) CALL(back, cn_linear_unpack_weights, &context, &d, spoilt(w), spoilt(back));
  used = 0;
  too_large = false;
  float *x = next_image(&input, n), *filters = next_input(floats);
  float *bias = bias_of(d.flags, d.outputs), *y = next_tensor(&output, n);
  if (!too_large)
    CALL(y, cn_linear_forward, &context, &d, n, spoilt(x), spoilt(filters), bias, spoilt(y), NULL,
         room[CN_FORWARD]);
  float *dy = next_image(&output, n), *dx = next_tensor(&input, n);
  float *workspace = next_operand(room[CN_BACKWARD_DATA]);
  if (!too_large)
    CALL(dx, cn_linear_backward_data, &context, &d, n, spoilt(dy), spoilt(filters), spoilt(dx),
         spoilt(workspace), room[CN_BACKWARD_DATA]);
  used = 0;
  too_large = false;
  const bool steps = chance(30);
  float *images = next_image(&input, n), *gradients = next_image(&output, n);
  float *dw = steps && chance(50) ? NULL : next_operand(floats);
  float *db = bias_of(d.flags, d.outputs), *sums = next_operand(room[CN_BACKWARD_WEIGHTS]);
  const cn_update u = any_update(floats, db, d.outputs);
  if (!too_large)
    CALL(dw, cn_linear_backward_weights, &context, &d, n, spoilt(images), spoilt(gradients), dw, db,
         steps ? &u : NULL, spoilt(sums), room[CN_BACKWARD_WEIGHTS]);
}

static void pools(bool extreme) {
  const cn_context context = any_context();
  const int32_t n = any_batch();
  const cn_tensor image = any_tensor(CN_BLOCKED);
  cn_pool2d p = any_pool(&image);
  spoil(&p, sizeof p / sizeof(int32_t));
  const int64_t bytes = SIZE(cn_pool2d_winner_bytes, &p, n);
  const double work =
      fabs((double)n * p.y.c * p.y.h * p.y.w) + fabs((double)n * p.dy.c * p.dy.h * p.dy.w);
  if (extreme || work * fabs((double)p.window.kernel_h * p.window.kernel_w) > MOST_WORK) return;
  used = 0;
  too_large = false;
  float *x = next_image(&p.x, n), *y = next_tensor(&p.y, n);
  float *winners = bytes > 0 && chance(70) ? next_operand((bytes + 3) / 4) : NULL;
  if (!too_large)
    CALL(y, cn_pool2d_forward, &context, &p, n, spoilt(x), spoilt(y), (uint8_t *)winners);
  cn_pool2d of_gradients = p;
  of_gradients.y = p.dy;
  const int64_t kept = cn_pool2d_winner_bytes(&of_gradients, n);
  used = 0;
  too_large = false;
  float *images = next_image(&p.x, n), *dy = next_image(&p.dy, n), *dx = next_tensor(&p.dx, n);
  uint8_t *seen = kept > 0 && chance(50) ? (uint8_t *)next_operand((kept + 3) / 4) : NULL;
  if (too_large) return;
  if (seen != NULL) memset(seen, 0, (size_t)kept);
  CALL(dx, cn_pool2d_backward, &context, &p, n, spoilt(images), seen, spoilt(dy), spoilt(dx));
}

/* Number of fields before the first that is not an int32_t. */
#define NUMBERS_BEFORE(type, member) ((int32_t)(offsetof(type, member) / sizeof(int32_t)))

static void normalisations(bool extreme) {
  const cn_context context = any_context();
  const int32_t n = any_batch();
  const cn_tensor t = any_tensor(CN_BLOCKED);
  cn_batch_norm b = {t, t, t, t, t, 1e-5f, 0.1f, any_activation()};
  other_halo(&b.y);
  other_halo(&b.dx);
  other_halo(&b.dy);
  other_halo(&b.add);
  spoil(&b, NUMBERS_BEFORE(cn_batch_norm, epsilon));
  if (chance(5)) b.epsilon = chance(50) ? 0.0f : NAN;
  const int64_t room = SIZE(cn_batch_norm_workspace_floats, &context, &b, n);
  const int64_t rows = SIZE(cn_row_statistics_floats, &b.x, n);
  SIZE(cn_tensor_floats, &b.y, n);
  if (extreme) return;
  const int64_t channels = b.x.c > 0 && b.x.c <= ROOM / 2 ? (b.x.c + 15) / 16 * 16 : 16;
  used = 0;
  too_large = false;
  float *x = next_image(&b.x, n), *statistics = next_operand(rows), *y = next_tensor(&b.y, n);
  if (!too_large)
    CALL(statistics, cn_row_statistics, &context, &b.x, n, spoilt(x), spoilt(statistics));
  float *scale = next_input(channels), *shift = next_input(channels);
  float *add = chance(30) ? next_image(&b.add, n) : NULL;
  float *mean = next_operand(channels), *inverse = next_operand(channels);
  float *running_mean = next_input(channels), *running_variance = next_input(channels);
  float *workspace = next_operand(room);
  if (!too_large) {
    CALL(y, cn_batch_norm_infer, &context, &b, n, spoilt(x), scale, spoilt(shift), running_mean,
         running_variance, add, spoilt(y));
    mark(y, operands[2].floats);
    CALL(y, cn_batch_norm_forward, &context, &b, n, x, spoilt(statistics), scale, shift, add, y,
         mean, spoilt(inverse), running_mean, running_variance, spoilt(workspace), room);
    mark(y, operands[2].floats);
    CALL(y, cn_batch_norm_apply, &context, &b, n, x, scale, shift, spoilt(mean), inverse,
         spoilt(y));
  }
  used = 0;
  too_large = false;
  float *images = next_image(&b.x, n), *dy = next_image(&b.dy, n), *dx = next_tensor(&b.dx, n);
  float *s = next_input(channels), *t2 = next_input(channels), *m = next_input(channels);
  float *i = next_input(channels), *ds = next_operand(channels), *dt = next_operand(channels);
  float *sums = next_operand(room);
  if (!too_large)
    CALL(dx, cn_batch_norm_backward, &context, &b, n, spoilt(images), spoilt(dy), s, t2, m, i,
         spoilt(dx), spoilt(ds), dt, spoilt(sums), room);
}

static void elementwise(bool extreme) {
  const cn_context context = any_context();
  const int32_t n = any_batch(), layout = below(3);
  const cn_tensor t = any_tensor(layout);
  cn_elementwise e = {.a = t, .b = t, .out = t, .activation = any_activation()};
  if (chance(20)) e.activation.kind = (int32_t)(next_random() % (CN_ACTIVATIONS + 1)) - 1;
  other_halo(&e.a);
  other_halo(&e.b);
  spoil(&e, sizeof e / sizeof(int32_t));
  cn_dropout d = {.x = e.a, .y = e.out, .seed = 1, .threshold = 1u << 31, .scale = 2.0f};
  cn_tensor to = t;
  to.layout = below(3);
  to.halo = to.layout == CN_FLAT ? 0 : below(3);
  spoil(&to, sizeof to / sizeof(int32_t));
  SIZE(cn_tensor_floats, &e.a, n);
  SIZE(cn_tensor_floats, &to, n);
  if (extreme) return;
  used = 0;
  too_large = false;
  float *a = next_image(&e.a, n), *b = next_image(&e.b, n), *out = next_tensor(&e.out, n);
  if (!too_large) {
    CALL(out, cn_add, &context, &e, n, spoilt(a), spoilt(b), spoilt(out));
    mark(out, operands[2].floats);
    CALL(out, cn_activation_forward, &context, &e, n, spoilt(a), spoilt(out));
    mark(out, operands[2].floats);
    CALL(out, cn_activation_backward, &context, &e, n, spoilt(a), b, spoilt(out));
    mark(out, operands[2].floats);
    CALL(out, cn_dropout_apply, &context, &d, n, below(100) - 1, 3, spoilt(a), spoilt(out));
  }
  used = 0;
  too_large = false;
  float *src = next_image(&e.a, n), *dst = next_tensor(&to, n);
  if (!too_large) CALL(dst, cn_reorder, &context, &e.a, &to, n, spoilt(src), spoilt(dst));
}

static void vectors(void) {
  const cn_context context = any_context();
  const int64_t count =
      chance(90) ? below(5000) : (int64_t[]){-1, INT64_MIN, INT64_MAX, 0}[below(4)];
  used = 0;
  too_large = false;
  float *a = next_input(count), *b = next_input(count), *out = next_input(count);
  CALL(NULL, cn_fill, &context, count, 1.0f, spoilt(out));
  CALL(NULL, cn_accumulate, &context, count, spoilt(a), spoilt(out));
  CALL(NULL, cn_scale, &context, count, 0.5f, spoilt(out));
  CALL(NULL, cn_clamp, &context, count, 0.5f, spoilt(out));
  CALL(NULL, cn_triad, &context, count, 2.0f, spoilt(a), b, spoilt(out));
  cn_segment segments[2] = {{0, count / 2, 1.0f, 0.0f}, {count / 2, count - count / 2, 0.5f, 0.1f}};
  spoil(&segments[0].rate_factor, 2);
  const cn_optimizer rule = any_optimizer();
  float *more = next_input(count), *const states[] = {spoilt(b), spoilt(more)};
  CALL(NULL, cn_optimizer_step, &context, &rule, 0.1f, 2, segments, spoilt(a),
       chance(95) ? states : NULL, spoilt(out));
  used = 0;
  float *counts = next_operand(16 * (int64_t)context.threads);
  CALL(counts, cn_fma_rounds, &context, below(3) - 1, spoilt(counts));
}

static void losses(void) {
  const cn_context context = any_context();
  int32_t sizes[3] = {1 + below(9), 1 + below(40), chance(50) ? 1 : 1 + below(80)};
  spoil(sizes, 3);
  const int32_t n = sizes[0], classes = sizes[1], pixels = sizes[2];
  if (fabs((double)n * classes * pixels) > 4096.0) return;
  const int64_t rows = (int64_t)n * classes, count = rows * pixels;
  used = 0;
  too_large = false;
  float *scores = next_input(count), *targets = next_input(count), *ds = next_operand(count);
  float *named = next_operand((int64_t)n * pixels);
  int32_t *labels = (int32_t *)named;
  for (int64_t i = 0; i < operands[used - 1].floats; i++)
    labels[i] = chance(99) ? below(classes > 0 ? classes : 1) : classes;
  float *weights = chance(50) ? next_operand(n) : NULL;
  for (int64_t i = 0; weights != NULL && i < operands[used - 1].floats; i++)
    weights[i] = (float)below(4) - (chance(1) ? 1.0f : 0.0f);
  double loss = 0.0;
  CALL(ds, cn_softmax_cross_entropy, &context, n, classes, pixels, spoilt(scores), labels, weights,
       &loss, ds);
  mark(ds, operands[2].floats);
  const int64_t length = (int64_t)classes * pixels;
  CALL(ds, cn_mean_squared_error, &context, n,
       length < 1 ? -1 : (int32_t)(length < 1 << 30 ? length : 1 << 30), scores, spoilt(targets),
       weights, &loss, ds);
  if (pixels != 1) return;
  mark(ds, operands[2].floats);
  CALL(ds, cn_multiclass_svm, &context, n, classes, 1.0f, spoilt(scores), labels, weights, &loss,
       ds);
}

int main(void) {
  const char *factor = getenv("CN_TEST_ROUNDS");
  const int64_t rounds = factor == NULL ? 1 : strtol(factor, NULL, 10);
  make_operands();
  seed_values(20240917);
  for (int64_t i = 0; i < rounds * 4000; i++) {
    convolutions(false);
    linear_layers(false);
    pools(false);
    normalisations(false);
    elementwise(false);
    vectors();
    losses();
    for (int j = 0; j < 4; j++) {
      convolutions(true);
      linear_layers(true);
      pools(true);
      normalisations(true);
      elementwise(true);
    }
  }
  printf("%lld calls, %lld computed\n", (long long)calls, (long long)done);
  CHECK(done > calls / 100, "hardly a call computed anything");
  return verdict("descriptors");
}
