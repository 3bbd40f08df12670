/* The estimate that chooses an algorithm: what a pass has to do, counted by hand, at the prices of
 * the instruction set. */
#include "harness.h"

/*
 * From c to k channels in groups, 3x3 with padding 1 on h x w, n samples. Pairs and singles are
 * multiply-adds with two blocks of results in the lanes and with one.
 */
typedef struct work {
  int32_t c, k, groups, h, w, n, pass, algorithm;
  double pairs, singles, weights, sources, results;
} work;

static const work layers[] = {
    /* 4 blocks from 4 blocks; every pixel is a tile of 9 products */
    {64, 64, 1, 28, 20, 8, CN_FORWARD, CN_DIRECT, 8.0 * 28 * 20 * 9 * 4 * 4 * 256, 0,
     4 * 4 * 9 * 256, 8 * 28 * 20 * 16 * 4, 8 * 28 * 20 * 16 * 4},
    /* 5 blocks of outputs are two pairs and one; half a block counts as one, but of 5 channels only
     * those are read */
    {5, 72, 1, 7, 6, 2, CN_FORWARD, CN_DIRECT, 2 * 42 * 9 * 5 * 16 * 4, 2 * 42 * 9 * 5 * 16,
     5 * 9 * 256, 2 * 42 * 16, 2 * 42 * 16 * 5},
    {40, 16, 1, 7, 6, 2, CN_BACKWARD_WEIGHTS, CN_DIRECT, 0, 2 * 42 * 9 * 3 * 256, 3 * 9 * 256,
     2 * 42 * 16 * 3, 2 * 42 * 16},
    {20, 16, 1, 7, 6, 2, CN_FORWARD, CN_DIRECT, 0, 2 * 42 * 9 * 2 * 256, 2 * 9 * 256,
     2 * 42 * 16 * 2, 2 * 42 * 16},
    /* 8 channels and 16 samples: the samples are in the lanes, with half as much again for the
     * transposes */
    {8, 32, 1, 7, 6, 16, CN_BACKWARD_DATA, CN_DIRECT, 0, 16 * 42 * 9 * 2 * 1.5 * 8 * 16,
     2 * 9 * 256, 16 * 42 * 16 * 2, 16 * 42 * 16},
    {9, 32, 1, 7, 6, 16, CN_BACKWARD_DATA, CN_DIRECT, 0, 16 * 42 * 9 * 2 * 256, 2 * 9 * 256,
     16 * 42 * 16 * 2, 16 * 42 * 16},
    {8, 32, 1, 7, 6, 15, CN_BACKWARD_DATA, CN_DIRECT, 0, 15 * 42 * 9 * 2 * 256, 2 * 9 * 256,
     15 * 42 * 16 * 2, 15 * 42 * 16},
    {32, 8, 1, 7, 6, 16, CN_FORWARD, CN_DIRECT, 0, 16 * 42 * 9 * 2 * 256, 2 * 9 * 256,
     16 * 42 * 16 * 2, 16 * 42 * 16},
    /* 13 x 10 are 7 x 5 tiles of 2 x 2 with 16 points, or 4 x 3 of 4 x 4 with 36 */
    {48, 80, 1, 13, 10, 8, CN_FORWARD, CN_WINOGRAD_2, 8 * 35 * 16 * 3 * 4 * 256,
     8 * 35 * 16 * 3 * 256, 3 * 5 * 16 * 256, 8 * 35 * 16 * 16 * 3, 8 * 35 * 16 * 16 * 5},
    {48, 80, 1, 13, 10, 8, CN_BACKWARD_DATA, CN_WINOGRAD_4, 8 * 12 * 36 * 5 * 2 * 256,
     8 * 12 * 36 * 5 * 256, 3 * 5 * 36 * 256, 8 * 12 * 36 * 16 * 5, 8 * 12 * 36 * 16 * 3},
    {64, 96, 2, 8, 8, 3, CN_BACKWARD_WEIGHTS, CN_WINOGRAD_4, 2 * 3 * 4 * 36 * 2 * 2 * 256,
     2 * 3 * 4 * 36 * 2 * 256, 2 * 2 * 3 * 36 * 256, 2 * 3 * 4 * 36 * 16 * 2,
     2 * 3 * 4 * 36 * 16 * 3},
};

typedef struct prices {
  int64_t feature;
  int32_t algorithm, weights;
  double pair, single, weight, source, result, transformed;
} prices;

static const prices price_list[] = {
#define PRICES(...) {__VA_ARGS__},
#include "conv_prices.def"
#undef PRICES
};

static cn_conv2d conv_of(const work *l) {
  const cn_tensor x = {.c = l->c, .h = l->h, .w = l->w, .layout = CN_BLOCKED};
  const cn_tensor y = {.c = l->k, .h = l->h, .w = l->w, .layout = CN_BLOCKED};
  return (cn_conv2d){.size = sizeof(cn_conv2d),
                     .groups = l->groups,
                     .algorithm = l->algorithm,
                     .x = x,
                     .y = y,
                     .dx = x,
                     .dy = y,
                     .window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}};
}

static double estimate(const cn_context *context, const cn_conv2d *conv, int32_t pass, int32_t n) {
  cn_conv2d_variant v = {.size = sizeof v};
  CHECK(cn_conv2d_describe(context, conv, NULL, pass, n, &v) == CN_OK, "pass %d", (int)pass);
  return v.nanoseconds;
}

static double by_hand(const cn_context *context, const work *l, bool transformed) {
  const int64_t own = cn_kernel_feature(context), feature = own == CN_NEON ? CN_AVX2 : own;
  for (size_t i = 0; i < sizeof price_list / sizeof price_list[0]; i++) {
    const prices *p = &price_list[i];
    if (p->feature != feature || p->algorithm != l->algorithm ||
        p->weights != (l->pass == CN_BACKWARD_WEIGHTS))
      continue;
    return 1000.0 + l->pairs * p->pair + l->singles * p->single +
           l->weights * (transformed ? p->transformed : p->weight) + l->sources * p->source +
           l->results * p->result;
  }
  return NAN;
}

static void an_estimate_is_the_work_at_its_prices(const cn_context *context) {
  for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
    const work *l = &layers[i];
    cn_conv2d conv = conv_of(l);
    const bool transforms = l->algorithm != CN_DIRECT && l->pass != CN_BACKWARD_WEIGHTS;
    for (conv.transformed = 0; conv.transformed <= (transforms ? 1 : 0); conv.transformed++) {
      const double expected = by_hand(context, l, conv.transformed == 1);
      const double got = estimate(context, &conv, l->pass, l->n);
      CHECK(fabs(got - expected) <= 1e-11 * expected, "%s, layer %d: %.12g ns instead of %.12g",
            features_name(context), (int)i, got, expected);
    }
  }
}

/* Neither threads nor an epilogue count, and without a choice there is no estimate. */
static void an_estimate_is_for_a_choice(const cn_context *context) {
  const work *l = &layers[0];
  cn_context one = *context;
  one.threads = 1;
  const cn_conv2d conv = conv_of(l);
  CHECK(estimate(&one, &conv, l->pass, l->n) == estimate(context, &conv, l->pass, l->n),
        "an estimate for several threads");
  cn_conv2d others[] = {conv, conv, conv};
  others[0].window.kernel_w = 1;
  others[1].window.dilation_h = others[1].window.pad_top = others[1].window.pad_bottom = 2;
  others[2].groups = 64; /* depthwise */
  for (int i = 0; i < 3; i++)
    for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_WEIGHTS; pass++)
      CHECK(estimate(context, &others[i], pass, 3) == 0.0, "layer %d, pass %d", i, (int)pass);
}

int main(void) {
  for (int set = 0; set < instruction_sets(); set++) {
    const cn_context context = context_of(set, THREADS);
    an_estimate_is_the_work_at_its_prices(&context);
    an_estimate_is_for_a_choice(&context);
  }
  return verdict("cost");
}
