/* Entry points for normalisation of one sample, softmax, and local response normalisation. */
#include "check.h"
#include "cpu.h"
#include "lrn_plan.h"
#include "sample_norm_plan.h"

#include <math.h>

static int64_t bytes_of(int64_t floats) { return floats * (int64_t)sizeof(float); }

/* Checks an epilogue that applies activations up to CN_LEAKY_RELU. */
static int32_t check_simple_epilogue(const cn_epilogue *e, const cn_tensor *result, int32_t n) {
  TRY(check_epilogue(e, CN_ACTIVATE, result, n));
  const bool activates = (e->operations & CN_ACTIVATE) != 0;
  return activates && e->activation.kind > CN_LEAKY_RELU ? CN_UNSUPPORTED : CN_OK;
}

/* A pointer that may be null. */
static int32_t check_optional(const void *p) { return p == NULL ? CN_OK : check_aligned(p); }

/* Scale and shift: both, or none. */
static int32_t check_affine(const float *scale, const float *shift) {
  if (scale == NULL && shift == NULL) return CN_OK;
  TRY(check_aligned(scale));
  return check_aligned(shift);
}

/* The input of a pass, and another tensor of the same shape. */
static int32_t check_input(const cn_tensor *x, int32_t n) {
  TRY(check_batch(x, n));
  return check_layout(x, CN_BLOCKED);
}

static int32_t check_like(const cn_tensor *x, const cn_tensor *other, int32_t n) {
  TRY(check_batch(other, n));
  return check_same(x, other);
}

static bool is_flag(int32_t value) { return value == 0 || value == 1; }

/* ---- Normalisation of one sample ------------------------------------------------------------- */

static int32_t check_norm(const cn_sample_norm *norm, int32_t n) {
  TRY(check_input(&norm->x, n));
  if (!(norm->epsilon > 0.0f) || !isfinite(norm->epsilon)) return CN_BAD_VALUE;
  if (!is_flag(norm->scales_values)) return CN_BAD_VALUE;
  if (norm->groups == 0) return norm->scales_values == 0 ? CN_OK : CN_BAD_VALUE;
  if (norm->groups < 0) return CN_BAD_VALUE;
  if (norm->x.c % norm->groups != 0) return CN_BAD_SHAPE;
  return check_total(4.0 * n * (double)norm->x.c);
}

int64_t cn_sample_norm_statistics_bytes(const cn_sample_norm *norm, int32_t n) {
  ADOPT(cn_sample_norm, norm);
  TRY(check_norm(norm, n));
  return bytes_of(sample_norm_statistics(norm, n));
}

int64_t cn_sample_norm_workspace_bytes(const cn_context *context, const cn_sample_norm *norm,
                                       int32_t n) {
  ADOPT(cn_context, context);
  ADOPT(cn_sample_norm, norm);
  TRY(check_context(context));
  TRY(check_norm(norm, n));
  return bytes_of(sample_norm_floats(norm, n));
}

int32_t cn_sample_norm_forward(const cn_context *context, const cn_sample_norm *norm,
                               const cn_epilogue *epilogue, int32_t n, const void *x,
                               const float *scale, const float *shift, void *y, float *mean,
                               float *inverse_std) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_sample_norm, norm);
  TRY(check_context(context));
  TRY(check_norm(norm, n));
  TRY(check_like(&norm->x, &norm->y, n));
  TRY(adopt_epilogue(&epilogue, &room));
  TRY(check_simple_epilogue(epilogue, &norm->x, n));
  TRY(check_aligned(x));
  TRY(check_affine(scale, shift));
  TRY(check_aligned(y));
  TRY(check_aligned(mean));
  TRY(check_aligned(inverse_std));
  kernels_for(context)->sample_norm_forward(context, norm, epilogue, n, x, scale, shift, y, mean,
                                            inverse_std);
  return CN_OK;
}

int32_t cn_sample_norm_backward(const cn_context *context, const cn_sample_norm *norm,
                                const cn_epilogue *epilogue, int32_t n, const void *x,
                                const void *dy, const float *scale, const float *shift,
                                const float *mean, const float *inverse_std, void *dx,
                                float *dscale, float *dshift, void *workspace,
                                int64_t workspace_bytes) {
  epilogue_room room;
  ADOPT(cn_context, context);
  ADOPT(cn_sample_norm, norm);
  TRY(check_context(context));
  TRY(check_norm(norm, n));
  if (dx != NULL) TRY(check_like(&norm->x, &norm->dx, n));
  TRY(check_like(&norm->x, &norm->dy, n));
  TRY(adopt_epilogue(&epilogue, &room));
  TRY(check_simple_epilogue(epilogue, &norm->x, n));
  TRY(check_aligned(x));
  TRY(check_aligned(dy));
  TRY(check_affine(scale, shift));
  TRY(check_aligned(mean));
  TRY(check_aligned(inverse_std));
  TRY(check_optional(dx));
  TRY(check_optional(dscale));
  TRY(check_optional(dshift));
  TRY(check_workspace(workspace, workspace_bytes, sample_norm_floats(norm, n)));
  kernels_for(context)->sample_norm_backward(context, norm, epilogue, n, x, dy, scale, shift, mean,
                                             inverse_std, dx, dscale, dshift, workspace);
  return CN_OK;
}

/* ---- Softmax --------------------------------------------------------------------------------- */

static int32_t check_softmax(const cn_softmax *softmax, int32_t n) {
  TRY(check_input(&softmax->x, n));
  TRY(check_like(&softmax->x, &softmax->y, n));
  return is_flag(softmax->logarithm) ? CN_OK : CN_BAD_VALUE;
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
  TRY(check_input(&lrn->x, n));
  if (lrn->neighbours < 1 || !(lrn->alpha >= 0.0f) || !isfinite(lrn->alpha)) return CN_BAD_VALUE;
  if (!(lrn->beta >= 0.0f) || !isfinite(lrn->beta)) return CN_BAD_VALUE;
  return lrn->k > 0.0f && isfinite(lrn->k) ? CN_OK : CN_BAD_VALUE;
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
