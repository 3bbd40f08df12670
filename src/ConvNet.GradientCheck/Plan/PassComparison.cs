namespace ConvNet.GradientChecking;

/// <summary>Compares every tensor of a traced pass with the reference of the operation that computed it.</summary>
/// <param name="facts">What the pass ran on.</param>
/// <param name="results">Receives the comparisons.</param>
/// <param name="numbers">The whole numbers that the pass was given; null for a pass over real numbers.</param>
/// <param name="suffix">What is special about the pass, as <c>, 22 samples</c>.</param>
/// <param name="backward">The part of the plan that runs backward.</param>
internal sealed class PassComparison(PassFacts facts, PlanResults results, WholeNumbers? numbers, string suffix,
    PlanPart backward = PlanPart.Backward)
{
    private readonly Dictionary<TracedOperation, (OperationReference Exact, OperationReference Bounded)> _references
        = facts.Pass.Outline.Operations.ToDictionary(operation => operation, operation
            => (new OperationReference(facts, operation, exact: true),
                new OperationReference(facts, operation, exact: false)));

    private CheckModes Mode => numbers is null ? CheckModes.PlanReal : CheckModes.PlanExact;

    /// <summary>Compares the outputs.</summary>
    /// <param name="part">The part of the plan.</param>
    public void Outputs(PlanPart part)
    {
        var judged = facts.Pass.Outline.Operations.AsParallel().AsOrdered()
            .Where(operation => facts.Pass.Of(operation).Output is not null)
            .Select(operation => (operation, Judged(operation, "y", facts.Pass.Of(operation).Output!, SumPass.Forward,
                reference => reference.Output())));
        foreach ((TracedOperation operation, (TensorReport report, bool exact)) in judged.ToArray())
        {
            Add(operation, part, report, exact);
            SeenTensors seen = facts.Pass.Of(operation);
            if (seen is { Again: { } again, Output: not null })
                Add(operation, backward, Comparison.Exactly(again,
                    TruthTensor.Rounded($"y recomputed{suffix}", Array.ConvertAll(seen.Output, v => (double)v))), true);
        }
    }

    /// <summary>Compares the running statistics and other buffers.</summary>
    /// <param name="read">Reads a buffer after the pass.</param>
    public void Buffers(Func<Parameter, float[]> read)
    {
        foreach (TracedOperation operation in facts.Pass.Outline.Operations)
        {
            IReadOnlyList<Parameter> parameters = operation.Node.Parameters;
            for (int i = 0; i < parameters.Count; i++)
            {
                if (!parameters[i].Trainable && Reference(operation).Buffer(i) is { } truth)
                    Add(operation, PlanPart.Forward, Comparison.WithinBounds(read(parameters[i]),
                        truth.Named($"{LastName(parameters[i])}{suffix}")), false);
            }
        }
    }

    /// <summary>Compares the gradients between the operations.</summary>
    /// <param name="losses">The gradients of the losses, by the node whose tensor they belong to.</param>
    public void Gradients(ILookup<Node, KnownTensor> losses)
    {
        foreach (TracedOperation operation in facts.Pass.Outline.Operations)
        {
            SeenTensors seen = facts.Pass.Of(operation);
            if (seen.Gradient is not null)
                Gradient(operation.Output, seen.Gradient, [.. losses[operation.Output]], operation, seen);
        }
    }

    /// <summary>Compares the gradient of an input of the graph.</summary>
    public void InputGradient(Node input, float[] got, ILookup<Node, KnownTensor> losses)
        => Gradient(input, got, [.. losses[input]], null, null);

    /// <summary>Compares the gradients of the parameters.</summary>
    /// <param name="read">Reads a gradient after the pass.</param>
    /// <param name="trains">Whether a parameter has a gradient.</param>
    /// <param name="before">The gradients that this pass was added to; null if it overwrote them.</param>
    public void ParameterGradients(Func<Parameter, float[]> read, Func<Parameter, bool> trains,
        IReadOnlyDictionary<Parameter, float[]>? before)
    {
        foreach (TracedOperation operation in facts.Pass.Outline.Operations)
        {
            IReadOnlyList<Parameter> parameters = operation.Node.Parameters;
            for (int i = 0; i < parameters.Count; i++)
            {
                Parameter parameter = parameters[i];
                if (!trains(parameter) || !Reference(operation).RunsBackward || !CoversWeightGradient(operation))
                    continue;
                int index = i;
                KnownTensor Truth(OperationReference reference) => before is null
                    ? reference.ParameterGradient(index)
                    : KnownTensor.SumOf([reference.ParameterGradient(index), KnownTensor.Copied(before[parameter])]);
                (TensorReport report, bool exact) = Judged(operation, GradientName(parameter), read(parameter),
                    i == 0 ? SumPass.WeightGradient : null, Truth);
                Add(operation, backward, report, exact);
            }
        }
    }

    private OperationReference Reference(TracedOperation operation) => numbers is null
        ? _references[operation].Bounded : _references[operation].Exact;

    private bool CoversInputGradient(TracedOperation operation)
        => numbers is null || numbers.CoversInputGradient(operation.Node);

    private bool CoversWeightGradient(TracedOperation operation) => numbers is null || numbers.CoversWeightGradient(
        DeclaredAccuracy.Grain(facts.AlgorithmOf(operation.Node, SumPass.WeightGradient)));

    private void Gradient(Node source, float[] got, KnownTensor[] losses, TracedOperation? producer, SeenTensors? seen)
    {
        TensorUse[] uses = [.. facts.Pass.Outline.UsesOf(source)
            .Where(use => _references[use.Operation].Bounded.RunsBackward)];
        if (uses.Any(use => use.Position == 0 && !CoversInputGradient(use.Operation)))
            return;
        KnownTensor Truth(Func<TensorUse, OperationReference> reference)
        {
            MapBlock[]? blocks = uses.Select(use => reference(use).BlocksOf(use.Position)).FirstOrDefault(of
                => of is not null);
            KnownTensor[] parts = [.. losses, .. uses.Select(use
                => reference(use).InputGradient(use.Position, use.Input, blocks))];
            KnownTensor sum = parts.Length == 0 ? KnownTensor.Exact(new double[got.Length]) : KnownTensor.SumOf(parts);
            return seen is { IsSloped: true } && !uses.Any(use => AppliesSlopeBefore(use.Operation))
                ? Sloped(sum, producer!, seen) : sum;
        }
        KnownTensor Bounded() => Truth(use => _references[use.Operation].Bounded);
        KnownTensor truth = Truth(use => Reference(use.Operation));
        // Where one part has a bound, the others may not be exact either.
        (TensorReport report, bool exact) = Judged("", got, truth.IsExact ? truth : Bounded(),
            () => uses.All(use => use.Position > 0
                || _references[use.Operation].Exact.IsProvenExact(SumPass.InputGradient)),
            Bounded);
        if (uses.Length == 1 && losses.Length == 0)
        {
            (TracedOperation reader, int position, int input) = uses[0];
            string name = position > 0 || reader.Node.Inputs.Count > 1
                ? $"dx of {reader.Nodes[position].Inputs[input].Name}" : "dx";
            Add(reader, backward, report with { Name = name + suffix }, exact);
            return;
        }
        string sum = string.Join(" + ", uses.Select(use => use.Operation.Nodes[use.Position].Name)
            .Concat(losses.Select(_ => "loss")));
        if (producer is not null)
            Add(producer, PlanPart.Loss, report with { Name = $"dy = {sum}{suffix}" }, exact);
        else
            results.Add(source.Name, "input", backward, Mode, report with { Name = $"dx = {sum}{suffix}" }, exact);
        foreach (TensorUse use in Counts(exact) ? uses : [])
            results.Credit($"{use.Operation}", backward, report, exact);
    }

    // A max pool may multiply its gradient by the slope of the activation before it, where there are fewer elements.
    private bool AppliesSlopeBefore(TracedOperation operation)
        => facts.Pass.Of(operation).IsSloped && ActivationOf(operation) is null;

    private static FusableActivation? ActivationOf(TracedOperation operation)
        => operation.Nodes.Select(node => node.Layer).OfType<FusableActivation>().LastOrDefault();

    private KnownTensor Sloped(KnownTensor dy, TracedOperation operation, SeenTensors seen)
    {
        FusableActivation activation = ActivationOf(operation) ?? ActivationOf(facts.Pass.Outline
            .ProducerOf(facts.Pass.Outline.Source(operation.Node.Inputs[0]))!)!;
        float[] ones = new float[dy.Values.Length];
        Array.Fill(ones, 1);
        double[] slope = TailReference.SlopeTimes(activation, Array.ConvertAll(seen.UsedOutput!, v => (double)v), ones);
        bool rounds = activation.Accuracy != Accuracy.Moves;
        double rounding = BoundedSum.UnitRoundoff * (rounds ? TailReference.Roundings : 1);
        double[] Times(double[] values) => [.. values.Select((v, i) => v * slope[i])];
        double[] values = Times(dy.Values);
        double[]? Errors(double[]? errors) => errors is null && !rounds ? null
            : [.. values.Select((v, i) => Math.Abs((errors?[i] ?? 0) * slope[i]) + rounding * Math.Abs(v))];
        return new(values, Errors(dy.Bounds), Errors(dy.Ceilings));
    }

    private (TensorReport Report, bool Exact) Judged(TracedOperation operation, string name, float[] got, SumPass? pass,
        Func<OperationReference, KnownTensor> truth)
    {
        (OperationReference exact, OperationReference bounded) = _references[operation];
        return Judged(name + suffix, got, truth(Reference(operation)),
            () => exact.IsProvenExact(pass), () => truth(bounded));
    }

    // Where the whole numbers turn out to be too large for float32, the error bound decides.
    private static (TensorReport Report, bool Exact) Judged(string name, float[] got, KnownTensor truth,
        Func<bool> isProvenExact, Func<KnownTensor> bounded)
    {
        if (!truth.IsExact)
            return (Comparison.WithinBounds(got, truth.Named(name)), false);
        TensorReport report = Comparison.Exactly(got, truth.Named(name));
        return report.Failed == 0 || isProvenExact() ? (report, true)
            : (Comparison.WithinBounds(got, bounded().Named(name)), false);
    }

    // Whole numbers that nobody replaces grow to values that no training has. Only what is exact on them is compared.
    private bool Counts(bool exact) => exact || numbers is not { Replaces: false };

    private void Add(TracedOperation operation, PlanPart part, TensorReport report, bool exact)
    {
        if (Counts(exact))
            results.Add($"{operation}", operation.Node.Layer!.Kind, part, Mode, report, exact);
    }

    private static string GradientName(Parameter parameter) => LastName(parameter) switch
    {
        "weight" => "dw",
        "bias" => "db",
        var name => $"d{name}",
    };

    private static string LastName(Parameter parameter) => parameter.Name[(parameter.Node.Name.Length + 1)..];
}
