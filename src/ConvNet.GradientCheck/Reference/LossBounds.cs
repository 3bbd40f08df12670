namespace ConvNet.GradientChecking;

/// <summary>The value of a loss for given outputs, with its float32 error bound.</summary>
/// <param name="Loss">The mean loss, a single value.</param>
/// <param name="Gradient">The gradient of the output.</param>
/// <param name="Flips">The outputs whose gradient may have either of two values, because the margin of a hinge is
/// smaller than its error.</param>
internal sealed record LossTruth(TruthTensor Loss, TruthTensor Gradient, IReadOnlySet<int> Flips);

/// <summary>Error bounds of a float32 loss and its gradient relative to double: those that the loss derives, or else 8
/// times the error of a float32 run, as for layers of which only the reference is known.</summary>
internal static class LossBounds
{
    private const double U = BoundedSum.UnitRoundoff;

    /// <summary>Computes the loss and its gradient in double, with their bounds.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="output">The shape of the output for one sample.</param>
    /// <param name="y">The outputs, N×C×H×W.</param>
    /// <param name="targets">The targets.</param>
    public static LossTruth Evaluate(Loss loss, Shape output, float[] y, Targets targets)
    {
        double[] wide = Array.ConvertAll(y, v => (double)v), gradient = new double[y.Length],
            bounds = new double[y.Length];
        var frame = new LossFrame<double>(output, wide, targets, gradient);
        double value = loss.Evaluate(frame);
        var flips = new HashSet<int>();
        var derived = new LossErrorBounds(frame, value, bounds, flips);
        double error = loss.DeriveBounds(ref derived) ? derived.ValueBound : Measured(loss, y, value, frame, bounds);
        // The sum of the weights and the product with a weight add a few roundings.
        if (!targets.SampleWeights.IsEmpty)
        {
            double more = (frame.N + 4) * U;
            error += more * Math.Abs(value);
            for (int i = 0; i < bounds.Length; i++)
                bounds[i] += more * Math.Abs(gradient[i]);
        }
        return new LossTruth(
            new TruthTensor("loss", [value]) { Bounds = [error + U * Math.Abs(value)] },
            new TruthTensor("doutput", gradient) { Bounds = bounds }, flips);
    }

    private static double Measured(Loss loss, float[] y, double value, in LossFrame<double> f, double[] bounds)
    {
        var single = new float[y.Length];
        double got = loss.Evaluate(new LossFrame<float>(f.Output, y, f.Targets, single));
        double largest = 0;
        for (int i = 0; i < single.Length; i++)
            largest = Math.Max(largest, Math.Max(Math.Abs(single[i] - f.DY[i]), U * Math.Abs(f.DY[i])));
        Array.Fill(bounds, MeasuredBounds.Allowance * largest);
        return MeasuredBounds.Allowance * Math.Max(Math.Abs(got - value), U * Math.Abs(value));
    }
}
