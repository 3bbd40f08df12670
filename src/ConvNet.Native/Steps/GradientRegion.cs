using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>The gradients of a run of parameters; they take memory when it is asked for.</summary>
/// <param name="offset">Where the parameters begin in their block.</param>
/// <param name="length">Their floats.</param>
/// <param name="parameters">The parameters.</param>
/// <param name="segments">Where they lie from the start of the run, with their options.</param>
/// <param name="slots">The gradient of each parameter, and where it begins.</param>
internal sealed unsafe class GradientRegion(long offset, long length, Parameter[] parameters, cn_segment[] segments,
    (Slot Gradient, long Offset)[] slots) : IDisposable
{
    private NativeBlock? _gradients, _kept;

    /// <summary>Where the parameters begin in their block.</summary>
    public long Offset => offset;

    /// <summary>Their floats.</summary>
    public long Length => length;

    /// <summary>The parameters.</summary>
    public Parameter[] Parameters => parameters;

    /// <summary>Where they lie, with their options.</summary>
    public cn_segment[] Segments => segments;

    /// <summary>The gradients.</summary>
    public float* Gradients => _gradients!.Pointer;

    /// <summary>Takes the memory, unless it is there. What is between gradients is zero and stays so.</summary>
    public void Allocate()
    {
        if (_gradients is not null)
            return;
        _gradients = new NativeBlock(length, clear: true);
        foreach ((Slot gradient, long start) in slots)
            gradient.Pointer = _gradients.Pointer + start;
    }

    /// <summary>Puts the gradients aside.</summary>
    public void Keep()
    {
        _kept ??= new NativeBlock(length, clear: false);
        _kept.CopyFrom(_gradients!);
    }

    /// <summary>Adds some of those that were put aside.</summary>
    /// <param name="context">Where to compute.</param>
    /// <param name="start">The first float.</param>
    /// <param name="count">The number of floats.</param>
    public void AddKept(in cn_context context, long start, long count)
        => Convnet.cn_accumulate(context, count, _kept!.Pointer + start, Gradients + start).ThrowIfFailed();

    /// <summary>Multiplies the gradients by a factor.</summary>
    public void Scale(in cn_context context, float factor)
        => Convnet.cn_scale(context, length, factor, Gradients).ThrowIfFailed();

    /// <summary>Limits the gradients to ±<paramref name="most"/>.</summary>
    public void Clamp(in cn_context context, float most)
        => Convnet.cn_clamp(context, length, most, Gradients).ThrowIfFailed();

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        _gradients?.Dispose();
        _kept?.Dispose();
    }
}
