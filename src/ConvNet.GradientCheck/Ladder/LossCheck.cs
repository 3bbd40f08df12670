using System.Numerics;

namespace ConvNet.GradientChecking;

/// <summary>Compares a loss with the reference, on the same output for every backend, and the reference with
/// derivatives by dual numbers.</summary>
/// <remarks>The loss follows an identity layer. The output then equals the input, and the gradient of the input is that
/// of the loss.</remarks>
internal sealed class LossCheck
{
    private const int LargestWhole = 16;
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
    private Given? _whole, _real, _weighted, _large;

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
        (_fill, _other) = (new Fill(options.Seed), new Fill(options.Seed + 1));
    }

    /// <summary>The shape of the output on which a loss is checked. If every pixel has a target, the map has several
    /// pixels and H ≠ W.</summary>
    public static Shape ShapeOf(Loss loss, int classes)
        => loss.Takes == TargetKind.ClassesPerPixel ? new Shape(classes, 3, 5) : Shape.Vector(classes);

    /// <summary>The reason why the loss has no exact mode; null if it has one.</summary>
    public string? Rounds => Rounding(_loss, _shape, _n);

    /// <summary>Returns the reason why a loss is rounded on whole numbers; null if it is not.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="output">The shape of the output for one sample.</param>
    /// <param name="n">The number of samples.</param>
    public static string? Rounding(Loss loss, Shape output, int n) => loss switch
    {
        MulticlassSvm { Margin: var margin } when margin == MathF.Round(margin) && margin < LargestWhole
            => Divides(n, "samples", n * output.Length),
        MeanSquaredError => Divides(n * output.Length, "outputs", n * output.Length),
        _ => "its value and its gradient are rounded in float32 even on integers",
    };

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
        => Real(backends, _real ??= Uniform(null));

    /// <summary>Real-valued mode with a weight for each sample. The second sample has the weight 0, so it must not
    /// count.</summary>
    public IEnumerable<LayerReport> Weighted(IReadOnlyList<IBackend> backends)
        => Real(backends, _weighted ??= Weights());

    /// <summary>Forward mode: compares the gradient of the reference with derivatives of the loss by dual numbers, on
    /// real numbers without and with weights, and on integers, where hinges meet exactly.</summary>
    public IEnumerable<LayerReport> ForwardMode()
    {
        yield return ForwardMode(_real ??= Uniform(null), "");
        yield return ForwardMode(_weighted ??= Weights(), "sample weights");
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
        => Real(backends, _large ??= Uniform(null, LargestScore), "large outputs");

    private IEnumerable<LayerReport> Real(IReadOnlyList<IBackend> backends, Given given, string values = "")
        => backends.Select(backend => Report(backend, CheckModes.Real, given, Remark(given, values)));

    private Given Whole()
        => Make(_fill, _n, (fill, stream) => fill.Integers(stream, _n * _shape.Length, _largestWhole));

    private Given Weights()
        => Uniform([.. _fill.Uniform(3, _n, 1).Select((w, i) => i < 2 ? 1 - i : Math.Abs(w))]);

    private Given Uniform(float[]? weights, double largest = LargestReal)
        => Make(_fill, _n, (fill, stream) => fill.Uniform(stream, _n * _shape.Length, stream == 0 ? largest : 1),
            weights);

    private static string Remark(Given given, string values)
    {
        string flips = given.Truth.Flips.Count == 0 ? ""
            : $"{given.Truth.Flips.Count} outputs are closer to the hinge than the error bound: either branch is "
                + "correct";
        string weights = given.Targets.SampleWeights is null ? "" : "sample weights";
        return string.Join("; ", ((string[])[values, weights, flips]).Where(part => part.Length > 0));
    }

    // The sum of the squares of the largest differences must stay below 2²⁴ too.
    private static string? Divides(int count, string what, int outputs) => BitOperations.IsPow2(count) && outputs
        <= (1 << 24) / (4 * LargestWhole * LargestWhole)
        ? null
        : $"the mean of {count} {what} is rounded in float32";

    private Given Make(Fill fill, int n, Func<Fill, int, float[]> values, float[]? weights = null)
    {
        float[] output = values(fill, 0);
        KeptTargets targets = _loss.Takes == TargetKind.Values
            ? new KeptTargets(null, values(fill, 1), weights)
            : new KeptTargets(fill.Labels(2, n * _loss.TargetsPerSample(_shape), _shape.C), null, weights);
        return new Given(output, targets, LossBounds.Evaluate(_loss, _shape, output, targets.Targets));
    }

    private LayerReport Report(IBackend backend, CheckModes mode, Given given, string remark)
    {
        // Compiled for one sample more than the batch has: a mean must divide by the actual number of samples.
        using IExecutable executable =
            backend.Compile(_graph, new TrainingSpec(_n + 1, _loss, new Sgd()) { InputGradient = true });
        Given before =
            Make(_other, _n + 1, (fill, stream) => fill.Integers(stream, (_n + 1) * _shape.Length, _largestWhole));
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
