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
    private readonly cn_gradients[] _native = GC.AllocateArray<cn_gradients>(1, pinned: true);
    private readonly Slot _dw;
    private readonly Slot? _db;
    private readonly ParameterStore _parameters;
    private readonly Parameter _weights;
    private readonly Parameter? _bias;
    private float _weightRate, _biasRate;

    /// <summary>Initialises the weight gradient of a layer with trainable weights and an optional bias.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="layer">The primitive of the layer.</param>
    public WeightGradient(ParameterStore parameters, Primitive layer)
    {
        Node node = layer.Operation.Node;
        (_parameters, _weights) = (parameters, node.Parameters[0]);
        _dw = parameters.Gradient(_weights);
        _bias = layer.BiasWithWeights && node.Parameters.Count > 1 && parameters.Trains(node.Parameters[1])
            ? node.Parameters[1]
            : null;
        _db = _bias is null ? null : parameters.Gradient(_bias);
        Bias = _bias is null ? null : parameters.Values(_bias);
        StepsInside = layer.StepsInside && !parameters.KeepsGradients;
        Slots = StepsInside ? [parameters.Values(_weights), Bias] : [_dw, _db];
        _native[0] = new cn_gradients();
    }

    /// <summary>The values of the bias whose gradient the same kernel computes. Null if there is none.</summary>
    public Slot? Bias { get; }

    /// <summary>Whether a training step runs the optimiser as part of the weight gradient.</summary>
    public bool StepsInside { get; }

    /// <summary>All slots that a training step reads or writes.</summary>
    public Slot?[] Slots { get; }

    /// <summary>The number of floats that the optimiser step accesses in addition to the slots: the values once more,
    /// and the optimiser state twice.</summary>
    public long UpdateFloats
        => StepsInside ? Slots.Sum(slot => slot?.Floats ?? 0) * (1 + 2 * _parameters.StateNames) : 0;

    /// <summary>Takes the addresses of the parameters and their options, after they have been assigned.</summary>
    public void Bind()
    {
        if (!StepsInside)
            return;
        ref cn_gradients native = ref _native[0];
        native.optimizer = _parameters.Kernel;
        native.weights = _parameters.Describe(_weights);
        native.bias = _bias is null ? default : _parameters.Describe(_bias);
        (_weightRate, _biasRate) = (native.weights.learning_rate, native.bias.learning_rate);
    }

    /// <summary>Returns what a run does with the gradients. Valid until the next run.</summary>
    public cn_gradients* For(in Run run)
    {
        // The elements of a pinned array do not move.
        fixed (cn_gradients* native = _native)
        {
            if (StepsInside && run.Inside is { } inside)
            {
                native->operations = cn_gradient_operations.CN_UPDATE;
                native->optimizer.step = inside.Number;
                native->weights.learning_rate = inside.LearningRate * _weightRate;
                native->bias.learning_rate = inside.LearningRate * _biasRate;
            }
            else
            {
                native->operations = cn_gradient_operations.CN_STORE;
                native->dw = _dw.Pointer;
                native->db = _db.Address();
            }
            return native;
        }
    }
}
