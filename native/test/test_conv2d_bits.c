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
  pool.y = (cn_tensor){conv.y.c,
                       positions(room_h, v->stride_h, conv.y.h + v->pad_top, rounds_up),
                       positions(room_w, v->stride_w, conv.y.w + v->pad_left, rounds_up),
                       1,
                       CN_BLOCKED,
                       0};
  if (room_h < 0 || room_w < 0 || cn_conv2d_pools(&conv, &pool) != 1) {
    free_problem(&p);
    return;
  }
  pooled_cases++;
  const int64_t y_floats = cn_tensor_floats(&pool.y, p.n);
  const int64_t winner_floats = (cn_pool2d_winner_bytes(&pool, p.n) + 3) / 4;
  float *x = new_tensor(&conv.x, p.n, p.x), *w = new_floats(cn_conv2d_weight_floats(&conv));
  float *bias = p.bias != NULL ? new_channels(conv.y.c, p.bias) : NULL;
  float *whole = new_floats(cn_tensor_floats(&conv.y, p.n));
  /* The winners, if any, are stored behind y. */
  const bool wins = winner_floats > 0;
  const int64_t all = y_floats + winner_floats;
  float *expected = new_floats(all), *got = new_floats(all);
  for (int32_t isa = first_isa(); isa <= cn_cpu_isa(); isa++) {
    const cn_context one = context_of(isa, 1);
    const int64_t floats = cn_conv2d_workspace_floats(&one, &conv, CN_FORWARD, p.n);
    float *workspace = new_floats(floats);
    CHECK(cn_conv2d_pack_weights(&one, &conv, p.w, w) == CN_OK, "%s", t->name);
    CHECK(cn_conv2d_forward(&one, &conv, p.n, x, w, bias, NULL, whole, NULL, workspace, floats) ==
              CN_OK,
          "%s", t->name);
    CHECK(cn_pool2d_forward(&one, &pool, p.n, whole, expected,
                            wins ? (uint8_t *)(expected + y_floats) : NULL) == CN_OK,
          "%s", t->name);
    free(workspace);
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(isa, thread_counts[i]);
      const int64_t room = cn_conv2d_pool_workspace_floats(&context, &conv, &pool, p.n);
      workspace = new_floats(room);
      fill_nan(got, all);
      CHECK(cn_conv2d_pool_forward(&context, &conv, &pool, p.n, x, w, bias, got,
                                   wins ? (uint8_t *)(got + y_floats) : NULL, workspace,
                                   room) == CN_OK,
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
  const cn_tensor pooled = {c->y.c, c->y.h / 2, c->y.w / 2, 1, CN_BLOCKED, 0};
  const cn_pool2d pool = {.x = c->dy,
                          .y = pooled,
                          .dx = c->dy,
                          .dy = pooled,
                          .window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1},
                          .activation = activation};
  if (pooled.h == 0 || pooled.w == 0 || cn_conv2d_pools_backward(c, &pool) != 1) {
    free_problem(&p);
    return;
  }
  gradients_behind_pools++;
  const int64_t w_floats = cn_conv2d_weight_floats(c), db_floats = p.bias != NULL ? CN_BLOCK : 0;
  float *x = new_tensor(&c->x, p.n, p.x), *whole = new_tensor(&c->dy, p.n, p.dy);
  float *y = new_floats(cn_tensor_floats(&pooled, p.n));
  float *winners = new_floats((cn_pool2d_winner_bytes(&pool, p.n) + 3) / 4);
  float *expected = new_floats(w_floats + db_floats), *got = new_floats(w_floats + db_floats);
  for (int32_t isa = first_isa(); isa <= cn_cpu_isa(); isa++)
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(isa, thread_counts[i]);
      /* Use the winners of a random tensor as winners, and its values as a gradient. */
      CHECK(cn_pool2d_forward(&context, &pool, p.n, whole, y, (uint8_t *)winners) == CN_OK, "%s",
            t->name);
      CHECK(cn_pool2d_backward(&context, &pool, p.n, NULL, (uint8_t *)winners, y, whole) == CN_OK,
            "%s", t->name);
      const int64_t floats = cn_conv2d_workspace_floats(&context, c, CN_BACKWARD_WEIGHTS, p.n);
      float *workspace = new_floats(floats);
      fill_nan(expected, w_floats + db_floats);
      fill_nan(got, w_floats + db_floats);
      CHECK(cn_conv2d_backward_weights(&context, c, p.n, x, whole, expected,
                                       p.bias != NULL ? expected + w_floats : NULL, NULL, workspace,
                                       floats) == CN_OK,
            "%s", t->name);
      CHECK(cn_conv2d_pool_backward_weights(&context, c, &pool, p.n, x, (uint8_t *)winners, y, got,
                                            p.bias != NULL ? got + w_floats : NULL, NULL, workspace,
                                            floats) == CN_OK,
            "%s", t->name);
      check_same_bits(t->name, expected, got, w_floats + db_floats);
      free(workspace);
    }
  float *values[] = {x, whole, y, winners, expected, got};
  for (int i = 0; i < 6; i++) free(values[i]);
  free_problem(&p);
}

static void pooling_along_gives_the_same_bits(void) {
  const cn_pool2d windows[] = {
      {.window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1}, .activation = {CN_RELU, 0.0f}},
      {.window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1}, .activation = {CN_RELU6, 0.0f}},
      {.window = {3, 3, 2, 2, 1, 1, 1, 1, 1, 1}},
      {.window = {2, 3, 3, 1, 0, 0, 0, 0, 1, 1}, .kind = CN_POOL_AVERAGE},
      {.window = {2, 2, 2, 2, 1, 1, 1, 1, 1, 1}},
      {.window = {2, 3, 2, 2, 0, 1, 1, 2, 1, 1}, .kind = CN_POOL_AVERAGE, .count_include_pad = 1},
  };
  const size_t count = sizeof windows / sizeof windows[0];
  for (int i = 0; i < CONV_CASES; i++)
    for (int32_t algorithm = CN_DIRECT; algorithm <= CN_WINOGRAD_4; algorithm++)
      for (size_t j = 0; j < count && takes(&conv_cases[i], algorithm); j++)
        for (int up = 0; up < 2; up++) run_pool(&conv_cases[i], algorithm, &windows[j], up == 1);
  CHECK(pooled_cases > 200, "only %d cases were pooled", pooled_cases);
}

static void gradients_behind_a_pool_have_the_same_bits(void) {
  for (int i = 0; i < CONV_CASES; i++)
    for (int32_t kind = CN_IDENTITY; kind <= CN_RELU6 && takes(&conv_cases[i], CN_DIRECT); kind++)
      run_pool_backward(&conv_cases[i], (cn_activation){kind, 0.0f});
  CHECK(gradients_behind_pools >= 12, "only %d cases were pooled", gradients_behind_pools);
}

/* Filters transformed beforehand give the bits of filters that the pass transforms. */
static void run_transformed(const conv_case *t, int32_t algorithm, int32_t isa) {
  problem p = problem_of(t, algorithm, false, false);
  const cn_context context = context_of(isa, 2);
  outputs whole = run_passes(&context, &p), o = run_passes(&context, &p);
  const cn_conv2d *c = &p.conv;
  float *x = new_tensor(&c->x, p.n, p.x), *dy = new_tensor(&c->dy, p.n, p.dy);
  float *w = new_floats(o.dw_floats), *bias = p.bias != NULL ? new_channels(c->y.c, p.bias) : NULL;
  CHECK(cn_conv2d_pack_weights(&context, c, p.w, w) == CN_OK, "%s", t->name);
  fill_nan(o.y, o.y_floats);
  fill_nan(o.dx, o.dx_floats);
  for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_DATA; pass++) {
    float *filters = new_floats(cn_conv2d_transformed_floats(c, pass));
    CHECK(cn_conv2d_transform_weights(&context, c, pass, w, filters) == CN_OK, "%s", t->name);
    cn_conv2d conv = *c;
    conv.flags |= CN_TRANSFORMED;
    const int64_t floats = cn_conv2d_workspace_floats(&context, &conv, pass, p.n);
    float *workspace = new_floats(floats);
    const int32_t status = pass == CN_FORWARD
                               ? cn_conv2d_forward(&context, &conv, p.n, x, filters, bias, NULL,
                                                   o.y, NULL, workspace, floats)
                               : cn_conv2d_backward_data(&context, &conv, p.n, dy, filters, NULL,
                                                         NULL, o.dx, workspace, floats);
    CHECK(status == CN_OK, "%s: %s", t->name, cn_status_text(status));
    free(workspace);
    free(filters);
  }
  check_same_bits(t->name, whole.y, o.y, o.y_floats);
  check_same_bits(t->name, whole.dx, o.dx, o.dx_floats);
  float *values[] = {x, dy, w, bias};
  for (int i = 0; i < 4; i++) free(values[i]);
  free_outputs(&whole);
  free_outputs(&o);
  free_problem(&p);
}

static void transformed_filters_give_the_same_bits(void) {
  for (int i = 0; i < CONV_CASES; i++)
    for (int32_t algorithm = CN_WINOGRAD_2; algorithm <= CN_WINOGRAD_4; algorithm++)
      for (int32_t isa = first_isa(); isa <= cn_cpu_isa() && takes(&conv_cases[i], algorithm);
           isa++)
        run_transformed(&conv_cases[i], algorithm, isa);
}

int main(void) {
  pooling_along_gives_the_same_bits();
  gradients_behind_a_pool_have_the_same_bits();
  transformed_filters_give_the_same_bits();
  return verdict("conv2d_bits");
}
