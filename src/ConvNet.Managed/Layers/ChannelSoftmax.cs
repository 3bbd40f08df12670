using System.Numerics;

namespace ConvNet;

/// <summary>A layer that normalises the exponentials of the channels of every pixel.</summary>
/// <remarks>The largest value m of a pixel is subtracted, so that no exponential overflows. A NaN or +∞, or −∞ in all
/// channels, makes all channels of its pixel NaN, as in PyTorch.</remarks>
public abstract record ChannelSoftmax : Layer
{
    /// <summary>An exponential below this number may be 0.</summary>
    private protected const double SmallestExponential = 1e-37;

    private protected ChannelSoftmax()
    {
    }

    /// <inheritdoc/>
    public sealed override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public sealed override Accuracy Accuracy => Accuracy.Derived;

    /// <inheritdoc/>
    public sealed override BackwardReads BackwardReads => BackwardReads.Output;

    /// <inheritdoc/>
    public sealed override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => inputs[0].C;

    /// <inheritdoc/>
    public sealed override void Forward<T>(in Frame<T> f)
    {
        Frame<T> frame = f;
        int area = f.YShape.Area;
        f.For(f.N * area, pixel =>
        {
            int first = First(frame.YShape, pixel);
            ReadOnlySpan<T> x = frame.X(0)[first..];
            Span<T> y = frame.Y[first..];
            T largest = x[0];
            BlockedSum<T> sum = default;
            for (int c = 1; c < frame.YShape.C; c++)
                largest = x[c * area] > largest || T.IsNaN(x[c * area]) ? x[c * area] : largest;
            for (int c = 0; c < frame.YShape.C; c++)
                sum.Add(T.Exp(x[c * area] - largest));
            T total = sum.Value, logarithm = T.Log(total);
            for (int c = 0; c < frame.YShape.C; c++)
                y[c * area] = Output(x[c * area] - largest, total, logarithm);
        });
    }

    /// <inheritdoc/>
    public sealed override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        Frame<T> frame = f;
        int area = f.YShape.Area;
        f.For(f.N * area, pixel =>
        {
            int first = First(frame.YShape, pixel);
            ReadOnlySpan<T> y = frame.Y[first..], dy = frame.DY[first..];
            Span<T> dx = frame.DX(0)[first..];
            BlockedSum<T> sum = default;
            for (int c = 0; c < frame.YShape.C; c++)
                sum.Add(Term(y[c * area], dy[c * area]));
            T total = sum.Value;
            for (int c = 0; c < frame.YShape.C; c++)
                dx[c * area] = Gradient(y[c * area], dy[c * area], total);
        });
    }

    /// <summary>Derives the error bounds of the float32 results relative to the double results.</summary>
    /// <remarks>
    /// u = 2⁻²⁴, a = x − m, Σ = Σ e^a. An exponential has the relative error u|a| from its argument and 4u of its own:
    /// ΔΣ = bound(Σ) + Σ e^a·u(|a| + 4). An exponential below 10⁻³⁷ may be 0. The layers bound what follows from it.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="bounds"/> is null.</exception>
    public sealed override void DeriveBounds(ErrorBounds bounds)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        const double U = BoundedSum.UnitRoundoff;
        Shape shape = bounds.XShape(0);
        bounds.Terms = shape.C;
        for (int pixel = 0; pixel < bounds.N * shape.Area; pixel++)
        {
            int first = First(shape, pixel);
            ReadOnlySpan<double> x = bounds.X(0)[first..], y = bounds.Y[first..], dy = bounds.DY[first..];
            double largest = double.NegativeInfinity, arguments = 0, yErrors = 0;
            BoundedSum exponentials = default, terms = default;
            for (int c = 0; c < shape.C; c++)
                largest = Math.Max(largest, x[c * shape.Area]);
            for (int c = 0; c < shape.C; c++)
            {
                double a = x[c * shape.Area] - largest;
                exponentials += Math.Exp(a);
                arguments += Math.Exp(a) * U * (4 - a);
                terms += Term(y[c * shape.Area], dy[c * shape.Area]);
            }
            double sumError = (exponentials.Bound() + arguments) / exponentials.Value;
            for (int c = 0; c < shape.C; c++)
            {
                int at = c * shape.Area;
                bounds.YBound[first + at] = OutputError(y[at], largest - x[at], sumError, exponentials.Value);
                yErrors += Math.Abs(dy[at]) * bounds.YBound[first + at];
            }
            for (int c = 0; c < shape.C; c++)
            {
                int at = c * shape.Area;
                bounds.DXBound(0)[first + at] = GradientError(y[at], bounds.YBound[first + at], dy[at], terms, yErrors)
                    + U * Math.Abs(bounds.DX(0)[first + at]);
            }
        }
    }

    /// <summary>Computes an output.</summary>
    /// <param name="a">x − m.</param>
    /// <param name="sum">Σ e^a.</param>
    /// <param name="logarithm">Its logarithm.</param>
    private protected abstract T Output<T>(T a, T sum, T logarithm) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Computes a term of the sum over the channels that all gradients of a pixel need.</summary>
    private protected abstract T Term<T>(T y, T dy) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Computes a gradient.</summary>
    private protected abstract T Gradient<T>(T y, T dy, T sum) where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Bounds the error of an output.</summary>
    /// <param name="y">The output.</param>
    /// <param name="a">|x − m|.</param>
    /// <param name="sumError">The relative error of Σ.</param>
    /// <param name="sum">Σ.</param>
    private protected abstract double OutputError(double y, double a, double sumError, double sum);

    /// <summary>Bounds the error of a gradient, except the rounding of the result.</summary>
    /// <param name="y">The output.</param>
    /// <param name="yError">Its error.</param>
    /// <param name="dy">The gradient of the output.</param>
    /// <param name="sum">The sum of the terms.</param>
    /// <param name="yErrors">Σ |dy|·Δy.</param>
    private protected abstract double GradientError(double y, double yError, double dy, BoundedSum sum,
        double yErrors);

    // The index, within a batch, of the first channel of a pixel.
    private static int First(Shape shape, int pixel) => pixel / shape.Area * shape.Length + pixel % shape.Area;
}
