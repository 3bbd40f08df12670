using System.Numerics;
using System.Text;

namespace ConvNet;

/// <summary>What a layer's backward pass reads besides the gradient of its output; it decides how long values
/// live.</summary>
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

/// <summary>How accurate the results of a layer are in float32, which decides what the gradient check compares
/// with.</summary>
public enum Accuracy
{
    /// <summary>Nothing is known but the reference: bounds are measured on it.</summary>
    Measured,

    /// <summary>Each result is a copy of a value, a zero, or one product: every backend gets the same.</summary>
    Moves,

    /// <summary>Results are sums of terms, whose bounds follow from the terms: the layer is a
    /// <see cref="SumLayer"/>.</summary>
    Sums,

    /// <summary>The layer derives the bounds itself: <see cref="Layer.DeriveBounds"/>.</summary>
    Derived,
}

/// <summary>How far some input values are from where a layer's gradient jumps.</summary>
/// <param name="Margin">By how much they would have to change.</param>
/// <param name="Values">The number of values that the margin lies between; each may be off by an error of its
/// own.</param>
public readonly record struct Kink(double Margin, int Values = 1);

/// <summary>A layer: its attributes, its shape rule, and the reference for its forward and backward pass.</summary>
/// <remarks>
/// A layer is a value. It names no backend, no memory layout and no algorithm, and holds no weights. A layer of one's
/// own derives from this type: <c>managed</c> runs it as it is, <c>native</c> runs it between two reorders.
/// </remarks>
public abstract record Layer
{
    /// <summary>Its name in files, its attributes and its cases; null for a layer that is in no file.</summary>
    public virtual LayerDeclaration? Declaration => null;

    /// <summary>The kind in lower case, as <c>conv</c>; nodes are named after it.</summary>
    public virtual string Kind => Declaration?.Kind ?? GetType().Name.ToLowerInvariant();

    /// <summary>The shape of one output sample.</summary>
    /// <param name="inputs">The shapes of the inputs.</param>
    /// <exception cref="ArgumentException">The layer cannot take these shapes; the message says what would
    /// fit.</exception>
    public abstract Shape Infer(params ReadOnlySpan<Shape> inputs);

    /// <summary>The parameters and buffers for inputs of these shapes; their order is that of
    /// <see cref="Frame{T}.W"/>.</summary>
    public virtual IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs) => [];

    /// <summary>What the backward pass reads. A layer that does not say reads inputs and output.</summary>
    public virtual BackwardReads BackwardReads => BackwardReads.Inputs | BackwardReads.Output;

    /// <summary>Values that the forward pass keeps for the backward pass.</summary>
    /// <param name="batch">Samples in a full batch.</param>
    /// <param name="inputs">The shapes of the inputs.</param>
    public virtual int SavedLength(int batch, params ReadOnlySpan<Shape> inputs) => 0;

    /// <summary>Multiply-adds of one sample's forward pass; 0 for a layer without dot products.</summary>
    public virtual long MultiplyAdds(params ReadOnlySpan<Shape> inputs) => 0;

    /// <summary>The window through which one output sees the input, for receptive fields; null for an elementwise
    /// layer.</summary>
    public virtual Window? Sees(params ReadOnlySpan<Shape> inputs) => null;

    /// <summary>The formula of the output's size with its numbers, for summaries; empty where the shape is
    /// kept.</summary>
    public virtual string Explain(params ReadOnlySpan<Shape> inputs) => "";

    /// <summary>Whether one output sees all positions of an input that was flattened, for receptive fields.</summary>
    public virtual bool ReadsAllFeatures => false;

    /// <summary>Whether the output is the input as it lies in memory, perhaps in another shape.</summary>
    public virtual bool IsView => false;

    /// <summary>How accurate the results are in float32.</summary>
    public virtual Accuracy Accuracy => Accuracy.Measured;

    /// <summary>
    /// Whether every term of the output is a value of input 0 times a value of parameter 0, or a value of
    /// parameter 1, a bias.
    /// </summary>
    public virtual bool IsBilinear => false;

    /// <summary>Terms of the longest sum in the output and the gradients; 1 where nothing is summed.</summary>
    /// <param name="batch">Samples in a batch.</param>
    /// <param name="inputs">The shapes of the inputs.</param>
    public virtual long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => 1;

    /// <summary>Derives how far float32 may be from the double results, where <see cref="Accuracy"/> says so.</summary>
    /// <param name="bounds">The results, and the bounds to fill in.</param>
    /// <exception cref="NotSupportedException">The layer derives no bounds.</exception>
    public virtual void DeriveBounds(ErrorBounds bounds)
        => throw new NotSupportedException($"{GetType().Name} says Accuracy.Derived; override DeriveBounds.");

    /// <summary>How far the inputs of a forward pass are from every kink; none for a layer without kinks.</summary>
    /// <param name="x">The values of the inputs, of a whole batch.</param>
    /// <param name="inputs">The shapes of the inputs.</param>
    public virtual IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs) => [];

    /// <summary>The input value that counts for nothing in an output: 0 in a sum, −∞ in a maximum.</summary>
    public virtual float NeutralInput => 0;

    /// <summary>Computes y from x and w.</summary>
    public abstract void Forward<T>(in Frame<T> f) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Computes dx and dw from dy, and from what <see cref="BackwardReads"/> names.</summary>
    public abstract void Backward<T>(in Frame<T> f) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>A layer is printed with its attributes alone.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;

    /// <summary>The only input's shape.</summary>
    /// <exception cref="ArgumentException">There is not exactly one input.</exception>
    protected Shape Single(ReadOnlySpan<Shape> inputs) => inputs.Length == 1
        ? inputs[0]
        : throw new ArgumentException($"{Kind} reads one node; {inputs.Length} were given.");
}

/// <summary>A layer whose results are sums of terms: written once for plain values and for values with their error
/// bounds.</summary>
public abstract record SumLayer : Layer
{
    /// <inheritdoc/>
    public sealed override Accuracy Accuracy => Accuracy.Sums;

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
