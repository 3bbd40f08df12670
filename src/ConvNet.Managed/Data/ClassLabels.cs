namespace ConvNet.Data;

/// <summary>The class of every sample of a data set.</summary>
internal static class ClassLabels
{
    /// <summary>The label of samples without a class.</summary>
    public const int None = -1;

    /// <summary>Returns the class of every sample, or <see cref="None"/>.</summary>
    /// <param name="dataset">A data set with one target of one class for each sample.</param>
    /// <param name="reader">What needs the classes, for error messages.</param>
    /// <exception cref="ArgumentException">The data set has other targets, or no sample has a class.</exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    public static int[] Of(IDataset dataset, string reader)
    {
        TargetDescription[] targets = [.. dataset.Targets.Where(target => target.Kind == TargetKind.Classes)];
        if (targets.Length != 1)
            throw new ArgumentException($"{reader} needs one target of one class for each sample, but the data set has "
                + $"{targets.Length}. Use another sampler, or weights for each sample.", nameof(dataset));
        SampleReader? samples = null;
        SampleMemory? memory = null;
        var labels = new int[dataset.Count];
        int target = dataset.Targets.ToList().IndexOf(targets[0]);
        for (int i = 0; i < labels.Length; i++)
        {
            if (dataset.ClassOf(i) is { } known)
            {
                labels[i] = known;
            }
            else
            {
                samples ??= new SampleReader(dataset, []);
                memory ??= new SampleMemory(1, dataset.InputShapes, dataset.Targets);
                samples.Read(i, 0, 0, memory, 0);
                labels[i] = memory.Classes(target, 0)[0];
            }
            if (labels[i] == targets[0].IgnoredClass)
                labels[i] = None;
        }
        return labels.AsSpan().ContainsAnyExcept(None) ? labels : throw new ArgumentException(
            $"{reader} needs classes, but no sample of the data set has one. Use another sampler.", nameof(dataset));
    }
}
