namespace ConvNet;

/// <summary>Natural logarithm, elementwise: y = log(x), for x &gt; 0.</summary>
/// <remarks>
/// Backward: dx = dy/x. y and dx have the shape of x. At 0, y is −∞ and the derivative ∞; below 0 and for a NaN, both
/// are NaN.
/// </remarks>
public sealed record Log : InputActivation
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("log", "y = log(x)", [], _ => new Log())
    {
        Examples = [new("log", new Log(), 3, new Shape(3, 5, 7)) { Rounds = true }],
        Random = [draw => new("log", new Log(), draw.Batch(), draw.Shape()) { Rounds = true }],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override NumberInterval Domain => NumberInterval.AboveZero;

    /// <inheritdoc/>
    protected override T Value<T>(T x) => T.Log(x);

    /// <inheritdoc/>
    protected override double Slope(double x) => x < 0 ? double.NaN : 1 / x;

    /// <inheritdoc/>
    /// <remarks>The function has an error of a few ulp, the quotient of one: e = 4|y| and e′ = 2/x.</remarks>
    protected override (double Value, double Slope) ErrorsInRoundings(double x)
        => (4 * Math.Abs(Math.Log(x)), 2 / Math.Abs(x));
}
