namespace ConvNet;

/// <summary>Informs the garbage collector of unmanaged memory that is freed together with an object, so that
/// unreachable objects are collected in time.</summary>
internal sealed class NativeMemoryPressure : IDisposable
{
    private readonly long _bytes;

    /// <summary>Adds memory pressure until the instance is disposed or collected.</summary>
    /// <param name="bytes">The number of unmanaged bytes; 0 is allowed.</param>
    public NativeMemoryPressure(long bytes)
    {
        _bytes = bytes;
        if (bytes > 0)
            GC.AddMemoryPressure(bytes);
    }

    ~NativeMemoryPressure() => Remove();

    /// <inheritdoc/>
    public void Dispose()
    {
        Remove();
        GC.SuppressFinalize(this);
    }

    private void Remove()
    {
        if (_bytes > 0)
            GC.RemoveMemoryPressure(_bytes);
    }
}
