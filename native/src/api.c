/* Entry points for tensors, pooling, elementwise functions and optimisers, and the size of a
 * team. */
#include "channel_scale_plan.h"
#include "check.h"
#include "cpu.h"
#include "parallel.h"

#include <math.h>

int32_t cn_team_size(const cn_context *context, double operations) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  return team_size(context, operations);
}

int64_t cn_tensor_bytes(const cn_tensor *tensor, int32_t n) {
  TRY(check_batch(tensor, n));
  const int64_t sample = bytes_of(sample_floats(tensor));
  return (n - 1) * (tensor->sample_stride != 0 ? tensor->sample_stride : sample) + sample;
}

static int32_t check_sizes(const cn_tensor *a, const cn_tensor *b) {
  return a->c != b->c || a->h != b->h || a->w != b->w ? CN_BAD_SHAPE : CN_OK;
}

int32_t cn_reorder(const cn_context *context, const cn_tensor *from, const cn_tensor *to, int32_t n,
                   const void *src, void *dst) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  TRY(check_batch(from, n));
  TRY(check_batch(to, n));
  TRY(check_sizes(from, to));
  TRY(check_values(from, src));
  TRY(check_values(to, dst));
  kernels_for(context)->reorder(context, from, to, n, src, dst);
  return CN_OK;
}

/* ---- Pooling --------------------------------------------------------------------------------- */

int64_t cn_pool2d_winner_bytes(const cn_pool2d *pool, int32_t n) {
  ADOPT(cn_pool2d, pool);
  TRY(check_pool(pool, &pool->x, &pool->y, n));
  if (!has_winners(pool, &pool->y)) return 0;
  return (int64_t)n * blocks_of(pool->y.c) * pool->y.h * pool->y.w * CN_BLOCK;
}

int32_t cn_pool2d_forward(const cn_context *context, const cn_pool2d *pool, int32_t n,
                          const void *x, void *y, uint8_t *winners) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_pool2d, pool);
  TRY(check_pool(pool, &pool->x, &pool->y, n));
  TRY(check_aligned(x));
  TRY(check_aligned(y));
  if (pool->winners != 0) TRY(check_aligned(winners));
  kernels_for(context)->pool2d_forward(context, pool, n, x, y, pool->winners != 0 ? winners : NULL);
  return CN_OK;
}

int32_t cn_pool2d_backward(const cn_context *context, const cn_pool2d *pool, int32_t n,
                           const void *x, const uint8_t *winners, const void *dy, void *dx) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_pool2d, pool);
  TRY(check_pool(pool, &pool->x, &pool->dy, n));
  TRY(check_batch(&pool->dx, n));
  TRY(check_same(&pool->x, &pool->dx));
  if (pool->winners != 0) TRY(check_aligned(winners));
  if (pool->kind == CN_POOL_MAX && pool->winners == 0) TRY(check_aligned(x));
  TRY(check_aligned(dy));
  TRY(check_aligned(dx));
  kernels_for(context)->pool2d_backward(context, pool, n, x, pool->winners != 0 ? winners : NULL,
                                        dy, dx);
  return CN_OK;
}

/* ---- Resampling and rearrangement ------------------------------------------------------------ */

static int32_t check_taps(const cn_axis_taps *taps, int32_t inputs, int32_t outputs) {
  TRY(check_floats(taps->starts));
  if (taps->starts[0] != 0) return CN_BAD_VALUE;
  for (int32_t i = 0; i < outputs; i++)
    if (taps->starts[i + 1] < taps->starts[i]) return CN_BAD_VALUE;
  const int32_t count = taps->starts[outputs];
  if (count == 0) return CN_OK;
  TRY(check_floats(taps->indices));
  TRY(check_floats(taps->weights));
  for (int32_t i = 0; i < count; i++)
    if (taps->indices[i] < 0 || taps->indices[i] >= inputs) return CN_BAD_VALUE;
  return CN_OK;
}

static int32_t check_maps(const cn_tensor *x, const cn_tensor *y, int32_t n) {
  TRY(check_blocked(x, n));
  return check_blocked(y, n);
}

int32_t cn_resample(const cn_context *context, const cn_resampling *op, int32_t n, const void *x,
                    void *y) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_resampling, op);
  TRY(check_maps(&op->x, &op->y, n));
  if (op->x.c != op->y.c) return CN_BAD_SHAPE;
  TRY(check_taps(&op->rows, op->x.h, op->y.h));
  TRY(check_taps(&op->cols, op->x.w, op->y.w));
  TRY(check_aligned(x));
  TRY(check_aligned(y));
  kernels_for(context)->resample(context, op, n, x, y);
  return CN_OK;
}

static int32_t check_order(const cn_rearrangement *op) {
  const int32_t sizes[] = {op->x.c, op->x.h, op->x.w}, outputs[] = {op->y.c, op->y.h, op->y.w};
  int32_t seen = 0;
  for (int i = 0; i < 3; i++) {
    if (op->order[i] < 0 || op->order[i] > 2) return CN_BAD_VALUE;
    seen |= 1 << op->order[i];
  }
  if (seen != 7) return CN_BAD_VALUE;
  for (int i = 0; i < 3; i++)
    if (outputs[i] != sizes[op->order[i]]) return CN_BAD_SHAPE;
  return CN_OK;
}

/* Whether the second tensor is the first with r x r pixels moved into channels. */
static int32_t check_pixels(const cn_tensor *wide, const cn_tensor *deep, int64_t r) {
  const bool fits = r <= 1 << 15 && wide->c * r * r == deep->c && deep->h * r == wide->h &&
                    deep->w * r == wide->w;
  return fits ? CN_OK : CN_BAD_SHAPE;
}

static int32_t check_rearrangement(const cn_rearrangement *op, int32_t n) {
  TRY(check_maps(&op->x, &op->y, n));
  if (op->kind == CN_PERMUTE) return check_order(op);
  if (op->factor < 1) return CN_BAD_VALUE;
  switch (op->kind) {
  case CN_CHANNEL_SHUFFLE:
    TRY(check_same(&op->x, &op->y));
    return op->x.c % op->factor == 0 ? CN_OK : CN_BAD_SHAPE;
  case CN_PIXEL_SHUFFLE:
    return check_pixels(&op->y, &op->x, op->factor);
  case CN_PIXEL_UNSHUFFLE:
    return check_pixels(&op->x, &op->y, op->factor);
  default:
    return CN_BAD_VALUE;
  }
}

int32_t cn_rearrange(const cn_context *context, const cn_rearrangement *op, int32_t n,
                     const void *x, void *y) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_rearrangement, op);
  TRY(check_rearrangement(op, n));
  TRY(check_aligned(x));
  TRY(check_aligned(y));
  kernels_for(context)->rearrange(context, op, n, x, y);
  return CN_OK;
}

/* ---- Elementwise ----------------------------------------------------------------------------- */

/* Two or three operands of the same shape. Working in place requires equal descriptors. */
static int32_t check_input(const cn_tensor *in, const void *values, const cn_tensor *out,
                           const void *result, int32_t n) {
  TRY(check_batch(in, n));
  TRY(check_batch(out, n));
  TRY(check_same(in, out));
  TRY(check_values(in, values));
  TRY(check_values(out, result));
  const bool alike = in->halo == out->halo && in->sample_stride == out->sample_stride;
  return values == result && !alike ? CN_BAD_SHAPE : CN_OK;
}

static int32_t check_combination(const cn_elementwise *op, int32_t n, const void *a, const void *b,
                                 const void *out) {
  if (op->reserved != 0) return CN_BAD_VALUE;
  TRY(check_input(&op->a, a, &op->out, out, n));
  return check_input(&op->b, b, &op->out, out, n);
}

int32_t cn_activation_forward(const cn_context *context, const cn_elementwise *op, int32_t n,
                              const void *a, void *out) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_elementwise, op);
  if (op->reserved != 0) return CN_BAD_VALUE;
  TRY(check_input(&op->a, a, &op->out, out, n));
  TRY(check_activation(&op->activation));
  kernels_for(context)->activation_forward(context, op, n, a, out);
  return CN_OK;
}

int32_t cn_activation_backward(const cn_context *context, const cn_elementwise *op, int32_t n,
                               const void *a, const void *dy, void *dx) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_elementwise, op);
  TRY(check_combination(op, n, a, dy, dx));
  TRY(check_activation(&op->activation));
  kernels_for(context)->activation_backward(context, op, n, a, dy, dx);
  return CN_OK;
}

int32_t cn_add(const cn_context *context, const cn_elementwise *op, int32_t n, const void *a,
               const void *b, void *out) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_elementwise, op);
  TRY(check_combination(op, n, a, b, out));
  TRY(check_fused(&op->activation));
  kernels_for(context)->add(context, op, n, a, b, out);
  return CN_OK;
}

int32_t cn_subtract(const cn_context *context, const cn_elementwise *op, int32_t n, const void *a,
                    const void *b, void *out) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_elementwise, op);
  TRY(check_combination(op, n, a, b, out));
  kernels_for(context)->subtract(context, op, n, a, b, out);
  return CN_OK;
}

int32_t cn_multiply(const cn_context *context, const cn_elementwise *op, int32_t n, const void *a,
                    const void *b, void *out) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_elementwise, op);
  TRY(check_combination(op, n, a, b, out));
  kernels_for(context)->multiply(context, op, n, a, b, out);
  return CN_OK;
}

/* Validates x, the factors, and other maps of the shape of x. */
static int32_t check_scale(const cn_channel_scale *op, int32_t n) {
  TRY(check_batch(&op->x, n));
  TRY(check_layout(&op->x, CN_BLOCKED));
  if (op->negatives != 0 && op->negatives != 1) return CN_BAD_VALUE;
  return op->factors < CN_FACTOR_OF_MAP || op->factors > CN_FACTOR_OF_ALL ? CN_BAD_VALUE : CN_OK;
}

static int32_t check_factors(const cn_channel_scale *op, const cn_tensor *factors, int32_t n) {
  if (op->factors != CN_FACTOR_OF_MAP) return CN_OK;
  const cn_tensor expected = {.c = op->x.c, .h = 1, .w = 1, .layout = CN_BLOCKED};
  TRY(check_batch(factors, n));
  return check_same(&expected, factors);
}

/* A result that may be the operand that it is computed from. */
static int32_t check_mapped(const cn_channel_scale *op, const cn_tensor *in, const void *values,
                            const cn_tensor *out, const void *result, int32_t n) {
  TRY(check_like(&op->x, in, n));
  return check_input(in, values, out, result, n);
}

int32_t cn_channel_scale_forward(const cn_context *context, const cn_channel_scale *op, int32_t n,
                                 const void *x, const float *s, void *y) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_channel_scale, op);
  TRY(check_scale(op, n));
  TRY(check_factors(op, &op->s, n));
  TRY(check_mapped(op, &op->x, x, &op->y, y, n));
  TRY(check_aligned(s));
  kernels_for(context)->channel_scale_forward(context, op, n, x, s, y);
  return CN_OK;
}

int64_t cn_channel_scale_workspace_bytes(const cn_context *context, const cn_channel_scale *op,
                                         int32_t n) {
  ADOPT(cn_context, context);
  ADOPT(cn_channel_scale, op);
  TRY(check_context(context));
  TRY(check_scale(op, n));
  return bytes_of(channel_scale_floats(op, n));
}

int32_t cn_channel_scale_backward(const cn_context *context, const cn_channel_scale *op, int32_t n,
                                  const void *x, const void *dy, const float *s, void *dx,
                                  float *ds, void *workspace, int64_t workspace_bytes) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_channel_scale, op);
  TRY(check_scale(op, n));
  TRY(check_factors(op, &op->s, n));
  TRY(check_like(&op->x, &op->dy, n));
  TRY(check_aligned(dy));
  if (ds != NULL || op->negatives != 0) TRY(check_aligned(x));
  if (dx != NULL) {
    TRY(check_mapped(op, &op->dy, dy, &op->dx, dx, n));
    TRY(check_aligned(s));
  }
  if (ds != NULL) {
    TRY(check_factors(op, &op->ds, n));
    TRY(check_aligned(ds));
    TRY(check_workspace(workspace, workspace_bytes, channel_scale_floats(op, n)));
  }
  if (dx != NULL || ds != NULL)
    kernels_for(context)->channel_scale_backward(context, op, n, x, dy, s, dx, ds, workspace);
  return CN_OK;
}

int32_t cn_dropout_apply(const cn_context *context, const cn_dropout *dropout, int32_t n,
                         int32_t first_sample, uint32_t step, const void *x, void *y) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  ADOPT(cn_dropout, dropout);
  TRY(check_input(&dropout->x, x, &dropout->y, y, n));
  if (first_sample < 0) return CN_BAD_SHAPE;
  if (!isfinite(dropout->scale)) return CN_BAD_VALUE;
  if (dropout->unit < CN_DROP_VALUES || dropout->unit > CN_DROP_BATCH) return CN_BAD_VALUE;
  kernels_for(context)->dropout(context, dropout, n, first_sample, step, x, y);
  return CN_OK;
}

static int32_t check_run(const cn_tensor *t, int32_t first, int32_t channels) {
  return first < 0 || channels < 1 || channels > t->c || first > t->c - channels ? CN_BAD_SHAPE
                                                                                 : CN_OK;
}

int32_t cn_copy_channels(const cn_context *context, const cn_tensor *from, const cn_tensor *to,
                         int32_t n, int32_t from_channel, int32_t to_channel, int32_t channels,
                         const void *src, void *dst) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  TRY(check_batch(from, n));
  TRY(check_batch(to, n));
  if (from->h != to->h || from->w != to->w) return CN_BAD_SHAPE;
  if (from->layout != to->layout || from->layout == CN_FLAT) return CN_BAD_LAYOUT;
  TRY(check_run(from, from_channel, channels));
  TRY(check_run(to, to_channel, channels));
  TRY(check_values(from, src));
  TRY(check_values(to, dst));
  kernels_for(context)->copy_channels(context, from, to, n, from_channel, to_channel, channels, src,
                                      dst);
  return CN_OK;
}

static int32_t check_biased(const cn_context *context, const cn_tensor *tensor, int32_t n,
                            const void *values, const float *bias) {
  TRY(check_context(context));
  TRY(check_blocked(tensor, n));
  TRY(check_values(tensor, values));
  return check_aligned(bias);
}

int32_t cn_bias_add(const cn_context *context, const cn_tensor *tensor, int32_t n,
                    const float *bias, void *y) {
  ADOPT(cn_context, context);
  TRY(check_biased(context, tensor, n, y, bias));
  kernels_for(context)->bias_add(context, tensor, n, bias, y);
  return CN_OK;
}

int32_t cn_bias_gradient(const cn_context *context, const cn_tensor *tensor, int32_t n,
                         const void *dy, float *db) {
  ADOPT(cn_context, context);
  TRY(check_biased(context, tensor, n, dy, db));
  kernels_for(context)->bias_gradient(context, tensor, n, dy, db);
  return CN_OK;
}

int32_t cn_accumulate(const cn_context *context, int64_t count, const float *src, float *dst) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  TRY(check_count(count));
  TRY(check_floats(src));
  TRY(check_floats(dst));
  kernels_for(context)->accumulate(context, count, src, dst);
  return CN_OK;
}

int32_t cn_fill(const cn_context *context, int64_t count, float value, float *dst) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  TRY(check_count(count));
  TRY(check_floats(dst));
  kernels_for(context)->fill(context, count, value, dst);
  return CN_OK;
}

int32_t cn_scale(const cn_context *context, int64_t count, float factor, float *dst) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  TRY(check_count(count));
  TRY(check_floats(dst));
  kernels_for(context)->scale(context, count, factor, dst);
  return CN_OK;
}

int32_t cn_clamp(const cn_context *context, int64_t count, float most, float *dst) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  TRY(check_count(count));
  if (!(most >= 0.0f)) return CN_BAD_VALUE;
  TRY(check_floats(dst));
  kernels_for(context)->clamp(context, count, most, dst);
  return CN_OK;
}

int32_t cn_sums_of_squares(const cn_context *context, int64_t count, const float *x, double *sums) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  TRY(check_count(count));
  TRY(check_floats(x));
  TRY(check_doubles(sums));
  kernels_for(context)->sums_of_squares(context, count, x, sums);
  return CN_OK;
}

/* ---- Optimiser ------------------------------------------------------------------------------- */

static int32_t check_segment(const cn_segment *s) {
  TRY(check_count(s->offset));
  TRY(check_count(s->length));
  return check_rates(s->rate_factor, s->weight_decay);
}

int32_t cn_optimizer_step(const cn_context *context, const cn_optimizer *optimizer,
                          float learning_rate, int32_t segment_count, const cn_segment *segments,
                          const float *gradients, float *const *states, float *weights) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  if (optimizer == NULL || segments == NULL) return CN_NULL_POINTER;
  if (segment_count < 0) return CN_BAD_SHAPE;
  TRY(check_optimizer(optimizer));
  if (!isfinite(learning_rate)) return CN_BAD_VALUE;
  for (int32_t i = 0; i < segment_count; i++) {
    TRY(check_segment(&segments[i]));
    if (!isfinite(learning_rate * segments[i].rate_factor)) return CN_BAD_VALUE;
  }
  TRY(check_floats(gradients));
  const int count = optimizer_states(optimizer);
  if (count > 0 && states == NULL) return CN_NULL_POINTER;
  for (int i = 0; i < count; i++) TRY(check_floats(states[i]));
  TRY(check_floats(weights));
  kernels_for(context)->optimizer_step(context, optimizer, learning_rate, segment_count, segments,
                                       gradients, states, weights);
  return CN_OK;
}

/* ---- The machine ----------------------------------------------------------------------------- */

int32_t cn_fma_rounds(const cn_context *context, int64_t rounds, float *counts) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  if (rounds < 1 || rounds > (int64_t)1 << 20) return CN_BAD_VALUE;
  TRY(check_floats(counts));
  kernels_for(context)->fma_rounds(context, rounds, counts);
  return CN_OK;
}

int32_t cn_triad(const cn_context *context, int64_t count, float scale, const float *a,
                 const float *b, float *out) {
  ADOPT(cn_context, context);
  TRY(check_context(context));
  TRY(check_count(count));
  TRY(check_floats(a));
  TRY(check_floats(b));
  TRY(check_floats(out));
  kernels_for(context)->triad(context, count, scale, a, b, out);
  return CN_OK;
}
