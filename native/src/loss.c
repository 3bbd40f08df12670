/* Losses and their gradients: small matrices, in double precision, on one thread, with the same
 * code on every processor. */
#include "check.h"
#include "sum_plan.h"

#include <math.h>

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
 * Up to LOSS_PIXELS pixels of one sample whose maps are `stride` values apart. Returns the sum over
 * the pixels of -log softmax(s)[label], and sets ds[j] = weight (softmax(s)[j] - [j = label]) /
 * total.
 */
static double softmax_pixels(const float *s, int32_t classes, int64_t stride, int64_t pixels,
                             const int32_t *labels, double weight, double total, float *ds) {
  double max[LOSS_PIXELS], sum[LOSS_PIXELS] = {0.0}, loss = 0.0;
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

/* The same for a sample that is one vector. */
static double softmax_row(const float *s, int32_t classes, int32_t label, double weight,
                          double total, float *ds) {
  double max = s[0], sum = 0.0, kept[LOSS_KEPT];
  for (int32_t j = 1; j < classes; j++)
    if (!(s[j] <= max)) max = s[j];
  for (int32_t j = 0; j < classes; j++) {
    const double e = exp(s[j] - max);
    if (j < LOSS_KEPT) kept[j] = e;
    sum += e;
  }
  for (int32_t j = 0; j < classes && ds != NULL; j++) {
    const double e = j < LOSS_KEPT ? kept[j] : exp(s[j] - max);
    ds[j] = (float)(weight * (e / sum - (j == label ? 1.0 : 0.0)) / total);
  }
  return log(sum) - (s[label] - max);
}

/* What a loss is computed from. weights and doutput are null unless the descriptor asks for them.
 */
typedef struct loss_call {
  const cn_loss *loss;
  int32_t n;
  int64_t length; /* values per sample */
  const float *output, *weights;
  float *doutput;
  double total; /* sum of the weights */
} loss_call;

static float *gradient_of(const loss_call *call, int64_t sample) {
  return call->doutput == NULL ? NULL : call->doutput + sample * call->length;
}

static double softmax_cross_entropy(const loss_call *call, const int32_t *labels) {
  const int32_t classes = call->loss->classes, pixels = call->loss->pixels;
  const double total = call->total * pixels;
  double sum = 0.0;
  for (int64_t i = 0; i < call->n; i++) {
    const float *s = call->output + i * call->length;
    float *ds = gradient_of(call, i);
    const int32_t *label = labels + i * pixels;
    const double weight = weight_of(call->weights, i);
    if (pixels == 1) sum += weight * softmax_row(s, classes, *label, weight, total, ds);
    for (int64_t p = 0; p < pixels && pixels > 1; p += LOSS_PIXELS) {
      const int64_t some = pixels - p < LOSS_PIXELS ? pixels - p : LOSS_PIXELS;
      sum += weight * softmax_pixels(s + p, classes, pixels, some, label + p, weight, total,
                                     ds == NULL ? NULL : ds + p);
    }
  }
  return sum / total;
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

static double multiclass_svm(const loss_call *call, const int32_t *labels) {
  double sum = 0.0;
  for (int64_t i = 0; i < call->n; i++) {
    const double weight = weight_of(call->weights, i);
    sum += weight * svm_row(call->output + i * call->length, call->loss->classes, labels[i],
                            call->loss->margin, weight, call->total, gradient_of(call, i));
  }
  return sum / call->total;
}

static double mean_squared_error(const loss_call *call, const float *targets) {
  const double total = call->total * (double)call->length;
  double sum = 0.0;
  for (int64_t sample = 0; sample < call->n; sample++) {
    const double weight = weight_of(call->weights, sample);
    for (int64_t i = sample * call->length; i < (sample + 1) * call->length; i++) {
      const double d = (double)call->output[i] - (double)targets[i];
      sum += weight * (d * d);
      if (call->doutput != NULL) call->doutput[i] = (float)(2.0 * weight * d / total);
    }
  }
  return sum / total;
}

static int32_t check_loss(const cn_loss *loss, int32_t n) {
  if (loss->kind < CN_SOFTMAX_CROSS_ENTROPY || loss->kind > CN_MEAN_SQUARED_ERROR)
    return CN_BAD_VALUE;
  if (n < 1 || loss->classes < 1 || loss->pixels < 1) return CN_BAD_SHAPE;
  if ((double)n * loss->classes * loss->pixels > INT32_MAX) return CN_BAD_SHAPE;
  if (loss->kind == CN_MULTICLASS_SVM && loss->pixels != 1) return CN_BAD_SHAPE;
  if (loss->kind == CN_MULTICLASS_SVM && !isfinite(loss->margin)) return CN_BAD_VALUE;
  if (loss->weighted != 0 && loss->weighted != 1) return CN_BAD_VALUE;
  return loss->gradient != 0 && loss->gradient != 1 ? CN_BAD_VALUE : CN_OK;
}

int32_t cn_loss_evaluate(const cn_context *context, const cn_loss *descriptor, int32_t n,
                         const float *output, const void *targets, const float *weights,
                         double *loss, float *doutput) {
  ADOPT(cn_context, context);
  ADOPT(cn_loss, descriptor);
  TRY(check_context(context));
  TRY(check_loss(descriptor, n));
  TRY(check_floats(output));
  TRY(check_floats(targets));
  if (descriptor->weighted != 0) TRY(check_floats(weights));
  if (descriptor->gradient != 0) TRY(check_floats(doutput));
  if (loss == NULL) return CN_NULL_POINTER;
  if ((uintptr_t)loss % sizeof(double) != 0) return CN_MISALIGNED;
  loss_call call = {.loss = descriptor,
                    .n = n,
                    .length = (int64_t)descriptor->classes * descriptor->pixels,
                    .output = output,
                    .weights = descriptor->weighted != 0 ? weights : NULL,
                    .doutput = descriptor->gradient != 0 ? doutput : NULL};
  if (descriptor->kind != CN_MEAN_SQUARED_ERROR)
    TRY(check_labels((int64_t)n * descriptor->pixels, descriptor->classes, targets));
  TRY(total_weight(n, call.weights, &call.total));
  *loss = descriptor->kind == CN_SOFTMAX_CROSS_ENTROPY ? softmax_cross_entropy(&call, targets)
          : descriptor->kind == CN_MULTICLASS_SVM      ? multiclass_svm(&call, targets)
                                                       : mean_squared_error(&call, targets);
  return CN_OK;
}
