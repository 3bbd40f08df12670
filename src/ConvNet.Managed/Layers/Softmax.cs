namespace ConvNet;

/// <summary>Softmax over the channels of every pixel: y_c = e^(x_c − m) / Σ_k e^(x_k − m), with m the largest
/// x.</summary>
/// <remarks>
/// x, y: N×C×H×W. Backward: dx_c = y_c·(dy_c − Σ_k dy_k·y_k). For training with cross-entropy, use the loss
/// <see cref="SoftmaxCrossEntropy"/> on the scores instead, which cannot underflow. Source: Bridle, in Neurocomputing,
/// NATO ASI 68, 1990.
/// </remarks>
public sealed record Softmax : ChannelSoftmax
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("softmax", "softmax over the channels of every pixel", [],
        _ => new Softmax())
    {
        Examples =
        [
            new("softmax", new Softmax(), 3, Shape.Vector(17)) { Rounds = true },
            new("softmax of pixels", new Softmax(), 2, new Shape(5, 3, 7)) { Rounds = true },
            new("softmax of blocks", new Softmax(), 1, new Shape(33, 2, 3)) { Rounds = true },
        ],
    };

    internal override bool GivesProbabilities => true;

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    private protected override T Output<T>(T a, T sum, T logarithm) => T.Exp(a) / sum;

    private protected override T Term<T>(T y, T dy) => dy * y;

    private protected override T Gradient<T>(T y, T dy, T sum) => y * (dy - sum);

    // A quotient of e^a, of relative error u(a + 4), and Σ.
    private protected override double OutputError(double y, double a, double sumError, double sum)
        => y * (BoundedSum.UnitRoundoff * (a + 6) + sumError) + SmallestExponential;

    // The sum has the error bound + Σ|dy|Δy. The difference is rounded, and y has an error of its own.
    private protected override double GradientError(double y, double yError, double dy, BoundedSum sum, double yErrors)
        => y * (sum.Bound() + yErrors + BoundedSum.UnitRoundoff * (Math.Abs(dy) + Math.Abs(sum.Value)))
            + yError * Math.Abs(dy - sum.Value);
}
