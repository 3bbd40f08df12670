#include "every_conv.h"

/* ---- Convolution ----------------------------------------------------------------------------- */

enum { P = CN_PLAIN, T = CN_BLOCKED, B = CN_BIAS, R = CN_BIAS | RELU, L = CN_BIAS | LEAKY_RELU };

/* The columns are those of conv_cases. */
const conv_case
    narrow =
        {"pixels in the lanes", 3, 1, 14, 13, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1, R, P, 2, 0, 0, 0, 0, 0},
    stem = {"plain rows", 3, 3, 11, 10, 20, 3, 3, 2, 2, 1, 1, 1, 1, 1, B, P, 1, 1, 0, 0, 0, 0},
    stem_samples =
        {"plain, samples", 17, 3, 6, 7, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, B, P, 0, 0, 0, 0, 0, 0},
    samples = {"samples", 17, 5, 6, 7, 18, 3, 3, 1, 1, 1, 1, 1, 1, 1, L, T, 0, 0, 0, 0, 0, 0},
    pixels_data = {"pixels", 3, 5, 9, 15, 18, 3, 3, 1, 1, 1, 1, 1, 1, 1, L, T, 0, 0, 0, 0, 0, 0},
    blocks = {"blocks", 3, 20, 9, 7, 33, 3, 3, 1, 1, 1, 1, 1, 1, 1, R, T, 1, 0, 0, 0, 0, 0},
    strided =
        {"blocks, stride", 2, 20, 9, 7, 33, 3, 3, 2, 2, 1, 1, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    pixels = {"1x1", 3, 33, 9, 7, 20, 1, 1, 1, 1, 0, 0, 1, 1, 1, L, T, 0, 0, 0, 0, 0, 0},
    grouped = {"groups", 2, 32, 6, 7, 32, 3, 3, 1, 1, 1, 1, 1, 1, 2, B, T, 1, 0, 0, 0, 0, 0},
    loops = {"loops", 3, 6, 7, 8, 10, 3, 3, 1, 1, 1, 1, 1, 1, 2, L, T, 0, 0, 0, 0, 0, 0},
    depthwise = {"depthwise", 3, 20, 9, 7, 20, 3, 3, 1, 1, 1, 1, 1, 1, 20, R, T, 0, 0, 0, 0, 0, 0},
    depthwise_strided = {
        "depthwise, stride", 3, 20, 9, 7, 20, 3, 3, 2, 2, 1, 1, 1, 1, 20, B, T, 0, 0, 0, 0, 0, 0};

static problem own_problem(run *r, const conv_case *t, int32_t algorithm) {
  problem p = problem_of(t, algorithm, false, true);
  float *operands[] = {p.x, p.w, p.dy, p.bias, p.y_add, p.dx_add};
  for (int i = 0; i < 6; i++)
    if (operands[i] != NULL) own(r, operands[i]);
  make_tiny(r, p.x, p.x_count);
  make_tiny(r, p.w, p.w_count);
  make_tiny(r, p.dy, p.y_count);
  p.shift = r->shift;
  return p;
}

void convolve(run *r, const conv_case *t, int32_t algorithm) {
  const problem p = own_problem(r, t, algorithm);
  const cn_conv2d *c = &p.conv;
  const outputs o = run_passes(r->context, &p);
  float *all[] = {o.y, o.dx, o.dw, o.db, o.statistics};
  const int64_t floats[] = {o.y_floats, o.dx_floats, o.dw_floats, o.db_floats, o.statistics_floats};
  for (int i = 0; i < 5; i++) keep(r, own(r, all[i]), floats[i]);
  const cn_epilogue e = {.size = sizeof e, .operations = CN_BIAS};
  cn_conv2d_variant v = {.size = sizeof v};
  RUN(cn_conv2d_describe(r->context, c, &e, CN_BACKWARD_WEIGHTS, p.n, &v));
  for (int32_t kind = CN_SGD; v.updates == 1 && kind <= CN_ADAM; kind++) {
    const cn_gradients g = gradients(r, kind, o.dw, o.dw_floats, o.db, o.db_floats);
    void *workspace = own(r, new_bytes(v.workspace));
    RUN(cn_conv2d_backward_weights(r->context, c, &e, p.n, tensor(r, &c->x, p.n),
                                   tensor(r, &c->dy, p.n), &g, workspace, v.workspace));
  }
}

void convolve_and_pool(run *r, const conv_case *t, int32_t algorithm) {
  const problem p = own_problem(r, t, algorithm);
  cn_conv2d c = p.conv;
  c.x.sample_stride = c.y.sample_stride = c.dy.sample_stride = 0;
  const cn_tensor pooled = {c.y.c, c.y.h / 2, c.y.w / 2, 0, CN_BLOCKED, 0, 0};
  const cn_pool2d pool = {.size = sizeof pool,
                          .x = c.y,
                          .y = pooled,
                          .dx = c.y,
                          .dy = pooled,
                          .window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1},
                          .winners = 1};
  const int64_t bytes = cn_pool2d_winner_bytes(&pool, p.n);
  cn_epilogue e = epilogue_of(&p, channels(r, c.y.c));
  e.operations |= CN_POOL;
  e.pool = &pool;
  e.winners = own(r, new_bytes(bytes));
  const float *x = tensor(r, &c.x, p.n);
  const int64_t w_floats = floats_in(cn_conv2d_weight_bytes(&c));
  float *w = aligned_result(r, w_floats);
  RUN(cn_conv2d_pack_weights(r->context, &c, p.w, w));
  int64_t room;
  void *workspace = own(r, new_workspace(r->context, &c, &e, CN_FORWARD, p.n, &room));
  RUN(cn_conv2d_forward(r->context, &c, &e, p.n, x, w, tensor_result(r, &pooled, p.n), workspace,
                        room));
  keep(r, (float *)(void *)e.winners, bytes / 4);
  e.operations &= ~CN_ACTIVATE;
  cn_conv2d_variant v = {.size = sizeof v};
  if (cn_conv2d_describe(r->context, &c, &e, CN_BACKWARD_WEIGHTS, p.n, &v) != CN_OK) return;
  const cn_gradients g = {.size = sizeof g,
                          .operations = CN_STORE,
                          .dw = aligned_result(r, w_floats),
                          .db = aligned_result(r, 16)};
  workspace = own(r, new_workspace(r->context, &c, &e, CN_BACKWARD_WEIGHTS, p.n, &room));
  RUN(cn_conv2d_backward_weights(r->context, &c, &e, p.n, x, tensor(r, &pooled, p.n), &g, workspace,
                                 room));
}

void conv2d_pack(run *r) {
  const conv_case *forms[] = {&stem, &blocks, &grouped, &loops, &depthwise};
  for (int i = 0; i < 5; i++) {
    const cn_conv2d c = conv_of(forms[i]);
    const int64_t oihw = (int64_t)c.y.c * (c.x.c / c.groups) * 9;
    float *packed_weights = aligned_result(r, floats_in(cn_conv2d_weight_bytes(&c)));
    RUN(cn_conv2d_pack_weights(r->context, &c, values(r, oihw), packed_weights));
    RUN(cn_conv2d_unpack_weights(r->context, &c, packed_weights, result(r, oihw)));
  }
}

void conv2d_transform(run *r) {
  for (int32_t algorithm = CN_WINOGRAD_2; algorithm <= CN_WINOGRAD_4; algorithm++)
    for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_DATA; pass++) {
      cn_conv2d c = conv_of(&blocks);
      c.algorithm = algorithm;
      cn_conv2d_variant v = {.size = sizeof v};
      RUN(cn_conv2d_describe(r->context, &c, NULL, pass, 5, &v));
      float *w = aligned_result(r, floats_in(cn_conv2d_weight_bytes(&c)));
      RUN(cn_conv2d_pack_weights(r->context, &c, values(r, 33 * 20 * 9), w));
      RUN(cn_conv2d_transform_weights(r->context, &c, pass, w,
                                      aligned_result(r, floats_in(v.transformed))));
    }
}
