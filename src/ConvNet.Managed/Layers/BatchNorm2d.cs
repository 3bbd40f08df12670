using System.Numerics;

namespace ConvNet;

/// <summary>Batch normalisation per channel: y = γ·(x − μ) / √(σ² + ε) + β.</summary>
/// <remarks>
/// x, y: N×C×H×W; γ, β, running mean and running variance: C; without <see cref="Affine"/>, γ = 1 and β = 0. In
/// training, μ and the biased σ² are computed from the batch, over N, H and W. The running statistics are updated as
/// r ← (1 − m)·r + m·batch, with the unbiased variance; a channel with a single value leaves the running variance
/// unchanged. A momentum of null makes them averages of all batches so far, as in PyTorch: m = 1/k for the k-th batch,
/// which the buffer <c>num_batches_tracked</c> counts; up to 2²⁴ batches it is exact. In inference, and if the layer is
/// frozen, μ and σ² are the running statistics, which are not updated.
/// Backward, with x̂ = (x − μ)/√(σ² + ε) and M = N·H·W: dβ = Σ dy; dγ = Σ dy·x̂; dx = γ/√(σ² + ε)·(dy − dβ/M −
/// x̂·dγ/M). A frozen layer omits the last two terms. Source: Ioffe and Szegedy, ICML 2015.
/// </remarks>
public sealed record BatchNorm2d : Layer
{
    /// <summary>The fewest values to normalise over in checks; with fewer, rounding errors are amplified.</summary>
    internal const int FewestValues = 8;

    private const float UsualMomentum = 0.1f, UsualEpsilon = 1e-5f;

    private static readonly AttributeDeclaration<float>
        s_momentum = AttributeDeclaration.NumberOr<BatchNorm2d>("momentum", layer => layer.Momentum,
            new NumberInterval(0, 1, HasLeast: false, HasMost: true), UsualMomentum, "cumulative"),
        s_epsilon = AttributeDeclaration.Number<BatchNorm2d>("epsilon", layer => layer.Epsilon,
            NumberInterval.AboveZero, UsualEpsilon);

    private static readonly AttributeDeclaration<bool> s_affine
        = AttributeDeclaration.Flag<BatchNorm2d>("affine", layer => layer.Affine, true, simplest: true);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("bn", "batch normalisation per channel",
        [s_momentum, s_epsilon, s_affine], Make)
    {
        Examples =
        [
            new("batchnorm", new BatchNorm2d(), 4, new Shape(3, 5, 7)) { Rounds = true },
            new("batchnorm cumulative", new BatchNorm2d(momentum: null, affine: false), 2, new Shape(17, 2, 3))
            {
                Rounds = true,
            },
        ],
        Random = [Random],
        LongSums = [LargeMap],
        Fitting = (_, n, x) => n * x.Area < FewestValues ? null : new BatchNorm2d(),
    };

    /// <summary>Creates a batch normalisation layer.</summary>
    /// <param name="momentum">m, the weight of the batch in the running statistics, in (0, 1]; null for averages of all
    /// batches.</param>
    /// <param name="epsilon">ε, added to the variance; positive.</param>
    /// <param name="affine">Whether the layer has the parameters γ and β.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public BatchNorm2d(float? momentum = UsualMomentum, float epsilon = UsualEpsilon, bool affine = true)
    {
        Momentum = momentum is { } weight ? s_momentum.Check(Kind, weight) : null;
        (Epsilon, Affine) = (s_epsilon.Check(Kind, epsilon), affine);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>m, the weight of the batch in the running statistics; null if they are averages of all
    /// batches.</summary>
    public float? Momentum { get; }

    /// <summary>ε, added to the variance.</summary>
    public float Epsilon { get; }

    /// <summary>Whether the layer has the parameters γ and β.</summary>
    public bool Affine { get; }

    // The indices of the running mean, the running variance and the number of batches among the parameters.
    private int MeanIndex => Affine ? 2 : 0;

    private int VarianceIndex => MeanIndex + 1;

    private int BatchesIndex => MeanIndex + 2;

    /// <inheritdoc/>
    public override float? StatisticsMomentum => Momentum;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs) =>
    [
        .. Affine ? (ParameterSpec[])[new("weight", ParameterRole.Scale, [inputs[0].C]),
            new("bias", ParameterRole.Bias, [inputs[0].C])] : [],
        new("running_mean", ParameterRole.RunningMean, [inputs[0].C]),
        new("running_var", ParameterRole.RunningVariance, [inputs[0].C]),
        .. Momentum is null
            ? (ParameterSpec[])[new("num_batches_tracked", ParameterRole.BatchCount, [1])] : [],
    ];

    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Derived;

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => (long)batch * inputs[0].Area;

    /// <summary>Derives the error bounds of a float32 batch normalisation relative to the double result.</summary>
    /// <remarks>
    /// Statistics are per channel over M values. Δ marks an error, u = 2⁻²⁴, d = x − μ, s = 1/√(σ² + ε), x̂ = d·s.
    /// Only first-order terms are kept.
    /// <list type="bullet">
    /// <item>μ is a sum over M: Δμ = bound(Σx)/M + 2u|μ|.</item>
    /// <item>σ² = Σd²/M. An error in μ enters squared, because Σd = 0: Δσ² = bound(Σd²)/M + Δμ² + 4uσ².</item>
    /// <item>s has the relative error ρ = Δσ²/(2(σ² + ε)) + 3u: half the relative error of the radicand, plus the
    /// rounding of the square root and the division.</item>
    /// <item>x̂: Δx̂ = s(Δμ + u|d|) + |x̂|(ρ + u).</item>
    /// <item>y = γx̂ + β may be computed directly or as (γs)·x + (β − γsμ), which rounds |γs|(|x| + |μ|) instead of
    /// |γs·d|: Δy = |γ|Δx̂ + 3u|γs|(|x| + |μ|) + u(|β| + |y|).</item>
    /// <item>dβ is a sum. dγ = Σdy·x̂ is a sum whose factors carry the same Δμ and ρ: Δdγ = bound + sΔμ|dβ| +
    /// ρ|dγ|.</item>
    /// <item>dx = γs(dy − dβ/M − x̂·dγ/M): |γs|(Δdβ/M + |x̂|Δdγ/M + Δx̂|dγ|/M + 4u(|dy| + |dβ|/M + |x̂·dγ|/M)) + |dx|(ρ
    /// + 2u).</item>
    /// <item>A frozen layer takes μ and σ² from the running statistics, which are exact: Δμ = Δσ² = 0, and dx = γs·dy.
    /// </item>
    /// <item>The running statistics r ← (1 − m)r + m·b round three times, and m = 1/k once: mΔb + 4u((1 − m)|r| +
    /// m|b|) + um|r − b|.</item>
    /// </list>
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="bounds"/> is null.</exception>
    public override void DeriveBounds(ErrorBounds bounds)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        bounds.Terms = bounds.N * bounds.XShape(0).Area;
        for (int c = 0; c < bounds.XShape(0).C; c++)
            DeriveBounds(bounds, c);
    }

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <summary>The mean μ and the inverse standard deviation 1/√(σ² + ε) of every channel.</summary>
    public override int SavedLength(int batch, params ReadOnlySpan<Shape> inputs) => 2 * inputs[0].C;

    /// <inheritdoc/>
    internal override bool SharesStatistics => true;

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        Frame<T> frame = f;
        if (f.Training && Momentum is null)
            f.W(BatchesIndex)[0]++;
        if (f.Statistics is { } exchange)
            NoteSharedStatistics(f, exchange);
        frame.For(f.XShape(0).C, c =>
        {
            (T mean, T inverse) = !frame.Training ? RunningStatistics(frame, c)
                : frame.Statistics is null ? NoteBatchStatistics(frame, c) : SavedStatistics(frame, c);
            T scale = Scale(frame, c), shift = Affine ? frame.W(1)[c] : T.Zero;
            Shape shape = frame.YShape;
            for (int n = 0; n < frame.N; n++)
            {
                int start = (n * shape.C + c) * shape.Area;
                ReadOnlySpan<T> x = frame.X(0).Slice(start, shape.Area);
                Span<T> y = frame.Y.Slice(start, shape.Area);
                for (int i = 0; i < y.Length; i++)
                    y[i] = scale * ((x[i] - mean) * inverse) + shift;
            }
        });
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        Frame<T> frame = f;
        int channels = f.XShape(0).C;
        double[] shared = f.Statistics is null ? [] : new double[2 * channels];
        frame.For(channels, c =>
        {
            (T sum, T product) = GradientSums(frame, c);
            if (Affine && frame.WantsDW(0))
                frame.DW(0)[c] = product;
            if (Affine && frame.WantsDW(1))
                frame.DW(1)[c] = sum;
            if (shared.Length > 0)
                (shared[c], shared[channels + c]) = (double.CreateChecked(sum), double.CreateChecked(product));
            // The running statistics do not depend on x.
            else if (frame.WantsDX(0))
                WriteInputGradient(frame, c, frame.Training ? sum : T.Zero, frame.Training ? product : T.Zero,
                    ValuesOf(frame, frame.N));
        });
        if (f.Statistics is not { } exchange || !f.WantsDX(0))
            return;
        exchange.Sum(shared);
        frame.For(channels, c => WriteInputGradient(frame, c, T.CreateChecked(shared[c]),
            T.CreateChecked(shared[channels + c]), ValuesOf(frame, exchange.Samples)));
    }

    // Σ dy and Σ dy·x̂.
    private (T Sum, T Product) GradientSums<T>(Frame<T> f, int c) where T : unmanaged, IFloatingPointIeee754<T>
    {
        Shape shape = f.YShape;
        (T mean, T inverse) = f.Training ? SavedStatistics(f, c) : RunningStatistics(f, c);
        BlockedSum<T> sums = default, products = default;
        for (int n = 0; n < f.N; n++)
        {
            int start = (n * shape.C + c) * shape.Area;
            ReadOnlySpan<T> x = f.X(0).Slice(start, shape.Area), dy = f.DY.Slice(start, shape.Area);
            for (int i = 0; i < x.Length; i++)
            {
                sums.Add(dy[i]);
                products.Add(dy[i] * ((x[i] - mean) * inverse));
            }
        }
        return (sums.Value, products.Value);
    }

    private void WriteInputGradient<T>(Frame<T> f, int c, T sum, T product, T count)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        Shape shape = f.YShape;
        (T mean, T inverse) = f.Training ? SavedStatistics(f, c) : RunningStatistics(f, c);
        T scale = Scale(f, c) * inverse, meanOfDY = sum / count, meanOfProduct = product / count;
        for (int n = 0; n < f.N; n++)
        {
            int start = (n * shape.C + c) * shape.Area;
            ReadOnlySpan<T> x = f.X(0).Slice(start, shape.Area), dy = f.DY.Slice(start, shape.Area);
            Span<T> dx = f.DX(0).Slice(start, shape.Area);
            for (int i = 0; i < dx.Length; i++)
                dx[i] = scale * (dy[i] - meanOfDY - (x[i] - mean) * inverse * meanOfProduct);
        }
    }

    // The number of values of a channel in n samples.
    private static T ValuesOf<T>(Frame<T> f, int n) where T : unmanaged, IFloatingPointIeee754<T>
        => T.CreateChecked((long)n * f.XShape(0).Area);

    private T Scale<T>(Frame<T> f, int c) where T : unmanaged, IFloatingPointIeee754<T>
        => Affine ? f.W(0)[c] : T.One;

    private (T Mean, T Inverse) RunningStatistics<T>(Frame<T> f, int c) where T : unmanaged, IFloatingPointIeee754<T>
        => (f.W(MeanIndex)[c], T.One / T.Sqrt(f.W(VarianceIndex)[c] + T.CreateChecked(Epsilon)));

    private static (T Mean, T Inverse) SavedStatistics<T>(Frame<T> f, int c)
        where T : unmanaged, IFloatingPointIeee754<T> => (f.Saved[2 * c], f.Saved[2 * c + 1]);

    // Two passes: the variance is computed from the deviations from the mean. E[x²] − E[x]² would cancel.
    private (T Mean, T Inverse) NoteBatchStatistics<T>(Frame<T> f, int c) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T count = ValuesOf(f, f.N), mean = SumOf(f, c) / count;
        Note(f, c, mean, SquaresOf(f, c, mean), count);
        return SavedStatistics(f, c);
    }

    // The same of the whole batch: the executables add up the sums of all channels, and then the squares.
    private void NoteSharedStatistics<T>(Frame<T> f, IStatisticsExchange exchange)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        double[] sums = new double[f.XShape(0).C], squares = new double[sums.Length];
        T count = ValuesOf(f, exchange.Samples);
        T MeanOf(int c) => T.CreateChecked(sums[c]) / count;
        f.For(sums.Length, c => sums[c] = double.CreateChecked(SumOf(f, c)));
        exchange.Sum(sums);
        f.For(sums.Length, c => squares[c] = double.CreateChecked(SquaresOf(f, c, MeanOf(c))));
        exchange.Sum(squares);
        for (int c = 0; c < sums.Length; c++)
            Note(f, c, MeanOf(c), T.CreateChecked(squares[c]), count);
    }

    private static T SumOf<T>(Frame<T> f, int c) where T : unmanaged, IFloatingPointIeee754<T>
    {
        Shape shape = f.XShape(0);
        BlockedSum<T> sum = default;
        for (int n = 0; n < f.N; n++)
            sum.Add(Rows.Sum<T, PlainSum<T>>(f.X(0).Slice((n * shape.C + c) * shape.Area, shape.Area)).Value);
        return sum.Value;
    }

    private static T SquaresOf<T>(Frame<T> f, int c, T mean) where T : unmanaged, IFloatingPointIeee754<T>
    {
        Shape shape = f.XShape(0);
        BlockedSum<T> distances = default;
        for (int n = 0; n < f.N; n++)
        {
            foreach (T x in f.X(0).Slice((n * shape.C + c) * shape.Area, shape.Area))
                distances.Add((x - mean) * (x - mean));
        }
        return distances.Value;
    }

    // Saves the statistics of a channel for the backward pass, and updates the running ones.
    private void Note<T>(Frame<T> f, int c, T mean, T squares, T count) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T momentum = Momentum is { } weight ? T.CreateChecked(weight) : T.One / f.W(BatchesIndex)[0];
        ref T runningMean = ref f.W(MeanIndex)[c], runningVariance = ref f.W(VarianceIndex)[c];
        runningMean = (T.One - momentum) * runningMean + momentum * mean;
        if (count > T.One)
            runningVariance = (T.One - momentum) * runningVariance + momentum * (squares / (count - T.One));
        f.Saved[2 * c] = mean;
        f.Saved[2 * c + 1] = T.One / T.Sqrt(squares / count + T.CreateChecked(Epsilon));
    }

    private void DeriveBounds(ErrorBounds b, int c)
    {
        const double U = BoundedSum.UnitRoundoff;
        Shape shape = b.XShape(0);
        int[] indices = [.. Enumerable.Range(0, b.N)
            .SelectMany(n => Enumerable.Range((n * shape.C + c) * shape.Area, shape.Area))];
        ReadOnlySpan<double> x = b.X(0), dy = b.DY;
        double m = indices.Length, gamma = Affine ? b.W(0)[c] : 1, beta = Affine ? b.W(1)[c] : 0;

        BoundedSum sumX = default, squares = default, sumDY = default, product = default;
        foreach (int i in indices)
            sumX += x[i];
        double mean = b.Training ? sumX.Value / m : b.W(MeanIndex)[c];
        foreach (int i in indices)
            squares += (x[i] - mean) * (x[i] - mean);
        double variance = b.Training ? squares.Value / m : b.W(VarianceIndex)[c], s = 1 / Math.Sqrt(variance + Epsilon);
        foreach (int i in indices)
        {
            sumDY += dy[i];
            product += dy[i] * ((x[i] - mean) * s);
        }

        double meanError = b.Training ? sumX.Bound() / m + 2 * U * Math.Abs(mean) : 0;
        double varianceError = b.Training ? squares.Bound() / m + meanError * meanError + 4 * U * variance : 0;
        double rho = varianceError / (2 * (variance + Epsilon)) + 3 * U;
        double betaError = sumDY.Bound();
        double gammaError = product.Bound() + s * meanError * Math.Abs(sumDY.Value) + rho * Math.Abs(product.Value);
        // The statistics of a frozen layer do not depend on x.
        (double sum, double sumError) = b.Training ? (sumDY.Value, betaError) : (0, 0);
        (double products, double productsError) = b.Training ? (product.Value, gammaError) : (0, 0);
        foreach (int i in indices)
        {
            double d = x[i] - mean, normal = d * s;
            double normalError = s * (meanError + U * Math.Abs(d)) + Math.Abs(normal) * (rho + U);
            b.YBound[i] = Math.Abs(gamma) * normalError
                + 3 * U * Math.Abs(gamma * s) * (Math.Abs(x[i]) + Math.Abs(mean))
                + U * (Math.Abs(beta) + Math.Abs(b.Y[i]));
            double terms = Math.Abs(dy[i]) + Math.Abs(sum) / m + Math.Abs(normal * products) / m;
            double inner = sumError / m + Math.Abs(normal) * productsError / m
                + normalError * Math.Abs(products) / m + 4 * U * terms;
            b.DXBound(0)[i] = Math.Abs(gamma * s) * inner + Math.Abs(b.DX(0)[i]) * (rho + 2 * U);
        }
        if (Affine)
            (b.DWBound(0)[c], b.DWBound(1)[c]) = (gammaError, betaError);
        if (!b.Training)
            return;

        double momentum = Momentum ?? 1 / b.Buffer(BatchesIndex)[0];
        double Running(double before, double batch, double error) => momentum * error
            + 4 * U * ((1 - momentum) * Math.Abs(before) + momentum * Math.Abs(batch))
            + (Momentum is null ? U * momentum * Math.Abs(before - batch) : 0);
        b.BufferBound(MeanIndex)[c] = Running(b.W(MeanIndex)[c], mean, meanError);
        double unbiased = m > 1 ? m / (m - 1) : 0;
        b.BufferBound(VarianceIndex)[c] = m > 1
            ? Running(b.W(VarianceIndex)[c], variance * unbiased, varianceError * unbiased) : 0;
    }

    private static BatchNorm2d Make(AttributeValues values)
    {
        float momentum = values.Get(s_momentum);
        return new(float.IsNaN(momentum) ? null : momentum, values.Get(s_epsilon), values.Get(s_affine));
    }

    private static LayerExample Random(RandomDraw draw) => new("bn",
        new BatchNorm2d(draw.OneIn(4) ? null : draw.Of(0.1f, 0.3f, 1f), draw.Of(1e-5f, 1e-3f), !draw.OneIn(4)),
        draw.Batch(), draw.OneIn(5) ? Shape.Vector(draw.Channels()) : draw.Shape());

    private static LayerExample LargeMap(RandomDraw draw)
    {
        (int n, Extent map) = draw.Spread(draw.ManyTerms());
        return new("bn", new BatchNorm2d(), n, new Shape(draw.Between(1, 3), map.H, map.W));
    }
}
