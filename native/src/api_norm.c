/* Entry points for batch normalisation, normalisation of one sample, softmax, and local response
 * normalisation. */
#include "batch_norm_plan.h"
#include "check.h"
#include "cpu.h"
#include "lrn_plan.h"
#include "sample_norm_plan.h"

#include <math.h>

/* A pointer that may be null. */
static int32_t check_optional(const void *p) { return p == NULL ? CN_OK : check_aligned(p); }

static int32_t check_positive(float value) {
  return value > 0.0f && isfinite(value) ? CN_OK : CN_BAD_VALUE;
}

/* ---- Batch normalisation --------------------------------------------------------------------- */

static int32_t check_batch_norm(const cn_batch_norm *norm, int32_t n) {
  TRY(check_blocked(&norm->x, n));
  TRY(check_positive(norm->epsilon));
  return norm->momentum >= 0.0f && norm->momentum <= 1.0f ? CN_OK : CN_BAD_VALUE;
}

/* Validates a forward pass and its epilogue, which has the operations `supported`. */
static int32_t check_batch_norm_forward(const cn_batch_norm *norm, const cn_epilogue **epilogue,
                                        epilogue_room *room, int32_t supported, int32_t n) {
  TRY(check_batch_norm(norm, n));
  TRY(check_like(&norm->x, &norm->y, n));
  TRY(adopt_epilogue(epilogue, room));
  TRY(check_epilogue(*epilogue, supported, &norm->x, n));
  return check_operands(*epilogue, ~0);
}

int64_t cn_batch_norm_workspace_bytes(const cn_context *context, const cn_batch_norm *norm,
                                      int32_t n) {
  ADOPT(cn_context, context);
  ADOPT(cn_batch_norm, norm);
  TRY(check_context(context));
  TRY(check_batch_norm(norm, n));
  return bytes_of(batch_norm_floats(norm, n));
}

int64_t cn_row_statistics_bytes(const cn_tensor *tensor, int32_t n) {
  TRY(check_blocked(tensor, n));
  return bytes_of((int64_t)2 * n * blocks_of(tensor->c) * CN_BLOCK * tensor->h);
}

int32_t cn_row_statistics(const cn_context *context, const cn_tensor *tensor, int32_t n,
                          const void *x, float *statistics) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  TRY(check_blocked(tensor, n));
  TRY(check_aligned(x));
  TRY(check_aligned(statistics));
  kernels_for(context)->row_statistics_of(context, tensor, n, x, statistics);
  return CN_OK;
}

int32_t cn_batch_norm_forward(const cn_context *context, const cn_batch_norm *norm,
                              const cn_epilogue *epilogue, int32_t n, const void *x,
                              const float *statistics, const float *scale, const float *shift,
                              void *y, float *mean, float *inverse_std, float *running_mean,
                              float *running_variance, void *workspace, int64_t workspace_bytes) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_batch_norm, norm);
  TRY(check_context(context));
  TRY(check_batch_norm_forward(norm, &epilogue, &room, CN_ADD | CN_ACTIVATE, n));
  TRY(check_aligned(x));
  TRY(check_aligned(statistics));
  TRY(check_optional(scale));
  TRY(check_optional(shift));
  TRY(check_aligned(y));
  TRY(check_aligned(mean));
  TRY(check_aligned(inverse_std));
  TRY(check_aligned(running_mean));
  TRY(check_aligned(running_variance));
  TRY(check_workspace(workspace, workspace_bytes, batch_norm_floats(norm, n)));
  kernels_for(context)->batch_norm_forward(context, norm, epilogue, n, x, statistics, scale, shift,
                                           y, mean, inverse_std, running_mean, running_variance,
                                           workspace);
  return CN_OK;
}

int32_t cn_batch_norm_moments(const cn_context *context, const cn_batch_norm *norm, int32_t n,
                              const float *statistics, double *moments, void *workspace,
                              int64_t workspace_bytes) {
  ADOPT(cn_context, context);
  ADOPT(cn_batch_norm, norm);
  TRY(check_context(context));
  TRY(check_batch_norm(norm, n));
  TRY(check_aligned(statistics));
  TRY(check_doubles(moments));
  TRY(check_workspace(workspace, workspace_bytes, batch_norm_floats(norm, n)));
  kernels_for(context)->batch_norm_moments(context, norm, n, statistics, moments, workspace);
  return CN_OK;
}

/* The values of a channel in a batch of which a caller has n samples. */
static int32_t check_shared_count(const cn_batch_norm *norm, int32_t n, double count) {
  const double own = (double)n * norm->x.h * norm->x.w;
  return count >= own && isfinite(count) ? CN_OK : CN_BAD_VALUE;
}

int32_t cn_batch_norm_forward_shared(const cn_context *context, const cn_batch_norm *norm,
                                     const cn_epilogue *epilogue, int32_t n, const void *x,
                                     double count, const double *moments, const float *scale,
                                     const float *shift, void *y, float *mean, float *inverse_std,
                                     float *running_mean, float *running_variance) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_batch_norm, norm);
  TRY(check_context(context));
  TRY(check_batch_norm_forward(norm, &epilogue, &room, CN_ADD | CN_ACTIVATE, n));
  TRY(check_aligned(x));
  TRY(check_shared_count(norm, n, count));
  TRY(check_doubles(moments));
  TRY(check_optional(scale));
  TRY(check_optional(shift));
  TRY(check_aligned(y));
  TRY(check_aligned(mean));
  TRY(check_aligned(inverse_std));
  TRY(check_aligned(running_mean));
  TRY(check_aligned(running_variance));
  kernels_for(context)->batch_norm_forward_shared(context, norm, epilogue, n, x, count, moments,
                                                  scale, shift, y, mean, inverse_std, running_mean,
                                                  running_variance);
  return CN_OK;
}

int32_t cn_batch_norm_infer(const cn_context *context, const cn_batch_norm *norm,
                            const cn_epilogue *epilogue, int32_t n, const void *x,
                            const float *scale, const float *shift, const float *running_mean,
                            const float *running_variance, void *y) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_batch_norm, norm);
  TRY(check_context(context));
  TRY(check_batch_norm_forward(norm, &epilogue, &room, CN_ADD | CN_ACTIVATE, n));
  TRY(check_aligned(x));
  TRY(check_optional(scale));
  TRY(check_optional(shift));
  TRY(check_aligned(running_mean));
  TRY(check_aligned(running_variance));
  TRY(check_aligned(y));
  kernels_for(context)->batch_norm_infer(context, norm, epilogue, n, x, scale, shift, running_mean,
                                         running_variance, y);
  return CN_OK;
}

int32_t cn_batch_norm_apply(const cn_context *context, const cn_batch_norm *norm,
                            const cn_epilogue *epilogue, int32_t n, const void *x,
                            const float *scale, const float *shift, const float *mean,
                            const float *inverse_std, void *y) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_batch_norm, norm);
  TRY(check_context(context));
  TRY(check_batch_norm_forward(norm, &epilogue, &room, CN_ACTIVATE, n));
  TRY(check_aligned(x));
  TRY(check_optional(scale));
  TRY(check_optional(shift));
  TRY(check_aligned(mean));
  TRY(check_aligned(inverse_std));
  TRY(check_aligned(y));
  kernels_for(context)->batch_norm_apply(context, norm, epilogue, n, x, scale, shift, mean,
                                         inverse_std, y);
  return CN_OK;
}

/* Validates what all backward passes read, and adopts the epilogue. */
static int32_t check_batch_norm_backward(const cn_batch_norm *norm, const cn_epilogue **epilogue,
                                         epilogue_room *room, int32_t n, const void *x,
                                         const void *dy, const float *scale, const float *shift,
                                         const float *mean, const float *inverse_std) {
  TRY(check_batch_norm(norm, n));
  TRY(check_like(&norm->x, &norm->dy, n));
  TRY(adopt_epilogue(epilogue, room));
  TRY(check_epilogue(*epilogue, CN_ACTIVATE, &norm->x, n));
  TRY(check_aligned(x));
  TRY(check_aligned(dy));
  TRY(check_optional(scale));
  TRY(check_optional(shift));
  TRY(check_aligned(mean));
  return check_aligned(inverse_std);
}

int32_t cn_batch_norm_backward(const cn_context *context, const cn_batch_norm *norm,
                               const cn_epilogue *epilogue, int32_t n, const void *x,
                               const void *dy, const float *scale, const float *shift,
                               const float *mean, const float *inverse_std, void *dx, float *dscale,
                               float *dshift, void *workspace, int64_t workspace_bytes) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_batch_norm, norm);
  TRY(check_context(context));
  TRY(check_batch_norm_backward(norm, &epilogue, &room, n, x, dy, scale, shift, mean, inverse_std));
  TRY(check_like(&norm->x, &norm->dx, n));
  TRY(check_aligned(dx));
  TRY(check_aligned(dscale));
  TRY(check_aligned(dshift));
  TRY(check_workspace(workspace, workspace_bytes, batch_norm_floats(norm, n)));
  kernels_for(context)->batch_norm_backward(context, norm, epilogue, n, x, dy, scale, shift, mean,
                                            inverse_std, dx, dscale, dshift, workspace);
  return CN_OK;
}

int32_t cn_batch_norm_backward_sums(const cn_context *context, const cn_batch_norm *norm,
                                    const cn_epilogue *epilogue, int32_t n, const void *x,
                                    const void *dy, const float *scale, const float *shift,
                                    const float *mean, const float *inverse_std, double *sums,
                                    float *dscale, float *dshift, void *workspace,
                                    int64_t workspace_bytes) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_batch_norm, norm);
  TRY(check_context(context));
  TRY(check_batch_norm_backward(norm, &epilogue, &room, n, x, dy, scale, shift, mean, inverse_std));
  TRY(check_doubles(sums));
  TRY(check_aligned(dscale));
  TRY(check_aligned(dshift));
  TRY(check_workspace(workspace, workspace_bytes, batch_norm_floats(norm, n)));
  kernels_for(context)->batch_norm_backward_sums(context, norm, epilogue, n, x, dy, scale, shift,
                                                 mean, inverse_std, sums, dscale, dshift,
                                                 workspace);
  return CN_OK;
}

int32_t cn_batch_norm_backward_shared(const cn_context *context, const cn_batch_norm *norm,
                                      const cn_epilogue *epilogue, int32_t n, const void *x,
                                      const void *dy, const float *scale, const float *shift,
                                      const float *mean, const float *inverse_std, double count,
                                      const double *sums, void *dx, void *workspace,
                                      int64_t workspace_bytes) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_batch_norm, norm);
  TRY(check_context(context));
  TRY(check_batch_norm_backward(norm, &epilogue, &room, n, x, dy, scale, shift, mean, inverse_std));
  TRY(check_like(&norm->x, &norm->dx, n));
  TRY(check_shared_count(norm, n, count));
  TRY(check_doubles(sums));
  TRY(check_aligned(dx));
  TRY(check_workspace(workspace, workspace_bytes, batch_norm_floats(norm, n)));
  kernels_for(context)->batch_norm_backward_shared(context, norm, epilogue, n, x, dy, scale, shift,
                                                   mean, inverse_std, count, sums, dx, workspace);
  return CN_OK;
}

/* ---- Normalisation of one sample ------------------------------------------------------------- */

static int32_t check_sample_norm(const cn_sample_norm *norm, int32_t n) {
  TRY(check_blocked(&norm->x, n));
  TRY(check_positive(norm->epsilon));
  if (norm->scales_values != 0 && norm->scales_values != 1) return CN_BAD_VALUE;
  if (norm->groups == 0) return norm->scales_values == 0 ? CN_OK : CN_BAD_VALUE;
  if (norm->groups < 0) return CN_BAD_VALUE;
  if (norm->x.c % norm->groups != 0) return CN_BAD_SHAPE;
  return check_total(4.0 * n * (double)norm->x.c);
}

int64_t cn_sample_norm_statistics_bytes(const cn_sample_norm *norm, int32_t n) {
  ADOPT(cn_sample_norm, norm);
  TRY(check_sample_norm(norm, n));
  return bytes_of(sample_norm_statistics(norm, n));
}

int64_t cn_sample_norm_workspace_bytes(const cn_context *context, const cn_sample_norm *norm,
                                       int32_t n) {
  ADOPT(cn_context, context);
  ADOPT(cn_sample_norm, norm);
  TRY(check_context(context));
  TRY(check_sample_norm(norm, n));
  return bytes_of(sample_norm_floats(norm, n));
}

int32_t cn_sample_norm_forward(const cn_context *context, const cn_sample_norm *norm, int32_t n,
                               const void *x, const float *scale, const float *shift, void *y,
                               float *mean, float *inverse_std) {
  ADOPT(cn_context, context);
  ADOPT(cn_sample_norm, norm);
  TRY(check_context(context));
  TRY(check_sample_norm(norm, n));
  TRY(check_like(&norm->x, &norm->y, n));
  TRY(check_aligned(x));
  if (scale != NULL || shift != NULL) {
    TRY(check_aligned(scale));
    TRY(check_aligned(shift));
  }
  TRY(check_aligned(y));
  TRY(check_aligned(mean));
  TRY(check_aligned(inverse_std));
  const kernel_table *kernels = kernels_for(context);
  (norm->groups == 0 ? kernels->pixel_norm_forward : kernels->group_norm_forward)(
      context, norm, n, x, scale, shift, y, mean, inverse_std);
  return CN_OK;
}

int32_t cn_sample_norm_backward(const cn_context *context, const cn_sample_norm *norm, int32_t n,
                                const void *x, const void *dy, const float *scale,
                                const float *mean, const float *inverse_std, void *dx,
                                float *dscale, float *dshift, void *workspace,
                                int64_t workspace_bytes) {
  ADOPT(cn_context, context);
  ADOPT(cn_sample_norm, norm);
  TRY(check_context(context));
  TRY(check_sample_norm(norm, n));
  if (dx != NULL) TRY(check_like(&norm->x, &norm->dx, n));
  TRY(check_like(&norm->x, &norm->dy, n));
  TRY(check_aligned(x));
  TRY(check_aligned(dy));
  TRY(check_optional(scale));
  TRY(check_aligned(mean));
  TRY(check_aligned(inverse_std));
  TRY(check_optional(dx));
  TRY(check_optional(dscale));
  TRY(check_optional(dshift));
  TRY(check_workspace(workspace, workspace_bytes, sample_norm_floats(norm, n)));
  const kernel_table *kernels = kernels_for(context);
  (norm->groups == 0 ? kernels->pixel_norm_backward : kernels->group_norm_backward)(
      context, norm, n, x, dy, scale, mean, inverse_std, dx, dscale, dshift, workspace);
  return CN_OK;
}

/* ---- Softmax --------------------------------------------------------------------------------- */

static int32_t check_softmax(const cn_softmax *softmax, int32_t n) {
  TRY(check_blocked(&softmax->x, n));
  TRY(check_like(&softmax->x, &softmax->y, n));
  return softmax->logarithm == 0 || softmax->logarithm == 1 ? CN_OK : CN_BAD_VALUE;
}

int32_t cn_softmax_forward(const cn_context *context, const cn_softmax *softmax, int32_t n,
                           const void *x, void *y) {
  ADOPT(cn_context, context);
  ADOPT(cn_softmax, softmax);
  TRY(check_context(context));
  TRY(check_softmax(softmax, n));
  TRY(check_aligned(x));
  TRY(check_aligned(y));
  kernels_for(context)->softmax_forward(context, softmax, n, x, y);
  return CN_OK;
}

int32_t cn_softmax_backward(const cn_context *context, const cn_softmax *softmax, int32_t n,
                            const void *y, const void *dy, void *dx) {
  ADOPT(cn_context, context);
  ADOPT(cn_softmax, softmax);
  TRY(check_context(context));
  TRY(check_softmax(softmax, n));
  TRY(check_like(&softmax->x, &softmax->dx, n));
  TRY(check_like(&softmax->x, &softmax->dy, n));
  TRY(check_aligned(y));
  TRY(check_aligned(dy));
  TRY(check_aligned(dx));
  kernels_for(context)->softmax_backward(context, softmax, n, y, dy, dx);
  return CN_OK;
}

/* ---- Local response normalisation ------------------------------------------------------------ */

static int32_t check_lrn(const cn_lrn *lrn, int32_t n) {
  TRY(check_blocked(&lrn->x, n));
  if (lrn->neighbours < 1 || !(lrn->alpha >= 0.0f) || !isfinite(lrn->alpha)) return CN_BAD_VALUE;
  if (!(lrn->beta >= 0.0f) || !isfinite(lrn->beta)) return CN_BAD_VALUE;
  return check_positive(lrn->k);
}

int64_t cn_lrn_workspace_bytes(const cn_context *context, const cn_lrn *lrn, int32_t n) {
  ADOPT(cn_context, context);
  ADOPT(cn_lrn, lrn);
  TRY(check_context(context));
  TRY(check_lrn(lrn, n));
  return bytes_of(lrn_floats(lrn, context->threads));
}

int32_t cn_lrn_forward(const cn_context *context, const cn_lrn *lrn, int32_t n, const void *x,
                       void *y, void *workspace, int64_t workspace_bytes) {
  ADOPT(cn_context, context);
  ADOPT(cn_lrn, lrn);
  TRY(check_context(context));
  TRY(check_lrn(lrn, n));
  TRY(check_like(&lrn->x, &lrn->y, n));
  TRY(check_aligned(x));
  TRY(check_aligned(y));
  TRY(check_workspace(workspace, workspace_bytes, lrn_floats(lrn, context->threads)));
  kernels_for(context)->lrn_forward(context, lrn, n, x, y, workspace);
  return CN_OK;
}

int32_t cn_lrn_backward(const cn_context *context, const cn_lrn *lrn, int32_t n, const void *x,
                        const void *dy, void *dx, void *workspace, int64_t workspace_bytes) {
  ADOPT(cn_context, context);
  ADOPT(cn_lrn, lrn);
  TRY(check_context(context));
  TRY(check_lrn(lrn, n));
  TRY(check_like(&lrn->x, &lrn->dx, n));
  TRY(check_like(&lrn->x, &lrn->dy, n));
  TRY(check_aligned(x));
  TRY(check_aligned(dy));
  TRY(check_aligned(dx));
  TRY(check_workspace(workspace, workspace_bytes, lrn_floats(lrn, context->threads)));
  kernels_for(context)->lrn_backward(context, lrn, n, x, dy, dx, workspace);
  return CN_OK;
}
