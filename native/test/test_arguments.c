/* Invalid arguments are reported by a status before anything is written. */
#include "harness.h"

static float *memory, *odd; /* large enough for every call here; odd is misaligned by one float */
static cn_context context;

#define EXPECT(status, call)                                                                       \
  do {                                                                                             \
    const int64_t got = (call);                                                                    \
    CHECK(got == (status), "got %lld: %s", (long long)got, cn_status_text((int32_t)got));          \
  } while (0)

static void contexts(void) {
  const cn_tensor t = {4, 4, 4, 0, CN_BLOCKED, 0};
  cn_context bad = context;
  EXPECT(CN_NULL_POINTER, cn_reorder(NULL, &t, &t, 1, memory, memory + 1024));
  bad.abi_version++;
  EXPECT(CN_BAD_CONTEXT, cn_reorder(&bad, &t, &t, 1, memory, memory + 1024));
  bad = context;
  bad.isa = cn_cpu_isa() + 1;
  EXPECT(CN_BAD_CONTEXT, cn_reorder(&bad, &t, &t, 1, memory, memory + 1024));
  bad.isa = -1;
  EXPECT(CN_BAD_CONTEXT, cn_fill(&bad, 1, 0.0f, memory));
  bad = context;
  bad.threads = 0;
  EXPECT(CN_BAD_CONTEXT, cn_fill(&bad, 1, 0.0f, memory));
  bad.threads = 1025;
  EXPECT(CN_BAD_CONTEXT, cn_fill(&bad, 1, 0.0f, memory));
  EXPECT(CN_BAD_CONTEXT, cn_team_size(&bad, 1e12));
  EXPECT(1, cn_team_size(&context, 1.0));
  CHECK(cn_abi_version() == CN_ABI_VERSION, "version %d", (int)cn_abi_version());
  for (int32_t status = CN_WORKSPACE_TOO_SMALL; status <= CN_OK; status++)
    CHECK(strcmp(cn_status_text(status), cn_status_text(1)) != 0, "status %d", (int)status);
}

static void tensors(void) {
  const cn_tensor good = {17, 4, 5, 1, CN_BLOCKED, 0};
  EXPECT(2 * 2 * 6 * 7 * 16, cn_tensor_floats(&good, 2));
  EXPECT(CN_NULL_POINTER, cn_tensor_floats(NULL, 1));
  EXPECT(CN_BAD_SHAPE, cn_tensor_floats(&good, 0));
  const cn_tensor bad[] = {{0, 4, 4, 0, CN_PLAIN, 0},
                           {4, -1, 4, 0, CN_PLAIN, 0},
                           {4, 1, CN_MOST_SIZE + 1, 0, CN_PLAIN, 0},
                           {CN_MOST_SIZE + 1, 1, 1, 0, CN_PLAIN, 0},
                           {4, 2, CN_MOST_SIZE / 2 + 1, 0, CN_PLAIN, 0},
                           {4, 4, 4, -1, CN_BLOCKED, 0},
                           {4, 4, 4, CN_MOST_HALO + 1, CN_BLOCKED, 0},
                           {1 << 24, 1 << 15, 1 << 15, 0, CN_PLAIN, 0}};
  for (int i = 0; i < 8; i++) EXPECT(CN_BAD_SHAPE, cn_tensor_floats(&bad[i], 1));
  EXPECT(CN_BAD_SHAPE, cn_tensor_floats(&good, CN_MOST_SIZE + 1));
  const cn_tensor wide = {1, 1, CN_MOST_SIZE, 0, CN_PLAIN, 0},
                  deep = {CN_MOST_SIZE, 1, 1, 0, CN_FLAT, 0};
  EXPECT(CN_MOST_SIZE, cn_tensor_floats(&wide, 1));
  EXPECT(CN_MOST_SIZE, cn_tensor_floats(&deep, 1));
  const cn_tensor one = {1, 1, 1, 0, CN_BLOCKED, 0};
  EXPECT((int64_t)CN_MOST_SIZE * 16, cn_tensor_floats(&one, CN_MOST_SIZE));
  EXPECT((int64_t)CN_MOST_SIZE * 32, cn_row_statistics_floats(&one, CN_MOST_SIZE));
  const cn_tensor flat = {4, 4, 4, 1, CN_FLAT, 0}, unknown = {4, 4, 4, 0, 3, 0};
  EXPECT(CN_BAD_LAYOUT, cn_tensor_floats(&flat, 1));
  EXPECT(CN_BAD_LAYOUT, cn_tensor_floats(&unknown, 1));
  const cn_tensor plain = {17, 4, 5, 0, CN_PLAIN, 0}, other = {17, 5, 4, 0, CN_PLAIN, 0};
  EXPECT(CN_BAD_SHAPE, cn_reorder(&context, &good, &other, 1, memory, memory + 4096));
  EXPECT(CN_NULL_POINTER, cn_reorder(&context, &good, &plain, 1, NULL, memory));
  EXPECT(CN_MISALIGNED, cn_reorder(&context, &good, &plain, 1, odd, memory + 4096));
  EXPECT(CN_OK, cn_reorder(&context, &good, &plain, 1, memory, odd + 4096));
}

static cn_conv2d good_conv(void) {
  const cn_tensor x = {16, 8, 8, 1, CN_BLOCKED, 0}, y = {32, 8, 8, 1, CN_BLOCKED, 0};
  return (cn_conv2d){.x = x,
                     .y = y,
                     .dx = x,
                     .dy = y,
                     .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
                     .groups = 1,
                     .flags = CN_BIAS};
}

static int32_t forward(const cn_conv2d *conv, const float *x, const float *w, const float *bias,
                       float *y) {
  return cn_conv2d_forward(&context, conv, 1, x, w, bias, NULL, y, NULL, NULL, 0);
}

static void convolution_shapes(void) {
  const cn_conv2d good = good_conv();
  EXPECT(2 * 9 * 256, cn_conv2d_weight_floats(&good));
  cn_conv2d bad[13];
  for (int i = 0; i < 13; i++) bad[i] = good;
  bad[0].window.kernel_h = 0;
  bad[1].window.stride_w = 0;
  bad[2].window.pad_top = -1;
  bad[3].window.dilation_w = 0;
  bad[4].groups = 3;
  bad[5].groups = 0;
  bad[6].y.h = 9;
  bad[7].y.w = 9;
  bad[8].window.kernel_h = 11;
  bad[9].window.stride_h = 1 << 20;
  bad[10].x.c = 0;
  bad[11].window.dilation_h = 5;
  bad[12].window.pad_bottom = -1;
  for (int i = 0; i < 13; i++) EXPECT(CN_BAD_SHAPE, cn_conv2d_weight_floats(&bad[i]));
  cn_conv2d layout = good;
  layout.y.layout = CN_PLAIN;
  EXPECT(CN_BAD_LAYOUT, cn_conv2d_weight_floats(&layout));
  layout = good;
  layout.x.layout = CN_PLAIN;
  EXPECT(CN_BAD_LAYOUT, cn_conv2d_weight_floats(&layout));
  cn_conv2d flags = good;
  flags.flags = 4;
  EXPECT(CN_BAD_VALUE, cn_conv2d_weight_floats(&flags));
  static const cn_activation wrong[] = {{-1, 0},
                                        {CN_LEAKY_RELU + 1, 0},
                                        {CN_RELU, 1},
                                        {CN_LEAKY_RELU, -0.1f},
                                        {CN_LEAKY_RELU, INFINITY},
                                        {CN_LEAKY_RELU, NAN}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    cn_conv2d activation = good;
    activation.activation = wrong[i];
    EXPECT(CN_BAD_VALUE, cn_conv2d_weight_floats(&activation));
    activation = good;
    activation.x_activation = wrong[i];
    EXPECT(CN_BAD_VALUE, cn_conv2d_weight_floats(&activation));
  }
  EXPECT(CN_BAD_VALUE, cn_conv2d_workspace_floats(&context, &good, 3, 1));
  EXPECT(CN_BAD_VALUE, cn_conv2d_halo(&good, -1));
  cn_conv2d algorithm = good;
  algorithm.algorithm = CN_WINOGRAD_4 + 1;
  EXPECT(CN_BAD_VALUE, cn_conv2d_weight_floats(&algorithm));
  algorithm.algorithm = CN_WINOGRAD_4;
  EXPECT(2 * 9 * 256, cn_conv2d_weight_floats(&algorithm));
  EXPECT(CN_BAD_VALUE, cn_conv2d_transformed_floats(&algorithm, CN_BACKWARD_WEIGHTS));
  EXPECT(CN_BAD_VALUE, cn_conv2d_transformed_floats(&good, CN_FORWARD));
  algorithm.window.stride_w = 2;
  algorithm.y.w = algorithm.dy.w = 3;
  EXPECT(CN_BAD_VALUE, cn_conv2d_weight_floats(&algorithm));
  cn_conv2d transformed = good;
  transformed.flags = CN_TRANSFORMED;
  EXPECT(CN_BAD_VALUE, cn_conv2d_weight_floats(&transformed));
  cn_conv2d gradients = good;
  gradients.dy.h = 7;
  EXPECT(CN_BAD_SHAPE, cn_conv2d_workspace_floats(&context, &gradients, CN_BACKWARD_WEIGHTS, 1));
  gradients = good;
  gradients.dx.layout = CN_PLAIN;
  EXPECT(CN_BAD_LAYOUT, cn_conv2d_workspace_floats(&context, &gradients, CN_BACKWARD_DATA, 1));
  EXPECT(0, cn_conv2d_workspace_floats(&context, &gradients, CN_FORWARD, 1));
}

/* The descriptors of gradients are validated by every function of their pass. */
static void convolution_gradients(void) {
  cn_conv2d good = good_conv();
  float *w = memory, *transformed = memory + 16384;
  good.algorithm = CN_WINOGRAD_4;
  EXPECT(CN_OK, cn_conv2d_transform_weights(&context, &good, CN_BACKWARD_DATA, w, transformed));
  cn_conv2d bad = good;
  bad.dx.c = 160;
  EXPECT(CN_BAD_SHAPE,
         cn_conv2d_transform_weights(&context, &bad, CN_BACKWARD_DATA, w, transformed));
  EXPECT(CN_BAD_SHAPE, cn_conv2d_transformed_floats(&bad, CN_BACKWARD_DATA));
  EXPECT(CN_BAD_SHAPE, cn_conv2d_halo(&bad, CN_BACKWARD_DATA));
  EXPECT(CN_OK, cn_conv2d_transform_weights(&context, &bad, CN_FORWARD, w, transformed));
  bad = good;
  bad.dx.h = 0;
  EXPECT(CN_BAD_SHAPE, cn_conv2d_halo(&bad, CN_BACKWARD_DATA));
  EXPECT(CN_BAD_SHAPE, cn_conv2d_transformed_floats(&bad, CN_BACKWARD_DATA));
  bad = good;
  bad.dy.c = 33;
  EXPECT(CN_BAD_SHAPE, cn_conv2d_halo(&bad, CN_BACKWARD_DATA));
  EXPECT(CN_BAD_SHAPE, cn_conv2d_halo(&bad, CN_BACKWARD_WEIGHTS));
  EXPECT(CN_BAD_SHAPE,
         cn_conv2d_transform_weights(&context, &bad, CN_BACKWARD_DATA, w, transformed));
  EXPECT(1, cn_conv2d_halo(&bad, CN_FORWARD));
}

/* Sizes are computed in 64 bits, in constant time, and sizes near overflow are rejected. */
static void convolution_sizes(void) {
  for (int32_t width = 1 << 20; width <= 1 << 29; width *= 2) {
    const cn_tensor x = {3, 1, width, 0, CN_PLAIN, 0}, y = {16, 1, width, 0, CN_BLOCKED, 0};
    const cn_conv2d wide = {x, y, x,         y,      y,     {1, 3, 1, 1, 0, 1, 0, 1, 1, 1},
                            1, 0, CN_DIRECT, {0, 0}, {0, 0}};
    for (int32_t n = 1; n <= 16; n += 15) {
      cn_context one = context, two = context;
      one.threads = 1;
      two.threads = 2;
      const int64_t floats = cn_conv2d_workspace_floats(&one, &wide, CN_BACKWARD_DATA, n);
      const int64_t more = cn_conv2d_workspace_floats(&two, &wide, CN_BACKWARD_DATA, n) - floats;
      CHECK(floats >= more && more >= 16LL * width, "%d wide: %lld, and %lld more for a thread",
            (int)width, (long long)floats, (long long)more);
    }
  }
  const cn_tensor tall = {1, 1 << 24, 64, 0, CN_PLAIN, 0}, y = {16, 1 << 24, 64, 0, CN_BLOCKED, 0};
  const cn_conv2d high = {tall, y, tall,      y,      y,     {3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
                          1,    0, CN_DIRECT, {0, 0}, {0, 0}};
  CHECK(cn_conv2d_workspace_floats(&context, &high, CN_BACKWARD_DATA, 16) > 0, "16M rows");
  cn_conv2d strides = good_conv();
  strides.window.stride_h = strides.window.stride_w = 20000;
  strides.y.h = strides.y.w = strides.dy.h = strides.dy.w = 1;
  for (int i = 0; i < 1000; i++) EXPECT(0, cn_conv2d_halo(&strides, CN_BACKWARD_DATA));
  cn_conv2d padded = good_conv();
  padded.x = padded.dx = (cn_tensor){16, 1, 1 << 24, 0, CN_BLOCKED, 0};
  padded.y = padded.dy = (cn_tensor){16, 1, 1 << 24, 0, CN_BLOCKED, 0};
  padded.window.pad_top = 1 << 15;
  padded.window.kernel_h = 3;
  padded.window.dilation_h = 1 << 15;
  EXPECT(CN_BAD_SHAPE, cn_conv2d_workspace_floats(&context, &padded, CN_FORWARD, 1 << 10));
}

static void convolution_pointers(void) {
  cn_conv2d conv = good_conv();
  float *w = memory + 8192, *bias = memory + 16384, *y = memory + 20480;
  fill_nan(y, 4096);
  EXPECT(CN_NULL_POINTER, forward(NULL, memory, w, bias, y));
  EXPECT(CN_NULL_POINTER, forward(&conv, NULL, w, bias, y));
  EXPECT(CN_NULL_POINTER, forward(&conv, memory, NULL, bias, y));
  EXPECT(CN_NULL_POINTER, forward(&conv, memory, w, NULL, y));
  EXPECT(CN_NULL_POINTER, forward(&conv, memory, w, bias, NULL));
  EXPECT(CN_MISALIGNED, forward(&conv, odd, w, bias, y));
  EXPECT(CN_MISALIGNED, forward(&conv, memory, w + 1, bias, y));
  EXPECT(CN_MISALIGNED, forward(&conv, memory, w, bias + 1, y));
  EXPECT(CN_MISALIGNED, forward(&conv, memory, w, bias, y + 1));
  const float *add = memory + 8192;
  EXPECT(CN_BAD_SHAPE,
         cn_conv2d_forward(&context, &conv, 1, memory, w, bias, add, y, NULL, NULL, 0));
  conv.add = conv.y;
  EXPECT(CN_MISALIGNED,
         cn_conv2d_forward(&context, &conv, 1, memory, w, bias, add + 1, y, NULL, NULL, 0));
  EXPECT(CN_MISALIGNED,
         cn_conv2d_forward(&context, &conv, 1, memory, w, bias, add, y, y + 1, NULL, 0));
  conv.flags = 0;
  EXPECT(CN_BAD_VALUE, forward(&conv, memory, w, bias, y));
  conv.x.halo = 0; /* rows must be copied now, which needs a workspace */
  EXPECT(CN_WORKSPACE_TOO_SMALL, forward(&conv, memory, w, NULL, y));
  EXPECT(CN_NULL_POINTER,
         cn_conv2d_forward(&context, &conv, 1, memory, w, NULL, NULL, y, NULL, NULL, 1 << 20));
  for (int i = 0; i < 4096; i++)
    if (!isnan(y[i])) {
      CHECK(false, "a refused call wrote y[%d]", i);
      break;
    }
}

/* The largest windows, and larger ones. */
static void windows(void) {
  enum { FAR = CN_MOST_WINDOW };
  cn_conv2d conv = good_conv();
  const cn_tensor x = {16, 1, 2 * FAR, 0, CN_BLOCKED, 0}, y = {32, 1, 2, 0, CN_BLOCKED, 0};
  conv.x = conv.dx = x;
  conv.y = conv.dy = y;
  conv.window.kernel_h = conv.window.kernel_w = 1;
  conv.window.pad_top = conv.window.pad_left = conv.window.pad_bottom = conv.window.pad_right = 0;
  conv.window.stride_h = conv.window.stride_w = FAR;
  for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_WEIGHTS; pass++) {
    EXPECT(0, cn_conv2d_halo(&conv, pass));
    CHECK(cn_conv2d_workspace_floats(&context, &conv, pass, 3) >= 0, "pass %d", (int)pass);
  }
  cn_conv2d bad = conv;
  bad.window.stride_w++;
  EXPECT(CN_BAD_SHAPE, cn_conv2d_weight_floats(&bad));
  bad = conv;
  bad.window.kernel_w = FAR;
  bad.window.stride_w = 1;
  EXPECT(2 * 256 * (int64_t)FAR, cn_conv2d_weight_floats(&bad));
  bad.window.dilation_w = 2;
  EXPECT(CN_BAD_SHAPE, cn_conv2d_weight_floats(&bad));
  bad.window.kernel_w /= 2;
  EXPECT(2 * 256 * (int64_t)FAR / 2, cn_conv2d_weight_floats(&bad));
  const cn_tensor in = {8, 1, 9300000, 0, CN_BLOCKED, 0}, out = {1, 1, 9300000, 0, CN_BLOCKED, 0};
  const cn_conv2d wide = {in, out, in,        out,    out,   {1, 1, 1, 1, 0, 0, 0, 0, 1, 1},
                          1,  0,   CN_DIRECT, {0, 0}, {0, 0}};
  CHECK(cn_conv2d_workspace_floats(&context, &wide, CN_BACKWARD_DATA, 16) > 0, "a long row");
  const cn_tensor map = {16, 4100, 4100, 0, CN_BLOCKED, 0}, mean = {16, 1, 1, 0, CN_BLOCKED, 0};
  cn_pool2d pool = {map, mean,  map, mean, {4100, 4100, 1, 1, 0, 0, 0, 0, 1, 1}, CN_POOL_AVERAGE,
                    0,   {0, 0}};
  EXPECT(0, cn_pool2d_winner_bytes(&pool, 3));
  pool.kind = CN_POOL_MAX;
  EXPECT(CN_BAD_SHAPE, cn_pool2d_winner_bytes(&pool, 3));
}

static void linear_layers(void) {
  const cn_linear good = {16, 2, 2, 10, CN_BIAS, {0, 0}};
  float *w = memory + 4096, *y = memory + 8192;
  EXPECT(5 * 256, cn_linear_weight_floats(&good));
  const cn_linear bad[] = {
      {0, 2, 2, 10, 0, {0, 0}}, {16, 2, 2, 0, 0, {0, 0}}, {1 << 24, 1, 1, 1 << 24, 0, {0, 0}}};
  for (int i = 0; i < 3; i++) EXPECT(CN_BAD_SHAPE, cn_linear_weight_floats(&bad[i]));
  const cn_linear flags = {16, 2, 2, 10, 8, {0, 0}};
  EXPECT(CN_BAD_VALUE, cn_linear_weight_floats(&flags));
  const cn_linear activation = {16, 2, 2, 10, 0, {CN_LEAKY_RELU + 1, 0}};
  EXPECT(CN_BAD_VALUE, cn_linear_weight_floats(&activation));
  EXPECT(CN_NULL_POINTER, cn_linear_forward(&context, &good, 1, memory, w, NULL, y, NULL, 0));
  EXPECT(CN_MISALIGNED, cn_linear_forward(&context, &good, 1, odd, w, memory, y, NULL, 0));
  EXPECT(CN_BAD_SHAPE, cn_linear_forward(&context, &good, 0, memory, w, memory, y, NULL, 0));
  EXPECT(CN_WORKSPACE_TOO_SMALL,
         cn_linear_backward_data(&context, &good, 1, memory, w, y, memory, 10));
}

static void pooling(void) {
  const cn_tensor x = {16, 8, 8, 0, CN_BLOCKED, 0}, y = {16, 4, 4, 0, CN_BLOCKED, 0};
  const cn_pool2d good = {x, y, x, y, {2, 2, 2, 2, 0, 0, 0, 0, 1, 1}, CN_POOL_MAX, 0, {0, 0}};
  cn_pool2d bad = good;
  bad.window.pad_top = 2;
  EXPECT(CN_BAD_SHAPE, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, NULL));
  bad = good;
  bad.window.pad_right = 2;
  EXPECT(CN_BAD_SHAPE, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, NULL));
  bad = good;
  bad.window.dilation_w = 2;
  EXPECT(CN_BAD_SHAPE, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, NULL));
  bad = good;
  bad.y.h = 5; /* of 8 rows; of 9 the last window would begin in the image */
  EXPECT(CN_BAD_SHAPE, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, NULL));
  bad.window.pad_bottom = 1; /* where it begins, with nothing of the image in it */
  EXPECT(CN_BAD_SHAPE, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, NULL));
  bad.x.h = 9;
  EXPECT(CN_OK, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, NULL));
  bad = good;
  bad.y.c = 17;
  EXPECT(CN_BAD_SHAPE, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, NULL));
  bad = good;
  bad.kind = 2;
  EXPECT(CN_BAD_VALUE, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, NULL));
  uint8_t *winners = (uint8_t *)(memory + 8192);
  EXPECT(3 * 16 * 16, cn_pool2d_winner_bytes(&good, 3));
  EXPECT(CN_MISALIGNED, cn_pool2d_forward(&context, &good, 1, memory, memory + 4096, winners + 4));
  bad = good;
  bad.kind = CN_POOL_AVERAGE;
  EXPECT(0, cn_pool2d_winner_bytes(&bad, 3));
  EXPECT(CN_BAD_VALUE, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, winners));
  bad.activation.kind = CN_RELU;
  EXPECT(CN_BAD_VALUE, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, NULL));
  bad = good;
  bad.activation = (cn_activation){CN_LEAKY_RELU, 0.1f};
  EXPECT(CN_BAD_VALUE, cn_pool2d_forward(&context, &bad, 1, memory, memory + 4096, NULL));
  bad = good;
  bad.dx.w = 9;
  EXPECT(CN_BAD_SHAPE,
         cn_pool2d_backward(&context, &bad, 1, memory, NULL, memory + 4096, memory + 8192));
  EXPECT(CN_NULL_POINTER,
         cn_pool2d_backward(&context, &good, 1, NULL, NULL, memory + 4096, memory + 8192));
  EXPECT(CN_NULL_POINTER, cn_pool2d_forward(&context, NULL, 1, memory, memory + 4096, NULL));
}

/* Weight gradients from the gradient of a pool's output. */
static void pooled_gradients(void) {
  const cn_tensor x = {1, 8, 8, 1, CN_PLAIN, 0}, y = {6, 8, 8, 0, CN_BLOCKED, 0};
  const cn_tensor pooled = {6, 4, 4, 0, CN_BLOCKED, 0};
  const cn_conv2d conv = {x, y, x,         y,      y,     {3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
                          1, 0, CN_DIRECT, {0, 0}, {0, 0}};
  const cn_pool2d good = {y,           pooled, y,     pooled, {2, 2, 2, 2, 0, 0, 0, 0, 1, 1},
                          CN_POOL_MAX, 0,      {0, 0}};
  const uint8_t *winners = (const uint8_t *)(memory + 8192);
  const int64_t room = cn_conv2d_workspace_floats(&context, &conv, CN_BACKWARD_WEIGHTS, 1);
  float *dy = memory + 4096, *dw = memory + 12288, *workspace = memory + 16384;
  cn_pool2d bad = good;
  EXPECT(1, cn_conv2d_pools_backward(&conv, &good));
  EXPECT(CN_OK, cn_conv2d_pool_backward_weights(&context, &conv, &good, 1, memory, winners, dy, dw,
                                                NULL, NULL, workspace, room));
  EXPECT(CN_NULL_POINTER, cn_conv2d_pools_backward(&conv, NULL));
  EXPECT(CN_NULL_POINTER, cn_conv2d_pools_backward(NULL, &good));
  EXPECT(CN_NULL_POINTER, cn_conv2d_pool_backward_weights(&context, &conv, &good, 1, memory, NULL,
                                                          dy, dw, NULL, NULL, workspace, room));
  EXPECT(CN_MISALIGNED,
         cn_conv2d_pool_backward_weights(&context, &conv, &good, 1, memory, winners + 4, dy, dw,
                                         NULL, NULL, workspace, room));
  EXPECT(CN_NULL_POINTER,
         cn_conv2d_pool_backward_weights(&context, &conv, &good, 1, memory, winners, NULL, dw, NULL,
                                         NULL, workspace, room));
  EXPECT(CN_WORKSPACE_TOO_SMALL,
         cn_conv2d_pool_backward_weights(&context, &conv, &good, 1, memory, winners, dy, dw, NULL,
                                         NULL, workspace, room - 1));
  bad.dx.h = 9;
  EXPECT(CN_BAD_SHAPE, cn_conv2d_pools_backward(&conv, &bad));
  bad = good;
  bad.dy.w = 5;
  EXPECT(CN_BAD_SHAPE, cn_conv2d_pools_backward(&conv, &bad));
  bad = good;
  bad.kind = CN_POOL_AVERAGE;
  EXPECT(0, cn_conv2d_pools_backward(&conv, &bad));
  EXPECT(CN_BAD_VALUE, cn_conv2d_pool_backward_weights(&context, &conv, &bad, 1, memory, winners,
                                                       dy, dw, NULL, NULL, workspace, room));
}

static void normalisation(void) {
  const cn_tensor t = {16, 8, 8, 0, CN_BLOCKED, 0};
  const cn_batch_norm good = {t, t, t, t, t, 1e-5f, 0.1f, {0, 0}};
  const cn_tensor bad_layout = {16, 8, 8, 0, CN_PLAIN, 0};
  cn_batch_norm bad = good;
  EXPECT(2 * 3 * 16, cn_batch_norm_workspace_floats(&context, &good, 3));
  bad.epsilon = 0.0f;
  EXPECT(CN_BAD_VALUE, cn_batch_norm_workspace_floats(&context, &bad, 3));
  bad = good;
  bad.momentum = 1.5f;
  EXPECT(CN_BAD_VALUE, cn_batch_norm_workspace_floats(&context, &bad, 3));
  bad = good;
  bad.x.layout = CN_FLAT;
  EXPECT(CN_BAD_LAYOUT, cn_batch_norm_workspace_floats(&context, &bad, 3));
  float *m = memory, *y = memory + 4096;
  EXPECT(CN_WORKSPACE_TOO_SMALL,
         cn_batch_norm_forward(&context, &good, 1, m, m, m, m, NULL, y, m, m, m, m, m, 3));
  EXPECT(CN_NULL_POINTER, cn_batch_norm_infer(&context, &good, 1, m, m, m, NULL, m, NULL, y));
  EXPECT(CN_MISALIGNED, cn_batch_norm_infer(&context, &good, 1, m, m, m, m, m, m + 1, y));
  EXPECT(CN_NULL_POINTER, cn_batch_norm_apply(&context, &good, 1, m, m, m, m, NULL, y));
  EXPECT(CN_MISALIGNED, cn_batch_norm_apply(&context, &good, 1, m, m, m, m, m, y + 1));
  bad = good;
  bad.add.c = 17;
  EXPECT(CN_BAD_SHAPE, cn_batch_norm_infer(&context, &bad, 1, m, m, m, m, m, m, y));
  EXPECT(2 * 3 * 16 * 8, cn_row_statistics_floats(&t, 3));
  EXPECT(CN_BAD_LAYOUT, cn_row_statistics(&context, &bad_layout, 1, m, y));
  EXPECT(CN_MISALIGNED, cn_row_statistics(&context, &t, 1, m, y + 1));
}

static void elementwise(void) {
  const cn_tensor t = {16, 4, 4, 0, CN_BLOCKED, 0}, halo = {16, 4, 4, 1, CN_BLOCKED, 0};
  const cn_tensor flat = {16, 4, 4, 0, CN_FLAT, 0};
  cn_elementwise op = {.a = t, .b = t, .out = t};
  float *a = memory, *out = memory + 4096;
  op.out = flat;
  EXPECT(CN_BAD_LAYOUT, cn_activation_forward(&context, &op, 1, a, out));
  op.out = halo;
  EXPECT(CN_BAD_SHAPE, cn_activation_forward(&context, &op, 1, a, a));
  op.out = t;
  for (int32_t kind = -1; kind <= CN_ACTIVATIONS; kind += CN_ACTIVATIONS + 1) {
    op.activation.kind = kind;
    EXPECT(CN_BAD_VALUE, cn_activation_forward(&context, &op, 1, a, out));
    EXPECT(CN_BAD_VALUE, cn_activation_backward(&context, &op, 1, a, a, out));
    EXPECT(CN_BAD_VALUE, cn_add(&context, &op, 1, a, a, out));
  }
  op.activation.kind = CN_LEAKY_RELU + 1; /* whose slope is not known from its value */
  EXPECT(CN_BAD_VALUE, cn_add(&context, &op, 1, a, a, out));
  op.activation.kind = CN_IDENTITY;
  EXPECT(CN_NULL_POINTER, cn_add(&context, &op, 1, a, NULL, out));
  const cn_dropout dropout = {.x = t, .y = t, .scale = INFINITY};
  EXPECT(CN_BAD_VALUE, cn_dropout_apply(&context, &dropout, 1, 0, 0, a, out));
  EXPECT(CN_BAD_SHAPE, cn_dropout_apply(&context, &dropout, 1, -1, 0, a, out));
  EXPECT(CN_BAD_SHAPE, cn_accumulate(&context, -1, a, out));
  EXPECT(CN_BAD_SHAPE, cn_fill(&context, INT64_MAX, 0.0f, out));
  EXPECT(CN_BAD_SHAPE, cn_triad(&context, INT64_MIN, 1.0f, a, a, out));
  EXPECT(CN_NULL_POINTER, cn_fill(&context, 1, 0.0f, NULL));
  double sums[1];
  EXPECT(CN_BAD_SHAPE, cn_scale(&context, -1, 1.0f, out));
  EXPECT(CN_NULL_POINTER, cn_scale(&context, 1, 1.0f, NULL));
  EXPECT(CN_BAD_SHAPE, cn_clamp(&context, -1, 1.0f, out));
  EXPECT(CN_BAD_VALUE, cn_clamp(&context, 1, -1.0f, out));
  EXPECT(CN_BAD_VALUE, cn_clamp(&context, 1, NAN, out));
  EXPECT(CN_NULL_POINTER, cn_clamp(&context, 1, 1.0f, NULL));
  EXPECT(CN_BAD_SHAPE, cn_sums_of_squares(&context, -1, a, sums));
  EXPECT(CN_NULL_POINTER, cn_sums_of_squares(&context, 1, a, NULL));
  EXPECT(CN_MISALIGNED, cn_sums_of_squares(&context, 1, a, (double *)(void *)((char *)sums + 4)));
}

static void training(void) {
  const int32_t label = 0;
  double loss;
  EXPECT(CN_BAD_SHAPE,
         cn_softmax_cross_entropy(&context, 0, 2, 1, memory, &label, NULL, &loss, memory + 64));
  EXPECT(CN_BAD_SHAPE,
         cn_softmax_cross_entropy(&context, 1, 0, 1, memory, &label, NULL, &loss, memory + 64));
  EXPECT(CN_BAD_SHAPE, cn_softmax_cross_entropy(&context, 1 << 16, 1 << 15, 1, memory, &label, NULL,
                                                &loss, memory + 64));
  EXPECT(CN_NULL_POINTER,
         cn_softmax_cross_entropy(&context, 1, 2, 1, memory, NULL, NULL, &loss, memory + 64));
  EXPECT(CN_NULL_POINTER,
         cn_multiclass_svm(&context, 1, 2, 1.0f, memory, &label, NULL, NULL, NULL));
  EXPECT(CN_BAD_VALUE, cn_multiclass_svm(&context, 1, 2, NAN, memory, &label, NULL, &loss, NULL));
  EXPECT(CN_NULL_POINTER, cn_mean_squared_error(&context, 1, 2, NULL, memory, NULL, &loss, NULL));
  EXPECT(CN_BAD_SHAPE,
         cn_softmax_cross_entropy(&context, 1, 2, 0, memory, &label, NULL, &loss, memory + 64));
  EXPECT(CN_BAD_SHAPE, cn_softmax_cross_entropy(&context, 1, 1 << 16, 1 << 16, memory, &label, NULL,
                                                &loss, memory + 64));
  const float zero = 0.0f, below_zero = -1.0f, endless = INFINITY;
  const float *bad_weights[] = {&zero, &below_zero, &endless};
  for (int i = 0; i < 3; i++) {
    EXPECT(CN_BAD_VALUE, cn_softmax_cross_entropy(&context, 1, 2, 1, memory, &label, bad_weights[i],
                                                  &loss, memory + 64));
    EXPECT(CN_BAD_VALUE, cn_multiclass_svm(&context, 1, 2, 1.0f, memory, &label, bad_weights[i],
                                           &loss, memory + 64));
    EXPECT(CN_BAD_VALUE, cn_mean_squared_error(&context, 1, 2, memory, memory, bad_weights[i],
                                               &loss, memory + 64));
  }
  const cn_optimizer sgd = {.kind = CN_SGD, .momentum = 0.9};
  const cn_optimizer adam = {
      .kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
  const cn_segment good = {0, 16, 1.0f, 0.0f}, negative = {-1, 16, 1.0f, 0.0f},
                   odd_decay = {0, 16, 1.0f, NAN}, odd_factor = {0, 16, INFINITY, 0.0f},
                   large_factor = {0, 16, 1e38f, 0.0f};
  float *g = memory, *w = memory + 128, *states[] = {memory + 64, memory + 256};
  float *const first[] = {states[0], NULL}, *const none[] = {NULL, NULL};
#define STEP(changed, rate, segment, state)                                                        \
  cn_optimizer_step(&context, changed, rate, 1, segment, g, state, w)
  EXPECT(CN_OK, STEP(&sgd, 0.1f, &good, first));
  EXPECT(CN_OK, STEP(&adam, 0.1f, &good, states));
  EXPECT(CN_BAD_VALUE, STEP(&sgd, NAN, &good, first));
  EXPECT(CN_BAD_VALUE, STEP(&sgd, 0.1f, &odd_decay, first));
  EXPECT(CN_BAD_VALUE, STEP(&sgd, 0.1f, &odd_factor, first));
  EXPECT(CN_BAD_VALUE, STEP(&sgd, 100.0f, &large_factor, first));
  EXPECT(CN_BAD_SHAPE, STEP(&sgd, 0.1f, &negative, first));
  EXPECT(CN_NULL_POINTER, STEP(NULL, 0.1f, &good, first));
  EXPECT(CN_NULL_POINTER, STEP(&sgd, 0.1f, NULL, first));
  EXPECT(CN_NULL_POINTER, STEP(&sgd, 0.1f, &good, none));
  EXPECT(CN_NULL_POINTER, STEP(&sgd, 0.1f, &good, NULL));
  EXPECT(CN_NULL_POINTER, STEP(&adam, 0.1f, &good, first));
  const cn_optimizer plain = {.kind = CN_SGD};
  EXPECT(CN_OK, STEP(&plain, 0.1f, &good, NULL));
  EXPECT(CN_OK, STEP(&plain, 0.1f, &good, none));
#undef STEP
  const cn_optimizer bad_rules[] = {
      {.kind = 2},
      {.kind = CN_SGD, .momentum = 1.0},
      {.kind = CN_SGD, .momentum = 0.9999999999}, /* 1 in single precision */
      {.kind = CN_SGD, .momentum = -0.1},
      {.kind = CN_SGD, .momentum = NAN},
      {.kind = CN_SGD, .momentum = 0.9, .flags = CN_DECOUPLED},
      {.kind = CN_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
      {.kind = CN_ADAM, .step = 1, .beta1 = 1.0, .beta2 = 0.999, .epsilon = 1e-8},
      {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = NAN, .epsilon = 1e-8},
      {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999},
      {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-60},
      {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e60},
      {.kind = CN_ADAM, .step = 1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .flags = 1},
  };

  const cn_linear linear = {.c = 16, .h = 1, .w = 1, .outputs = 16};
  const cn_update update = {
      .optimizer = adam,
      .weights = {.values = w + 512, .states = {w + 1024, w + 1536}, .learning_rate = 0.1f}};
  const int64_t floats = cn_linear_workspace_floats(&context, &linear, CN_BACKWARD_WEIGHTS, 1);
  float *workspace = w + 2048;
#define UPDATE(changed)                                                                            \
  cn_linear_backward_weights(&context, &linear, 1, memory, states[0], NULL, NULL, changed,         \
                             workspace, floats)
  EXPECT(CN_OK, UPDATE(&update));
  EXPECT(CN_NULL_POINTER, UPDATE(NULL));
  cn_update bad = update;
  bad.weights.learning_rate = INFINITY;
  EXPECT(CN_BAD_VALUE, UPDATE(&bad));
  bad = update;
  bad.bias.learning_rate = INFINITY;
  EXPECT(CN_BAD_VALUE, UPDATE(&bad));
  bad = update;
  bad.weights.weight_decay = -1.0f;
  EXPECT(CN_BAD_VALUE, UPDATE(&bad));
  bad = update;
  bad.weights.states[1] = NULL;
  EXPECT(CN_NULL_POINTER, UPDATE(&bad));
  bad = update;
  bad.weights.states[0]++;
  EXPECT(CN_MISALIGNED, UPDATE(&bad));
  bad = update;
  bad.weights.values++;
  EXPECT(CN_MISALIGNED, UPDATE(&bad));
  bad = update;
  bad.bias.values = w;
  EXPECT(CN_BAD_VALUE, UPDATE(&bad));
  for (size_t i = 0; i < sizeof(bad_rules) / sizeof(bad_rules[0]); i++) {
    EXPECT(CN_BAD_VALUE, cn_optimizer_step(&context, &bad_rules[i], 0.1f, 1, &good, g, states, w));
    bad = update;
    bad.optimizer = bad_rules[i];
    EXPECT(CN_BAD_VALUE, UPDATE(&bad));
  }
#undef UPDATE
}

int main(void) {
  context = context_of(cn_cpu_isa(), 2);
  memory = new_floats(1 << 16);
  odd = memory + 1;
  contexts();
  tensors();
  convolution_shapes();
  convolution_gradients();
  convolution_sizes();
  convolution_pointers();
  windows();
  linear_layers();
  pooling();
  pooled_gradients();
  normalisation();
  elementwise();
  training();
  free(memory);
  return verdict("arguments");
}
