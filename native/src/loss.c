/* Losses: validates the arguments, and counts what a mean divides by. */
#include "check.h"
#include "cpu.h"
#include "loss.h"

#include <math.h>

static bool takes_labels(const cn_loss *loss) {
  return loss->kind == CN_SOFTMAX_CROSS_ENTROPY || loss->kind == CN_MULTICLASS_SVM ||
         loss->kind == CN_MULTI_MARGIN;
}

static bool is_softmax(const cn_loss *loss) {
  return loss->kind == CN_SOFTMAX_CROSS_ENTROPY || loss->kind == CN_SOFT_CROSS_ENTROPY;
}

static bool has_class_weights(const cn_loss *loss) {
  return is_softmax(loss) || loss->kind == CN_MULTI_MARGIN || loss->kind == CN_BINARY_CROSS_ENTROPY;
}

static bool ignores(const cn_loss *loss, int32_t label) {
  return loss->kind == CN_SOFTMAX_CROSS_ENTROPY && loss->ignores != 0 && label == loss->ignored;
}

static int32_t check_labels(const loss_call *call) {
  const int64_t count = (int64_t)call->n * call->loss->pixels;
  for (int64_t i = 0; i < count; i++)
    if ((call->labels[i] < 0 || call->labels[i] >= call->loss->classes) &&
        !ignores(call->loss, call->labels[i]))
      return CN_BAD_LABEL;
  return CN_OK;
}

/* Sum of weights, which must be finite and not negative; `count` if there are none. */
static int32_t total_weight(int64_t count, const float *weights, double *total) {
  *total = weights == NULL ? (double)count : 0.0;
  for (int64_t i = 0; i < count && weights != NULL; i++) {
    if (!isfinite(weights[i]) || weights[i] < 0.0f) return CN_BAD_VALUE;
    *total += weights[i];
  }
  return *total > 0.0 ? CN_OK : CN_BAD_VALUE;
}

/* What the mean of labels divides by: the sum of the weights of the labels that count, each
 * multiplied by the weight of its sample. */
static double weight_of_labels(const loss_call *call) {
  const cn_loss *loss = call->loss;
  double total = 0.0;
  for (int64_t i = 0; i < call->n; i++) {
    const int32_t *labels = call->labels + i * loss->pixels;
    double own = 0.0;
    for (int32_t p = 0; p < loss->pixels; p++)
      if (!ignores(loss, labels[p]))
        own += loss->class_weights == NULL ? 1.0 : loss->class_weights[labels[p]];
    total += (call->weights == NULL ? 1.0 : call->weights[i]) * own;
  }
  return total;
}

/* The factor of the sum of all losses; 0 if a mean counts nothing. */
static double share_of(const loss_call *call, double samples) {
  const cn_loss *loss = call->loss;
  if (loss->reduction == CN_SUM) return 1.0;
  double count = samples;
  if (loss->reduction == CN_MEAN && loss->kind == CN_SOFTMAX_CROSS_ENTROPY)
    count = weight_of_labels(call);
  else if (loss->reduction == CN_MEAN && loss->kind == CN_SOFT_CROSS_ENTROPY)
    count = samples * loss->pixels;
  else if (loss->reduction == CN_MEAN && !takes_labels(loss))
    count = samples * loss->pixels * loss->classes;
  return count > 0.0 ? 1.0 / count : 0.0;
}

static int32_t check_parameter(const cn_loss *loss) {
  switch (loss->kind) {
  case CN_MULTICLASS_SVM:
    return isfinite(loss->margin) ? CN_OK : CN_BAD_VALUE;
  case CN_MULTI_MARGIN:
    return isfinite(loss->margin) && (loss->power == 1 || loss->power == 2) ? CN_OK : CN_BAD_VALUE;
  case CN_HUBER:
    return isfinite(loss->margin) && loss->margin > 0.0f ? CN_OK : CN_BAD_VALUE;
  case CN_SMOOTH_L1:
    return isfinite(loss->margin) && loss->margin >= 0.0f ? CN_OK : CN_BAD_VALUE;
  default:
    return CN_OK;
  }
}

static int32_t check_loss(const cn_loss *loss, int32_t n) {
  if (loss->kind < CN_SOFTMAX_CROSS_ENTROPY || loss->kind > CN_KL_DIVERGENCE_LOG)
    return CN_BAD_VALUE;
  if (n < 1 || loss->classes < 1 || loss->pixels < 1) return CN_BAD_SHAPE;
  if ((double)n * loss->classes * loss->pixels > INT32_MAX) return CN_BAD_SHAPE;
  if (takes_labels(loss) && !is_softmax(loss) && loss->pixels != 1) return CN_BAD_SHAPE;
  if (loss->weighted != 0 && loss->weighted != 1) return CN_BAD_VALUE;
  if (loss->gradient != 0 && loss->gradient != 1) return CN_BAD_VALUE;
  if (loss->reduction < CN_MEAN || loss->reduction > CN_SUM) return CN_BAD_VALUE;
  if (is_softmax(loss) && !(loss->smoothing >= 0.0f && loss->smoothing <= 1.0f))
    return CN_BAD_VALUE;
  if (loss->ignores != 0 && loss->ignores != 1) return CN_BAD_VALUE;
  if (has_class_weights(loss) && loss->class_weights != NULL) {
    double total;
    TRY(check_floats(loss->class_weights));
    TRY(total_weight(loss->classes, loss->class_weights, &total));
  }
  return check_parameter(loss);
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
  TRY(check_doubles(loss));
  cn_loss used = *descriptor;
  if (!has_class_weights(&used)) used.class_weights = NULL;
  loss_call call = {.loss = &used,
                    .n = n,
                    .output = output,
                    .labels = takes_labels(&used) ? targets : NULL,
                    .targets = takes_labels(&used) ? NULL : targets,
                    .weights = used.weighted != 0 ? weights : NULL,
                    .value = loss,
                    .doutput = used.gradient != 0 ? doutput : NULL};
  if (takes_labels(&used)) TRY(check_labels(&call));
  double samples;
  TRY(total_weight(n, call.weights, &samples));
  call.share = share_of(&call, samples);
  kernels_for(context)->loss_evaluate(context, &call);
  return CN_OK;
}
