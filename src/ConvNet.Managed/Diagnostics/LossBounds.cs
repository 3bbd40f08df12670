namespace ConvNet.Diagnostics;

/// <summary>What a loss is on given scores, with the error that float32 may make.</summary>
/// <param name="Loss">The mean loss: one value.</param>
/// <param name="Gradient">The gradient of the scores.</param>
/// <param name="Flips">Scores whose gradient is either of two values, because the margin of a hinge is below its own error.</param>
internal sealed record LossTruth(TruthTensor Loss, TruthTensor Gradient, IReadOnlySet<int> Flips);

/// <summary>How far a float32 loss and its gradient may be from the double one.</summary>
/// <remarks>
/// u = 2⁻²⁴, N samples of K scores; an exponential and a logarithm are taken to be right within 4u.
/// <list type="bullet">
/// <item>Softmax, with a = s − max s, e = exp a, S = Σe: a is off by u|a|, so e by (u|a| + 4u)e and S by ε = Σe(u|a| + 4u)/S + Ku,
/// relatively. p = e/S or exp(a − log S) is off by δp, δ = 2u|a| + ε + 4u·log S + u|log p| + 6u, and (p − [j = y])/N by that over N
/// and three roundings. The loss of a sample, log S − a_y, is off by ε + 4u·log S + 2u(|a_y| + loss).</item>
/// <item>Hinge: a margin s_j − s_y + Δ is off by e = u(|s_j − s_y| + |margin|). Where |margin| ≤ e either side is right, for class j and
/// for y. A gradient is a multiple of 1/N, summed: Ku of it. The loss is off by Σe/N and the sum of its NK margins.</item>
/// <item>Mean squared error: a distance is off by u|s − t|; its square by 3u; the gradient by 4u; the sum by its own bound.</item>
/// <item>Any other loss: 8 times what a float32 run of it is off, as for layers of which nothing is known.</item>
/// </list>
/// </remarks>
internal static class LossBounds
{
    private const double U = BoundedSum.UnitRoundoff;

    /// <summary>The loss and its gradient, in double, with their bounds.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="scores">N×K.</param>
    /// <param name="labels">N classes, where the loss takes labels.</param>
    /// <param name="targets">N×K targets, where it does not.</param>
    public static LossTruth Evaluate(Loss loss, float[] scores, int[] labels, float[] targets)
    {
        double[] s = Array.ConvertAll(scores, v => (double)v), gradient = new double[s.Length];
        double value = loss.TakesLabels ? loss.Evaluate<double>(s, labels, gradient) : loss.Evaluate<double>(s, targets, gradient);
        var flips = new HashSet<int>();
        var bounds = new double[s.Length];
        double error = loss switch
        {
            SoftmaxCrossEntropy => Softmax(s, labels, gradient, bounds),
            MulticlassSvm svm => Hinge(svm, s, labels, gradient, bounds, flips),
            MeanSquaredError => Squares(s, targets, gradient, bounds),
            _ => Measured(loss, scores, labels, targets, value, gradient, bounds),
        };
        return new LossTruth(new TruthTensor("loss", [value]) { Bounds = [error + U * Math.Abs(value)] }, new TruthTensor("dscores", gradient) { Bounds = bounds }, flips);
    }

    private static double Softmax(double[] scores, int[] labels, double[] gradient, double[] bounds)
    {
        int classes = scores.Length / labels.Length;
        double share = 1.0 / labels.Length, error = 0, total = 0;
        for (int n = 0; n < labels.Length; n++)
        {
            ReadOnlySpan<double> s = scores.AsSpan(n * classes, classes);
            double largest = s[0], sum = 0, weighted = 0;
            foreach (double score in s)
                largest = Math.Max(largest, score);
            foreach (double score in s)
            {
                sum += Math.Exp(score - largest);
                weighted += Math.Exp(score - largest) * U * (largest - score + 4);
            }
            double sumError = weighted / sum + classes * U, log = Math.Log(sum);
            for (int j = 0; j < classes; j++)
            {
                double a = s[j] - largest, logP = a - log, p = Math.Exp(logP);
                double relative = 2 * U * Math.Abs(a) + sumError + 4 * U * log + U * Math.Abs(logP) + 6 * U;
                bounds[n * classes + j] = p * relative * share + 3 * U * Math.Abs(gradient[n * classes + j]);
            }
            double own = log - (s[labels[n]] - largest);
            total += own;
            error += sumError + 4 * U * log + 2 * U * (Math.Abs(s[labels[n]] - largest) + own);
        }
        return share * (error + (labels.Length + 1) * U * total);
    }

    private static double Hinge(MulticlassSvm svm, double[] scores, int[] labels, double[] gradient, double[] bounds, HashSet<int> flips)
    {
        int classes = scores.Length / labels.Length;
        double share = 1.0 / labels.Length, error = 0;
        BoundedSum total = default;
        for (int n = 0; n < labels.Length; n++)
        {
            ReadOnlySpan<double> s = scores.AsSpan(n * classes, classes);
            for (int j = 0; j < classes; j++)
            {
                bounds[n * classes + j] = classes * U * Math.Abs(gradient[n * classes + j]);
                if (j == labels[n])
                    continue;
                double margin = s[j] - s[labels[n]] + svm.Margin, off = U * (Math.Abs(s[j] - s[labels[n]]) + Math.Abs(margin));
                total += Math.Max(margin, 0);
                error += off;
                // At a margin of exactly 0 the subtractions do not round, and the derivative is 0 by convention.
                if (Math.Abs(margin) <= off && margin != 0)
                    flips.UnionWith([n * classes + j, n * classes + labels[n]]);
            }
        }
        return share * (error + total.Bound()) + 2 * U * share * total.Value;
    }

    private static double Squares(double[] scores, float[] targets, double[] gradient, double[] bounds)
    {
        BoundedSum total = default;
        for (int i = 0; i < scores.Length; i++)
        {
            total += (scores[i] - targets[i]) * (scores[i] - targets[i]);
            bounds[i] = 4 * U * Math.Abs(gradient[i]);
        }
        return (total.Bound() + 4 * U * total.Value) / scores.Length;
    }

    private static double Measured(Loss loss, float[] scores, int[] labels, float[] targets, double value, double[] gradient, double[] bounds)
    {
        var single = new float[scores.Length];
        double got = loss.TakesLabels ? loss.Evaluate<float>(scores, labels, single) : loss.Evaluate<float>(scores, targets, single);
        double largest = 0;
        for (int i = 0; i < single.Length; i++)
            largest = Math.Max(largest, Math.Max(Math.Abs(single[i] - gradient[i]), U * Math.Abs(gradient[i])));
        Array.Fill(bounds, MeasuredBounds.Allowance * largest);
        return MeasuredBounds.Allowance * Math.Max(Math.Abs(got - value), U * Math.Abs(value));
    }
}
