namespace ConvNet;

/// <summary>Exponential function, elementwise: y = e^x.</summary>
/// <remarks>Backward: dx = e^x·dy. y and dx have the shape of x; a NaN stays a NaN. Above 88.7, y is infinite in
/// float32.</remarks>
public sealed record Exp : InputActivation
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("exp", "y = e^x", [], _ => new Exp())
    {
        Examples = [new("exp", new Exp(), 3, new Shape(3, 5, 7)) { Rounds = true }],
        Random = [draw => new("exp", new Exp(), draw.Batch(), draw.Shape()) { Rounds = true }],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    protected override T Value<T>(T x) => T.Exp(x);

    /// <inheritdoc/>
    protected override double Slope(double x) => Math.Exp(x);

    /// <inheritdoc/>
    /// <remarks>The function has an error of a few ulp: e = 4y and e′ = 4y.</remarks>
    protected override (double Value, double Slope) ErrorsInRoundings(double x)
        => (4 * Math.Exp(x), 4 * Math.Exp(x));
}
