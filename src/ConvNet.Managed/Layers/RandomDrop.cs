using System.Numerics;

namespace ConvNet;

/// <summary>A layer that zeroes random values in training and is the identity in inference.</summary>
/// <remarks>
/// In training, a value becomes 0 with probability p and x/(1 − p) otherwise. One random word decides over a whole
/// group of consecutive NCHW values. The words come from <see cref="Philox"/>, keyed by seed, node, pass and the index
/// of the group in the whole batch (<see cref="IExecutable.SampleOffset"/>). The mask is therefore the same on every
/// backend, for any number of threads, and if executables share a batch. Backward: dy through the same mask.
/// </remarks>
public abstract record RandomDrop : Layer
{
    private protected const float Usual = 0.5f;

    private protected RandomDrop(float probability) => Probability = probability;

    /// <summary>p, the probability of dropping a value.</summary>
    public float Probability { get; }

    /// <summary>A group is dropped if its random word is below this threshold.</summary>
    internal uint Threshold => (uint)(Probability * 4294967296.0);

    /// <summary>The scale of the kept values, 1 / (1 − p), rounded to float on every backend.</summary>
    internal float Scale => 1f / (1f - Probability);

    /// <inheritdoc/>
    public sealed override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public sealed override Accuracy Accuracy => Accuracy.Moves;

    /// <inheritdoc/>
    internal sealed override bool RunsInInference => false;

    /// <inheritdoc/>
    public sealed override BackwardReads BackwardReads => BackwardReads.None;

    /// <summary>Returns the number of consecutive values that one random word decides over; 0 for the whole
    /// batch.</summary>
    /// <param name="shape">The shape of a sample.</param>
    internal abstract int GroupLength(Shape shape);

    /// <inheritdoc/>
    public sealed override void Forward<T>(in Frame<T> f)
    {
        if (f.Training)
            Mask(f, f.X(0), f.Y);
        else
            f.X(0).CopyTo(f.Y);
    }

    /// <inheritdoc/>
    public sealed override void Backward<T>(in Frame<T> f)
    {
        if (f.WantsDX(0))
            Mask(f, f.DY, f.DX(0));
    }

    /// <summary>Whether a group is dropped.</summary>
    /// <param name="seed">The seed of the executable's random numbers.</param>
    /// <param name="node">The index of the node in its graph.</param>
    /// <param name="pass">The number of training forward passes before this one.</param>
    /// <param name="group">The index of the group in the whole batch.</param>
    internal bool Drops(ulong seed, int node, long pass, long group)
        => Philox.Word(seed, node, pass, group) < Threshold;

    private protected static AttributeDeclaration<float> Declare<TLayer>()
        where TLayer : RandomDrop
        => AttributeDeclaration.Number<TLayer>("probability", layer => layer.Probability, NumberInterval.BelowOne,
            Usual);

    private void Mask<T>(in Frame<T> f, ReadOnlySpan<T> from, Span<T> to) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T scale = T.CreateChecked(Scale);
        int sample = f.YShape.Length, length = GroupLength(f.YShape) is > 0 and var group ? group : to.Length;
        long first = GroupLength(f.YShape) == 0 ? 0 : (long)f.FirstSample * (sample / length);
        for (int i = 0; i < to.Length; i += length)
        {
            if (Drops(f.Seed, f.NodeIndex, f.Pass, first + i / length))
            {
                to.Slice(i, length).Clear();
                continue;
            }
            for (int j = i; j < i + length; j++)
                to[j] = from[j] * scale;
        }
    }
}
