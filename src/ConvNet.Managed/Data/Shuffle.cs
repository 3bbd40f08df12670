namespace ConvNet.Data;

/// <summary>Orders that depend on a seed alone: the same on every machine and in every version of .NET.</summary>
internal static class Shuffle
{
    /// <summary>The numbers from 0 to <paramref name="count"/> − 1 in random order (Fisher and Yates, over
    /// <see cref="Philox"/>).</summary>
    /// <param name="count">How many.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="round">The epoch or whatever else tells several orders of one seed apart.</param>
    public static int[] Order(int count, ulong seed, long round)
    {
        var order = new int[count];
        for (int i = 0; i < count; i++)
            order[i] = i;
        for (int i = count - 1; i > 0; i--)
        {
            // Node 0 is the images, which no layer masks, so these words are used nowhere else.
            int j = (int)((ulong)Philox.Word(seed, node: 0, round, i) * (ulong)(i + 1) >> 32);
            (order[i], order[j]) = (order[j], order[i]);
        }
        return order;
    }
}
