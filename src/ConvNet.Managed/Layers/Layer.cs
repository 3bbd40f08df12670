using System.Numerics;
using System.Text;

namespace ConvNet;

/// <summary>The values that a layer's backward pass reads besides the gradient of its output. They determine how long
/// values must be kept.</summary>
[Flags]
public enum BackwardReads
{
    /// <summary>Neither the inputs nor the output.</summary>
    None = 0,

    /// <summary>The inputs, x.</summary>
    Inputs = 1,

    /// <summary>The output, y.</summary>
    Output = 2,
}

/// <summary>The float32 accuracy of a layer's results. It determines the bounds that the gradient check
/// uses.</summary>
public enum Accuracy
{
    /// <summary>No analytic bound is known; bounds are measured on the reference.</summary>
    Measured,

    /// <summary>Each result is a copy of a value, a zero, or one product. All backends give the same result.</summary>
    Moves,

    /// <summary>Results are sums of terms, and the bounds follow from the terms. The layer is a
    /// <see cref="SumLayer"/>.</summary>
    Sums,

    /// <summary>The layer derives the bounds itself in <see cref="Layer.DeriveBounds"/>.</summary>
    Derived,
}

/// <summary>The distance of input values from a point where the layer's gradient is discontinuous.</summary>
/// <param name="Margin">The change of the values that would reach the discontinuity.</param>
/// <param name="Values">The number of values that define the margin; each may have an error of its own.</param>
public readonly record struct Kink(double Margin, int Values = 1);

/// <summary>A layer: its attributes, its shape rule, and the reference forward and backward passes.</summary>
/// <remarks>
/// A layer is immutable. It specifies no backend, memory layout or algorithm, and holds no weights. Custom layers
/// derive from this type: <c>managed</c> runs them directly, and <c>native</c> runs them between two reorders.
/// </remarks>
public abstract record Layer
{
    /// <summary>The name in files, attributes and test cases; null for a layer that cannot be saved.</summary>
    public virtual LayerDeclaration? Declaration => null;

    /// <summary>The kind in lower case, such as <c>conv</c>. Nodes are named after it.</summary>
    public virtual string Kind => Declaration?.Kind ?? GetType().Name.ToLowerInvariant();

    /// <summary>Returns the shape of one output sample.</summary>
    /// <param name="inputs">The shapes of the inputs.</param>
    /// <exception cref="ArgumentException">The layer does not accept these shapes. The message says what would
    /// fit.</exception>
    public abstract Shape Infer(params ReadOnlySpan<Shape> inputs);

    /// <summary>Returns the parameters and buffers for inputs of these shapes, in the order of
    /// <see cref="Frame{T}.W"/>.</summary>
    public virtual IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs) => [];

    /// <summary>What the backward pass reads; by default the inputs and the output.</summary>
    public virtual BackwardReads BackwardReads => BackwardReads.Inputs | BackwardReads.Output;

    /// <summary>Returns the number of values that the forward pass saves for the backward pass.</summary>
    /// <param name="batch">The number of samples in a full batch.</param>
    /// <param name="inputs">The shapes of the inputs.</param>
    public virtual int SavedLength(int batch, params ReadOnlySpan<Shape> inputs) => 0;

    /// <summary>Returns the multiply-adds of the forward pass per sample; 0 for a layer without dot products.</summary>
    public virtual long MultiplyAdds(params ReadOnlySpan<Shape> inputs) => 0;

    /// <summary>Returns the window of inputs that one output depends on, for receptive fields; null for an elementwise
    /// layer.</summary>
    public virtual Window? Sees(params ReadOnlySpan<Shape> inputs) => null;

    /// <summary>Returns the formula of the output size with its numbers, for summaries; empty if the shape is
    /// unchanged.</summary>
    public virtual string Explain(params ReadOnlySpan<Shape> inputs) => "";

    /// <summary>Whether one output depends on all positions of a flattened input, for receptive fields.</summary>
    public virtual bool ReadsAllFeatures => false;

    /// <summary>Whether the channels of every pixel of the output are probabilities with the sum 1.</summary>
    internal virtual bool GivesProbabilities => false;

    /// <summary>Whether the layer uses statistics of the batch, which it adds up over the executables that share it by
    /// <see cref="Frame{T}.Statistics"/>.</summary>
    internal virtual bool SharesStatistics => false;

    /// <summary>Whether inference computes anything; if not, the output is the input.</summary>
    internal virtual bool RunsInInference => true;

    /// <summary>The weight of a batch in the running statistics of the layer, in (0, 1]; null if it keeps none, or
    /// averages of all batches.</summary>
    public virtual float? StatisticsMomentum => null;

    /// <summary>Whether the output is the unchanged memory of the input, possibly with another shape.</summary>
    public virtual bool IsView => false;

    /// <summary>The float32 accuracy of the results.</summary>
    public virtual Accuracy Accuracy => Accuracy.Measured;

    /// <summary>
    /// Whether every term of the output is the product of a value of input 0 and a value of parameter 0, or a value of
    /// parameter 1, the bias.
    /// </summary>
    public virtual bool IsBilinear => false;

    /// <summary>Returns the number of terms of the longest sum in output and gradients; 1 if nothing is
    /// summed.</summary>
    /// <param name="batch">The number of samples in a batch.</param>
    /// <param name="inputs">The shapes of the inputs.</param>
    public virtual long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => 1;

    /// <summary>Derives float32 error bounds, if <see cref="Accuracy"/> is <c>Derived</c>.</summary>
    /// <param name="bounds">The double results, and the bounds to fill in.</param>
    /// <exception cref="NotSupportedException">The layer does not derive bounds.</exception>
    public virtual void DeriveBounds(ErrorBounds bounds)
        => throw new NotSupportedException($"{GetType().Name} has Accuracy.Derived; override DeriveBounds.");

    /// <summary>Returns the distance of the inputs from every kink; empty for a layer without kinks.</summary>
    /// <remarks>A layer that returns one kink for each value of the output, in the order of the output, lets the
    /// gradient check leave out the outputs that are exactly on a kink.</remarks>
    /// <param name="x">The input values of a whole batch.</param>
    /// <param name="inputs">The shapes of the inputs.</param>
    public virtual IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs) => [];

    /// <summary>The inputs for which the layer is defined, from whose inside checks draw their values: all finite
    /// numbers, or those above a limit. Other inputs give NaN or infinity.</summary>
    public virtual NumberInterval Domain => NumberInterval.Finite;

    /// <summary>The input value that does not affect an output: 0 in a sum, −∞ in a maximum.</summary>
    public virtual float NeutralInput => 0;

    /// <summary>Computes y from x and w.</summary>
    public abstract void Forward<T>(in Frame<T> f) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Computes dx and dw from dy and the values that <see cref="BackwardReads"/> names.</summary>
    public abstract void Backward<T>(in Frame<T> f) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Excludes all members; a layer is printed with its attributes only.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;

    /// <summary>Returns the shape of the only input.</summary>
    /// <exception cref="ArgumentException">The number of inputs is not one.</exception>
    protected Shape Single(ReadOnlySpan<Shape> inputs) => inputs.Length == 1
        ? inputs[0]
        : throw new ArgumentException($"{Kind} needs exactly one input, but has {inputs.Length}.");
}

/// <summary>A layer whose results are sums of terms. One implementation serves plain values and values with error
/// bounds.</summary>
public abstract record SumLayer : Layer
{
    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Sums;

    /// <inheritdoc/>
    public sealed override void Forward<T>(in Frame<T> f) => Forward(new Frame<T, PlainSum<T>>(f));

    /// <inheritdoc/>
    public sealed override void Backward<T>(in Frame<T> f) => Backward(new Frame<T, PlainSum<T>>(f));

    /// <summary>Computes y from x and w as sums.</summary>
    public abstract void Forward<T, TSum>(Frame<T, TSum> f)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>;

    /// <summary>Computes dx and dw from dy as sums.</summary>
    public abstract void Backward<T, TSum>(Frame<T, TSum> f)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>;
}
