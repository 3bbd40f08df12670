/*
 * ConvNative: the kernels of convolutional networks in C. This file is the whole ABI and its
 * documentation.
 *
 * The library computes; it plans nothing. Whoever calls owns every byte: tensors, weights and
 * workspace. No function allocates them, prints, exits or keeps what it is given, so calls on
 * different memory may run at the same time. Every function checks its arguments before it writes
 * anything and returns a cn_status (or, from a query, a size, or a negative cn_status).
 *
 * Notation: n samples; c (input) and k (output) channels; h, w rows and columns; r, s rows and
 * columns of a filter; dx is the gradient of the loss with respect to x. B = CN_BLOCK = 16
 * channels, on every instruction set, so layouts never depend on the processor. ceil(a / b) rounds
 * up. Sizes are in floats unless a name says otherwise.
 *
 * Layouts of an activation of n samples, outermost dimension first:
 *
 *   CN_PLAIN    n, c, h + 2 halo, w + 2 halo
 *   CN_BLOCKED  n, ceil(c / 16), h + 2 halo, w + 2 halo, 16; lanes past the last channel are zero
 *   CN_FLAT     ceil(c / 16) h w, n, 16; the input of a linear layer, without a halo
 *
 * A CN_FLAT tensor keeps the order of the blocked one it is flattened from: feature block
 * (cb, y, x) is the 64 bytes of CN_BLOCKED at that place. The output of a linear layer with K
 * features is CN_FLAT with c = K, h = w = 1. The halo is a border of zeros that is really in
 * memory. A function that writes a tensor writes all of it, with the halo and the zero lanes,
 * whatever was there before; a function that reads one relies on both.
 *
 * Per-channel vectors (bias, batch-norm scale, shift and statistics, and their gradients) have 16
 * ceil(c / 16) floats, zero past the last channel. Weights and their gradients share one packed
 * form, see cn_conv2d and cn_linear; what lies past the real channels in it is zero and stays zero
 * under cn_sgd_step.
 *
 * Alignment: CN_BLOCKED and CN_FLAT tensors, packed weights, per-channel vectors and workspace
 * begin on 64 bytes; CN_PLAIN tensors, OIHW weights, outputs and labels need the alignment of their
 * element only.
 *
 * Threads: the library has its own. They are made when a call first needs them and kept for the
 * next calls, of whichever thread; they wait for 100 us before they sleep, and end when the library
 * is unloaded. A call goes on with those that can be made, at least its own; so does a call in a
 * child process after a fork, and one that finds all processors busy with others.
 *
 * Numerics: IEEE single precision; NaN and infinity propagate, subnormal numbers are kept. Long
 * sums are summed in blocks of at most 288 terms, losses in double precision. Where the calling
 * thread rounds another way or flushes subnormal numbers, so do all threads of the call. The result
 * of a call has the same bits for every thread count and on every run with the same isa. Outputs
 * must not overlap inputs except where a function says that it works in place.
 */
#ifndef CONVNET_H
#define CONVNET_H

#include <stdint.h>

#if defined(_WIN32)
#define CN_API __declspec(dllexport)
#else
#define CN_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Changes with any declaration below. Compare it with cn_abi_version() before first use. */
enum { CN_ABI_VERSION = 12 };

enum { CN_BLOCK = 16 };

/* ---- Status, processor, context ------------------------------------------------------------- */

typedef enum cn_status {
  CN_OK = 0,
  CN_NULL_POINTER = -1, /* a required pointer is null */
  CN_BAD_CONTEXT =
      -2, /* another ABI version, an unknown or unsupported isa, threads outside 1..1024 */
  CN_BAD_SHAPE = -3,  /* a size is not positive, too large, or sizes contradict each other */
  CN_BAD_LAYOUT = -4, /* an unknown layout, or one that this function does not take */
  CN_MISALIGNED = -5, /* a pointer is not aligned as the top of this file says */
  CN_BAD_VALUE = -6,  /* an option is out of its range: flags, epsilon, momentum, step size, pass */
  CN_BAD_LABEL = -7,  /* a label is not in 0..classes - 1; nothing was written */
  CN_WORKSPACE_TOO_SMALL = -8, /* the workspace has fewer floats than the query asks for */
} cn_status;

/* Instruction sets, each containing the ones before it. */
typedef enum cn_isa {
  CN_SCALAR = 0, /* portable C */
  CN_AVX2 = 1,   /* AVX2 and FMA */
  CN_AVX512 = 2, /* AVX-512 F, BW, DQ and VL */
} cn_isa;

/* First argument of every kernel: who computes. */
typedef struct cn_context {
  int32_t abi_version; /* CN_ABI_VERSION of the header that the caller was written against */
  int32_t isa;         /* cn_isa, at most cn_cpu_isa() */
  int32_t threads; /* 1..1024; a call with little work uses fewer; it changes no bit of a result */
} cn_context;

/* CN_ABI_VERSION of the library. */
CN_API int32_t cn_abi_version(void);

/* The best cn_isa that this processor, its operating system and this build of the library offer. */
CN_API int32_t cn_cpu_isa(void);

/*
 * The threads that a call uses which computes this many floating-point operations, or moves a
 * fourth as many values: for convolutions and linear layers two per multiply-add of the real
 * channels. A call with little work is done sooner by one thread than several are woken.
 */
CN_API int32_t cn_team_size(const cn_context *context, double operations);

/* A sentence in English for a status, never null; static storage. */
CN_API const char *cn_status_text(int32_t status);

/* ---- Tensors -------------------------------------------------------------------------------- */

typedef enum cn_layout { CN_PLAIN = 0, CN_BLOCKED = 1, CN_FLAT = 2 } cn_layout;

/* What is larger is CN_BAD_SHAPE. */
enum {
  CN_MOST_SIZE = 1 << 30,   /* samples, c, h, w and h w of a tensor; pixels of a window */
  CN_MOST_HALO = 255,       /* border of a tensor */
  CN_MOST_WINDOW = 1 << 20, /* kernel x dilation, stride and padding, per direction; the kernel of
                               an average may be as large as a tensor */
  CN_MOST_MAXIMUM = 1 << 24 /* pixels of the image in a window of max pooling: they are numbered in
                               floats */
};

/* The shape of one sample and how it lies in memory; how many samples is an argument of a call. */
typedef struct cn_tensor {
  int32_t c, h, w; /* at least 1 */
  int32_t halo;    /* zero border on all four sides; 0 where the layout is CN_FLAT */
  int32_t layout;  /* cn_layout */
} cn_tensor;

/* Floats of a tensor of n samples, with halo and zero lanes. */
CN_API int64_t cn_tensor_floats(const cn_tensor *tensor, int32_t n);

/*
 * dst = src in another layout, or with another halo; c, h, w of both are the same. All pairs of
 * layouts are possible. (To feed a linear layer from a plain image of c h w values, describe both
 * sides as c h w channels of 1x1.)
 */
CN_API int32_t cn_reorder(const cn_context *context, const cn_tensor *from, const cn_tensor *to,
                          int32_t n, const float *src, float *dst);

/*
 * `channels` channels of src from number from_channel on become those of dst from to_channel on:
 * the slices of a concatenation. Both are CN_PLAIN or both CN_BLOCKED, with the same h and w. The
 * halo of the channels is zero afterwards, and with the last channel of dst the lanes past it;
 * the other channels of dst are left alone.
 */
CN_API int32_t cn_copy_channels(const cn_context *context, const cn_tensor *from,
                                const cn_tensor *to, int32_t n, int32_t from_channel,
                                int32_t to_channel, int32_t channels, const float *src, float *dst);

/* y += bias per channel, of a CN_BLOCKED tensor; and db, the sums of dy per channel. */
CN_API int32_t cn_bias_add(const cn_context *context, const cn_tensor *tensor, int32_t n,
                           const float *bias, float *y);
CN_API int32_t cn_bias_gradient(const cn_context *context, const cn_tensor *tensor, int32_t n,
                                const float *dy, float *db);

/* ---- Optimiser ------------------------------------------------------------------------------ */

typedef enum cn_optimizer_kind { CN_SGD = 0, CN_ADAM = 1 } cn_optimizer_kind;

/* Flags of an optimiser. */
enum {
  CN_NESTEROV = 1,  /* CN_SGD with momentum */
  CN_DECOUPLED = 2, /* CN_ADAM: weight decay scales the weight, and does not join the gradient */
};

/* The most values of state that a rule keeps for a weight. */
enum { CN_MOST_STATES = 2 };

/*
 * The rule of a step, in PyTorch's form. Per weight w with gradient g, with learning rate a and
 * weight decay d:
 *
 *   CN_SGD    g += d w
 *             v = momentum v + g                     v is state 0; there is none with momentum 0
 *             w -= a (flags & CN_NESTEROV ? g + momentum v : v)
 *
 *   CN_ADAM   g += d w, or with CN_DECOUPLED w *= 1 - a d
 *             m = beta1 m + (1 - beta1) g            m is state 0
 *             v = beta2 v + (1 - beta2) g g          v is state 1
 *             w -= a / (1 - beta1^step) m / (sqrt(v) / sqrt(1 - beta2^step) + epsilon)
 *
 * What depends on the options alone is computed in double precision; every operation on a weight is
 * rounded by itself. All state is zero before the first step. Where weight, gradient and state are
 * zero they stay zero. Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015;
 * CN_DECOUPLED is AdamW: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.
 */
typedef struct cn_optimizer {
  int32_t kind;        /* cn_optimizer_kind */
  int32_t flags;       /* those of the kind */
  int64_t step;        /* CN_ADAM: the number of this step, from 1 */
  double momentum;     /* CN_SGD: 0 or more, less than 1 in single precision */
  double beta1, beta2; /* CN_ADAM: 0 or more, less than 1 */
  double epsilon;      /* CN_ADAM: more than 0 in single precision */
} cn_optimizer;

/* A run of parameters with options of their own. Runs must not overlap; the rest is left alone. */
typedef struct cn_segment {
  int64_t offset, length; /* in floats, from the start of each block */
  float rate_factor;      /* their learning rate is learning_rate rate_factor; both are finite */
  float weight_decay;     /* at least 0 */
} cn_segment;

/*
 * One step of all segments. The gradients are not changed. states has a block for each value of
 * state; it may be null, and its pointers too, where the rule keeps none. Any alignment.
 */
CN_API int32_t cn_optimizer_step(const cn_context *context, const cn_optimizer *optimizer,
                                 float learning_rate, int32_t segment_count,
                                 const cn_segment *segments, const float *gradients,
                                 float *const *states, float *weights);

/* A parameter that takes a step inside the gradient of a layer's weights. */
typedef struct cn_parameter {
  float *values;                 /* packed like the gradient, and as aligned; states likewise */
  float *states[CN_MOST_STATES]; /* those that the rule keeps */
  float learning_rate;           /* finite */
  float weight_decay;            /* at least 0 */
} cn_parameter;

/* That step, with the bits of cn_optimizer_step: the sums go from cache into it. */
typedef struct cn_update {
  cn_optimizer optimizer;
  cn_parameter weights;
  cn_parameter bias; /* values is null where the bias stays as it is, or there is none */
} cn_update;

/* ---- Convolution ---------------------------------------------------------------------------- */

/* Flags of a layer. */
enum {
  CN_BIAS = 1, /* the layer adds a bias per output channel, and its backward pass gives db */
  CN_RELU = 2, /* the forward pass ends in y <= 0 ? 0 : y; backward: cn_activation_backward on dy
                  first, unless a function says that it does so itself */
  CN_TRANSFORMED = 4, /* w is what cn_conv2d_transform_weights gave for this pass */
};

/*
 * How a convolution computes. The Winograd algorithms compute tiles of m x m values of their result
 * from products of transformed tiles and transformed filters, with 9 m m / (m + 2)^2 times fewer
 * multiplications: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.
 * They round more: the values of a tile share their rounding errors, and a value that is not finite
 * makes NaN of all results whose tile reads it. They need a filter of 3 x 3, stride 1, dilation 1
 * and the full or grouped form, else CN_BAD_VALUE is returned.
 */
typedef enum cn_algorithm {
  CN_DIRECT = 0,     /* sums the products themselves */
  CN_WINOGRAD_2 = 1, /* F(2x2, 3x3): 2.25 times fewer multiplications */
  CN_WINOGRAD_4 = 2, /* F(4x4, 3x3): 4 times fewer */
} cn_algorithm;

/*
 * y[k, p, q] = bias[k] + sum over c, r, s of w[k, c, r, s] *
 *              x[c, p stride_h + r dilation_h - pad_h, q stride_w + s dilation_w - pad_w]
 *
 * where x is zero outside the image; with groups, a filter sees the c / groups channels of its own
 * group. y.h is at most floor((x.h + 2 pad_h - dilation_h (kernel_h - 1) - 1) / stride_h) + 1, and
 * y.w likewise; a smaller y leaves rows or columns of the input unread.
 *
 * dx has the shape and layout of x, dy those of y, each with a halo of its own. x and y are
 * always looked at, dy in both backward passes, dx in backward-data. y and dy are CN_BLOCKED. The
 * layout of x and the groups decide how the weights are packed, zero padded:
 *
 *   stem       x CN_PLAIN, c < 16, groups = 1:    ceil(k/16), c, r, s, 16k
 *   full       x CN_BLOCKED, groups = 1:          ceil(k/16), ceil(c/16), r, s, 16c, 16k
 *   grouped    x CN_BLOCKED, c/groups and k/groups multiples of 16: full, group after group
 *   depthwise  x CN_BLOCKED, c = k = groups > 1:  ceil(c/16), r, s, 16c
 *   other      x CN_BLOCKED, any other groups:    OIHW as it is; correct, and slow
 *
 * A tensor whose halo is at least cn_conv2d_halo(pass) is read as it lies. Where it is smaller,
 * rows are first copied into the workspace with their border: slower, the same bits.
 */
typedef struct cn_conv2d {
  cn_tensor x, y, dx, dy;
  cn_tensor add; /* looked at where a pass gets values to add */
  int32_t kernel_h, kernel_w;
  int32_t stride_h, stride_w;
  int32_t pad_h, pad_w;
  int32_t dilation_h, dilation_w;
  int32_t groups;
  int32_t flags;     /* CN_BIAS | CN_RELU | CN_TRANSFORMED */
  int32_t algorithm; /* cn_algorithm of the pass; weights are packed alike for all */
} cn_conv2d;

typedef enum cn_pass { CN_FORWARD = 0, CN_BACKWARD_DATA = 1, CN_BACKWARD_WEIGHTS = 2 } cn_pass;

/* Floats of the packed weights and of their gradient; of the bias they are 16 ceil(k / 16). */
CN_API int64_t cn_conv2d_weight_floats(const cn_conv2d *conv);

/* Floats of the workspace that a pass over n samples needs with this context; 0 is possible. */
CN_API int64_t cn_conv2d_workspace_floats(const cn_context *context, const cn_conv2d *conv,
                                          int32_t pass, int32_t n);

/* The smallest halo of x (backward-data: of dy) with which a pass copies no rows. */
CN_API int32_t cn_conv2d_halo(const cn_conv2d *conv, int32_t pass);

/* packed = weights in OIHW order (k, c/groups, kernel_h, kernel_w), and back; gradients as well. */
CN_API int32_t cn_conv2d_pack_weights(const cn_context *context, const cn_conv2d *conv,
                                      const float *oihw, float *packed);
CN_API int32_t cn_conv2d_unpack_weights(const cn_context *context, const cn_conv2d *conv,
                                        const float *packed, float *oihw);

/*
 * Weights transformed for the forward or the backward-data pass of a Winograd algorithm. Without
 * CN_TRANSFORMED a pass does this itself, in its workspace; weights that do not change between
 * calls are better transformed once. The floats of the result, on 64 bytes; CN_BAD_VALUE for
 * CN_DIRECT.
 */
CN_API int64_t cn_conv2d_transformed_floats(const cn_conv2d *conv, int32_t pass);
CN_API int32_t cn_conv2d_transform_weights(const cn_context *context, const cn_conv2d *conv,
                                           int32_t pass, const float *w, float *transformed);

/*
 * y from x, weights w and bias (null without CN_BIAS). Unless they are null, add is a tensor of the
 * shape of y that is added before the ReLU, and statistics gets cn_row_statistics of y.
 */
CN_API int32_t cn_conv2d_forward(const cn_context *context, const cn_conv2d *conv, int32_t n,
                                 const float *x, const float *w, const float *bias,
                                 const float *add, float *y, float *statistics, float *workspace,
                                 int64_t workspace_floats);

/*
 * dx from dy and w. Unless they are null, add is a tensor of the shape of dx that is added, such as
 * the gradient from another reader of x; and then dx = x <= 0 ? 0 : dx, the slope of a ReLU that
 * gave x.
 */
CN_API int32_t cn_conv2d_backward_data(const cn_context *context, const cn_conv2d *conv, int32_t n,
                                       const float *dy, const float *w, const float *add,
                                       const float *x, float *dx, float *workspace,
                                       int64_t workspace_floats);

/*
 * dw, and db unless null (it must be null without CN_BIAS), from x and dy; both are overwritten.
 * With an update, which may be null, the parameters take a step, and dw may be null as well: it is
 * not kept then. Backward-data reads the weights, so it comes first. The other form takes no
 * update.
 */
CN_API int32_t cn_conv2d_backward_weights(const cn_context *context, const cn_conv2d *conv,
                                          int32_t n, const float *x, const float *dy, float *dw,
                                          float *db, const cn_update *update, float *workspace,
                                          int64_t workspace_floats);

/* ---- Linear layer --------------------------------------------------------------------------- */

/*
 * y[k] = bias[k] + sum over i of w[k, i] x[i]. x and dx are CN_FLAT with the c, h, w they were
 * flattened from, so feature i is number i of the plain c, h, w order; y and dy are CN_FLAT with
 * c = outputs, h = w = 1. Packed weights: ceil(outputs/16), blocks, 16 features, 16 outputs. The
 * feature blocks are in the order of CN_FLAT; cn_linear_weight_floats may count a block of zeros
 * more per row, which keeps rows off each other's cache sets.
 */
typedef struct cn_linear {
  int32_t c, h, w;
  int32_t outputs;
  int32_t flags; /* CN_BIAS | CN_RELU */
} cn_linear;

/* As for cn_conv2d; the plain weights are outputs rows of c h w values. */
CN_API int64_t cn_linear_weight_floats(const cn_linear *linear);
CN_API int64_t cn_linear_workspace_floats(const cn_context *context, const cn_linear *linear,
                                          int32_t pass, int32_t n);
CN_API int32_t cn_linear_pack_weights(const cn_context *context, const cn_linear *linear,
                                      const float *plain, float *packed);
CN_API int32_t cn_linear_unpack_weights(const cn_context *context, const cn_linear *linear,
                                        const float *packed, float *plain);
CN_API int32_t cn_linear_forward(const cn_context *context, const cn_linear *linear, int32_t n,
                                 const float *x, const float *w, const float *bias, float *y,
                                 float *workspace, int64_t workspace_floats);
CN_API int32_t cn_linear_backward_data(const cn_context *context, const cn_linear *linear,
                                       int32_t n, const float *dy, const float *w, float *dx,
                                       float *workspace, int64_t workspace_floats);
CN_API int32_t cn_linear_backward_weights(const cn_context *context, const cn_linear *linear,
                                          int32_t n, const float *x, const float *dy, float *dw,
                                          float *db, const cn_update *update, float *workspace,
                                          int64_t workspace_floats);

/* ---- Pooling -------------------------------------------------------------------------------- */

typedef enum cn_pool_kind {
  CN_POOL_MAX = 0,     /* padding never wins; first maximum in row-major order; of NaNs the last */
  CN_POOL_AVERAGE = 1, /* of the window; global average pooling is a window of the whole image */
} cn_pool_kind;

/*
 * Windows of kernel_h x kernel_w every stride_h rows and stride_w columns, the first at (-pad_h,
 * -pad_w), clipped at the border. All tensors are CN_BLOCKED; dx has the shape of x, dy that of y.
 * pad < kernel, and y.h, y.w are at most those of cn_conv2d with dilation 1: every window then
 * holds a pixel of the image.
 */
typedef struct cn_pool2d {
  cn_tensor x, y, dx, dy;
  int32_t kernel_h, kernel_w;
  int32_t stride_h, stride_w;
  int32_t pad_h, pad_w;
  int32_t kind;              /* cn_pool_kind */
  int32_t count_include_pad; /* average: 1 divides by kernel_h kernel_w, 0 by the pixels inside */
  int32_t flags;             /* maximum: CN_RELU where x is what a ReLU gave, see below */
} cn_pool2d;

/*
 * The winners of max pooling: for every value of y, in the order of CN_BLOCKED without a halo, one
 * byte, the number of its pixel in the clipped window, counted in row-major order. With CN_RELU it
 * is CN_NO_WINNER where y <= 0: there a ReLU before the pool lets no gradient through.
 */
enum { CN_NO_WINNER = 255 };

/* Bytes of the winners; 0 for an average, and where windows of over CN_NO_WINNER pixels have none.
 */
CN_API int64_t cn_pool2d_winner_bytes(const cn_pool2d *pool, int32_t n);

/* y from x, and the winners unless null. */
CN_API int32_t cn_pool2d_forward(const cn_context *context, const cn_pool2d *pool, int32_t n,
                                 const float *x, float *y, uint8_t *winners);

/*
 * dx from dy and the winners, behind the ReLU if they know of one. With null for the winners maxima
 * are found in x again, whatever the flags. An average needs neither, and x may be null.
 */
CN_API int32_t cn_pool2d_backward(const cn_context *context, const cn_pool2d *pool, int32_t n,
                                  const float *x, const uint8_t *winners, const float *dy,
                                  float *dx);

/*
 * A convolution, with its ReLU if it has one, and the pooling of its output in one call: the output
 * itself is never written. conv->y, without a halo, and pool->x have one shape; y and the winners
 * are those of the pool. Where cn_conv2d_pools is 0 rather than 1, the rows that windows share do
 * not stay in cache or the form has no such algorithm, and CN_BAD_VALUE is returned.
 */
CN_API int32_t cn_conv2d_pools(const cn_conv2d *conv, const cn_pool2d *pool);
CN_API int64_t cn_conv2d_pool_workspace_floats(const cn_context *context, const cn_conv2d *conv,
                                               const cn_pool2d *pool, int32_t n);
CN_API int32_t cn_conv2d_pool_forward(const cn_context *context, const cn_conv2d *conv,
                                      const cn_pool2d *pool, int32_t n, const float *x,
                                      const float *w, const float *bias, float *y, uint8_t *winners,
                                      float *workspace, int64_t workspace_floats);

/*
 * The gradients of that convolution's parameters from dy of the pool and its winners: what the pool
 * gives to the convolution's output, whose shape conv->dy has, is never written. All else is as for
 * cn_conv2d_backward_weights, the workspace too. Only some pools behind first layers of few filters
 * work so: where cn_conv2d_pools_backward is 0 rather than 1, CN_BAD_VALUE is returned.
 */
CN_API int32_t cn_conv2d_pools_backward(const cn_conv2d *conv, const cn_pool2d *pool);
CN_API int32_t cn_conv2d_pool_backward_weights(const cn_context *context, const cn_conv2d *conv,
                                               const cn_pool2d *pool, int32_t n, const float *x,
                                               const uint8_t *winners, const float *dy, float *dw,
                                               float *db, const cn_update *update, float *workspace,
                                               int64_t workspace_floats);

/* ---- Batch normalisation -------------------------------------------------------------------- */

/*
 * Statistics of each row of w pixels: its mean per channel, then the sum of squared deviations from
 * it. n, ceil(c/16), h, 2, 16 floats, on 64 bytes, of a CN_BLOCKED tensor. They are what batch
 * normalisation in training starts from; a convolution can compute them along with its output.
 */
CN_API int64_t cn_row_statistics_floats(const cn_tensor *tensor, int32_t n);
CN_API int32_t cn_row_statistics(const cn_context *context, const cn_tensor *tensor, int32_t n,
                                 const float *x, float *statistics);

/*
 * y = scale (x - mean) / sqrt(variance + epsilon) + shift per channel. All tensors are CN_BLOCKED
 * and of one shape. Training takes mean and (biased) variance over the m = n h w values of the
 * batch, keeps mean and 1 / sqrt(variance + epsilon) for the backward pass, and updates
 *   running_mean = (1 - momentum) running_mean + momentum mean
 *   running_variance = (1 - momentum) running_variance + momentum variance m / (m - 1)
 * the latter only where m > 1. Scale, shift, statistics and gradients are per-channel vectors.
 * The forward pass ends with y += add, unless add is null, and the ReLU, if there is one.
 */
typedef struct cn_batch_norm {
  cn_tensor x, y, dx, dy;
  cn_tensor add;  /* looked at where there are values to add */
  float epsilon;  /* > 0 */
  float momentum; /* 0..1 */
  int32_t flags;  /* CN_RELU */
} cn_batch_norm;

/* Floats of the workspace of training forward and of backward. */
CN_API int64_t cn_batch_norm_workspace_floats(const cn_context *context, const cn_batch_norm *norm,
                                              int32_t n);

/* statistics: cn_row_statistics of x. */
CN_API int32_t cn_batch_norm_forward(const cn_context *context, const cn_batch_norm *norm,
                                     int32_t n, const float *x, const float *statistics,
                                     const float *scale, const float *shift, const float *add,
                                     float *y, float *mean, float *inverse_std, float *running_mean,
                                     float *running_variance, float *workspace,
                                     int64_t workspace_floats);

/* The same with the running statistics in place of those of the batch; changes nothing but y. */
CN_API int32_t cn_batch_norm_infer(const cn_context *context, const cn_batch_norm *norm, int32_t n,
                                   const float *x, const float *scale, const float *shift,
                                   const float *running_mean, const float *running_variance,
                                   const float *add, float *y);

/* The y of cn_batch_norm_forward without an add once more, from the mean and inverse_std that it
 * kept: the same bits. So y need not be kept where x is. */
CN_API int32_t cn_batch_norm_apply(const cn_context *context, const cn_batch_norm *norm, int32_t n,
                                   const float *x, const float *scale, const float *shift,
                                   const float *mean, const float *inverse_std, float *y);

/*
 * Through the statistics of the batch. With CN_RELU dy is cut to zero first where y <= 0, which is
 * computed from x again; where something was added to y before its ReLU, cut dy by
 * cn_activation_backward, and leave the flag out. dx may be dy where their descriptors are equal.
 */
CN_API int32_t cn_batch_norm_backward(const cn_context *context, const cn_batch_norm *norm,
                                      int32_t n, const float *x, const float *dy,
                                      const float *scale, const float *shift, const float *mean,
                                      const float *inverse_std, float *dx, float *dscale,
                                      float *dshift, float *workspace, int64_t workspace_floats);

/* ---- Elementwise ---------------------------------------------------------------------------- */

/* Functions of one value, with their slopes. NaN passes through all of them. */
typedef enum cn_activation_kind {
  CN_ACTIVATION_RELU = 0,      /* f(x) = x <= 0 ? 0 : x, whose slope is known from y */
  CN_ACTIVATION_GELU = 1,      /* f(x) = x P(Z <= x) of a standard normal Z */
  CN_ACTIVATION_GELU_TANH = 2, /* f(x) = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
  CN_ACTIVATIONS,              /* their number */
} cn_activation_kind;

/*
 * Operands of one shape and one layout, each with its own halo. An output may be one of the inputs
 * where their descriptors are equal.
 */
typedef struct cn_elementwise {
  cn_tensor a, b, out; /* b is not looked at by functions of one input */
  int32_t flags;       /* CN_RELU, for cn_add only */
  int32_t activation;  /* cn_activation_kind; 0 for cn_add */
} cn_elementwise;

/* out = f(a) */
CN_API int32_t cn_activation_forward(const cn_context *context, const cn_elementwise *op, int32_t n,
                                     const float *a, float *out);

/*
 * dx = f'(x) dy, with dy as op->b and dx as op->out. a is y where the slope is known from it, as
 * that of a ReLU: dx = y <= 0 ? 0 : dy; x elsewhere.
 */
CN_API int32_t cn_activation_backward(const cn_context *context, const cn_elementwise *op,
                                      int32_t n, const float *a, const float *dy, float *dx);

/* out = a + b; also sums the gradients of a value with several consumers. */
CN_API int32_t cn_add(const cn_context *context, const cn_elementwise *op, int32_t n,
                      const float *a, const float *b, float *out);

/*
 * y = keep ? scale x : 0, with keep = word 0 of philox(counter, key) >= threshold. philox is
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
 *
 *   counter = low and high 32 bits of e, step, node     key = low and high 32 bits of seed
 *   e = (((first_sample + sample) * c + channel) * h + row) * w + column
 *
 * A function of the position in the whole batch only: calls that share a batch, each with the
 * number of its first sample in it, drop what one call would, and the same call on dy gives dx. For
 * a drop probability p: threshold = floor(p 2^32), scale = 1 / (1 - p).
 */
typedef struct cn_dropout {
  cn_tensor x, y; /* one shape and one layout, each with its own halo */
  uint64_t seed;
  uint32_t node;
  uint32_t threshold;
  float scale; /* finite */
} cn_dropout;

/* y from x; y may be x where the descriptors are equal. */
CN_API int32_t cn_dropout_apply(const cn_context *context, const cn_dropout *dropout, int32_t n,
                                int32_t first_sample, uint32_t step, const float *x, float *y);

/* dst[i] += src[i], i < count; any alignment. */
CN_API int32_t cn_accumulate(const cn_context *context, int64_t count, const float *src,
                             float *dst);

/* dst[i] = value, i < count; any alignment. */
CN_API int32_t cn_fill(const cn_context *context, int64_t count, float value, float *dst);

/* dst[i] *= factor, i < count; any alignment. */
CN_API int32_t cn_scale(const cn_context *context, int64_t count, float factor, float *dst);

/* dst[i] limited to -most..most, i < count; a NaN stays. most >= 0; any alignment. */
CN_API int32_t cn_clamp(const cn_context *context, int64_t count, float most, float *dst);

/*
 * sums[k] = the sum of the squares of x[k CN_SUM_RUN] and the floats behind it, of which each of
 * the ceil(count / CN_SUM_RUN) sums has CN_SUM_RUN and the last what is left. In double precision;
 * the same bits for every instruction set and number of threads.
 */
enum { CN_SUM_RUN = 4096 };
CN_API int32_t cn_sums_of_squares(const cn_context *context, int64_t count, const float *x,
                                  double *sums);

/* ---- Losses --------------------------------------------------------------------------------- */

/*
 * Scores are plain, n samples of classes values. *loss is the mean over the n samples, summed in
 * double precision; doutput its gradient, of the shape of output. doutput may be null: then only
 * the loss is computed. weights has a weight for each sample, finite, not negative and not all
 * zero (else CN_BAD_VALUE): the loss is then the weighted mean. Null is a weight of 1 for each.
 */

/* Mean of -log softmax(output)[label]. The output is classes maps of pixels values, and every pixel
 * has a label: n pixels of them. The mean is over pixels too; 1 pixel is a class for each sample.
 */
CN_API int32_t cn_softmax_cross_entropy(const cn_context *context, int32_t n, int32_t classes,
                                        int32_t pixels, const float *output, const int32_t *labels,
                                        const float *weights, double *loss, float *doutput);

/* Mean of the sum over j != label of max(0, output[j] - output[label] + margin); slope 0 at 0. */
CN_API int32_t cn_multiclass_svm(const cn_context *context, int32_t n, int32_t classes,
                                 float margin, const float *output, const int32_t *labels,
                                 const float *weights, double *loss, float *doutput);

/* Mean of (output - targets)^2 over the length values of every sample. */
CN_API int32_t cn_mean_squared_error(const cn_context *context, int32_t n, int32_t length,
                                     const float *output, const float *targets,
                                     const float *weights, double *loss, float *doutput);

/* ---- The machine ---------------------------------------------------------------------------- */

/*
 * What the processor does at most, to compare kernels with. The caller takes the time.
 *
 * Multiply-adds in registers, nothing else: in every round each thread adds to as many independent
 * sums as keep its units busy. counts has 16 floats per thread of the context, the multiply-adds of
 * each lane, 0 where the instruction set has fewer lanes: operations are twice their sum. Portable
 * C multiplies and adds apart and counts the pair. rounds is 1..2^20, so that every count is exact.
 */
CN_API int32_t cn_fma_rounds(const cn_context *context, int64_t rounds, float *counts);

/* out[i] = a[i] + scale b[i], i < count; any alignment. Twelve bytes move for each i, as the STREAM
 * benchmark counts them: McCalpin, "Memory bandwidth and machine balance", 1995. */
CN_API int32_t cn_triad(const cn_context *context, int64_t count, float scale, const float *a,
                        const float *b, float *out);

#ifdef __cplusplus
}
#endif

#endif
