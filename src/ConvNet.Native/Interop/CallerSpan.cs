namespace ConvNet.Native.Interop;

/// <summary>Spans of callers, which may begin at any byte, as kernels take them: at a whole element.</summary>
internal static unsafe class CallerSpan
{
    /// <summary>Whether a span begins at a whole element.</summary>
    public static bool IsAligned<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        fixed (T* pointer = values)
            return (nuint)pointer % (nuint)sizeof(T) == 0;
    }

    /// <summary>The span itself, or a copy of it that begins at a whole element.</summary>
    public static ReadOnlySpan<T> Aligned<T>(ReadOnlySpan<T> values)
        where T : unmanaged
        => IsAligned(values) ? values : values.ToArray();
}
