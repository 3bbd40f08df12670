namespace ConvNet.Native.Interop;

/// <summary>Aligns caller spans, which may start at any byte, to whole elements as the kernels require.</summary>
internal static unsafe class CallerSpan
{
    /// <summary>Returns whether a span is aligned to its element size.</summary>
    public static bool IsAligned<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        fixed (T* pointer = values)
            return (nuint)pointer % (nuint)sizeof(T) == 0;
    }

    /// <summary>Returns the span itself if it is aligned, otherwise an aligned copy.</summary>
    public static ReadOnlySpan<T> Aligned<T>(ReadOnlySpan<T> values)
        where T : unmanaged
        => IsAligned(values) ? values : values.ToArray();
}
