using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Reads samples of a data set through transforms. Not thread-safe.</summary>
internal sealed class SampleReader
{
    // The key of a further reading of a sample in an epoch differs by a multiple of this odd number, 2^64 divided by
    // the golden ratio.
    private const ulong RepeatKey = 0x9E3779B97F4A7C15;

    private readonly IDataset _data;
    private readonly IReadOnlyList<TargetDescription> _targets;
    private readonly Chain[] _chains;
    private readonly float[][] _scratch;

    // The inputs before the transforms; null if there are none.
    private readonly SampleMemory? _raw;

    // The targets before classes become probabilities; null if they remain classes.
    private readonly SampleMemory? _hard;

    /// <summary>Creates a reader.</summary>
    /// <param name="data">The data set.</param>
    /// <param name="transforms">The transforms, in the order in which they are applied.</param>
    /// <param name="isSoft">Whether classes become probabilities.</param>
    /// <exception cref="ArgumentException">A transform does not accept the output of the one before it, or its input is
    /// not one of the data set; or a target has no probabilities.</exception>
    public SampleReader(IDataset data, IReadOnlyList<InputTransform> transforms, bool isSoft = false)
    {
        (_data, _targets) = (data, data.Targets);
        Targets = isSoft ? [.. _targets.Select(SoftTargets.Describe)] : [.. _targets];
        _hard = isSoft ? new SampleMemory(1, [], _targets) : null;
        InputShape[] inputs = [.. data.InputShapes];
        string?[] names = [.. inputs.Select(input => input.Name)];
        var steps = new List<Step>[inputs.Length];
        for (int i = 0; i < inputs.Length; i++)
            steps[i] = [];
        for (int i = 0; i < transforms.Count; i++)
            steps[InputOf(transforms[i], names)].Add(new Step(transforms[i].Transform, i));
        _chains = [.. inputs.Select((input, i) => new Chain(input.Shape, steps[i]))];
        Shapes = [.. inputs.Select((input, i) => input with { Shape = _chains[i].Shapes[^1] })];
        _raw = transforms.Count == 0 ? null : new SampleMemory(1, inputs, []);
        int most = _chains.SelectMany(chain => chain.Shapes).Max(shape => shape.Length);
        int between = _chains.Max(chain => chain.Steps.Count) - 1;
        _scratch = [.. Enumerable.Range(0, Math.Clamp(between, 0, 2)).Select(_ => new float[most])];
    }

    /// <summary>The shapes of the inputs after the transforms.</summary>
    public IReadOnlyList<InputShape> Shapes { get; }

    /// <summary>The descriptions of the targets that are read.</summary>
    public IReadOnlyList<TargetDescription> Targets { get; }

    /// <summary>Reads a sample.</summary>
    /// <param name="index">The index of the sample.</param>
    /// <param name="seed">The seed of the random transforms.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="memory">Receives the sample.</param>
    /// <param name="place">The place of the sample in the memory.</param>
    /// <param name="repeat">How often the sample has been read in this epoch before.</param>
    /// <exception cref="DatasetException">The data set or a transform threw, or a class is out of range.</exception>
    public void Read(int index, ulong seed, int epoch, SampleMemory memory, int place, int repeat = 0)
    {
        (SampleMemory inputs, int input) = _raw is null ? (memory, place) : (_raw, 0);
        (SampleMemory targets, int target) = _hard is null ? (memory, place) : (_hard, 0);
        // A sample must not depend on what was read before it.
        inputs.ClearInputs(input);
        targets.ClearTargets(target);
        try
        {
            _data.Read(index, new Sample(inputs, input, targets, target));
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new DatasetException(_data, index, error.Message, error);
        }
        for (int i = 0; i < _targets.Count; i++)
        {
            Span<int> classes = targets.Classes(i, target);
            if (_targets[i].FirstWrong(classes) is { } wrong)
                throw new DatasetException(_data, index, "its class"
                    + $"{(_targets[i].Output is { } output ? $" for \"{output}\"" : "")} is {classes[wrong]}, but the "
                    + Invariant($"classes are 0 to {_targets[i].Classes - 1}."));
        }
        for (int i = 0; _hard is not null && i < _targets.Count; i++)
            SoftTargets.Convert(_hard.Classes(i, 0), _hard.Values(i, 0), memory.Values(i, place));
        ulong key = unchecked(seed + (ulong)repeat * RepeatKey);
        for (int i = 0; _raw is not null && i < _chains.Length; i++)
            Transform(_chains[i], index, key, epoch, _raw.Input(i, 0), memory.Input(i, place));
    }

    private static int InputOf(InputTransform of, string?[] names)
    {
        if (of.Input is { } name)
            return SampleTensors.IndexOf("input", names, name);
        return names.Length == 1 ? 0 : throw new ArgumentException($"The data set has {names.Length} inputs, "
            + $"{string.Join(", ", names)}, but {of.Transform.GetType().Name} names none of them. Name one, as in "
            + $"(\"{names[0]}\", new {of.Transform.GetType().Name}(…)).");
    }

    private void Transform(Chain chain, int index, ulong seed, int epoch, ReadOnlySpan<float> raw, Span<float> input)
    {
        if (chain.Steps.Count == 0)
            raw.CopyTo(input);
        ReadOnlySpan<float> x = raw;
        for (int i = 0; i < chain.Steps.Count; i++)
        {
            (Transform transform, int number) = chain.Steps[i];
            Span<float> y = i == chain.Steps.Count - 1 ? input
                : _scratch[i % 2].AsSpan(0, chain.Shapes[i + 1].Length);
            y.Clear();
            try
            {
                transform.Apply(chain.Shapes[i], x, y, new RandomSequence(seed, RandomNodes.Transform + number,
                    epoch, index));
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                throw new DatasetException(_data, index, $"{transform.GetType().Name}: {error.Message}", error);
            }
            x = y;
        }
    }

    // A transform and its number among all transforms, which keys its random choices.
    private readonly record struct Step(Transform Transform, int Number);

    /// <summary>The transforms of one input.</summary>
    private sealed class Chain
    {
        public Chain(Shape input, IReadOnlyList<Step> steps)
        {
            Steps = steps;
            Shapes = new Shape[steps.Count + 1];
            Shapes[0] = input;
            for (int i = 0; i < steps.Count; i++)
            {
                Shapes[i + 1] = steps[i].Transform.Infer(Shapes[i]);
                Shapes[i + 1].ThrowIfDefault(steps[i].Transform.GetType().Name, "transforms");
            }
        }

        public IReadOnlyList<Step> Steps { get; }

        /// <summary>The shape before each transform, and after the last one.</summary>
        public Shape[] Shapes { get; }
    }
}
