/*
 * Large results, which use non-temporal stores, have the same bits as smaller ones, which do not.
 */
#include "harness.h"

enum { N = 8, C = 16, SIZE = 256, TAPS = 9 }; /* 33 MiB of values, 4 MiB per sample */

typedef struct data {
  cn_conv2d conv;
  float *x, *w, *scale, *shift, *mean, *variance;
} data;

typedef int32_t (*kernel)(const cn_context *context, const data *d, int32_t n, const float *x,
                          float *y);

static const cn_tensor plain = {.c = C, .h = SIZE, .w = SIZE, .layout = CN_BLOCKED};
static const cn_tensor bordered = {.c = C, .h = SIZE, .w = SIZE, .halo = 1, .layout = CN_BLOCKED};

static cn_conv2d convolution(int32_t groups, int32_t size, int32_t algorithm) {
  return (cn_conv2d){.size = sizeof(cn_conv2d),
                     .groups = groups,
                     .algorithm = algorithm,
                     .x = plain,
                     .y = bordered,
                     .dx = bordered,
                     .dy = plain,
                     .window = {size, size, 1, 1, size / 2, size / 2, size / 2, size / 2, 1, 1}};
}

static void *new_workspace(const cn_context *context, const cn_conv2d *conv, int32_t pass,
                           int32_t n, int64_t *bytes) {
  cn_conv2d_variant v = {.size = sizeof v};
  CHECK(cn_conv2d_describe(context, conv, NULL, pass, n, &v) == CN_OK, "pass %d", (int)pass);
  *bytes = v.workspace;
  return new_bytes(v.workspace);
}

static int32_t forward(const cn_context *context, const data *d, int32_t n, const float *x,
                       float *y) {
  int64_t bytes;
  void *workspace = new_workspace(context, &d->conv, CN_FORWARD, n, &bytes);
  const int32_t status =
      cn_conv2d_forward(context, &d->conv, NULL, n, x, d->w, y, workspace, bytes);
  free(workspace);
  return status;
}

static int32_t backward_data(const cn_context *context, const data *d, int32_t n, const float *x,
                             float *y) {
  int64_t bytes;
  void *workspace = new_workspace(context, &d->conv, CN_BACKWARD_DATA, n, &bytes);
  const int32_t status =
      cn_conv2d_backward_data(context, &d->conv, NULL, n, x, d->w, y, workspace, bytes);
  free(workspace);
  return status;
}

static int32_t normalise(const cn_context *context, const data *d, int32_t n, const float *x,
                         float *y) {
  const cn_batch_norm norm = {.size = sizeof norm,
                              .epsilon = 1e-5f,
                              .x = plain,
                              .y = bordered,
                              .dx = bordered,
                              .dy = plain};
  const cn_epilogue e = {
      .size = sizeof e, .operations = CN_ACTIVATE, .activation = {.kind = CN_RELU}};
  return cn_batch_norm_infer(context, &norm, &e, n, x, d->scale, d->shift, d->mean, d->variance, y);
}

/* All samples in one call, and one sample per call. */
static void check_kernel(const char *what, kernel run, const data *d) {
  const int64_t in = tensor_floats(&plain, 1), out = tensor_floats(&bordered, 1);
  float *whole = new_floats(N * out), *parts = new_floats(N * out);
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, THREADS);
    fill_nan(whole, N * out);
    fill_nan(parts, N * out);
    CHECK(run(&context, d, N, d->x, whole) == CN_OK, "%s, %s", what, features_name(&context));
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
  data d = {.x = new_reals(N * tensor_floats(&plain, 1)),
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
