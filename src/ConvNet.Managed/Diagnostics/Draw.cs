namespace ConvNet.Diagnostics;

/// <summary>Random choices one after another, a function of a seed alone.</summary>
/// <param name="seed">The seed.</param>
internal sealed class Draw(ulong seed)
{
    // Values to check with come from streams of 0 and above.
    private const int Stream = -2;

    private long _drawn;

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

    private uint Next() => Philox.Word(seed, Stream, 0, _drawn++);
}
