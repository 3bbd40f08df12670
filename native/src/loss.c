/* Losses and their gradients: small matrices, double precision, one thread, the same code on every
 * processor. */
#include "check.h"

#include <math.h>

enum { KEPT = 256 }; /* exponentials of a row that are not computed twice */

static int32_t check_scores(const cn_context *context, int32_t n, int32_t classes,
                            const float *scores, const void *targets, const double *loss,
                            const float *dscores) {
  TRY(check_context(context));
  if (n < 1 || classes < 1 || (int64_t)n * classes > INT32_MAX) return CN_BAD_SHAPE;
  TRY(check_floats(scores));
  TRY(check_floats(targets));
  if (loss == NULL) return CN_NULL_POINTER;
  if ((uintptr_t)loss % sizeof(double) != 0) return CN_MISALIGNED;
  return dscores == NULL ? CN_OK : check_floats(dscores);
}

static int32_t check_labels(int32_t n, int32_t classes, const int32_t *labels) {
  for (int32_t i = 0; i < n; i++)
    if (labels[i] < 0 || labels[i] >= classes) return CN_BAD_LABEL;
  return CN_OK;
}

/* One sample: -log softmax(s)[label]; ds[j] = (softmax(s)[j] - [j = label]) / n. */
static double softmax_row(const float *s, int32_t classes, int32_t label, double n, float *ds) {
  double max = s[0], sum = 0.0, kept[KEPT];
  for (int32_t j = 1; j < classes; j++)
    if (!(s[j] <= max)) max = s[j]; /* a NaN stays, or takes the place of what was there */
  for (int32_t j = 0; j < classes; j++) {
    const double e = exp(s[j] - max);
    if (j < KEPT) kept[j] = e;
    sum += e;
  }
  for (int32_t j = 0; j < classes && ds != NULL; j++) {
    const double e = j < KEPT ? kept[j] : exp(s[j] - max);
    ds[j] = (float)((e / sum - (j == label ? 1.0 : 0.0)) / n);
  }
  return log(sum) - (s[label] - max);
}

int32_t cn_softmax_cross_entropy(const cn_context *context, int32_t n, int32_t classes,
                                 const float *scores, const int32_t *labels, double *loss,
                                 float *dscores) {
  TRY(check_scores(context, n, classes, scores, labels, loss, dscores));
  TRY(check_labels(n, classes, labels));
  double sum = 0.0;
  for (int64_t i = 0; i < n; i++)
    sum += softmax_row(scores + i * classes, classes, labels[i], n,
                       dscores == NULL ? NULL : dscores + i * classes);
  *loss = sum / n;
  return CN_OK;
}

/* One sample: sum over j != label of max(0, s[j] - s[label] + margin); a NaN is not below the
 * hinge. */
static double svm_row(const float *s, int32_t classes, int32_t label, float margin, double n,
                      float *ds) {
  double sum = 0.0;
  int32_t above = 0;
  for (int32_t j = 0; j < classes; j++) {
    const float m = s[j] - s[label] + margin;
    const bool active = j != label && !(m <= 0.0f);
    if (active) sum += m;
    above += active;
    if (ds != NULL) ds[j] = active ? (float)(1.0 / n) : 0.0f;
  }
  if (ds != NULL) ds[label] = (float)(-above / n);
  return sum;
}

int32_t cn_multiclass_svm(const cn_context *context, int32_t n, int32_t classes, float margin,
                          const float *scores, const int32_t *labels, double *loss,
                          float *dscores) {
  TRY(check_scores(context, n, classes, scores, labels, loss, dscores));
  TRY(check_labels(n, classes, labels));
  if (!isfinite(margin)) return CN_BAD_VALUE;
  double sum = 0.0;
  for (int64_t i = 0; i < n; i++)
    sum += svm_row(scores + i * classes, classes, labels[i], margin, n,
                   dscores == NULL ? NULL : dscores + i * classes);
  *loss = sum / n;
  return CN_OK;
}

int32_t cn_mean_squared_error(const cn_context *context, int32_t n, int32_t classes,
                              const float *scores, const float *targets, double *loss,
                              float *dscores) {
  TRY(check_scores(context, n, classes, scores, targets, loss, dscores));
  const int64_t count = (int64_t)n * classes;
  double sum = 0.0;
  for (int64_t i = 0; i < count; i++) {
    const double d = (double)scores[i] - (double)targets[i];
    sum += d * d;
    if (dscores != NULL) dscores[i] = (float)(2.0 * d / (double)count);
  }
  *loss = sum / (double)count;
  return CN_OK;
}
