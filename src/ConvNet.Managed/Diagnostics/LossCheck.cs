using System.Numerics;

namespace ConvNet.Diagnostics;

/// <summary>A loss on the same scores on every backend, against the reference.</summary>
/// <remarks>It runs behind a layer that only copies, so that the images are the scores and their gradient is the loss's.</remarks>
internal sealed class LossCheck
{
    private const int LargestWhole = 16;
    private const double LargestReal = 5;

    private readonly Loss _loss;
    private readonly int _classes, _n;
    private readonly Graph _graph;
    private readonly Fill _fill, _other;
    private Given? _whole, _real;

    private sealed record Given(float[] Scores, int[] Labels, float[] Targets, LossTruth Truth);

    /// <summary>Prepares the check.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="classes">Scores per sample.</param>
    /// <param name="options">The batch size and the seed.</param>
    public LossCheck(Loss loss, int classes, GradientCheckOptions options)
    {
        (_loss, _classes, _n) = (loss, classes, options.BatchSize);
        _graph = Sequential.Of(Shape.Vector(classes), new Flatten());
        (_fill, _other) = (new Fill(options.Seed), new Fill(options.Seed + 1));
    }

    /// <summary>Why there is no exact mode; null where there is.</summary>
    public string? Rounds => _loss switch
    {
        MulticlassSvm { Margin: var margin } when margin == MathF.Round(margin) && margin < LargestWhole => Divides(_n, "samples"),
        MeanSquaredError => Divides(_n * _classes, "scores"),
        _ => "its value and its gradient round in float32 on whole numbers",
    };

    /// <summary>Exact mode: whole numbers, whose sums are far from the 2²⁴ that float32 counts exactly; no report where the loss rounds.</summary>
    public IEnumerable<LayerReport> Exact(IReadOnlyList<IBackend> backends)
    {
        if (Rounds is not null)
            return [];
        Given given = _whole ??= Make(_fill, _n, (fill, stream) => fill.Integers(stream, _n * _classes, LargestWhole));
        return backends.Select(backend => Report(backend, CheckModes.Exact, given, ""));
    }

    /// <summary>Real-valued mode: the error bounds of <see cref="LossBounds"/>.</summary>
    public IEnumerable<LayerReport> Real(IReadOnlyList<IBackend> backends)
    {
        Given given = _real ??= Make(_fill, _n, (fill, stream) => fill.Uniform(stream, _n * _classes, stream == 0 ? LargestReal : 1));
        string remark = given.Truth.Flips.Count == 0 ? "" : $"{given.Truth.Flips.Count} scores at a hinge whose margin is below its error: either branch is right";
        return backends.Select(backend => Report(backend, CheckModes.Real, given, remark));
    }

    // The largest differences, squared and summed, must stay below 2²⁴ too.
    private string? Divides(int count, string what) => BitOperations.IsPow2(count) && _n * _classes <= (1 << 24) / (4 * LargestWhole * LargestWhole)
        ? null
        : $"the mean over {count} {what} rounds in float32";

    private Given Make(Fill fill, int n, Func<Fill, int, float[]> values)
    {
        float[] scores = values(fill, 0), targets = values(fill, 1);
        int[] labels = Array.ConvertAll(fill.Integers(2, n, _classes), v => (int)Math.Abs(v) % _classes);
        return new Given(scores, labels, targets, LossBounds.Evaluate(_loss, scores, labels, targets));
    }

    private LayerReport Report(IBackend backend, CheckModes mode, Given given, string remark)
    {
        // One sample more than are there: a mean divides by those that are.
        using IExecutable executable = backend.Compile(_graph, new TrainingSpec(_n + 1, _loss, new Sgd()) { InputGradient = true });
        Given before = Make(_other, _n + 1, (fill, stream) => fill.Integers(stream, (_n + 1) * _classes, LargestWhole));
        Run(executable, before);
        (double value, float[] gradient) = Run(executable, given);
        (TruthTensor loss, TruthTensor truth) = (given.Truth.Loss, given.Truth.Gradient);
        string kind = _loss.GetType().Name;
        if (mode == CheckModes.Exact)
            return new LayerReport(GradientCheck.NameOf(backend), kind, "loss", mode, [Comparison.Exactly([(float)value], loss), Comparison.Exactly(gradient, truth)]).ComparedOn(backend);
        foreach (int flip in given.Truth.Flips)
            gradient[flip] = (float)truth.Values[flip];
        return new LayerReport(GradientCheck.NameOf(backend), kind, "loss", mode,
            [Comparison.WithinBounds([(float)value], loss), Comparison.WithinBounds(gradient, truth) with { Flips = given.Truth.Flips.Count }], remark).ComparedOn(backend);
    }

    private (double Loss, float[] Gradient) Run(IExecutable executable, Given given)
    {
        executable.Forward(given.Scores);
        double loss = _loss.TakesLabels ? executable.Loss(given.Labels) : executable.Loss(given.Targets);
        executable.Backward();
        var gradient = new float[given.Scores.Length];
        executable.ReadInputGradient(gradient);
        return (loss, gradient);
    }
}
