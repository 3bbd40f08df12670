// The structs and constants of native/include/convnet.h, with the same names and in the same order. The header
// documents them. A struct that begins with its size sets it in every constructor and cannot change it; the library
// refuses a default value, whose size is 0.

namespace ConvNet.Native.Interop;

internal static class cn_status
{
    public const int CN_BAD_SIZE = -9, CN_UNSUPPORTED = -10, CN_NO_MEMORY = -11;
}

internal unsafe struct cn_threads_options()
{
    public readonly uint size = (uint)sizeof(cn_threads_options);
    public int spin_microseconds;
    public delegate* unmanaged[Cdecl]<void*, int, delegate* unmanaged[Cdecl]<void*, int, void>, void*, void> run;
    public void* caller;
}

[Flags]
internal enum cn_features : ulong { None = 0, CN_AVX2 = 1 << 0, CN_AVX512 = 1 << 1, CN_NEON = 1 << 2 }

internal unsafe record struct cn_context()
{
    public readonly uint size = (uint)sizeof(cn_context);
    public int threads;
    public cn_features features;
    public nint pool;
    public long serial_operations;
}

internal enum cn_layout { CN_PLAIN = 0, CN_BLOCKED = 1, CN_FLAT = 2 }

internal enum cn_type { CN_FLOAT32 = 0 }

internal record struct cn_tensor(int c, int h, int w, int halo, cn_layout layout, cn_type type = cn_type.CN_FLOAT32,
    long sample_stride = 0);

internal enum cn_activation_kind
{
    CN_IDENTITY = 0,
    CN_RELU = 1,
    CN_RELU6 = 2,
    CN_LEAKY_RELU = 3,
    CN_GELU = 4,
    CN_GELU_TANH = 5,
    CN_CLIP = 6,
    CN_ELU = 7,
    CN_CELU = 8,
    CN_SELU = 9,
    CN_SIGMOID = 10,
    CN_TANH = 11,
    CN_HARD_SIGMOID = 12,
    CN_SILU = 13,
    CN_MISH = 14,
    CN_HARD_SWISH = 15,
    CN_SOFTPLUS = 16,
    CN_EXP = 17,
    CN_LOG = 18,
    CN_SQRT = 19,
    CN_RECIPROCAL = 20,
    CN_POW = 21,
    CN_THRESHOLD = 22,
    CN_ERF = 23,
}

internal record struct cn_activation(cn_activation_kind kind, float slope = 0, float a = 0, float b = 0)
{
    /// <summary>Whether other kernels can apply the activation: f(0) = 0, which leaves zero lanes zero. False for the
    /// identity and for the error function, which rarely follows another kernel.</summary>
    public readonly bool IsFusable => kind switch
    {
        cn_activation_kind.CN_IDENTITY or cn_activation_kind.CN_SIGMOID or cn_activation_kind.CN_HARD_SIGMOID
            or >= cn_activation_kind.CN_SOFTPLUS => false,
        cn_activation_kind.CN_CLIP => a <= 0 && b >= 0,
        _ => true,
    };

    /// <summary>Whether the slope is computed from the input and not from the output.</summary>
    public readonly bool NeedsInput => kind is cn_activation_kind.CN_GELU or cn_activation_kind.CN_GELU_TANH
        or >= cn_activation_kind.CN_SILU;

    /// <summary>Whether the slope is 0 or 1, so that the winners of a max pool can account for it.</summary>
    public readonly bool IsGate => kind is cn_activation_kind.CN_RELU or cn_activation_kind.CN_RELU6;
}

internal record struct cn_window
{
    public int kernel_h, kernel_w;
    public int stride_h, stride_w;
    public int pad_top, pad_left, pad_bottom, pad_right;
    public int dilation_h, dilation_w;

    /// <summary>Returns the window descriptor of a layer's window.</summary>
    public static cn_window Of(Window window) => new()
    {
        kernel_h = window.Kernel.H,
        kernel_w = window.Kernel.W,
        stride_h = window.Stride.H,
        stride_w = window.Stride.W,
        pad_top = window.Padding.Top,
        pad_left = window.Padding.Left,
        pad_bottom = window.Padding.Bottom,
        pad_right = window.Padding.Right,
        dilation_h = window.Dilation.H,
        dilation_w = window.Dilation.W,
    };
}

internal enum cn_pool_kind { CN_POOL_MAX = 0, CN_POOL_AVERAGE = 1 }

internal unsafe record struct cn_pool2d()
{
    public readonly uint size = (uint)sizeof(cn_pool2d);
    public cn_pool_kind kind;
    public cn_tensor x, y, dx, dy;
    public cn_window window;
    public int count_include_pad;
    public int winners;
    public cn_activation activation;
    public int divisor;
    public int adaptive;
}

internal unsafe struct cn_axis_taps
{
    public int* starts;
    public int* indices;
    public float* weights;
}

internal unsafe struct cn_resampling()
{
    public readonly uint size = (uint)sizeof(cn_resampling);
    public cn_axis_taps rows, cols;
    public cn_tensor x, y;
}

internal enum cn_rearrangement_kind
{
    CN_CHANNEL_SHUFFLE = 0,
    CN_PIXEL_SHUFFLE = 1,
    CN_PIXEL_UNSHUFFLE = 2,
    CN_PERMUTE = 3,
}

/// <summary>The array of three axes in <see cref="cn_rearrangement"/>.</summary>
internal record struct cn_axes(int c, int h, int w);

internal unsafe record struct cn_rearrangement()
{
    public readonly uint size = (uint)sizeof(cn_rearrangement);
    public cn_rearrangement_kind kind;
    public cn_tensor x, y;
    public int factor;
    public cn_axes order;
}

[Flags]
internal enum cn_operations
{
    None = 0, CN_BIAS = 1, CN_ADD = 2, CN_ACTIVATE = 4, CN_SLOPE = 8, CN_STATISTICS = 16, CN_POOL = 32,
}

internal unsafe struct cn_epilogue()
{
    public readonly uint size = (uint)sizeof(cn_epilogue);
    public cn_operations operations;
    public cn_tensor add, outputs;
    public cn_activation activation;
    public cn_pool2d* pool;
    public float* bias;
    public void* add_values;
    public void* output_values;
    public float* statistics;
    public byte* winners;
}

internal enum cn_optimizer_kind { CN_SGD = 0, CN_ADAM = 1 }

[Flags]
internal enum cn_optimizer_flags { None = 0, CN_NESTEROV = 1, CN_DECOUPLED = 2 }

internal record struct cn_optimizer
{
    public cn_optimizer_kind kind;
    public cn_optimizer_flags flags;
    public long step;
    public double momentum;
    public double beta1, beta2;
    public double epsilon;
    public double reserved0, reserved1, reserved2, reserved3;
}

internal record struct cn_segment
{
    public long offset, length;
    public float rate_factor;
    public float weight_decay;
}

internal unsafe struct cn_parameter
{
    public void* values;
    public float* state0, state1, state2, state3;
    public float learning_rate;
    public float weight_decay;
}

[Flags]
internal enum cn_gradient_operations { None = 0, CN_STORE = 1, CN_UPDATE = 2 }

internal unsafe struct cn_gradients()
{
    public readonly uint size = (uint)sizeof(cn_gradients);
    public cn_gradient_operations operations;
    public void* dw;
    public float* db;
    public cn_optimizer optimizer;
    public cn_parameter weights, bias;
}

internal enum cn_algorithm { CN_DIRECT = 0, CN_WINOGRAD_2 = 1, CN_WINOGRAD_4 = 2 }

internal unsafe record struct cn_conv2d()
{
    public readonly uint size = (uint)sizeof(cn_conv2d);
    public int groups;
    public cn_algorithm algorithm;
    public int transformed;
    public cn_tensor x, y, dx, dy;
    public cn_window window;
}

internal enum cn_pass { CN_FORWARD = 0, CN_BACKWARD_DATA = 1, CN_BACKWARD_WEIGHTS = 2 }

internal unsafe struct cn_conv2d_variant()
{
    public readonly uint size = (uint)sizeof(cn_conv2d_variant);
    public int halo;
    public byte* name;
    public long workspace;
    public long transformed;
    public int updates;
    public int chunks;
    public double operations;
    public double nanoseconds;
}

internal unsafe record struct cn_linear()
{
    public readonly uint size = (uint)sizeof(cn_linear);
    public cn_type type;
    public int c, h, w;
    public int outputs;
}

internal unsafe record struct cn_batch_norm()
{
    public readonly uint size = (uint)sizeof(cn_batch_norm);
    public float epsilon;
    public cn_tensor x, y, dx, dy;
    public float momentum;
}

internal unsafe record struct cn_sample_norm()
{
    public readonly uint size = (uint)sizeof(cn_sample_norm);
    public float epsilon;
    public cn_tensor x, y, dx, dy;
    public int groups;
    public int scales_values;
}

internal unsafe record struct cn_softmax()
{
    public readonly uint size = (uint)sizeof(cn_softmax);
    public int logarithm;
    public cn_tensor x, y, dx, dy;
}

internal unsafe record struct cn_lrn()
{
    public readonly uint size = (uint)sizeof(cn_lrn);
    public int neighbours;
    public cn_tensor x, y, dx, dy;
    public float alpha, beta, k;
}

internal unsafe record struct cn_elementwise(cn_tensor a, cn_tensor b, cn_tensor @out, cn_activation activation)
{
    public readonly uint size = (uint)sizeof(cn_elementwise);
    public int reserved = 0;
    public cn_tensor a = a, b = b, @out = @out;
    public cn_activation activation = activation;
}

internal enum cn_factors { CN_FACTOR_OF_MAP = 0, CN_FACTOR_OF_CHANNEL = 1, CN_FACTOR_OF_ALL = 2 }

internal unsafe record struct cn_channel_scale()
{
    public readonly uint size = (uint)sizeof(cn_channel_scale);
    public cn_factors factors;
    public cn_tensor x, y, dx, dy;
    public cn_tensor s, ds;
    public int negatives;
}

internal enum cn_drop_unit { CN_DROP_VALUES = 0, CN_DROP_MAPS = 1, CN_DROP_SAMPLES = 2, CN_DROP_BATCH = 3 }

internal unsafe record struct cn_dropout()
{
    public readonly uint size = (uint)sizeof(cn_dropout);
    public uint node;
    public ulong seed;
    public cn_tensor x, y;
    public uint threshold;
    public float scale;
    public cn_drop_unit unit;
}

internal enum cn_loss_kind
{
    CN_SOFTMAX_CROSS_ENTROPY = 0,
    CN_MULTICLASS_SVM = 1,
    CN_MEAN_SQUARED_ERROR = 2,
    CN_SOFT_CROSS_ENTROPY = 3,
    CN_MULTI_MARGIN = 4,
    CN_ABSOLUTE_ERROR = 5,
    CN_HUBER = 6,
    CN_SMOOTH_L1 = 7,
    CN_BINARY_CROSS_ENTROPY = 8,
    CN_KL_DIVERGENCE = 9,
    CN_KL_DIVERGENCE_LOG = 10,
}

internal enum cn_reduction { CN_MEAN = 0, CN_BATCH_MEAN = 1, CN_SUM = 2 }

internal unsafe record struct cn_loss()
{
    public readonly uint size = (uint)sizeof(cn_loss);
    public cn_loss_kind kind;
    public int classes, pixels;
    public float margin;
    public int weighted;
    public int gradient;
    public cn_reduction reduction;
    public float smoothing;
    public int ignores, ignored;
    public int power;
    public nint class_weights;
}
