namespace ConvNet.GradientChecking;

/// <summary>Takes some of the independent parts of a layer's results, maps or filters, where the double reference of
/// all would take too long.</summary>
/// <remarks>The parts are spread evenly, each at a random place of its stretch, the first and the last among them; the
/// same for every run.</remarks>
/// <param name="share">The share of the parts that is taken, but for <see cref="Fewest"/>.</param>
internal sealed class Sample(double share)
{
    /// <summary>So many are taken in any case.</summary>
    public const int Fewest = 8;

    /// <summary>A sample of a layer; null where there is time for all of it.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="shapes">The shapes of its inputs.</param>
    /// <param name="n">Samples in a batch.</param>
    /// <param name="most">Multiply-adds that there is time for.</param>
    public static Sample? Of(Layer layer, Shape[] shapes, int n, long most)
        => layer.Accuracy == Accuracy.Sums && layer.MultiplyAdds(shapes) * (double)n is var terms && terms > most
            ? new Sample(most / terms) : null;

    /// <summary>The parts to take of so many.</summary>
    public int[] Parts(int count)
    {
        int taken = Math.Min(count, Math.Max(Fewest, (int)Math.Ceiling(count * share)));
        var parts = new int[taken];
        for (int i = 0; i < taken; i++)
        {
            int start = (int)((long)i * count / taken), end = (int)((i + 1L) * count / taken);
            parts[i] = i == 0 ? 0 : i == taken - 1 ? count - 1
                : start + (int)(Philox.Word((ulong)count, i, 0, 0) % (uint)(end - start));
        }
        return parts;
    }
}
