/*
 * The constants, enumerators and structs of convnet.h, in its order and with its conventions.
 */
#ifndef CONVNET_TYPES_H
#define CONVNET_TYPES_H

#include <stdint.h>

/* ---- Status --------------------------------------------------------------------------------- */

typedef enum cn_status {
  CN_OK = 0,
  CN_NULL_POINTER = -1, /* a required pointer is null */
  CN_BAD_CONTEXT = -2,  /* features that this processor lacks, or threads outside 1..1024 */
  CN_BAD_SHAPE = -3,    /* a size is not positive or too large, or sizes contradict each other */
  CN_BAD_LAYOUT = -4,   /* the layout or element type is unknown or not supported by the function */
  CN_MISALIGNED = -5,   /* a pointer violates the alignment rules of convnet.h */
  CN_BAD_VALUE = -6,    /* an option is out of range: flags, epsilon, momentum, step, pass */
  CN_BAD_LABEL = -7,    /* a label is not in 0..classes - 1; nothing was written */
  CN_WORKSPACE_TOO_SMALL = -8, /* the workspace is smaller than the query requires */
  CN_BAD_SIZE = -9,     /* a struct's size is too small, or it has fields that this library lacks */
  CN_UNSUPPORTED = -10, /* valid, but no kernel computes it: an algorithm, an epilogue, an update */
  CN_NO_MEMORY = -11,   /* memory or threads could not be allocated */
} cn_status;

/* ---- Threads -------------------------------------------------------------------------------- */

/*
 * Threads that run calls. Those of the library are created when a call first needs them, reused by
 * later calls from any thread, and joined by cn_threads_destroy. A call proceeds with the threads
 * that can be created, at least its own; this also holds in a forked child process, for calls from
 * inside calls, and for calls that find all processors occupied by other calls. Contexts whose
 * threads are null share one set that lasts until the library is unloaded.
 */
typedef struct cn_threads cn_threads;

/*
 * Threads that the caller brings. The function calls body(state, index) once for every index in
 * 0..count - 1, in any order and on any threads, and returns when all calls have returned. count is
 * at most the threads of the context.
 */
typedef void (*cn_parallel_for)(void *caller, int32_t count,
                                void (*body)(void *state, int32_t index), void *state);

typedef struct cn_threads_options {
  uint32_t size;
  int32_t spin_microseconds; /* an idle thread polls for this time before it sleeps: 0..10^6, or -1
                                for the default of 100. 0 suits servers whose processors are shared,
                                more suits training in a loop */
  cn_parallel_for run;       /* null: the library creates the threads */
  void *caller;              /* first argument of run */
} cn_threads_options;

/* ---- Processor and context ------------------------------------------------------------------ */

/* Instruction sets, as bits. They are independent of each other. */
enum {
  CN_AVX2 = 1 << 0,   /* AVX2 and FMA */
  CN_AVX512 = 1 << 1, /* AVX-512 F, BW, DQ and VL, with AVX2 and FMA */
  CN_NEON = 1 << 2,   /* Advanced SIMD of AArch64 */
};

/* First argument of every kernel. */
typedef struct cn_context {
  uint32_t size;
  int32_t threads;   /* 1..1024; small calls use fewer; results do not depend on it */
  uint64_t features; /* those that kernels may use, all of them in cn_cpu_features(); 0: portable C.
                        The fastest kernels that need no others run */
  cn_threads *pool;  /* null: the library's shared threads */
  int64_t serial_operations; /* calls of fewer operations run on the calling thread, see
                                cn_team_size; 0: the default of 1,500,000; 1: no call does */
} cn_context;

/* ---- Tensors -------------------------------------------------------------------------------- */

enum { CN_BLOCK = 16 };

/*
 * Layouts of an activation of n samples, outermost dimension first:
 *
 *   CN_PLAIN    n, c, h + 2 halo, w + 2 halo
 *   CN_BLOCKED  n, ceil(c / 16), h + 2 halo, w + 2 halo, 16; lanes beyond the last channel are zero
 *   CN_FLAT     ceil(c / 16) h w, n, 16; the input of a linear layer, without a halo
 *
 * A CN_FLAT tensor has the order of the blocked tensor that it is flattened from: feature block
 * (cb, y, x) holds the 16 values at that position in CN_BLOCKED. The output of a linear layer with
 * K features is CN_FLAT with c = K, h = w = 1. The halo is a border of zeros in memory. A function
 * that writes a tensor writes all of it, including the halo and the zero lanes, whatever they
 * contained. A function that reads a tensor relies on both.
 */
typedef enum cn_layout { CN_PLAIN = 0, CN_BLOCKED = 1, CN_FLAT = 2 } cn_layout;

typedef enum cn_type { CN_FLOAT32 = 0 } cn_type;

/* Larger values are rejected with CN_BAD_SHAPE. */
enum {
  CN_MOST_SIZE = 1 << 30,   /* samples, c, h, w and h w of a tensor; pixels of a window */
  CN_MOST_HALO = 255,       /* halo of a tensor */
  CN_MOST_WINDOW = 1 << 20, /* kernel x dilation, stride and padding, per direction; the kernel of
                               an average may be as large as a tensor */
  CN_MOST_MAXIMUM = 1 << 24 /* image pixels in a window of max pooling, numbered in floats */
};

/*
 * The shape of one sample and its layout in memory. The number of samples is an argument of a call.
 *
 * A sample stride makes a tensor a slice of the channels of a wider one: the pointer is that of the
 * first channel of the slice, and the stride is that of the wider tensor. It is at least the size
 * of a sample and a multiple of the size of a value and, for CN_BLOCKED, of a block. A function
 * that writes a slice leaves the other channels alone. If the channels of a CN_BLOCKED slice are no
 * multiple of 16, it must be the last one, because its zero lanes are written too. CN_FLAT has no
 * slices.
 */
typedef struct cn_tensor {
  int32_t c, h, w;       /* at least 1 */
  int32_t halo;          /* width of the zero border on all four sides; 0 for CN_FLAT */
  int32_t layout;        /* cn_layout */
  int32_t type;          /* cn_type of the values */
  int64_t sample_stride; /* bytes from one sample to the next; 0 if samples are contiguous */
} cn_tensor;

/* ---- Activations ---------------------------------------------------------------------------- */

/*
 * Activation functions. NaN propagates through all of them. The slope, which is the derivative, is
 * a function of y = f(x) for the first group and computed from x for the second. Other kernels can
 * apply an activation with f(0) = 0, which leaves the zero lanes zero, except CN_ERF.
 *
 * Results that are not exact are within 2 ulp for CN_ELU, CN_SELU, CN_SIGMOID, CN_TANH,
 * CN_HARD_SIGMOID, and CN_SOFTPLUS with a = 1; within 3 ulp for CN_HARD_SWISH and, where x > -87
 * and e^x is normal, CN_SILU; there within 5 ulp for CN_MISH; and within 2 ulp of x for CN_GELU.
 * CN_CELU and other values of a of CN_SOFTPLUS have the error of a rounded argument in addition.
 * CN_EXP, CN_SQRT and CN_RECIPROCAL are within 1 ulp, CN_LOG and CN_ERF within 2; CN_POW is within
 * 2 ulp and 3 more for each unit of a log |x|.
 */
typedef enum cn_activation_kind {
  /* The slope is a function of y. */
  CN_IDENTITY = 0,      /* f(x) = x */
  CN_RELU = 1,          /* f(x) = x <= 0 ? 0 : x; slope y <= 0 ? 0 : 1 */
  CN_RELU6 = 2,         /* f(x) = x <= 0 ? 0 : x >= 6 ? 6 : x; slope y <= 0 || y >= 6 ? 0 : 1 */
  CN_LEAKY_RELU = 3,    /* f(x) = x <= 0 ? slope x : x; slope y <= 0 ? slope : 1 */
  CN_CLIP = 6,          /* f(x) = x <= a ? a : x >= b ? b : x; slope y <= a || y >= b ? 0 : 1 */
  CN_ELU = 7,           /* f(x) = x <= 0 ? a (e^x - 1) : x; slope y <= 0 ? y + a : 1 */
  CN_CELU = 8,          /* f(x) = x <= 0 ? a (e^(x / a) - 1) : x; slope y <= 0 ? (y + a) / a : 1 */
  CN_SELU = 9,          /* f(x) = 1.0507009873554805 (x <= 0 ? 1.6732632423543773 (e^x - 1) : x) */
  CN_SIGMOID = 10,      /* f(x) = 1 / (1 + e^-x); slope y (1 - y) */
  CN_TANH = 11,         /* f(x) = tanh x; slope 1 - y^2 */
  CN_HARD_SIGMOID = 12, /* f(x) = min(max(x + 3, 0), 6) / 6; slope y <= 0 || y >= 1 ? 0 : 1 / 6 */

  /* The slope is computed from x. */
  CN_GELU = 4,        /* f(x) = x P(Z <= x) of a standard normal Z */
  CN_GELU_TANH = 5,   /* f(x) = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
  CN_SILU = 13,       /* f(x) = x / (1 + e^-x) */
  CN_MISH = 14,       /* f(x) = x tanh(log(1 + e^x)) */
  CN_HARD_SWISH = 15, /* f(x) = x min(max(x + 3, 0), 6) / 6; slope x <= -3 ? 0 : x >= 3 ? 1 : x / 3
                         + 1 / 2 */
  CN_SOFTPLUS = 16,   /* f(x) = log(1 + e^z) / a where z = a x is at most b, else x */
  CN_EXP = 17,        /* f(x) = e^x */
  CN_LOG = 18,        /* f(x) = log x; NaN below 0 */
  CN_SQRT = 19,       /* f(x) = sqrt x; NaN below 0 */
  CN_RECIPROCAL = 20, /* f(x) = 1 / x */
  CN_POW = 21,        /* f(x) = x < 0 ? b |x|^a : x^a, where b = 0 stands for NaN */
  CN_THRESHOLD = 22,  /* f(x) = x <= a ? b : x; slope x <= a ? 0 : 1 */
  CN_ERF = 23,        /* f(x) = erf x; slope 2 / sqrt(pi) e^(-x^2) */
} cn_activation_kind;

enum { CN_ACTIVATIONS = 24 };

typedef struct cn_activation {
  int32_t kind; /* cn_activation_kind */
  float slope;  /* CN_LEAKY_RELU: finite and at least 0; 0 for all other kinds */
  float a, b;   /* CN_CLIP: finite, a < b; CN_ELU: a finite and at least 0; CN_CELU: a finite and
                   above 0; CN_SOFTPLUS: a finite and above 0, b finite and at least 0; CN_POW: a
                   finite, b -1, 0 or 1; CN_THRESHOLD: finite; others: 0 */
} cn_activation;

/* ---- Pooling -------------------------------------------------------------------------------- */

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

typedef enum cn_pool_kind {
  CN_POOL_MAX = 0, /* padding never wins; the first maximum in row-major order; of NaNs the last */
  CN_POOL_AVERAGE = 1, /* mean of the window; for global average pooling the whole image */
} cn_pool_kind;

/*
 * Windows, clipped at the border. All tensors are CN_BLOCKED; dx has the shape of x, dy that of y.
 * The dilation is 1 for an average, and each padding less than dilation (kernel - 1) + 1. y.h is at
 * most that of cn_conv2d, but rounded up: the last window may end behind the padding, and begins in
 * the image or the padding before it. y.w likewise. Every window holds a pixel of the image: the
 * taps of a dilated one must not step over it.
 *
 * Adaptive windows divide the image: that of position (p, q) has rows floor(p x.h / y.h) to
 * ceil((p + 1) x.h / y.h) - 1, and columns likewise. They overlap unless y.h divides x.h. `window`
 * and count_include_pad do not count.
 */
typedef struct cn_pool2d {
  uint32_t size;
  int32_t kind; /* cn_pool_kind */
  cn_tensor x, y, dx, dy;
  cn_window window;
  int32_t count_include_pad; /* average: 1 divides by the pixels of the window inside the image and
                                its padding, 0 by those inside the image */
  int32_t winners;          /* maximum: 1 if winners are recorded, see below; 0 if the backward pass
                               finds the maxima again in x */
  cn_activation activation; /* with winners: CN_RELU or CN_RELU6 if x is its output, else
                               CN_IDENTITY */
  int32_t divisor;          /* average: divides every sum if above 0, instead of the count */
  int32_t adaptive;         /* 1 for adaptive windows */
} cn_pool2d;

/*
 * The winners of max pooling. For every value of y, in the order of CN_BLOCKED without a halo, one
 * byte: the index of its pixel in the clipped window, in row-major order. With an activation it is
 * CN_NO_WINNER where the slope is 0, because the activation before the pool propagates no gradient
 * there.
 */
enum { CN_NO_WINNER = 255 };

/* ---- Resampling and rearrangement ----------------------------------------------------------- */

/*
 * Weighted sums along one axis. Output i has taps starts[i] to starts[i + 1] - 1; starts[0] is 0.
 * Tap t is weights[t] times input indices[t]. An output without taps is 0; with one tap of weight 1
 * it is a copy.
 */
typedef struct cn_axis_taps {
  const int32_t *starts; /* one more than outputs */
  const int32_t *indices;
  const float *weights;
} cn_axis_taps;

/*
 * y[c, p, q] = sum of row weight * column weight * x[c, row index, column index] over the taps of
 * row p and of column q. Padding with zeros, by reflection or replication, resizing, and slices of
 * rows or columns are such maps. The gradient of x is the same with the transposed taps. x and y
 * are CN_BLOCKED with the same c.
 */
typedef struct cn_resampling {
  uint32_t size;
  cn_axis_taps rows, cols; /* from those of x to those of y */
  cn_tensor x, y;
} cn_resampling;

typedef enum cn_rearrangement_kind {
  CN_CHANNEL_SHUFFLE = 0, /* y[j g + i, p, q] = x[i (c / g) + j, p, q] for g groups */
  CN_PIXEL_SHUFFLE = 1,   /* y[c, p r + i, q r + j] = x[c r r + i r + j, p, q] */
  CN_PIXEL_UNSHUFFLE = 2, /* y[c r r + i r + j, p, q] = x[c, p r + i, q r + j] */
  CN_PERMUTE = 3,         /* axis a of y is axis order[a] of x */
} cn_rearrangement_kind;

/* Every value of y is another value of x. Both are CN_BLOCKED. */
typedef struct cn_rearrangement {
  uint32_t size;
  int32_t kind; /* cn_rearrangement_kind */
  cn_tensor x, y;
  int32_t factor;   /* the groups g, which divide c, or r; ignored by CN_PERMUTE */
  int32_t order[3]; /* CN_PERMUTE: 0, 1 and 2 (c, h and w) in any order; ignored by the others */
} cn_rearrangement;

/* ---- Epilogue ------------------------------------------------------------------------------- */

/* What a kernel does to each result while it is in cache, in this order. */
enum {
  CN_BIAS = 1,     /* adds the bias of its channel */
  CN_ADD = 2,      /* adds a tensor of the same shape: a residual, or another consumer's gradient */
  CN_ACTIVATE = 4, /* applies the activation */
  CN_SLOPE = 8,    /* multiplies by the slope of the activation whose outputs are given */
  CN_STATISTICS = 16, /* stores cn_row_statistics of the result */
  CN_POOL = 32, /* pools the result, which itself is not stored: y and dy are those of the pool */
};

/* Null stands for an epilogue without operations. */
typedef struct cn_epilogue {
  uint32_t size;
  int32_t operations; /* a sum of the above; the fields of others are ignored */
  cn_tensor add, outputs;
  cn_activation activation;  /* f(0) = 0; CN_SLOPE: its slope is a function of y */
  const cn_pool2d *pool;     /* CN_POOL: its x has the shape of the result, without a halo; its
                                dilation is 1, and it is not adaptive */
  const float *bias;         /* this and the following are ignored by queries */
  const void *add_values;    /* laid out as add says */
  const void *output_values; /* laid out as outputs says */
  float *statistics;
  uint8_t *winners; /* if the pool has winners: written in the forward pass, read in the backward */
} cn_epilogue;

/* ---- Optimiser ------------------------------------------------------------------------------ */

typedef enum cn_optimizer_kind { CN_SGD = 0, CN_ADAM = 1 } cn_optimizer_kind;

/* Flags of an optimiser. */
enum {
  CN_NESTEROV = 1,  /* CN_SGD with momentum */
  CN_DECOUPLED = 2, /* CN_ADAM: decoupled weight decay, not an L2 penalty */
};

/* Room for the state values per weight of a rule. */
enum { CN_MOST_STATES = 4 };

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
  int32_t kind;        /* cn_optimizer_kind: which of the options below count */
  int32_t flags;       /* flags of that kind */
  int64_t step;        /* CN_ADAM: number of this step, from 1 */
  double momentum;     /* CN_SGD: 0 or more, less than 1 in single precision */
  double beta1, beta2; /* CN_ADAM: 0 or more, less than 1 */
  double epsilon;      /* CN_ADAM: more than 0 in single precision */
  double reserved[4];  /* 0 */
} cn_optimizer;

/* A segment of parameters with its own options. Segments must not overlap; parameters outside all
 * segments are unchanged. */
typedef struct cn_segment {
  int64_t offset, length; /* in values, from the start of each block */
  float rate_factor;      /* learning rate: learning_rate * rate_factor; both are finite */
  float weight_decay;     /* at least 0 */
} cn_segment;

/* A parameter that is updated by a step fused into its weight gradient. */
typedef struct cn_parameter {
  void *values;                  /* packed and aligned like the gradient; so are states */
  float *states[CN_MOST_STATES]; /* those that the rule uses */
  float learning_rate;           /* finite */
  float weight_decay;            /* at least 0 */
} cn_parameter;

/* What becomes of the gradients of a layer's parameters. */
enum {
  CN_STORE = 1,  /* they are written to dw and db */
  CN_UPDATE = 2, /* the parameters take an optimiser step: the bits of cn_optimizer_step, but with
                    the gradients from cache. All linear layers support it, and convolutions as
                    cn_conv2d_describe says. Run backward-data before: it reads the weights */
};

/* db and bias count only if the epilogue of the call has CN_BIAS. */
typedef struct cn_gradients {
  uint32_t size;
  int32_t operations; /* CN_STORE, CN_UPDATE or both */
  void *dw;
  float *db;
  cn_optimizer optimizer;
  cn_parameter weights, bias;
} cn_gradients;

/* ---- Convolution ---------------------------------------------------------------------------- */

/*
 * The algorithm of a convolution. The Winograd algorithms compute tiles of m x m results from
 * products of transformed tiles and transformed filters, with 9 m m / (m + 2)^2 times fewer
 * multiplications: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.
 * Their rounding errors are larger: the values of a tile share them, and a value that is not finite
 * turns all results whose tile reads it into NaN or infinity. They need a 3 x 3 filter, stride 1,
 * dilation 1 and the full or grouped form; otherwise CN_UNSUPPORTED is returned.
 */
typedef enum cn_algorithm {
  CN_DIRECT = 0,     /* direct sums of products */
  CN_WINOGRAD_2 = 1, /* F(2x2, 3x3): 2.25 times fewer multiplications */
  CN_WINOGRAD_4 = 2, /* F(4x4, 3x3): 4 times fewer */
} cn_algorithm;

enum { CN_ALGORITHMS = 3 };

/*
 * y[k, p, q] = sum over c, r, s of w[k, c, r, s] *
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
 * A tensor whose halo is at least that of cn_conv2d_describe is read in place. If the halo is
 * smaller, rows are first copied into the workspace with a wider one: slower, with the same bits.
 */
typedef struct cn_conv2d {
  uint32_t size;
  int32_t groups;
  int32_t algorithm;   /* cn_algorithm of the pass; the packed form is the same for all */
  int32_t transformed; /* 1: w is the result of cn_conv2d_transform_weights for this pass */
  cn_tensor x, y, dx, dy;
  cn_window window;
} cn_conv2d;

typedef enum cn_pass { CN_FORWARD = 0, CN_BACKWARD_DATA = 1, CN_BACKWARD_WEIGHTS = 2 } cn_pass;

/* How a pass is computed, and what it costs. */
typedef struct cn_conv2d_variant {
  uint32_t size;
  int32_t halo;        /* the smallest of x (backward-data: of dy) with which no rows are copied */
  const char *name;    /* of the variant, such as "direct, blocks of 16 channels"; static */
  int64_t workspace;   /* bytes; may be 0 */
  int64_t transformed; /* bytes of transformed weights, aligned to 64 bytes; 0: it has none */
  int32_t updates;     /* 1: backward-weights supports CN_UPDATE */
  int32_t chunks;      /* backward-weights: separate sums over pixels, added up in order */
  double operations;   /* floating-point operations that the formula takes */
  double nanoseconds;  /* estimate on one thread; 0 where there is no choice of algorithm */
} cn_conv2d_variant;

/* ---- Linear layer --------------------------------------------------------------------------- */

/*
 * y[k] = sum over i of w[k, i] x[i]. x and dx are CN_FLAT with the c, h, w from which they were
 * flattened, so feature i is index i in the plain c, h, w order. y and dy are CN_FLAT with c =
 * outputs, h = w = 1. Packed weights: ceil(outputs/16), blocks, 16 features, 16 outputs, with the
 * feature blocks in the order of CN_FLAT. cn_linear_weight_bytes may include an additional block of
 * zeros per row, which avoids cache conflicts between rows. The epilogue supports CN_BIAS and
 * CN_ACTIVATE in the forward pass, CN_BIAS in backward-weights.
 */
typedef struct cn_linear {
  uint32_t size;
  int32_t type; /* cn_type of the values */
  int32_t c, h, w;
  int32_t outputs;
} cn_linear;

/* ---- Batch normalisation -------------------------------------------------------------------- */

/*
 * y = scale (x - mean) / sqrt(variance + epsilon) + shift per channel. All tensors are CN_BLOCKED
 * and have the same shape. Training uses the mean and (biased) variance of the m = n h w values of
 * the batch, stores mean and 1 / sqrt(variance + epsilon) for the backward pass, and updates
 *   running_mean = (1 - momentum) running_mean + momentum mean
 *   running_variance = (1 - momentum) running_variance + momentum variance m / (m - 1)
 * the latter only if m > 1. Scale, shift, statistics and gradients are per-channel vectors. NULL
 * stands for a scale of 1 and a shift of 0.
 */
typedef struct cn_batch_norm {
  uint32_t size;
  float epsilon; /* > 0 */
  cn_tensor x, y, dx, dy;
  float momentum; /* 0..1 */
} cn_batch_norm;

/* ---- Normalisation of one sample, softmax --------------------------------------------------- */

/*
 * y = scale (x - mean) / sqrt(variance + epsilon) + shift, where the mean and the (biased) variance
 * are those of a set of values of one sample, in training and in inference: of `groups` groups of
 * consecutive channels, or, if groups = 0, of the c channels of each pixel. All tensors are
 * CN_BLOCKED and have the same shape. Scale, shift and their gradients are per-channel vectors; if
 * scales_values is 1, which requires groups, they have a value for each of the sample, in the order
 * ceil(c/16), h, w, 16. If both are NULL, the scale is 1 and the shift 0.
 */
typedef struct cn_sample_norm {
  uint32_t size;
  float epsilon; /* > 0 */
  cn_tensor x, y, dx, dy;
  int32_t groups; /* divides c; or 0 */
  int32_t scales_values;
} cn_sample_norm;

/*
 * Softmax over the channels of each pixel, y = e^x / sum of e^x, or its logarithm. The largest x of
 * the pixel is subtracted first. All tensors are CN_BLOCKED and have the same shape.
 */
typedef struct cn_softmax {
  uint32_t size;
  int32_t logarithm; /* 0 or 1 */
  cn_tensor x, y, dx, dy;
} cn_softmax;

/*
 * Local response normalisation: y = x / s^beta, where s = k + alpha / neighbours times the sum of
 * x^2 over the channels from c - neighbours / 2 to c + (neighbours - 1) / 2 of the same pixel. All
 * tensors are CN_BLOCKED and have the same shape.
 */
typedef struct cn_lrn {
  uint32_t size;
  int32_t neighbours; /* > 0 */
  cn_tensor x, y, dx, dy;
  float alpha, beta, k; /* >= 0; k > 0 */
} cn_lrn;

/* ---- Elementwise ---------------------------------------------------------------------------- */

/*
 * Operands of the same shape and layout, each with its own halo. An output may be one of the inputs
 * if their descriptors are equal.
 */
typedef struct cn_elementwise {
  uint32_t size;
  int32_t reserved;         /* 0 */
  cn_tensor a, b, out;      /* b is ignored by functions of one input */
  cn_activation activation; /* ignored by cn_subtract and cn_multiply */
} cn_elementwise;

/* The values that one factor multiplies. */
typedef enum cn_factors {
  CN_FACTOR_OF_MAP = 0,     /* a map: s and ds are CN_BLOCKED, c x 1 x 1 */
  CN_FACTOR_OF_CHANNEL = 1, /* the maps of a channel: s and ds are per-channel vectors */
  CN_FACTOR_OF_ALL = 2,     /* all: s and ds are per-channel vectors of a single channel */
} cn_factors;

/*
 * y = s x, or, if negatives is 1, y = x where x > 0, else s x. The gradients are dx = s dy, or dy
 * where y = x, and ds, the sum of x dy over the values that s multiplies. The tensors of maps are
 * CN_BLOCKED and have the same shape.
 */
typedef struct cn_channel_scale {
  uint32_t size;
  int32_t factors; /* cn_factors */
  cn_tensor x, y, dx, dy;
  cn_tensor s, ds; /* of CN_FACTOR_OF_MAP */
  int32_t negatives;
} cn_channel_scale;

/* What cn_dropout keeps or drops together. */
typedef enum cn_drop_unit {
  CN_DROP_VALUES = 0,
  CN_DROP_MAPS = 1,
  CN_DROP_SAMPLES = 2,
  CN_DROP_BATCH = 3,
} cn_drop_unit;

/*
 * y = keep ? scale x : 0, where keep = word 0 of philox(counter, key) >= threshold. philox is
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) with
 *
 *   counter = low and high 32 bits of e, step, node     key = low and high 32 bits of seed
 *   e = (((first_sample + sample) * c + channel) * h + row) * w + column
 *
 * Other units than single values have one word together: e = (first_sample + sample) * c + channel
 * for a map, first_sample + sample for a sample, 0 for the batch. With a threshold of 0 nothing is
 * dropped: y = scale x. The mask depends only on the position in the whole batch: several calls
 * that share a batch, each with the index of its first sample, mask what a single call would. The
 * same call on dy gives dx. For a drop probability p: threshold = floor(p 2^32), scale = 1 / (1 -
 * p).
 */
typedef struct cn_dropout {
  uint32_t size;
  uint32_t node;
  uint64_t seed;
  cn_tensor x, y; /* same shape and layout, each with its own halo */
  uint32_t threshold;
  float scale;  /* finite */
  int32_t unit; /* cn_drop_unit */
} cn_dropout;

/* Terms of a sum of cn_sums_of_squares. */
enum { CN_SUM_RUN = 4096 };

/* ---- Losses --------------------------------------------------------------------------------- */

typedef enum cn_loss_kind {
  CN_SOFTMAX_CROSS_ENTROPY = 0, /* mean of -log softmax(output)[label] over samples and pixels */
  CN_MULTICLASS_SVM = 1,        /* mean of the sum over j != label of max(0, output[j] -
                                   output[label] + margin), with slope 0 at 0; 1 pixel */
  CN_MEAN_SQUARED_ERROR = 2,    /* mean of (output - targets)^2 over all values of every sample */
  CN_SOFT_CROSS_ENTROPY = 3,    /* the first, with probabilities as targets: mean over samples and
                                   pixels of the sum of -targets log softmax(output) */
  CN_MULTI_MARGIN = 4,          /* mean of class_weights[label] / classes times the sum over
                                   j != label of max(0, output[j] - output[label] + margin)^power,
                                   with slope 0 at 0; 1 pixel */
  CN_ABSOLUTE_ERROR = 5,        /* mean of |output - targets|, with slope 0 at 0 */
  CN_HUBER = 6,                 /* d^2 / 2 where |d| <= margin, else margin (|d| - margin / 2), with
                                   d = output - targets */
  CN_SMOOTH_L1 = 7,             /* d^2 / (2 margin) where |d| < margin, else |d| - margin / 2 */
  CN_BINARY_CROSS_ENTROPY = 8,  /* (1 - targets) s(output) + class_weights[channel] targets
                                   s(-output), with s(x) = log(1 + e^x) */
  CN_KL_DIVERGENCE = 9,         /* targets (log(targets) - output); 0 if the target is */
  CN_KL_DIVERGENCE_LOG = 10,    /* e^targets (targets - output) */
} cn_loss_kind;

/* What the sum of all losses is divided by. With weights of samples, each sample counts as its
 * weight. */
typedef enum cn_reduction {
  CN_MEAN = 0,       /* the number of all values, of samples for kinds of 1 pixel, of pixels for
                        cross-entropy; for labels with class weights, the sum of those */
  CN_BATCH_MEAN = 1, /* the number of samples */
  CN_SUM = 2,        /* nothing */
} cn_reduction;

/*
 * Outputs are plain: n samples of `classes` maps of `pixels` values. Targets are int32 labels, one
 * per sample and pixel, for kinds 0, 1 and 4, and else floats with the shape of the output.
 * Cross-entropy with label smoothing and class weights is the sum over j of
 * class_weights[j] ((1 - smoothing) t[j] + smoothing / classes) (-log softmax(output)[j]), where t
 * is 1 for the label, else 0, or the targets. If no label counts, loss and gradient are 0.
 */
typedef struct cn_loss {
  uint32_t size;
  int32_t kind; /* cn_loss_kind */
  int32_t classes, pixels;
  float margin;      /* of CN_MULTICLASS_SVM and CN_MULTI_MARGIN: finite; of CN_HUBER: above 0; of
                        CN_SMOOTH_L1: at least 0 */
  int32_t weighted;  /* 1: the mean is weighted by one weight per sample. They must be finite, not
                        negative and not all zero, else CN_BAD_VALUE */
  int32_t gradient;  /* 1: doutput, of the shape of output, receives the gradient */
  int32_t reduction; /* cn_reduction */
  float smoothing;   /* of cross-entropy, 0 to 1 */
  int32_t ignores;   /* 1: labels of CN_SOFTMAX_CROSS_ENTROPY that equal `ignored` do not count */
  int32_t ignored;   /* any number, also one that is no class */
  int32_t power;     /* of CN_MULTI_MARGIN: 1 or 2 */
  const float *class_weights; /* of kinds 0, 3, 4 and 8, one for each class, like the weights of
                                 samples; null if all are 1 */
} cn_loss;

#endif
