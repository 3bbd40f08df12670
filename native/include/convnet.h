/*
 * ConvNative: kernels for convolutional networks in C. This file is the complete ABI and its
 * documentation.
 *
 * The library computes and does not plan. The caller owns all memory: tensors, weights and
 * workspace. No function allocates them, prints, exits or retains its arguments, so calls on
 * different memory may run concurrently. Every function validates its arguments before it writes
 * anything and returns a cn_status. Queries return a size or a negative cn_status.
 *
 * Notation: n samples; c (input) and k (output) channels; h, w rows and columns; r, s rows and
 * columns of a filter; dx is the gradient of the loss with respect to x. Channels are in blocks of
 * B = CN_BLOCK = 16 on every instruction set, so layouts never depend on the processor. ceil(a / b)
 * rounds up. Sizes are in floats unless a name says otherwise.
 *
 * Layouts of an activation of n samples, outermost dimension first:
 *
 *   CN_PLAIN    n, c, h + 2 halo, w + 2 halo
 *   CN_BLOCKED  n, ceil(c / 16), h + 2 halo, w + 2 halo, 16; lanes beyond the last channel are zero
 *   CN_FLAT     ceil(c / 16) h w, n, 16; the input of a linear layer, without a halo
 *
 * A CN_FLAT tensor has the order of the blocked tensor that it is flattened from: feature block
 * (cb, y, x) holds the 64 bytes at that position in CN_BLOCKED. The output of a linear layer with K
 * features is CN_FLAT with c = K, h = w = 1. The halo is a border of zeros in memory. A function
 * that writes a tensor writes all of it, including the halo and the zero lanes, whatever they
 * contained. A function that reads a tensor relies on both.
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
 * Threads: the library has its own. They are created when a call first needs them and reused by
 * later calls from any thread. An idle thread polls for 100 us before it sleeps; all end when the
 * library is unloaded. A call proceeds with the threads that can be created, at least its own. This
 * also holds for calls in a forked child process, and for calls that find all processors occupied
 * by other calls.
 *
 * Numerics: IEEE single precision. NaN and infinity propagate; subnormal numbers are preserved.
 * Long sums are accumulated in blocks of at most 288 terms, losses in double precision. All threads
 * of a call adopt the rounding mode and subnormal flushing of the calling thread. The result of a
 * call has the same bits for every thread count and on every run with the same isa. Outputs must
 * not overlap inputs unless a function says that it works in place.
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
enum { CN_ABI_VERSION = 15 };

enum { CN_BLOCK = 16 };

/* ---- Status, processor, context ------------------------------------------------------------- */

typedef enum cn_status {
  CN_OK = 0,
  CN_NULL_POINTER = -1, /* a required pointer is null */
  CN_BAD_CONTEXT =
      -2, /* another ABI version, an unknown or unsupported isa, threads outside 1..1024 */
  CN_BAD_SHAPE = -3,  /* a size is not positive or too large, or sizes contradict each other */
  CN_BAD_LAYOUT = -4, /* the layout is unknown or not supported by this function */
  CN_MISALIGNED = -5, /* a pointer violates the alignment rules above */
  CN_BAD_VALUE = -6,  /* an option is out of range: flags, epsilon, momentum, step, pass */
  CN_BAD_LABEL = -7,  /* a label is not in 0..classes - 1; nothing was written */
  CN_WORKSPACE_TOO_SMALL = -8, /* the workspace is smaller than the query requires */
} cn_status;

/* Instruction sets. Each one includes those before it. */
typedef enum cn_isa {
  CN_SCALAR = 0, /* portable C */
  CN_AVX2 = 1,   /* AVX2 and FMA */
  CN_AVX512 = 2, /* AVX-512 F, BW, DQ and VL */
} cn_isa;

/* First argument of every kernel: the instruction set and thread count that run the call. */
typedef struct cn_context {
  int32_t abi_version; /* CN_ABI_VERSION of the header that the caller was compiled against */
  int32_t isa;         /* cn_isa, at most cn_cpu_isa() */
  int32_t threads;     /* 1..1024; small calls use fewer; results do not depend on it */
} cn_context;

/* CN_ABI_VERSION of the library. */
CN_API int32_t cn_abi_version(void);

/*
 * The best cn_isa that this processor, its operating system and this build of the library support.
 */
CN_API int32_t cn_cpu_isa(void);

/*
 * The number of threads for a call that performs this many floating-point operations, or moves a
 * fourth as many values. For convolutions and linear layers count two per multiply-add of the real
 * channels. Small calls are faster on one thread than waking several would take.
 */
CN_API int32_t cn_team_size(const cn_context *context, double operations);

/* A sentence in English for a status. Never null; static storage. */
CN_API const char *cn_status_text(int32_t status);

/* ---- Tensors -------------------------------------------------------------------------------- */

typedef enum cn_layout { CN_PLAIN = 0, CN_BLOCKED = 1, CN_FLAT = 2 } cn_layout;

/* Larger values are rejected with CN_BAD_SHAPE. */
enum {
  CN_MOST_SIZE = 1 << 30,   /* samples, c, h, w and h w of a tensor; pixels of a window */
  CN_MOST_HALO = 255,       /* halo of a tensor */
  CN_MOST_WINDOW = 1 << 20, /* kernel x dilation, stride and padding, per direction; the kernel of
                               an average may be as large as a tensor */
  /* Image pixels in a window of max pooling, which are numbered in floats. */
  CN_MOST_MAXIMUM = 1 << 24
};

/* The shape of one sample and its layout in memory. The number of samples is an argument of each
 * call. */
typedef struct cn_tensor {
  int32_t c, h, w;       /* at least 1 */
  int32_t halo;          /* width of the zero border on all four sides; 0 for CN_FLAT */
  int32_t layout;        /* cn_layout */
  int64_t sample_stride; /* floats from one sample to the next; 0 if samples are contiguous */
} cn_tensor;

/*
 * A sample stride makes a tensor a slice of the channels of a wider one: the pointer is that of the
 * first channel of the slice, and the stride is that of the wider tensor. It is at least the size
 * of a sample and, for CN_BLOCKED, a multiple of 16. A function that writes a slice leaves the
 * other channels alone. If the channels of a CN_BLOCKED slice are no multiple of 16, it must be the
 * last one, because its zero lanes are written too. CN_FLAT has no slices.
 */

/* Floats from the first of n samples to the end of the last, including the halo and zero lanes. */
CN_API int64_t cn_tensor_floats(const cn_tensor *tensor, int32_t n);

/*
 * dst = src in another layout, or with another halo. c, h, w of both are equal. All pairs of
 * layouts are supported. (To feed a linear layer from a plain image of c h w values, describe both
 * sides as c h w channels of 1x1.)
 */
CN_API int32_t cn_reorder(const cn_context *context, const cn_tensor *from, const cn_tensor *to,
                          int32_t n, const float *src, float *dst);

/*
 * Copies `channels` channels of src, starting at from_channel, to dst, starting at to_channel, as
 * in a concatenation. Both tensors are CN_PLAIN or both CN_BLOCKED, with the same h and w. The halo
 * of the copied channels becomes zero, and so do the lanes beyond the last channel of dst if it is
 * copied. All other channels of dst are unchanged.
 */
CN_API int32_t cn_copy_channels(const cn_context *context, const cn_tensor *from,
                                const cn_tensor *to, int32_t n, int32_t from_channel,
                                int32_t to_channel, int32_t channels, const float *src, float *dst);

/* cn_bias_add: y += bias per channel. cn_bias_gradient: db = sum of dy per channel. Both for
 * CN_BLOCKED tensors. */
CN_API int32_t cn_bias_add(const cn_context *context, const cn_tensor *tensor, int32_t n,
                           const float *bias, float *y);
CN_API int32_t cn_bias_gradient(const cn_context *context, const cn_tensor *tensor, int32_t n,
                                const float *dy, float *db);

/* ---- Activations ---------------------------------------------------------------------------- */

/*
 * Activation functions. NaN propagates through all of them. Up to CN_LEAKY_RELU the derivative, the
 * slope, is a function of y = f(x); these can be fused into other kernels.
 */
typedef enum cn_activation_kind {
  CN_IDENTITY = 0,   /* f(x) = x */
  CN_RELU = 1,       /* f(x) = x <= 0 ? 0 : x; slope y <= 0 ? 0 : 1 */
  CN_RELU6 = 2,      /* f(x) = x <= 0 ? 0 : x >= 6 ? 6 : x; slope y <= 0 || y >= 6 ? 0 : 1 */
  CN_LEAKY_RELU = 3, /* f(x) = x <= 0 ? slope x : x; slope y <= 0 ? slope : 1 */
  CN_GELU = 4,       /* f(x) = x P(Z <= x) of a standard normal Z */
  CN_GELU_TANH = 5,  /* f(x) = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
  CN_ACTIVATIONS,    /* the number of kinds */
} cn_activation_kind;

typedef struct cn_activation {
  int32_t kind; /* cn_activation_kind */
  float slope;  /* CN_LEAKY_RELU: finite and at least 0; 0 for all other kinds */
} cn_activation;

/* ---- Optimiser ------------------------------------------------------------------------------ */

typedef enum cn_optimizer_kind { CN_SGD = 0, CN_ADAM = 1 } cn_optimizer_kind;

/* Flags of an optimiser. */
enum {
  CN_NESTEROV = 1,  /* CN_SGD with momentum */
  CN_DECOUPLED = 2, /* CN_ADAM: decoupled weight decay, not an L2 penalty */
};

/* The most state values per weight of any rule. */
enum { CN_MOST_STATES = 2 };

/*
 * The update rule of a step, in PyTorch's form. For weight w with gradient g, learning rate a and
 * weight decay d:
 *
 *   CN_SGD    g += d w
 *             v = momentum v + g                     v is state 0, absent if momentum is 0
 *             w -= a (flags & CN_NESTEROV ? g + momentum v : v)
 *
 *   CN_ADAM   g += d w, or with CN_DECOUPLED w *= 1 - a d
 *             m = beta1 m + (1 - beta1) g            m is state 0
 *             v = beta2 v + (1 - beta2) g g          v is state 1
 *             w -= a / (1 - beta1^step) m / (sqrt(v) / sqrt(1 - beta2^step) + epsilon)
 *
 * Factors that depend on the options alone are computed in double precision; every operation on a
 * weight is rounded separately. All state is zero before the first step. If weight, gradient and
 * state are zero, they stay zero. Kingma and Ba, "Adam: a method for stochastic optimization", ICLR
 * 2015; CN_DECOUPLED is AdamW: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR
 * 2019.
 */
typedef struct cn_optimizer {
  int32_t kind;        /* cn_optimizer_kind */
  int32_t flags;       /* flags of that kind */
  int64_t step;        /* CN_ADAM: number of this step, from 1 */
  double momentum;     /* CN_SGD: 0 or more, less than 1 in single precision */
  double beta1, beta2; /* CN_ADAM: 0 or more, less than 1 */
  double epsilon;      /* CN_ADAM: more than 0 in single precision */
} cn_optimizer;

/* A segment of parameters with its own options. Segments must not overlap; parameters outside all
 * segments are unchanged. */
typedef struct cn_segment {
  int64_t offset, length; /* in floats, from the start of each block */
  float rate_factor;      /* learning rate: learning_rate * rate_factor; both are finite */
  float weight_decay;     /* at least 0 */
} cn_segment;

/*
 * One step of all segments. The gradients are not changed. states has one pointer per state value
 * of the rule; states and its pointers may be null if the rule has none. Any alignment.
 */
CN_API int32_t cn_optimizer_step(const cn_context *context, const cn_optimizer *optimizer,
                                 float learning_rate, int32_t segment_count,
                                 const cn_segment *segments, const float *gradients,
                                 float *const *states, float *weights);

/* A parameter that is updated by a step fused into its weight gradient. */
typedef struct cn_parameter {
  float *values;                 /* packed and aligned like the gradient; so are states */
  float *states[CN_MOST_STATES]; /* those that the rule uses */
  float learning_rate;           /* finite */
  float weight_decay;            /* at least 0 */
} cn_parameter;

/* The fused step. It gives the bits of cn_optimizer_step, but takes the gradients from cache. */
typedef struct cn_update {
  cn_optimizer optimizer;
  cn_parameter weights;
  cn_parameter bias; /* values is null if the bias is not updated or absent */
} cn_update;

/* ---- Convolution ---------------------------------------------------------------------------- */

/* Flags of a layer. */
enum {
  CN_BIAS = 1,        /* the layer adds a bias per output channel; the backward pass computes db */
  CN_TRANSFORMED = 2, /* w is the result of cn_conv2d_transform_weights for this pass */
};

/*
 * The algorithm of a convolution. The Winograd algorithms compute tiles of m x m results from
 * products of transformed tiles and transformed filters, with 9 m m / (m + 2)^2 times fewer
 * multiplications: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.
 * Their rounding errors are larger: the values of a tile share them, and a value that is not finite
 * turns all results whose tile reads it into NaN. They require a filter of 3 x 3, stride 1,
 * dilation 1 and the full or grouped form; otherwise CN_BAD_VALUE is returned.
 */
typedef enum cn_algorithm {
  CN_DIRECT = 0,     /* direct sums of products */
  CN_WINOGRAD_2 = 1, /* F(2x2, 3x3): 2.25 times fewer multiplications */
  CN_WINOGRAD_4 = 2, /* F(4x4, 3x3): 4 times fewer */
} cn_algorithm;

/*
 * A window that slides over an image: that of position (p, q) has its first tap at row p stride_h -
 * pad_top and column q stride_w - pad_left. The padding before and behind the image may differ.
 */
typedef struct cn_window {
  int32_t kernel_h, kernel_w;
  int32_t stride_h, stride_w;
  int32_t pad_top, pad_left, pad_bottom, pad_right;
  int32_t dilation_h, dilation_w; /* from one tap to the next */
} cn_window;

/*
 * y[k, p, q] = bias[k] + sum over c, r, s of w[k, c, r, s] *
 *              x[c, p stride_h + r dilation_h - pad_top, q stride_w + s dilation_w - pad_left]
 *
 * where x is zero outside the image; with groups, a filter sees the c / groups channels of its own
 * group. y.h is at most
 *   floor((x.h + pad_top + pad_bottom - dilation_h (kernel_h - 1) - 1) / stride_h) + 1,
 * and y.w likewise; a smaller y leaves rows or columns of the input unread.
 *
 * dx has the shape and layout of x, and dy those of y, each with its own halo. Every function uses
 * the descriptors x and y, both backward passes dy, and backward-data dx. y and dy are CN_BLOCKED.
 * The layout of x and the groups determine the packed form of the weights, which is zero padded:
 *
 *   stem       x CN_PLAIN, c < 16, groups = 1:    ceil(k/16), c, r, s, 16k
 *   full       x CN_BLOCKED, groups = 1:          ceil(k/16), ceil(c/16), r, s, 16c, 16k
 *   grouped    x CN_BLOCKED, c/groups and k/groups multiples of 16: full, group after group
 *   depthwise  x CN_BLOCKED, c = k = groups > 1:  ceil(c/16), r, s, 16c
 *   other      x CN_BLOCKED, any other groups:    OIHW, not packed; correct but slow
 *
 * A tensor whose halo is at least cn_conv2d_halo(pass) is read in place. If the halo is smaller,
 * rows are first copied into the workspace with a wider one: slower, with the same bits.
 */
typedef struct cn_conv2d {
  cn_tensor x, y, dx, dy;
  cn_tensor add; /* used by passes that add a residual */
  cn_window window;
  int32_t groups;
  int32_t flags;     /* CN_BIAS | CN_TRANSFORMED */
  int32_t algorithm; /* cn_algorithm of the pass; the packed form is the same for all */
  /* The forward pass applies it to its result. For the backward pass, first apply
   * cn_activation_backward to dy, unless a function says that it does so. */
  cn_activation activation;
  cn_activation x_activation; /* used by cn_conv2d_backward_data: the activation with output x */
} cn_conv2d;

typedef enum cn_pass { CN_FORWARD = 0, CN_BACKWARD_DATA = 1, CN_BACKWARD_WEIGHTS = 2 } cn_pass;

/* Floats of the packed weights and of their gradient. Those of the bias are 16 ceil(k / 16). */
CN_API int64_t cn_conv2d_weight_floats(const cn_conv2d *conv);

/* Workspace floats that a pass over n samples needs with this context. May be 0. */
CN_API int64_t cn_conv2d_workspace_floats(const cn_context *context, const cn_conv2d *conv,
                                          int32_t pass, int32_t n);

/* The smallest halo of x (backward-data: of dy) with which a pass copies no rows. */
CN_API int32_t cn_conv2d_halo(const cn_conv2d *conv, int32_t pass);

/* Converts weights or their gradients from OIHW order (k, c/groups, kernel_h, kernel_w) to the
 * packed form, and back. */
CN_API int32_t cn_conv2d_pack_weights(const cn_context *context, const cn_conv2d *conv,
                                      const float *oihw, float *packed);
CN_API int32_t cn_conv2d_unpack_weights(const cn_context *context, const cn_conv2d *conv,
                                        const float *packed, float *oihw);

/*
 * Transforms weights for the forward or backward-data pass of a Winograd algorithm. Without
 * CN_TRANSFORMED a pass transforms them itself, in its workspace; weights that do not change
 * between calls are better transformed once. cn_conv2d_transformed_floats returns the size of the
 * result, which is aligned to 64 bytes, or CN_BAD_VALUE for CN_DIRECT.
 */
CN_API int64_t cn_conv2d_transformed_floats(const cn_conv2d *conv, int32_t pass);
CN_API int32_t cn_conv2d_transform_weights(const cn_context *context, const cn_conv2d *conv,
                                           int32_t pass, const float *w, float *transformed);

/*
 * Computes y from x, weights w and bias (null without CN_BIAS). If add is not null, this tensor of
 * the shape of y is added before the activation. If statistics is not null, it receives the
 * cn_row_statistics of y.
 */
CN_API int32_t cn_conv2d_forward(const cn_context *context, const cn_conv2d *conv, int32_t n,
                                 const float *x, const float *w, const float *bias,
                                 const float *add, float *y, float *statistics, float *workspace,
                                 int64_t workspace_floats);

/*
 * Computes dx from dy and w. If add is not null, this tensor of the shape of dx is added, such as
 * the gradient from another consumer of x. If x is not null, dx is then multiplied by the slope of
 * x_activation, whose output is x.
 */
CN_API int32_t cn_conv2d_backward_data(const cn_context *context, const cn_conv2d *conv, int32_t n,
                                       const float *dy, const float *w, const float *add,
                                       const float *x, float *dx, float *workspace,
                                       int64_t workspace_floats);

/*
 * Computes dw, and db unless null (it must be null without CN_BIAS), from x and dy; both are
 * overwritten. If update is not null, the parameters take an optimiser step, and dw may be null if
 * it need not be stored. Run backward-data before, because it reads the weights. The "other" form
 * does not support an update.
 */
CN_API int32_t cn_conv2d_backward_weights(const cn_context *context, const cn_conv2d *conv,
                                          int32_t n, const float *x, const float *dy, float *dw,
                                          float *db, const cn_update *update, float *workspace,
                                          int64_t workspace_floats);

/* ---- Linear layer --------------------------------------------------------------------------- */

/*
 * y[k] = bias[k] + sum over i of w[k, i] x[i]. x and dx are CN_FLAT with the c, h, w from which
 * they were flattened, so feature i is index i in the plain c, h, w order. y and dy are CN_FLAT
 * with c = outputs, h = w = 1. Packed weights: ceil(outputs/16), blocks, 16 features, 16 outputs,
 * with the feature blocks in the order of CN_FLAT. cn_linear_weight_floats may include an
 * additional block of zeros per row, which avoids cache conflicts between rows.
 */
typedef struct cn_linear {
  int32_t c, h, w;
  int32_t outputs;
  int32_t flags;            /* CN_BIAS */
  cn_activation activation; /* as for cn_conv2d */
} cn_linear;

/* As for cn_conv2d. The plain weights are `outputs` rows of c h w values. */
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
  CN_POOL_MAX = 0, /* padding never wins; the first maximum in row-major order; of NaNs the last */
  CN_POOL_AVERAGE = 1, /* mean of the window; for global average pooling the whole image */
} cn_pool_kind;

/*
 * Windows, clipped at the border. All tensors are CN_BLOCKED; dx has the shape of x, dy that of y.
 * The dilation is 1 and each padding less than the kernel. y.h is at most that of cn_conv2d, but
 * rounded up: the last window may end behind the padding, and begins in the image or the padding
 * before it. y.w likewise. So every window holds a pixel of the image.
 */
typedef struct cn_pool2d {
  cn_tensor x, y, dx, dy;
  cn_window window;
  int32_t kind;              /* cn_pool_kind */
  int32_t count_include_pad; /* average: 1 divides by the pixels of the window inside the image and
                                its padding, 0 by those inside the image */
  cn_activation activation;  /* maximum: CN_RELU or CN_RELU6 if x is its output, see below;
                                else CN_IDENTITY */
} cn_pool2d;

/*
 * The winners of max pooling. For every value of y, in the order of CN_BLOCKED without a halo, one
 * byte: the index of its pixel in the clipped window, in row-major order. With an activation it is
 * CN_NO_WINNER where the slope is 0, because the activation before the pool propagates no gradient
 * there.
 */
enum { CN_NO_WINNER = 255 };

/* Bytes of the winners. 0 for an average, and for windows of more than CN_NO_WINNER pixels. */
CN_API int64_t cn_pool2d_winner_bytes(const cn_pool2d *pool, int32_t n);

/* Computes y from x, and the winners unless null. */
CN_API int32_t cn_pool2d_forward(const cn_context *context, const cn_pool2d *pool, int32_t n,
                                 const float *x, float *y, uint8_t *winners);

/*
 * Computes dx from dy and the winners, including the slope of the activation if they record it. If
 * winners is null, maxima are found again in x, whatever the activation. An average needs neither,
 * and x may be null.
 */
CN_API int32_t cn_pool2d_backward(const cn_context *context, const cn_pool2d *pool, int32_t n,
                                  const float *x, const uint8_t *winners, const float *dy,
                                  float *dx);

/*
 * A convolution, with its activation if any, and the pooling of its output in one call. The output
 * itself is never written. conv->y, without a halo, and pool->x have the same shape; y and winners
 * are those of the pool. cn_conv2d_pools returns 1 if this is supported. Otherwise, if shared rows
 * of windows do not fit the cache or the form has no such algorithm, it returns 0, and the call
 * CN_BAD_VALUE.
 */
CN_API int32_t cn_conv2d_pools(const cn_conv2d *conv, const cn_pool2d *pool);
CN_API int64_t cn_conv2d_pool_workspace_floats(const cn_context *context, const cn_conv2d *conv,
                                               const cn_pool2d *pool, int32_t n);
CN_API int32_t cn_conv2d_pool_forward(const cn_context *context, const cn_conv2d *conv,
                                      const cn_pool2d *pool, int32_t n, const float *x,
                                      const float *w, const float *bias, float *y, uint8_t *winners,
                                      float *workspace, int64_t workspace_floats);

/*
 * Computes the gradients of that convolution's parameters from dy of the pool and its winners. The
 * gradient of the convolution's output, whose shape conv->dy has, is never written. Everything else
 * is as for cn_conv2d_backward_weights, including the workspace. This is supported for some pools
 * behind first layers of few filters only: where cn_conv2d_pools_backward returns 0 instead of 1,
 * the call returns CN_BAD_VALUE.
 */
CN_API int32_t cn_conv2d_pools_backward(const cn_conv2d *conv, const cn_pool2d *pool);
CN_API int32_t cn_conv2d_pool_backward_weights(const cn_context *context, const cn_conv2d *conv,
                                               const cn_pool2d *pool, int32_t n, const float *x,
                                               const uint8_t *winners, const float *dy, float *dw,
                                               float *db, const cn_update *update, float *workspace,
                                               int64_t workspace_floats);

/* ---- Batch normalisation -------------------------------------------------------------------- */

/*
 * Statistics of each row of w pixels of a CN_BLOCKED tensor: its mean per channel, then the sum of
 * squared deviations from it. They have n, ceil(c/16), h, 2, 16 floats, aligned to 64 bytes, and
 * are the input of batch normalisation in training. A convolution can compute them together with
 * its output.
 */
CN_API int64_t cn_row_statistics_floats(const cn_tensor *tensor, int32_t n);
CN_API int32_t cn_row_statistics(const cn_context *context, const cn_tensor *tensor, int32_t n,
                                 const float *x, float *statistics);

/*
 * y = scale (x - mean) / sqrt(variance + epsilon) + shift per channel. All tensors are CN_BLOCKED
 * and have the same shape. Training uses the mean and (biased) variance of the m = n h w values of
 * the batch, stores mean and 1 / sqrt(variance + epsilon) for the backward pass, and updates
 *   running_mean = (1 - momentum) running_mean + momentum mean
 *   running_variance = (1 - momentum) running_variance + momentum variance m / (m - 1)
 * the latter only if m > 1. Scale, shift, statistics and gradients are per-channel vectors. The
 * forward pass then computes y += add, unless add is null, and applies the activation.
 */
typedef struct cn_batch_norm {
  cn_tensor x, y, dx, dy;
  cn_tensor add;  /* used if there is a residual to add */
  float epsilon;  /* > 0 */
  float momentum; /* 0..1 */
  cn_activation activation;
} cn_batch_norm;

/* Workspace floats of the forward pass in training and of the backward pass. */
CN_API int64_t cn_batch_norm_workspace_floats(const cn_context *context, const cn_batch_norm *norm,
                                              int32_t n);

/* statistics: cn_row_statistics of x. */
CN_API int32_t cn_batch_norm_forward(const cn_context *context, const cn_batch_norm *norm,
                                     int32_t n, const float *x, const float *statistics,
                                     const float *scale, const float *shift, const float *add,
                                     float *y, float *mean, float *inverse_std, float *running_mean,
                                     float *running_variance, float *workspace,
                                     int64_t workspace_floats);

/* The same with the running statistics instead of those of the batch. Writes only y. */
CN_API int32_t cn_batch_norm_infer(const cn_context *context, const cn_batch_norm *norm, int32_t n,
                                   const float *x, const float *scale, const float *shift,
                                   const float *running_mean, const float *running_variance,
                                   const float *add, float *y);

/* Recomputes the y of cn_batch_norm_forward without add, bit for bit, from the mean and inverse_std
 * that it stored. So y need not be kept if x is. */
CN_API int32_t cn_batch_norm_apply(const cn_context *context, const cn_batch_norm *norm, int32_t n,
                                   const float *x, const float *scale, const float *shift,
                                   const float *mean, const float *inverse_std, float *y);

/*
 * The gradients, including those through the batch statistics. dy is first multiplied by the slope
 * of the activation, with y recomputed from x. If a residual was added to y before its activation,
 * apply cn_activation_backward to dy and omit the activation. dx may be dy if their descriptors are
 * equal.
 */
CN_API int32_t cn_batch_norm_backward(const cn_context *context, const cn_batch_norm *norm,
                                      int32_t n, const float *x, const float *dy,
                                      const float *scale, const float *shift, const float *mean,
                                      const float *inverse_std, float *dx, float *dscale,
                                      float *dshift, float *workspace, int64_t workspace_floats);

/* ---- Elementwise ---------------------------------------------------------------------------- */

/*
 * Operands of the same shape and layout, each with its own halo. An output may be one of the inputs
 * if their descriptors are equal.
 */
typedef struct cn_elementwise {
  cn_tensor a, b, out; /* b is ignored by functions of one input */
  cn_activation activation;
} cn_elementwise;

/* out = f(a) */
CN_API int32_t cn_activation_forward(const cn_context *context, const cn_elementwise *op, int32_t n,
                                     const float *a, float *out);

/*
 * dx = f'(x) dy, with dy as op->b and dx as op->out. a is y for activations whose derivative is
 * computed from y, those up to CN_LEAKY_RELU. Otherwise a is x.
 */
CN_API int32_t cn_activation_backward(const cn_context *context, const cn_elementwise *op,
                                      int32_t n, const float *a, const float *dy, float *dx);

/* out = f(a + b). Also used to add the gradients of a value with several consumers. */
CN_API int32_t cn_add(const cn_context *context, const cn_elementwise *op, int32_t n,
                      const float *a, const float *b, float *out);

/*
 * y = keep ? scale x : 0, where keep = word 0 of philox(counter, key) >= threshold. philox is
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) with
 *
 *   counter = low and high 32 bits of e, step, node     key = low and high 32 bits of seed
 *   e = (((first_sample + sample) * c + channel) * h + row) * w + column
 *
 * The mask depends only on the position in the whole batch: several calls that share a batch, each
 * with the index of its first sample, mask what a single call would. The same call on dy gives dx.
 * For a drop probability p: threshold = floor(p 2^32), scale = 1 / (1 - p).
 */
typedef struct cn_dropout {
  cn_tensor x, y; /* same shape and layout, each with its own halo */
  uint64_t seed;
  uint32_t node;
  uint32_t threshold;
  float scale; /* finite */
} cn_dropout;

/* Computes y from x. y may be x if the descriptors are equal. */
CN_API int32_t cn_dropout_apply(const cn_context *context, const cn_dropout *dropout, int32_t n,
                                int32_t first_sample, uint32_t step, const float *x, float *y);

/* dst[i] += src[i], i < count; any alignment. */
CN_API int32_t cn_accumulate(const cn_context *context, int64_t count, const float *src,
                             float *dst);

/* dst[i] = value, i < count; any alignment. */
CN_API int32_t cn_fill(const cn_context *context, int64_t count, float value, float *dst);

/* dst[i] *= factor, i < count; any alignment. */
CN_API int32_t cn_scale(const cn_context *context, int64_t count, float factor, float *dst);

/* Limits dst[i] to -most..most, i < count; NaN is preserved. most >= 0; any alignment. */
CN_API int32_t cn_clamp(const cn_context *context, int64_t count, float most, float *dst);

/*
 * sums[k] = sum of the squares of CN_SUM_RUN floats from x[k CN_SUM_RUN] on, fewer for the last of
 * the ceil(count / CN_SUM_RUN) sums. In double precision, with the same bits for every instruction
 * set and number of threads.
 */
enum { CN_SUM_RUN = 4096 };
CN_API int32_t cn_sums_of_squares(const cn_context *context, int64_t count, const float *x,
                                  double *sums);

/* ---- Losses --------------------------------------------------------------------------------- */

/*
 * Scores are plain: n samples of `classes` values. *loss is the mean over the n samples,
 * accumulated in double precision. doutput receives its gradient, with the shape of output; if it
 * is null, only the loss is computed. weights has one weight per sample, which must be finite, not
 * negative and not all zero (else CN_BAD_VALUE), and makes the loss a weighted mean. Null means a
 * weight of 1 for each.
 */

/* Mean of -log softmax(output)[label] over all samples and pixels. The output has `classes` maps of
 * `pixels` values, and every pixel has a label: n * pixels in total. With 1 pixel there is one
 * label per sample. */
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
