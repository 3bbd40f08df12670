using System.Numerics;
using static System.FormattableString;

namespace ConvNet;

/// <summary>Batch normalisation per channel: y = γ·(x − μ) / √(σ² + ε) + β.</summary>
/// <remarks>
/// x, y: N×C×H×W; γ, β, running mean and running variance: C. In training μ and the biased σ² are of the batch, over N, H, W,
/// and the running statistics move: r ← (1 − m)·r + m·batch, with the unbiased variance (left alone where a channel
/// has one value). In inference μ and σ² are the running ones.
/// Backward, with x̂ = (x − μ)/√(σ² + ε) and M = N·H·W: dβ = Σ dy; dγ = Σ dy·x̂; dx = γ/√(σ² + ε)·(dy − dβ/M − x̂·dγ/M).
/// Source: Ioffe and Szegedy, ICML 2015.
/// </remarks>
public sealed record BatchNorm2d : Layer
{
    /// <summary>Describes a batch normalisation.</summary>
    /// <param name="momentum">m, the share of the batch in the running statistics, in (0, 1].</param>
    /// <param name="epsilon">ε, added to the variance; positive.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of its range.</exception>
    public BatchNorm2d(float momentum = 0.1f, float epsilon = 1e-5f)
    {
        if (momentum is not (> 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(momentum),
                Invariant($"batchnorm: momentum {momentum} is not in (0, 1]."));
        if (epsilon is not (> 0 and < float.PositiveInfinity))
            throw new ArgumentOutOfRangeException(nameof(epsilon),
                Invariant($"batchnorm: epsilon {epsilon} is not a positive number."));
        (Momentum, Epsilon) = (momentum, epsilon);
    }

    /// <inheritdoc/>
    public override string Kind => "bn";

    /// <summary>m, the share of the batch in the running statistics.</summary>
    public float Momentum { get; }

    /// <summary>ε, added to the variance.</summary>
    public float Epsilon { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs) =>
    [
        new("weight", ParameterRole.Scale, [inputs[0].C]),
        new("bias", ParameterRole.Bias, [inputs[0].C]),
        new("running_mean", ParameterRole.RunningMean, [inputs[0].C]),
        new("running_var", ParameterRole.RunningVariance, [inputs[0].C]),
    ];

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <summary>μ and 1/√(σ² + ε) of every channel.</summary>
    public override int SavedLength(int batch, params ReadOnlySpan<Shape> inputs) => 2 * inputs[0].C;

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        Frame<T> frame = f;
        frame.For(f.XShape(0).C, c =>
        {
            (T mean, T inverse) = frame.Training ? BatchStatistics(frame, c) : RunningStatistics(frame, c);
            T scale = frame.W(0)[c], shift = frame.W(1)[c];
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
        frame.For(f.XShape(0).C, c =>
        {
            Shape shape = frame.YShape;
            T mean = frame.Saved[2 * c], inverse = frame.Saved[2 * c + 1], count = T.CreateChecked((long)frame.N * shape.Area);
            BlockedSum<T> sums = default, products = default;
            for (int n = 0; n < frame.N; n++)
            {
                int start = (n * shape.C + c) * shape.Area;
                ReadOnlySpan<T> x = frame.X(0).Slice(start, shape.Area), dy = frame.DY.Slice(start, shape.Area);
                for (int i = 0; i < x.Length; i++)
                {
                    sums.Add(dy[i]);
                    products.Add(dy[i] * ((x[i] - mean) * inverse));
                }
            }
            T sum = frame.DW(1)[c] = sums.Value, product = frame.DW(0)[c] = products.Value;
            if (!frame.WantsDX(0))
                return;
            T scale = frame.W(0)[c] * inverse, meanOfDY = sum / count, meanOfProduct = product / count;
            for (int n = 0; n < frame.N; n++)
            {
                int start = (n * shape.C + c) * shape.Area;
                ReadOnlySpan<T> x = frame.X(0).Slice(start, shape.Area), dy = frame.DY.Slice(start, shape.Area);
                Span<T> dx = frame.DX(0).Slice(start, shape.Area);
                for (int i = 0; i < dx.Length; i++)
                    dx[i] = scale * (dy[i] - meanOfDY - (x[i] - mean) * inverse * meanOfProduct);
            }
        });
    }

    private (T Mean, T Inverse) RunningStatistics<T>(Frame<T> f, int c) where T : unmanaged, IFloatingPointIeee754<T>
        => (f.W(2)[c], T.One / T.Sqrt(f.W(3)[c] + T.CreateChecked(Epsilon)));

    // Two passes: the variance from the distances to the mean, never as E[x²] − E[x]², which cancels.
    private (T Mean, T Inverse) BatchStatistics<T>(Frame<T> f, int c) where T : unmanaged, IFloatingPointIeee754<T>
    {
        Shape shape = f.XShape(0);
        long values = (long)f.N * shape.Area;
        BlockedSum<T> sum = default, distances = default;
        for (int n = 0; n < f.N; n++)
            sum.Add(Rows.Sum<T, PlainSum<T>>(f.X(0).Slice((n * shape.C + c) * shape.Area, shape.Area)).Value);
        T count = T.CreateChecked(values), mean = sum.Value / count;
        for (int n = 0; n < f.N; n++)
        {
            foreach (T x in f.X(0).Slice((n * shape.C + c) * shape.Area, shape.Area))
                distances.Add((x - mean) * (x - mean));
        }
        T squares = distances.Value, momentum = T.CreateChecked(Momentum), inverse = T.One / T.Sqrt(squares / count + T.CreateChecked(Epsilon));
        f.W(2)[c] = (T.One - momentum) * f.W(2)[c] + momentum * mean;
        if (values > 1)
            f.W(3)[c] = (T.One - momentum) * f.W(3)[c] + momentum * (squares / (count - T.One));
        f.Saved[2 * c] = mean;
        f.Saved[2 * c + 1] = inverse;
        return (mean, inverse);
    }
}
