namespace ConvNet;

/// <summary>Mish, elementwise: y = x·tanh(log(1 + e^x)).</summary>
/// <remarks>
/// With t = tanh(log(1 + e^x)) and σ(x) = 1/(1 + e^(−x)). Backward: dx = (t + x·(1 − t²)·σ(x))·dy. y and dx have the
/// shape of x; a NaN stays a NaN. With w = e^x, t = w(w + 2)/(w(w + 2) + 2), which does not cancel; for positive x, the
/// fraction is reduced by w². Source: Misra, BMVC 2020.
/// </remarks>
public sealed record Mish : InputActivation
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("mish", "y = x·tanh(log(1 + e^x))", [], _ => new Mish())
    {
        Examples =
        [
            new("mish", new Mish(), 3, new Shape(3, 5, 7)) { Rounds = true },
            new("mish of a vector", new Mish(), 2, Shape.Vector(33)) { Rounds = true },
        ],
        Random = [draw => new("mish", new Mish(), draw.Batch(), draw.Shape()) { Rounds = true }],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    protected override T Value<T>(T x)
    {
        T two = T.CreateChecked(2);
        if (x > T.Zero)
        {
            T v = T.Exp(-x);
            return x * (T.One + two * v) / (T.One + two * v * (T.One + v));
        }
        T w = T.Exp(x), n = w * (w + two);
        return x * n / (n + two);
    }

    /// <inheritdoc/>
    protected override double Slope(double x)
    {
        (double t, double change) = Parts(x);
        return t + x * change;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// t has a relative error of 16u: those of e^x and of the logarithm, which tanh does not increase, its own and two
    /// roundings; so e = 16|y|. A library that computes 1 − t² from t has an absolute error of 2t·16u·t = 32u·t² there:
    /// e′ = 16t + |x|·σ·(16·(1 − t²) + 32t²).
    /// </remarks>
    protected override (double Value, double Slope) ErrorsInRoundings(double x)
    {
        (double t, double change) = Parts(x);
        double size = Math.Abs(x);
        return (16 * size * t, 16 * t + size * (16 * change + 32 * t * t * SmoothFunctions.Sigmoid(x)));
    }

    // Returns t and (1 − t²)·σ(x), which is 4w(w + 1)/(w(w + 2) + 2)².
    private static (double T, double Change) Parts(double x)
    {
        if (x > 0)
        {
            double v = Math.Exp(-x), whole = 1 + 2 * v * (1 + v);
            return ((1 + 2 * v) / whole, 4 * v * v * (1 + v) / (whole * whole));
        }
        double w = Math.Exp(x), n = w * (w + 2);
        return (n / (n + 2), 4 * w * (w + 1) / ((n + 2) * (n + 2)));
    }
}
