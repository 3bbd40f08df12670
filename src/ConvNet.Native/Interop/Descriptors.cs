// The structs and constants of native/include/convnet.h, with the same names and in the same order. The header
// documents them.

namespace ConvNet.Native.Interop;

internal enum cn_isa { CN_SCALAR = 0, CN_AVX2 = 1, CN_AVX512 = 2 }

internal record struct cn_context(int abi_version, cn_isa isa, int threads);

internal enum cn_layout { CN_PLAIN = 0, CN_BLOCKED = 1, CN_FLAT = 2 }

internal record struct cn_tensor(int c, int h, int w, int halo, cn_layout layout, long sample_stride = 0);

internal enum cn_activation_kind
{
    CN_IDENTITY = 0,
    CN_RELU = 1,
    CN_RELU6 = 2,
    CN_LEAKY_RELU = 3,
    CN_GELU = 4,
    CN_GELU_TANH = 5,
}

internal record struct cn_activation(cn_activation_kind kind, float slope = 0)
{
    /// <summary>Whether other kernels can apply the activation: its slope is a function of its output.</summary>
    public readonly bool IsFusable => kind is cn_activation_kind.CN_RELU or cn_activation_kind.CN_RELU6
        or cn_activation_kind.CN_LEAKY_RELU;

    /// <summary>Whether the slope is 0 or 1, so that the winners of a max pool can account for it.</summary>
    public readonly bool IsGate => kind is cn_activation_kind.CN_RELU or cn_activation_kind.CN_RELU6;
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
}

internal record struct cn_segment
{
    public long offset, length;
    public float rate_factor;
    public float weight_decay;
}

internal unsafe struct cn_parameter
{
    public float* values;
    public float* state0, state1;
    public float learning_rate;
    public float weight_decay;
}

internal struct cn_update
{
    public cn_optimizer optimizer;
    public cn_parameter weights;
    public cn_parameter bias;
}

[Flags]
internal enum cn_flags { None = 0, CN_BIAS = 1, CN_TRANSFORMED = 2 }

internal enum cn_algorithm { CN_DIRECT = 0, CN_WINOGRAD_2 = 1, CN_WINOGRAD_4 = 2 }

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

internal record struct cn_conv2d
{
    public cn_tensor x, y, dx, dy;
    public cn_tensor add;
    public cn_window window;
    public int groups;
    public cn_flags flags;
    public cn_algorithm algorithm;
    public cn_activation activation;
    public cn_activation x_activation;
}

internal enum cn_pass { CN_FORWARD = 0, CN_BACKWARD_DATA = 1, CN_BACKWARD_WEIGHTS = 2 }

internal record struct cn_linear
{
    public int c, h, w;
    public int outputs;
    public cn_flags flags;
    public cn_activation activation;
}

internal enum cn_pool_kind { CN_POOL_MAX = 0, CN_POOL_AVERAGE = 1 }

internal record struct cn_pool2d
{
    public cn_tensor x, y, dx, dy;
    public cn_window window;
    public cn_pool_kind kind;
    public int count_include_pad;
    public cn_activation activation;
}

internal record struct cn_batch_norm
{
    public cn_tensor x, y, dx, dy;
    public cn_tensor add;
    public float epsilon;
    public float momentum;
    public cn_activation activation;
}

internal record struct cn_elementwise(cn_tensor a, cn_tensor b, cn_tensor @out, cn_activation activation);

internal record struct cn_dropout
{
    public cn_tensor x, y;
    public ulong seed;
    public uint node;
    public uint threshold;
    public float scale;
}
