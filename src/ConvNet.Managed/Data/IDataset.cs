namespace ConvNet.Data;

/// <summary>A data set: samples for a network that are read by index.</summary>
/// <remarks>
/// A sample has one input and one target, which need no names, or several inputs and targets with the names of the
/// graph's inputs and outputs. A <see cref="DataLoader"/> creates batches from it and reads on several threads at once.
/// </remarks>
/// <example><code>
/// public IReadOnlyList&lt;InputShape&gt; InputShapes { get; } =
///     [("image", new Shape(3, 32, 32)), ("position", Shape.Vector(2))];
///
/// public IReadOnlyList&lt;TargetDescription&gt; Targets { get; } =
///     [("class", TargetDescription.OfClasses(10)), ("box", TargetDescription.OfValues(4))];
///
/// public void Read(int index, Sample sample)
/// {
///     _images[index].CopyTo(sample.InputOf("image"));
///     _positions[index].CopyTo(sample.InputOf("position"));
///     sample.ClassesOf("class")[0] = _labels[index];
///     _boxes[index].CopyTo(sample.ValuesOf("box"));
/// }
/// </code></example>
public interface IDataset
{
    /// <summary>The number of samples, at least 1.</summary>
    int Count { get; }

    /// <summary>The shapes of the inputs of one sample. A <see cref="Shape"/> converts implicitly, so the only input of
    /// a sample is <c>[shape]</c>.</summary>
    IReadOnlyList<InputShape> InputShapes { get; }

    /// <summary>The descriptions of the targets; empty for samples without targets, for which a network only
    /// predicts.</summary>
    IReadOnlyList<TargetDescription> Targets { get; }

    /// <summary>Reads a sample. The same index gives the same sample at any time and on any thread.</summary>
    /// <param name="index">The index of the sample, from 0 to <see cref="Count"/> − 1.</param>
    /// <param name="sample">Receives inputs and targets. It is zero before the call.</param>
    void Read(int index, Sample sample);

    /// <summary>Returns the class of a sample without reading its inputs, for samplers that need the classes of all
    /// samples; null if only <see cref="Read"/> tells.</summary>
    /// <param name="index">The index of the sample.</param>
    int? ClassOf(int index) => null;

    /// <summary>Returns the file that a sample comes from, for error messages; null if there is none.</summary>
    /// <param name="index">The index of the sample.</param>
    string? FileOf(int index) => null;
}

/// <summary>The shape of an input of a data set.</summary>
/// <param name="Name">The name of the graph's input that reads it; null for the only input of a graph.</param>
/// <param name="Shape">The shape C, H, W of one sample.</param>
public readonly record struct InputShape(string? Name, Shape Shape)
{
    /// <summary>Creates the shape of the only input.</summary>
    public static implicit operator InputShape(Shape shape) => new(null, shape);

    /// <summary>Creates the shape of an input of several.</summary>
    public static implicit operator InputShape((string Name, Shape Shape) input) => new(input.Name, input.Shape);
}

/// <summary>The memory that one sample is read into.</summary>
public readonly ref struct Sample
{
    private readonly SampleMemory _inputs, _targets;
    private readonly int _input, _target;

    /// <summary>Creates a sample whose inputs and targets lie in different memory.</summary>
    /// <param name="inputs">The memory of the inputs.</param>
    /// <param name="input">The index of the sample there.</param>
    /// <param name="targets">The memory of the targets.</param>
    /// <param name="target">The index of the sample there.</param>
    internal Sample(SampleMemory inputs, int input, SampleMemory targets, int target)
    {
        (_inputs, _targets) = (inputs, targets);
        (_input, _target) = (input, target);
    }

    /// <summary>Allocates the memory of a sample, filled with zeros.</summary>
    /// <param name="dataset">The data set that will be read.</param>
    /// <exception cref="ArgumentNullException"><paramref name="dataset"/> is null.</exception>
    /// <exception cref="ArgumentException">The data set describes an input or a target wrongly.</exception>
    public static Sample For(IDataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        SampleTensors.Check(dataset);
        var memory = new SampleMemory(1, dataset.InputShapes, dataset.Targets);
        memory.Clear(0);
        return new Sample(memory, 0, memory, 0);
    }

    /// <summary>The only input, C×H×W.</summary>
    /// <exception cref="InvalidOperationException">The data set has several inputs.</exception>
    public Span<float> Input => _inputs.Input(_inputs.OnlyInput, _input);

    /// <summary>The only target as class indices, one or one per pixel; empty if the target is values.</summary>
    /// <exception cref="InvalidOperationException">The data set has several targets.</exception>
    public Span<int> Classes => _targets.Classes(_targets.OnlyTarget, _target);

    /// <summary>The only target as values; empty if the target is classes.</summary>
    /// <inheritdoc cref="Classes" path="/exception"/>
    public Span<float> Values => _targets.Values(_targets.OnlyTarget, _target);

    /// <summary>Gets an input by name, C×H×W.</summary>
    /// <param name="name">The name of the input.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The data set has no input with this name.</exception>
    public Span<float> InputOf(string name) => _inputs.Input(_inputs.InputIndex(name), _input);

    /// <summary>Gets the class indices of a target by the name of its output; empty if the target is values.</summary>
    /// <param name="output">The name of the output.</param>
    /// <exception cref="ArgumentNullException"><paramref name="output"/> is null.</exception>
    /// <exception cref="ArgumentException">The data set has no target for this output.</exception>
    public Span<int> ClassesOf(string output) => _targets.Classes(_targets.TargetIndex(output), _target);

    /// <summary>Gets the values of a target by the name of its output; empty if the target is classes.</summary>
    /// <param name="output">The name of the output.</param>
    /// <inheritdoc cref="ClassesOf" path="/exception"/>
    public Span<float> ValuesOf(string output) => _targets.Values(_targets.TargetIndex(output), _target);

    internal Span<float> InputAt(int index) => _inputs.Input(index, _input);

    internal Span<int> ClassesAt(int index) => _targets.Classes(index, _target);

    internal Span<float> ValuesAt(int index) => _targets.Values(index, _target);
}

/// <summary>The description of a target: class indices or values, and their number.</summary>
public readonly record struct TargetDescription
{
    private TargetDescription(TargetKind kind, int classes, int length)
        => (Kind, Classes, Length) = (kind, classes, length);

    /// <summary>The name of the graph's output that the target is for; null for the only output.</summary>
    public string? Output { get; init; }

    /// <summary>The kind of the target.</summary>
    public TargetKind Kind { get; }

    /// <summary>The number of classes; 0 if the target is values.</summary>
    public int Classes { get; }

    /// <summary>The label of samples or pixels that have no class, such as 255 for the border of objects; null if all
    /// have one. They count neither for the accuracy nor for the loss, which must ignore the same
    /// label.</summary>
    public int? IgnoredClass { get; init; }

    /// <summary>The number of class indices or values per sample.</summary>
    public int Length { get; }

    /// <summary>Describes a target of one class index per sample.</summary>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is below 1.</exception>
    public static TargetDescription OfClasses(int classes) => new(TargetKind.Classes, Checked(classes), 1);

    /// <summary>Describes a target of one class index per pixel.</summary>
    /// <param name="classes">The number of classes.</param>
    /// <param name="pixels">The number of pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    public static TargetDescription OfClassesPerPixel(int classes, int pixels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pixels, 1);
        return new TargetDescription(TargetKind.ClassesPerPixel, Checked(classes), pixels);
    }

    /// <summary>Describes a target of values.</summary>
    /// <param name="length">The number of values.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is below 1.</exception>
    public static TargetDescription OfValues(int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        return new TargetDescription(TargetKind.Values, 0, length);
    }

    /// <summary>Describes the target of an output of several.</summary>
    public static implicit operator TargetDescription((string Output, TargetDescription Target) target)
        => target.Target with { Output = target.Output };

    /// <summary>Returns the position of the first class index that is out of range; null if all are valid.</summary>
    internal int? FirstWrong(ReadOnlySpan<int> classes)
    {
        for (int i = 0; i < classes.Length; i++)
        {
            if ((uint)classes[i] >= (uint)Classes && classes[i] != IgnoredClass)
                return i;
        }
        return null;
    }

    private static int Checked(int classes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        return classes;
    }
}

/// <summary>A data set failed to provide a sample: its code threw, or its target is invalid.</summary>
public sealed class DatasetException : IOException
{
    internal DatasetException(IDataset dataset, int index, string what, Exception? inner = null)
        : base(FormattableString.Invariant($"Sample {index:N0} of {dataset.Count:N0} ")
            + $"({dataset.FileOf(index) ?? dataset.GetType().Name}) cannot be read: {what}", inner)
    {
        Index = index;
        File = dataset.FileOf(index);
    }

    /// <summary>The index of the sample, from 0.</summary>
    public int Index { get; }

    /// <summary>The file that the sample comes from; null if the data set names none.</summary>
    public string? File { get; }
}
