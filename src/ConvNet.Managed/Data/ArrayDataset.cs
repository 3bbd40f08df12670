using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>A data set in memory: one array of inputs, with a class label or target values for each.</summary>
public sealed class ArrayDataset : IDataset
{
    private readonly float[] _inputs, _values = [];
    private readonly int[] _labels = [];

    /// <summary>Creates a data set of inputs and class labels. The arrays are not copied.</summary>
    /// <param name="shape">The shape C, H, W of one input.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="inputs">The inputs, N×C×H×W.</param>
    /// <param name="labels">N class indices, from 0 to <paramref name="classes"/> − 1.</param>
    /// <exception cref="ArgumentException">The lengths do not match, the data set is empty, or a label is out of
    /// range.</exception>
    public ArrayDataset(Shape shape, int classes, float[] inputs, int[] labels)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(labels);
        shape.ThrowIfDefault("The data set", nameof(shape));
        Target = TargetDescription.OfClasses(classes);
        if (labels.Length == 0 || inputs.Length != (long)labels.Length * shape.Length)
            throw new ArgumentException(Invariant($"{inputs.Length:N0} values are not {labels.Length:N0} inputs of ")
                + Invariant($"{shape}; give one label for every input, and at least one."), nameof(inputs));
        for (int i = 0; i < labels.Length; i++)
        {
            if ((uint)labels[i] >= (uint)classes)
                throw new ArgumentException(Invariant($"Label {labels[i]} of sample {i:N0} is out of range: there are ")
                    + Invariant($"classes 0 to {classes - 1}."), nameof(labels));
        }
        (Shape, Count, _inputs, _labels) = (shape, labels.Length, inputs, labels);
    }

    /// <summary>Creates a data set of inputs and target values. The arrays are not copied.</summary>
    /// <param name="shape">The shape C, H, W of one input.</param>
    /// <param name="inputs">The inputs, N×C×H×W.</param>
    /// <param name="values">The target values, the same number for each input.</param>
    /// <exception cref="ArgumentException">The lengths do not match, or the data set is empty.</exception>
    public ArrayDataset(Shape shape, float[] inputs, float[] values)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(values);
        shape.ThrowIfDefault("The data set", nameof(shape));
        Count = inputs.Length / shape.Length;
        if (Count == 0 || inputs.Length % shape.Length != 0)
            throw new ArgumentException(Invariant($"{inputs.Length:N0} values are no whole number of inputs of ")
                + $"{shape}; give at least one.", nameof(inputs));
        if (values.Length == 0 || values.Length % Count != 0)
            throw new ArgumentException(Invariant($"{values.Length:N0} values are no targets of {Count:N0} inputs; ")
                + "give as many for each of them.", nameof(values));
        Target = TargetDescription.OfValues(values.Length / Count);
        (Shape, _inputs, _values) = (shape, inputs, values);
    }

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public Shape Shape { get; }

    /// <inheritdoc/>
    public TargetDescription Target { get; }

    /// <summary>All inputs, N×C×H×W.</summary>
    public ReadOnlySpan<float> Inputs => _inputs;

    /// <summary>All N labels; empty if the targets are values.</summary>
    public ReadOnlySpan<int> Labels => _labels;

    /// <summary>The target values of all samples; empty if the targets are labels.</summary>
    public ReadOnlySpan<float> Values => _values;

    /// <inheritdoc/>
    public void Read(int index, Sample sample)
    {
        Inputs.Slice(index * Shape.Length, Shape.Length).CopyTo(sample.Input);
        if (_labels.Length > 0)
            sample.Classes[0] = _labels[index];
        else
            Values.Slice(index * Target.Length, Target.Length).CopyTo(sample.Values);
    }
}
