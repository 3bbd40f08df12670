namespace ConvNet.Data;

/// <summary>Random orders that depend only on a seed: the same on every machine and .NET version.</summary>
internal static class Shuffle
{
    /// <summary>Returns the numbers from 0 to <paramref name="count"/> − 1 in random order (Fisher and Yates, with
    /// <see cref="Philox"/>).</summary>
    /// <param name="count">The number of elements.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="round">Distinguishes several orders of one seed, for example the epoch.</param>
    public static int[] Order(int count, ulong seed, long round)
    {
        var order = new int[count];
        for (int i = 0; i < count; i++)
            order[i] = i;
        for (int i = count - 1; i > 0; i--)
        {
            // Node 0 is the input, which has no mask, so these random words are used nowhere else.
            int j = (int)((ulong)Philox.Word(seed, node: 0, round, i) * (ulong)(i + 1) >> 32);
            (order[i], order[j]) = (order[j], order[i]);
        }
        return order;
    }
}
