namespace ConvNet.Diagnostics;

/// <summary>An executable whose results are spoilt when they are read.</summary>
/// <remarks>A second executable of the same backend computes what the first would have with other images or another gradient.</remarks>
internal sealed class FaultyExecutable(FaultyBackend backend, Fault fault, IExecutable inner, IExecutable other) : IExecutable, IDeclaresAlgorithms
{
    private const int Trials = 100;

    private readonly Random _random = new(fault.Seed);
    private readonly Dictionary<Parameter, float[]> _gradients = [], _gradientsBefore = [];
    private float[] _images = [], _outputGradient = [], _scores = [], _scoresBefore = [], _inputGradient = [], _inputGradientBefore = [];

    public Graph Graph => inner.Graph;

    public int BatchSize => inner.BatchSize;

    public TrainingSpec? Spec => inner.Spec;

    public SumAlgorithm AlgorithmOf(Node node, SumPass pass) => (inner as IDeclaresAlgorithms)?.AlgorithmOf(node, pass) ?? SumAlgorithm.Direct;

    private int N => _images.Length / Graph.Input.Shape.Length;

    public void Forward(ReadOnlySpan<float> images)
    {
        inner.Forward(images);
        _images = images.ToArray();
        (_scoresBefore, _scores) = (_scores, new float[N * Graph.Output.Shape.Length]);
        inner.ReadScores(_scores);
    }

    public double Loss(ReadOnlySpan<int> labels) => inner.Loss(labels);

    public double Loss(ReadOnlySpan<float> targets) => inner.Loss(targets);

    public void Backward(bool accumulate = false)
    {
        inner.Backward(accumulate);
        KeepGradients([]);
    }

    public void Backward(ReadOnlySpan<float> outputGradient, bool accumulate = false)
    {
        inner.Backward(outputGradient, accumulate);
        KeepGradients(outputGradient);
    }

    public void Step(float learningRate) => inner.Step(learningRate);

    public double TrainStep(ReadOnlySpan<float> images, ReadOnlySpan<int> labels, float learningRate) => inner.TrainStep(images, labels, learningRate);

    public double TrainStep(ReadOnlySpan<float> images, ReadOnlySpan<float> targets, float learningRate) => inner.TrainStep(images, targets, learningRate);

    public void Infer(ReadOnlySpan<float> images, Span<float> scores) => inner.Infer(images, scores);

    public void ReadScores(Span<float> scores)
    {
        inner.ReadScores(scores);
        if (fault.Target != FaultTarget.Output)
            return;
        Shape shape = Graph.Output.Shape;
        Spoil(scores, _scoresBefore, [N, shape.C, shape.H, shape.W], (images, _) =>
        {
            var result = new float[_scores.Length];
            other.Forward(images);
            other.ReadScores(result);
            return result;
        });
    }

    public void ReadInputGradient(Span<float> values)
    {
        inner.ReadInputGradient(values);
        if (fault.Target != FaultTarget.InputGradient)
            return;
        Shape shape = Graph.Input.Shape;
        Spoil(values, _inputGradientBefore, [N, shape.C, shape.H, shape.W], (images, gradient) =>
        {
            var result = new float[_inputGradient.Length];
            other.Forward(images);
            other.Backward(gradient);
            other.ReadInputGradient(result);
            return result;
        });
    }

    public void ReadGradient(Parameter parameter, Span<float> values)
    {
        inner.ReadGradient(parameter, values);
        if (fault.Target != (parameter.Role == ParameterRole.Bias ? FaultTarget.BiasGradient : FaultTarget.WeightGradient))
            return;
        Spoil(values, _gradientsBefore.GetValueOrDefault(parameter, []), parameter.Dimensions, (images, gradient) =>
        {
            var result = new float[parameter.Length];
            other.Forward(images);
            other.Backward(gradient);
            other.ReadGradient(parameter, result);
            return result;
        });
    }

    public void Read(Parameter parameter, Span<float> values) => inner.Read(parameter, values);

    public void Write(Parameter parameter, ReadOnlySpan<float> values) => inner.Write(parameter, values);

    public void Dispose()
    {
        inner.Dispose();
        other.Dispose();
    }

    private void KeepGradients(ReadOnlySpan<float> outputGradient)
    {
        _outputGradient = outputGradient.ToArray();
        foreach (Parameter parameter in Graph.Parameters.Where(p => p.Trainable))
        {
            if (_gradients.TryGetValue(parameter, out float[]? before))
                _gradientsBefore[parameter] = before;
            _gradients[parameter] = new float[parameter.Length];
            inner.ReadGradient(parameter, _gradients[parameter]);
        }
        if (Spec is not { InputGradient: true })
            return;
        (_inputGradientBefore, _inputGradient) = (_inputGradient, new float[_images.Length]);
        inner.ReadInputGradient(_inputGradient);
    }

    /// <summary>Puts the fault into a result.</summary>
    /// <param name="values">The result, changed.</param>
    /// <param name="before">The same result of the pass before.</param>
    /// <param name="dimensions">Its sizes, the outermost first.</param>
    /// <param name="compute">Computes it from other images and another gradient of the output.</param>
    private void Spoil(Span<float> values, float[] before, IReadOnlyList<int> dimensions, Func<float[], float[], float[]> compute)
    {
        float[] right = values.ToArray(), wrong = fault.Kind switch
        {
            FaultKind.TailDropped => [.. right[..((right.Length - 1) / 8 * 8)], .. new float[right.Length - (right.Length - 1) / 8 * 8]],
            FaultKind.PaddingOffByOne when fault.Target == FaultTarget.InputGradient => Shifted(right),
            FaultKind.PaddingOffByOne => With(Shifted(_images), _outputGradient, compute),
            FaultKind.BiasMissing => WithoutBias(compute),
            FaultKind.StaleGradient => [.. right.Select((v, i) => i < before.Length ? v + before[i] : v)],
            FaultKind.FactorOfTwo => [.. right.Select(v => 2 * v)],
            FaultKind.AllZero => new float[right.Length],
            FaultKind.SwappedStride => Transposed(right, dimensions),
            FaultKind.TermLeftOut => TermLeftOut(right, compute),
            FaultKind.NeighbourTaken => AtOnePlace(right, i => right[(i + 1) % right.Length]),
            FaultKind.SignFlipped => AtOnePlace(right, i => -right[i]),
            _ => right,
        };
        for (int i = 0; i < right.Length; i++)
            backend.Injected += wrong[i] != right[i] ? 1 : 0;
        wrong.CopyTo(values);
    }

    private float[] With(float[] images, float[] outputGradient, Func<float[], float[], float[]> compute)
    {
        inner.CopyParametersTo(other);
        return compute(images, outputGradient);
    }

    private float[] WithoutBias(Func<float[], float[], float[]> compute)
    {
        inner.CopyParametersTo(other);
        foreach (Parameter bias in Graph.Parameters.Where(p => p.Role == ParameterRole.Bias))
            other.Write(bias, new float[bias.Length]);
        return compute(_images, _outputGradient);
    }

    // A result without what one image value, or one value of the output's gradient, adds to it.
    private float[] TermLeftOut(float[] right, Func<float[], float[], float[]> compute)
    {
        float[] source = fault.Target == FaultTarget.Output ? _images : _outputGradient;
        for (int trial = 0; trial < Trials && source.Length > 0; trial++)
        {
            int left = _random.Next(source.Length);
            float[] without = [.. source];
            without[left] = 0;
            float[] result = fault.Target == FaultTarget.Output ? With(without, _outputGradient, compute) : With(_images, without, compute);
            int[] places = [.. Enumerable.Range(0, right.Length).Where(i => result[i] != right[i])];
            if (places.Length == 0)
                continue;
            int place = places[_random.Next(places.Length)];
            float[] wrong = [.. right];
            wrong[place] = result[place];
            return wrong;
        }
        return right;
    }

    private float[] AtOnePlace(float[] right, Func<int, float> wrongAt)
    {
        int[] places = [.. Enumerable.Range(0, right.Length).Where(i => wrongAt(i) != right[i])];
        if (places.Length == 0)
            return right;
        float[] wrong = [.. right];
        int place = places[_random.Next(places.Length)];
        wrong[place] = wrongAt(place);
        return wrong;
    }

    // One column to the left within every row of the images; a 0 comes in from the right.
    private float[] Shifted(float[] images)
    {
        int width = Graph.Input.Shape.W;
        return [.. images.Select((_, i) => (i + 1) % width == 0 ? 0 : images[i + 1])];
    }

    // The two innermost sizes above 1, with the strides of each other.
    private static float[] Transposed(float[] right, IReadOnlyList<int> dimensions)
    {
        int[] sizes = [.. dimensions.Where(size => size > 1).TakeLast(2)];
        if (sizes.Length < 2)
            return right;
        (int rows, int columns) = (sizes[0], sizes[1]);
        return [.. right.Select((_, i) => right[i / (rows * columns) * rows * columns + i % columns * rows + i / columns % rows])];
    }
}
