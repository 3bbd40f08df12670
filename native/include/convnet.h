/*
 * ConvNative: kernels for convolutional networks in C. This file has the functions, convnet_types.h
 * the structs; together they are the complete ABI and its documentation. native/example trains a
 * network with them.
 *
 * The library computes and does not plan. The caller owns all memory: tensors, weights and
 * workspace. No kernel allocates them, prints, exits or retains its arguments, so calls on
 * different memory may run concurrently. Every function validates its arguments before it writes
 * anything and returns a cn_status. Queries return a size or a negative cn_status. What a call does
 * is said by its descriptors; pointers that they do not ask for are ignored.
 *
 * Notation: n samples; c (input) and k (output) channels; h, w rows and columns; r, s rows and
 * columns of a filter; dx is the gradient of the loss with respect to x. Channels are in blocks of
 * CN_BLOCK = 16 on every processor. ceil(a / b) rounds up. All sizes and strides of memory are in
 * bytes.
 *
 * Per-channel vectors (bias, batch normalisation's scale, shift and statistics, and their
 * gradients) have 16 ceil(c / 16) floats, zero beyond the last channel. Weights and their gradients
 * share one packed form, see cn_conv2d and cn_linear; its padding is zero and stays zero under
 * cn_optimizer_step.
 *
 * Alignment: CN_BLOCKED and CN_FLAT tensors, packed weights, per-channel vectors and workspace are
 * aligned to 64 bytes. CN_PLAIN tensors, OIHW weights, outputs and labels need only the alignment
 * of their element.
 *
 * Numerics: IEEE arithmetic. NaN and infinity propagate; subnormal numbers are preserved. Long sums
 * are accumulated in blocks of at most 288 terms, losses in double precision. All threads of a call
 * adopt the rounding mode and subnormal flushing of the calling thread. The result of a call has
 * the same bits for every thread count and on every run with the same features. Outputs must not
 * overlap inputs unless a function says that it works in place.
 *
 * Compatibility: functions, enumerators and fields at the end of structs may be added in a minor
 * version. Every struct that may grow begins with its size, which the caller sets to sizeof. Fields
 * beyond that size count as 0, and 0 always selects the behaviour before the field existed. A size
 * that exceeds the library's is accepted if the excess is 0. Unknown values get CN_BAD_VALUE or
 * CN_BAD_SIZE.
 */
#ifndef CONVNET_H
#define CONVNET_H

#include "convnet_types.h"

/* CMake defines convnet_EXPORTS for the sources of the shared library. */
#if !defined(_WIN32)
#define CN_API __attribute__((visibility("default")))
#elif defined(convnet_EXPORTS)
#define CN_API __declspec(dllexport)
#else
#define CN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A program works with a library of the same major version and at least its minor version. */
enum { CN_VERSION_MAJOR = 16, CN_VERSION_MINOR = 4 };
enum { CN_VERSION = CN_VERSION_MAJOR << 16 | CN_VERSION_MINOR };

/* CN_VERSION of the library. */
CN_API int32_t cn_version(void);

/* ---- Status --------------------------------------------------------------------------------- */

/* A sentence in English for a status. Never null; static storage. */
CN_API const char *cn_status_text(int32_t status);

/* ---- Threads -------------------------------------------------------------------------------- */

CN_API int32_t cn_threads_create(const cn_threads_options *options, cn_threads **threads);

/* Joins and frees the threads, which no call may be using. Null is allowed. */
CN_API int32_t cn_threads_destroy(cn_threads *threads);

/* ---- Processor and context ------------------------------------------------------------------ */

/* The features that the processor, its operating system and this build of the library support. */
CN_API uint64_t cn_cpu_features(void);

/* The feature whose kernels a context selects; 0 for portable C. Or a negative status. */
CN_API int64_t cn_kernel_feature(const cn_context *context);

/*
 * The number of threads for a call that performs this many floating-point operations, or moves a
 * fourth as many values. For convolutions and linear layers count two per multiply-add of the real
 * channels. Small calls are faster on one thread than waking several would take.
 */
CN_API int32_t cn_team_size(const cn_context *context, double operations);

/* ---- Tensors -------------------------------------------------------------------------------- */

/* Bytes from the first of n samples to the end of the last, including the halo and zero lanes. */
CN_API int64_t cn_tensor_bytes(const cn_tensor *tensor, int32_t n);

/*
 * dst = src in another layout, or with another halo. c, h, w of both are equal. All pairs of
 * layouts are supported. (To feed a linear layer from a plain image of c h w values, describe both
 * sides as c h w channels of 1x1.)
 */
CN_API int32_t cn_reorder(const cn_context *context, const cn_tensor *from, const cn_tensor *to,
                          int32_t n, const void *src, void *dst);

/*
 * Copies `channels` channels of src, starting at from_channel, to dst, starting at to_channel, as
 * in a concatenation. Both tensors are CN_PLAIN or both CN_BLOCKED, with the same h and w. The halo
 * of the copied channels becomes zero, and so do the lanes beyond the last channel of dst if it is
 * copied. All other channels of dst are unchanged.
 */
CN_API int32_t cn_copy_channels(const cn_context *context, const cn_tensor *from,
                                const cn_tensor *to, int32_t n, int32_t from_channel,
                                int32_t to_channel, int32_t channels, const void *src, void *dst);

/* cn_bias_add: y += bias per channel. cn_bias_gradient: db = sum of dy per channel. Both for
 * CN_BLOCKED tensors. */
CN_API int32_t cn_bias_add(const cn_context *context, const cn_tensor *tensor, int32_t n,
                           const float *bias, void *y);
CN_API int32_t cn_bias_gradient(const cn_context *context, const cn_tensor *tensor, int32_t n,
                                const void *dy, float *db);

/* ---- Pooling -------------------------------------------------------------------------------- */

/* Bytes of the winners, aligned to 64 bytes. 0 where they cannot be recorded: for an average, and
 * for windows of more than CN_NO_WINNER pixels. */
CN_API int64_t cn_pool2d_winner_bytes(const cn_pool2d *pool, int32_t n);

/* Computes y, and the winners, from x. */
CN_API int32_t cn_pool2d_forward(const cn_context *context, const cn_pool2d *pool, int32_t n,
                                 const void *x, void *y, uint8_t *winners);

/* Computes dx from dy and the winners, including the slope of the activation that they record. Only
 * a maximum without winners reads x. */
CN_API int32_t cn_pool2d_backward(const cn_context *context, const cn_pool2d *pool, int32_t n,
                                  const void *x, const uint8_t *winners, const void *dy, void *dx);

/* ---- Resampling and rearrangement ----------------------------------------------------------- */

CN_API int32_t cn_resample(const cn_context *context, const cn_resampling *op, int32_t n,
                           const void *x, void *y);

CN_API int32_t cn_rearrange(const cn_context *context, const cn_rearrangement *op, int32_t n,
                            const void *x, void *y);

/* ---- Optimiser ------------------------------------------------------------------------------ */

/* One step of all segments. The gradients are not changed. states has one pointer per state value
 * of the rule. Any alignment. */
CN_API int32_t cn_optimizer_step(const cn_context *context, const cn_optimizer *optimizer,
                                 float learning_rate, int32_t segment_count,
                                 const cn_segment *segments, const float *gradients,
                                 float *const *states, float *weights);

/* ---- Convolution ---------------------------------------------------------------------------- */

/* Bytes of the packed weights and of their gradient. */
CN_API int64_t cn_conv2d_weight_bytes(const cn_conv2d *conv);

/* The order of the packed weights, such as "K/16, C/16, R, S, 16c, 16k"; null if conv is invalid.
 */
CN_API const char *cn_conv2d_weight_order(const cn_conv2d *conv);

/* The cn_layout in which x is read fastest; x.layout does not count. */
CN_API int32_t cn_conv2d_layout(const cn_conv2d *conv);

/*
 * Describes the variant that runs a pass over n samples with this context and epilogue, for the
 * algorithm of the descriptor. To choose, compare the algorithms: for each that does not fit the
 * result is CN_UNSUPPORTED. The caller sets variant->size; fields beyond the library's become 0.
 */
CN_API int32_t cn_conv2d_describe(const cn_context *context, const cn_conv2d *conv,
                                  const cn_epilogue *epilogue, int32_t pass, int32_t n,
                                  cn_conv2d_variant *variant);

/* Converts weights or their gradients from OIHW order (k, c/groups, kernel_h, kernel_w) to the
 * packed form, and back. */
CN_API int32_t cn_conv2d_pack_weights(const cn_context *context, const cn_conv2d *conv,
                                      const float *oihw, void *packed);
CN_API int32_t cn_conv2d_unpack_weights(const cn_context *context, const cn_conv2d *conv,
                                        const void *packed, float *oihw);

/* Transforms weights for the forward or backward-data pass of a Winograd algorithm. A pass without
 * `transformed` does it itself, in its workspace; weights that do not change between calls are
 * better transformed once. */
CN_API int32_t cn_conv2d_transform_weights(const cn_context *context, const cn_conv2d *conv,
                                           int32_t pass, const void *w, void *transformed);

/* Computes y from x and weights w. The epilogue supports CN_POOL with CN_BIAS and CN_ACTIVATE only,
 * if shared rows of windows fit the cache; otherwise all but CN_SLOPE. */
CN_API int32_t cn_conv2d_forward(const cn_context *context, const cn_conv2d *conv,
                                 const cn_epilogue *epilogue, int32_t n, const void *x,
                                 const void *w, void *y, void *workspace, int64_t workspace_bytes);

/* Computes dx from dy and w. The epilogue supports CN_ADD and CN_SLOPE. */
CN_API int32_t cn_conv2d_backward_data(const cn_context *context, const cn_conv2d *conv,
                                       const cn_epilogue *epilogue, int32_t n, const void *dy,
                                       const void *w, void *dx, void *workspace,
                                       int64_t workspace_bytes);

/*
 * Computes the gradients of the parameters from x and dy. The epilogue supports CN_BIAS, for the
 * gradient of the bias, and CN_POOL: then dy is the gradient of the pool's output, and conv->dy
 * describes that of its input. A pool is supported for some maxima with winners behind first layers
 * of few filters. Other operations of the forward pass come first: apply cn_activation_backward to
 * dy.
 */
CN_API int32_t cn_conv2d_backward_weights(const cn_context *context, const cn_conv2d *conv,
                                          const cn_epilogue *epilogue, int32_t n, const void *x,
                                          const void *dy, const cn_gradients *gradients,
                                          void *workspace, int64_t workspace_bytes);

/* ---- Linear layer --------------------------------------------------------------------------- */

/* As for cn_conv2d. The plain weights are `outputs` rows of c h w values. */
CN_API int64_t cn_linear_weight_bytes(const cn_linear *linear);
CN_API int64_t cn_linear_workspace_bytes(const cn_context *context, const cn_linear *linear,
                                         int32_t pass, int32_t n);
CN_API int32_t cn_linear_pack_weights(const cn_context *context, const cn_linear *linear,
                                      const float *plain, void *packed);
CN_API int32_t cn_linear_unpack_weights(const cn_context *context, const cn_linear *linear,
                                        const void *packed, float *plain);
CN_API int32_t cn_linear_forward(const cn_context *context, const cn_linear *linear,
                                 const cn_epilogue *epilogue, int32_t n, const void *x,
                                 const void *w, void *y, void *workspace, int64_t workspace_bytes);
CN_API int32_t cn_linear_backward_data(const cn_context *context, const cn_linear *linear,
                                       int32_t n, const void *dy, const void *w, void *dx,
                                       void *workspace, int64_t workspace_bytes);
CN_API int32_t cn_linear_backward_weights(const cn_context *context, const cn_linear *linear,
                                          const cn_epilogue *epilogue, int32_t n, const void *x,
                                          const void *dy, const cn_gradients *gradients,
                                          void *workspace, int64_t workspace_bytes);

/* ---- Batch normalisation -------------------------------------------------------------------- */

/*
 * Statistics of each row of w pixels of a CN_BLOCKED tensor: its mean per channel, then the sum of
 * squared deviations from it. They have n, ceil(c/16), h, 2, 16 floats, aligned to 64 bytes, and
 * are the input of batch normalisation in training. A convolution can compute them together with
 * its output.
 */
CN_API int64_t cn_row_statistics_bytes(const cn_tensor *tensor, int32_t n);
CN_API int32_t cn_row_statistics(const cn_context *context, const cn_tensor *tensor, int32_t n,
                                 const void *x, float *statistics);

/* Workspace of the forward pass in training and of the backward pass. */
CN_API int64_t cn_batch_norm_workspace_bytes(const cn_context *context, const cn_batch_norm *norm,
                                             int32_t n);

/* statistics: cn_row_statistics of x. The epilogue supports CN_ADD and CN_ACTIVATE. */
CN_API int32_t cn_batch_norm_forward(const cn_context *context, const cn_batch_norm *norm,
                                     const cn_epilogue *epilogue, int32_t n, const void *x,
                                     const float *statistics, const float *scale,
                                     const float *shift, void *y, float *mean, float *inverse_std,
                                     float *running_mean, float *running_variance, void *workspace,
                                     int64_t workspace_bytes);

/* The same with the running statistics instead of those of the batch. Writes only y. */
CN_API int32_t cn_batch_norm_infer(const cn_context *context, const cn_batch_norm *norm,
                                   const cn_epilogue *epilogue, int32_t n, const void *x,
                                   const float *scale, const float *shift,
                                   const float *running_mean, const float *running_variance,
                                   void *y);

/* Recomputes the y of cn_batch_norm_forward, bit for bit, from the mean and inverse_std that it
 * stored. So y need not be kept if x is. The epilogue supports CN_ACTIVATE. */
CN_API int32_t cn_batch_norm_apply(const cn_context *context, const cn_batch_norm *norm,
                                   const cn_epilogue *epilogue, int32_t n, const void *x,
                                   const float *scale, const float *shift, const float *mean,
                                   const float *inverse_std, void *y);

/*
 * The gradients, including those through the batch statistics. The epilogue is that of the forward
 * pass and supports CN_ACTIVATE: dy is first multiplied by the slope, with y recomputed from x. If
 * a residual was added to y before its activation, apply cn_activation_backward to dy instead. dx
 * may be dy if their descriptors are equal.
 */
CN_API int32_t cn_batch_norm_backward(const cn_context *context, const cn_batch_norm *norm,
                                      const cn_epilogue *epilogue, int32_t n, const void *x,
                                      const void *dy, const float *scale, const float *shift,
                                      const float *mean, const float *inverse_std, void *dx,
                                      float *dscale, float *dshift, void *workspace,
                                      int64_t workspace_bytes);

/*
 * Batch normalisation of a batch that several callers share, each with n samples of it. A pass is
 * two calls, between which the callers add up what each has found of its samples: two vectors of
 * doubles, one value for each channel of C rounded up to blocks. A single caller has the bits of
 * the functions above.
 *
 * moments: the sum of x, then that of its squared deviations. cn_batch_norm_moments measures these
 * from the mean of the n samples; cn_batch_norm_forward_shared takes them from the mean of all
 * count values of a channel: squares + own (sum / own - mean)^2, where own = n h w.
 *
 * sums: of dy (x - mean), then of dy, behind the slope of the activation. dscale and dshift are the
 * gradients of the n samples, to be added up too.
 */
CN_API int32_t cn_batch_norm_moments(const cn_context *context, const cn_batch_norm *norm,
                                     int32_t n, const float *statistics, double *moments,
                                     void *workspace, int64_t workspace_bytes);
CN_API int32_t cn_batch_norm_forward_shared(const cn_context *context, const cn_batch_norm *norm,
                                            const cn_epilogue *epilogue, int32_t n, const void *x,
                                            double count, const double *moments, const float *scale,
                                            const float *shift, void *y, float *mean,
                                            float *inverse_std, float *running_mean,
                                            float *running_variance);
CN_API int32_t cn_batch_norm_backward_sums(const cn_context *context, const cn_batch_norm *norm,
                                           const cn_epilogue *epilogue, int32_t n, const void *x,
                                           const void *dy, const float *scale, const float *shift,
                                           const float *mean, const float *inverse_std,
                                           double *sums, float *dscale, float *dshift,
                                           void *workspace, int64_t workspace_bytes);
CN_API int32_t cn_batch_norm_backward_shared(const cn_context *context, const cn_batch_norm *norm,
                                             const cn_epilogue *epilogue, int32_t n, const void *x,
                                             const void *dy, const float *scale, const float *shift,
                                             const float *mean, const float *inverse_std,
                                             double count, const double *sums, void *dx,
                                             void *workspace, int64_t workspace_bytes);

/* ---- Normalisation of one sample, softmax --------------------------------------------------- */

/* Bytes of the means of all sets, and of their inverse deviations: for each sample, of channels
 * rounded up to blocks, or of pixels. The forward pass stores them for the backward pass. */
CN_API int64_t cn_sample_norm_statistics_bytes(const cn_sample_norm *norm, int32_t n);

CN_API int32_t cn_sample_norm_forward(const cn_context *context, const cn_sample_norm *norm,
                                      int32_t n, const void *x, const float *scale,
                                      const float *shift, void *y, float *mean, float *inverse_std);

/* The gradients; those that are NULL are not computed. */
CN_API int64_t cn_sample_norm_workspace_bytes(const cn_context *context, const cn_sample_norm *norm,
                                              int32_t n);
CN_API int32_t cn_sample_norm_backward(const cn_context *context, const cn_sample_norm *norm,
                                       int32_t n, const void *x, const void *dy, const float *scale,
                                       const float *mean, const float *inverse_std, void *dx,
                                       float *dscale, float *dshift, void *workspace,
                                       int64_t workspace_bytes);

CN_API int32_t cn_softmax_forward(const cn_context *context, const cn_softmax *softmax, int32_t n,
                                  const void *x, void *y);
CN_API int32_t cn_softmax_backward(const cn_context *context, const cn_softmax *softmax, int32_t n,
                                   const void *y, const void *dy, void *dx);

/* Workspace of both passes. */
CN_API int64_t cn_lrn_workspace_bytes(const cn_context *context, const cn_lrn *lrn, int32_t n);
CN_API int32_t cn_lrn_forward(const cn_context *context, const cn_lrn *lrn, int32_t n,
                              const void *x, void *y, void *workspace, int64_t workspace_bytes);
CN_API int32_t cn_lrn_backward(const cn_context *context, const cn_lrn *lrn, int32_t n,
                               const void *x, const void *dy, void *dx, void *workspace,
                               int64_t workspace_bytes);

/* ---- Elementwise ---------------------------------------------------------------------------- */

/* out = f(a) */
CN_API int32_t cn_activation_forward(const cn_context *context, const cn_elementwise *op, int32_t n,
                                     const void *a, void *out);

/*
 * dx = f'(x) dy, with dy as op->b and dx as op->out. a is y for activations whose slope is a
 * function of it, and x for all others.
 */
CN_API int32_t cn_activation_backward(const cn_context *context, const cn_elementwise *op,
                                      int32_t n, const void *a, const void *dy, void *dx);

/* out = f(a + b), f(0) = 0. Also used to add the gradients of a value with several consumers. */
CN_API int32_t cn_add(const cn_context *context, const cn_elementwise *op, int32_t n, const void *a,
                      const void *b, void *out);

/* out = a - b, and out = a b. */
CN_API int32_t cn_subtract(const cn_context *context, const cn_elementwise *op, int32_t n,
                           const void *a, const void *b, void *out);
CN_API int32_t cn_multiply(const cn_context *context, const cn_elementwise *op, int32_t n,
                           const void *a, const void *b, void *out);

/* y may be x if their descriptors are equal. */
CN_API int32_t cn_channel_scale_forward(const cn_context *context, const cn_channel_scale *op,
                                        int32_t n, const void *x, const float *s, void *y);

/* The gradients; one that is NULL is not computed. dx may be dy if their descriptors are equal.
 * Only ds, and dx with negatives, read x; only dx reads s; only ds needs workspace. */
CN_API int64_t cn_channel_scale_workspace_bytes(const cn_context *context,
                                                const cn_channel_scale *op, int32_t n);
CN_API int32_t cn_channel_scale_backward(const cn_context *context, const cn_channel_scale *op,
                                         int32_t n, const void *x, const void *dy, const float *s,
                                         void *dx, float *ds, void *workspace,
                                         int64_t workspace_bytes);

/* Computes y from x. y may be x if the descriptors are equal. */
CN_API int32_t cn_dropout_apply(const cn_context *context, const cn_dropout *dropout, int32_t n,
                                int32_t first_sample, uint32_t step, const void *x, void *y);

/* Functions of `count` consecutive floats, with any alignment. */
CN_API int32_t cn_accumulate(const cn_context *context, int64_t count, const float *src,
                             float *dst); /* dst[i] += src[i] */
CN_API int32_t cn_fill(const cn_context *context, int64_t count, float value,
                       float *dst); /* dst[i] = value */
CN_API int32_t cn_scale(const cn_context *context, int64_t count, float factor,
                        float *dst); /* dst[i] *= factor */
CN_API int32_t cn_clamp(const cn_context *context, int64_t count, float most,
                        float *dst); /* limits dst[i] to -most..most; NaN is preserved; most >= 0 */

/*
 * sums[k] = sum of the squares of CN_SUM_RUN floats from x[k CN_SUM_RUN] on, fewer for the last of
 * the ceil(count / CN_SUM_RUN) sums. In double precision, with the same bits for all features and
 * numbers of threads.
 */
CN_API int32_t cn_sums_of_squares(const cn_context *context, int64_t count, const float *x,
                                  double *sums);

/* ---- Losses --------------------------------------------------------------------------------- */

/* Computes *loss and the gradient, in double precision, with the same bits for all features and
 * numbers of threads. */
CN_API int32_t cn_loss_evaluate(const cn_context *context, const cn_loss *descriptor, int32_t n,
                                const float *output, const void *targets, const float *weights,
                                double *loss, float *doutput);

/* ---- The machine ---------------------------------------------------------------------------- */

/*
 * The limits of the processor, as a reference for kernels. The caller measures the time.
 *
 * cn_fma_rounds performs multiply-adds in registers only: in every round each thread adds to as
 * many independent sums as keep its units busy. counts has 16 floats per thread of the context: the
 * number of multiply-adds of each lane, 0 if the instruction set has fewer lanes. The number of
 * operations is twice their sum. Portable C multiplies and adds separately and counts the pair.
 * rounds is 1..2^20, so that every count is exact.
 */
CN_API int32_t cn_fma_rounds(const cn_context *context, int64_t rounds, float *counts);

/* out[i] = a[i] + scale b[i], i < count; any alignment. Each i moves twelve bytes, as counted by
 * the STREAM benchmark: McCalpin, "Memory bandwidth and machine balance", 1995. */
CN_API int32_t cn_triad(const cn_context *context, int64_t count, float scale, const float *a,
                        const float *b, float *out);

#ifdef __cplusplus
}
#endif

#endif
