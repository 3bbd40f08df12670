namespace ConvNet.GradientChecking;

/// <summary>Compares a layer's double reference with central differences along random directions.</summary>
/// <remarks>
/// The scalar function is f = Σ dy·y. Along a direction v of one tensor, f is evaluated at five points −2h … 2h. They
/// give the slope (f(−2h) − 8f(−h) + 8f(h) − f(2h)) / 12h. A quadratic fitted to them gives a test for kinks: if a
/// point deviates from it by more than smooth curvature and rounding explain, a ReLU or a maximum has changed sides. In
/// that case another direction with a smaller difference is tried. The slope must equal Σ g·v within 10⁻⁷ of √Σ(g·v)².
/// </remarks>
internal static class FiniteDifferences
{
    private const double Tolerance = 1e-7, Difference = 1e-4;
    private const int Attempts = 12;

    /// <summary>Checks the gradient of every input and parameter.</summary>
    /// <param name="given">The values to run the layer on.</param>
    /// <param name="seed">The seed of the directions.</param>
    /// <param name="trains">Whether a parameter has a gradient.</param>
    /// <param name="sample">Selects a sample of the output to compute; null computes all of it.</param>
    /// <param name="cancellation">Cancels the check between two runs of the layer.</param>
    public static IReadOnlyList<TensorReport> Check(LayerValues<double> given, ulong seed,
        Func<ParameterSpec, bool> trains, Sample? sample = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        LayerValues<double> values = sample is null ? given : given with { DY = Sampled(given, sample) };
        var run = new LayerRun<double>(values);
        var reports = new List<TensorReport>();
        for (int i = 0; i < values.X.Length; i++)
            reports.Add(Check(values, LayerReference.InputGradientName(values, i), values.X, i, run.DX[i], seed,
                sample, cancellation));
        for (int i = 0; i < values.W.Length; i++)
        {
            if (trains(values.Specs[i]))
                reports.Add(Check(values, LayerReference.GradientName(values.Specs[i]), values.W, i, run.DW[i], seed,
                    sample, cancellation));
        }
        return reports;
    }

    // The gradient of the output where the sample is computed, and 0 elsewhere. The layer is run on ones to find out:
    // outputs that are not computed stay 0.
    private static double[] Sampled(LayerValues<double> values, Sample sample)
    {
        LayerValues<double> ones = values.To(_ => 1.0);
        double[] y = new LayerRun<double>(ones, backward: false, sample is null ? null : sample.Indices).Y;
        return [.. values.DY.Select((dy, i) => y[i] == 0 ? 0 : dy)];
    }

    private static TensorReport Check(LayerValues<double> values, string name, double[][] tensors, int index,
        double[] gradient, ulong seed, Sample? sample,
        CancellationToken cancellation)
    {
        double h = Difference;
        for (int attempt = 0; attempt < Attempts; attempt++, h /= 4)
        {
            double[] direction = Array.ConvertAll(new Fill(seed).Uniform(100 + attempt, gradient.Length, 1),
                v => (double)v);
            var f = new double[5];
            double magnitude = 0;
            for (int k = 0; k < f.Length; k++)
            {
                cancellation.ThrowIfCancellationRequested();
                f[k] = Along(values, tensors, index, direction, (k - 2) * h, sample, ref magnitude);
            }
            if (HasKink(f, magnitude))
                continue;
            double slope = (f[0] - 8 * f[1] + 8 * f[3] - f[4]) / (12 * h), product = 0, squares = 0;
            for (int i = 0; i < gradient.Length; i++)
            {
                product += gradient[i] * direction[i];
                squares += gradient[i] * direction[i] * gradient[i] * direction[i];
            }
            // The rounding error of f is added to the tolerance. It matters if h is small.
            double allowed = Tolerance * Math.Max(Math.Sqrt(squares), Math.Abs(slope)) + 1e-15 * magnitude / h;
            double inBounds = slope == product ? 0 : Math.Abs(slope - product) / allowed;
            return new TensorReport(name, gradient.Length, inBounds, 0, 0, product, slope, inBounds <= 1 ? 0 : 1, 0);
        }
        return new TensorReport(name, 0, 0, 0, 0, 0, 0, 0, 0, Flips: gradient.Length);
    }

    private static double Along(LayerValues<double> values, double[][] tensors, int index, double[] direction,
        double distance, Sample? sample, ref double magnitude)
    {
        double[] here = tensors[index];
        tensors[index] = [.. here.Zip(direction, (v, d) => v + distance * d)];
        double[] y = new LayerRun<double>(values, backward: false, sample is null ? null : sample.Indices).Y;
        tensors[index] = here;
        double f = 0;
        for (int i = 0; i < y.Length; i++)
        {
            f += y[i] * values.DY[i];
            magnitude = Math.Max(magnitude, Math.Abs(f));
        }
        return f;
    }

    // The third and fourth differences vanish for a quadratic. For a smooth f they shrink with h much faster
    // than the change of f. At a kink they remain a fraction of that change.
    private static bool HasKink(double[] f, double magnitude)
    {
        double third = Math.Abs(f[4] - 2 * f[3] + 2 * f[1] - f[0]),
            fourth = Math.Abs(f[4] - 4 * f[3] + 6 * f[2] - 4 * f[1] + f[0]);
        double change = Math.Max(Math.Abs(f[4] - f[0]), Math.Abs(f[4] - 2 * f[2] + f[0]));
        return Math.Max(third, fourth) > 1e-8 * change + 1e-13 * magnitude;
    }
}
