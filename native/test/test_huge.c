/*
 * Tensors of more than 2^31 values, 9 GiB. Not part of the usual tests; run by
 * `eng/check-native large`. Inputs are pages of zeros that take no memory, with a few other values
 * at the ends of rows, planes and samples.
 */
#define _DEFAULT_SOURCE
#include "harness.h"

#include <sys/mman.h>

enum { N = 2, C = 17, SIDE = 6200, HALF = SIDE / 2, TAPS = 9, POINTS = 8, MOST_RESULTS = 64 };

static const cn_tensor large = {C, SIDE, SIDE, 0, CN_BLOCKED, 0, 0};
static const cn_tensor small = {C, HALF, HALF, 0, CN_BLOCKED, 0, 0};

typedef struct point {
  int64_t sample, c, y, x;
} point;

static const point points[POINTS] = {{0, 0, 0, 0},
                                     {0, 0, SIDE - 1, SIDE - 1},
                                     {0, 16, 1, SIDE - 2},
                                     {0, 15, SIDE / 2, SIDE / 3},
                                     {1, 0, 0, SIDE - 1},
                                     {1, 7, SIDE - 1, 0},
                                     {1, 16, SIDE / 2 + 1, SIDE / 2},
                                     {1, 16, SIDE - 1, SIDE - 1}};

static float *map_zeros(int64_t floats) {
  void *p = mmap(NULL, (size_t)floats * sizeof(float), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p != MAP_FAILED) return p;
  printf("huge: %lld GiB cannot be mapped\n", (long long)(floats >> 28));
  exit(1);
}

static void unmap(float *p, int64_t floats) { munmap(p, (size_t)floats * sizeof(float)); }

/* ---- Expected results ------------------------------------------------------------------------ */

/* The values of a tensor that are not zero. */
typedef struct results {
  int64_t at[MOST_RESULTS];
  float value[MOST_RESULTS];
  int count;
} results;

static void add_result(results *r, const cn_tensor *t, point p, float value) {
  const int64_t at = index_of(t, N, p.sample, p.c, p.y, p.x);
  for (int i = 0; i < r->count; i++)
    if (r->at[i] == at) {
      r->value[i] += value;
      return;
    }
  if (r->count == MOST_RESULTS) abort();
  r->at[r->count] = at;
  r->value[r->count++] = value;
}

static void check_results(const char *what, const results *r, const float *values, int64_t count) {
  int64_t others = 0;
  for (int64_t i = 0; i < count; i++) others += values[i] != 0.0f;
  for (int i = 0; i < r->count; i++) {
    others -= r->value[i] != 0.0f;
    CHECK(values[r->at[i]] == r->value[i], "%s: value %lld is %g, expected %g", what,
          (long long)r->at[i], (double)values[r->at[i]], (double)r->value[i]);
  }
  CHECK(others == 0, "%s: %lld values should be zero", what, (long long)others);
  printf("huge: %s, %lld values\n", what, (long long)count);
  fflush(stdout);
}

/* Zeros, but for 1, 2, 3 and so on at the points; in the small tensor, at half their positions. */
static float *map_points(const cn_tensor *t) {
  float *values = map_zeros(tensor_floats(t, N));
  const int64_t step = SIDE / t->h;
  for (int i = 0; i < POINTS; i++) {
    const point p = points[i];
    values[index_of(t, N, p.sample, p.c, p.y / step, p.x / step)] = (float)(i + 1);
  }
  return values;
}

/* ---- Pools ----------------------------------------------------------------------------------- */

static void check_pools(const cn_context *context) {
  const cn_pool2d pool = {.size = sizeof pool,
                          .x = large,
                          .y = small,
                          .dx = large,
                          .dy = small,
                          .window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1}};
  const int64_t x_floats = tensor_floats(&large, N), y_floats = tensor_floats(&small, N);
  float *x = map_points(&large), *y = map_zeros(y_floats);
  results expected = {.count = 0}, gradient = {.count = 0};
  for (int i = 0; i < POINTS; i++) {
    const point p = points[i], half = {p.sample, p.c, p.y / 2, p.x / 2};
    add_result(&expected, &small, half, (float)(i + 1));
    add_result(&gradient, &large, p, (float)(i + 1));
  }
  CHECK(cn_pool2d_forward(context, &pool, N, x, y, NULL) == CN_OK, "pool");
  check_results("maximum", &expected, y, y_floats);
  float *dx = map_zeros(x_floats);
  CHECK(cn_pool2d_backward(context, &pool, N, x, NULL, y, dx) == CN_OK, "pool backward");
  check_results("gradient of the maximum", &gradient, dx, x_floats);
  unmap(x, x_floats);
  unmap(y, y_floats);
  unmap(dx, x_floats);
}

/* ---- Depthwise convolution ------------------------------------------------------------------- */

static cn_conv2d depthwise(void) {
  return (cn_conv2d){.size = sizeof(cn_conv2d),
                     .groups = C,
                     .x = large,
                     .y = small,
                     .dx = large,
                     .dy = small,
                     .window = {3, 3, 2, 2, 1, 1, 1, 1, 1, 1}};
}

static void *new_workspace(const cn_context *context, const cn_conv2d *conv, int32_t pass,
                           int64_t *bytes) {
  cn_conv2d_variant v = {.size = sizeof v};
  CHECK(cn_conv2d_describe(context, conv, NULL, pass, N, &v) == CN_OK, "pass %d", (int)pass);
  *bytes = v.workspace;
  return new_bytes(v.workspace);
}

/* Adds what pixel p of x gives to every y, or with `backward` what p of dy gives to every dx. */
static void add_taps(results *r, point p, float value, const float *oihw, bool backward) {
  for (int64_t tap = 0; tap < TAPS; tap++) {
    point q = p;
    const float product = value * oihw[p.c * TAPS + tap];
    if (backward) {
      q.y = 2 * p.y + tap / 3 - 1;
      q.x = 2 * p.x + tap % 3 - 1;
      if (q.y >= 0 && q.x >= 0 && q.y < SIDE && q.x < SIDE) add_result(r, &large, q, product);
      continue;
    }
    const int64_t y = p.y + 1 - tap / 3, x = p.x + 1 - tap % 3;
    if (y < 0 || x < 0 || y % 2 != 0 || x % 2 != 0 || y / 2 >= HALF || x / 2 >= HALF) continue;
    q.y = y / 2;
    q.x = x / 2;
    add_result(r, &small, q, product);
  }
}

static void check_depthwise(const cn_context *context) {
  const cn_conv2d conv = depthwise();
  const int64_t x_floats = tensor_floats(&large, N), y_floats = tensor_floats(&small, N);
  const int64_t w_floats = floats_in(cn_conv2d_weight_bytes(&conv));
  float *x = map_points(&large), *dy = map_points(&small), *y = map_zeros(y_floats);
  float oihw[C * TAPS], *w = new_floats(w_floats);
  for (int i = 0; i < C * TAPS; i++) oihw[i] = (float)(i % 7 + 1);
  CHECK(cn_conv2d_pack_weights(context, &conv, oihw, w) == CN_OK, "weights");
  results expected = {.count = 0}, gradient = {.count = 0};
  for (int i = 0; i < POINTS; i++) {
    const point p = points[i], half = {p.sample, p.c, p.y / 2, p.x / 2};
    add_taps(&expected, p, (float)(i + 1), oihw, false);
    add_taps(&gradient, half, (float)(i + 1), oihw, true);
  }
  int64_t bytes;
  void *workspace = new_workspace(context, &conv, CN_FORWARD, &bytes);
  CHECK(cn_conv2d_forward(context, &conv, NULL, N, x, w, y, workspace, bytes) == CN_OK, "forward");
  check_results("depthwise", &expected, y, y_floats);
  unmap(y, y_floats);
  free(workspace);
  float *dx = map_zeros(x_floats);
  workspace = new_workspace(context, &conv, CN_BACKWARD_DATA, &bytes);
  CHECK(cn_conv2d_backward_data(context, &conv, NULL, N, dy, w, dx, workspace, bytes) == CN_OK,
        "backward data");
  check_results("gradient of the image", &gradient, dx, x_floats);
  unmap(dx, x_floats);
  free(workspace);
  workspace = new_workspace(context, &conv, CN_BACKWARD_WEIGHTS, &bytes);
  float *dw = new_floats(w_floats), oihw_gradient[C * TAPS], by_taps[C * TAPS] = {0};
  const cn_gradients g = {.size = sizeof g, .operations = CN_STORE, .dw = dw};
  CHECK(cn_conv2d_backward_weights(context, &conv, NULL, N, x, dy, &g, workspace, bytes) == CN_OK,
        "backward weights");
  CHECK(cn_conv2d_unpack_weights(context, &conv, dw, oihw_gradient) == CN_OK, "gradient");
  for (int i = 0; i < POINTS; i++) /* x and dy meet at the same point only */
    for (int64_t tap = 0; tap < TAPS; tap++) {
      const point p = points[i];
      if (p.y / 2 * 2 + tap / 3 - 1 == p.y && p.x / 2 * 2 + tap % 3 - 1 == p.x)
        by_taps[p.c * TAPS + tap] += (float)((i + 1) * (i + 1));
    }
  for (int i = 0; i < C * TAPS; i++)
    CHECK(oihw_gradient[i] == by_taps[i], "gradient %d is %g, expected %g", i,
          (double)oihw_gradient[i], (double)by_taps[i]);
  printf("huge: gradient of the weights\n");
  free(workspace);
  free(w);
  free(dw);
  unmap(x, x_floats);
  unmap(dy, y_floats);
}

/* ---- Vectors --------------------------------------------------------------------------------- */

static void check_vectors(const cn_context *context) {
  const int64_t count = tensor_floats(&large, N), runs = (count + CN_SUM_RUN - 1) / CN_SUM_RUN;
  float *p = map_zeros(count);
  double *sums = (double *)(void *)new_floats(2 * runs), total = 0.0;
  CHECK(cn_fill(context, count, 3.0f, p) == CN_OK, "fill");
  CHECK(cn_scale(context, count, -0.5f, p) == CN_OK, "scale");
  CHECK(cn_clamp(context, count, 1.0f, p) == CN_OK, "clamp");
  CHECK(cn_sums_of_squares(context, count, p, sums) == CN_OK, "sums");
  for (int64_t i = 0; i < runs; i++) total += sums[i];
  CHECK(total == (double)count, "the squares sum to %.17g", total);
  int64_t bad = 0;
  for (int64_t i = 0; i < count; i++) bad += p[i] != -1.0f;
  CHECK(bad == 0, "%lld values are not -1", (long long)bad);
  printf("huge: fill, scale, clamp, sums of %lld values\n", (long long)count);
  free(sums);
  unmap(p, count);
}

int main(void) {
  const cn_context context = context_of(instruction_sets() - 1, THREADS);
  check_pools(&context);
  check_depthwise(&context);
  check_vectors(&context);
  return verdict("huge");
}
