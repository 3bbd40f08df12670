using System.Numerics;

namespace ConvNet;

/// <summary>The division of a sample into sets of values that are normalised separately.</summary>
/// <param name="Count">The number of sets.</param>
/// <param name="Length">The number of values of a set.</param>
/// <param name="Start">The distance between the first values of two sets.</param>
/// <param name="Step">The distance between the values of a set.</param>
internal readonly record struct NormSets(int Count, int Length, int Start, int Step)
{
    /// <summary>Returns the sets that are groups of channels.</summary>
    public static NormSets OfChannels(Shape shape, int groups)
        => new(groups, shape.Length / groups, shape.Length / groups, 1);

    /// <summary>Returns the sets that are the channels of a pixel.</summary>
    public static NormSets OfPixels(Shape shape) => new(shape.Area, shape.C, 1, shape.Area);

    /// <summary>Returns the set of a value of the sample.</summary>
    public int Of(int index) => index / Start % Count;
}

/// <summary>A layer that normalises sets of values of one sample: y = γ·(x − μ) / √(σ² + ε) + β.</summary>
/// <remarks>
/// μ and the biased σ² are computed from the values of each set, in training and in inference. A set of a single value
/// gives y = β.
/// Backward, with x̂ = (x − μ)/√(σ² + ε), g = γ·dy and L values in the set: dβ = Σ dy; dγ = Σ dy·x̂; dx = (g − Σg/L −
/// x̂·Σ(g·x̂)/L)/√(σ² + ε). The sums of dβ and dγ are over all values that the parameter scales.
/// </remarks>
public abstract record SampleNorm : Layer
{
    /// <summary>The default of ε.</summary>
    private protected const float UsualEpsilon = 1e-5f;

    private protected SampleNorm(AttributeDeclaration<float> declared, float epsilon, bool affine)
    {
        (Epsilon, Affine) = (declared.Check(Kind, epsilon), affine);
    }

    /// <summary>ε, added to the variance.</summary>
    public float Epsilon { get; }

    /// <summary>Whether the layer has the parameters γ and β; without them, γ = 1 and β = 0.</summary>
    public bool Affine { get; }

    /// <summary>Whether every value of the sample has a γ and a β of its own, instead of every channel.</summary>
    internal virtual bool ScalesEveryValue => false;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
    {
        if (!Affine)
            return [];
        Shape shape = inputs[0];
        int[] dimensions = ScalesEveryValue && !shape.IsVector ? [shape.C, shape.H, shape.W] : [shape.C];
        return
        [
            new("weight", ParameterRole.Scale, dimensions),
            new("bias", ParameterRole.Bias, dimensions),
        ];
    }

    /// <inheritdoc/>
    public sealed override Accuracy Accuracy => Accuracy.Derived;

    /// <inheritdoc/>
    public sealed override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => Math.Max(
        SetsOf(inputs[0]).Length, Affine ? (long)batch * (ScalesEveryValue ? 1 : inputs[0].Area) : 1);

    /// <inheritdoc/>
    public sealed override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <summary>The mean μ and the inverse standard deviation 1/√(σ² + ε) of every set.</summary>
    public sealed override int SavedLength(int batch, params ReadOnlySpan<Shape> inputs)
        => 2 * batch * SetsOf(inputs[0]).Count;

    /// <summary>Returns the sets of a sample.</summary>
    internal abstract NormSets SetsOf(Shape shape);

    /// <inheritdoc/>
    public sealed override void Forward<T>(in Frame<T> f)
    {
        Frame<T> frame = f;
        NormSets sets = SetsOf(f.YShape);
        frame.For(f.N * sets.Count, set =>
        {
            ReadOnlySpan<T> x = Sample(frame.X(0), frame, sets, set, out int start);
            Span<T> y = frame.Y.Slice(set / sets.Count * frame.YShape.Length, frame.YShape.Length);
            (T mean, T inverse) = Statistics(x, start, sets);
            for (int i = 0, at = start; i < sets.Length; i++, at += sets.Step)
            {
                T normal = (x[at] - mean) * inverse;
                y[at] = Affine ? frame.W(0)[ParameterOf(frame.YShape, at)] * normal
                    + frame.W(1)[ParameterOf(frame.YShape, at)] : normal;
            }
            (frame.Saved[2 * set], frame.Saved[2 * set + 1]) = (mean, inverse);
        });
    }

    /// <inheritdoc/>
    public sealed override void Backward<T>(in Frame<T> f)
    {
        Frame<T> frame = f;
        NormSets sets = SetsOf(f.YShape);
        if (f.WantsDX(0))
            frame.For(f.N * sets.Count, set => InputGradient(frame, sets, set));
        if (Affine && (f.WantsDW(0) || f.WantsDW(1)))
            frame.For(f.W(0).Length, parameter => ParameterGradients(frame, sets, parameter));
    }

    /// <summary>Derives the error bounds of a float32 normalisation relative to the double result.</summary>
    /// <remarks>
    /// Δ marks an error, u = 2⁻²⁴, d = x − μ, s = 1/√(σ² + ε), x̂ = d·s; the sums are over the L values of a set unless
    /// stated otherwise. Only first-order terms are kept.
    /// <list type="bullet">
    /// <item>As for batch normalisation, Δμ = bound(Σx)/L + 2u|μ|, Δσ² = bound(Σd²)/L + Δμ² + 4uσ², s has the relative
    /// error ρ = Δσ²/(2(σ² + ε)) + 3u, Δx̂ = s(Δμ + u|d|) + |x̂|(ρ + u), and y, which may be computed as (γs)·x +
    /// (β − γsμ), has Δy = |γ|Δx̂ + 3u|γs|(|x| + |μ|) + u(|β| + |y|).</item>
    /// <item>G = Σg is a sum. P = Σg·x̂ may be computed as s(Σg·x − μ·Σg), so that its terms are g·x and g·μ: ΔP =
    /// s·bound + sΔμ|G| + ρ|P|.</item>
    /// <item>dx = s(g − G/L − x̂P/L), also as sg + bx + c with b = −s²P/L: with T = |g| + |G|/L + s(|x| + |μ|)|P|/L,
    /// Δdx = s(u|g| + ΔG/L + |x̂|ΔP/L + Δx̂|P|/L + 4uT) + |dx|(ρ + 2u).</item>
    /// <item>dβ is a sum. dγ = Σdy·x̂, over several sets, has the terms dy·s·x and dy·s·μ. The values of a set have Δμ
    /// and ρ in common: Δdγ = bound + Σ over the sets of sΔμ|Σdy| + ρ|Σdy·x̂|.</item>
    /// </list>
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="bounds"/> is null.</exception>
    public sealed override void DeriveBounds(ErrorBounds bounds)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        NormSets sets = SetsOf(bounds.XShape(0));
        bounds.Terms = (int)LongestSum(bounds.N, bounds.XShape(0));
        var known = new SetErrors[bounds.N * sets.Count];
        for (int set = 0; set < known.Length; set++)
            known[set] = DeriveBounds(bounds, sets, set);
        for (int parameter = 0; Affine && parameter < bounds.W(0).Length; parameter++)
            DeriveParameterBounds(bounds, sets, known, parameter);
    }

    // The statistics of a set, the error of the mean, and the relative error of s.
    private readonly record struct SetErrors(double Mean, double S, double MeanError, double Rho);

    private SetErrors DeriveBounds(ErrorBounds b, NormSets sets, int set)
    {
        const double U = BoundedSum.UnitRoundoff;
        Shape shape = b.XShape(0);
        int sample = set / sets.Count * shape.Length, first = set % sets.Count * sets.Start;
        ReadOnlySpan<double> x = b.X(0).Slice(sample, shape.Length), dy = b.DY.Slice(sample, shape.Length);
        double length = sets.Length;
        BoundedSum sumX = default, squares = default, sumG = default, products = default;
        for (int i = 0, at = first; i < sets.Length; i++, at += sets.Step)
            sumX += x[at];
        double mean = sumX.Value / length;
        for (int i = 0, at = first; i < sets.Length; i++, at += sets.Step)
        {
            double g = dy[at] * (Affine ? b.W(0)[ParameterOf(shape, at)] : 1);
            squares += (x[at] - mean) * (x[at] - mean);
            sumG += g;
            products += g * x[at];
            products += -g * mean;
        }
        double variance = squares.Value / length, s = 1 / Math.Sqrt(variance + Epsilon);
        double meanError = sumX.Bound() / length + 2 * U * Math.Abs(mean);
        double varianceError = squares.Bound() / length + meanError * meanError + 4 * U * variance;
        double rho = varianceError / (2 * (variance + Epsilon)) + 3 * U;
        double product = products.Value * s;
        double productError = s * products.Bound() + s * meanError * Math.Abs(sumG.Value) + rho * Math.Abs(product);
        for (int i = 0, at = first; i < sets.Length; i++, at += sets.Step)
        {
            double gamma = Affine ? b.W(0)[ParameterOf(shape, at)] : 1, g = gamma * dy[at];
            double beta = Affine ? b.W(1)[ParameterOf(shape, at)] : 0;
            double d = x[at] - mean, normal = d * s, size = Math.Abs(x[at]) + Math.Abs(mean);
            double normalError = s * (meanError + U * Math.Abs(d)) + Math.Abs(normal) * (rho + U);
            b.YBound[sample + at] = Math.Abs(gamma) * normalError + 3 * U * Math.Abs(gamma * s) * size
                + U * (Math.Abs(beta) + Math.Abs(b.Y[sample + at]));
            double terms = Math.Abs(g) + (Math.Abs(sumG.Value) + s * size * Math.Abs(product)) / length;
            double inner = U * Math.Abs(g) + (sumG.Bound() + Math.Abs(normal) * productError
                + normalError * Math.Abs(product)) / length + 4 * U * terms;
            b.DXBound(0)[sample + at] = s * inner + Math.Abs(b.DX(0)[sample + at]) * (rho + 2 * U);
        }
        return new SetErrors(mean, s, meanError, rho);
    }

    private void DeriveParameterBounds(ErrorBounds b, NormSets sets, SetErrors[] known, int parameter)
    {
        Shape shape = b.XShape(0);
        BoundedSum shift = default, scale = default;
        double error = 0, sumDY = 0, product = 0;
        int last = -1;
        foreach (int at in Scaled(shape, b.N, parameter))
        {
            int set = at / shape.Length * sets.Count + sets.Of(at % shape.Length);
            if (set != last)
                CloseSet();
            (last, SetErrors of) = (set, known[set]);
            double dy = b.DY[at], x = b.X(0)[at];
            shift += dy;
            scale += dy * of.S * x;
            scale += -dy * of.S * of.Mean;
            (sumDY, product) = (sumDY + dy, product + dy * of.S * (x - of.Mean));
        }
        CloseSet();
        (b.DWBound(0)[parameter], b.DWBound(1)[parameter]) = (scale.Bound() + error, shift.Bound());

        void CloseSet()
        {
            if (last >= 0)
                error += known[last].S * known[last].MeanError * Math.Abs(sumDY) + known[last].Rho * Math.Abs(product);
            (sumDY, product) = (0, 0);
        }
    }

    // The index of the parameters that scale and shift a value of the sample.
    private int ParameterOf(Shape shape, int index) => ScalesEveryValue ? index : index / shape.Area;

    // The indices, within a batch, of the values that a parameter scales.
    private IEnumerable<int> Scaled(Shape shape, int n, int parameter)
    {
        int count = ScalesEveryValue ? 1 : shape.Area;
        for (int sample = 0; sample < n; sample++)
        {
            int first = sample * shape.Length + parameter * count;
            for (int i = 0; i < count; i++)
                yield return first + i;
        }
    }

    // The values of the sample of a set. The index of the set's first value is relative to them.
    private static ReadOnlySpan<T> Sample<T>(ReadOnlySpan<T> batch, Frame<T> f, NormSets sets, int set, out int first)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        first = set % sets.Count * sets.Start;
        return batch.Slice(set / sets.Count * f.YShape.Length, f.YShape.Length);
    }

    // Two passes, as in batch normalisation.
    private (T Mean, T Inverse) Statistics<T>(ReadOnlySpan<T> x, int first, NormSets sets)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        BlockedSum<T> sum = default, squares = default;
        T length = T.CreateChecked(sets.Length);
        for (int i = 0, at = first; i < sets.Length; i++, at += sets.Step)
            sum.Add(x[at]);
        T mean = sum.Value / length;
        for (int i = 0, at = first; i < sets.Length; i++, at += sets.Step)
            squares.Add((x[at] - mean) * (x[at] - mean));
        return (mean, T.One / T.Sqrt(squares.Value / length + T.CreateChecked(Epsilon)));
    }

    private void InputGradient<T>(Frame<T> f, NormSets sets, int set) where T : unmanaged, IFloatingPointIeee754<T>
    {
        ReadOnlySpan<T> x = Sample(f.X(0), f, sets, set, out int first), dy = Sample(f.DY, f, sets, set, out _);
        Span<T> dx = f.DX(0).Slice(set / sets.Count * f.YShape.Length, f.YShape.Length);
        (T mean, T inverse) = (f.Saved[2 * set], f.Saved[2 * set + 1]);
        T length = T.CreateChecked(sets.Length);
        BlockedSum<T> sums = default, products = default;
        for (int i = 0, at = first; i < sets.Length; i++, at += sets.Step)
        {
            T g = Affine ? f.W(0)[ParameterOf(f.YShape, at)] * dy[at] : dy[at];
            sums.Add(g);
            products.Add(g * ((x[at] - mean) * inverse));
            dx[at] = g;
        }
        T meanOfG = sums.Value / length, meanOfProduct = products.Value / length;
        for (int i = 0, at = first; i < sets.Length; i++, at += sets.Step)
            dx[at] = inverse * (dx[at] - meanOfG - (x[at] - mean) * inverse * meanOfProduct);
    }

    private void ParameterGradients<T>(Frame<T> f, NormSets sets, int parameter)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        Shape shape = f.YShape;
        BlockedSum<T> sums = default, products = default;
        ReadOnlySpan<T> x = f.X(0), dy = f.DY, saved = f.Saved;
        foreach (int at in Scaled(shape, f.N, parameter))
        {
            int set = at / shape.Length * sets.Count + sets.Of(at % shape.Length);
            sums.Add(dy[at]);
            products.Add(dy[at] * ((x[at] - saved[2 * set]) * saved[2 * set + 1]));
        }
        if (f.WantsDW(0))
            f.DW(0)[parameter] = products.Value;
        if (f.WantsDW(1))
            f.DW(1)[parameter] = sums.Value;
    }
}
