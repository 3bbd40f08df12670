namespace ConvNet;

/// <summary>Tells the garbage collector of memory outside its heap that is freed with an object, so that it looks for
/// forgotten ones in time.</summary>
internal sealed class NativeMemoryPressure : IDisposable
{
    private readonly long _bytes;

    /// <summary>Adds to the pressure until it is disposed or collected.</summary>
    /// <param name="bytes">What is held; 0 is allowed.</param>
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
