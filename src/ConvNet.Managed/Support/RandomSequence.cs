namespace ConvNet;

/// <summary>A sequence of random choices that depends only on the parameters of the stream.</summary>
/// <param name="seed">The seed.</param>
/// <param name="node">Distinguishes streams for different uses, like the node of <see cref="Philox"/>.</param>
/// <param name="round">Distinguishes streams of one use, such as epochs.</param>
/// <param name="item">Distinguishes streams of one round, such as samples.</param>
public class RandomSequence(ulong seed, int node, long round = 0, int item = 0)
{
    private long _next = (long)item << 32;

    /// <summary>The number that distinguishes the streams of one use; for a transform, the epoch.</summary>
    public long Round => round;

    /// <summary>Returns the sequence of another round of the same use, from its start.</summary>
    /// <param name="other">The round.</param>
    public RandomSequence OfRound(long other) => new(seed, node, other, item);

    /// <summary>Returns a random number from 0 to count − 1.</summary>
    public int Below(int count) => (int)((ulong)Next() * (uint)count >> 32);

    /// <summary>Returns a random number between two bounds, both included.</summary>
    public int Between(int least, int most) => least + Below(most - least + 1);

    /// <summary>Returns a random number from <paramref name="least"/> to below <paramref name="most"/>, or that number
    /// if both are equal.</summary>
    public double Uniform(double least, double most) => least + (most - least) * (Next() / 4294967296.0);

    /// <summary>Brings elements into random order (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> elements)
    {
        for (int i = elements.Length - 1; i > 0; i--)
        {
            int j = Below(i + 1);
            (elements[i], elements[j]) = (elements[j], elements[i]);
        }
    }

    /// <summary>Returns one of the choices at random.</summary>
    public T Of<T>(params ReadOnlySpan<T> choices) => choices[Below(choices.Length)];

    /// <summary>Returns true with a probability of 1 / count.</summary>
    public bool OneIn(int count) => Below(count) == 0;

    /// <summary>Returns true with the given probability.</summary>
    public bool Chance(double share) => Next() < share * 4294967296.0;

    private uint Next() => Philox.Word(seed, node, round, _next++);
}
