using System.Runtime.Intrinsics.X86;
using static System.FormattableString;

namespace ConvNet;

/// <summary>Which convolutions get channels of zeros, so that oneDNN computes them right on a processor that hides its
/// caches.</summary>
/// <remarks>
/// The oneDNN 3.7.1 inside libtorch 2.10 asks an AMD processor for the size of its first-level cache. Virtual machines
/// often answer with zeros; it then takes the cache for one byte, splits the reordering of weights where it must not,
/// and overwrites some of them with the zeros that pad their blocks. Outputs and input gradients of convolutions whose
/// channels do not fill the blocks are wrong by whole terms. docs/found-by-gradcheck.md has the cases.
/// </remarks>
public enum ChannelPadding
{
    /// <summary>Those that would be computed wrong on this processor: none where it tells its caches.</summary>
    WhereNeeded,

    /// <summary>Those that would be computed wrong on a processor that hides its caches.</summary>
    Always,

    /// <summary>None, with channels first: what libtorch computes is taken as it is.</summary>
    Never,
}

/// <summary>The channels and filters, per group, that a convolution is computed with.</summary>
/// <param name="Own">Those of the layer.</param>
/// <param name="Given">Those that it is given, at least its own.</param>
/// <param name="Reason">Why they are given, or why not.</param>
internal readonly record struct PaddedChannels(
    (int Channels, int Filters) Own, (int Channels, int Filters) Given, string Reason)
{
    // The leaf in which AMD's processors describe their caches.
    private const int CacheLeaf = unchecked((int)0x8000001D);

    /// <summary>Whether the processor of this process hides its caches from oneDNN.</summary>
    /// <remarks>
    /// oneDNN multiplies the fields for line size, partitions, ways and sets, each plus one, and does not look whether
    /// there is a cache at all. Of an Intel processor that says nothing it assumes 32 KiB.
    /// </remarks>
    public static bool AreNeededHere { get; } = X86Base.IsSupported
        && X86Base.CpuId(0, 0) is (_, 0x68747541, 0x444D4163, 0x69746E65) // AuthenticAMD
        && X86Base.CpuId(CacheLeaf, 0) is (0, 0, 0, 0);

    /// <summary>What a convolution needs where caches are hidden; its own sizes where it is computed right
    /// without.</summary>
    /// <remarks>
    /// Found by trying 5,400 random convolutions on AVX, AVX2 and AVX-512 with the cache's size set to one byte; with
    /// these sizes none of them was wrong. Filters of one tap and depthwise convolutions are not affected. Up to 8
    /// channels oneDNN takes kernels of another layout.
    /// </remarks>
    /// <param name="channels">Channels of its input in a group.</param>
    /// <param name="filters">Filters of a group.</param>
    /// <param name="groups">Groups.</param>
    /// <param name="window">Its window.</param>
    public static PaddedChannels Of(int channels, int filters, int groups, Window window)
    {
        var own = (channels, filters);
        bool isStrided = window.Stride.H > 1 || window.Stride.W > 1;
        if (window.Kernel is { H: 1, W: 1 })
            return new(own, own, "filters of one tap are computed right without padding");
        if (groups > 1 && channels == 1)
            return new(own, own, "depthwise filters are computed right without padding");
        // Blocks of 16; the input gradient of a strided convolution takes them in pairs.
        int block = channels > 32 && isStrided ? 32 : groups > 1 || channels <= 8 ? 1 : 16;
        int blockOfFilters = groups > 1 ? 1 : 16;
        (int wide, int many) = (Up(channels, block), Up(filters, blockOfFilters));
        string what = (wide > channels, many > filters) switch
        {
            (true, true)
                => Invariant($"{channels} channels do not fill blocks of {block}, {filters} filters none of ")
                + Invariant($"{blockOfFilters}"),
            (true, false) => Invariant($"{channels} channels do not fill blocks of {block}"),
            (false, true) => Invariant($"{filters} filters do not fill blocks of {blockOfFilters}"),
            _ => "its sizes are computed right without padding",
        };
        return new(own, (wide, many), what);
    }

    /// <summary>Whether they are more than the layer's own.</summary>
    public bool Adds => Given != Own;

    private static int Up(int count, int block) => (count + block - 1) / block * block;
}

/// <summary>The channels that a node's convolution is given.</summary>
/// <param name="Size">Of the convolution, or of the one whose input gradient the node is.</param>
/// <param name="Transposed">Whether the node is that input gradient.</param>
internal readonly record struct NodePadding(PaddedChannels Size, bool Transposed)
{
    /// <summary>Channels of a group that the node reads, its own and those that it is given.</summary>
    public (int Own, int Given) Read => Transposed
        ? (Size.Own.Filters, Size.Given.Filters)
        : (Size.Own.Channels, Size.Given.Channels);

    /// <summary>Channels of a group that the node gives, its own and those that it is given.</summary>
    public (int Own, int Given) Made => Transposed
        ? (Size.Own.Channels, Size.Given.Channels)
        : (Size.Own.Filters, Size.Given.Filters);
}
