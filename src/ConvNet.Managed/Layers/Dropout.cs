using System.Numerics;

namespace ConvNet;

/// <summary>Dropout: in training, each value becomes 0 with probability p and x / (1 − p) otherwise; in inference,
/// y = x.</summary>
/// <remarks>
/// The mask comes from <see cref="Philox"/>, keyed by seed, node, pass and the NCHW index of the value in the whole
/// batch (<see cref="IExecutable.SampleOffset"/>). It is therefore the same on every backend, for any number of
/// threads, and if executables share a batch. Backward: dy through the same mask. Source: Srivastava et al., JMLR 2014.
/// </remarks>
public sealed record Dropout : Layer
{
    private const float Usual = 0.5f;

    private static readonly AttributeDeclaration<float> s_probability
        = AttributeDeclaration.Number<Dropout>("probability",
        layer => layer.Probability, new NumberInterval(0, 1, HasLeast: true, HasMost: false), Usual);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("dropout", "zeroes random values in training",
        [s_probability], values => new Dropout(values.Get(s_probability)))
    {
        Examples = [new("dropout", new Dropout(), 3, new Shape(3, 5, 3))],
        Random = [draw => new("dropout", new Dropout(draw.Of(0f, 0.1f, 0.25f, 0.5f)), draw.Batch(), draw.Shape())],
        Fitting = (draw, _, _) => new Dropout(draw.Of(0.25f, 0.5f)),
    };

    /// <summary>Creates a dropout layer.</summary>
    /// <param name="probability">p, the probability of dropping a value, in [0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">p is not in [0, 1).</exception>
    public Dropout(float probability = Usual)
    {
        Probability = s_probability.Check(Kind, probability);
    }

    /// <summary>p, the probability of dropping a value.</summary>
    public float Probability { get; }

    /// <summary>A value is dropped if its random word is below this threshold.</summary>
    internal uint Threshold => (uint)(Probability * 4294967296.0);

    /// <summary>The scale of the kept values, 1 / (1 − p), rounded to float on every backend.</summary>
    internal float Scale => 1f / (1f - Probability);

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Moves;

    /// <inheritdoc/>
    internal override bool RunsInInference => false;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        if (f.Training)
            Mask(f, f.X(0), f.Y);
        else
            f.X(0).CopyTo(f.Y);
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (f.WantsDX(0))
            Mask(f, f.DY, f.DX(0));
    }

    private void Mask<T>(in Frame<T> f, ReadOnlySpan<T> from, Span<T> to) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T scale = T.CreateChecked(Scale);
        long first = (long)f.FirstSample * f.YShape.Length;
        for (int i = 0; i < to.Length; i++)
            to[i] = Philox.Word(f.Seed, f.NodeIndex, f.Pass, first + i) < Threshold ? T.Zero : from[i] * scale;
    }
}
