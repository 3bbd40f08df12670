namespace ConvNet.GradientChecking;

/// <summary>The value of a loss for given outputs, with its float32 error bound.</summary>
/// <param name="Loss">The mean loss, a single value.</param>
/// <param name="Gradient">The gradient of the output.</param>
/// <param name="Flips">The outputs whose gradient may have either of two values, because the margin of a hinge is
/// smaller than its error.</param>
internal sealed record LossTruth(TruthTensor Loss, TruthTensor Gradient, IReadOnlySet<int> Flips);

/// <summary>Error bounds of a float32 loss and its gradient relative to double.</summary>
/// <remarks>
/// u = 2⁻²⁴; N samples of K outputs. An exponential or a logarithm is assumed to be accurate within 4u.
/// <list type="bullet">
/// <item>Softmax, with a = s − max s, e = exp a, S = Σe. The error of a is u|a|, that of e is (u|a| + 4u)e, and the
/// relative error of S is ε = Σe(u|a| + 4u)/S + Ku. The error of p = e/S or exp(a − log S) is δp, where δ = 2u|a| + ε +
/// 4u·log S + u|log p| + 6u. The error of (p − [j = y])/N is that over N plus three roundings. The error of the loss of
/// a sample, log S − a_y, is ε + 4u·log S + 2u(|a_y| + loss). An exponential below the smallest normal number,
/// 2⁻¹²⁶, may be 0, and p with it; and below it, each of the three roundings is up to 2⁻¹⁵⁰.</item>
/// <item>Hinge: the error of a margin s_j − s_y + Δ is e = u(|s_j − s_y| + |margin|). If |margin| ≤ e, either side is
/// correct, both for class j and for y. A gradient is a sum of multiples of 1/N; its relative error is Ku. The error of
/// the loss is Σe/N plus that of the sum of its NK margins.</item>
/// <item>Mean squared error: the error of a difference is u|s − t|. The relative error is 3u for its square and 4u for
/// the gradient. The sum has its own bound.</item>
/// <item>Any other loss: 8 times the error of a float32 run, as for layers of which only the reference is known.</item>
/// </list>
/// </remarks>
internal static class LossBounds
{
    private const double U = BoundedSum.UnitRoundoff, SmallestNormal = 1.1754943508222875e-38,
        RoundingBelowNormal = float.Epsilon / 2.0;

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
        double error = loss switch
        {
            SoftmaxCrossEntropy => Softmax(frame, bounds),
            MulticlassSvm svm => Hinge(svm, frame, bounds, flips),
            MeanSquaredError => Squares(frame, bounds),
            _ => Measured(loss, y, value, frame, bounds),
        };
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

    private static double Softmax(in LossFrame<double> f, double[] bounds)
    {
        (int classes, int pixels) = (f.Output.C, f.Output.Area);
        double share = 1 / (f.TotalWeight * pixels), error = 0, total = 0;
        for (int n = 0; n < f.N; n++)
        {
            double weight = f.Weight(n);
            for (int pixel = 0; pixel < pixels; pixel++)
            {
                int first = n * f.Output.Length + pixel;
                ReadOnlySpan<double> y = f.Y[first..], dy = f.DY[first..];
                double largest = y[0], sum = 0, weighted = 0;
                for (int j = 0; j < classes; j++)
                    largest = Math.Max(largest, y[j * pixels]);
                for (int j = 0; j < classes; j++)
                {
                    double e = Math.Exp(y[j * pixels] - largest);
                    sum += e;
                    weighted += e * U * (largest - y[j * pixels] + 4);
                }
                double sumError = weighted / sum + classes * U, log = Math.Log(sum);
                for (int j = 0; j < classes; j++)
                {
                    double a = y[j * pixels] - largest, logP = a - log, p = Math.Exp(logP);
                    double relative = 2 * U * Math.Abs(a) + sumError + 4 * U * log + U * Math.Abs(logP) + 6 * U;
                    double underflow = p < SmallestNormal ? SmallestNormal : 0;
                    // A sample of weight 0 has a gradient of exactly 0.
                    double below = weight == 0 ? 0 : RoundingBelowNormal;
                    bounds[first + j * pixels] = (p * relative + underflow) * weight * share
                        + 3 * (U * Math.Abs(dy[j * pixels]) + below);
                }
                double own = y[f.Targets.Classes[n * pixels + pixel] * pixels] - largest, loss = log - own;
                total += weight * loss;
                error += weight * (sumError + 4 * U * log + 2 * U * (Math.Abs(own) + loss));
            }
        }
        return share * (error + ((long)f.N * pixels + 1) * U * total);
    }

    private static double Hinge(MulticlassSvm svm, in LossFrame<double> f, double[] bounds, HashSet<int> flips)
    {
        int classes = f.Output.C;
        double share = 1 / f.TotalWeight, error = 0;
        BoundedSum total = default;
        for (int n = 0; n < f.N; n++)
        {
            ReadOnlySpan<double> y = f.Y.Slice(n * classes, classes);
            double weight = f.Weight(n);
            int target = f.Targets.Classes[n];
            for (int j = 0; j < classes; j++)
            {
                bounds[n * classes + j] = classes * U * Math.Abs(f.DY[n * classes + j]);
                if (j == target)
                    continue;
                double margin = y[j] - y[target] + svm.Margin,
                    off = U * (Math.Abs(y[j] - y[target]) + Math.Abs(margin));
                total += weight * Math.Max(margin, 0);
                error += weight * off;
                // At a margin of exactly 0 the subtractions do not round, and the derivative is 0 by convention.
                if (Math.Abs(margin) <= off && margin != 0)
                    flips.UnionWith([n * classes + j, n * classes + target]);
            }
        }
        return share * (error + total.Bound()) + 2 * U * share * total.Value;
    }

    private static double Squares(in LossFrame<double> f, double[] bounds)
    {
        BoundedSum total = default;
        for (int i = 0; i < bounds.Length; i++)
        {
            double distance = f.Y[i] - f.Targets.Values[i];
            total += f.Weight(i / f.Output.Length) * (distance * distance);
            bounds[i] = 4 * U * Math.Abs(f.DY[i]);
        }
        return (total.Bound() + 4 * U * total.Value) / (f.TotalWeight * f.Output.Length);
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
