namespace ConvNet;

/// <summary>Reshapes C×H×W maps to a vector of C·H·W features, in the order C, H, W.</summary>
/// <remarks>Both passes only copy values.</remarks>
public sealed record Flatten : Layer
{
    // Limits the vector length in random graphs; a longer one would make the following layers expensive.
    private const int MostInGraph = 64;

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("flatten", "flattens maps to a "
        + "vector", [], _ => new Flatten())
    {
        Examples = [new("flatten", new Flatten(), 2, new Shape(3, 3, 5))],
        Random = [draw => new("flatten", new Flatten(), draw.Batch(), draw.Shape())],
        Fitting = (_, _, x) => x.Length <= MostInGraph ? new Flatten() : null,
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Shape.Vector(Single(inputs).Length);

    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Moves;

    /// <inheritdoc/>
    public override bool IsView => true;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs)
        => $"{inputs[0].C}·{inputs[0].H}·{inputs[0].W} = {inputs[0].Length}";

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f) => f.X(0).CopyTo(f.Y);

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (f.WantsDX(0))
            f.DY.CopyTo(f.DX(0));
    }
}
