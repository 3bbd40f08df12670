using ConvNet.Native.Interop;

namespace ConvNet.Native.Steps;

/// <summary>Where the gradients of a layer's parameters go: to their memory, into a step of the optimiser, or to both.</summary>
internal sealed unsafe class WeightGradient
{
    private readonly Slot _dw;
    private readonly Slot? _db;
    private readonly bool _stepsInside, _kept;
    private readonly cn_update _update;

    /// <summary>Finds the memory of a layer with weights and perhaps a bias.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="layer">The primitive of the layer.</param>
    public WeightGradient(ParameterStore parameters, Primitive layer)
    {
        Node node = layer.Operation.Node;
        _dw = parameters.Gradient(node.Parameters[0]);
        _db = node.Parameters.Count > 1 ? parameters.Gradient(node.Parameters[1]) : null;
        (_stepsInside, _kept) = (layer.StepsInside, parameters.KeepsGradients);
        _update = parameters.UpdateOf(node);
        Slot?[] stored = _kept || !_stepsInside ? [_dw, _db] : [];
        Slots = [.. stored, .. _stepsInside ? node.Parameters.Select(parameters.Values) : []];
    }

    /// <summary>All that a training step reads or writes.</summary>
    public Slot?[] Slots { get; }

    /// <summary>Whether the optimiser runs inside.</summary>
    public bool StepsInside => _stepsInside;

    /// <summary>Where a run stores the gradient of the weights; null where it does not.</summary>
    public float* DW(in Run run) => Stores(run) ? _dw.Pointer : null;

    /// <summary>Where a run stores the gradient of the bias; null where it does not, or there is none.</summary>
    public float* DB(in Run run) => Stores(run) ? _db.Address() : null;

    /// <summary>The step of a run; whether there is one, <see cref="Updates"/> says.</summary>
    public cn_update Update(in Run run) => _update with { learning_rate = run.LearningRate ?? 0 };

    /// <summary>Whether a run takes the step.</summary>
    public bool Updates(in Run run) => _stepsInside && run.LearningRate is not null;

    private bool Stores(in Run run) => _kept || !Updates(run);
}
