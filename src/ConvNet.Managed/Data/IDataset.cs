namespace ConvNet.Data;

/// <summary>A data set: samples for a network that are read by index.</summary>
/// <remarks>A <see cref="DataLoader"/> creates batches from it and reads on several threads at once.</remarks>
public interface IDataset
{
    /// <summary>The number of samples, at least 1.</summary>
    int Count { get; }

    /// <summary>The shape C, H, W of the input of one sample.</summary>
    Shape Shape { get; }

    /// <summary>The description of the targets.</summary>
    TargetDescription Target { get; }

    /// <summary>Reads a sample. The same index gives the same sample at any time and on any thread.</summary>
    /// <param name="index">The index of the sample, from 0 to <see cref="Count"/> − 1.</param>
    /// <param name="sample">Receives input and target. It is zero before the call.</param>
    void Read(int index, Sample sample);

    /// <summary>Returns the file that a sample comes from, for error messages; null if there is none.</summary>
    /// <param name="index">The index of the sample.</param>
    string? FileOf(int index) => null;
}

/// <summary>The memory that one sample is read into.</summary>
public readonly ref struct Sample
{
    /// <summary>Creates the memory of a sample.</summary>
    /// <param name="input">C×H×W values.</param>
    /// <param name="classes">The class indices of the target; empty if the target is values.</param>
    /// <param name="values">The values of the target; empty if the target is classes.</param>
    public Sample(Span<float> input, Span<int> classes, Span<float> values)
    {
        Input = input;
        Classes = classes;
        Values = values;
    }

    /// <summary>The input, C×H×W.</summary>
    public Span<float> Input { get; }

    /// <summary>One class index, or one per pixel; empty if the target is values.</summary>
    public Span<int> Classes { get; }

    /// <summary>The values of the target; empty if the target is classes.</summary>
    public Span<float> Values { get; }
}

/// <summary>The description of a target: class indices or values, and their number.</summary>
public readonly record struct TargetDescription
{
    private TargetDescription(TargetKind kind, int classes, int length)
        => (Kind, Classes, Length) = (kind, classes, length);

    /// <summary>The kind of the target.</summary>
    public TargetKind Kind { get; }

    /// <summary>The number of classes; 0 if the target is values.</summary>
    public int Classes { get; }

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

    /// <summary>Returns the first class index that is out of range; null if all are valid.</summary>
    internal int? FirstWrong(ReadOnlySpan<int> classes)
    {
        foreach (int index in classes)
        {
            if ((uint)index >= (uint)Classes)
                return index;
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
