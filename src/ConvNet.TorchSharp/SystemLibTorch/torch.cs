using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.NativeMethods;

namespace TorchSharp;

/// <summary>
/// The members of TorchSharp that the backend uses, over the system's libtorch: the same names and signatures, so that the
/// backend compiles unchanged against the package. What they mean is TorchSharp's documentation.
/// </summary>
internal static unsafe partial class torch
{
    internal enum ScalarType : sbyte
    {
        Int64 = 4,
        Float32 = 6,
        Float64 = 7,
    }

    /// <summary>Where a tensor lives. This binding knows the processor alone, which is the default: there is no other value.</summary>
    internal sealed class Device
    {
        private Device()
        {
        }
    }

    public static string __version__ => LibTorchVersion;

    public static DisposeScope NewDisposeScope() => DisposeScope.New();

    public static IDisposable no_grad() => new GradMode(ct_set_grad_enabled(0));

    public static int get_num_threads() => ct_get_num_threads();

    public static void set_num_threads(int num) => ct_set_num_threads(num).ThrowIfFailed();

    public static Tensor zeros(
        long[] size, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        names is null
            ? Made(ct_zeros(size, size.Length, (sbyte)(dtype ?? ScalarType.Float32), requires_grad ? 1 : 0))
            : throw new NotSupportedException("This binding has no named dimensions: leave `names` out.");

    /// <summary>A tensor of rank 1 over the array's own memory, which stays pinned until the tensor is gone.</summary>
    public static Tensor frombuffer(
        Array rawArray, ScalarType dtype, long count = -1, long offset = 0, bool requires_grad = false)
    {
        Type element = rawArray.GetType().GetElementType()!;
        if (element != TypeOf(dtype))
            throw new NotSupportedException($"A tensor of {dtype} over an array of {element.Name}: this binding does not convert.");
        if (offset < 0 || offset >= rawArray.LongLength)
            throw new ArgumentException($"invalid value for 'offset': {offset}");
        if (count > rawArray.LongLength - offset)
            throw new ArgumentOutOfRangeException(nameof(count), count, "element count is too large");
        if (count < 0)
            count = rawArray.LongLength - offset;

        var pinned = GCHandle.Alloc(rawArray, GCHandleType.Pinned);
        nint data = pinned.AddrOfPinnedObject() + (nint)(offset * Marshal.SizeOf(element));
        TensorHandle made = ct_from_blob(
            data, count, (sbyte)dtype, requires_grad ? 1 : 0, &FreePin, GCHandle.ToIntPtr(pinned));
        return Made(made);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreePin(nint pinned) => GCHandle.FromIntPtr(pinned).Free();

    /// <summary>Restores, when disposed, whether this thread records gradients.</summary>
    private sealed class GradMode(int before) : IDisposable
    {
        public void Dispose() => _ = ct_set_grad_enabled(before);
    }
}
