using System.Diagnostics;
using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>The layout of a parameter in native memory, and the conversions to and from it.</summary>
/// <param name="Floats">The number of floats of the packed form.</param>
internal abstract unsafe record Packing(long Floats)
{
    /// <summary>The order of the packed values, as text.</summary>
    public abstract string Form { get; }

    /// <summary>Packs values given in the order of the parameter's dimensions.</summary>
    public abstract void Pack(in cn_context context, ReadOnlySpan<float> plain, float* packed);

    /// <summary>Unpacks values into the order of the parameter's dimensions.</summary>
    public abstract void Unpack(in cn_context context, float* packed, Span<float> plain);
}

/// <summary>A packing that kernels convert.</summary>
internal abstract unsafe record KernelPacking(long Floats) : Packing(Floats)
{
    /// <inheritdoc/>
    public sealed override void Pack(in cn_context context, ReadOnlySpan<float> plain, float* packed)
    {
        fixed (float* from = plain)
            Pack(context, from, packed);
    }

    /// <inheritdoc/>
    public sealed override void Unpack(in cn_context context, float* packed, Span<float> plain)
    {
        fixed (float* to = plain)
            Unpack(context, packed, to);
    }

    /// <inheritdoc cref="Packing.Pack"/>
    protected abstract void Pack(in cn_context context, float* plain, float* packed);

    /// <inheritdoc cref="Packing.Unpack"/>
    protected abstract void Unpack(in cn_context context, float* packed, float* plain);
}

/// <summary>The packing of convolution weights.</summary>
internal sealed unsafe record ConvPacking(cn_conv2d Conv)
    : KernelPacking(Convnet.cn_conv2d_weight_bytes(Conv).FloatsOrThrow())
{
    /// <inheritdoc/>
    public override string Form => ConvKernels.WeightOrderOf(Conv);

    /// <inheritdoc/>
    protected override void Pack(in cn_context context, float* plain, float* packed)
        => Convnet.cn_conv2d_pack_weights(context, Conv, plain, packed).ThrowIfFailed();

    /// <inheritdoc/>
    protected override void Unpack(in cn_context context, float* packed, float* plain)
        => Convnet.cn_conv2d_unpack_weights(context, Conv, packed, plain).ThrowIfFailed();
}

/// <summary>The packing of linear layer weights.</summary>
internal sealed unsafe record LinearPacking(cn_linear Linear)
    : KernelPacking(Convnet.cn_linear_weight_bytes(Linear).FloatsOrThrow())
{
    /// <inheritdoc/>
    public override string Form => "K/16, features/16, 16c, 16k";

    /// <inheritdoc/>
    protected override void Pack(in cn_context context, float* plain, float* packed)
        => Convnet.cn_linear_pack_weights(context, Linear, plain, packed).ThrowIfFailed();

    /// <inheritdoc/>
    protected override void Unpack(in cn_context context, float* packed, float* plain)
        => Convnet.cn_linear_unpack_weights(context, Linear, packed, plain).ThrowIfFailed();
}

/// <summary>The original order, zero-padded to a whole block.</summary>
/// <param name="Length">The number of values.</param>
internal sealed unsafe record VectorPacking(int Length)
    : Packing((Length + Convnet.CN_BLOCK - 1L) / Convnet.CN_BLOCK * Convnet.CN_BLOCK)
{
    /// <inheritdoc/>
    public override string Form => "unchanged";

    /// <inheritdoc/>
    public override void Pack(in cn_context context, ReadOnlySpan<float> plain, float* packed)
    {
        // The padding keeps the zeros with which the block was allocated.
        Debug.Assert(plain.Length == Length);
        plain.CopyTo(new Span<float>(packed, Length));
    }

    /// <inheritdoc/>
    public override void Unpack(in cn_context context, float* packed, Span<float> plain)
        => new ReadOnlySpan<float>(packed, Length).CopyTo(plain);
}

/// <summary>The packing of a parameter with a value for each of a sample: that of a map in blocks of
/// channels.</summary>
/// <param name="Shape">The shape of the sample.</param>
internal sealed unsafe record MapPacking(Shape Shape)
    : KernelPacking(Convnet.cn_tensor_bytes(Layouts.Tensor(cn_layout.CN_BLOCKED, Shape), 1).FloatsOrThrow())
{
    private readonly cn_tensor _plain = Layouts.Tensor(cn_layout.CN_PLAIN, Shape),
        _blocked = Layouts.Tensor(cn_layout.CN_BLOCKED, Shape);

    /// <inheritdoc/>
    public override string Form => "C/16, H, W, 16c";

    /// <inheritdoc/>
    protected override void Pack(in cn_context context, float* plain, float* packed)
        => Convnet.cn_reorder(context, _plain, _blocked, 1, plain, packed).ThrowIfFailed();

    /// <inheritdoc/>
    protected override void Unpack(in cn_context context, float* packed, float* plain)
        => Convnet.cn_reorder(context, _blocked, _plain, 1, packed, plain).ThrowIfFailed();
}
