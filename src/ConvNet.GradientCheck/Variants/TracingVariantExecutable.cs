namespace ConvNet.GradientChecking;

/// <summary>Runs a graph with several thread counts, and shows the tensors between the operations of the first. The
/// variant compares those of the others with them.</summary>
/// <remarks>Values that the callback replaces are replaced with every thread count. A tensor that the plan for the
/// first thread count does not have is not compared.</remarks>
/// <param name="variant">The variant.</param>
/// <param name="executables">The executables, one for each thread count. All implement
/// <see cref="ITraces"/>.</param>
internal sealed class TracingVariantExecutable(BackendVariant variant, IExecutable[] executables)
    : VariantExecutable(variant, executables), ITraces
{
    private readonly BackendVariant _variant = variant;
    private readonly ITraces[] _traced = [.. executables.Cast<ITraces>()];
    private readonly Dictionary<(Node Output, TracedKind Kind), (float[] Values, float[]? Replaced)> _first = [];
    private bool _isCompared;

    public IReadOnlyList<TracedOperation> TrainingOperations => _traced[0].TrainingOperations;

    public IReadOnlyList<TracedOperation> InferenceOperations => _traced[0].InferenceOperations;

    public TraceCallback? Trace
    {
        get;
        set
        {
            _traced[0].Trace = value is null ? null : tensor => Show(tensor, value);
            for (int i = 1; i < _traced.Length; i++)
            {
                int index = i;
                _traced[i].Trace = value is null ? null : tensor => Compare(tensor, index);
            }
            field = value;
        }
    }

    private bool Show(TracedTensor tensor, TraceCallback show)
    {
        // The other thread counts have run the pass whose tensors are kept.
        if (_isCompared)
            _first.Clear();
        _isCompared = false;
        float[] values = [.. tensor.Values];
        bool replaces = show(tensor);
        _first[(tensor.Operation.Output, tensor.Kind)] = (values, replaces ? [.. tensor.Values] : null);
        return replaces;
    }

    private bool Compare(TracedTensor tensor, int index)
    {
        _isCompared = true;
        if (!_first.TryGetValue((tensor.Operation.Output, tensor.Kind), out (float[] Values, float[]? Replaced) first))
            return false;
        _variant.Compare($"{Word(tensor.Kind)} of {tensor.Operation}", index, first.Values, tensor.Values);
        first.Replaced?.CopyTo(tensor.Values);
        return first.Replaced is not null;
    }

    private static string Word(TracedKind kind) => kind switch
    {
        TracedKind.Output => "y",
        TracedKind.RecomputedOutput => "recomputed y",
        TracedKind.Gradient => "dy",
        _ => "dy·f′(y)",
    };
}
