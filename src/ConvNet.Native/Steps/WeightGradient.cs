using ConvNet.Native.Interop;

namespace ConvNet.Native.Steps;

/// <summary>Where the gradients of a layer's parameters go: to their memory, or from cache into a step of the
/// optimiser.</summary>
/// <remarks>
/// Gradients that are kept are stored, and step apart: storing them past the caches and reading them once more takes
/// less time than a step that has to write them as well.
/// </remarks>
internal sealed unsafe class WeightGradient
{
    private readonly Slot _dw;
    private readonly Slot? _db;
    private readonly ParameterStore _parameters;
    private readonly Node _node;
    private cn_update _update;

    /// <summary>Finds the memory of a layer with weights, which train, and perhaps a bias.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="layer">The primitive of the layer.</param>
    public WeightGradient(ParameterStore parameters, Primitive layer)
    {
        Node node = layer.Operation.Node;
        (_parameters, _node) = (parameters, node);
        _dw = parameters.Gradient(node.Parameters[0]);
        _db = node.Parameters.Count > 1 && parameters.Trains(node.Parameters[1])
            ? parameters.Gradient(node.Parameters[1])
            : null;
        StepsInside = layer.StepsInside && !parameters.KeepsGradients;
        Slots = StepsInside ? [.. node.Parameters.Where(parameters.Trains).Select(parameters.Values)] : [_dw, _db];
    }

    /// <summary>Whether a training step runs the optimiser inside.</summary>
    public bool StepsInside { get; }

    /// <summary>All that a training step reads or writes.</summary>
    public Slot?[] Slots { get; }

    /// <summary>Floats that the step inside reads and writes besides the slots: the values once more, and the
    /// optimiser's state twice.</summary>
    public long UpdateFloats => StepsInside ? Slots.Sum(slot => slot!.Floats) * (1 + 2 * _parameters.StateNames) : 0;

    /// <summary>Finds the parameters in memory, once every slot has its place.</summary>
    public void Bind() => _update = StepsInside ? _parameters.UpdateOf(_node) : default;

    /// <summary>Whether this run takes the step.</summary>
    public bool Updates(in Run run) => StepsInside && run.Inside is not null;

    /// <summary>The step of this run, where it takes one.</summary>
    public cn_update Update(in Run run)
    {
        cn_update update = _update;
        StepInside inside = run.Inside ?? default;
        update.optimizer.step = inside.Number;
        update.weights.learning_rate = inside.LearningRate * update.weights.learning_rate;
        update.bias.learning_rate = inside.LearningRate * update.bias.learning_rate;
        return update;
    }

    /// <summary>Where this run stores the gradient of the weights; null where it does not.</summary>
    public float* DW(in Run run) => Updates(run) ? null : _dw.Pointer;

    /// <summary>Where this run stores the gradient of the bias; null where it does not, or there is none.</summary>
    public float* DB(in Run run) => Updates(run) ? null : _db.Address();
}
