/*
 * Losses and their gradients, in double precision. The loops over values are plain C without calls,
 * so that the compiler vectorises them; all instruction sets give the same bits.
 */
#include "../isa.h"
#include "../loss.h"
#include "../parallel.h"
#include "../sum_plan.h"

#include <math.h>
#include <string.h>

typedef struct loss_job {
  const loss_call *call;
  int64_t length; /* values of a sample */
  int64_t runs;   /* of a sample */
  double spread;  /* label smoothing of each class */
  double kept;    /* what it leaves for the label */
  double sums[LOSS_CHUNKS];
} loss_job;

/* Units of work, sample after sample, are divided into LOSS_CHUNKS items or fewer. */
static int64_t unit_at(const loss_job *job, int64_t item) {
  const int64_t units = job->call->n * job->runs, items = min_i64(units, LOSS_CHUNKS);
  return units * item / items;
}

static double weight_of(const loss_call *call, int64_t sample) {
  return call->weights == NULL ? 1.0 : call->weights[sample];
}

static double class_weight(const cn_loss *loss, int64_t c) {
  return loss->class_weights == NULL ? 1.0 : loss->class_weights[c];
}

/*
 * e^x for x <= 0, to within 1 ulp; 0 below -708; NaN for NaN. x = k ln 2 + r with |r| <= ln 2 / 2,
 * and e^r is its Taylor polynomial. Adding 1.5 * 2^52 rounds to an integer and leaves k in the low
 * bits. ln 2 is split in two; the first constant has so few bits that its product with k is exact.
 */
ALWAYS_INLINE double exp_of(double x) {
  static const double terms[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0,
                                 1.0 / 3628800.0,    1.0 / 362880.0,    1.0 / 40320.0,
                                 1.0 / 5040.0,       1.0 / 720.0,       1.0 / 120.0,
                                 1.0 / 24.0,         1.0 / 6.0,         0.5};
  const double rounding = 6755399441055744.0;
  const double shifted = x * 1.4426950408889634 + rounding, k = shifted - rounding;
  const double r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;
  double p = terms[0];
#pragma GCC unroll 11
  for (int i = 1; i < 12; i++) p = p * r + terms[i];
  p = 1.0 + (r + r * r * p);
  uint64_t bits, exponent;
  memcpy(&bits, &p, sizeof bits);
  memcpy(&exponent, &shifted, sizeof exponent);
  bits += exponent << 52;
  memcpy(&p, &bits, sizeof p);
  return x >= -708.0 ? p : x == x ? 0.0 : x;
}

/* ---- Softmax --------------------------------------------------------------------------------- */

/* Up to LOSS_PIXELS pixels of a sample whose maps are `stride` values apart, or one vector. */
typedef struct softmax_run {
  const float *s;
  int64_t stride, pixels;
  const int32_t *labels;
  const float *targets; /* probabilities, instead of labels */
  double factor;        /* of the gradient */
  float *ds;
} softmax_run;

static softmax_run softmax_run_of(const loss_job *job, int64_t sample, int64_t first) {
  const loss_call *call = job->call;
  const int64_t pixels = call->loss->pixels, at = sample * job->length + first;
  return (softmax_run){
      .s = call->output + at,
      .stride = pixels,
      .pixels = min_i64(LOSS_PIXELS, pixels - first),
      .labels = call->labels == NULL ? NULL : call->labels + sample * pixels + first,
      .targets = call->targets == NULL ? NULL : call->targets + at,
      .factor = weight_of(call, sample) * call->share,
      .ds = call->doutput == NULL ? NULL : call->doutput + at,
  };
}

static bool is_ignored(const cn_loss *loss, int32_t label) {
  return loss->ignores != 0 && label == loss->ignored;
}

/*
 * The loss of a pixel is the sum over its classes of q[j] (log(sum) - (s[j] - max)), where
 * q[j] = weight[j] (kept target[j] + spread), and the gradient all e[j] / sum - q[j], where all is
 * the sum of q. Labels have own = weight[label] kept in place of the first product. A q of 0
 * contributes nothing, whatever the score is. live is 0 for an ignored label.
 */
static double softmax_pixels(const loss_job *job, const softmax_run *run) {
  const cn_loss *loss = job->call->loss;
  const int64_t pixels = run->pixels, stride = run->stride;
  const int32_t classes = loss->classes;
  double max[LOSS_PIXELS], sum[LOSS_PIXELS], log_sum[LOSS_PIXELS], all[LOSS_PIXELS],
      own[LOSS_PIXELS], live[LOSS_PIXELS], losses[LOSS_PIXELS], total = 0.0;
  double exps[LOSS_MAPS][LOSS_PIXELS];
  for (int64_t p = 0; p < pixels; p++) {
    max[p] = run->s[p];
    sum[p] = all[p] = own[p] = losses[p] = 0.0;
    live[p] = 1.0;
  }
  for (int32_t j = 1; j < classes; j++)
    for (int64_t p = 0; p < pixels; p++) {
      const double v = run->s[j * stride + p];
      max[p] = v <= max[p] ? max[p] : v; /* a NaN becomes and remains the maximum */
    }
  for (int32_t j = 0; j < classes; j++) {
    double *e = exps[j < LOSS_MAPS ? j : LOSS_MAPS - 1];
    for (int64_t p = 0; p < pixels; p++) e[p] = exp_of(run->s[j * stride + p] - max[p]);
    for (int64_t p = 0; p < pixels; p++) sum[p] += e[p];
  }
  for (int64_t p = 0; p < pixels; p++) log_sum[p] = log(sum[p]);
  if (run->labels != NULL) {
    double smoothing = 0.0;
    for (int32_t j = 0; j < classes && job->spread != 0.0; j++)
      smoothing += class_weight(loss, j) * job->spread;
    for (int64_t p = 0; p < pixels; p++) {
      const int32_t label = run->labels[p];
      live[p] = is_ignored(loss, label) ? 0.0 : 1.0;
      if (live[p] == 0.0) continue;
      own[p] = class_weight(loss, label) * job->kept;
      all[p] = own[p] + smoothing;
      if (own[p] != 0.0) losses[p] = own[p] * (log_sum[p] - (run->s[label * stride + p] - max[p]));
    }
  }
  for (int32_t j = 0; j < classes && (run->targets != NULL || job->spread != 0.0); j++) {
    const double weight = class_weight(loss, j), spread = weight * job->spread;
    if (weight == 0.0) continue;
    for (int64_t p = 0; p < pixels; p++) {
      const double target = run->targets == NULL ? 0.0 : run->targets[j * stride + p];
      const double q =
          run->targets == NULL ? spread * live[p] : weight * (job->kept * target + job->spread);
      const double term = q * (log_sum[p] - (run->s[j * stride + p] - max[p]));
      losses[p] += q == 0.0 ? 0.0 : term;
      all[p] += run->targets == NULL ? 0.0 : q;
    }
  }
  for (int32_t j = 0; j < classes && run->ds != NULL; j++) {
    const double weight = class_weight(loss, j);
    double again[LOSS_PIXELS];
    const double *e = j < LOSS_MAPS - 1 ? exps[j] : again;
    for (int64_t p = 0; p < pixels && j >= LOSS_MAPS - 1; p++)
      again[p] = exp_of(run->s[j * stride + p] - max[p]);
    float *ds = run->ds + j * stride;
    for (int64_t p = 0; p < pixels; p++) {
      const double q = run->targets == NULL
                           ? weight * job->spread + (run->labels[p] == j ? own[p] : 0.0)
                           : weight * (job->kept * run->targets[j * stride + p] + job->spread);
      const double d = (all[p] * (e[p] / sum[p]) - q) * run->factor;
      ds[p] = live[p] == 0.0 ? 0.0f : (float)d;
    }
  }
  for (int64_t p = 0; p < pixels; p++) total += losses[p];
  return total;
}

/* The same for one vector: the lanes are its classes. */
static double softmax_row(const loss_job *job, const softmax_run *run) {
  const cn_loss *loss = job->call->loss;
  const int32_t classes = loss->classes, label = run->labels == NULL ? -1 : *run->labels;
  const bool soft = run->targets != NULL;
  double max = run->s[0], sum = 0.0, all = 0.0, total = 0.0, exps[LOSS_KEPT];
  if (!soft && is_ignored(loss, label)) {
    for (int32_t j = 0; j < classes && run->ds != NULL; j++) run->ds[j] = 0.0f;
    return 0.0;
  }
  for (int32_t j = 1; j < classes; j++)
    if (!(run->s[j] <= max)) max = run->s[j];
  for (int32_t first = 0; first < classes; first += LOSS_KEPT) {
    const int32_t some = classes - first < LOSS_KEPT ? classes - first : LOSS_KEPT;
    for (int32_t j = 0; j < some; j++) exps[j] = exp_of(run->s[first + j] - max);
    for (int32_t j = 0; j < some; j++) sum += exps[j];
  }
  const double log_sum = log(sum);
  const bool dense = soft || job->spread != 0.0;
  for (int32_t j = dense ? 0 : label; j < (dense ? classes : label + 1); j++) {
    const double target = soft ? run->targets[j] : j == label ? 1.0 : 0.0;
    const double q = class_weight(loss, j) * (job->kept * target + job->spread);
    if (q == 0.0) continue;
    all += q;
    total += q * (log_sum - (run->s[j] - max));
  }
  for (int32_t first = 0; first < classes && run->ds != NULL; first += LOSS_KEPT) {
    const int32_t some = classes - first < LOSS_KEPT ? classes - first : LOSS_KEPT;
    for (int32_t j = 0; j < some && classes > LOSS_KEPT; j++)
      exps[j] = exp_of(run->s[first + j] - max);
    for (int32_t j = 0; j < some; j++) {
      const int32_t c = first + j;
      const double target = soft ? run->targets[c] : c == label ? 1.0 : 0.0;
      const double q = class_weight(loss, c) * (job->kept * target + job->spread);
      run->ds[c] = (float)((all * (exps[j] / sum) - q) * run->factor);
    }
  }
  return total;
}

/* Items are chunks of runs of LOSS_PIXELS pixels. */
BODY(cross_entropy_items) {
  loss_job *job = (loss_job *)(uintptr_t)state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    double sum = 0.0;
    for (int64_t unit = unit_at(job, item); unit < unit_at(job, item + 1); unit++) {
      const int64_t sample = unit / job->runs;
      const softmax_run run = softmax_run_of(job, sample, unit % job->runs * LOSS_PIXELS);
      sum += weight_of(job->call, sample) *
             (job->call->loss->pixels == 1 ? softmax_row(job, &run) : softmax_pixels(job, &run));
    }
    job->sums[item] = sum;
  }
}

/* ---- Margins --------------------------------------------------------------------------------- */

/*
 * One sample: factor times the sum over j != label of max(0, s[j] - s[label] + margin)^power. A NaN
 * counts as positive.
 */
static double margin_row(const loss_job *job, int64_t sample) {
  const loss_call *call = job->call;
  const cn_loss *loss = call->loss;
  const float *s = call->output + sample * job->length;
  float *ds = call->doutput == NULL ? NULL : call->doutput + sample * job->length;
  const int32_t label = call->labels[sample];
  const bool squared = loss->kind == CN_MULTI_MARGIN && loss->power == 2;
  const double factor =
      loss->kind == CN_MULTI_MARGIN ? class_weight(loss, label) / loss->classes : 1.0;
  const double weight = weight_of(call, sample) * factor;
  double sum = 0.0, slopes = 0.0;
  for (int32_t j = 0; j < loss->classes; j++) {
    const float m = s[j] - s[label] + loss->margin;
    const bool active = j != label && !(m <= 0.0f);
    const double slope = !active ? 0.0 : squared ? 2.0 * m : 1.0;
    sum += !active ? 0.0 : squared ? (double)m * m : m;
    slopes += slope;
    if (ds != NULL) ds[j] = (float)(slope * weight * call->share);
  }
  if (ds != NULL) ds[label] = (float)(-slopes * weight * call->share);
  return weight * sum;
}

/* Items are chunks of samples. */
BODY(margin_items) {
  loss_job *job = (loss_job *)(uintptr_t)state;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    double sum = 0.0;
    for (int64_t sample = unit_at(job, item); sample < unit_at(job, item + 1); sample++)
      sum += margin_row(job, sample);
    job->sums[item] = sum;
  }
}

/* ---- Values ---------------------------------------------------------------------------------- */

typedef struct term {
  double loss, slope;
} term;

/* |d|, and its derivative, which is 0 at 0. A NaN remains. */
ALWAYS_INLINE term absolute(double d) {
  return (term){d < 0.0 ? -d : d, d > 0.0 ? 1.0 : d < 0.0 ? -1.0 : d * 0.0};
}

/* weight * loss; an infinite loss of no weight is 0. */
ALWAYS_INLINE double certain(double weight, double loss) {
  return weight == 0.0 && loss == loss ? 0.0 : weight * loss;
}

/* (1 - t) s(y) + weight t s(-y), where s(y) = max(y, 0) + log(1 + e^-|y|). */
ALWAYS_INLINE term binary(double y, double t, double weight) {
  const double e = exp_of(y < 0.0 ? y : -y), tail = log1p(e);
  const double own = 1.0 / (1.0 + e), other = e / (1.0 + e);
  const double negative = 1.0 - t, positive = weight * t;
  const bool below = y < 0.0;
  return (term){certain(negative, (below ? 0.0 : y) + tail) +
                    certain(positive, (below ? -y : 0.0) + tail),
                negative * (below ? other : own) - positive * (below ? own : other)};
}

ALWAYS_INLINE term term_of(int32_t kind, double y, double t, double parameter, double weight) {
  const double d = y - t;
  const term size = absolute(d);
  switch (kind) {
  case CN_MEAN_SQUARED_ERROR:
    return (term){d * d, 2.0 * d};
  case CN_ABSOLUTE_ERROR:
    return size;
  case CN_HUBER:
    return size.loss > parameter
               ? (term){parameter * (size.loss - 0.5 * parameter), parameter * size.slope}
               : (term){0.5 * d * d, d};
  case CN_SMOOTH_L1:
    return size.loss < parameter ? (term){0.5 * d * d / parameter, d / parameter}
                                 : (term){size.loss - 0.5 * parameter, size.slope};
  case CN_BINARY_CROSS_ENTROPY:
    return binary(y, t, weight);
  case CN_KL_DIVERGENCE:
    return (term){(t == 0.0 ? 0.0 : t * log(t)) - t * y, -t};
  default: {
    const double p = exp(t);
    return (term){p * -d, -p};
  }
  }
}

enum { LANES = 8 };

/* A run of values of one channel, if these have weights, or of a sample. Sums lanes apart. */
ALWAYS_INLINE double run_of(int32_t kind, const float *y, const float *t, int64_t count,
                            double parameter, double weight, double factor, float *dy) {
  double sums[LANES] = {0.0}, sum = 0.0;
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int lane = 0; lane < LANES; lane++) {
      const term v = term_of(kind, y[i + lane], t[i + lane], parameter, weight);
      sums[lane] += v.loss;
      if (dy != NULL) dy[i + lane] = (float)(v.slope * factor);
    }
  for (; i < count; i++) {
    const term v = term_of(kind, y[i], t[i], parameter, weight);
    sum += v.loss;
    if (dy != NULL) dy[i] = (float)(v.slope * factor);
  }
  for (int lane = 0; lane < LANES; lane++) sum += sums[lane];
  return sum;
}

static double values_run(const cn_loss *loss, const float *y, const float *t, int64_t count,
                         double weight, double factor, float *dy) {
  const double parameter = loss->margin;
#define RUN_OF(kind)                                                                               \
  case kind:                                                                                       \
    return run_of(kind, y, t, count, parameter, weight, factor, dy)
  switch (loss->kind) {
    RUN_OF(CN_MEAN_SQUARED_ERROR);
    RUN_OF(CN_ABSOLUTE_ERROR);
    RUN_OF(CN_HUBER);
    RUN_OF(CN_SMOOTH_L1);
    RUN_OF(CN_BINARY_CROSS_ENTROPY);
    RUN_OF(CN_KL_DIVERGENCE);
  default:
    return run_of(CN_KL_DIVERGENCE_LOG, y, t, count, parameter, weight, factor, dy);
  }
#undef RUN_OF
}

/* Items are chunks of runs of LOSS_RUN values. A run is divided where the weight of a channel
 * changes. */
BODY(value_items) {
  loss_job *job = (loss_job *)(uintptr_t)state;
  const loss_call *call = job->call;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    double sum = 0.0;
    for (int64_t unit = unit_at(job, item); unit < unit_at(job, item + 1); unit++) {
      const int64_t sample = unit / job->runs, from = unit % job->runs * LOSS_RUN;
      const int64_t end = min_i64(job->length, from + LOSS_RUN);
      const double weight = weight_of(call, sample);
      for (int64_t i = from, next; i < end; i = next) {
        const int64_t c = i / call->loss->pixels, at = sample * job->length + i;
        next = call->loss->class_weights == NULL ? end : min_i64(end, (c + 1) * call->loss->pixels);
        sum += weight * values_run(call->loss, call->output + at, call->targets + at, next - i,
                                   class_weight(call->loss, c), weight * call->share,
                                   call->doutput == NULL ? NULL : call->doutput + at);
      }
    }
    job->sums[item] = sum;
  }
}

void ISA_NAME(loss_evaluate)(const cn_context *context, const loss_call *call) {
  const cn_loss *loss = call->loss;
  loss_job job = {.call = call, .length = (int64_t)loss->classes * loss->pixels};
  const bool softmax =
      loss->kind == CN_SOFTMAX_CROSS_ENTROPY || loss->kind == CN_SOFT_CROSS_ENTROPY;
  const bool margins = loss->kind == CN_MULTICLASS_SVM || loss->kind == CN_MULTI_MARGIN;
  job.spread = softmax ? (double)loss->smoothing / loss->classes : 0.0;
  job.kept = 1.0 - (double)loss->smoothing;
  job.runs = softmax   ? ceil_div(loss->pixels, LOSS_PIXELS)
             : margins ? 1
                       : ceil_div(job.length, LOSS_RUN);
  const int64_t items = min_i64(call->n * job.runs, LOSS_CHUNKS);
  run_parallel(context, (softmax ? 60.0 : 20.0) * call->n * job.length,
               softmax   ? cross_entropy_items
               : margins ? margin_items
                         : value_items,
               items, &job);
  double sum = 0.0;
  for (int64_t i = 0; i < items; i++) sum += job.sums[i];
  *call->value = sum * call->share;
}
