namespace ConvNet.GradientChecking;

/// <summary>Selects a sample of the maps or filters of a layer's results if the double reference of
/// all of them would take too long.</summary>
/// <remarks>They are spread evenly: one at a random position in each of equal intervals, and the first and the
/// last. The sample is the same in every run.</remarks>
/// <param name="share">The fraction of the maps or filters to select, but at least
/// <see cref="Fewest"/> of them.</param>
internal sealed class Sample(double share)
{
    /// <summary>The minimum number of maps or filters selected.</summary>
    public const int Fewest = 8;

    /// <summary>Creates the sample for a layer; null if all results can be computed.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="shapes">The shapes of its inputs.</param>
    /// <param name="n">The number of samples in a batch.</param>
    /// <param name="most">The maximum number of multiply-adds to compute.</param>
    public static Sample? Of(Layer layer, Shape[] shapes, int n, long most)
        => layer.Accuracy == Accuracy.Sums && layer.MultiplyAdds(shapes) * (double)n is var terms && terms > most
            ? new Sample(most / terms) : null;

    /// <summary>Returns the indices of the selected maps or filters, out of a given number of them.</summary>
    public int[] Indices(int count)
    {
        int taken = Math.Min(count, Math.Max(Fewest, (int)Math.Ceiling(count * share)));
        var indices = new int[taken];
        for (int i = 0; i < taken; i++)
        {
            int start = (int)((long)i * count / taken), end = (int)((i + 1L) * count / taken);
            indices[i] = i == 0 ? 0 : i == taken - 1 ? count - 1
                : start + (int)(Philox.Word((ulong)count, i, 0, 0) % (uint)(end - start));
        }
        return indices;
    }
}
