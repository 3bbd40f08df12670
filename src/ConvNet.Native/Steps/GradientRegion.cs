using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>The gradients of a contiguous run of parameters. Memory is allocated on request.</summary>
/// <param name="offset">The offset of the first parameter in its block.</param>
/// <param name="length">The number of floats of the parameters.</param>
/// <param name="parameters">The parameters.</param>
/// <param name="segments">The segments with their options, relative to the start of the run.</param>
/// <param name="slots">The gradient of each parameter, and its offset.</param>
internal sealed unsafe class GradientRegion(long offset, long length, Parameter[] parameters, cn_segment[] segments,
    (Slot Gradient, long Offset)[] slots) : IDisposable
{
    private NativeBlock? _gradients, _kept;

    /// <summary>The offset of the first parameter in its block.</summary>
    public long Offset => offset;

    /// <summary>The number of floats of the parameters.</summary>
    public long Length => length;

    /// <summary>The parameters.</summary>
    public Parameter[] Parameters => parameters;

    /// <summary>The segments with their options.</summary>
    public cn_segment[] Segments => segments;

    /// <summary>The gradients.</summary>
    public float* Gradients => _gradients!.Pointer;

    /// <summary>Allocates the memory unless it is already allocated. The padding between gradients is zero and stays
    /// zero.</summary>
    public void Allocate()
    {
        if (_gradients is not null)
            return;
        _gradients = new NativeBlock(length, clear: true);
        foreach ((Slot gradient, long start) in slots)
            gradient.Pointer = _gradients.Pointer + start;
    }

    /// <summary>Saves the gradients.</summary>
    public void Keep()
    {
        _kept ??= new NativeBlock(length, clear: false);
        _kept.CopyFrom(_gradients!);
    }

    /// <summary>Adds a range of the saved gradients.</summary>
    /// <param name="context">The context that runs the kernels: instruction set and thread count.</param>
    /// <param name="start">The first float.</param>
    /// <param name="count">The number of floats.</param>
    public void AddKept(in cn_context context, long start, long count)
        => Convnet.cn_accumulate(context, count, _kept!.Pointer + start, Gradients + start).ThrowIfFailed();

    /// <summary>Multiplies the gradients by a factor.</summary>
    public void Scale(in cn_context context, float factor)
        => Convnet.cn_scale(context, length, factor, Gradients).ThrowIfFailed();

    /// <summary>Clamps the gradients to ±<paramref name="most"/>.</summary>
    public void Clamp(in cn_context context, float most)
        => Convnet.cn_clamp(context, length, most, Gradients).ThrowIfFailed();

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        _gradients?.Dispose();
        _kept?.Dispose();
    }
}
