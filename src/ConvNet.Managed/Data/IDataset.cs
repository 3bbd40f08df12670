namespace ConvNet.Data;

/// <summary>Samples for a network, each read by its number.</summary>
/// <remarks>A <see cref="DataLoader"/> makes batches of them. It reads on several threads at once.</remarks>
public interface IDataset
{
    /// <summary>The number of samples, at least 1.</summary>
    int Count { get; }

    /// <summary>C, H, W of the input of one sample.</summary>
    Shape Shape { get; }

    /// <summary>What the target of each sample is.</summary>
    TargetDescription Target { get; }

    /// <summary>Reads a sample, the same for the same number whenever it is asked for, on any thread.</summary>
    /// <param name="index">The number of the sample, from 0 to <see cref="Count"/> − 1.</param>
    /// <param name="sample">Where input and target go. All of it is zero before.</param>
    void Read(int index, Sample sample);

    /// <summary>The file that a sample comes from, for errors; null where there is none.</summary>
    /// <param name="index">The number of the sample.</param>
    string? FileOf(int index) => null;
}

/// <summary>The memory that one sample is read into.</summary>
public readonly ref struct Sample
{
    /// <summary>Puts together the memory of a sample.</summary>
    /// <param name="input">C×H×W values.</param>
    /// <param name="classes">The class indices of the target; empty where the target is values.</param>
    /// <param name="values">The values of the target; empty where the target is classes.</param>
    public Sample(Span<float> input, Span<int> classes, Span<float> values)
    {
        Input = input;
        Classes = classes;
        Values = values;
    }

    /// <summary>The input, C×H×W.</summary>
    public Span<float> Input { get; }

    /// <summary>One class index, or one for each pixel; empty where the target is values.</summary>
    public Span<int> Classes { get; }

    /// <summary>The values of the target; empty where the target is classes.</summary>
    public Span<float> Values { get; }
}

/// <summary>What the target of a sample is: class indices or values, and how many.</summary>
public readonly record struct TargetDescription
{
    private TargetDescription(TargetKind kind, int classes, int length)
        => (Kind, Classes, Length) = (kind, classes, length);

    /// <summary>The kind.</summary>
    public TargetKind Kind { get; }

    /// <summary>The number of classes; 0 where the target is values.</summary>
    public int Classes { get; }

    /// <summary>Class indices or values of one sample.</summary>
    public int Length { get; }

    /// <summary>One class index for each sample.</summary>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is below 1.</exception>
    public static TargetDescription OfClasses(int classes) => new(TargetKind.Classes, Checked(classes), 1);

    /// <summary>One class index for each pixel.</summary>
    /// <param name="classes">The number of classes.</param>
    /// <param name="pixels">The number of pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    public static TargetDescription OfClassesPerPixel(int classes, int pixels)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pixels, 1);
        return new TargetDescription(TargetKind.ClassesPerPixel, Checked(classes), pixels);
    }

    /// <summary>Values.</summary>
    /// <param name="length">The number of values.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is below 1.</exception>
    public static TargetDescription OfValues(int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        return new TargetDescription(TargetKind.Values, 0, length);
    }

    /// <summary>The first class index that is none; null where all are.</summary>
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

/// <summary>A data set did not give a sample: its code threw, or what it gave is no target.</summary>
public sealed class DatasetException : IOException
{
    internal DatasetException(IDataset dataset, int index, string what, Exception? inner = null)
        : base(FormattableString.Invariant($"Sample {index:N0} of {dataset.Count:N0} ")
            + $"({dataset.FileOf(index) ?? dataset.GetType().Name}) cannot be read: {what}", inner)
    {
        Index = index;
        File = dataset.FileOf(index);
    }

    /// <summary>The number of the sample, from 0.</summary>
    public int Index { get; }

    /// <summary>The file that the sample comes from; null where the data set names none.</summary>
    public string? File { get; }
}
