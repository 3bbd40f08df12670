using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TorchSharp;

/// <summary>The functions of <c>convnet_torch.h</c>, in its order and under its names.</summary>
internal static unsafe partial class NativeMethods
{
    private const string Library = NativeLoader.Library;

    static NativeMethods() => NativeLibrary.SetDllImportResolver(
        typeof(NativeMethods).Assembly, (name, _, _) => name == Library ? NativeLoader.Load() : 0);

    [LibraryImport(Library)]
    private static partial byte* ct_libtorch_version();
    [LibraryImport(Library)]
    private static partial byte* ct_last_error();

    [LibraryImport(Library)]
    internal static partial int ct_get_num_threads();
    [LibraryImport(Library)]
    internal static partial int ct_set_num_threads(int threads);
    [LibraryImport(Library)]
    internal static partial int ct_set_grad_enabled(int enabled);

    [LibraryImport(Library)]
    internal static partial TensorHandle ct_from_blob(
        nint data, long length, sbyte dtype, int requires_grad, delegate* unmanaged[Cdecl]<nint, void> deleter, nint context);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_zeros(long[] size, int rank, sbyte dtype, int requires_grad);
    [LibraryImport(Library)]
    internal static partial void ct_free(nint x);

    [LibraryImport(Library)]
    internal static partial sbyte ct_dtype(TensorHandle x);
    [LibraryImport(Library)]
    internal static partial int ct_rank(TensorHandle x);
    [LibraryImport(Library)]
    internal static partial void ct_shape(TensorHandle x, [Out] long[] size);
    [LibraryImport(Library)]
    internal static partial int ct_data(TensorHandle x, out nint data, out long bytes);

    [LibraryImport(Library)]
    internal static partial int ct_requires_grad(TensorHandle x);
    [LibraryImport(Library)]
    internal static partial int ct_set_requires_grad(TensorHandle x, int requires_grad);
    [LibraryImport(Library)]
    internal static partial int ct_grad(TensorHandle x, out nint grad);
    [LibraryImport(Library)]
    internal static partial int ct_set_grad(TensorHandle x, TensorHandle grad);
    [LibraryImport(Library)]
    internal static partial int ct_backward(TensorHandle y, TensorHandle dy, int retain_graph, int create_graph);

    [LibraryImport(Library)]
    internal static partial TensorHandle ct_reshape(TensorHandle x, long[] size, int rank);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_flatten(TensorHandle x, long start, long end);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_narrow(TensorHandle x, long dim, long start, long length);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_gather(TensorHandle x, long dim, TensorHandle index);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_relu(TensorHandle x);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_add(TensorHandle x, TensorHandle y);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_sub(TensorHandle x, TensorHandle y);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_mul(TensorHandle x, TensorHandle y);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_sum(TensorHandle x);

    [LibraryImport(Library)]
    internal static partial TensorHandle ct_conv2d(
        TensorHandle x, TensorHandle w, TensorHandle b, long[] stride, long[] padding, long[] dilation, long groups);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_linear(TensorHandle x, TensorHandle w, TensorHandle b);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_max_pool2d(
        TensorHandle x, long[] kernel, long[] stride, long[] padding, long[] dilation, int ceil_mode);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_avg_pool2d(
        TensorHandle x, long[] kernel, long[] stride, long[] padding, int ceil_mode, int count_include_pad, long divisor);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_adaptive_avg_pool2d(TensorHandle x, long[] output);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_batch_norm(
        TensorHandle x, TensorHandle w, TensorHandle b, TensorHandle mean, TensorHandle var, int training, double momentum,
        double eps);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_cross_entropy(
        TensorHandle x, TensorHandle target, TensorHandle class_weight, long reduction, long ignore_index,
        double label_smoothing);
    [LibraryImport(Library)]
    internal static partial TensorHandle ct_mse_loss(TensorHandle x, TensorHandle target, long reduction);

    [LibraryImport(Library)]
    internal static partial SgdHandle ct_sgd_new(
        nint[] parameters, int count, double learning_rate, double momentum, double dampening, double weight_decay,
        int nesterov);
    [LibraryImport(Library)]
    internal static partial void ct_sgd_free(nint sgd);
    [LibraryImport(Library)]
    internal static partial double ct_sgd_get_learning_rate(SgdHandle sgd);
    [LibraryImport(Library)]
    internal static partial void ct_sgd_set_learning_rate(SgdHandle sgd, double learning_rate);
    [LibraryImport(Library)]
    internal static partial int ct_sgd_step(SgdHandle sgd);

    internal static string LibTorchVersion => Marshal.PtrToStringUTF8((nint)ct_libtorch_version())!;

    /// <summary>Throws what libtorch threw, where a call reports that it did.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void ThrowIfFailed(this int status)
    {
        if (status != 0)
            throw LastError();
    }

    /// <inheritdoc cref="ThrowIfFailed(int)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static THandle ThrowIfFailed<THandle>(this THandle made)
        where THandle : SafeHandle => made.IsInvalid ? throw LastError() : made;

#pragma warning disable CA2201 // The type is the one that TorchSharp throws.
    private static ExternalException LastError() => new(Marshal.PtrToStringUTF8((nint)ct_last_error()));
#pragma warning restore CA2201
}

/// <summary>Owns one <c>at::Tensor</c>; the null handle stands for "no tensor" where the library takes one or none.</summary>
internal sealed class TensorHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    internal static readonly TensorHandle None = new();

    public TensorHandle()
        : base(ownsHandle: true)
    {
    }

    internal TensorHandle(nint tensor)
        : base(ownsHandle: true) => SetHandle(tensor);

    protected override bool ReleaseHandle()
    {
        NativeMethods.ct_free(handle);
        return true;
    }
}

/// <summary>Owns one <c>torch::optim::SGD</c>.</summary>
internal sealed class SgdHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    public SgdHandle()
        : base(ownsHandle: true)
    {
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.ct_sgd_free(handle);
        return true;
    }
}
