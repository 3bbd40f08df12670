using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>A data set in memory: an array for each input and each target.</summary>
/// <example><code>
/// var data = new ArrayDataset([("image", new Shape(3, 32, 32), images), ("position", Shape.Vector(2), positions)],
///     [("class", 10, labels), ("box", corners)]);
/// </code></example>
public sealed class ArrayDataset : IDataset
{
    private readonly InputArray[] _inputs;
    private readonly TargetArray[] _targets;

    // The only target of one class for each sample.
    private readonly TargetArray? _classes;

    /// <summary>Creates a data set of inputs and class labels. The arrays are not copied.</summary>
    /// <param name="shape">The shape C, H, W of one input.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="inputs">The inputs, N×C×H×W.</param>
    /// <param name="labels">N class indices, from 0 to <paramref name="classes"/> − 1.</param>
    /// <exception cref="ArgumentNullException"><paramref name="inputs"/> or <paramref name="labels"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">The lengths do not match, the data set is empty, or a label is out of
    /// range.</exception>
    public ArrayDataset(Shape shape, int classes, float[] inputs, int[] labels)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(labels);
        shape.ThrowIfDefault("The data set", nameof(shape));
        if (labels.Length == 0 || inputs.Length != (long)labels.Length * shape.Length)
            throw new ArgumentException(Invariant($"{labels.Length:N0} inputs of {shape} have ")
                + Invariant($"{(long)labels.Length * shape.Length:N0} values, but {inputs.Length:N0} were passed. ")
                + "Pass one label for each input, and at least one input.", nameof(inputs));
        Count = labels.Length;
        (_inputs, _targets) = ([new(null, shape, inputs)], [new(null, classes, labels)]);
        (InputShapes, Targets) = ([shape], [TargetDescription.OfClasses(classes)]);
        CheckLabels(Targets[0], labels, nameof(labels));
        _classes = _targets[0];
    }

    /// <summary>Creates a data set of inputs and target values. The arrays are not copied.</summary>
    /// <param name="shape">The shape C, H, W of one input.</param>
    /// <param name="inputs">The inputs, N×C×H×W.</param>
    /// <param name="values">The target values, the same number for each input.</param>
    /// <exception cref="ArgumentNullException"><paramref name="inputs"/> or <paramref name="values"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">The lengths do not match, or the data set is empty.</exception>
    public ArrayDataset(Shape shape, float[] inputs, float[] values)
        : this([new InputArray(null, shape, inputs)], [new TargetArray(null, values)])
    {
    }

    /// <summary>Creates a data set of several inputs and targets. The arrays are not copied.</summary>
    /// <param name="inputs">The inputs; tuples of name, shape and values convert implicitly.</param>
    /// <param name="targets">The targets; tuples of output, number of classes and labels, or of output and values,
    /// convert implicitly.</param>
    /// <exception cref="ArgumentNullException"><paramref name="inputs"/> or <paramref name="targets"/>, or the values
    /// of one of them, is null.</exception>
    /// <exception cref="ArgumentException">The lengths do not match, the data set is empty, an input or a target is
    /// null, a name is missing or given twice, or a label is out of range.</exception>
    public ArrayDataset(IReadOnlyList<InputArray> inputs, IReadOnlyList<TargetArray> targets)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        if (inputs.Contains(null!) || targets.Contains(null!))
            throw new ArgumentException("An input or a target of the data set is null. Remove it.",
                inputs.Contains(null!) ? nameof(inputs) : nameof(targets));
        (_inputs, _targets) = ([.. inputs], [.. targets]);
        foreach (InputArray input in _inputs)
        {
            ArgumentNullException.ThrowIfNull(input.Values, nameof(inputs));
            input.Shape.ThrowIfDefault("The data set", nameof(inputs));
            (int count, int rest) = Math.DivRem(input.Values.Length, input.Shape.Length);
            if (count == 0 || rest != 0)
                throw new ArgumentException(Invariant($"{input.Values.Length:N0} values{Of(input.Name)} are not a ")
                    + Invariant($"whole number of inputs of {input.Shape}. Pass a positive multiple of ")
                    + Invariant($"{input.Shape.Length:N0} values."), nameof(inputs));
            if (Count > 0 && count != Count)
                throw new ArgumentException(Invariant($"There are {Count:N0} inputs{Of(_inputs[0].Name)}, but ")
                    + Invariant($"{count:N0}{Of(input.Name)}. Pass the same number of each."), nameof(inputs));
            Count = count;
        }
        InputShapes = [.. _inputs.Select(input => new InputShape(input.Name, input.Shape))];
        Targets = [.. _targets.Select(target => Describe(target, nameof(targets)))];
        SampleTensors.Check(this);
        foreach ((TargetArray target, TargetDescription description) in _targets.Zip(Targets))
            CheckLabels(description, target.Labels, nameof(targets));
        _classes = _targets.Where((_, i) => Targets[i].Kind == TargetKind.Classes).ToArray() is [var only] ? only
            : null;
    }

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public IReadOnlyList<InputShape> InputShapes { get; }

    /// <inheritdoc/>
    public IReadOnlyList<TargetDescription> Targets { get; }

    /// <summary>The shape C, H, W of the only input.</summary>
    /// <exception cref="InvalidOperationException">There are several inputs.</exception>
    public Shape Shape => OnlyInput.Shape;

    /// <summary>The description of the only target.</summary>
    /// <exception cref="InvalidOperationException">There are several targets.</exception>
    public TargetDescription Target => Targets[OnlyTargetIndex];

    /// <summary>All values of the only input, N×C×H×W.</summary>
    /// <inheritdoc cref="Shape" path="/exception"/>
    public ReadOnlySpan<float> Inputs => OnlyInput.Values;

    /// <summary>All labels of the only target; empty if it is values.</summary>
    /// <inheritdoc cref="Target" path="/exception"/>
    public ReadOnlySpan<int> Labels => OnlyTarget.Labels;

    /// <summary>All values of the only target; empty if it is labels.</summary>
    /// <inheritdoc cref="Target" path="/exception"/>
    public ReadOnlySpan<float> Values => OnlyTarget.Values;

    /// <inheritdoc/>
    public void Read(int index, Sample sample)
    {
        for (int i = 0; i < _inputs.Length; i++)
            Slice(_inputs[i].Values, index, InputShapes[i].Shape.Length).CopyTo(sample.InputAt(i));
        for (int i = 0; i < _targets.Length; i++)
        {
            Slice(_targets[i].Labels, index, Targets[i].Length).CopyTo(sample.ClassesAt(i));
            Slice(_targets[i].Values, index, Targets[i].Length).CopyTo(sample.ValuesAt(i));
        }
    }

    /// <inheritdoc/>
    public int? ClassOf(int index) => _classes?.Labels[index];

    private InputArray OnlyInput => _inputs[SampleTensors.Only("input", [.. _inputs.Select(input => input.Name)])];

    private int OnlyTargetIndex => SampleTensors.Only("target", [.. _targets.Select(target => target.Output)]);

    private TargetArray OnlyTarget => _targets[OnlyTargetIndex];

    private static ReadOnlySpan<T> Slice<T>(T[] values, int index, int length)
        => values.Length == 0 ? [] : values.AsSpan(index * length, length);

    private static string Of(string? name) => name is null ? "" : $" of \"{Excerpt.Of(name)}\"";

    private TargetDescription Describe(TargetArray target, string parameter)
    {
        bool classes = target.ClassCount > 0;
        (int each, int rest) = Math.DivRem(classes ? target.Labels.Length : target.Values.Length, Math.Max(1, Count));
        if (each == 0 || rest != 0)
            throw new ArgumentException(
                Invariant($"{(classes ? target.Labels.Length : target.Values.Length):N0} ")
                + Invariant($"target {(classes ? "labels" : "values")}{Of(target.Output)} cannot be divided among ")
                + Invariant($"{Count:N0} inputs. Pass the same number for each input."), parameter);
        return (!classes ? TargetDescription.OfValues(each)
            : each == 1 ? TargetDescription.OfClasses(target.ClassCount)
            : TargetDescription.OfClassesPerPixel(target.ClassCount, each)) with
        { Output = target.Output, IgnoredClass = target.IgnoredClass };
    }

    private static void CheckLabels(TargetDescription target, int[] labels, string parameter)
    {
        if (target.FirstWrong(labels) is { } i)
            throw new ArgumentException(Invariant($"Label {labels[i]} of sample {i / target.Length:N0}")
                + Invariant($"{Of(target.Output)} is out of range: the classes are 0 to {target.Classes - 1}."),
                parameter);
    }
}

/// <summary>The values of an input of an <see cref="ArrayDataset"/>.</summary>
/// <param name="Name">The name of the graph's input; null for the only input.</param>
/// <param name="Shape">The shape C, H, W of one sample.</param>
/// <param name="Values">The values, N×C×H×W.</param>
public sealed record InputArray(string? Name, Shape Shape, float[] Values)
{
    /// <summary>Creates the values of an input.</summary>
    public static implicit operator InputArray((string Name, Shape Shape, float[] Values) input)
        => new(input.Name, input.Shape, input.Values);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(InputArray), (nameof(Name), Name), (nameof(Shape), Shape),
        (nameof(Values), Values));
}

/// <summary>The class labels or the values of a target of an <see cref="ArrayDataset"/>.</summary>
public sealed class TargetArray
{
    /// <summary>Creates a target of class labels.</summary>
    /// <param name="output">The name of the graph's output; null for the only output.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="labels">One class index for each sample, or the same number for each, one for each pixel.</param>
    /// <exception cref="ArgumentNullException"><paramref name="labels"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of classes is below 1.</exception>
    public TargetArray(string? output, int classes, int[] labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        (Output, ClassCount, Labels) = (output, classes, labels);
    }

    /// <summary>Creates a target of values.</summary>
    /// <param name="output">The name of the graph's output; null for the only output.</param>
    /// <param name="values">The values, the same number for each sample.</param>
    /// <exception cref="ArgumentNullException"><paramref name="values"/> is null.</exception>
    public TargetArray(string? output, float[] values)
    {
        ArgumentNullException.ThrowIfNull(values);
        (Output, Values) = (output, values);
    }

    /// <summary>Creates a target of class labels.</summary>
    public static implicit operator TargetArray((string Output, int Classes, int[] Labels) target)
        => new(target.Output, target.Classes, target.Labels);

    /// <summary>Creates a target of values.</summary>
    public static implicit operator TargetArray((string Output, float[] Values) target)
        => new(target.Output, target.Values);

    /// <summary>The label of samples or pixels that have no class; null if all have one.</summary>
    public int? IgnoredClass { get; init; }

    /// <summary>The name of the graph's output; null for the only output.</summary>
    internal string? Output { get; }

    /// <summary>The number of classes; 0 if the target is values.</summary>
    internal int ClassCount { get; }

    internal int[] Labels { get; } = [];

    internal float[] Values { get; } = [];
}
