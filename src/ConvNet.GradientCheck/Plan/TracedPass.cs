namespace ConvNet.GradientChecking;

/// <summary>The tensors of one operation in one pass: as computed, and as their readers saw them.</summary>
internal sealed class SeenTensors
{
    /// <summary>The output as computed; null if it was not shown.</summary>
    public float[]? Output { get; set; }

    /// <summary>The output as its readers saw it.</summary>
    public float[]? UsedOutput { get; set; }

    /// <summary>The output as computed again for the backward pass; null if it was not.</summary>
    public float[]? Again { get; set; }

    /// <summary>The gradient of the output as computed; null if it was not shown.</summary>
    public float[]? Gradient { get; set; }

    /// <summary>The gradient as the operation read it.</summary>
    public float[]? UsedGradient { get; set; }

    /// <summary>Whether the gradient includes the slope of the operation's activation.</summary>
    public bool IsSloped { get; set; }
}

/// <summary>Records a pass and gives its operations other values where asked to.</summary>
/// <param name="outline">The operations of the pass.</param>
/// <param name="inputs">The values of the graph's inputs.</param>
/// <param name="n">The number of samples.</param>
/// <param name="replacement">The values to give to the readers of a tensor; null to leave it.</param>
internal sealed class TracedPass(PlanOutline outline, Dictionary<Node, float[]> inputs, int n,
    Func<TracedOperation, TracedKind, float[]?>? replacement = null)
{
    private readonly Dictionary<TracedOperation, SeenTensors> _seen
        = outline.Operations.ToDictionary(operation => operation, _ => new SeenTensors());

    /// <summary>The operations.</summary>
    public PlanOutline Outline => outline;

    /// <summary>The number of samples.</summary>
    public int N => n;

    /// <summary>Returns the tensors of an operation.</summary>
    public SeenTensors Of(TracedOperation operation) => _seen[operation];

    /// <summary>Returns the values of a tensor as its readers saw them.</summary>
    public float[] Value(Node node)
    {
        Node source = outline.Source(node);
        return outline.ProducerOf(source) is { } producer
            ? Of(producer).UsedOutput ?? throw new InvalidOperationException($"{producer} showed no output.")
            : inputs[source];
    }

    /// <summary>Receives the tensors of the pass.</summary>
    public bool Show(TracedTensor tensor)
    {
        SeenTensors seen = Of(tensor.Operation);
        float[] computed = tensor.Values.ToArray();
        float[]? other = tensor.IsReplaceable ? Replacement(tensor.Operation, tensor.Kind, seen) : null;
        switch (tensor.Kind)
        {
            case TracedKind.Output:
                (seen.Output, seen.UsedOutput) = (computed, other ?? computed);
                break;
            case TracedKind.RecomputedOutput:
                seen.Again = computed;
                break;
            default:
                (seen.Gradient, seen.UsedGradient) = (computed, other ?? computed);
                seen.IsSloped = tensor.Kind == TracedKind.GradientBeforeActivation;
                break;
        }
        other?.CopyTo(tensor.Values);
        return other is not null;
    }

    private float[]? Replacement(TracedOperation operation, TracedKind kind, SeenTensors seen)
        => kind != TracedKind.RecomputedOutput ? replacement?.Invoke(operation, kind)
            : seen.UsedOutput == seen.Output ? null : seen.UsedOutput;
}
