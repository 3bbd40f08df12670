namespace ConvNet;

/// <summary>The counter-based random number generator Philox4x32-10. A random word is a function of the counter and the
/// key; there is no state.</summary>
/// <remarks>
/// The counter consists of the element's index (low and high word), the pass and the node. The key is the seed (low and
/// high word). Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
/// </remarks>
public static class Philox
{
    /// <summary>Gets the first word of a block.</summary>
    /// <param name="seed">The seed, used as the key.</param>
    /// <param name="node">The index of the node in its graph.</param>
    /// <param name="pass">The number of training forward passes before this one; only its low 32 bits are used.</param>
    /// <param name="index">The element's NCHW index in the whole batch.</param>
    public static uint Word(ulong seed, int node, long pass, long index)
        => Block((uint)index, (uint)(index >> 32), (uint)pass, (uint)node, (uint)seed, (uint)(seed >> 32)).C0;

    /// <summary>Performs ten rounds over a counter of four words with a key of two words.</summary>
    internal static (uint C0, uint C1, uint C2, uint C3) Block(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = 0xD2511F53ul * c0, p1 = 0xCD9E8D57ul * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        return (c0, c1, c2, c3);
    }
}
