/*
 * Estimates the time of a pass of a 3x3 convolution with each algorithm, to choose one. The
 * estimate is linear in the amounts of work, at the prices of conv_prices.def.
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

typedef struct prices {
  uint64_t feature;
  int32_t algorithm;
  bool weights;
  double pair, single, weight, source, result, transformed;
} prices;

static const prices price_list[] = {
#define PRICES(...) {__VA_ARGS__},
#include "conv_prices.def"
#undef PRICES
};

static const prices *prices_of(const conv_call *call) {
  const uint64_t own = feature_of(call->context), feature = own == CN_NEON ? CN_AVX2 : own;
  const bool weights = call->pass == CN_BACKWARD_WEIGHTS;
  const prices *p = price_list;
  while (p->feature != feature || p->algorithm != call->conv->algorithm || p->weights != weights)
    p++;
  return p;
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
  const prices *p = prices_of(call);
  return per_call + a.pairs * p->pair + a.singles * p->single +
         a.weights * (conv->transformed != 0 ? p->transformed : p->weight) + a.sources * p->source +
         a.results * p->result;
}
