/*
 * Large results, which use non-temporal stores, have the same bits as smaller ones, which do not.
 */
#include "harness.h"

enum { N = 9, C = 16, SIZE = 256, TAPS = 9 }; /* 36 MiB of values, 4 MiB per sample */

typedef struct data {
  cn_conv2d conv;
  float *x, *w, *scale, *shift, *mean, *variance;
} data;

typedef int32_t (*kernel)(const cn_context *context, const data *d, int32_t n, const float *x,
                          float *y);

static const cn_tensor plain = {C, SIZE, SIZE, 0, CN_BLOCKED, 0};
static const cn_tensor bordered = {C, SIZE, SIZE, 1, CN_BLOCKED, 0};

static cn_conv2d convolution(int32_t groups, int32_t size, int32_t algorithm) {
  return (cn_conv2d){.x = plain,
                     .y = bordered,
                     .dx = bordered,
                     .dy = plain,
                     .window = {size, size, 1, 1, size / 2, size / 2, size / 2, size / 2, 1, 1},
                     .groups = groups,
                     .algorithm = algorithm};
}

static int32_t forward(const cn_context *context, const data *d, int32_t n, const float *x,
                       float *y) {
  const int64_t floats = cn_conv2d_workspace_floats(context, &d->conv, CN_FORWARD, n);
  float *workspace = new_floats(floats);
  const int32_t status =
      cn_conv2d_forward(context, &d->conv, n, x, d->w, NULL, NULL, y, NULL, workspace, floats);
  free(workspace);
  return status;
}

static int32_t backward_data(const cn_context *context, const data *d, int32_t n, const float *x,
                             float *y) {
  const int64_t floats = cn_conv2d_workspace_floats(context, &d->conv, CN_BACKWARD_DATA, n);
  float *workspace = new_floats(floats);
  const int32_t status =
      cn_conv2d_backward_data(context, &d->conv, n, x, d->w, NULL, NULL, y, workspace, floats);
  free(workspace);
  return status;
}

static int32_t normalise(const cn_context *context, const data *d, int32_t n, const float *x,
                         float *y) {
  const cn_batch_norm norm = {.x = plain,
                              .y = bordered,
                              .dx = bordered,
                              .dy = plain,
                              .epsilon = 1e-5f,
                              .activation = {CN_RELU, 0.0f}};
  return cn_batch_norm_infer(context, &norm, n, x, d->scale, d->shift, d->mean, d->variance, NULL,
                             y);
}

/* All samples in one call, and one sample per call. */
static void check_kernel(const char *what, kernel run, const data *d) {
  const int64_t in = cn_tensor_floats(&plain, 1), out = cn_tensor_floats(&bordered, 1);
  float *whole = new_floats(N * out), *parts = new_floats(N * out);
  for (int32_t isa = first_isa(); isa <= cn_cpu_isa(); isa++) {
    const cn_context context = context_of(isa, 2);
    fill_nan(whole, N * out);
    fill_nan(parts, N * out);
    CHECK(run(&context, d, N, d->x, whole) == CN_OK, "%s, isa %d", what, (int)isa);
    for (int32_t i = 0; i < N; i++)
      CHECK(run(&context, d, 1, d->x + i * in, parts + i * out) == CN_OK, "%s", what);
    check_same_bits(what, parts, whole, N * out);
  }
  free(whole);
  free(parts);
}

int main(void) {
  const struct {
    const char *what;
    cn_conv2d conv;
  } convs[] = {{"depthwise", convolution(C, 3, CN_DIRECT)},
               {"full, direct", convolution(1, 1, CN_DIRECT)},
               {"full, Winograd", convolution(1, 3, CN_WINOGRAD_4)}};
  seed_values(1);
  data d = {.x = new_reals(N * cn_tensor_floats(&plain, 1)),
            .w = new_reals(TAPS * C * C),
            .scale = new_reals(C),
            .shift = new_reals(C),
            .mean = new_reals(C),
            .variance = new_reals(C)};
  for (int c = 0; c < C; c++) d.variance[c] += 2.0f;
  for (int i = 0; i < 3; i++) {
    d.conv = convs[i].conv;
    check_kernel(convs[i].what, forward, &d);
    check_kernel(convs[i].what, backward_data, &d);
  }
  check_kernel("batch norm", normalise, &d);
  float *all[] = {d.x, d.w, d.scale, d.shift, d.mean, d.variance};
  for (int i = 0; i < 6; i++) free(all[i]);
  return verdict("large");
}
