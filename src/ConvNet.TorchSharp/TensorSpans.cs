using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>Access to a tensor's memory as floats.</summary>
internal static class TensorSpans
{
    // A tensor exposes its memory as a span of bytes, whose length is limited to 2^31 − 1. Larger tensors are copied in
    // pieces.
    private const int MostFloats = 1 << 28;

    /// <summary>Returns the elements of a float tensor in row-major order. Valid during the lifetime of the
    /// tensor.</summary>
    public static Span<float> Floats(this Tensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.bytes);

    /// <summary>Reads all elements of a float tensor.</summary>
    /// <param name="tensor">The tensor, in any layout.</param>
    /// <param name="values">The values, as many as the tensor has elements.</param>
    /// <param name="piece">The maximum number of values to copy at once.</param>
    public static void ReadFloats(this Tensor tensor, Span<float> values, int piece = MostFloats)
    {
        using Tensor dense = tensor.contiguous(), row = dense.flatten();
        for (int start = 0; start < values.Length; start += Math.Min(piece, values.Length - start))
        {
            using Tensor chunk = row.narrow(0, start, Math.Min(piece, values.Length - start));
            chunk.Floats().CopyTo(values[start..]);
        }
    }

    /// <summary>Writes all elements of a float tensor.</summary>
    /// <inheritdoc cref="ReadFloats"/>
    public static void WriteFloats(this Tensor tensor, ReadOnlySpan<float> values, int piece = MostFloats)
    {
        using Tensor row = tensor.flatten();
        for (int start = 0; start < values.Length; start += Math.Min(piece, values.Length - start))
        {
            using Tensor chunk = row.narrow(0, start, Math.Min(piece, values.Length - start));
            values.Slice(start, Math.Min(piece, values.Length - start)).CopyTo(chunk.Floats());
        }
    }
}
