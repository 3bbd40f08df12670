namespace ConvNet;

/// <summary>Logarithm of the softmax over the channels of every pixel: y_c = x_c − m − log Σ_k e^(x_k − m), with m the
/// largest x.</summary>
/// <remarks>
/// x, y: N×C×H×W. Backward: dx_c = dy_c − e^(y_c)·Σ_k dy_k. Unlike the logarithm of <see cref="Softmax"/>, it is finite
/// for every finite x.
/// </remarks>
public sealed record LogSoftmax : ChannelSoftmax
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("logsoftmax",
        "logarithm of the softmax over the channels of every pixel", [], _ => new LogSoftmax())
    {
        Examples =
        [
            new("logsoftmax", new LogSoftmax(), 3, Shape.Vector(17)) { Rounds = true },
            new("logsoftmax of pixels", new LogSoftmax(), 2, new Shape(5, 3, 7)) { Rounds = true },
        ],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    private protected override T Output<T>(T a, T sum, T logarithm) => a - logarithm;

    private protected override T Term<T>(T y, T dy) => dy;

    private protected override T Gradient<T>(T y, T dy, T sum) => dy - T.Exp(y) * sum;

    // The relative error of Σ is the absolute error of its logarithm, which has a relative error of 2u of its own. x −
    // (m + log Σ) rounds no more than the difference and the logarithm.
    private protected override double OutputError(double y, double a, double sumError, double sum)
        => sumError + BoundedSum.UnitRoundoff * (a + 2 * Math.Log(sum) + Math.Abs(y));

    // e^y has the relative error Δy + 4u, and the product is rounded.
    private protected override double GradientError(double y, double yError, double dy, BoundedSum sum, double yErrors)
        => Math.Exp(y) * (sum.Bound() + Math.Abs(sum.Value) * (yError + 5 * BoundedSum.UnitRoundoff))
            + BoundedSum.UnitRoundoff * Math.Abs(dy) + SmallestExponential;
}
