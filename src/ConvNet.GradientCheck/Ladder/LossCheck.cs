namespace ConvNet.GradientChecking;

/// <summary>Compares a loss with the reference, on the same output for every backend, and the reference with
/// derivatives by dual numbers.</summary>
/// <remarks>The loss follows an identity layer. The output then equals the input, and the gradient of the input is that
/// of the loss.</remarks>
internal sealed class LossCheck
{
    private const int WeightStream = 3;
    private const double LargestReal = 5;

    // The exponential of such a score overflows in double too.
    private const double LargestScore = 2_000;

    private readonly Loss _loss;
    private readonly Shape _shape;
    private readonly int _n, _largestWhole;
    private readonly ulong _seed;
    private readonly CancellationToken _cancellation;
    private readonly Graph _graph;
    private readonly Fill _fill, _other;
    private Given? _whole, _real, _weighted, _ignored, _large;

    private sealed record Given(float[] Output, KeptTargets Targets, LossTruth Truth);

    /// <summary>Prepares the check.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="classes">The number of outputs per sample.</param>
    /// <param name="options">The batch size, the seed and the largest integer.</param>
    public LossCheck(Loss loss, int classes, GradientCheckOptions options)
    {
        (_loss, _n, _largestWhole, _seed, _cancellation) = (loss, options.BatchSize, options.LargestInteger,
            options.Seed, options.Cancellation);
        _shape = ShapeOf(loss, classes);
        _graph = Sequential.Of(_shape, _shape.IsVector ? new Flatten() : new MaxPool2d(1));
        loss.CheckOutput(_graph.Output);
        (_fill, _other) = (new Fill(options.Seed), new Fill(options.Seed + 1));
    }

    /// <summary>The shape of the output on which a loss is checked. If the loss is for maps, it has several
    /// pixels and H ≠ W.</summary>
    public static Shape ShapeOf(Loss loss, int classes)
        => loss.IsForMaps ? new Shape(classes, 3, 5) : Shape.Vector(classes);

    /// <summary>The reason why the loss has no exact mode; null if it has one.</summary>
    public string? Rounds => _loss.Rounding(_shape, _n);

    /// <summary>Exact mode: compares on integers whose sums are far below 2²⁴, so that float32 is exact. Returns no
    /// report if the loss rounds.</summary>
    public IEnumerable<LayerReport> Exact(IReadOnlyList<IBackend> backends)
    {
        if (Rounds is not null)
            return [];
        Given given = _whole ??= Whole();
        return backends.Select(backend => Report(backend, CheckModes.Exact, given, ""));
    }

    /// <summary>Real-valued mode: compares within the error bounds of <see cref="LossBounds"/>.</summary>
    public IEnumerable<LayerReport> Real(IReadOnlyList<IBackend> backends)
        => Real(backends, _real ??= Uniform());

    /// <summary>Real-valued mode with a weight for each sample. The second sample has the weight 0, so it must not
    /// count.</summary>
    public IEnumerable<LayerReport> Weighted(IReadOnlyList<IBackend> backends)
        => Real(backends, _weighted ??= Weights());

    /// <summary>Real-valued mode with samples or pixels that are ignored. Returns no report if the loss ignores no
    /// label.</summary>
    public IEnumerable<LayerReport> Ignoring(IReadOnlyList<IBackend> backends)
        => _loss.IgnoredClass is null ? [] : Real(backends, _ignored ??= Ignored(), "ignored labels");

    /// <summary>Forward mode: compares the gradient of the reference with derivatives of the loss by dual numbers, on
    /// real numbers without and with weights and ignored labels, and on integers, where hinges meet exactly.</summary>
    public IEnumerable<LayerReport> ForwardMode()
    {
        yield return ForwardMode(_real ??= Uniform(), "");
        yield return ForwardMode(_weighted ??= Weights(), "sample weights");
        if (_loss.IgnoredClass is not null)
            yield return ForwardMode(_ignored ??= Ignored(), "ignored labels");
        yield return ForwardMode(_whole ??= Whole(), "whole numbers");
    }

    private LayerReport ForwardMode(Given given, string remark)
    {
        Slope Along(double[][] direction)
        {
            Dual[] output = [.. given.Output.Select((value, i) => new Dual(value, direction[0][i]))];
            double slope = _loss.Evaluate(new LossFrame<Dual>(_shape, output, given.Targets.Targets,
                new Dual[output.Length])).Derivative;
            return new Slope(slope, Math.Abs(slope));
        }
        TruthTensor gradient = given.Truth.Gradient;
        return new LayerReport(LayerReport.Reference, _loss.GetType().Name, "loss", CheckModes.ForwardMode,
            [new DirectionalCheck([new NamedGradient(gradient.Name, gradient.Values)], _seed, Along, _cancellation)
                .Run(gradient.Name)], remark);
    }

    /// <summary>Real-valued mode on outputs so large that their exponentials overflow.</summary>
    public IEnumerable<LayerReport> Large(IReadOnlyList<IBackend> backends)
        => Real(backends, _large ??= Uniform(largest: LargestScore), "large outputs");

    private IEnumerable<LayerReport> Real(IReadOnlyList<IBackend> backends, Given given, string values = "")
        => backends.Select(backend => Report(backend, CheckModes.Real, given, Remark(given, values)));

    private int TargetStream => _loss.Takes == TargetKind.Values ? 1 : 2;

    private Given Whole() => Whole(_fill, _n);

    private Given Whole(Fill fill, int n) => Make(fill.Integers(0, n * _shape.Length, _largestWhole),
        DrawnTargets.Whole(_loss, _shape, n, fill, TargetStream, _largestWhole));

    private Given Weights() => Uniform(targets => targets with
    {
        SampleWeights = [.. _fill.Uniform(WeightStream, _n, 1).Select((w, i) => i < 2 ? 1 - i : Math.Abs(w))],
    });

    // Every third label is ignored.
    private Given Ignored() => Uniform(targets => targets with
    {
        Classes = [.. targets.Classes!.Select((label, i) => i % 3 == 1 ? _loss.IgnoredClass!.Value : label)],
    });

    private Given Uniform(Func<KeptTargets, KeptTargets>? change = null, double largest = LargestReal)
    {
        KeptTargets targets = DrawnTargets.Real(_loss, _shape, _n, _fill, TargetStream);
        return Make(_fill.Uniform(0, _n * _shape.Length, largest), change is null ? targets : change(targets));
    }

    private static string Remark(Given given, string values)
    {
        string flips = given.Truth.Flips.Count == 0 ? ""
            : $"{given.Truth.Flips.Count} outputs are closer to the hinge than the error bound: either branch is "
                + "correct";
        string weights = given.Targets.SampleWeights is null ? "" : "sample weights";
        return string.Join("; ", ((string[])[values, weights, flips]).Where(part => part.Length > 0));
    }

    private Given Make(float[] output, KeptTargets targets)
        => new(output, targets, LossBounds.Evaluate(_loss, _shape, output, targets.Targets));

    private LayerReport Report(IBackend backend, CheckModes mode, Given given, string remark)
    {
        // Compiled for one sample more than the batch has: a mean must divide by the actual number of samples.
        using IExecutable executable =
            backend.Compile(_graph, new TrainingSpec(_n + 1, _loss, new Sgd()) { InputGradient = true });
        Given before = Whole(_other, _n + 1);
        Run(executable, before);
        (double value, float[] gradient) = Run(executable, given);
        (TruthTensor loss, TruthTensor truth) = (given.Truth.Loss, given.Truth.Gradient);
        string kind = _loss.GetType().Name;
        if (mode == CheckModes.Exact)
            return BackendVariant.Completed(new LayerReport(BackendVariant.NameOf(backend), kind, "loss", mode,
                [Comparison.Exactly([(float)value], loss), Comparison.Exactly(gradient, truth)]), backend);
        foreach (int flip in given.Truth.Flips)
            gradient[flip] = (float)truth.Values[flip];
        return BackendVariant.Completed(new LayerReport(BackendVariant.NameOf(backend), kind, "loss", mode,
            [Comparison.WithinBounds([(float)value], loss), Comparison.WithinBounds(gradient, truth)
                with { Flips = given.Truth.Flips.Count }], remark), backend);
    }

    private static (double Loss, float[] Gradient) Run(IExecutable executable, Given given)
    {
        executable.Forward(given.Output);
        double loss = executable.Loss(given.Targets.Targets);
        executable.Backward();
        var gradient = new float[given.Output.Length];
        executable.ReadInputGradient(gradient);
        return (loss, gradient);
    }
}
