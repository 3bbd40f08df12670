namespace ConvNet.GradientChecking;

/// <summary>Compares the gradients of a whole network in the double reference with derivatives of its loss that forward
/// passes compute in dual numbers.</summary>
/// <remarks>
/// A forward pass needs none of what the plan of a backward pass decides: how long values are kept, which memory is
/// used again, and how the gradients of several readers are summed. The gradients of all trained parameters and inputs
/// are compared together along each direction. After a mismatch, the wrong element is named.
/// </remarks>
/// <param name="graph">The graph.</param>
/// <param name="spec">How the graph is trained. The gradients of the inputs are compared too if it asks for
/// them.</param>
/// <param name="parameters">The values of the parameters, by parameter index.</param>
/// <param name="inputs">The values of the inputs, in the order of the graph's inputs.</param>
/// <param name="targets">The targets.</param>
internal sealed class NetworkDuals(Graph graph, TrainingSpec spec, float[][] parameters, float[][] inputs,
    KeptTargets targets)
{
    private const string Input = "gradient of input ", Parameter = "gradient of ";

    // A forward pass in dual numbers takes about a second for this many multiply-adds, and 16 bytes for each value.
    private const long MostMultiplyAdds = 1 << 28, MostParameters = 32_000_000;

    private readonly IReadOnlyList<Objective> _objectives = spec.Losses.For(graph);

    /// <summary>Why a network is not compared.</summary>
    public static readonly string TooLarge = $"a network of more than {MostMultiplyAdds:N0} multiply-adds for the "
        + $"batch or {MostParameters:N0} parameters takes too long in forward mode as a whole";

    /// <summary>Whether a network is small enough for a comparison in seconds: at most 2²⁸ multiply-adds for the batch
    /// and 32 million parameters.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="batchSize">The number of samples in a batch.</param>
    public static bool Takes(Graph graph, int batchSize)
        => batchSize * graph.LayerNodes.Sum(node => node.Layer!.MultiplyAdds(node.InputShapes)) <= MostMultiplyAdds
            && graph.Parameters.Sum(parameter => (long)parameter.Length) <= MostParameters;

    /// <summary>Runs the reference and compares.</summary>
    /// <param name="cancellation">Cancels the check between two passes of the network.</param>
    public TensorReport Check(CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        using var backend = new ManagedBackend();
        using ManagedPlan<double> plan = Forwarded<double>(backend, _ => { });
        plan.Loss(targets.Targets);
        plan.Backward();
        var frozen = FrozenParameters.Of(graph, spec);
        Node[] moved = [.. graph.Inputs.Where(input => !plan.InputGradient(input).IsEmpty)];
        Parameter[] trained = [.. graph.Parameters.Where(frozen.Trains)];
        NamedGradient[] gradients =
        [
            .. moved.Select(input => new NamedGradient($"{Input}{input.Name}", [.. plan.InputGradient(input)])),
            .. trained.Select(p => new NamedGradient($"{Parameter}{p.Name}", [.. plan.Gradient(p)])),
        ];
        Slope Along(double[][] direction)
        {
            using ManagedPlan<Dual> duals = Forwarded<Dual>(backend, plan => Seed(plan, moved, trained, direction));
            return LossOf(duals);
        }
        return new DirectionalCheck(gradients, spec.Seed, Along, cancellation).Run("all gradients");
    }

    // A new plan for each pass: the index of the pass keys random masks.
    private ManagedPlan<T> Forwarded<T>(ManagedBackend backend, Action<ManagedPlan<T>> prepare)
        where T : unmanaged, System.Numerics.IFloatingPointIeee754<T>
    {
        ManagedPlan<T> plan = backend.Compile<T>(graph, spec);
        foreach (Parameter p in graph.Parameters)
            plan.Write(p, parameters[p.Index]);
        prepare(plan);
        plan.Forward(BatchValues.InOrder(inputs));
        return plan;
    }

    private void Seed(ManagedPlan<Dual> plan, Node[] moved, Parameter[] trained, double[][] direction)
    {
        plan.OwnInputs = [.. graph.Inputs.Select((input, i)
            => Moved(inputs[i], Array.IndexOf(moved, input) is >= 0 and var at ? direction[at] : null))];
        for (int i = 0; i < trained.Length; i++)
            Moved(parameters[trained[i].Index], direction[moved.Length + i]).CopyTo(plan.Writable(trained[i]));
    }

    private static Dual[] Moved(float[] values, double[]? direction)
        => [.. values.Select((value, i) => new Dual(value, direction?[i] ?? 0))];

    // The outputs are read before the memory is used again, so the losses need not run within the plan.
    private Slope LossOf(ManagedPlan<Dual> plan)
    {
        double slope = 0, magnitude = 0;
        foreach (Objective objective in _objectives)
        {
            ReadOnlySpan<Dual> y = plan.Activation(objective.Output);
            double term = objective.Weight * objective.Loss.Evaluate(new LossFrame<Dual>(objective.Output.Shape, y,
                targets.Targets.For(objective.Output), new Dual[y.Length])).Derivative;
            slope += term;
            magnitude += Math.Abs(term);
        }
        return new Slope(slope, magnitude);
    }
}
