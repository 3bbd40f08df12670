namespace ConvNet;

/// <summary>Random choices one after another, a function of the place that the stream is for and of nothing
/// else.</summary>
/// <param name="seed">The seed.</param>
/// <param name="node">Tells streams of different uses apart, as <see cref="Philox"/> has it.</param>
/// <param name="step">Tells streams of one use apart, as epochs.</param>
/// <param name="item">Tells streams of one step apart, as samples.</param>
public class RandomSequence(ulong seed, int node, long step = 0, int item = 0)
{
    private long _next = (long)item << 32;

    /// <summary>A number from 0 to one less than the count.</summary>
    public int Below(int count) => (int)((ulong)Next() * (uint)count >> 32);

    /// <summary>A number between two, both included.</summary>
    public int Between(int least, int most) => least + Below(most - least + 1);

    /// <summary>One of several.</summary>
    public T Of<T>(params ReadOnlySpan<T> choices) => choices[Below(choices.Length)];

    /// <summary>True once in so many times.</summary>
    public bool OneIn(int count) => Below(count) == 0;

    /// <summary>True in that share of the times.</summary>
    public bool Chance(double share) => Next() < share * 4294967296.0;

    private uint Next() => Philox.Word(seed, node, step, _next++);
}
