namespace ConvNet.Diagnostics;

/// <summary>How far a float32 batch normalisation may be from the double one.</summary>
/// <remarks>
/// Per channel, over M values; Δ marks an error, u = 2⁻²⁴, d = x − μ, s = 1/√(σ² + ε), x̂ = d·s. First-order terms only.
/// <list type="bullet">
/// <item>μ is a sum over M: Δμ = bound(Σx)/M + 2u|μ|.</item>
/// <item>σ² = Σd²/M. A wrong μ enters squared, for Σd = 0: Δσ² = bound(Σd²)/M + Δμ² + 4uσ².</item>
/// <item>s, relatively: ρ = Δσ²/(2(σ² + ε)) + 3u, half the relative error under the root and the root and division themselves.</item>
/// <item>x̂: Δx̂ = s(Δμ + u|d|) + |x̂|(ρ + u).</item>
/// <item>y = γx̂ + β, computed so or as (γs)·x + (β − γsμ), which rounds |γs|(|x| + |μ|) instead of |γs·d|:
/// Δy = |γ|Δx̂ + 3u|γs|(|x| + |μ|) + u(|β| + |y|).</item>
/// <item>dβ is a sum. dγ = Σdy·x̂ is a sum whose factors are off by the same Δμ and ρ: Δdγ = bound + sΔμ|dβ| + ρ|dγ|.</item>
/// <item>dx = γs(dy − dβ/M − x̂·dγ/M): |γs|(Δdβ/M + |x̂|Δdγ/M + Δx̂|dγ|/M + 4u(|dy| + |dβ|/M + |x̂·dγ|/M)) + |dx|(ρ + 2u).</item>
/// <item>The running statistics r ← (1 − m)r + m·b round three times: mΔb + 4u((1 − m)|r| + m|b|).</item>
/// </list>
/// </remarks>
internal static class BatchNormBounds
{
    private const double U = BoundedSum.UnitRoundoff;

    /// <summary>The layer's tensors with the bounds above.</summary>
    public static LayerTruth Evaluate(BatchNorm2d layer, LayerValues<double> values)
    {
        var run = new LayerRun<double>(values);
        double[][] bounds = [new double[run.Y.Length], new double[run.Y.Length], .. run.W.Select(w => new double[w.Length])];
        for (int c = 0; c < values.XShapes[0].C; c++)
            Channel(layer, values, run, c, bounds);
        TruthTensor Of(string name, double[] tensor, int i) => new(name, tensor) { Bounds = bounds[i], Terms = values.N * values.XShapes[0].Area };
        return new LayerTruth(Of("y", run.Y, 0), [Of("dx", run.DX[0], 1)], [Of("dw", run.DW[0], 2), Of("db", run.DW[1], 3), null, null],
            [null, null, Of("running_mean", run.W[2], 4), Of("running_var", run.W[3], 5)]);
    }

    private static void Channel(BatchNorm2d layer, LayerValues<double> values, LayerRun<double> run, int c, double[][] bounds)
    {
        int[] places = PlacesOf(values, c);
        double[] x = values.X[0], dy = values.DY;
        double m = places.Length, gamma = values.W[0][c], beta = values.W[1][c];

        BoundedSum sumX = default, squares = default, sumDY = default, product = default;
        foreach (int i in places)
            sumX += x[i];
        double mean = sumX.Value / m;
        foreach (int i in places)
            squares += (x[i] - mean) * (x[i] - mean);
        double variance = squares.Value / m, s = 1 / Math.Sqrt(variance + layer.Epsilon);
        foreach (int i in places)
        {
            sumDY += dy[i];
            product += dy[i] * ((x[i] - mean) * s);
        }

        double meanError = sumX.Bound() / m + 2 * U * Math.Abs(mean);
        double varianceError = squares.Bound() / m + meanError * meanError + 4 * U * variance;
        double rho = varianceError / (2 * (variance + layer.Epsilon)) + 3 * U;
        double betaError = sumDY.Bound();
        double gammaError = product.Bound() + s * meanError * Math.Abs(sumDY.Value) + rho * Math.Abs(product.Value);
        foreach (int i in places)
        {
            double d = x[i] - mean, normal = d * s, normalError = s * (meanError + U * Math.Abs(d)) + Math.Abs(normal) * (rho + U);
            bounds[0][i] = Math.Abs(gamma) * normalError + 3 * U * Math.Abs(gamma * s) * (Math.Abs(x[i]) + Math.Abs(mean))
                + U * (Math.Abs(beta) + Math.Abs(run.Y[i]));
            double terms = Math.Abs(dy[i]) + Math.Abs(sumDY.Value) / m + Math.Abs(normal * product.Value) / m;
            double inner = betaError / m + Math.Abs(normal) * gammaError / m + normalError * Math.Abs(product.Value) / m + 4 * U * terms;
            bounds[1][i] = Math.Abs(gamma * s) * inner + Math.Abs(run.DX[0][i]) * (rho + 2 * U);
        }
        (bounds[2][c], bounds[3][c]) = (gammaError, betaError);

        double Running(double before, double batch, double error)
            => layer.Momentum * error + 4 * U * ((1 - layer.Momentum) * Math.Abs(before) + layer.Momentum * Math.Abs(batch));
        bounds[4][c] = Running(values.W[2][c], mean, meanError);
        double unbiased = m > 1 ? m / (m - 1) : 0;
        bounds[5][c] = m > 1 ? Running(values.W[3][c], variance * unbiased, varianceError * unbiased) : 0;
    }

    private static int[] PlacesOf(LayerValues<double> values, int c)
    {
        Shape shape = values.XShapes[0];
        return [.. Enumerable.Range(0, values.N).SelectMany(n => Enumerable.Range((n * shape.C + c) * shape.Area, shape.Area))];
    }
}
