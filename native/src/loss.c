/* Losses and their gradients: small matrices, in double precision, on one thread, with the same
 * code on every processor. */
#include "check.h"

#include <math.h>

enum { PIXELS = 64 }; /* pixels of a map that are processed at a time */

static int32_t check_output(const cn_context *context, int32_t n, int64_t length,
                            const float *output, const void *targets, const float *weights,
                            const double *loss, const float *doutput) {
  TRY(check_context(context));
  if (n < 1 || length < 1 || n * length > INT32_MAX) return CN_BAD_SHAPE;
  TRY(check_floats(output));
  TRY(check_floats(targets));
  if (weights != NULL) TRY(check_floats(weights));
  if (loss == NULL) return CN_NULL_POINTER;
  if ((uintptr_t)loss % sizeof(double) != 0) return CN_MISALIGNED;
  return doutput == NULL ? CN_OK : check_floats(doutput);
}

static int32_t check_labels(int64_t count, int32_t classes, const int32_t *labels) {
  for (int64_t i = 0; i < count; i++)
    if (labels[i] < 0 || labels[i] >= classes) return CN_BAD_LABEL;
  return CN_OK;
}

/* Sum of the sample weights, or n if there are none. */
static int32_t total_weight(int32_t n, const float *weights, double *total) {
  *total = weights == NULL ? n : 0.0;
  for (int32_t i = 0; i < n && weights != NULL; i++) {
    if (!isfinite(weights[i]) || weights[i] < 0.0f) return CN_BAD_VALUE;
    *total += weights[i];
  }
  return *total > 0.0 ? CN_OK : CN_BAD_VALUE;
}

static double weight_of(const float *weights, int64_t sample) {
  return weights == NULL ? 1.0 : weights[sample];
}

/*
 * Up to PIXELS pixels of one sample whose maps are `stride` values apart. Returns the sum over the
 * pixels of -log softmax(s)[label], and sets ds[j] = weight (softmax(s)[j] - [j = label]) / total.
 */
static double softmax_pixels(const float *s, int32_t classes, int64_t stride, int64_t pixels,
                             const int32_t *labels, double weight, double total, float *ds) {
  double max[PIXELS], sum[PIXELS] = {0.0}, loss = 0.0;
  for (int64_t p = 0; p < pixels; p++) max[p] = s[p];
  for (int32_t j = 1; j < classes; j++)
    for (int64_t p = 0; p < pixels; p++) {
      const double v = s[j * stride + p];
      if (!(v <= max[p])) max[p] = v; /* a NaN becomes and remains the maximum */
    }
  for (int32_t j = 0; j < classes; j++)
    for (int64_t p = 0; p < pixels; p++) sum[p] += exp(s[j * stride + p] - max[p]);
  for (int32_t j = 0; j < classes && ds != NULL; j++)
    for (int64_t p = 0; p < pixels; p++) {
      const double e = exp(s[j * stride + p] - max[p]);
      ds[j * stride + p] = (float)(weight * (e / sum[p] - (j == labels[p] ? 1.0 : 0.0)) / total);
    }
  for (int64_t p = 0; p < pixels; p++) loss += log(sum[p]) - (s[labels[p] * stride + p] - max[p]);
  return loss;
}

enum { KEPT = 256 }; /* exponentials of a row that are stored instead of recomputed */

/* The same for a sample that is one vector. */
static double softmax_row(const float *s, int32_t classes, int32_t label, double weight,
                          double total, float *ds) {
  double max = s[0], sum = 0.0, kept[KEPT];
  for (int32_t j = 1; j < classes; j++)
    if (!(s[j] <= max)) max = s[j];
  for (int32_t j = 0; j < classes; j++) {
    const double e = exp(s[j] - max);
    if (j < KEPT) kept[j] = e;
    sum += e;
  }
  for (int32_t j = 0; j < classes && ds != NULL; j++) {
    const double e = j < KEPT ? kept[j] : exp(s[j] - max);
    ds[j] = (float)(weight * (e / sum - (j == label ? 1.0 : 0.0)) / total);
  }
  return log(sum) - (s[label] - max);
}

int32_t cn_softmax_cross_entropy(const cn_context *context, int32_t n, int32_t classes,
                                 int32_t pixels, const float *output, const int32_t *labels,
                                 const float *weights, double *loss, float *doutput) {
  if (classes < 1 || pixels < 1) return CN_BAD_SHAPE;
  const int64_t length = (int64_t)classes * pixels;
  TRY(check_output(context, n, length, output, labels, weights, loss, doutput));
  TRY(check_labels((int64_t)n * pixels, classes, labels));
  double total, sum = 0.0;
  TRY(total_weight(n, weights, &total));
  total *= pixels;
  for (int64_t i = 0; i < n; i++) {
    const float *s = output + i * length;
    float *ds = doutput == NULL ? NULL : doutput + i * length;
    const int32_t *label = labels + i * pixels;
    const double weight = weight_of(weights, i);
    if (pixels == 1) sum += weight * softmax_row(s, classes, *label, weight, total, ds);
    for (int64_t p = 0; p < pixels && pixels > 1; p += PIXELS) {
      const int64_t some = pixels - p < PIXELS ? pixels - p : PIXELS;
      sum += weight * softmax_pixels(s + p, classes, pixels, some, label + p, weight, total,
                                     ds == NULL ? NULL : ds + p);
    }
  }
  *loss = sum / total;
  return CN_OK;
}

/* One sample: sum over j != label of max(0, s[j] - s[label] + margin). A NaN counts as active. */
static double svm_row(const float *s, int32_t classes, int32_t label, float margin, double weight,
                      double total, float *ds) {
  double sum = 0.0;
  int32_t above = 0;
  for (int32_t j = 0; j < classes; j++) {
    const float m = s[j] - s[label] + margin;
    const bool active = j != label && !(m <= 0.0f);
    if (active) sum += m;
    above += active;
    if (ds != NULL) ds[j] = active ? (float)(weight / total) : 0.0f;
  }
  if (ds != NULL) ds[label] = (float)(-above * weight / total);
  return sum;
}

int32_t cn_multiclass_svm(const cn_context *context, int32_t n, int32_t classes, float margin,
                          const float *output, const int32_t *labels, const float *weights,
                          double *loss, float *doutput) {
  TRY(check_output(context, n, classes, output, labels, weights, loss, doutput));
  TRY(check_labels(n, classes, labels));
  if (!isfinite(margin)) return CN_BAD_VALUE;
  double total, sum = 0.0;
  TRY(total_weight(n, weights, &total));
  for (int64_t i = 0; i < n; i++) {
    const double weight = weight_of(weights, i);
    sum += weight * svm_row(output + i * classes, classes, labels[i], margin, weight, total,
                            doutput == NULL ? NULL : doutput + i * classes);
  }
  *loss = sum / total;
  return CN_OK;
}

int32_t cn_mean_squared_error(const cn_context *context, int32_t n, int32_t length,
                              const float *output, const float *targets, const float *weights,
                              double *loss, float *doutput) {
  TRY(check_output(context, n, length, output, targets, weights, loss, doutput));
  double total, sum = 0.0;
  TRY(total_weight(n, weights, &total));
  total *= length;
  for (int64_t sample = 0; sample < n; sample++) {
    const double weight = weight_of(weights, sample);
    for (int64_t i = sample * length; i < (sample + 1) * length; i++) {
      const double d = (double)output[i] - (double)targets[i];
      sum += weight * (d * d);
      if (doutput != NULL) doutput[i] = (float)(2.0 * weight * d / total);
    }
  }
  *loss = sum / total;
  return CN_OK;
}
