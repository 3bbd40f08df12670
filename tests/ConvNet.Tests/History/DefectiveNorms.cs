using System.Numerics;

namespace ConvNet.Tests.History;

/// <summary>The backward pass takes the saved inverse deviation for a variance and inverts it again.</summary>
internal sealed record InvertsTwice(BatchNorm2d Norm) : Defective(Norm)
{
    public override void Backward<T>(in Frame<T> f)
    {
        Shape shape = f.XShape(0);
        T count = T.CreateChecked((long)f.N * shape.Area);
        for (int c = 0; c < shape.C; c++)
        {
            T mean = f.Saved[2 * c], inverse = T.One / T.Sqrt(f.Saved[2 * c + 1] + T.CreateChecked(Norm.Epsilon));
            int[] indices = [.. Enumerable.Range(0, f.N)
                .SelectMany(n => Enumerable.Range((n * shape.C + c) * shape.Area, shape.Area))];
            T sum = T.Zero, product = T.Zero;
            foreach (int i in indices)
            {
                sum += f.DY[i];
                product += f.DY[i] * ((f.X(0)[i] - mean) * inverse);
            }
            (f.DW(0)[c], f.DW(1)[c]) = (product, sum);
            foreach (int i in indices)
                f.DX(0)[i] = f.W(0)[c] * inverse
                    * (f.DY[i] - sum / count - (f.X(0)[i] - mean) * inverse * product / count);
        }
    }
}

/// <summary>A batch normalisation whose running statistics are updated otherwise: from r, the statistics before, and b,
/// those of the batch.</summary>
internal abstract record RunningStatistics(BatchNorm2d Norm) : Defective(Norm)
{
    public override void Forward<T>(in Frame<T> f)
    {
        T[] mean = f.W(2).ToArray(), variance = f.W(3).ToArray();
        base.Forward(f);
        Update(f.W(2), mean, T.Zero);
        Update(f.W(3), variance, T.One / T.CreateChecked((long)f.N * f.XShape(0).Area));
    }

    /// <summary>Returns the new statistic.</summary>
    /// <param name="before">r.</param>
    /// <param name="batch">b, in an unbiased estimate.</param>
    /// <param name="bias">The part by which a biased estimate is smaller; 0 for a mean.</param>
    protected abstract T Updated<T>(T before, T batch, T bias) where T : unmanaged, IFloatingPointIeee754<T>;

    private void Update<T>(Span<T> running, T[] before, T bias) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T momentum = T.CreateChecked(Norm.Momentum!.Value);
        for (int c = 0; c < before.Length; c++)
            running[c] = Updated(before[c], (running[c] - (T.One - momentum) * before[c]) / momentum, bias);
    }
}

/// <summary>The running variance takes the biased estimate.</summary>
internal sealed record BiasedVariance(BatchNorm2d Norm) : RunningStatistics(Norm)
{
    protected override T Updated<T>(T before, T batch, T bias)
        => before + T.CreateChecked(Norm.Momentum!.Value) * (batch - batch * bias - before);
}

/// <summary>The momentum is always 0.1.</summary>
internal sealed record MomentumOfOneTenth(BatchNorm2d Norm) : RunningStatistics(Norm)
{
    protected override T Updated<T>(T before, T batch, T bias) => before + T.CreateChecked(0.1f) * (batch - before);
}
