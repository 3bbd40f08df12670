using ConvNet.Native.Interop;

namespace ConvNet.Native.Steps;

/// <summary>The destination of the gradients of a layer's parameters: memory, or an optimiser step that reads them from
/// cache.</summary>
/// <remarks>
/// Gradients that are kept are stored, and the optimiser step runs separately. Storing them with non-temporal stores
/// and reading them once more takes less time than an optimiser step that also writes them.
/// </remarks>
internal sealed unsafe class WeightGradient
{
    private readonly Slot _dw;
    private readonly Slot? _db;
    private readonly ParameterStore _parameters;
    private readonly Node _node;
    private readonly Parameter? _bias;
    private cn_update _update;

    /// <summary>Initialises the weight gradient of a layer with trainable weights and an optional bias.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="layer">The primitive of the layer.</param>
    public WeightGradient(ParameterStore parameters, Primitive layer)
    {
        Node node = layer.Operation.Node;
        (_parameters, _node) = (parameters, node);
        _dw = parameters.Gradient(node.Parameters[0]);
        _bias = layer.BiasWithWeights && node.Parameters.Count > 1 && parameters.Trains(node.Parameters[1])
            ? node.Parameters[1]
            : null;
        _db = _bias is null ? null : parameters.Gradient(_bias);
        StepsInside = layer.StepsInside && !parameters.KeepsGradients;
        Slots = !StepsInside ? [_dw, _db] : _bias is null ? [parameters.Values(node.Parameters[0])]
            : [parameters.Values(node.Parameters[0]), parameters.Values(_bias)];
    }

    /// <summary>Whether a training step runs the optimiser as part of the weight gradient.</summary>
    public bool StepsInside { get; }

    /// <summary>All slots that a training step reads or writes.</summary>
    public Slot?[] Slots { get; }

    /// <summary>The number of floats that the optimiser step accesses in addition to the slots: the values once more,
    /// and the optimiser state twice.</summary>
    public long UpdateFloats => StepsInside ? Slots.Sum(slot => slot!.Floats) * (1 + 2 * _parameters.StateNames) : 0;

    /// <summary>Looks up the addresses of the parameters, after they have been assigned.</summary>
    public void Bind() => _update = StepsInside ? _parameters.UpdateOf(_node.Parameters[0], _bias) : default;

    /// <summary>Returns whether a run includes the optimiser step.</summary>
    public bool Updates(in Run run) => StepsInside && run.Inside is not null;

    /// <summary>Returns the optimiser step of a run. Valid only if the run includes it.</summary>
    public cn_update Update(in Run run)
    {
        cn_update update = _update;
        StepInside inside = run.Inside ?? default;
        update.optimizer.step = inside.Number;
        update.weights.learning_rate = inside.LearningRate * update.weights.learning_rate;
        update.bias.learning_rate = inside.LearningRate * update.bias.learning_rate;
        return update;
    }

    /// <summary>Returns where a run stores the gradient of the weights, or null if it does not store it.</summary>
    public float* DW(in Run run) => Updates(run) ? null : _dw.Pointer;

    /// <summary>Returns where a run stores the gradient of the bias. Null if it does not store it, or there is no bias
    /// or another step computes its gradient.</summary>
    public float* DB(in Run run) => Updates(run) ? null : _db.Address();
}
