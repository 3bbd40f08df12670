using System.Numerics;

namespace ConvNet;

/// <summary>What a layer's backward pass reads besides the gradient of its output; it decides how long values live.</summary>
[Flags]
public enum BackwardReads
{
    /// <summary>Neither its inputs nor its output.</summary>
    None = 0,

    /// <summary>Its inputs, x.</summary>
    Inputs = 1,

    /// <summary>Its output, y.</summary>
    Output = 2,
}

/// <summary>A layer: its attributes, its shape rule, and the reference for its forward and backward pass.</summary>
/// <remarks>
/// A layer is a value. It names no backend, no memory layout and no algorithm, and holds no weights. A layer of one's own
/// derives from this type: <c>managed</c> runs it as it is, <c>native</c> runs it between two reorders.
/// </remarks>
public abstract record Layer
{
    /// <summary>The kind in lower case, as <c>conv</c>; nodes are named after it.</summary>
    public virtual string Kind => GetType().Name.ToLowerInvariant();

    /// <summary>The shape of one output sample.</summary>
    /// <param name="inputs">The shapes of the inputs.</param>
    /// <exception cref="ArgumentException">The layer cannot take these shapes; the message says what would fit.</exception>
    public abstract Shape Infer(params ReadOnlySpan<Shape> inputs);

    /// <summary>The parameters and buffers for inputs of these shapes; their order is that of <see cref="Frame{T}.W"/>.</summary>
    public virtual IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs) => [];

    /// <summary>What the backward pass reads. A layer that does not say reads inputs and output.</summary>
    public virtual BackwardReads BackwardReads => BackwardReads.Inputs | BackwardReads.Output;

    /// <summary>Values that the forward pass keeps for the backward pass.</summary>
    /// <param name="batch">Samples in a full batch.</param>
    /// <param name="inputs">The shapes of the inputs.</param>
    public virtual int SavedLength(int batch, params ReadOnlySpan<Shape> inputs) => 0;

    /// <summary>Multiply-adds of one sample's forward pass; 0 for a layer without dot products.</summary>
    public virtual long MultiplyAdds(params ReadOnlySpan<Shape> inputs) => 0;

    /// <summary>The window through which one output sees the input, for receptive fields; null for an elementwise layer.</summary>
    public virtual Window? Sees(params ReadOnlySpan<Shape> inputs) => null;

    /// <summary>The formula of the output's size with its numbers, for summaries; empty where the shape is kept.</summary>
    public virtual string Explain(params ReadOnlySpan<Shape> inputs) => "";

    /// <summary>Computes y from x and w.</summary>
    public abstract void Forward<T>(in Frame<T> f) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Computes dx and dw from dy, and from what <see cref="BackwardReads"/> names.</summary>
    public abstract void Backward<T>(in Frame<T> f) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>The only input's shape.</summary>
    /// <exception cref="ArgumentException">There is not exactly one input.</exception>
    protected Shape Single(ReadOnlySpan<Shape> inputs) => inputs.Length == 1
        ? inputs[0]
        : throw new ArgumentException($"{Kind} reads one node; {inputs.Length} were given.");
}

/// <summary>A layer whose results are sums of terms: written once for plain values and for values with their error bounds.</summary>
public abstract record SumLayer : Layer
{
    /// <inheritdoc/>
    public sealed override void Forward<T>(in Frame<T> f) => Forward(new Frame<T, PlainSum<T>>(f));

    /// <inheritdoc/>
    public sealed override void Backward<T>(in Frame<T> f) => Backward(new Frame<T, PlainSum<T>>(f));

    /// <summary>Computes y from x and w, in sums.</summary>
    public abstract void Forward<T, TSum>(Frame<T, TSum> f)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>;

    /// <summary>Computes dx and dw from dy, in sums.</summary>
    public abstract void Backward<T, TSum>(Frame<T, TSum> f)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>;
}
