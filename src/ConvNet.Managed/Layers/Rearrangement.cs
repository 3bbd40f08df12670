using System.Numerics;

namespace ConvNet;

/// <summary>Base class of layers that rearrange the values of a sample: every output is another input.</summary>
/// <remarks>The sample is viewed as an array of several dimensions, which are then reordered.</remarks>
public abstract record Rearrangement : Layer
{
    private protected Rearrangement()
    {
    }

    /// <inheritdoc/>
    public sealed override Accuracy Accuracy => Accuracy.Moves;

    /// <inheritdoc/>
    public sealed override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public sealed override void Forward<T>(in Frame<T> f) => Apply(f.X(0), f.Y, f.N, Dimensions(f.XShape(0)));

    /// <inheritdoc/>
    public sealed override void Backward<T>(in Frame<T> f)
    {
        if (f.WantsDX(0))
            Apply(f.DY, f.DX(0), f.N, Dimensions(f.XShape(0)).Inverse());
    }

    /// <summary>Returns the dimensions as which the input is viewed, and their order in the output.</summary>
    internal abstract Reordering Dimensions(Shape x);

    private static void Apply<T>(ReadOnlySpan<T> from, Span<T> to, int n, Reordering dimensions)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        int rank = dimensions.Sizes.Length, length = from.Length / n;
        int[] sizes = [.. dimensions.Order.Select(d => dimensions.Sizes[d])],
            strides = [.. dimensions.Order.Select(d => dimensions.Sizes[(d + 1)..].Aggregate(1, (a, b) => a * b))];
        var at = new int[rank];
        for (int sample = 0; sample < n; sample++)
        {
            int source = sample * length;
            foreach (ref T value in to.Slice(sample * length, length))
            {
                value = from[source];
                int d = rank - 1;
                source += strides[d];
                while (++at[d] == sizes[d])
                {
                    source -= sizes[d] * strides[d];
                    at[d] = 0;
                    if (--d < 0)
                        break;
                    source += strides[d];
                }
            }
        }
    }
}

/// <summary>An array of several dimensions whose dimensions are reordered.</summary>
/// <param name="Sizes">The sizes of the dimensions before.</param>
/// <param name="Order">The dimension before that each dimension after is.</param>
internal readonly record struct Reordering(int[] Sizes, params int[] Order)
{
    /// <summary>Returns the reordering that restores the array.</summary>
    public Reordering Inverse()
    {
        int[] inverse = new int[Order.Length];
        for (int i = 0; i < inverse.Length; i++)
            inverse[Order[i]] = i;
        int[] sizes = Sizes;
        return new Reordering([.. Order.Select(d => sizes[d])], inverse);
    }
}
