/* Linear layers, pooling, resampling, rearrangement, normalisations and softmax. */
#include "fuzz.h"

/* ---- Gradients ------------------------------------------------------------------------------- */

static cn_parameter any_parameter(int64_t bytes) {
  cn_parameter p = {.values = spoilt(next_state(bytes)), .learning_rate = 0.125f};
  for (int i = 0; i < 2; i++) p.states[i] = spoilt(next_state(bytes));
  return p;
}

cn_gradients any_gradients(int64_t weight_bytes, bool bias, int32_t channels) {
  cn_gradients g = {.size = sizeof g, .operations = 1 + below(3), .optimizer = any_optimizer()};
  if (chance(1)) g.operations = ONE_OF(0, 4, 7, INT32_MIN);
  if ((g.operations & CN_STORE) != 0) {
    g.dw = spoilt(next_output(weight_bytes));
    if (bias) g.db = spoilt(next_output(vector_bytes(channels)));
  }
  if ((g.operations & CN_UPDATE) != 0) {
    g.weights = any_parameter(weight_bytes);
    if (bias) g.bias = any_parameter(vector_bytes(channels));
  }
  return g;
}

static bool is_rule(const cn_optimizer *o) {
  for (int i = 0; i < 4; i++)
    if (o->reserved[i] != 0.0) return false;
  if (o->kind == CN_SGD) return (o->flags & ~CN_NESTEROV) == 0 && o->momentum < 1.0;
  return o->kind == CN_ADAM && (o->flags & ~CN_DECOUPLED) == 0 && o->step > 0;
}

bool takes_step(const cn_gradients *g) {
  const bool known = g->operations > 0 && g->operations <= (CN_STORE | CN_UPDATE);
  return known && ((g->operations & CN_UPDATE) == 0 || is_rule(&g->optimizer));
}

/* ---- Linear layers --------------------------------------------------------------------------- */

static cn_linear any_linear(void) {
  return (cn_linear){.size = sizeof(cn_linear),
                     .c = ONE_OF(1, 3, 16, 17, 33, 64),
                     .h = 1 + below(3),
                     .w = 1 + below(3),
                     .outputs = ONE_OF(1, 2, 10, 16, 17, 33)};
}

/* A call whose operands are valid does what the workspace query says. */
static void check_queried(const char *function, int64_t query, int32_t status) {
  const int64_t expected = query < 0 ? query : CN_OK;
  if (all_valid())
    CHECK(status == expected, "%s: query %lld, call %d", function, (long long)query, (int)status);
}

static void convert_linear(const cn_context *context, const cn_linear *d, int64_t packed_bytes,
                           int64_t plain_bytes) {
  begin_call();
  void *plain = next_input(plain_bytes), *packed = next_output(packed_bytes);
  if (all_fit()) CALL(cn_linear_pack_weights, context, d, spoilt(plain), spoilt(packed));
  begin_call();
  void *from = next_input(packed_bytes), *back = next_output(plain_bytes);
  if (all_fit()) CALL(cn_linear_unpack_weights, context, d, spoilt(from), spoilt(back));
}

void fuzz_linear(void) {
  const cn_context some = any_context();
  const int32_t n = any_batch();
  cn_linear values = any_linear();
  if (chance(30)) SPOIL(&values, cn_linear, type, outputs);
  const double work = (double)n * values.c * values.h * values.w * values.outputs;
  if (fabs(work) > MOST_WORK) return;
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const cn_linear *d = offered(LAYER, &values, sizeof values);
  const int64_t weight_bytes = cn_linear_weight_bytes(d);
  const double plain = (double)sizeof(float) * values.c * values.h * values.w * values.outputs;
  convert_linear(context, d, weight_bytes, plain < MOST_OPERAND ? (int64_t)plain : INT32_MAX);
  const cn_tensor input = {
      .c = values.c, .h = values.h, .w = values.w, .layout = CN_FLAT, .type = values.type};
  const cn_tensor output = {.c = values.outputs, .h = 1, .w = 1, .layout = CN_FLAT};
  cn_epilogue e = any_epilogue(&output, chance(50) ? CN_BIAS : CN_BIAS | CN_ACTIVATE, NULL);
  int64_t room[3];
  for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_WEIGHTS; pass++)
    room[pass] = cn_linear_workspace_bytes(context, d, pass, n);

  begin_call();
  void *x = spoilt(next_image(&input, n)), *w = spoilt(next_input(weight_bytes));
  void *y = spoilt(next_result(&output, n)), *workspace = next_scratch(room[CN_FORWARD]);
  if ((e.operations & CN_BIAS) != 0) e.bias = spoilt(next_input(vector_bytes(values.outputs)));
  const cn_epilogue *after = placed(EPILOGUE, &e, sizeof e);
  const bool plain_epilogue = (e.operations & ~CN_BIAS) == 0;
  if (all_fit()) {
    const int32_t status =
        CALL(cn_linear_forward, context, d, after, n, x, w, y, workspace, room[CN_FORWARD]);
    if (plain_epilogue) check_queried("linear forward", room[CN_FORWARD], status);
  }

  begin_call();
  void *dy = spoilt(next_image(&output, n)), *weights = spoilt(next_input(weight_bytes));
  void *dx = spoilt(next_result(&input, n));
  workspace = next_scratch(room[CN_BACKWARD_DATA]);
  if (all_fit())
    check_queried("linear backward data", room[CN_BACKWARD_DATA],
                  CALL(cn_linear_backward_data, context, d, n, dy, weights, dx, workspace,
                       room[CN_BACKWARD_DATA]));

  begin_call();
  x = spoilt(next_image(&input, n)), dy = spoilt(next_image(&output, n));
  workspace = next_scratch(room[CN_BACKWARD_WEIGHTS]);
  const bool bias = (e.operations & CN_BIAS) != 0;
  const cn_gradients gradients = any_gradients(weight_bytes, bias, values.outputs);
  const void *into = placed(GRADIENTS, &gradients, sizeof gradients);
  if (!all_fit()) return;
  const int32_t status = CALL(cn_linear_backward_weights, context, d, after, n, x, dy, into,
                              workspace, room[CN_BACKWARD_WEIGHTS]);
  if (plain_epilogue && takes_step(&gradients))
    check_queried("linear backward weights", room[CN_BACKWARD_WEIGHTS], status);
}

/* ---- Pooling --------------------------------------------------------------------------------- */

/* A pool of other tensors, with winners laid out like its y. */
static int64_t winner_bytes(cn_pool2d p, const cn_tensor *x, const cn_tensor *y, int32_t n) {
  p.x = *x;
  p.y = *y;
  return cn_pool2d_winner_bytes(&p, n);
}

static bool is_same_shape(const cn_tensor *a, const cn_tensor *b) {
  return a->c == b->c && a->h == b->h && a->w == b->w;
}

void fuzz_pool(void) {
  const cn_context some = any_context();
  const int32_t n = any_batch();
  const cn_tensor image = any_tensor(CN_BLOCKED);
  cn_pool2d p = any_pool(&image);
  if (chance(40)) SPOIL(&p, cn_pool2d, kind, activation);
  const double outputs =
      fabs((double)n * p.y.c * p.y.h * p.y.w) + fabs((double)n * p.dy.c * p.dy.h * p.dy.w);
  if (outputs * fabs((double)p.window.kernel_h * p.window.kernel_w) > MOST_WORK) return;
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const cn_pool2d *pool = offered(LAYER, &p, sizeof p);
  begin_call();
  const int32_t usable = cn_team_size(context, 1.0); /* the context, which the query lacks */
  const int64_t bytes = usable < 0 ? usable : cn_pool2d_winner_bytes(pool, n);
  void *x = spoilt(next_image(&p.x, n)), *y = spoilt(next_result(&p.y, n));
  void *winners = p.winners == 1 ? spoilt(next_output(bytes)) : (void *)(uintptr_t)68;
  if (all_fit())
    check_queried("pool forward", bytes, CALL(cn_pool2d_forward, context, pool, n, x, y, winners));
  begin_call();
  const int64_t kept = winner_bytes(p, &p.x, &p.dy, n), like_dx = winner_bytes(p, &p.dx, &p.dy, n);
  static const uint8_t first[MOST_OPERAND]; /* the first pixel of every window */
  const bool searches = p.kind == CN_POOL_MAX && p.winners == 0;
  x = searches ? spoilt(next_image(&p.x, n)) : (void *)(uintptr_t)68;
  void *dy = spoilt(next_image(&p.dy, n)), *dx = spoilt(next_result(&p.dx, n));
  winners = p.winners == 1 ? spoilt(next_copy(first, kept)) : (void *)(uintptr_t)68;
  if (!all_fit()) return;
  const int32_t status = CALL(cn_pool2d_backward, context, pool, n, x, winners, dy, dx);
  const bool is_valid = usable > 0 && pool->size == sizeof p && kept >= 0 && like_dx >= 0 &&
                        is_same_shape(&p.x, &p.dx);
  if (all_valid() && pool->size == sizeof p)
    CHECK((status == CN_OK) == is_valid, "pool backward: valid %d, but %d", is_valid, (int)status);
}

/* ---- Resampling and rearrangement ------------------------------------------------------------ */

enum { MOST_OUTPUTS = 1024 };

/* Up to two taps for each output, of inputs in range unless chance spoils one. */
static cn_axis_taps any_taps(int32_t inputs, int32_t outputs, int32_t *starts, int32_t *indices,
                             float *weights) {
  starts[0] = 0;
  for (int32_t o = 0; o < outputs; o++) {
    starts[o + 1] = starts[o];
    for (int32_t t = chance(60) ? 1 : below(3); t > 0; t--) {
      const int32_t at = starts[o + 1]++;
      indices[at] = below(inputs);
      weights[at] = chance(60) ? 1.0f : 0.5f;
    }
  }
  /* Starts are not spoilt upwards: they say how long the other arrays are. */
  if (chance(10)) starts[below(outputs + 1)] = below(starts[outputs] + 2) - 1;
  if (chance(10)) spoil(indices, (size_t)outputs);
  return (cn_axis_taps){starts, indices, weights};
}

void fuzz_resample(void) {
  static int32_t starts[2][MOST_OUTPUTS + 1], indices[2][2 * MOST_OUTPUTS];
  static float weights[2][2 * MOST_OUTPUTS];
  const cn_context some = any_context();
  const int32_t n = any_batch();
  cn_resampling r = {.size = sizeof r, .x = any_tensor(CN_BLOCKED), .y = any_tensor(CN_BLOCKED)};
  if (chance(90)) {
    r.y.c = r.x.c;
    r.y.sample_stride = 0;
  }
  r.rows = any_taps(r.x.h, r.y.h, starts[0], indices[0], weights[0]);
  r.cols = any_taps(r.x.w, r.y.w, starts[1], indices[1], weights[1]);
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const cn_resampling *op = offered(LAYER, &r, sizeof r);
  begin_call();
  void *x = spoilt(next_image(&r.x, n)), *y = spoilt(next_result(&r.y, n));
  if (all_fit()) CALL(cn_resample, context, op, n, x, y);
}

void fuzz_rearrange(void) {
  const cn_context some = any_context();
  const int32_t n = any_batch(), factor = 1 + below(3);
  cn_rearrangement r = {.size = sizeof r,
                        .kind = below(4),
                        .x = any_tensor(CN_BLOCKED),
                        .factor = factor,
                        .order = {below(3), below(3), below(3)}};
  r.x.sample_stride = 0;
  if (chance(80)) r.x.c *= r.kind == CN_PIXEL_SHUFFLE ? factor * factor : factor;
  if (chance(80) && r.kind == CN_PIXEL_UNSHUFFLE) r.x.h *= factor, r.x.w *= factor;
  r.y = r.x;
  if (r.kind == CN_PIXEL_SHUFFLE) r.y.c /= factor * factor, r.y.h *= factor, r.y.w *= factor;
  if (r.kind == CN_PIXEL_UNSHUFFLE) r.y.c *= factor * factor, r.y.h /= factor, r.y.w /= factor;
  if (r.kind == CN_PERMUTE) {
    const int32_t sizes[] = {r.x.c, r.x.h, r.x.w}, first = below(3), step = 1 + below(2);
    for (int i = 0; i < 3 && chance(97); i++) r.order[i] = (first + i * step) % 3;
    r.y.c = sizes[r.order[0]], r.y.h = sizes[r.order[1]], r.y.w = sizes[r.order[2]];
  }
  other_halo(&r.y);
  if (chance(20)) SPOIL(&r, cn_rearrangement, kind, order);
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const cn_rearrangement *op = offered(LAYER, &r, sizeof r);
  begin_call();
  void *x = spoilt(next_image(&r.x, n)), *y = spoilt(next_result(&r.y, n));
  if (all_fit()) CALL(cn_rearrange, context, op, n, x, y);
}

/* ---- Batch normalisation --------------------------------------------------------------------- */

typedef struct norm_problem {
  const cn_context *context;
  const cn_batch_norm *norm;
  cn_batch_norm b; /* the same, for sizes */
  cn_epilogue e;
  int32_t n;
  int64_t channels, room; /* bytes */
} norm_problem;

static const cn_epilogue *equip(const norm_problem *p) {
  cn_epilogue e = p->e;
  if ((e.operations & CN_ADD) != 0) e.add_values = spoilt(next_image(&e.add, p->n));
  return placed(EPILOGUE, &e, sizeof e);
}

static void norm_forward(const norm_problem *p) {
  begin_call();
  const int64_t bytes = p->channels;
  void *x = spoilt(next_image(&p->b.x, p->n)), *y = spoilt(next_result(&p->b.y, p->n));
  void *statistics = spoilt(next_input(cn_row_statistics_bytes(&p->b.x, p->n)));
  void *scale = spoilt(next_input(bytes)), *shift = spoilt(next_input(bytes));
  void *mean = spoilt(next_output(bytes)), *inverse = spoilt(next_output(bytes));
  void *running_mean = spoilt(next_state(bytes)), *running_variance = spoilt(next_state(bytes));
  void *workspace = spoilt(next_scratch(p->room));
  const cn_epilogue *after = equip(p);
  const int64_t room = chance(5) ? p->room - 1 : p->room;
  if (all_fit())
    CALL(cn_batch_norm_forward, p->context, p->norm, after, p->n, x, statistics, scale, shift, y,
         mean, inverse, running_mean, running_variance, workspace, room);
}

static void norm_recompute(const norm_problem *p) {
  begin_call();
  const int64_t bytes = p->channels;
  void *x = spoilt(next_image(&p->b.x, p->n)), *y = spoilt(next_result(&p->b.y, p->n));
  void *scale = spoilt(next_input(bytes)), *shift = spoilt(next_input(bytes));
  void *mean = spoilt(next_input(bytes)), *variance = spoilt(next_input(bytes));
  const cn_epilogue *after = equip(p);
  if (!all_fit()) return;
  if (chance(50))
    CALL(cn_batch_norm_infer, p->context, p->norm, after, p->n, x, scale, shift, mean, variance, y);
  else
    CALL(cn_batch_norm_apply, p->context, p->norm, after, p->n, x, scale, shift, mean, variance, y);
}

static void norm_backward(const norm_problem *p) {
  begin_call();
  const int64_t bytes = p->channels;
  void *x = spoilt(next_image(&p->b.x, p->n)), *dy = spoilt(next_image(&p->b.dy, p->n));
  void *scale = spoilt(next_input(bytes)), *shift = spoilt(next_input(bytes));
  void *mean = spoilt(next_input(bytes)), *inverse = spoilt(next_input(bytes));
  void *dx = spoilt(next_result(&p->b.dx, p->n));
  void *dscale = spoilt(next_output(bytes)), *dshift = spoilt(next_output(bytes));
  void *workspace = spoilt(next_scratch(p->room));
  const cn_epilogue *after = equip(p);
  if (all_fit())
    CALL(cn_batch_norm_backward, p->context, p->norm, after, p->n, x, dy, scale, shift, mean,
         inverse, dx, dscale, dshift, workspace, p->room);
}

/* Values of a channel in a batch that other callers share. */
static double shared_count(const norm_problem *p) {
  const double own = (double)p->n * p->b.x.h * p->b.x.w;
  return chance(5) ? own - 1.0 : own * (chance(50) ? 1.0 : 3.0);
}

static void norm_forward_shared(const norm_problem *p) {
  begin_call();
  const int64_t bytes = p->channels;
  void *statistics = spoilt(next_input(cn_row_statistics_bytes(&p->b.x, p->n)));
  void *moments = spoilt(next_output(4 * bytes)), *workspace = spoilt(next_scratch(p->room));
  const int64_t room = chance(5) ? p->room - 1 : p->room;
  if (all_fit())
    CALL(cn_batch_norm_moments, p->context, p->norm, p->n, statistics, moments, workspace, room);
  begin_call();
  void *x = spoilt(next_image(&p->b.x, p->n)), *y = spoilt(next_result(&p->b.y, p->n));
  void *shared = spoilt(next_input(4 * bytes));
  void *scale = spoilt(next_input(bytes)), *shift = spoilt(next_input(bytes));
  void *mean = spoilt(next_output(bytes)), *inverse = spoilt(next_output(bytes));
  void *running_mean = spoilt(next_state(bytes)), *running_variance = spoilt(next_state(bytes));
  const cn_epilogue *after = equip(p);
  if (all_fit())
    CALL(cn_batch_norm_forward_shared, p->context, p->norm, after, p->n, x, shared_count(p), shared,
         scale, shift, y, mean, inverse, running_mean, running_variance);
}

static void norm_backward_shared(const norm_problem *p) {
  begin_call();
  const int64_t bytes = p->channels;
  void *x = spoilt(next_image(&p->b.x, p->n)), *dy = spoilt(next_image(&p->b.dy, p->n));
  void *scale = spoilt(next_input(bytes)), *shift = spoilt(next_input(bytes));
  void *mean = spoilt(next_input(bytes)), *inverse = spoilt(next_input(bytes));
  void *workspace = spoilt(next_scratch(p->room));
  const cn_epilogue *after = equip(p);
  if (chance(50)) {
    void *sums = spoilt(next_output(4 * bytes));
    void *dscale = spoilt(next_output(bytes)), *dshift = spoilt(next_output(bytes));
    if (all_fit())
      CALL(cn_batch_norm_backward_sums, p->context, p->norm, after, p->n, x, dy, scale, shift, mean,
           inverse, sums, dscale, dshift, workspace, p->room);
    return;
  }
  void *shared = spoilt(next_input(4 * bytes)), *dx = spoilt(next_result(&p->b.dx, p->n));
  if (all_fit())
    CALL(cn_batch_norm_backward_shared, p->context, p->norm, after, p->n, x, dy, scale, shift, mean,
         inverse, shared_count(p), shared, dx, workspace, p->room);
}

void fuzz_norm(void) {
  const cn_context some = any_context();
  const cn_tensor t = any_tensor(CN_BLOCKED);
  norm_problem p = {.b = {.size = sizeof p.b,
                          .epsilon = 1e-5f,
                          .x = t,
                          .y = t,
                          .dx = t,
                          .dy = t,
                          .momentum = 0.1f},
                    .n = any_batch()};
  other_halo(&p.b.y);
  other_halo(&p.b.dx);
  other_halo(&p.b.dy);
  if (chance(30)) SPOIL(&p.b, cn_batch_norm, x, momentum);
  if (chance(3)) p.b.epsilon = chance(50) ? 0.0f : NAN;
  p.e = any_epilogue(&t, CN_ADD | CN_ACTIVATE, NULL);
  p.context = offered(CONTEXT, &some, sizeof some);
  p.norm = offered(LAYER, &p.b, sizeof p.b);
  p.channels = vector_bytes(p.b.x.c);
  p.room = cn_batch_norm_workspace_bytes(p.context, p.norm, p.n);
  begin_call();
  void *x = spoilt(next_image(&p.b.x, p.n));
  void *statistics = spoilt(next_output(cn_row_statistics_bytes(&p.b.x, p.n)));
  if (all_fit()) CALL(cn_row_statistics, p.context, &p.b.x, p.n, x, statistics);
  norm_forward(&p);
  norm_recompute(&p);
  norm_backward(&p);
  norm_forward_shared(&p);
  norm_backward_shared(&p);
}

/* ---- Normalisation of one sample, softmax ---------------------------------------------------- */

void fuzz_sample_norm(void) {
  const cn_context some = any_context();
  const cn_tensor t = any_tensor(CN_BLOCKED);
  const int32_t n = any_batch();
  cn_sample_norm d = {.size = sizeof d, .epsilon = 1e-5f, .x = t, .y = t, .dx = t, .dy = t};
  const int32_t groups[] = {0, 1, t.c, 2, 3};
  d.groups = groups[below(5)];
  d.scales_values = d.groups != 0 && chance(30);
  other_halo(&d.y);
  other_halo(&d.dx);
  other_halo(&d.dy);
  if (chance(30)) SPOIL(&d, cn_sample_norm, x, scales_values);
  if (chance(3)) d.epsilon = chance(50) ? 0.0f : NAN;
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const cn_sample_norm *norm = offered(LAYER, &d, sizeof d);
  cn_tensor scales = d.x;
  scales.halo = 0;
  scales.sample_stride = 0;
  const bool scales_values = norm->size >= sizeof d && d.scales_values != 0;
  const int64_t vector = scales_values ? cn_tensor_bytes(&scales, 1) : vector_bytes(d.x.c);
  const int64_t statistics = cn_sample_norm_statistics_bytes(norm, n);
  const int64_t room = cn_sample_norm_workspace_bytes(context, norm, n);
  for (int backward = 0; backward < 2; backward++) {
    begin_call();
    void *x = spoilt(next_image(&d.x, n));
    const bool affine = chance(80);
    void *scale = affine ? spoilt(next_input(vector)) : NULL;
    if (backward == 0) {
      void *shift = affine ? spoilt(next_input(vector)) : NULL;
      void *y = spoilt(next_result(&d.y, n));
      void *mean = spoilt(next_output(statistics)), *inverse = spoilt(next_output(statistics));
      if (all_fit())
        CALL(cn_sample_norm_forward, context, norm, n, x, scale, shift, y, mean, inverse);
      continue;
    }
    void *dy = spoilt(next_image(&d.dy, n));
    void *mean = spoilt(next_input(statistics)), *inverse = spoilt(next_input(statistics));
    /* Gradients may be null, so these pointers are not spoilt. */
    void *dx = chance(80) ? next_result(&d.dx, n) : NULL;
    void *dscale = chance(80) ? next_output(vector) : NULL;
    void *dshift = chance(80) ? next_output(vector) : NULL;
    void *workspace = spoilt(next_scratch(room));
    if (all_fit())
      CALL(cn_sample_norm_backward, context, norm, n, x, dy, scale, mean, inverse, dx, dscale,
           dshift, workspace, chance(5) ? room - 1 : room);
  }
}

void fuzz_softmax(void) {
  const cn_context some = any_context();
  const cn_tensor t = any_tensor(CN_BLOCKED);
  const int32_t n = any_batch();
  cn_softmax d = {.size = sizeof d, .logarithm = chance(50), .x = t, .y = t, .dx = t, .dy = t};
  other_halo(&d.y);
  other_halo(&d.dx);
  other_halo(&d.dy);
  if (chance(30)) SPOIL(&d, cn_softmax, logarithm, dy);
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const cn_softmax *softmax = offered(LAYER, &d, sizeof d);
  begin_call();
  void *x = spoilt(next_image(&d.x, n)), *y = spoilt(next_result(&d.y, n));
  if (all_fit()) CALL(cn_softmax_forward, context, softmax, n, x, y);
  begin_call();
  void *known = spoilt(next_image(&d.y, n)), *dy = spoilt(next_image(&d.dy, n));
  void *dx = spoilt(next_result(&d.dx, n));
  if (all_fit()) CALL(cn_softmax_backward, context, softmax, n, known, dy, dx);
}

void fuzz_lrn(void) {
  const cn_context some = any_context();
  const cn_tensor t = any_tensor(CN_BLOCKED);
  const int32_t n = any_batch();
  cn_lrn d = {.size = sizeof d,
              .neighbours = chance(5) ? INT32_MAX : 1 + below(7),
              .x = t,
              .y = t,
              .dx = t,
              .dy = t,
              .alpha = 0.5f,
              .beta = chance(50) ? 0.75f : 0.6f,
              .k = 1.0f};
  other_halo(&d.y);
  other_halo(&d.dx);
  other_halo(&d.dy);
  if (chance(30)) SPOIL(&d, cn_lrn, neighbours, alpha);
  if (chance(3)) d.k = chance(50) ? 0.0f : NAN;
  const cn_context *context = offered(CONTEXT, &some, sizeof some);
  const cn_lrn *lrn = offered(LAYER, &d, sizeof d);
  const int64_t room = cn_lrn_workspace_bytes(context, lrn, n);
  begin_call();
  void *x = spoilt(next_image(&d.x, n)), *y = spoilt(next_result(&d.y, n));
  void *workspace = spoilt(next_scratch(room));
  if (all_fit()) CALL(cn_lrn_forward, context, lrn, n, x, y, workspace, room);
  begin_call();
  x = spoilt(next_image(&d.x, n));
  void *dy = spoilt(next_image(&d.dy, n)), *dx = spoilt(next_result(&d.dx, n));
  workspace = spoilt(next_scratch(room));
  if (all_fit()) CALL(cn_lrn_backward, context, lrn, n, x, dy, dx, workspace, room);
}
