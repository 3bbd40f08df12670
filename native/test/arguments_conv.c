/* The arguments of convolutions. */
#include "arguments.h"

FUNCTION(cn_conv2d_weight_bytes, a.by_conv);
FUNCTION(cn_conv2d_layout, a.by_conv);
FUNCTION(cn_conv2d_describe, a.in, a.by_conv, a.behind, a.pass, a.n, a.described);
FUNCTION(cn_conv2d_pack_weights, a.in, a.by_conv, a.x, a.w);
FUNCTION(cn_conv2d_unpack_weights, a.in, a.by_conv, a.w, a.y);
FUNCTION(cn_conv2d_transform_weights, a.in, a.by_conv, a.pass, a.w, a.y);
FUNCTION(cn_conv2d_forward, a.in, a.by_conv, a.behind, a.n, a.x, a.w, a.y, a.workspace, a.room);
FUNCTION(cn_conv2d_backward_data, a.in, a.by_conv, a.behind, a.n, a.dy, a.w, a.dx, a.workspace,
         a.room);
FUNCTION(cn_conv2d_backward_weights, a.in, a.by_conv, a.behind, a.n, a.x, a.dy, a.into, a.workspace,
         a.room);

/* Whether a query without a status gives an answer. */
static int64_t run_cn_conv2d_weight_order(void) {
  return cn_conv2d_weight_order(a.by_conv) == NULL ? -1 : 0;
}
static const function cn_conv2d_weight_order_row = {"cn_conv2d_weight_order",
                                                    run_cn_conv2d_weight_order};

enum { GRADIENTS = PIECES - GRADIENT_PIECES };

/* The bytes of the workspace of `valid`. */
static void measure(void) {
  a = valid;
  CHECK(cn_conv2d_describe(a.in, a.by_conv, a.behind, a.pass, a.n, a.described) == CN_OK,
        "a valid convolution, pass %d", (int)a.pass);
  CHECK(a.variant.workspace <= PIECE, "%lld bytes", (long long)a.variant.workspace);
  valid.room = a.variant.workspace;
}

/* 3x3 filters, with a bias. The rows of images without a halo are copied into the workspace. */
static void begin_conv(int32_t pass, int32_t operations) {
  begin_table();
  const cn_tensor x = blocked(16, 8, 8), y = blocked(32, 8, 8);
  valid.conv = (cn_conv2d){.size = sizeof valid.conv,
                           .groups = 1,
                           .x = x,
                           .y = y,
                           .dx = x,
                           .dy = y,
                           .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}};
  const cn_tensor result = pass == CN_BACKWARD_DATA ? x : y;
  valid.epilogue = (cn_epilogue){.size = sizeof valid.epilogue,
                                 .operations = operations,
                                 .add = result,
                                 .outputs = result,
                                 .bias = piece(0),
                                 .add_values = piece(1),
                                 .output_values = piece(2),
                                 .statistics = piece(3)};
  valid.variant.size = sizeof valid.variant;
  valid.by_conv = &a.conv;
  valid.behind = &a.epilogue;
  valid.described = &a.variant;
  valid.pass = pass;
  valid.n = 1;
  valid.x = piece(4);
  valid.w = piece(5);
  valid.y = piece(6);
  valid.dy = piece(7);
  valid.dx = piece(8);
  valid.workspace = piece(9);
  valid.gradients = gradients_in(GRADIENTS);
  valid.into = &a.gradients;
  measure();
}

/* What every function refuses; `size` is what it returns for a valid convolution. */
static void shape_rows(const function *f, int64_t size) {
  cn_conv2d *c = &a.conv;
  ROW(f, size, (void)0);
  DESCRIPTOR(f, a.conv, a.by_conv);
  tensor_rows(f, &c->x);
  tensor_rows(f, &c->y);
  ROW(f, CN_BAD_LAYOUT, c->y.layout = CN_PLAIN);
  ROW(f, CN_BAD_LAYOUT, c->x.layout = CN_PLAIN); /* of 16 channels */
  ROW(f, CN_BAD_LAYOUT, c->x.layout = CN_FLAT);
  int32_t *least_1[] = {&c->window.kernel_h, &c->window.kernel_w,   &c->window.stride_h,
                        &c->window.stride_w, &c->window.dilation_h, &c->window.dilation_w,
                        &c->groups};
  for (int i = 0; i < 7; i++) {
    ROW(f, CN_BAD_SHAPE, *least_1[i] = 0);
    ROW(f, CN_BAD_SHAPE, *least_1[i] = INT32_MIN);
    ROW(f, CN_BAD_SHAPE, *least_1[i] = CN_MOST_WINDOW + 1);
  }
  int32_t *least_0[] = {&c->window.pad_top, &c->window.pad_left, &c->window.pad_bottom,
                        &c->window.pad_right};
  for (int i = 0; i < 4; i++) {
    ROW(f, CN_BAD_SHAPE, *least_0[i] = -1);
    ROW(f, CN_BAD_SHAPE, *least_0[i] = CN_MOST_WINDOW + 1);
  }
  ROW(f, CN_BAD_SHAPE, c->groups = 3);
  ROW(f, CN_BAD_SHAPE, c->y.h = c->dy.h = 9);
  ROW(f, CN_BAD_SHAPE, c->y.w = c->dy.w = 9);
  ROW(f, CN_BAD_SHAPE, c->window.kernel_h = 11);
  ROW(f, CN_BAD_SHAPE, c->window.dilation_h = 5);
  ROW(f, CN_BAD_SHAPE, c->window.stride_h = 1 << 20);
  ROW(f, CN_BAD_VALUE, c->algorithm = CN_ALGORITHMS);
  ROW(f, CN_BAD_VALUE, c->algorithm = -1);
  ROW(f, CN_BAD_VALUE, c->transformed = 2);
  ROW(f, CN_BAD_VALUE, c->transformed = -1);
}

static void queries(void) {
  begin_conv(CN_FORWARD, CN_BIAS);
  shape_rows(&cn_conv2d_weight_bytes_row, 2 * 9 * 256 * 4);
  const function *order = &cn_conv2d_weight_order_row;
  ROW(order, 0, (void)0);
  ROW(order, -1, a.by_conv = NULL);
  ROW(order, -1, a.conv.size = 0);
  ROW(order, -1, a.conv.groups = 3);
  ROW(order, -1, a.conv.y.h = 9);
  ROW(order, 0, a.conv.algorithm = CN_WINOGRAD_2);
  const function *layout = &cn_conv2d_layout_row;
  ROW(layout, CN_BLOCKED, (void)0);
  ROW(layout, CN_BLOCKED, a.conv.x.layout = a.conv.dx.layout = CN_PLAIN);
  DESCRIPTOR(layout, a.conv, a.by_conv);
  ROW(layout, CN_BAD_SHAPE, a.conv.groups = 0);
  ROW(layout, CN_BAD_SHAPE, a.conv.window.stride_h = 0);
  ROW(layout, CN_PLAIN, a.conv.x.c = a.conv.dx.c = 3);
}

static void descriptions(void) {
  for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_WEIGHTS; pass++) {
    begin_conv(pass, pass == CN_BACKWARD_DATA ? CN_ADD : CN_BIAS);
    const function *describe = &cn_conv2d_describe_row;
    context_rows(describe);
    batch_rows(describe);
    shape_rows(describe, CN_OK);
    DESCRIPTOR(describe, a.variant, a.described);
    ROW(describe, CN_BAD_VALUE, a.pass = 3);
    ROW(describe, CN_BAD_VALUE, a.pass = -1);
    ROW(describe, CN_UNSUPPORTED, a.conv.algorithm = CN_WINOGRAD_4, a.conv.window.stride_w = 2,
        a.conv.y.w = a.conv.dy.w = 4);
    ROW(describe, CN_BAD_VALUE, a.conv.transformed = 1);
    ROW(describe, pass == CN_BACKWARD_WEIGHTS ? CN_BAD_VALUE : CN_OK,
        a.conv.algorithm = CN_WINOGRAD_2, a.conv.transformed = 1);
    IGNORED(describe, a.epilogue.bias, a.epilogue.add_values = NULL);
    if (pass == CN_FORWARD) {
      ROW(describe, CN_OK, a.conv.dx.h = 0);
      ROW(describe, CN_OK, a.conv.dy.type = 1);
      continue;
    }
    same_shape_rows(describe, &a.conv.dy);
    ROW(describe, CN_BAD_LAYOUT, a.conv.dy.layout = CN_PLAIN);
    if (pass == CN_BACKWARD_DATA) {
      same_shape_rows(describe, &a.conv.dx);
      ROW(describe, CN_BAD_LAYOUT, a.conv.dx.layout = CN_PLAIN);
    } else
      ROW(describe, CN_OK, a.conv.dx.h = 0);
  }
}

static void weights(void) {
  begin_conv(CN_FORWARD, 0);
  const function *pack = &cn_conv2d_pack_weights_row, *unpack = &cn_conv2d_unpack_weights_row;
  context_rows(pack);
  shape_rows(pack, CN_OK);
  REQUIRED(pack, a.x);
  ALIGNED(pack, a.w);
  ROW(pack, CN_OK, a.x = beside(a.x, 4));
  context_rows(unpack);
  shape_rows(unpack, CN_OK);
  ALIGNED(unpack, a.w);
  REQUIRED(unpack, a.y);
  ROW(unpack, CN_OK, a.y = beside(a.y, 4));
  const function *transform = &cn_conv2d_transform_weights_row;
  ROW(transform, CN_UNSUPPORTED, (void)0);
  valid.conv.algorithm = CN_WINOGRAD_2;
  context_rows(transform);
  shape_rows(transform, CN_OK);
  ALIGNED(transform, a.w);
  ALIGNED(transform, a.y);
  ROW(transform, CN_BAD_VALUE, a.pass = CN_BACKWARD_WEIGHTS);
  ROW(transform, CN_BAD_VALUE, a.pass = 3);
  ROW(transform, CN_UNSUPPORTED, a.conv.window.dilation_w = 2, a.conv.y.w = a.conv.dy.w = 6);
  ROW(transform, CN_BAD_SHAPE, a.pass = CN_BACKWARD_DATA, a.conv.dx.c = 160);
  ROW(transform, CN_OK, a.conv.dx.c = 160);
}

static void forward(void) {
  begin_conv(CN_FORWARD, CN_BIAS);
  const function *f = &cn_conv2d_forward_row;
  context_rows(f);
  batch_rows(f);
  shape_rows(f, CN_OK);
  workspace_rows(f);
  ALIGNED(f, a.x);
  ALIGNED(f, a.w);
  ALIGNED(f, a.y);
  ROW(f, CN_BAD_VALUE, a.conv.transformed = 1);
  operation_rows(f, ~CN_SLOPE);
  epilogue_rows(f, CN_BIAS | CN_ADD | CN_ACTIVATE | CN_STATISTICS);
  IGNORED(f, a.workspace, a.conv.x.halo = 1, a.room = -1);
  ROW(f, CN_OK, a.conv.dx.h = 0, a.conv.dy.type = 1);
  valid.conv.x = (cn_tensor){.c = 3, .h = 8, .w = 8, .halo = 1};
  measure();
  REQUIRED(f, a.x);
  ROW(f, CN_OK, a.x = beside(a.x, 4));
}

static void backward_data(void) {
  begin_conv(CN_BACKWARD_DATA, 0);
  const function *f = &cn_conv2d_backward_data_row;
  context_rows(f);
  batch_rows(f);
  shape_rows(f, CN_OK);
  workspace_rows(f);
  ALIGNED(f, a.dy);
  ALIGNED(f, a.w);
  ALIGNED(f, a.dx);
  operation_rows(f, CN_ADD | CN_SLOPE);
  epilogue_rows(f, CN_ADD | CN_SLOPE);
  same_shape_rows(f, &a.conv.dx);
  same_shape_rows(f, &a.conv.dy);
}

static void backward_weights(void) {
  begin_conv(CN_BACKWARD_WEIGHTS, CN_BIAS);
  const function *f = &cn_conv2d_backward_weights_row;
  context_rows(f);
  batch_rows(f);
  shape_rows(f, CN_OK);
  workspace_rows(f);
  ALIGNED(f, a.x);
  ALIGNED(f, a.dy);
  operation_rows(f, CN_BIAS | CN_POOL);
  gradient_rows(f);
  same_shape_rows(f, &a.conv.dy);
  /* Weights in any other form are not updated. */
  valid.conv.groups = 2;
  valid.conv.y.c = valid.conv.dy.c = 10;
  measure();
  ROW(f, CN_OK, (void)0);
  ROW(f, CN_UNSUPPORTED, a.gradients.operations = CN_UPDATE);
  ROW(f, CN_UNSUPPORTED, a.gradients.operations = CN_STORE | CN_UPDATE);
}

/* Those of the first pixel of every window. */
static uint8_t *winners;

/* A first layer of few filters, whose results are pooled; backward, the pool's winners. */
static void begin_pooled(int32_t pass) {
  begin_conv(pass, CN_BIAS);
  cn_conv2d *c = &valid.conv;
  c->x = c->dx = (cn_tensor){.c = 1, .h = 8, .w = 8, .halo = 1};
  c->y = c->dy = blocked(6, 8, 8);
  const cn_tensor pooled = blocked(6, 4, 4);
  valid.pool = (cn_pool2d){.size = sizeof valid.pool,
                           .kind = CN_POOL_MAX,
                           .x = c->y,
                           .y = pooled,
                           .dx = c->y,
                           .dy = pooled,
                           .window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1},
                           .winners = 1};
  valid.epilogue.operations = CN_BIAS | CN_POOL;
  valid.epilogue.pool = &a.pool;
  valid.epilogue.winners = winners;
  measure();
}

/* A pool behind a convolution. */
static void pool_rows(const function *f) {
  ROW(f, CN_NULL_POINTER, a.epilogue.pool = NULL);
  ROW(f, CN_BAD_SIZE, a.pool.size = 0);
  ROW(f, CN_BAD_SIZE, a.pool.size = UINT32_MAX);
  ROW(f, CN_BAD_VALUE, a.pool.kind = 2);
  ROW(f, CN_BAD_VALUE, a.pool.winners = 2);
  ROW(f, CN_BAD_VALUE, a.pool.activation.kind = CN_LEAKY_RELU);
  ROW(f, CN_BAD_SHAPE, a.pool.window.pad_top = 2);
}

static void pooled(void) {
  const function *f = &cn_conv2d_forward_row;
  begin_pooled(CN_FORWARD);
  pool_rows(&cn_conv2d_describe_row);
  ROW(f, CN_OK, (void)0);
  pool_rows(f);
  ROW(f, CN_NULL_POINTER, a.epilogue.winners = NULL);
  ROW(f, CN_MISALIGNED, a.epilogue.winners += 4);
  ROW(f, CN_OK, a.epilogue.winners = nowhere, a.pool.winners = 0);
  ROW(f, CN_OK, a.epilogue.operations = CN_POOL, a.epilogue.bias = nowhere);
  ROW(f, CN_OK, a.epilogue.operations |= CN_ACTIVATE);
  ROW(f, CN_UNSUPPORTED, a.epilogue.operations |= CN_ADD);
  ROW(f, CN_UNSUPPORTED, a.epilogue.operations |= CN_STATISTICS);
  ROW(f, CN_BAD_SHAPE, a.pool.x.h = 9);
  ROW(f, CN_BAD_SHAPE, a.conv.y.halo = 1);
  ROW(f, CN_BAD_SHAPE, a.pool.y.w = 5);
  f = &cn_conv2d_backward_weights_row;
  begin_pooled(CN_BACKWARD_WEIGHTS);
  pool_rows(&cn_conv2d_describe_row);
  ROW(f, CN_OK, (void)0);
  pool_rows(f);
  ROW(f, CN_NULL_POINTER, a.epilogue.winners = NULL);
  ROW(f, CN_MISALIGNED, a.epilogue.winners += 4);
  ROW(f, CN_UNSUPPORTED, a.pool.winners = 0);
  ROW(f, CN_UNSUPPORTED, a.pool.kind = CN_POOL_AVERAGE, a.pool.winners = 0);
  ROW(f, CN_BAD_SHAPE, a.pool.dx.h = 9);
  ROW(f, CN_BAD_SHAPE, a.pool.dy.w = 5);
  ALIGNED(f, a.dy);
  workspace_rows(f);
  gradient_rows(f);
}

void conv_arguments(void) {
  winners = new_bytes(PIECE);
  memset(winners, 0, PIECE);
  queries();
  descriptions();
  weights();
  forward();
  backward_data();
  backward_weights();
  pooled();
  free(winners);
}
