/* Passes with fused operations, or with filters transformed beforehand, give the bits of the
 * separate operations. */
#include "conv_problem.h"

/* Number of convolutions with fused pooling; the rest do not fit the cache. */
static int pooled_cases;
static int gradients_behind_pools; /* number of cases with a kernel for them */

/* Positions of a window with `room` to move. Rounded up, the last one must begin before `end`. */
static int32_t positions(int32_t room, int32_t stride, int32_t end, bool rounds_up) {
  const int32_t down = room / stride + 1;
  return rounds_up && room % stride != 0 && down * stride < end ? down + 1 : down;
}

static bool is_supported(const cn_conv2d *conv, const cn_epilogue *epilogue, int32_t pass,
                         int32_t n) {
  const cn_context context = context_of(0, 1);
  cn_conv2d_variant v = {.size = sizeof v};
  const int32_t status = cn_conv2d_describe(&context, conv, epilogue, pass, n, &v);
  CHECK(status == CN_OK || status == CN_UNSUPPORTED, "%s", cn_status_text(status));
  return status == CN_OK;
}

/* Weight gradients, then those of the bias. */
static void run_weights(const cn_context *context, const problem *p, const cn_epilogue *epilogue,
                        const float *x, const float *dy, float *out) {
  float *db = out + floats_in(cn_conv2d_weight_bytes(&p->conv));
  const cn_gradients g = {.size = sizeof g, .operations = CN_STORE, .dw = out, .db = db};
  int64_t bytes;
  void *workspace = new_workspace(context, &p->conv, epilogue, CN_BACKWARD_WEIGHTS, p->n, &bytes);
  const int32_t status =
      cn_conv2d_backward_weights(context, &p->conv, epilogue, p->n, x, dy, &g, workspace, bytes);
  CHECK(status == CN_OK, "%s: %s", p->t->name, cn_status_text(status));
  free(workspace);
}

/* Fused pooling gives the bits of convolution followed by pooling. */
static void run_pool(const conv_case *t, int32_t algorithm, const cn_pool2d *window,
                     bool rounds_up) {
  problem p = problem_of(t, algorithm, false, false);
  cn_conv2d conv = p.conv;
  conv.y.halo = 0;
  cn_pool2d pool = *window;
  pool.x = pool.dx = conv.y;
  const cn_window *v = &pool.window;
  const int32_t room_h = conv.y.h + v->pad_top + v->pad_bottom - v->kernel_h;
  const int32_t room_w = conv.y.w + v->pad_left + v->pad_right - v->kernel_w;
  pool.y = pool.dy =
      (cn_tensor){.c = conv.y.c,
                  .h = positions(room_h, v->stride_h, conv.y.h + v->pad_top, rounds_up),
                  .w = positions(room_w, v->stride_w, conv.y.w + v->pad_left, rounds_up),
                  .halo = 1,
                  .layout = CN_BLOCKED};
  const bool same = rounds_up &&
                    positions(room_h, v->stride_h, conv.y.h + v->pad_top, false) == pool.y.h &&
                    positions(room_w, v->stride_w, conv.y.w + v->pad_left, false) == pool.y.w;
  float *bias = p.bias != NULL ? new_channels(conv.y.c, p.bias) : NULL;
  const cn_epilogue alone = epilogue_of(&p, bias);
  cn_epilogue fused = alone;
  fused.operations |= CN_POOL;
  fused.pool = &pool;
  if (same || room_h < 0 || room_w < 0 || !is_supported(&conv, &fused, CN_FORWARD, p.n)) {
    free(bias);
    free_problem(&p);
    return;
  }
  pooled_cases++;
  const int64_t y_floats = tensor_floats(&pool.y, p.n);
  /* The winners, if any, are stored behind y. */
  const int64_t winner_bytes = pool.winners == 1 ? cn_pool2d_winner_bytes(&pool, p.n) : 0;
  const int64_t all = y_floats + (winner_bytes + 3) / 4;
  float *x = new_tensor(&conv.x, p.n, p.x);
  float *w = new_floats(floats_in(cn_conv2d_weight_bytes(&conv)));
  float *whole = new_floats(tensor_floats(&conv.y, p.n));
  float *expected = new_floats(all), *got = new_floats(all);
  fused.winners = (uint8_t *)(got + y_floats);
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context one = context_of(set, 1);
    int64_t bytes;
    void *workspace = new_workspace(&one, &conv, &alone, CN_FORWARD, p.n, &bytes);
    CHECK(cn_conv2d_pack_weights(&one, &conv, p.w, w) == CN_OK, "%s", t->name);
    CHECK(cn_conv2d_forward(&one, &conv, &alone, p.n, x, w, whole, workspace, bytes) == CN_OK, "%s",
          t->name);
    CHECK(cn_pool2d_forward(&one, &pool, p.n, whole, expected, (uint8_t *)(expected + y_floats)) ==
              CN_OK,
          "%s", t->name);
    free(workspace);
    for (int i = 0; i < 2; i++) {
      const cn_context context = context_of(set, i == 0 ? 1 : next_thread_count());
      workspace = new_workspace(&context, &conv, &fused, CN_FORWARD, p.n, &bytes);
      fill_nan(got, all);
      CHECK(cn_conv2d_forward(&context, &conv, &fused, p.n, x, w, got, workspace, bytes) == CN_OK,
            "%s", t->name);
      check_same_bits(t->name, expected, got, all);
      free(workspace);
    }
  }
  float *values[] = {x, w, bias, whole, expected, got};
  for (int i = 0; i < 6; i++) free(values[i]);
  free_problem(&p);
}

/* Weight gradients computed from the gradient of the pool's output have the bits of those computed
 * from the gradient of its input. */
static void run_pool_backward(const conv_case *t, cn_activation activation) {
  problem p = problem_of(t, CN_DIRECT, false, false);
  const cn_conv2d *c = &p.conv;
  const cn_tensor pooled = {
      .c = c->y.c, .h = c->y.h / 2, .w = c->y.w / 2, .halo = 1, .layout = CN_BLOCKED};
  const cn_pool2d pool = {.size = sizeof pool,
                          .x = c->dy,
                          .y = pooled,
                          .dx = c->dy,
                          .dy = pooled,
                          .window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1},
                          .winners = 1,
                          .activation = activation};
  cn_pool2d behind = pool;
  behind.x.halo = 0;
  behind.x.sample_stride = 0;
  const cn_epilogue alone = {.size = sizeof alone, .operations = p.bias != NULL ? CN_BIAS : 0};
  cn_epilogue fused = alone;
  fused.operations |= CN_POOL;
  fused.pool = &behind;
  if (pooled.h == 0 || pooled.w == 0 || !is_supported(c, &fused, CN_BACKWARD_WEIGHTS, p.n)) {
    free_problem(&p);
    return;
  }
  gradients_behind_pools++;
  const int64_t w_floats = floats_in(cn_conv2d_weight_bytes(c));
  const int64_t all = w_floats + (p.bias != NULL ? CN_BLOCK : 0);
  float *x = new_tensor(&c->x, p.n, p.x), *whole = new_tensor(&c->dy, p.n, p.dy);
  float *y = new_floats(tensor_floats(&pooled, p.n));
  uint8_t *winners = new_bytes(cn_pool2d_winner_bytes(&pool, p.n));
  fused.winners = winners;
  float *expected = new_floats(all), *got = new_floats(all);
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < 3; i++) {
      const cn_context context = context_of(set, i == 0 ? 1 : next_thread_count());
      /* Use the winners of a random tensor as winners, and its values as a gradient. */
      CHECK(cn_pool2d_forward(&context, &pool, p.n, whole, y, winners) == CN_OK, "%s", t->name);
      CHECK(cn_pool2d_backward(&context, &pool, p.n, NULL, winners, y, whole) == CN_OK, "%s",
            t->name);
      fill_nan(expected, all);
      fill_nan(got, all);
      run_weights(&context, &p, &alone, x, whole, expected);
      run_weights(&context, &p, &fused, x, y, got);
      check_same_bits(t->name, expected, got, all);
    }
  float *values[] = {x, whole, y, expected, got};
  for (int i = 0; i < 5; i++) free(values[i]);
  free(winners);
  free_problem(&p);
}

static void pooling_along_gives_the_same_bits(void) {
  cn_pool2d windows[] = {
      {.window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1}, .winners = 1, .activation = {.kind = CN_RELU}},
      {.window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1}, .winners = 1, .activation = {.kind = CN_RELU6}},
      {.window = {3, 3, 2, 2, 1, 1, 1, 1, 1, 1}, .winners = 1},
      {.window = {2, 3, 3, 1, 0, 0, 0, 0, 1, 1}, .kind = CN_POOL_AVERAGE},
      {.window = {2, 2, 2, 2, 1, 1, 1, 1, 1, 1}},
      {.window = {2, 3, 2, 2, 0, 1, 1, 2, 1, 1}, .kind = CN_POOL_AVERAGE, .count_include_pad = 1},
  };
  const size_t count = sizeof windows / sizeof windows[0];
  for (size_t j = 0; j < count; j++) windows[j].size = sizeof windows[j];
  for (int i = 0; i < CONV_CASES; i++)
    for (int32_t algorithm = CN_DIRECT; algorithm <= CN_WINOGRAD_4; algorithm++)
      for (size_t j = 0; j < count && takes(&conv_cases[i], algorithm); j++)
        for (int up = 0; up < 2; up++) run_pool(&conv_cases[i], algorithm, &windows[j], up == 1);
  CHECK(pooled_cases > 200, "only %d cases were pooled", pooled_cases);
}

static void gradients_behind_a_pool_have_the_same_bits(void) {
  for (int i = 0; i < CONV_CASES; i++)
    for (int32_t kind = CN_IDENTITY; kind <= CN_RELU6 && takes(&conv_cases[i], CN_DIRECT); kind++)
      run_pool_backward(&conv_cases[i], (cn_activation){.kind = kind});
  CHECK(gradients_behind_pools >= 12, "only %d cases were pooled", gradients_behind_pools);
}

/* Filters transformed beforehand give the bits of filters that the pass transforms. */
static void run_transformed(const conv_case *t, int32_t algorithm, int set) {
  problem p = problem_of(t, algorithm, false, false);
  const cn_context context = context_of(set, THREADS);
  outputs whole = run_passes(&context, &p);
  cn_conv2d conv = p.conv;
  conv.transformed = 1;
  float *x = new_tensor(&conv.x, p.n, p.x), *dy = new_tensor(&conv.dy, p.n, p.dy);
  float *w = new_floats(whole.dw_floats), *y = new_floats(whole.y_floats);
  float *dx = new_floats(whole.dx_floats);
  float *bias = p.bias != NULL ? new_channels(conv.y.c, p.bias) : NULL;
  CHECK(cn_conv2d_pack_weights(&context, &p.conv, p.w, w) == CN_OK, "%s", t->name);
  const cn_epilogue e = epilogue_of(&p, bias);
  for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_DATA; pass++) {
    const cn_epilogue *epilogue = pass == CN_FORWARD ? &e : NULL;
    cn_conv2d_variant v = {.size = sizeof v};
    CHECK(cn_conv2d_describe(&context, &p.conv, epilogue, pass, p.n, &v) == CN_OK, "%s", t->name);
    CHECK(v.transformed > 0, "%s: %lld bytes", t->name, (long long)v.transformed);
    float *filters = new_bytes(v.transformed);
    CHECK(cn_conv2d_transform_weights(&context, &p.conv, pass, w, filters) == CN_OK, "%s", t->name);
    int64_t bytes;
    void *workspace = new_workspace(&context, &conv, epilogue, pass, p.n, &bytes);
    const int32_t status =
        pass == CN_FORWARD
            ? cn_conv2d_forward(&context, &conv, epilogue, p.n, x, filters, y, workspace, bytes)
            : cn_conv2d_backward_data(&context, &conv, epilogue, p.n, dy, filters, dx, workspace,
                                      bytes);
    CHECK(status == CN_OK, "%s: %s", t->name, cn_status_text(status));
    free(workspace);
    free(filters);
  }
  check_same_bits(t->name, whole.y, y, whole.y_floats);
  check_same_bits(t->name, whole.dx, dx, whole.dx_floats);
  float *values[] = {x, dy, w, bias, y, dx};
  for (int i = 0; i < 6; i++) free(values[i]);
  free_outputs(&whole);
  free_problem(&p);
}

static void transformed_filters_give_the_same_bits(void) {
  for (int i = 0; i < CONV_CASES; i++)
    for (int32_t algorithm = CN_WINOGRAD_2; algorithm <= CN_WINOGRAD_4; algorithm++)
      for (int set = 0; set < instruction_sets() && takes(&conv_cases[i], algorithm); set++)
        run_transformed(&conv_cases[i], algorithm, set);
}

int main(void) {
  pooling_along_gives_the_same_bits();
  gradients_behind_a_pool_have_the_same_bits();
  transformed_filters_give_the_same_bits();
  return verdict("conv2d_bits");
}
