using System.Numerics;
using System.Text;

namespace ConvNet;

/// <summary>A loss: the mean over a batch, and its gradient with respect to the output of the network.</summary>
/// <remarks>
/// The mean is over the samples that are there, so a smaller last batch is no special case; with sample weights it is
/// the weighted mean.
/// </remarks>
public abstract record Loss
{
    /// <summary>Every loss of this library.</summary>
    public static KindSet<Loss> BuiltIn { get; } = new("loss", SoftmaxCrossEntropy.Declared, MulticlassSvm.Declared,
        MeanSquaredError.Declared);

    /// <summary>The loss as files and commands know it; null where they do not.</summary>
    public virtual Declaration<Loss>? Declaration => null;

    /// <summary>The kind of targets it compares the output with.</summary>
    public abstract TargetKind Takes { get; }

    /// <summary>Targets for each sample.</summary>
    /// <param name="output">The shape of one output.</param>
    public int TargetsPerSample(Shape output) => Takes switch
    {
        TargetKind.Classes => 1,
        TargetKind.ClassesPerPixel => output.Area,
        _ => output.Length,
    };

    /// <summary>Throws where the loss has no meaning for an output of this shape.</summary>
    /// <remarks>Class labels of whole samples want one vector of outputs: a map is most often a pooling that was
    /// forgotten.</remarks>
    /// <param name="output">The node whose values are compared.</param>
    /// <exception cref="ArgumentException">It has none; the message names the node and what to do.</exception>
    public virtual void CheckOutput(Node output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (Takes == TargetKind.Classes && output.Shape.Area > 1)
            throw new ArgumentException($"{GetType().Name} takes one class for each sample and so one vector of "
                + $"outputs, but \"{output.Name}\" "
                + $"gives {output.Shape.C} maps of {output.Shape.H}×{output.Shape.W}. End the graph with "
                + $"{nameof(GlobalAvgPool2d)}, or with "
                + $"{nameof(Flatten)} and {nameof(Linear)}; for one class per pixel use "
                + $"{nameof(SoftmaxCrossEntropy)}(PerPixel: true).");
    }

    /// <summary>The mean loss of a batch; writes the gradient of the output.</summary>
    /// <param name="f">Output and targets of the batch, and the gradient to write.</param>
    /// <typeparam name="T">float or double.</typeparam>
    public abstract T Evaluate<T>(in LossFrame<T> f) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Derived records print what they take and their own members.</summary>
    protected virtual bool PrintMembers(StringBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Append(nameof(Takes)).Append(" = ").Append(Takes);
        return true;
    }
}

/// <summary>What a loss reads and writes.</summary>
/// <typeparam name="T">The type of a value.</typeparam>
public readonly ref struct LossFrame<T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    /// <summary>Puts together what a loss reads and writes.</summary>
    /// <param name="output">C, H, W of one output.</param>
    /// <param name="y">The outputs, N×C×H×W.</param>
    /// <param name="targets">What they are compared with.</param>
    /// <param name="dy">The gradient of the outputs, N×C×H×W, overwritten.</param>
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

    /// <summary>C, H, W of one output.</summary>
    public Shape Output { get; }

    /// <summary>Samples in the batch.</summary>
    public int N { get; }

    /// <summary>The outputs, N×C×H×W.</summary>
    public ReadOnlySpan<T> Y { get; }

    /// <summary>What they are compared with; checked.</summary>
    public Targets Targets { get; }

    /// <summary>The gradient of the outputs, N×C×H×W, to be overwritten.</summary>
    public Span<T> DY { get; }

    /// <summary>Σ w_n: the number of samples where there are no weights.</summary>
    public T TotalWeight { get; }

    /// <summary>w_n: 1 where there are no weights.</summary>
    /// <param name="n">The sample.</param>
    public T Weight(int n) => Targets.SampleWeights.IsEmpty ? T.One : T.CreateChecked(Targets.SampleWeights[n]);
}
