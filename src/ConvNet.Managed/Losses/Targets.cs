using static System.FormattableString;

namespace ConvNet;

/// <summary>The kind of targets with which a loss compares the output of a network.</summary>
public enum TargetKind
{
    /// <summary>One class index for each sample.</summary>
    Classes,

    /// <summary>One class index for each pixel of the output: N×H×W.</summary>
    ClassesPerPixel,

    /// <summary>One value for each value of the output: N×C×H×W.</summary>
    Values,
}

/// <summary>The targets of a batch: class indices or values, with an optional weight for each sample; or the targets of
/// several outputs.</summary>
/// <remarks>
/// Arrays and spans convert implicitly, so an <c>int[]</c> of labels can be passed directly, as in
/// <c>net.TrainStep(input, labels, 0.05f)</c>. With weights w the loss is the weighted mean Σ w_n·l_n / Σ w_n; without
/// weights, all weights are 1.
/// </remarks>
/// <example><code>
/// net.TrainStep(input, Targets.Of(labels).Weighted(weights), 0.05f);
/// net.TrainStep(input, Targets.Of(("class", labels), ("box", corners)), 0.05f);
/// </code></example>
public readonly ref struct Targets
{
    private Targets(bool areClasses, ReadOnlySpan<int> classes, ReadOnlySpan<float> values, ReadOnlySpan<float> weights,
        IReadOnlyList<OutputTargets>? outputs = null)
    {
        AreClasses = areClasses;
        Classes = classes;
        Values = values;
        SampleWeights = weights;
        Outputs = outputs;
    }

    /// <summary>The targets of several outputs; null if they are those of the only output with a loss.</summary>
    public IReadOnlyList<OutputTargets>? Outputs { get; }

    /// <summary>True for class indices, false for values.</summary>
    public bool AreClasses { get; }

    /// <summary>The class indices; empty if the targets are values.</summary>
    public ReadOnlySpan<int> Classes { get; }

    /// <summary>The values; empty if the targets are class indices.</summary>
    public ReadOnlySpan<float> Values { get; }

    /// <summary>One weight for each sample; empty if all samples have equal weight.</summary>
    public ReadOnlySpan<float> SampleWeights { get; }

    /// <summary>Wraps class indices: one for each sample or, for a loss per pixel, one for each pixel.</summary>
    /// <param name="classes">N or N×H×W indices, from 0.</param>
    public static Targets Of(ReadOnlySpan<int> classes) => new(true, classes, [], []);

    /// <summary>Wraps values: one for each value of the output.</summary>
    /// <param name="values">N×C×H×W values.</param>
    public static Targets Of(ReadOnlySpan<float> values) => new(false, [], values, []);

    /// <summary>Combines the targets of several outputs, one for each output that has a loss.</summary>
    /// <param name="outputs">The name of each output and its targets, such as <c>("class", labels)</c>.</param>
    /// <exception cref="ArgumentNullException"><paramref name="outputs"/> is null.</exception>
    public static Targets Of(params OutputTargets[] outputs)
    {
        ArgumentNullException.ThrowIfNull(outputs);
        return new(false, [], [], [], outputs);
    }

    /// <summary>Returns the same targets with a weight for each sample. With several outputs, the weights apply to each
    /// output that has none of its own.</summary>
    /// <param name="sampleWeights">N finite, non-negative weights, not all zero; empty for no weights.</param>
    public Targets Weighted(ReadOnlySpan<float> sampleWeights)
        => new(AreClasses, Classes, Values, sampleWeights, Outputs);

    /// <summary>Wraps class indices.</summary>
    public static implicit operator Targets(ReadOnlySpan<int> classes) => Of(classes);

    /// <inheritdoc cref="op_Implicit(ReadOnlySpan{int})"/>
    public static implicit operator Targets(Span<int> classes) => Of(classes);

    /// <inheritdoc cref="op_Implicit(ReadOnlySpan{int})"/>
    public static implicit operator Targets(int[] classes) => Of(classes);

    /// <summary>Wraps values.</summary>
    public static implicit operator Targets(ReadOnlySpan<float> values) => Of(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlySpan{float})"/>
    public static implicit operator Targets(Span<float> values) => Of(values);

    /// <inheritdoc cref="op_Implicit(ReadOnlySpan{float})"/>
    public static implicit operator Targets(float[] values) => Of(values);

    /// <summary>Gets the targets of one output.</summary>
    /// <param name="output">An output validated by <see cref="CheckFor(IReadOnlyList{Objective}, int)"/>.</param>
    internal Targets For(Node output) => Outputs is null ? this : Named(output.Name);

    // A separate method: a closure is allocated on entry to the method that contains it, and a step must not allocate.
    private Targets Named(string output)
    {
        Targets own = Outputs!.First(of => of.Output == output).Targets;
        return own.SampleWeights.IsEmpty ? own.Weighted(SampleWeights) : own;
    }

    /// <summary>Throws unless each output with a loss has the targets that its loss takes, and no other output has
    /// targets.</summary>
    /// <param name="objectives">The outputs with their losses.</param>
    /// <param name="n">The number of samples in the batch.</param>
    /// <exception cref="ArgumentException">An output has no targets, or they do not fit; the message tells
    /// which.</exception>
    internal void CheckFor(IReadOnlyList<Objective> objectives, int n)
    {
        if (Outputs is null)
        {
            if (objectives.Count > 1)
                throw new ArgumentException($"{objectives.Count} outputs have a loss, so targets without a name are "
                    + $"ambiguous. Name them, as in Targets.Of({Example(objectives)}).");
            CheckFor(objectives[0].Loss, objectives[0].Output.Shape, n);
            return;
        }
        Node[] outputs = [.. objectives.Select(objective => objective.Output)];
        NamedTensors.InOrder([.. Outputs.Select(of => (of.Output, of))], _ => false, outputs, "output with a loss",
            nameof(Targets), all: true);
        foreach (Objective objective in objectives)
        {
            try
            {
                For(objective.Output).CheckFor(objective.Loss, objective.Output.Shape, n);
            }
            catch (ArgumentException error)
            {
                throw new ArgumentException($"{objective.Output.Name}: {error.PlainMessage()}", error);
            }
        }
    }

    /// <summary>Gets the targets of one sample, without weights.</summary>
    /// <param name="n">The index of the sample.</param>
    /// <param name="each">The number of targets of each sample.</param>
    internal Targets OfSample(int n, int each)
        => AreClasses ? Of(Classes.Slice(n * each, each)) : Of(Values.Slice(n * each, each));

    /// <summary>Gets the targets of some samples, with their weights.</summary>
    /// <param name="first">The index of the first sample.</param>
    /// <param name="count">The number of samples.</param>
    /// <param name="n">The number of samples of all targets.</param>
    internal Targets Slice(int first, int count, int n)
    {
        ReadOnlySpan<float> weights = SampleWeights.IsEmpty ? [] : SampleWeights.Slice(first, count);
        if (Outputs is not null)
            return new(false, [], [], weights, [.. Outputs.Select(of => of.Slice(first, count, n))]);
        int each = (AreClasses ? Classes.Length : Values.Length) / n;
        return new(AreClasses, AreClasses ? Classes.Slice(first * each, count * each) : [],
            AreClasses ? [] : Values.Slice(first * each, count * each), weights);
    }

    /// <summary>Gets the weight of a sample; 1 if there are no weights.</summary>
    internal double WeightOf(int sample) => SampleWeights.IsEmpty ? 1 : SampleWeights[sample];

    /// <summary>Gets the sum of the weights of all samples; their number if there are no weights.</summary>
    /// <param name="n">The number of samples.</param>
    internal double TotalWeight(int n)
    {
        double total = SampleWeights.IsEmpty ? n : 0;
        foreach (float weight in SampleWeights)
            total += weight;
        return total;
    }

    private static string Example(IReadOnlyList<Objective> objectives)
        => string.Join(", ", objectives.Select(objective => $"(\"{objective.Output.Name}\", …)"));

    /// <summary>Throws unless the targets are what the loss takes for a batch of outputs.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="output">The shape of one output.</param>
    /// <param name="n">The number of samples in the batch.</param>
    /// <exception cref="ArgumentException">The kind, the number, a class index or a weight is wrong; the message tells
    /// which.</exception>
    internal void CheckFor(Loss loss, Shape output, int n)
    {
        int each = loss.TargetsPerSample(output), length = AreClasses ? Classes.Length : Values.Length;
        string takes = loss.Takes switch
        {
            TargetKind.Values => Invariant($"{each:N0} float targets for each sample, one for each value of {output}"),
            TargetKind.Classes => "one class label for each sample",
            _ => Invariant($"one class label for each of the {each:N0} pixels of {output}, for each sample"),
        };
        if (AreClasses != (loss.Takes != TargetKind.Values))
            throw new ArgumentException($"{loss.GetType().Name} takes {takes}, not "
                + $"{(AreClasses ? "class labels" : "float targets")}.");
        if (length != (long)n * each)
            throw new ArgumentException(Invariant($"{length:N0} targets were passed, but {loss.GetType().Name} ")
                + Invariant($"takes {takes}: {(long)n * each:N0} for {n:N0} samples."));
        for (int i = 0; i < Classes.Length; i++)
        {
            if ((uint)Classes[i] >= (uint)output.C && Classes[i] != loss.IgnoredClass)
                throw new ArgumentException(Invariant($"Label {Classes[i]} of sample ")
                    + Invariant($"{i / each}{(each > 1 ? Invariant($", pixel {i % each},") : "")} ")
                    + Invariant($"is out of range: the classes of the output are 0 to {output.C - 1}."));
        }
        CheckWeights(n);
    }

    private void CheckWeights(int n)
    {
        if (SampleWeights.IsEmpty)
            return;
        if (SampleWeights.Length != n)
            throw new ArgumentException(Invariant($"{SampleWeights.Length:N0} sample weights were passed for {n:N0} ")
                + "samples. Pass one for each.");
        double total = 0;
        for (int i = 0; i < SampleWeights.Length; i++)
        {
            if (!(SampleWeights[i] >= 0) || !float.IsFinite(SampleWeights[i]))
                throw new ArgumentException(Invariant($"The weight of sample {i} is {SampleWeights[i]}; it must be a ")
                    + "finite number of at least 0.");
            total += SampleWeights[i];
        }
        if (total == 0)
            throw new ArgumentException("All sample weights are zero, so the weighted mean is undefined. Give at least "
                + "one sample a weight above 0.");
    }
}

/// <summary>The targets of one of several outputs.</summary>
/// <remarks>A tuple of the name of the output and its class indices or values converts implicitly.</remarks>
public readonly record struct OutputTargets
{
    private readonly bool _areClasses;
    private readonly ReadOnlyMemory<int> _classes;
    private readonly ReadOnlyMemory<float> _values, _sampleWeights;

    /// <summary>Creates targets of class indices: one for each sample or, for a loss per pixel, one for each
    /// pixel.</summary>
    /// <param name="output">The name of the output.</param>
    /// <param name="classes">N or N×H×W indices, from 0.</param>
    /// <param name="sampleWeights">One weight for each sample; empty if all samples have equal weight.</param>
    public OutputTargets(string output, ReadOnlyMemory<int> classes, ReadOnlyMemory<float> sampleWeights = default)
        => (Output, _areClasses, _classes, _sampleWeights) = (output, true, classes, sampleWeights);

    /// <summary>Creates targets of values: one for each value of the output.</summary>
    /// <param name="output">The name of the output.</param>
    /// <param name="values">N×C×H×W values.</param>
    /// <param name="sampleWeights">One weight for each sample; empty if all samples have equal weight.</param>
    public OutputTargets(string output, ReadOnlyMemory<float> values, ReadOnlyMemory<float> sampleWeights = default)
        => (Output, _values, _sampleWeights) = (output, values, sampleWeights);

    /// <summary>The name of the output.</summary>
    public string Output { get; }

    /// <summary>The targets.</summary>
    public Targets Targets
        => (_areClasses ? Targets.Of(_classes.Span) : Targets.Of(_values.Span)).Weighted(_sampleWeights.Span);

    /// <summary>Gets the targets of some samples.</summary>
    /// <inheritdoc cref="Targets.Slice"/>
    internal OutputTargets Slice(int first, int count, int n)
    {
        int each = (_areClasses ? _classes.Length : _values.Length) / n;
        ReadOnlyMemory<float> weights = _sampleWeights.IsEmpty ? default : _sampleWeights.Slice(first, count);
        return _areClasses ? new(Output, _classes.Slice(first * each, count * each), weights)
            : new(Output, _values.Slice(first * each, count * each), weights);
    }

    /// <summary>Creates targets of class indices for an output.</summary>
    public static implicit operator OutputTargets((string Output, int[] Classes) targets)
        => new(targets.Output, targets.Classes.AsMemory());

    /// <summary>Creates targets of values for an output.</summary>
    public static implicit operator OutputTargets((string Output, float[] Values) targets)
        => new(targets.Output, targets.Values.AsMemory());
}
