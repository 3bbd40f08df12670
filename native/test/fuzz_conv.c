/* Convolutions: a pass that cn_conv2d_describe describes runs within the described workspace, and
 * one that it refuses is refused with the same status. */
#include "fuzz.h"

typedef struct conv_problem {
  const cn_context *context;
  const cn_conv2d *conv;
  cn_conv2d c; /* the same, for sizes */
  int32_t n;
} conv_problem;

/* Whether a pass with the given sizes, valid or not, takes more multiply-adds. */
static bool is_long(const cn_conv2d *c, int32_t n, double most) {
  const double window = (double)c->window.kernel_h * c->window.kernel_w;
  const double forward = (double)n * c->y.c * c->y.h * c->y.w * c->x.c * window;
  const double backward = (double)n * c->dx.c * c->dx.h * c->dx.w * c->y.c * window;
  return fabs(forward) > most || fabs(backward) > most;
}

static void convert_weights(const conv_problem *p) {
  const cn_conv2d *c = &p->c;
  const int64_t packed_bytes = cn_conv2d_weight_bytes(p->conv);
  const double values = (double)c->y.c * c->x.c / (c->groups > 0 ? c->groups : 1) *
                        c->window.kernel_h * c->window.kernel_w;
  const int64_t bytes =
      values > MOST_OPERAND ? MOST_OPERAND + 1 : (int64_t)sizeof(float) * (int64_t)values;
  begin_call();
  void *oihw = next_input(bytes), *packed = next_output(packed_bytes);
  if (all_fit()) CALL(cn_conv2d_pack_weights, p->context, p->conv, spoilt(oihw), spoilt(packed));
  begin_call();
  void *from = next_input(packed_bytes), *back = next_output(bytes);
  if (all_fit()) CALL(cn_conv2d_unpack_weights, p->context, p->conv, spoilt(from), spoilt(back));
}

/* Weights are transformed exactly where a description says so. */
static void transform_weights(const conv_problem *p, int32_t pass) {
  cn_conv2d_variant v = {.size = sizeof v};
  cn_conv2d plain = p->c;
  plain.transformed = 0;
  const int32_t described = cn_conv2d_describe(p->context, &plain, NULL, pass, 1, &v);
  begin_call();
  void *w = next_input(cn_conv2d_weight_bytes(&plain));
  void *transformed = next_scratch(described == CN_OK ? v.transformed : 0); /* with gaps */
  if (!all_fit()) return;
  const int32_t status =
      CALL(cn_conv2d_transform_weights, p->context, &plain, pass, spoilt(w), spoilt(transformed));
  const int32_t refusal = pass == CN_BACKWARD_WEIGHTS ? CN_BAD_VALUE : CN_UNSUPPORTED;
  if (all_valid() && described == CN_OK)
    CHECK(status == (v.transformed > 0 ? CN_OK : refusal), "%lld transformed bytes, but %d",
          (long long)v.transformed, (int)status);
}

/* The epilogue of a call, with operands for its operations. */
static cn_epilogue *equip(const cn_epilogue *described, const conv_problem *p) {
  cn_epilogue e = *described;
  const cn_conv2d *c = &p->c;
  if ((e.operations & CN_BIAS) != 0) e.bias = spoilt(next_input(vector_bytes(c->y.c)));
  if ((e.operations & CN_ADD) != 0) e.add_values = spoilt(next_image(&e.add, p->n));
  if ((e.operations & CN_SLOPE) != 0) e.output_values = spoilt(next_image(&e.outputs, p->n));
  if ((e.operations & CN_STATISTICS) != 0)
    e.statistics = spoilt(next_output(cn_row_statistics_bytes(&c->y, p->n)));
  return placed(EPILOGUE, &e, sizeof e);
}

/* The variants that ran, each with its pass and with or without a pool. */
typedef struct ran {
  const char *name;
  int32_t pass;
  bool pooled;
  int64_t times, in_chunks; /* with several partial sums */
} ran;

enum { MOST_VARIANTS = 64 };
static ran all_ran[MOST_VARIANTS];

static void note(const cn_conv2d_variant *v, int32_t pass, bool pooled) {
  ran *r = all_ran;
  while (r->times > 0 && (strcmp(r->name, v->name) != 0 || r->pass != pass || r->pooled != pooled))
    if (++r == all_ran + MOST_VARIANTS) abort();
  *r = (ran){v->name, pass, pooled, r->times + 1, r->in_chunks + (v->chunks > 1)};
}

int32_t print_variants(void) {
  static const char *const passes[] = {"forward", "backward-data", "backward-weights"};
  int32_t count = 0;
  for (; count < MOST_VARIANTS && all_ran[count].times > 0; count++) {
    const ran *r = &all_ran[count];
    printf("%8lld  %s%s: %s", (long long)r->times, passes[r->pass], r->pooled ? " with a pool" : "",
           r->name);
    if (r->in_chunks > 0) printf(", %lld in chunks", (long long)r->in_chunks);
    printf("\n");
  }
  return count;
}

/* The status of a call whose operands are valid, and the workspace large enough. */
static void check_described(const char *pass, int32_t described, int32_t status, bool enough) {
  if (!all_valid()) return;
  const int32_t expected = described != CN_OK || enough ? described : CN_WORKSPACE_TOO_SMALL;
  CHECK(status == expected, "%s: described as %d, called %d", pass, (int)described, (int)status);
}

static bool is_pooled(const cn_epilogue *e) { return (e->operations & CN_POOL) != 0; }

static void run_forward(const conv_problem *p, const cn_epilogue *e, const cn_pool2d *pool,
                        int32_t described, const cn_conv2d_variant *v) {
  const int64_t room = chance(5) ? v->workspace - 1 : v->workspace;
  void *x = spoilt(next_image(&p->c.x, p->n));
  void *w =
      spoilt(next_input(p->c.transformed == 1 ? v->transformed : cn_conv2d_weight_bytes(p->conv)));
  void *y = spoilt(next_result(is_pooled(e) ? &pool->y : &p->c.y, p->n));
  void *workspace = next_scratch(v->workspace);
  cn_epilogue *equipped = equip(e, p);
  if (is_pooled(e) && pool->winners == 1)
    equipped->winners = spoilt(next_output(cn_pool2d_winner_bytes(pool, p->n)));
  if (!all_fit()) return;
  const int32_t status =
      CALL(cn_conv2d_forward, p->context, p->conv, equipped, p->n, x, w, y, workspace, room);
  if (status == CN_OK) note(v, CN_FORWARD, is_pooled(e));
  check_described("forward", described, status, room == v->workspace || v->workspace == 0);
}

static void run_backward_data(const conv_problem *p, const cn_epilogue *e, int32_t described,
                              const cn_conv2d_variant *v) {
  const int64_t room = chance(5) ? v->workspace - 1 : v->workspace;
  void *dy = spoilt(next_image(&p->c.dy, p->n));
  void *w =
      spoilt(next_input(p->c.transformed == 1 ? v->transformed : cn_conv2d_weight_bytes(p->conv)));
  void *dx = spoilt(next_result(&p->c.dx, p->n));
  void *workspace = next_scratch(v->workspace);
  const cn_epilogue *equipped = equip(e, p);
  if (!all_fit()) return;
  const int32_t status = CALL(cn_conv2d_backward_data, p->context, p->conv, equipped, p->n, dy, w,
                              dx, workspace, room);
  if (status == CN_OK) note(v, CN_BACKWARD_DATA, false);
  check_described("backward data", described, status, room == v->workspace || v->workspace == 0);
}

static void run_backward_weights(const conv_problem *p, const cn_epilogue *e, const cn_pool2d *pool,
                                 int32_t described, const cn_conv2d_variant *v) {
  const int64_t room = chance(5) ? v->workspace - 1 : v->workspace;
  void *x = spoilt(next_image(&p->c.x, p->n));
  void *dy = spoilt(next_image(is_pooled(e) ? &pool->dy : &p->c.dy, p->n));
  void *workspace = next_scratch(v->workspace);
  cn_epilogue equipped = *e;
  if (is_pooled(e) && pool->winners == 1) {
    cn_pool2d of_gradients = *pool;
    of_gradients.x = pool->dx;
    of_gradients.y = pool->dy;
    static const uint8_t first[MOST_OPERAND]; /* the first pixel of every window */
    equipped.winners = spoilt(next_copy(first, cn_pool2d_winner_bytes(&of_gradients, p->n)));
  }
  const cn_epilogue *placed_epilogue = placed(EPILOGUE, &equipped, sizeof equipped);
  const cn_gradients gradients =
      any_gradients(cn_conv2d_weight_bytes(p->conv), (e->operations & CN_BIAS) != 0, p->c.y.c);
  const void *into = placed(GRADIENTS, &gradients, sizeof gradients);
  if (!all_fit()) return;
  const int32_t status = CALL(cn_conv2d_backward_weights, p->context, p->conv, placed_epilogue,
                              p->n, x, dy, into, workspace, room);
  if (status == CN_OK) note(v, CN_BACKWARD_WEIGHTS, is_pooled(e));
  if (!takes_step(&gradients)) {
    CHECK(status < CN_OK, "gradients %d of rule %d", (int)gradients.operations,
          (int)gradients.optimizer.kind);
    return;
  }
  const bool refused =
      described == CN_OK && (gradients.operations & CN_UPDATE) != 0 && v->updates == 0;
  check_described("backward weights", refused ? CN_UNSUPPORTED : described, status,
                  refused || room == v->workspace || v->workspace == 0);
}

/* The operations that a pass may be asked to do. First layers are pooled more often. */
static int32_t operations_of(const cn_conv2d *c, int32_t pass) {
  const int32_t pooled = c->x.layout == CN_PLAIN ? 70 : 30;
  if (pass == CN_BACKWARD_DATA) return CN_ADD | CN_SLOPE;
  if (pass == CN_BACKWARD_WEIGHTS) return chance(100 - pooled) ? CN_BIAS : CN_BIAS | CN_POOL;
  return chance(100 - pooled) ? CN_BIAS | CN_ADD | CN_ACTIVATE | CN_STATISTICS
                              : CN_BIAS | CN_ACTIVATE | CN_POOL;
}

static void run_pass(const conv_problem *p, int32_t pass) {
  const bool halves = p->c.x.layout == CN_PLAIN && p->c.y.h > 1 && p->c.y.w > 1 && chance(60);
  cn_pool2d pool = halves ? halving_pool(&p->c.y) : any_pool(&p->c.y);
  pool.x.halo = pool.dx.halo = 0;
  pool.x.sample_stride = pool.dx.sample_stride = 0;
  if (chance(20)) SPOIL(&pool, cn_pool2d, kind, activation);
  cn_pool2d *placed_pool = offered(POOL, &pool, sizeof pool);
  const cn_tensor *result = pass == CN_BACKWARD_DATA ? &p->c.dx : &p->c.y;
  const cn_epilogue e = any_epilogue(result, operations_of(&p->c, pass), placed_pool);
  begin_call();
  cn_conv2d_variant v = {.size = sizeof v};
  const int32_t described =
      cn_conv2d_describe(p->context, p->conv, placed(EPILOGUE, &e, sizeof e), pass, p->n, &v);
  if (described != CN_OK) v.workspace = v.transformed = 0;
  if (pass == CN_FORWARD) run_forward(p, &e, &pool, described, &v);
  if (pass == CN_BACKWARD_DATA) run_backward_data(p, &e, described, &v);
  if (pass == CN_BACKWARD_WEIGHTS) run_backward_weights(p, &e, &pool, described, &v);
}

void fuzz_convolution(void) {
  const cn_context context = any_context();
  const bool large = chance(20);
  conv_problem p = {.c = large ? any_large_conv() : any_conv(), .n = any_batch()};
  if (chance(30)) p.c.y.halo = 0;
  if (chance(10)) p.c.transformed = 1;
  if (chance(30)) SPOIL(&p.c, cn_conv2d, groups, window);
  if (chance(20)) spoil(&p.c.window, sizeof p.c.window / sizeof(int32_t));
  if (is_long(&p.c, p.n, large ? 16.0 * MOST_WORK : MOST_WORK)) return;
  p.context = offered(CONTEXT, &context, sizeof context);
  p.conv = offered(LAYER, &p.c, sizeof p.c);
  convert_weights(&p);
  for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_WEIGHTS; pass++) {
    transform_weights(&p, pass);
    run_pass(&p, pass);
  }
}
