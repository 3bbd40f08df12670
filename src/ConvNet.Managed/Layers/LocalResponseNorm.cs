namespace ConvNet;

/// <summary>Local response normalisation over neighbouring channels: y_c = x_c / s_c^β, with s_c = k + α/size·Σ x_j².
/// </summary>
/// <remarks>
/// x, y: N×C×H×W. The sum is over the channels j of the same pixel from c − ⌊size/2⌋ to c + ⌊(size − 1)/2⌋; channels
/// that do not exist count as 0, and α is divided by size at the borders, too, as in PyTorch. ONNX has the same
/// definition for an odd size. Caffe and AlexNet, whose constant is k = 2, do the same.
/// Backward: dx_j = dy_j / s_j^β − 2αβ/size·x_j·Σ_c dy_c·y_c / s_c, over the channels c whose sums contain x_j. Source:
/// Krizhevsky, Sutskever and Hinton, NeurIPS 2012.
/// </remarks>
public sealed record LocalResponseNorm : Layer
{
    private const float UsualAlpha = 1e-4f, UsualBeta = 0.75f, UsualK = 1;

    private static readonly AttributeDeclaration<int> s_size
        = AttributeDeclaration.Integer<LocalResponseNorm>("size", layer => layer.Size);

    private static readonly AttributeDeclaration<float>
        s_alpha = AttributeDeclaration.Number<LocalResponseNorm>("alpha", layer => layer.Alpha, NumberInterval.FromZero,
            UsualAlpha),
        s_beta = AttributeDeclaration.Number<LocalResponseNorm>("beta", layer => layer.Beta, NumberInterval.FromZero,
            UsualBeta),
        s_k = AttributeDeclaration.Number<LocalResponseNorm>("k", layer => layer.K, NumberInterval.AboveZero, UsualK);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("lrn", "local response normalisation across channels",
        [s_size, s_alpha, s_beta, s_k], values => new LocalResponseNorm(values.Get(s_size), values.Get(s_alpha),
            values.Get(s_beta), values.Get(s_k)))
    {
        Examples =
        [
            new("lrn", new LocalResponseNorm(5, alpha: 0.5f, k: 2), 2, new Shape(17, 3, 2)) { Rounds = true },
            new("lrn of an even size", new LocalResponseNorm(4, alpha: 1, beta: 0.6f), 2, new Shape(7, 2, 3))
            {
                Rounds = true,
            },
        ],
        Random = [Random],
        Fitting = (draw, _, _) => new LocalResponseNorm(draw.Of(2, 3, 5), 0.5f),
    };

    /// <summary>Creates a local response normalisation.</summary>
    /// <param name="size">The number of neighbouring channels of a sum.</param>
    /// <param name="alpha">α, which is divided by the size; at least 0.</param>
    /// <param name="beta">β, the exponent; at least 0.</param>
    /// <param name="k">k, the constant of the sum; positive.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public LocalResponseNorm(int size, float alpha = UsualAlpha, float beta = UsualBeta, float k = UsualK)
    {
        (Size, Alpha) = (s_size.Check(Kind, size), s_alpha.Check(Kind, alpha));
        (Beta, K) = (s_beta.Check(Kind, beta), s_k.Check(Kind, k));
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>The number of neighbouring channels of a sum.</summary>
    public int Size { get; }

    /// <summary>α, which is divided by the size.</summary>
    public float Alpha { get; }

    /// <summary>β, the exponent.</summary>
    public float Beta { get; }

    /// <summary>k, the constant of the sum.</summary>
    public float K { get; }

    // The channels of a sum before and after its own.
    private int Before => Size / 2;

    private int After => (Size - 1) / 2;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Derived;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => Math.Min(Size, inputs[0].C);

    /// <summary>The sum s of every value.</summary>
    public override int SavedLength(int batch, params ReadOnlySpan<Shape> inputs) => batch * inputs[0].Length;

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        Frame<T> frame = f;
        Shape shape = f.YShape;
        f.For(f.N * shape.C, map =>
        {
            int sample = map / shape.C * shape.Length, c = map % shape.C;
            ReadOnlySpan<T> x = frame.X(0).Slice(sample, shape.Length);
            Span<T> y = frame.Y.Slice(sample, shape.Length), sums = frame.Saved.Slice(sample, shape.Length);
            T share = T.CreateChecked(Alpha) / T.CreateChecked(Size), k = T.CreateChecked(K),
                beta = T.CreateChecked(Beta);
            (int first, int last) = Range(c, Before, After, shape.C);
            for (int i = 0; i < shape.Area; i++)
            {
                BlockedSum<T> squares = default;
                for (int j = first; j <= last; j++)
                    squares.Add(x[j * shape.Area + i] * x[j * shape.Area + i]);
                int at = c * shape.Area + i;
                sums[at] = k + share * squares.Value;
                y[at] = x[at] / T.Pow(sums[at], beta);
            }
        });
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        Frame<T> frame = f;
        Shape shape = f.YShape;
        f.For(f.N * shape.C, map =>
        {
            int sample = map / shape.C * shape.Length, c = map % shape.C;
            ReadOnlySpan<T> x = frame.X(0).Slice(sample, shape.Length), dy = frame.DY.Slice(sample, shape.Length),
                sums = frame.Saved.Slice(sample, shape.Length);
            Span<T> dx = frame.DX(0).Slice(sample, shape.Length);
            T beta = T.CreateChecked(Beta),
                factor = T.CreateChecked(2) * beta * T.CreateChecked(Alpha) / T.CreateChecked(Size);
            // The sums that contain a channel are those of its neighbours on the opposite sides.
            (int first, int last) = Range(c, After, Before, shape.C);
            for (int i = 0; i < shape.Area; i++)
            {
                BlockedSum<T> terms = default;
                for (int j = first; j <= last; j++)
                {
                    int other = j * shape.Area + i;
                    terms.Add(dy[other] * x[other] / (sums[other] * T.Pow(sums[other], beta)));
                }
                int at = c * shape.Area + i;
                dx[at] = dy[at] / T.Pow(sums[at], beta) - factor * x[at] * terms.Value;
            }
        });
    }

    /// <summary>Derives the error bounds of the float32 results relative to the double results.</summary>
    /// <remarks>
    /// u = 2⁻²⁴. s has the relative error σ = (α/size·bound(Σx²))/s + 4u. Its power, computed as e^(β·log s), has the
    /// relative error π = βσ + u(4β|log s| + 6). Δy = |y|(π + 2u). A term t = dy·y/s of the sum in dx, or its
    /// equivalents with s^β and s^(β−1), has the relative error 3π + 3σ + 8u: Δdx = |dy/s^β|(π + 3u) + 2αβ/size·|x|·
    /// (bound(Σt) + Σ|t|(3π + 3σ + 12u)) + u|dx|.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="bounds"/> is null.</exception>
    public override void DeriveBounds(ErrorBounds bounds)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        const double U = BoundedSum.UnitRoundoff;
        Shape shape = bounds.XShape(0);
        bounds.Terms = (int)LongestSum(bounds.N, shape);
        double share = (double)Alpha / Size, factor = 2 * share * Beta;
        double[] sigma = new double[shape.Length], pi = new double[shape.Length], sums = new double[shape.Length];
        for (int n = 0; n < bounds.N; n++)
        {
            int sample = n * shape.Length;
            ReadOnlySpan<double> x = bounds.X(0).Slice(sample, shape.Length),
                y = bounds.Y.Slice(sample, shape.Length), dy = bounds.DY.Slice(sample, shape.Length);
            for (int at = 0; at < shape.Length; at++)
            {
                BoundedSum squares = default;
                (int first, int last) = Range(at / shape.Area, Before, After, shape.C);
                for (int j = first; j <= last; j++)
                    squares += Math.Pow(x[j * shape.Area + at % shape.Area], 2);
                double s = sums[at] = K + share * squares.Value;
                sigma[at] = share * squares.Bound() / s + 4 * U;
                pi[at] = Beta * sigma[at] + U * (4 * Beta * Math.Abs(Math.Log(s)) + 6);
                bounds.YBound[sample + at] = Math.Abs(y[at]) * (pi[at] + 2 * U);
            }
            for (int at = 0; at < shape.Length; at++)
            {
                BoundedSum terms = default;
                double errors = 0;
                (int first, int last) = Range(at / shape.Area, After, Before, shape.C);
                for (int j = first; j <= last; j++)
                {
                    int other = j * shape.Area + at % shape.Area;
                    double term = dy[other] * y[other] / sums[other];
                    terms += term;
                    errors += Math.Abs(term) * (3 * pi[other] + 3 * sigma[other] + 12 * U);
                }
                bounds.DXBound(0)[sample + at] = Math.Abs(dy[at]) / Math.Pow(sums[at], Beta) * (pi[at] + 3 * U)
                    + factor * Math.Abs(x[at]) * (terms.Bound() + errors)
                    + U * Math.Abs(bounds.DX(0)[sample + at]);
            }
        }
    }

    private static (int First, int Last) Range(int c, int before, int after, int channels)
        => ((int)Math.Max(0, (long)c - before), (int)Math.Min(channels - 1, (long)c + after));

    private static LayerExample Random(RandomDraw draw) => new("lrn", new LocalResponseNorm(draw.Of(1, 2, 3, 4, 5, 8),
        draw.Of(1e-4f, 0.5f, 1f), draw.Of(0.5f, 0.75f, 1f, 1.25f), draw.Of(1f, 2f)), draw.Batch(), draw.Shape());
}
