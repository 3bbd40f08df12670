using ConvNet.Serialization;
using static System.FormattableString;

namespace ConvNet;

/// <content>Gradients between the backward pass and the step, and the training state.</content>
public abstract partial class Executable
{
    // As in PyTorch: avoids a division by zero if the norm is 0.
    private const double NormFloor = 1e-6;

    /// <inheritdoc/>
    public void WriteGradient(Parameter parameter, ReadOnlySpan<float> values)
    {
        using Hold hold = Enter();
        CheckParameter(parameter, values.Length, nameof(values));
        CheckTraining();
        CheckHasGradient(parameter);
        CheckHasGradients(nameof(WriteGradient));
        WriteGradientCore(parameter, values);
    }

    /// <inheritdoc/>
    public void ScaleGradients(float factor)
    {
        using Hold hold = Enter();
        CheckHasGradients(nameof(ScaleGradients));
        if (!float.IsFinite(factor))
            throw new ArgumentOutOfRangeException(nameof(factor),
                Invariant($"The factor of the gradients is {factor}; it must be a finite number."));
        ScaleGradientsCore(factor);
    }

    /// <inheritdoc/>
    public double ClipGradientNorm(float maxNorm)
    {
        using Hold hold = Enter();
        CheckHasGradients(nameof(ClipGradientNorm));
        CheckClip(maxNorm, nameof(maxNorm));
        double squares = 0;
        foreach (Parameter parameter in Graph.Parameters.Where(Frozen.Trains))
        {
            squares += GradientSquaresCore(parameter);
            if (!double.IsFinite(squares))
                throw new ArithmeticException(
                    $"The gradient of {parameter.Name} contains NaN or infinity, so the norm of the gradients is not "
                    + "finite. They are unchanged. Skip this step, or lower the learning rate.");
        }
        double norm = Math.Sqrt(squares), factor = maxNorm / (norm + NormFloor);
        if (factor < 1)
            ScaleGradientsCore((float)factor);
        return norm;
    }

    /// <inheritdoc/>
    public void ClipGradientValue(float maxValue)
    {
        using Hold hold = Enter();
        CheckHasGradients(nameof(ClipGradientValue));
        CheckClip(maxValue, nameof(maxValue));
        ClampGradientsCore(maxValue);
    }

    /// <inheritdoc/>
    public TrainingState SaveState()
    {
        using Hold hold = Enter();
        CheckTraining();
        CheckWritten();
        var tensors = new List<NamedTensor>();
        foreach (Parameter parameter in Graph.Parameters)
        {
            var values = new float[parameter.Length];
            ReadCore(parameter, values);
            tensors.Add(new NamedTensor(parameter.Name, parameter.Dimensions, values));
        }
        foreach ((Parameter parameter, int index, string name) in States())
        {
            tensors.Add(new NamedTensor(name, parameter.Dimensions, [.. StateOf(parameter, index)]));
        }
        return new TrainingState(_steps, _nextPass, tensors)
        {
            Frozen = [.. Frozen.In(Graph).Select(p => p.Name)],
        };
    }

    /// <inheritdoc/>
    public void LoadState(TrainingState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        using Hold hold = Enter();
        CheckTraining();
        FrozenParameters frozen = FrozenOf(state);
        Dictionary<string, NamedTensor> tensors = CheckState(state);
        ChangeFrozen(frozen);
        foreach (Parameter parameter in Graph.Parameters)
            WriteCore(parameter, tensors[parameter.Name].Values);
        _restingState.Clear();
        foreach ((Parameter parameter, int index, string name) in States())
        {
            if (frozen.Trains(parameter))
                WriteStateCore(parameter, index, tensors[name].Values, state.Step);
            else
                RestingState(parameter)[index] = [.. tensors[name].Values];
        }
        _unwritten.Clear();
        (_steps, _nextPass) = (state.Step, state.Pass);
        ForgetPass();
    }

    /// <summary>Writes the gradient of a parameter.</summary>
    protected abstract void WriteGradientCore(Parameter parameter, ReadOnlySpan<float> values);

    /// <summary>Computes the sum of the squares of a gradient in double precision.</summary>
    /// <param name="parameter">The parameter.</param>
    protected abstract double GradientSquaresCore(Parameter parameter);

    /// <summary>Multiplies all gradients by a factor in place.</summary>
    /// <param name="factor">The factor, a finite number.</param>
    protected abstract void ScaleGradientsCore(float factor);

    /// <summary>Clamps all gradient values to ±<paramref name="most"/> in place; NaN is preserved.</summary>
    /// <param name="most">The limit, above 0.</param>
    protected abstract void ClampGradientsCore(float most);

    /// <summary>Reads one component of the optimiser's state of a parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="index">The index in <see cref="Optimizer.StateNames"/>.</param>
    /// <param name="values">The values, in the order of the parameter's dimensions.</param>
    protected abstract void ReadStateCore(Parameter parameter, int index, Span<float> values);

    /// <summary>Writes one component of the optimiser's state of a parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="index">The index in <see cref="Optimizer.StateNames"/>.</param>
    /// <param name="values">The values, in the order of the parameter's dimensions.</param>
    /// <param name="steps">The number of steps made, for an optimiser that counts them itself.</param>
    protected abstract void WriteStateCore(Parameter parameter, int index, ReadOnlySpan<float> values, long steps);

    private float[][] RestingState(Parameter parameter)
    {
        if (!_restingState.TryGetValue(parameter, out float[][]? resting))
            _restingState[parameter] = resting = new float[Spec!.Optimizer.StateNames.Count][];
        return resting;
    }

    private void CheckHasGradients(string what)
    {
        CheckTraining();
        if (!_hasGradients)
            throw new InvalidOperationException(
                $"{what} needs gradients. Call Backward first; TrainStep with KeepGradients: false leaves none.");
    }

    private static void CheckClip(float most, string name)
    {
        if (most is not (> 0 and < float.PositiveInfinity))
            throw new ArgumentOutOfRangeException(name,
                Invariant($"The limit of the gradients is {most}; it must be a finite number above 0."));
    }

    private IEnumerable<(Parameter Parameter, int Index, string Name)> States()
        => from parameter in Graph.Parameters
           where parameter.Trainable
           from state in Spec!.Optimizer.StateNames.Select((name, index) => (name, index))
           select (parameter, state.index, TrainingState.NameOf(parameter, state.name));

    private FrozenParameters FrozenOf(TrainingState state)
    {
        Dictionary<string, Parameter> trainable = Graph.Parameters.Where(p => p.Trainable)
            .ToDictionary(p => p.Name, StringComparer.Ordinal);
        return Frozen.With(state.Frozen.Select(name => trainable.GetValueOrDefault(name)
            ?? throw new ArgumentException(
                $"The state freezes \"{Excerpt.Of(name)}\", but the graph has no trainable parameter of that name. "
                + "Compile the graph that the state was saved with."
                + NearMisses.Question(name, trainable.Keys), nameof(state))));
    }

    // Checks everything before anything is written.
    private Dictionary<string, NamedTensor> CheckState(TrainingState state)
    {
        if (state.Step < 0 || state.Pass < 0)
            throw new ArgumentException($"The state has step {state.Step} and pass {state.Pass}; both must be at "
                + "least 0.",
                nameof(state));
        var tensors = new Dictionary<string, NamedTensor>(StringComparer.Ordinal);
        foreach (NamedTensor tensor in state.Tensors)
        {
            if (!tensors.TryAdd(tensor.Name, tensor))
                throw new ArgumentException($"The state contains \"{Excerpt.Of(tensor.Name)}\" twice.", nameof(state));
        }
        Dictionary<string, Parameter> wanted = Graph.Parameters.ToDictionary(p => p.Name, StringComparer.Ordinal);
        foreach ((Parameter parameter, _, string name) in States())
            wanted.Add(name, parameter);
        string optimizer = Spec!.Optimizer.GetType().Name;
        foreach ((string name, Parameter parameter) in wanted)
        {
            if (!tensors.TryGetValue(name, out NamedTensor? tensor))
                throw new ArgumentException(
                    $"The state does not contain \"{name}\": it was saved with another graph, or with another "
                    + $"optimiser than {optimizer}. Compile with the graph and the optimiser that it was saved with."
                    + NearMisses.Question(name, tensors.Keys), nameof(state));
            if (tensor.Values.Length != parameter.Length || !tensor.Dimensions.SequenceEqual(parameter.Dimensions))
                throw new ArgumentException(
                    Invariant($"\"{name}\" of the state is {Excerpt.OfSizes(tensor.Dimensions)} with ")
                    + Invariant($"{tensor.Values.Length:N0} values, but {parameter} has {parameter.Length:N0}. ")
                    + "Compile the graph that the state was saved with.",
                    nameof(state));
        }
        if (tensors.Keys.FirstOrDefault(name => !wanted.ContainsKey(name)) is { } unknown)
            throw new ArgumentException(
                $"The state contains \"{Excerpt.Of(unknown)}\", which belongs neither to the graph nor to {optimizer}. "
                + "Compile with the graph and the optimiser that it was saved with."
                + NearMisses.Question(unknown, wanted.Keys), nameof(state));
        return tensors;
    }
}
