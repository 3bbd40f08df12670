namespace ConvNet.GradientChecking;

/// <summary>The part of a plan to which a comparison belongs.</summary>
internal enum PlanPart
{
    /// <summary>The forward pass.</summary>
    Forward,

    /// <summary>The backward pass that keeps its gradients.</summary>
    Backward,

    /// <summary>The backward pass with the update inside, of a training that keeps no gradients.</summary>
    Inside,

    /// <summary>The losses and their gradients.</summary>
    Loss,

    /// <summary>The optimiser step.</summary>
    Update,

    /// <summary>Inference.</summary>
    Inference,
}

/// <summary>Collects the comparisons of one backend.</summary>
/// <param name="backend">The name of the backend.</param>
internal sealed class PlanResults(string backend)
{
    private readonly Dictionary<(string Operation, string Kind, CheckModes Mode), List<TensorReport>> _tensors = [];
    private readonly Dictionary<(string Operation, PlanPart Part), (long Exact, long Bounded)> _counts = [];

    /// <summary>Adds a comparison.</summary>
    /// <param name="operation">The nodes of the operation.</param>
    /// <param name="kind">The kind of its layer.</param>
    /// <param name="part">The part of the plan that computed the tensor.</param>
    /// <param name="mode">The mode.</param>
    /// <param name="report">The comparison.</param>
    /// <param name="exact">Whether no error was allowed.</param>
    public void Add(string operation, string kind, PlanPart part, CheckModes mode, TensorReport report, bool exact)
    {
        if (!_tensors.TryGetValue((operation, kind, mode), out List<TensorReport>? tensors))
            _tensors.Add((operation, kind, mode), tensors = []);
        tensors.Add(report);
        (long exactly, long bounded) = _counts.GetValueOrDefault((operation, part));
        _counts[(operation, part)] = exact ? (exactly + report.Elements, bounded)
            : (exactly, bounded + report.Elements);
    }

    /// <summary>Counts a comparison for another operation that took part in it.</summary>
    public void Credit(string operation, PlanPart part, TensorReport report, bool exact)
    {
        (long exactly, long bounded) = _counts.GetValueOrDefault((operation, part));
        _counts[(operation, part)] = exact ? (exactly + report.Elements, bounded)
            : (exactly, bounded + report.Elements);
    }

    /// <summary>The number of values compared of a part of an operation.</summary>
    public (long Exact, long Bounded) CountOf(string operation, PlanPart part)
        => _counts.GetValueOrDefault((operation, part));

    /// <summary>The number of values compared of a part of all operations.</summary>
    public (long Exact, long Bounded) CountOf(PlanPart part) => _counts.Where(each => each.Key.Part == part)
        .Aggregate((Exact: 0L, Bounded: 0L), (sum, each) => (sum.Exact + each.Value.Exact,
            sum.Bounded + each.Value.Bounded));

    /// <summary>The reports, in which every suspect value is decided.</summary>
    /// <remarks>A sum may exceed its probable bound although it is right. If the same tensor of the same operation
    /// passes with tolerance zero, only the roundings were unlucky; otherwise it is wrong.</remarks>
    public IReadOnlyList<LayerReport> Reports() => [.. _tensors.Select(each => new LayerReport(backend,
        each.Key.Operation, each.Key.Kind, each.Key.Mode,
        [.. each.Value.Select(tensor => Decided(each.Key.Operation, each.Key.Kind, tensor))]))];

    private TensorReport Decided(string operation, string kind, TensorReport tensor)
        => tensor.Suspects == 0 || Passes(operation, kind, Name(tensor)) ? tensor
            : tensor with { Failed = tensor.Failed + tensor.Suspects, Suspects = 0 };

    private bool Passes(string operation, string kind, string name)
        => _tensors.TryGetValue((operation, kind, CheckModes.PlanExact), out List<TensorReport>? tensors)
            && tensors.Any(tensor => Name(tensor) == name && tensor.Elements > 0)
            && tensors.TrueForAll(tensor => Name(tensor) != name || tensor is { Failed: 0, WorstInBounds: 0 });

    // The names of later passes of a tensor add what was special about them.
    private static string Name(TensorReport tensor) => tensor.Name.Split(',')[0];
}
