/*
 * Estimates the time of a pass of a 3x3 convolution with each algorithm, to choose one.
 *
 * The estimate is linear in the amounts of work. Its prices were fitted by least squares of the
 * relative error to the three passes of 60 to 200 layers on one thread of a Xeon (Sapphire Rapids);
 * those of NEON are AVX2's. They are constants: nothing is measured on the machine that runs. On
 * these layers the choice was within 10% of the best for 97% with AVX-512, 96% with AVX2 and 95% in
 * portable C; on other layers for 97% with AVX-512.
 */
#include "conv_variants.h"
#include "cpu.h"
#include "winograd_plan.h"

static const double per_call = 1000.0;

/* With 16 samples in the lanes, a direct pass computes only the products of the existing channels.
 * The transposes cost half as many. */
static const double transposes = 1.5;

/* The amounts of work of a pass. */
typedef struct amounts {
  double pairs;   /* multiply-adds with two blocks of channels in the lanes */
  double singles; /* and with one */
  double weights;
  double sources; /* values read; backward-weights: of x */
  double results; /* values written; backward-weights: of dy */
} amounts;

/* Nanoseconds of each; transformed: of a weight that is transformed already. */
typedef struct prices {
  double pair, single, weight, source, result, transformed;
} prices;

/* By algorithm, then for forward and backward-data, and for backward-weights. */
typedef prices price_list[CN_ALGORITHMS][2];

static const price_list avx512_prices = {
    {{0.0114, 0.0123, 0.076, 0, 0.093, 0}, {0.0126, 0.0128, 0.130, 0.056, 0.092, 0}},
    {{0.0144, 0.0173, 0.167, 0.077, 0.046, 0.2}, {0.0156, 0.0210, 0.219, 0.068, 0.044, 0}},
    {{0.0165, 0.0206, 0.162, 0.045, 0.063, 0.2}, {0.0188, 0.0254, 0.204, 0.054, 0.033, 0}}};
static const price_list avx2_prices = {
    {{0.0217, 0.0200, 0.054, 0, 0.214, 0}, {0.0239, 0.0235, 0.076, 0, 0.146, 0}},
    {{0.0245, 0.0251, 0.213, 0.171, 0, 0.2}, {0.0273, 0.0308, 0.162, 0.105, 0, 0}},
    {{0.0270, 0.0307, 0.211, 0.105, 0.052, 0.2}, {0.0280, 0.0346, 0.246, 0.083, 0.013, 0}}};
static const price_list scalar_prices = {
    {{0.175, 0.175, 0.279, 0.276, 0.663, 0}, {0.151, 0.143, 1.350, 2.434, 1.600, 0}},
    {{0.149, 0.133, 0.740, 0.709, 0, 0.455}, {0.108, 0.035, 1.473, 1.835, 0, 0}},
    {{0.169, 0.158, 0.464, 0.656, 0, 0.246}, {0.111, 0.031, 2.567, 2.083, 0, 0}}};

static const price_list *prices_of(uint64_t feature) {
  switch (feature) {
  case CN_AVX512:
    return &avx512_prices;
  case CN_AVX2:
  case CN_NEON:
    return &avx2_prices;
  default:
    return &scalar_prices;
  }
}

static amounts amounts_of(const conv_call *call) {
  const cn_conv2d *conv = call->conv;
  const bool backward = call->pass == CN_BACKWARD_DATA, direct = conv->algorithm == CN_DIRECT;
  const cn_tensor *out = backward ? &conv->dx : &conv->y;
  const int32_t channels = conv->x.c / conv->groups, filters = conv->y.c / conv->groups;
  const int32_t inputs = backward ? filters : channels, outputs = backward ? channels : filters;
  const int64_t sources = blocks_of(inputs), lanes = blocks_of(outputs), single = lanes % 2;
  const int32_t m = direct ? 1 : conv->algorithm == CN_WINOGRAD_4 ? 4 : 2;
  const double points = direct ? 9 : (m + 2) * (m + 2);
  const double tiles =
      (double)call->n * conv->groups * (double)(ceil_div(out->h, m) * ceil_div(out->w, m));
  double terms = CN_BLOCK;
  if (direct && (sources == 1 || call->pass == CN_BACKWARD_WEIGHTS))
    terms = min_i32(CN_BLOCK, inputs);
  if (direct && backward && outputs <= SAMPLE_CHANNELS && call->n >= CN_BLOCK)
    terms *= transposes * outputs / CN_BLOCK;
  const double products = tiles * points * (double)sources * terms * CN_BLOCK;
  const double values = tiles * CN_BLOCK * (direct ? 1 : points);
  return (amounts){.pairs = products * (double)(lanes - single),
                   .singles = products * (double)single,
                   .weights = (double)conv->groups * (double)(sources * lanes) * points * TAP,
                   .sources = values * (double)sources,
                   .results = values * (double)lanes};
}

double conv_nanoseconds(const conv_call *call) {
  const cn_conv2d *conv = call->conv;
  if (!winograd_fits(conv)) return 0.0;
  const amounts a = amounts_of(call);
  const prices *p = &(*prices_of(
      feature_of(call->context)))[conv->algorithm][call->pass == CN_BACKWARD_WEIGHTS ? 1 : 0];
  return per_call + a.pairs * p->pair + a.singles * p->single +
         a.weights * (conv->transformed != 0 ? p->transformed : p->weight) + a.sources * p->source +
         a.results * p->result;
}
