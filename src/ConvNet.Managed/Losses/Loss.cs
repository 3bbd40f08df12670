using System.Numerics;
using System.Text;

namespace ConvNet;

/// <summary>A loss: a number that says how far the outputs of a batch are from their targets, and its gradient with
/// respect to the output of the network.</summary>
/// <remarks>
/// By default the loss of a batch is a mean over its samples, so a smaller last batch needs no special handling. With
/// sample weights it is the weighted mean.
/// </remarks>
public abstract record Loss
{
    /// <summary>The largest integer of exact mode.</summary>
    internal const int LargestWhole = 16;

    /// <summary>Every loss of this library.</summary>
    public static KindSet<Loss> BuiltIn { get; } = new("loss", SoftmaxCrossEntropy.Declared, MulticlassSvm.Declared,
        MeanSquaredError.Declared, MultiMarginLoss.Declared, BinaryCrossEntropyWithLogits.Declared, L1Loss.Declared,
        HuberLoss.Declared, SmoothL1Loss.Declared, KLDivergence.Declared);

    /// <summary>The declaration by which files and commands identify the loss; null if it has none.</summary>
    public virtual Declaration<Loss>? Declaration => null;

    /// <summary>The kind of targets with which the output is compared.</summary>
    public abstract TargetKind Takes { get; }

    /// <summary>How the losses of values, pixels and samples are combined. A loss of your own respects it if it divides
    /// by <see cref="LossFrame{T}.Share"/>.</summary>
    public Reduction Reduction { get; init; }

    /// <summary>The label of samples or pixels that do not count; null if every label is a class.</summary>
    public virtual int? IgnoredClass => null;

    /// <summary>The values that targets of <see cref="TargetKind.Values"/> may have. It is not enforced; checks draw
    /// their targets from it.</summary>
    public virtual NumberInterval TargetRange => NumberInterval.Finite;

    /// <summary>Whether the loss treats the channels of each pixel as one vector, so that it is checked on
    /// maps.</summary>
    internal virtual bool IsForMaps => Takes == TargetKind.ClassesPerPixel;

    /// <summary>Gets the number of targets of each sample.</summary>
    /// <param name="output">The shape of one output.</param>
    public int TargetsPerSample(Shape output) => Takes switch
    {
        TargetKind.Classes => 1,
        TargetKind.ClassesPerPixel => output.Area,
        _ => output.Length,
    };

    /// <summary>Gets what the sum of the losses of a batch is divided by, for executables that share it.</summary>
    /// <param name="output">The shape of one output.</param>
    /// <param name="n">The number of samples in the batch.</param>
    /// <param name="targets">The targets of the batch.</param>
    internal double DivisorOf(Shape output, int n, Targets targets) => Reduction switch
    {
        Reduction.Sum => 1,
        Reduction.BatchMean => targets.TotalWeight(n),
        _ => CountOf(output, n, targets),
    };

    /// <summary>Gets what a mean over a batch divides by, the count that the loss passes to
    /// <see cref="LossFrame{T}.Share"/>: by default, the weight of each sample times its number of targets. A loss that
    /// counts otherwise overrides it, so that several ranks can share a batch.</summary>
    /// <param name="output">The shape of one output.</param>
    /// <param name="n">The number of samples in the batch.</param>
    /// <param name="targets">The targets of the batch.</param>
    protected virtual double CountOf(Shape output, int n, Targets targets)
        => targets.TotalWeight(n) * TargetsPerSample(output);

    /// <summary>Throws if the loss is not defined for an output of this shape.</summary>
    /// <remarks>Class labels of whole samples require a vector of outputs. An output that is a map usually means that a
    /// pooling layer is missing.</remarks>
    /// <param name="output">The node of the output.</param>
    /// <exception cref="ArgumentNullException"><paramref name="output"/> is null.</exception>
    /// <exception cref="ArgumentException">The loss is not defined for the output; the message names the node and the
    /// remedy.</exception>
    public virtual void CheckOutput(Node output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (Takes == TargetKind.Classes)
            CheckVector(output, "takes one class for each sample", "For one class per pixel");
    }

    /// <summary>Computes the loss of a batch and writes the gradient of the output.</summary>
    /// <param name="f">The output and the targets of the batch, and the memory for the gradient.</param>
    /// <typeparam name="T">float or double.</typeparam>
    public abstract T Evaluate<T>(in LossFrame<T> f) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Computes the loss that each sample would have as a batch of its own, in double precision.</summary>
    /// <remarks>Sample weights have no effect, and neither have class weights on a mean over a single class.</remarks>
    /// <param name="output">The shape C, H, W of one output.</param>
    /// <param name="y">The outputs, N×C×H×W.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="losses">Receives N losses.</param>
    /// <exception cref="ArgumentException">A length or a target is not what the loss takes.</exception>
    public void EvaluateSamples(Shape output, ReadOnlySpan<float> y, Targets targets, Span<double> losses)
    {
        if (y.Length != losses.Length * (long)output.Length)
            throw new ArgumentException($"{y.Length:N0} values were passed, but {losses.Length:N0} samples of {output} "
                + $"have {losses.Length * (long)output.Length:N0}.", nameof(y));
        targets.CheckFor(this, output, losses.Length);
        double[] own = new double[output.Length], gradient = new double[output.Length];
        for (int n = 0; n < losses.Length; n++)
        {
            for (int i = 0; i < own.Length; i++)
                own[i] = y[n * own.Length + i];
            losses[n] = Evaluate(new LossFrame<double>(output, own, targets.OfSample(n, TargetsPerSample(output)),
                gradient));
        }
    }

    /// <summary>Derives float32 error bounds of the loss and its gradient, for the gradient check.</summary>
    /// <param name="bounds">The loss and its gradient in double, and the memory for the bounds.</param>
    /// <returns>Whether bounds were derived. If not, the check allows a multiple of the error of a float32
    /// run.</returns>
    public virtual bool DeriveBounds(ref LossErrorBounds bounds) => false;

    /// <summary>Returns the reason why float32 rounds the loss or its gradient even on integers up to
    /// <see cref="LargestWhole"/>; null if it does not.</summary>
    /// <param name="output">The shape of the output for one sample.</param>
    /// <param name="n">The number of samples.</param>
    internal virtual string? Rounding(Shape output, int n)
        => "its value and its gradient are rounded in float32 even on integers";

    /// <summary>Returns the loss for another number of classes: with as many weights, where it has a weight for each
    /// class.</summary>
    internal virtual Loss ForClasses(int classes) => this;

    /// <summary>Makes derived records print <see cref="Takes"/>, a <see cref="Reduction"/> that is not the mean, and
    /// their own members.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="builder"/> is null.</exception>
    protected virtual bool PrintMembers(StringBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Append(nameof(Takes)).Append(" = ").Append(Takes);
        if (Reduction != Reduction.Mean)
            builder.Append(", ").Append(nameof(Reduction)).Append(" = ").Append(Reduction);
        return true;
    }

    /// <summary>Throws unless an output is a vector.</summary>
    private protected void CheckVector(Node output, string what, string perPixel)
    {
        if (output.Shape.Area > 1)
            throw new ArgumentException($"{GetType().Name} {what}, so its output must be "
                + $"a vector, but \"{output.Name}\" has {output.Shape.C} maps of {output.Shape.H}×{output.Shape.W}. "
                + $"End the graph with {nameof(GlobalAvgPool2d)}, or with {nameof(Flatten)} and {nameof(Linear)}. "
                + $"{perPixel}, use {nameof(SoftmaxCrossEntropy)}(PerPixel: true).");
    }

    /// <summary>Declares the attribute of <see cref="Reduction"/>.</summary>
    private protected static AttributeDeclaration<Reduction> ReductionOf<TOwner>(Reduction usual = Reduction.Mean)
        where TOwner : Loss
        => AttributeDeclaration.Choice<TOwner, Reduction>("reduction", loss => loss.Reduction,
            [("mean", Reduction.Mean), ("batchmean", Reduction.BatchMean), ("sum", Reduction.Sum)], usual);

    /// <summary>Returns the reason why the division of a reduction rounds in float32; null if it does not.</summary>
    /// <param name="samples">The number of samples.</param>
    /// <param name="each">The number of values of each sample that a mean counts.</param>
    /// <param name="what">The name of the values.</param>
    private protected string? Divides(int samples, int each, string what)
    {
        int count = Reduction switch
        {
            Reduction.Mean => samples * each,
            Reduction.BatchMean => samples,
            _ => 1,
        };
        return BitOperations.IsPow2(count) ? null : $"the mean of {count} {what} is rounded in float32";
    }
}

/// <summary>The data that a loss reads and writes.</summary>
/// <typeparam name="T">The type of a value.</typeparam>
public readonly ref struct LossFrame<T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    /// <summary>Creates the frame of a loss.</summary>
    /// <param name="output">The shape C, H, W of one output.</param>
    /// <param name="y">The outputs, N×C×H×W.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="dy">Receives the gradient of the outputs, N×C×H×W.</param>
    public LossFrame(Shape output, ReadOnlySpan<T> y, Targets targets, Span<T> dy)
    {
        Output = output;
        N = y.Length / output.Length;
        Y = y;
        Targets = targets;
        DY = dy;
        BlockedSum<T> total = default;
        foreach (float weight in targets.SampleWeights)
            total.Add(T.CreateChecked(weight));
        TotalWeight = targets.SampleWeights.IsEmpty ? T.CreateChecked(N) : total.Value;
    }

    /// <summary>The shape C, H, W of one output.</summary>
    public Shape Output { get; }

    /// <summary>The number of samples in the batch.</summary>
    public int N { get; }

    /// <summary>The outputs, N×C×H×W.</summary>
    public ReadOnlySpan<T> Y { get; }

    /// <summary>The targets, which have been validated.</summary>
    public Targets Targets { get; }

    /// <summary>Receives the gradient of the outputs, N×C×H×W.</summary>
    public Span<T> DY { get; }

    /// <summary>Σ w_n; the number of samples if there are no weights.</summary>
    public T TotalWeight { get; }

    /// <summary>Gets w_n; 1 if there are no weights.</summary>
    /// <param name="n">The index of the sample.</param>
    public T Weight(int n) => Targets.SampleWeights.IsEmpty ? T.One : T.CreateChecked(Targets.SampleWeights[n]);

    /// <summary>Gets the factor by which a reduction multiplies the weighted sum of all losses.</summary>
    /// <param name="reduction">The reduction.</param>
    /// <param name="count">What <see cref="Reduction.Mean"/> divides by: Σ w_n times the values, pixels or class
    /// weights that count in sample n. If it is 0, nothing counts and the factor is 0.</param>
    public T Share(Reduction reduction, T count) => reduction switch
    {
        Reduction.Sum => T.One,
        Reduction.BatchMean => T.One / TotalWeight,
        _ => count == T.Zero ? T.Zero : T.One / count,
    };
}

/// <summary>A loss and its gradient in double, and the float32 error bounds that the loss fills in.</summary>
/// <remarks>A result passes if its error is at most the bound. All bounds are 0 at first.</remarks>
public ref struct LossErrorBounds
{
    private readonly ISet<int> _flips;

    internal LossErrorBounds(LossFrame<double> frame, double value, Span<double> gradientBound, ISet<int> flips)
    {
        Frame = frame;
        Value = value;
        GradientBound = gradientBound;
        _flips = flips;
    }

    /// <summary>The outputs and targets, and the gradient.</summary>
    public LossFrame<double> Frame { get; }

    /// <summary>The loss.</summary>
    public double Value { get; }

    /// <summary>The bound of the loss. It need not include the rounding of the result, nor roundings of sample
    /// weights.</summary>
    public double ValueBound { get; set; }

    /// <summary>The bounds of the gradient.</summary>
    public Span<double> GradientBound { get; }

    /// <summary>Marks an output that is closer to a kink than its error, so that its gradient may have either of two
    /// values.</summary>
    /// <param name="index">The index of the output in the batch.</param>
    public readonly void Flip(int index) => _flips.Add(index);
}
