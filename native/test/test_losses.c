/* Losses, against hand-computed values and definitions in double precision. */
#include "parts.h"
#include "sum_plan.h"

static bool near(double a, double b) { return fabs(a - b) <= 1e-12 * fmax(1.0, fabs(b)); }

/* Evaluates a loss, with its gradient if d is not null and with weights if they are not. */
static int32_t evaluate(const cn_context *context, cn_loss loss, int32_t n, const float *output,
                        const void *targets, const float *weights, double *value, float *d) {
  loss.size = sizeof loss;
  loss.weighted = weights != NULL;
  loss.gradient = d != NULL;
  return cn_loss_evaluate(context, &loss, n, output, targets, weights, value, d);
}

static cn_loss softmax_of(int32_t classes, int32_t pixels) {
  return (cn_loss){.kind = CN_SOFTMAX_CROSS_ENTROPY, .classes = classes, .pixels = pixels};
}

static cn_loss svm_of(int32_t classes) {
  return (cn_loss){.kind = CN_MULTICLASS_SVM, .classes = classes, .pixels = 1, .margin = 1.0f};
}

static cn_loss squares_of(int32_t values) {
  return (cn_loss){.kind = CN_MEAN_SQUARED_ERROR, .classes = values, .pixels = 1};
}

static void losses_give_the_values_computed_by_hand(const cn_context *context) {
  const float scores[] = {3.25f, 5.0f, -1.75f, 1.0f, 1.0f, 1.0f};
  const int32_t labels[] = {0, 2};
  float d[6];
  double loss;
  /* Margins of the first row: 5 - 3.25 + 1 = 2.75 and -4; of the second: 1 and 1. */
  CHECK(evaluate(context, svm_of(3), 2, scores, labels, NULL, &loss, d) == CN_OK, "svm");
  CHECK(near(loss, (2.75 + 2.0) / 2.0), "svm is %.17g", loss);
  const float svm[] = {-0.5f, 0.5f, 0.0f, 0.5f, 0.5f, -1.0f};
  for (int i = 0; i < 6; i++) CHECK(d[i] == svm[i], "svm gradient %d is %g", i, (double)d[i]);
  /* At the hinge the derivative is 0. */
  const float hinge[] = {2.0f, 1.0f};
  CHECK(evaluate(context, svm_of(2), 1, hinge, labels, NULL, &loss, d) == CN_OK, "svm");
  CHECK(loss == 0.0 && d[0] == 0.0f && d[1] == 0.0f, "svm at the hinge: %g", (double)d[1]);

  CHECK(evaluate(context, softmax_of(3, 1), 2, scores, labels, NULL, &loss, d) == CN_OK, "softmax");
  const double sum = exp(3.25) + exp(5.0) + exp(-1.75);
  CHECK(near(loss, (log(sum) - 3.25 + log(3.0)) / 2.0), "softmax is %.17g", loss);
  CHECK(near(d[1], (float)(exp(5.0) / sum / 2.0)), "softmax gradient is %g", (double)d[1]);
  CHECK(d[5] == (float)((1.0 / 3.0 - 1.0) / 2.0), "softmax gradient is %g", (double)d[5]);
  const float huge[] = {1000.0f, -1000.0f, 1000.0f};
  CHECK(evaluate(context, softmax_of(3, 1), 1, huge, labels, NULL, &loss, NULL) == CN_OK,
        "softmax");
  CHECK(near(loss, log(2.0)), "softmax of huge scores is %.17g", loss);

  const float targets[] = {3.0f, 5.5f, -1.75f, 0.0f, 1.0f, 3.0f};
  CHECK(evaluate(context, squares_of(3), 2, scores, targets, NULL, &loss, d) == CN_OK, "mse");
  CHECK(near(loss, (0.0625 + 0.25 + 1.0 + 4.0) / 6.0), "mse is %.17g", loss);
  CHECK(d[5] == (float)(-4.0 / 6.0), "mse gradient is %g", (double)d[5]);
}

static void softmax_is_its_definition(const cn_context *context, int32_t classes) {
  seed_values(21);
  float *scores = new_reals(classes), d[8 * LOSS_KEPT];
  const int32_t label = 7 * (classes / 10);
  double loss, sum = 0.0, total = 0.0;
  for (int j = 0; j < classes; j++) sum += exp((double)scores[j]);
  CHECK(evaluate(context, softmax_of(classes, 1), 1, scores, &label, NULL, &loss, d) == CN_OK,
        "softmax");
  CHECK(near(loss, log(sum) - (double)scores[label]), "softmax is %.17g", loss);
  for (int j = 0; j < classes; j++) {
    const double expected = exp((double)scores[j]) / sum - (j == label ? 1.0 : 0.0);
    CHECK(fabs(d[j] - expected) <= 1e-7 * fabs(expected), "gradient %d is %g", j, (double)d[j]);
    total += d[j];
  }
  CHECK(fabs(total) < 1e-6, "the gradients sum to %g", total);
  free(scores);
}

/* As many classes as the loss stores exponentials for, and more. */
static void softmax_of_many_classes_is_its_definition(const cn_context *context) {
  for (int k = 0; k < WANTED; k++) {
    int32_t classes = LOSS_KEPT;
    while (classes <= 8 * LOSS_KEPT && !is_wanted(in_pieces(classes, LOSS_KEPT), k)) classes++;
    CHECK(classes <= 8 * LOSS_KEPT, "classes: no number has %s", wanted_names[k]);
    softmax_is_its_definition(context, classes);
  }
}

/* Maps of pixels give the bits of the transposed rows of classes. */
static void softmax_of_maps_is_softmax_of_rows(const cn_context *context, int map) {
  enum { N = 2, CLASSES = 5, MAP = 8 * LOSS_PIXELS, ALL = N * CLASSES * MAP };
  seed_values(22);
  float *maps = new_reals(ALL), rows[ALL], dmaps[ALL], drows[ALL];
  int32_t labels[N * MAP];
  const float weights[N] = {0.5f, 2.0f};
  double by_maps, by_rows;
  for (int i = 0; i < N * map; i++) {
    labels[i] = (i * 7) % CLASSES;
    for (int j = 0; j < CLASSES; j++)
      rows[i * CLASSES + j] = maps[(i / map * CLASSES + j) * map + i % map];
  }
  for (int weighted = 0; weighted < 2; weighted++) {
    float pixel_weights[N * MAP];
    for (int i = 0; i < N * map; i++) pixel_weights[i] = weights[i / map];
    CHECK(evaluate(context, softmax_of(CLASSES, map), N, maps, labels, weighted ? weights : NULL,
                   &by_maps, dmaps) == CN_OK,
          "maps");
    CHECK(evaluate(context, softmax_of(CLASSES, 1), N * map, rows, labels,
                   weighted ? pixel_weights : NULL, &by_rows, drows) == CN_OK,
          "rows");
    CHECK(near(by_maps, by_rows), "loss %.17g of maps, %.17g of rows", by_maps, by_rows);
    for (int i = 0; i < N * map; i++)
      for (int j = 0; j < CLASSES; j++) {
        const float d = dmaps[(i / map * CLASSES + j) * map + i % map];
        CHECK(d == drows[i * CLASSES + j], "pixel %d, class %d: %g", i, j, (double)d);
      }
  }
  free(maps);
}

/* As many pixels as are processed at a time, and more. */
static void softmax_per_pixel_is_softmax_of_every_pixel(const cn_context *context) {
  for (int k = 0; k < WANTED; k++) {
    int map = 2;
    while (map <= 8 * LOSS_PIXELS && !is_wanted(in_pieces(map, LOSS_PIXELS), k)) map++;
    CHECK(map <= 8 * LOSS_PIXELS, "maps: no size has %s", wanted_names[k]);
    softmax_of_maps_is_softmax_of_rows(context, map);
  }
}

/* ---- Every option, as it is written down ---------------------------------------------------- */

typedef struct batch {
  cn_loss loss;
  int32_t n;
  float *output, *targets, *weights;
  int32_t *labels;
} batch;

static double sample_weight(const batch *b, int32_t n) {
  return b->weights == NULL ? 1.0 : b->weights[n];
}

static double class_weight(const batch *b, int32_t c) {
  return b->loss.class_weights == NULL ? 1.0 : b->loss.class_weights[c];
}

static bool is_soft(const batch *b) { return b->loss.kind == CN_SOFT_CROSS_ENTROPY; }

static bool counts(const batch *b, int64_t label) {
  return is_soft(b) || b->loss.ignores == 0 || b->labels[label] != b->loss.ignored;
}

/* What the sum of all losses is multiplied by. */
static double share_of(const batch *b) {
  const bool softmax = b->loss.kind == CN_SOFTMAX_CROSS_ENTROPY || is_soft(b);
  double total = 0.0;
  for (int32_t n = 0; n < b->n; n++) {
    double own = 1.0;
    if (b->loss.reduction == CN_MEAN && softmax) {
      own = 0.0;
      for (int32_t p = 0; p < b->loss.pixels; p++) {
        const int64_t at = (int64_t)n * b->loss.pixels + p;
        if (counts(b, at)) own += is_soft(b) ? 1.0 : class_weight(b, b->labels[at]);
      }
    } else if (b->loss.reduction == CN_MEAN && b->loss.kind != CN_MULTI_MARGIN)
      own = (double)b->loss.classes * b->loss.pixels;
    total += sample_weight(b, n) * own;
  }
  return b->loss.reduction == CN_SUM ? 1.0 : total > 0.0 ? 1.0 / total : 0.0;
}

static double softmax_by_definition(const batch *b, double *d) {
  const int32_t classes = b->loss.classes, pixels = b->loss.pixels;
  double loss = 0.0;
  for (int64_t i = 0; i < (int64_t)b->n * pixels; i++) {
    const int64_t base = i / pixels * classes * pixels + i % pixels;
    double sum = 0.0, all = 0.0;
    for (int32_t j = 0; j < classes; j++) sum += exp((double)b->output[base + j * pixels]);
    for (int32_t j = 0; j < classes; j++) {
      const int64_t at = base + j * pixels;
      const double t = is_soft(b) ? b->targets[at] : b->labels[i] == j ? 1.0 : 0.0;
      const double q = class_weight(b, j) *
                       ((1.0 - b->loss.smoothing) * t + (double)b->loss.smoothing / classes);
      if (!counts(b, i)) continue;
      all += q;
      loss += sample_weight(b, (int32_t)(i / pixels)) * q * (log(sum) - (double)b->output[at]);
      d[at] = -q;
    }
    for (int32_t j = 0; j < classes; j++) {
      const int64_t at = base + j * pixels;
      d[at] = sample_weight(b, (int32_t)(i / pixels)) *
              (d[at] + all * exp((double)b->output[at]) / sum);
    }
  }
  return loss;
}

static double margins_by_definition(const batch *b, double *d) {
  const int32_t classes = b->loss.classes;
  double loss = 0.0;
  for (int32_t n = 0; n < b->n; n++) {
    const double weight = sample_weight(b, n) * class_weight(b, b->labels[n]) / classes;
    const float *s = b->output + (int64_t)n * classes;
    for (int32_t j = 0; j < classes; j++) {
      const double m = (double)s[j] - (double)s[b->labels[n]] + (double)b->loss.margin;
      if (j == b->labels[n] || m <= 0.0) continue;
      const double slope = weight * (b->loss.power == 2 ? 2.0 * m : 1.0);
      loss += weight * (b->loss.power == 2 ? m * m : m);
      d[(int64_t)n * classes + j] += slope;
      d[(int64_t)n * classes + b->labels[n]] -= slope;
    }
  }
  return loss;
}

static double value_by_definition(const batch *b, double y, double t, int32_t c, double *slope) {
  const double d = y - t, m = b->loss.margin, sign = d > 0.0 ? 1.0 : d < 0.0 ? -1.0 : 0.0;
  const double sigma = 1.0 / (1.0 + exp(-y)), w = class_weight(b, c);
  switch (b->loss.kind) {
  case CN_MEAN_SQUARED_ERROR:
    *slope = 2.0 * d;
    return d * d;
  case CN_ABSOLUTE_ERROR:
    *slope = sign;
    return fabs(d);
  case CN_HUBER:
    *slope = fabs(d) <= m ? d : m * sign;
    return fabs(d) <= m ? d * d / 2.0 : m * (fabs(d) - m / 2.0);
  case CN_SMOOTH_L1:
    *slope = fabs(d) < m ? d / m : sign;
    return fabs(d) < m ? d * d / (2.0 * m) : fabs(d) - m / 2.0;
  case CN_BINARY_CROSS_ENTROPY:
    *slope = (1.0 - t) * sigma - w * t * (1.0 - sigma);
    return -w * t * log(sigma) - (1.0 - t) * log(1.0 - sigma);
  case CN_KL_DIVERGENCE:
    *slope = -t;
    return t * (log(t) - y);
  default:
    *slope = -exp(t);
    return exp(t) * (t - y);
  }
}

static double values_by_definition(const batch *b, double *d) {
  const int64_t length = (int64_t)b->loss.classes * b->loss.pixels;
  double loss = 0.0;
  for (int64_t i = 0; i < b->n * length; i++) {
    const double weight = sample_weight(b, (int32_t)(i / length));
    loss += weight * value_by_definition(b, (double)b->output[i], (double)b->targets[i],
                                         (int32_t)(i % length / b->loss.pixels), &d[i]);
    d[i] *= weight;
  }
  return loss;
}

static void loss_is_its_definition(const cn_context *context, cn_loss l, int32_t n, bool weighted) {
  const bool margins = l.kind == CN_MULTI_MARGIN;
  const int64_t count = (int64_t)n * l.classes * l.pixels, labels = (int64_t)n * l.pixels;
  batch b = {.loss = l, .n = n, .output = new_reals(count), .targets = new_reals(count)};
  b.labels = malloc((size_t)labels * sizeof *b.labels);
  b.weights = weighted ? new_reals(n) : NULL;
  for (int64_t i = 0; i < count; i++) b.targets[i] = fabsf(b.targets[i]);
  for (int64_t i = 0; i < labels; i++)
    b.labels[i] = i % 5 == 1 && l.ignores != 0 && l.kind == CN_SOFTMAX_CROSS_ENTROPY
                      ? l.ignored
                      : (int32_t)(i * 7 % l.classes);
  for (int32_t i = 0; i < n && weighted; i++) b.weights[i] = i == 1 ? 0.0f : fabsf(b.weights[i]);
  double *expected = calloc((size_t)count, sizeof *expected), loss = 0.0, total;
  float *d = new_floats(count);
  const bool softmax = l.kind == CN_SOFTMAX_CROSS_ENTROPY || is_soft(&b);
  total = softmax   ? softmax_by_definition(&b, expected)
          : margins ? margins_by_definition(&b, expected)
                    : values_by_definition(&b, expected);
  const bool labelled = margins || l.kind == CN_SOFTMAX_CROSS_ENTROPY;
  CHECK(evaluate(context, l, n, b.output, labelled ? (void *)b.labels : (void *)b.targets,
                 b.weights, &loss, d) == CN_OK,
        "kind %d", l.kind);
  const double share = share_of(&b);
  CHECK(fabs(loss - total * share) <= 1e-6 * fabs(total * share), "kind %d: %.17g, not %.17g",
        l.kind, loss, total * share);
  for (int64_t i = 0; i < count; i++) {
    const double e = expected[i] * share;
    if (fabs(d[i] - e) <= 2e-6 * (fabs(e) + share)) continue;
    CHECK(false, "kind %d: gradient %d is %g, not %g", l.kind, (int)i, (double)d[i], e);
    break;
  }
  free(b.output);
  free(b.targets);
  free(b.labels);
  free(b.weights);
  free(expected);
  free(d);
}

/* Fewer and more maps than softmax stores, and units than there are sums. */
static void every_option_is_its_definition(const cn_context *context) {
  static const int32_t shapes[][3] = {
      {3, 5, 1}, {2, 21, 77}, {5, LOSS_MAPS + 3, 9}, {1, 3, LOSS_RUN}, {LOSS_CHUNKS + 9, 4, 1}};
  float weights[LOSS_MAPS + 3];
  for (int j = 0; j < LOSS_MAPS + 3; j++) weights[j] = (float)(j % 4) / 2.0f;
  seed_values(23);
  for (int shape = 0; shape < 5; shape++)
    for (int32_t kind = 0; kind <= CN_KL_DIVERGENCE_LOG; kind++)
      for (int option = 0; option < 6; option++) {
        cn_loss l = {.kind = kind,
                     .classes = shapes[shape][1],
                     .pixels = kind == CN_MULTI_MARGIN ? 1 : shapes[shape][2],
                     .margin = 0.75f,
                     .reduction = option % 3,
                     .smoothing = option == 0 ? 0.0f : 0.25f,
                     .ignores = option > 2,
                     .ignored = option == 3 ? 1 : -100,
                     .power = 1 + option % 2,
                     .class_weights = option > 1 ? weights : NULL};
        if (kind != CN_MULTICLASS_SVM)
          loss_is_its_definition(context, l, shapes[shape][0], option > 3);
      }
}

/* A batch in which every label is ignored, or of a class without weight. */
static void nothing_that_counts_is_no_loss(const cn_context *context) {
  const float scores[] = {1.0f, NAN, 3.0f, -4.0f}, weights[] = {0.0f, 1.0f};
  const int32_t labels[] = {7, 7}, zeros[] = {0, 0};
  double loss = 7.0;
  float d[4];
  cn_loss l = softmax_of(2, 1);
  l.ignores = 1;
  l.ignored = 7;
  CHECK(evaluate(context, l, 2, scores, labels, NULL, &loss, d) == CN_OK, "ignored");
  CHECK(loss == 0.0 && d[0] == 0.0f && d[1] == 0.0f && d[3] == 0.0f, "ignored: %g", loss);
  l.class_weights = weights;
  CHECK(evaluate(context, l, 1, scores + 2, zeros, NULL, &loss, d) == CN_OK, "no weight");
  CHECK(loss == 0.0 && d[0] == 0.0f && d[1] == 0.0f, "no weight: %g", loss);
}

/* A weight of 2 equals a duplicated sample, a weight of 0 an absent one. */
static void weights_count_samples(const cn_context *context) {
  const float scores[] = {3.25f, 5.0f, -1.75f, 1.0f, 2.0f, 1.0f, 0.5f, 0.25f, 4.0f};
  const float twice[] = {3.25f, 5.0f, -1.75f, 3.25f, 5.0f, -1.75f, 0.5f, 0.25f, 4.0f};
  const float targets[] = {1.0f, 0.0f, 0.0f, 9.0f, 9.0f, 9.0f, 0.0f, 1.0f, 0.0f};
  const float twice_targets[] = {1.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.0f};
  const int32_t labels[] = {0, 2, 1}, twice_labels[] = {0, 0, 1};
  const float weights[] = {2.0f, 0.0f, 1.0f};
  for (int kind = 0; kind < 3; kind++) {
    float d[9], dtwice[9];
    double loss = 0.0, loss_twice = 0.0;
    if (kind == 0) {
      evaluate(context, softmax_of(3, 1), 3, scores, labels, weights, &loss, d);
      evaluate(context, softmax_of(3, 1), 3, twice, twice_labels, NULL, &loss_twice, dtwice);
    } else if (kind == 1) {
      evaluate(context, svm_of(3), 3, scores, labels, weights, &loss, d);
      evaluate(context, svm_of(3), 3, twice, twice_labels, NULL, &loss_twice, dtwice);
    } else {
      evaluate(context, squares_of(3), 3, scores, targets, weights, &loss, d);
      evaluate(context, squares_of(3), 3, twice, twice_targets, NULL, &loss_twice, dtwice);
    }
    CHECK(loss > 0.0 && near(loss, loss_twice), "%d: %.17g, not %.17g", kind, loss, loss_twice);
    for (int j = 0; j < 3; j++) {
      const double pair = (double)dtwice[j] + (double)dtwice[3 + j];
      CHECK(fabs(d[j] - pair) <= 1e-6, "%d: gradient %d is %g", kind, j, (double)d[j]);
      CHECK(d[3 + j] == 0.0f, "%d: a sample without weight has a gradient", kind);
      CHECK(fabs(d[6 + j] - dtwice[6 + j]) <= 1e-6, "%d: gradient of the last", kind);
    }
  }
}

static void a_nan_in_the_scores_reaches_the_loss(const cn_context *context) {
  for (int at = 0; at < 4; at++) {
    float scores[] = {0.5f, 1.5f, -2.0f, 0.25f}, d[4];
    const float targets[] = {0.0f, 0.0f, 0.0f, 0.0f};
    const int32_t label = 1;
    double loss;
    scores[at] = NAN;
    evaluate(context, softmax_of(4, 1), 1, scores, &label, NULL, &loss, d);
    CHECK(isnan(loss) && isnan(d[0]), "softmax, NaN at %d", at);
    evaluate(context, svm_of(4), 1, scores, &label, NULL, &loss, d);
    CHECK(isnan(loss), "svm, NaN at %d", at);
    evaluate(context, squares_of(4), 1, scores, targets, NULL, &loss, d);
    CHECK(isnan(loss) && isnan(d[at]), "mse, NaN at %d", at);
  }
}

static void a_label_out_of_range_writes_nothing(const cn_context *context) {
  const float scores[] = {1.0f, 2.0f, 3.0f, 4.0f};
  const int32_t bad[][2] = {{0, 2}, {-1, 0}};
  for (int i = 0; i < 2; i++) {
    float d[4] = {7.0f, 7.0f, 7.0f, 7.0f};
    double loss = 7.0;
    CHECK(evaluate(context, softmax_of(2, 1), 2, scores, bad[i], NULL, &loss, d) == CN_BAD_LABEL,
          "%d", i);
    CHECK(evaluate(context, svm_of(2), 2, scores, bad[i], NULL, &loss, d) == CN_BAD_LABEL, "%d", i);
    CHECK(loss == 7.0 && d[0] == 7.0f && d[3] == 7.0f, "%d: something was written", i);
  }
}

int main(void) {
  for (int set = 0; set < instruction_sets(); set++)
    for (int i = 0; i < THREAD_COUNTS; i++) {
      const cn_context context = context_of(set, thread_counts[i]);
      losses_give_the_values_computed_by_hand(&context);
      softmax_of_many_classes_is_its_definition(&context);
      softmax_per_pixel_is_softmax_of_every_pixel(&context);
      weights_count_samples(&context);
      every_option_is_its_definition(&context);
      nothing_that_counts_is_no_loss(&context);
      a_nan_in_the_scores_reaches_the_loss(&context);
      a_label_out_of_range_writes_nothing(&context);
    }
  return verdict("losses");
}
