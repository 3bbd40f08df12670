namespace ConvNet.Data;

/// <summary>Checks and finds the inputs and targets of a data set.</summary>
internal static class SampleTensors
{
    /// <summary>Throws unless every input and target has values, and names tell several of them apart.</summary>
    /// <exception cref="ArgumentException">An input or a target is described wrongly.</exception>
    public static void Check(IDataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset.InputShapes, nameof(dataset));
        ArgumentNullException.ThrowIfNull(dataset.Targets, nameof(dataset));
        if (dataset.InputShapes.Count == 0)
            throw new ArgumentException("The data set has no input; it needs at least one.", nameof(dataset));
        foreach (InputShape input in dataset.InputShapes)
            input.Shape.ThrowIfDefault("The data set", nameof(dataset));
        foreach (TargetDescription target in dataset.Targets)
        {
            if (target.Length < 1)
                throw new ArgumentException("The data set does not describe its targets. Create each of its Targets "
                    + $"with {nameof(TargetDescription.OfClasses)}, {nameof(TargetDescription.OfClassesPerPixel)} or "
                    + $"{nameof(TargetDescription.OfValues)}.", nameof(dataset));
        }
        CheckNames("input", dataset.InputShapes.Select(input => input.Name));
        CheckNames("target", dataset.Targets.Select(target => target.Output));
    }

    /// <summary>Gets the index of the only tensor.</summary>
    /// <param name="what">The kind of tensor: <c>input</c> or <c>target</c>.</param>
    /// <param name="names">The names of all tensors of this kind.</param>
    /// <exception cref="InvalidOperationException">There are several, or none.</exception>
    public static int Only(string what, string?[] names) => names.Length switch
    {
        1 => 0,
        0 => throw new InvalidOperationException($"The data set has no {what}."),
        _ => throw new InvalidOperationException(
            $"The data set has {names.Length} {what}s, {string.Join(", ", names)}; get one by its name."),
    };

    /// <summary>Gets the index of a tensor by name.</summary>
    /// <param name="what">The kind of tensor: <c>input</c> or <c>target</c>.</param>
    /// <param name="names">The names of all tensors of this kind.</param>
    /// <param name="name">The name.</param>
    /// <exception cref="ArgumentException">There is no tensor with this name.</exception>
    public static int IndexOf(string what, string?[] names, string name)
    {
        int index = Array.IndexOf(names, name);
        return index >= 0 ? index : throw (names is [null]
            ? new ArgumentException($"The data set has one {what} without a name, not \"{Excerpt.Of(name)}\".")
            : NearMisses.NoSuch($"{what} of the data set", name, names.Select(known => known!)));
    }

    private static void CheckNames(string what, IEnumerable<string?> given)
    {
        string?[] names = [.. given];
        if (names.Length > 1 && names.Any(string.IsNullOrEmpty))
            throw new ArgumentException($"The data set has {names.Length} {what}s, and one has no name; "
                + "name each, as " + (what == "input" ? "(\"image\", shape)."
                    : $"(\"class\", {nameof(TargetDescription)}.{nameof(TargetDescription.OfClasses)}(10))."));
        if (names.GroupBy(name => name).FirstOrDefault(same => same.Count() > 1) is { Key: var twice })
            throw new ArgumentException($"The data set has two {what}s named \"{Excerpt.Of(twice!)}\"; names are "
                + "unique.");
    }
}

/// <summary>The memory of the inputs and targets of some samples.</summary>
internal sealed class SampleMemory
{
    private readonly float[][] _inputs, _values;
    private readonly int[][] _classes;
    private readonly int[] _inputLengths, _targetLengths, _allTargets;
    private readonly string?[] _inputNames, _targetNames;

    /// <summary>Allocates memory for a given number of samples.</summary>
    public SampleMemory(int samples, IReadOnlyList<InputShape> inputs, IReadOnlyList<TargetDescription> targets)
    {
        (_inputNames, _inputLengths) = ([.. inputs.Select(input => input.Name)],
            [.. inputs.Select(input => input.Shape.Length)]);
        (_targetNames, _targetLengths) = ([.. targets.Select(target => target.Output)],
            [.. targets.Select(target => target.Length)]);
        _inputs = [.. _inputLengths.Select(length => GC.AllocateUninitializedArray<float>(samples * length))];
        _classes = [.. targets.Select(target => new int[target.Kind == TargetKind.Values ? 0
            : samples * target.Length])];
        _values = [.. targets.Select(target => new float[target.Kind == TargetKind.Values ? samples * target.Length
            : 0])];
        _allTargets = [.. Enumerable.Range(0, targets.Count)];
        Samples = new int[samples];
    }

    /// <summary>The indices of the samples in the data set.</summary>
    public int[] Samples { get; }

    /// <summary>The index of the only input.</summary>
    /// <exception cref="InvalidOperationException">There are several.</exception>
    public int OnlyInput => SampleTensors.Only("input", _inputNames);

    /// <summary>The index of the only target.</summary>
    /// <exception cref="InvalidOperationException">There are several.</exception>
    public int OnlyTarget => SampleTensors.Only("target", _targetNames);

    public int InputIndex(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return SampleTensors.IndexOf("input", _inputNames, name);
    }

    public int TargetIndex(string output)
    {
        ArgumentNullException.ThrowIfNull(output);
        return SampleTensors.IndexOf("target", _targetNames, output);
    }

    public Span<float> Input(int input, int sample) => Of(_inputs[input], _inputLengths[input], sample, 1).Span;

    public Span<int> Classes(int target, int sample) => Of(_classes[target], _targetLengths[target], sample, 1).Span;

    public Span<float> Values(int target, int sample) => Of(_values[target], _targetLengths[target], sample, 1).Span;

    /// <summary>The first <paramref name="n"/> samples of an input.</summary>
    public ReadOnlyMemory<float> FirstInputs(int input, int n) => Of(_inputs[input], _inputLengths[input], 0, n);

    /// <summary>The class indices of the first <paramref name="n"/> samples; empty if the target is values.</summary>
    public ReadOnlyMemory<int> FirstClasses(int target, int n) => Of(_classes[target], _targetLengths[target], 0, n);

    /// <summary>The values of the first <paramref name="n"/> samples; empty if the target is classes.</summary>
    public ReadOnlyMemory<float> FirstValues(int target, int n) => Of(_values[target], _targetLengths[target], 0, n);

    /// <summary>The inputs of the first <paramref name="n"/> samples, in the form that a network takes.</summary>
    public BatchValues Inputs(int n) => _inputNames is [null]
        ? BatchValues.Of(FirstInputs(0, n).Span)
        : BatchValues.Of([.. _inputNames.Select((name, input) => (name!, FirstInputs(input, n)))]);

    /// <summary>Some targets of the first <paramref name="n"/> samples, in the form that a loss takes.</summary>
    /// <param name="n">The number of samples.</param>
    /// <param name="targets">The indices of the targets.</param>
    public Targets Targets(int n, params ReadOnlySpan<int> targets)
    {
        if (targets is [var only] && _targetNames[only] is null)
            return _classes[only].Length > 0 ? ConvNet.Targets.Of(FirstClasses(only, n).Span)
                : ConvNet.Targets.Of(FirstValues(only, n).Span);
        var named = new OutputTargets[targets.Length];
        for (int i = 0; i < named.Length; i++)
        {
            string output = _targetNames[targets[i]]!;
            named[i] = _classes[targets[i]].Length > 0 ? new OutputTargets(output, FirstClasses(targets[i], n))
                : new OutputTargets(output, FirstValues(targets[i], n));
        }
        return ConvNet.Targets.Of(named);
    }

    /// <summary>All targets of the first <paramref name="n"/> samples, in the form that the losses take.</summary>
    public Targets AllTargets(int n) => Targets(n, _allTargets);

    /// <summary>Fills the inputs of a sample with zeros.</summary>
    public void ClearInputs(int sample)
    {
        for (int i = 0; i < _inputs.Length; i++)
            Input(i, sample).Clear();
    }

    /// <summary>Fills the targets of a sample with zeros.</summary>
    public void ClearTargets(int sample)
    {
        for (int i = 0; i < _targetNames.Length; i++)
        {
            Classes(i, sample).Clear();
            Values(i, sample).Clear();
        }
    }

    /// <summary>Fills a sample with zeros.</summary>
    public void Clear(int sample)
    {
        ClearInputs(sample);
        ClearTargets(sample);
    }

    private static Memory<T> Of<T>(T[] values, int length, int sample, int n)
        => values.Length == 0 ? default : values.AsMemory(sample * length, n * length);
}
