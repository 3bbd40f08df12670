using System.Runtime.InteropServices;
using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native;

/// <summary>Asks the library how it computes convolutions.</summary>
internal static unsafe class ConvKernels
{
    /// <summary>Describes a convolution whose gradients have the layouts of its values.</summary>
    public static cn_conv2d Of(cn_tensor x, cn_tensor y, Window window, int groups) => new()
    {
        x = x,
        y = y,
        dx = x,
        dy = y,
        window = cn_window.Of(window),
        groups = groups,
    };

    /// <summary>Returns the layout in which the library reads x fastest.</summary>
    public static cn_layout LayoutOf(in cn_conv2d conv) => (cn_layout)cn_conv2d_layout(conv).SizeOrThrow();

    /// <summary>Returns the order of the packed weights, as text.</summary>
    public static string WeightOrderOf(in cn_conv2d conv)
        => Marshal.PtrToStringUTF8((nint)cn_conv2d_weight_order(conv)) ?? "";

    /// <summary>Describes the kernels of a pass, or returns null if there are none for this algorithm and
    /// epilogue.</summary>
    /// <param name="context">The context that runs the kernels.</param>
    /// <param name="conv">The convolution and the algorithm of the pass.</param>
    /// <param name="epilogue">The epilogue. Null for none.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="n">The number of samples.</param>
    /// <exception cref="NativeCallException">The descriptors are invalid.</exception>
    public static cn_conv2d_variant? Find(in cn_context context, in cn_conv2d conv, cn_epilogue* epilogue,
        cn_pass pass, int n)
    {
        var variant = new cn_conv2d_variant();
        int status = cn_conv2d_describe(context, conv, epilogue, pass, n, &variant);
        if (status == cn_status.CN_UNSUPPORTED)
            return null;
        status.ThrowIfFailed(nameof(cn_conv2d_describe));
        return variant;
    }

    /// <summary>Describes the kernels of a pass.</summary>
    /// <inheritdoc cref="Find" path="/param"/>
    /// <exception cref="NativeCallException">The descriptors are invalid, or there are no kernels.</exception>
    public static cn_conv2d_variant Describe(in cn_context context, in cn_conv2d conv, cn_epilogue* epilogue,
        cn_pass pass, int n)
        => Find(context, conv, epilogue, pass, n)
            ?? throw Status.Failure(cn_status.CN_UNSUPPORTED, nameof(cn_conv2d_describe));

    /// <summary>Returns the name of a variant.</summary>
    public static string NameOf(in cn_conv2d_variant variant) => Marshal.PtrToStringUTF8((nint)variant.name)!;
}
