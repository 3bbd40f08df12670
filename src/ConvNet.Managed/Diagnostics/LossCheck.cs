namespace ConvNet.Diagnostics;

/// <summary>A loss on the same scores on every backend, against the reference.</summary>
internal static class LossCheck
{
    /// <summary>Runs the loss behind a layer that only copies, so that the images are the scores and their gradient is the loss's.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="classes">Scores per sample.</param>
    /// <param name="backends">The backends.</param>
    /// <param name="options">How to check.</param>
    public static IEnumerable<LayerReport> Check(Loss loss, int classes, IReadOnlyList<IBackend> backends, GradientCheckOptions options)
    {
        Graph graph = Sequential.Of(Shape.Vector(classes), new Flatten());
        int n = options.BatchSize;
        var fill = new Fill(options.Seed);
        float[] scores = fill.Uniform(0, n * classes, 5), targets = fill.Uniform(1, n * classes, 1);
        int[] labels = Array.ConvertAll(fill.Integers(2, n, classes), v => (int)Math.Abs(v) % classes);
        LossTruth truth = LossBounds.Evaluate(loss, scores, labels, targets);
        string kind = loss.GetType().Name;
        string remark = truth.Flips.Count == 0 ? "" : $"{truth.Flips.Count} scores at a hinge whose margin is below its error: either branch is right";
        foreach (IBackend backend in backends)
        {
            // One sample more than are there: a mean divides by those that are.
            using IExecutable executable = backend.Compile(graph, new TrainingSpec(n + 1, loss, new Sgd()) { InputGradient = true });
            executable.Forward(scores);
            double value = loss.TakesLabels ? executable.Loss(labels) : executable.Loss(targets);
            executable.Backward();
            var gradient = new float[scores.Length];
            executable.ReadInputGradient(gradient);
            foreach (int flip in truth.Flips)
                gradient[flip] = (float)truth.Gradient.Values[flip];
            yield return new LayerReport(GradientCheck.NameOf(backend), kind, "loss", CheckModes.Real,
                [Comparison.WithinBounds([(float)value], truth.Loss), Comparison.WithinBounds(gradient, truth.Gradient) with { Flips = truth.Flips.Count }], remark).ComparedOn(backend);
        }
    }
}
