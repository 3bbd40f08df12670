using System.Numerics;
using System.Text;

namespace ConvNet;

/// <summary>A loss: the mean over a batch, and its gradient with respect to the output of the network.</summary>
/// <remarks>
/// The mean is taken over the samples of the batch, so a smaller last batch needs no special handling. With sample
/// weights it is the weighted mean.
/// </remarks>
public abstract record Loss
{
    /// <summary>Every loss of this library.</summary>
    public static KindSet<Loss> BuiltIn { get; } = new("loss", SoftmaxCrossEntropy.Declared, MulticlassSvm.Declared,
        MeanSquaredError.Declared);

    /// <summary>The declaration by which files and commands identify the loss; null if it has none.</summary>
    public virtual Declaration<Loss>? Declaration => null;

    /// <summary>The kind of targets with which the output is compared.</summary>
    public abstract TargetKind Takes { get; }

    /// <summary>Gets the number of targets of each sample.</summary>
    /// <param name="output">The shape of one output.</param>
    public int TargetsPerSample(Shape output) => Takes switch
    {
        TargetKind.Classes => 1,
        TargetKind.ClassesPerPixel => output.Area,
        _ => output.Length,
    };

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
        if (Takes == TargetKind.Classes && output.Shape.Area > 1)
            throw new ArgumentException($"{GetType().Name} takes one class for each sample, so its output must be "
                + $"a vector, but \"{output.Name}\" has {output.Shape.C} maps of {output.Shape.H}×{output.Shape.W}. "
                + $"End the graph with {nameof(GlobalAvgPool2d)}, or with {nameof(Flatten)} and {nameof(Linear)}. For "
                + $"one class per pixel, use {nameof(SoftmaxCrossEntropy)}(PerPixel: true).");
    }

    /// <summary>Computes the mean loss of a batch and writes the gradient of the output.</summary>
    /// <param name="f">The output and the targets of the batch, and the memory for the gradient.</param>
    /// <typeparam name="T">float or double.</typeparam>
    public abstract T Evaluate<T>(in LossFrame<T> f) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Makes derived records print <see cref="Takes"/> and their own members.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="builder"/> is null.</exception>
    protected virtual bool PrintMembers(StringBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Append(nameof(Takes)).Append(" = ").Append(Takes);
        return true;
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
}
