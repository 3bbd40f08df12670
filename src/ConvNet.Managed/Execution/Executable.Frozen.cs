namespace ConvNet;

/// <content>Freezing and unfreezing of parameters.</content>
public abstract partial class Executable
{
    // The optimiser's state of frozen parameters that were trained before.
    private Dictionary<Parameter, float[][]> _restingState = [];

    /// <summary>The parameters that get no gradient and are not updated, and the layers that are frozen.</summary>
    protected FrozenParameters Frozen { get; private set; }

    /// <inheritdoc/>
    public bool IsFrozen(Parameter parameter)
    {
        using Hold hold = Enter();
        CheckOwn(parameter);
        return Frozen.Contains(parameter);
    }

    /// <inheritdoc/>
    public void Freeze(params IEnumerable<Parameter> parameters)
    {
        using Hold hold = Enter();
        ChangeFrozen(Frozen.With(Frozen.In(Graph).Concat(Checked(parameters))));
    }

    /// <inheritdoc/>
    public void Unfreeze(params IEnumerable<Parameter> parameters)
    {
        using Hold hold = Enter();
        ChangeFrozen(Frozen.With(Frozen.In(Graph).Except(Checked(parameters))));
    }

    /// <summary>Replans the executable for another set of frozen parameters. If it throws, nothing is
    /// changed.</summary>
    /// <remarks>
    /// Parameters and buffers are preserved, and so is the optimiser's state of parameters that are trained before and
    /// after. The state of parameters that are no longer frozen is zero. Nothing else needs to be preserved.
    /// </remarks>
    /// <param name="frozen">The new set of frozen parameters.</param>
    /// <param name="buckets">The new buckets of gradients.</param>
    protected abstract void ChangeFrozenCore(FrozenParameters frozen,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets);

    /// <summary>Creates the exception for freezing or unfreezing parameters during a recording.</summary>
    internal static InvalidOperationException RecordedMeanwhile()
        => new("The executable is being recorded, and freezing would change what is recorded. Dispose the recording "
            + "first.");

    private Parameter[] Checked(IEnumerable<Parameter> parameters)
    {
        CheckTraining();
        ArgumentNullException.ThrowIfNull(parameters);
        Parameter[] all = [.. parameters];
        foreach (Parameter parameter in all)
        {
            CheckOwn(parameter);
            if (!parameter.Trainable)
                throw new ArgumentException(
                    $"{parameter.Name} is a buffer and cannot be frozen by itself. It does not change while all "
                    + "trainable "
                    + $"parameters of {parameter.Node.Name} are frozen: pass those, or the node.", nameof(parameters));
        }
        return all;
    }

    private void ChangeFrozen(FrozenParameters frozen)
    {
        if (frozen.IsSameAs(Frozen))
            return;
        var resting = new Dictionary<Parameter, float[][]>(_restingState);
        int names = Spec!.Optimizer.StateNames.Count;
        foreach (Parameter parameter in frozen.In(Graph).Where(Frozen.Trains))
            resting[parameter] = [.. Enumerable.Range(0, names).Select(index => StateOf(parameter, index))];
        IReadOnlyList<IReadOnlyList<Parameter>> buckets = GradientBuckets.Of(Graph, frozen, Spec);
        ChangeFrozenCore(frozen, buckets);
        (Frozen, _restingState, Buckets) = (frozen, resting, buckets);
        foreach (Parameter parameter in Graph.Parameters.Where(Frozen.Trains))
        {
            if (!resting.Remove(parameter, out float[][]? state))
                continue;
            for (int index = 0; index < names; index++)
                WriteStateCore(parameter, index, state[index], _steps);
        }
        ForgetPass();
    }

    private float[] StateOf(Parameter parameter, int index)
    {
        if (_restingState.TryGetValue(parameter, out float[][]? resting))
            return resting[index];
        // The state of a parameter that has never been trained is zero.
        var values = new float[parameter.Length];
        if (Frozen.Trains(parameter))
            ReadStateCore(parameter, index, values);
        return values;
    }

    private void ForgetPass()
    {
        (_phase, _hasGradients, _hasInputGradient, _hasLosses, _tookBack) = (Phase.Idle, false, false, false, false);
        (_changedBy, _cannotAdd, _buffersWritten) = (null, null, false);
    }

    // Throws unless the parameter has a gradient that can be read or written.
    private void CheckHasGradient(Parameter parameter)
    {
        if (!parameter.Trainable)
            throw new ArgumentException($"{parameter.Name} is a buffer and has no gradient. Pass a trainable "
                + "parameter.",
                nameof(parameter));
        if (Frozen.Contains(parameter))
            throw new InvalidOperationException(
                $"{parameter.Name} is frozen, so no gradient is computed for it. Unfreeze it, then call Forward and "
                + "Backward.");
        if (Frozen.IsWithoutLoss(parameter))
            throw new InvalidOperationException(
                $"{parameter.Name} has no gradient, because no loss depends on it. Compile with a loss for an output "
                + "that depends on it.");
    }
}
