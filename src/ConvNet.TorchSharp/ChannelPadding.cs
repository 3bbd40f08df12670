using System.Runtime.Intrinsics.X86;
using static System.FormattableString;

namespace ConvNet;

/// <summary>Specifies which convolutions are padded with channels of zeros, so that oneDNN computes them correctly on a
/// processor that hides its caches.</summary>
/// <remarks>
/// The oneDNN 3.7.1 in libtorch 2.10 asks an AMD processor for the size of its first-level cache. Virtual machines
/// often answer with zeros. oneDNN then assumes a cache of one byte, splits the reordering of weights where this is not
/// allowed, and overwrites some weights with the zeros that pad their blocks. As a result, outputs and input gradients
/// of convolutions whose channels do not fill the blocks are wrong by whole terms. docs/found-by-gradcheck.md lists the
/// cases.
/// </remarks>
public enum ChannelPadding
{
    /// <summary>The convolutions that this processor would compute incorrectly. None if the processor reports its
    /// caches.</summary>
    WhereNeeded,

    /// <summary>The convolutions that a processor that hides its caches would compute incorrectly.</summary>
    Always,

    /// <summary>None. Maps are stored channels-first, and the results of libtorch are used unchanged.</summary>
    Never,
}

/// <summary>The channels and filters per group with which a convolution is computed.</summary>
/// <param name="Own">The sizes of the layer.</param>
/// <param name="Given">The sizes after padding, which are at least those of the layer.</param>
/// <param name="Reason">The reason for padding or for not padding.</param>
internal readonly record struct PaddedChannels(
    (int Channels, int Filters) Own, (int Channels, int Filters) Given, string Reason)
{
    // The CPUID leaf in which AMD processors describe their caches.
    private const int CacheLeaf = unchecked((int)0x8000001D);

    /// <summary>Whether the processor of this process hides its caches from oneDNN.</summary>
    /// <remarks>
    /// oneDNN multiplies the fields for line size, partitions, ways and sets, each plus one, without checking whether
    /// there is a cache. For an Intel processor that reports nothing, it assumes 32 KiB.
    /// </remarks>
    public static bool AreNeededHere { get; } = X86Base.IsSupported
        && X86Base.CpuId(0, 0) is (_, 0x68747541, 0x444D4163, 0x69746E65) // AuthenticAMD
        && X86Base.CpuId(CacheLeaf, 0) is (0, 0, 0, 0);

    /// <summary>Returns the padded sizes that a convolution needs if the caches are hidden. These are its own sizes if
    /// it is computed correctly without padding.</summary>
    /// <remarks>
    /// Determined by testing 5,400 random convolutions on AVX, AVX2 and AVX-512 with the cache size set to one byte.
    /// With these sizes all results were correct. 1×1 filters and depthwise convolutions are not affected. For up to 8
    /// channels oneDNN uses kernels with another layout.
    /// </remarks>
    /// <param name="channels">The number of input channels per group.</param>
    /// <param name="filters">The number of filters per group.</param>
    /// <param name="groups">The number of groups.</param>
    /// <param name="window">The window.</param>
    public static PaddedChannels Of(int channels, int filters, int groups, Window window)
    {
        var own = (channels, filters);
        bool isStrided = window.Stride.H > 1 || window.Stride.W > 1;
        if (window.Kernel is { H: 1, W: 1 })
            return new(own, own, "1×1 filters are computed correctly without padding");
        if (groups > 1 && channels == 1)
            return new(own, own, "depthwise filters are computed correctly without padding");
        // Blocks of 16. The input gradient of a strided convolution processes them in pairs.
        int block = channels > 32 && isStrided ? 32 : groups > 1 || channels <= 8 ? 1 : 16;
        int blockOfFilters = groups > 1 ? 1 : 16;
        (int wide, int many) = (Up(channels, block), Up(filters, blockOfFilters));
        string what = (wide > channels, many > filters) switch
        {
            (true, true)
                => Invariant($"{channels} channels do not fill blocks of {block}, and {filters} filters ")
                + Invariant($"do not fill blocks of {blockOfFilters}"),
            (true, false) => Invariant($"{channels} channels do not fill blocks of {block}"),
            (false, true) => Invariant($"{filters} filters do not fill blocks of {blockOfFilters}"),
            _ => "these sizes are computed correctly without padding",
        };
        return new(own, (wide, many), what);
    }

    /// <summary>Whether the padded sizes exceed those of the layer.</summary>
    public bool Adds => Given != Own;

    private static int Up(int count, int block) => (count + block - 1) / block * block;
}

/// <summary>The channel padding of a node's convolution.</summary>
/// <param name="Size">The sizes of the convolution, or of the convolution whose input gradient the node
/// computes.</param>
/// <param name="Transposed">Whether the node computes that input gradient.</param>
internal readonly record struct NodePadding(PaddedChannels Size, bool Transposed)
{
    /// <summary>The input channels per group: those of the layer and the padded number.</summary>
    public (int Own, int Given) Read => Transposed
        ? (Size.Own.Filters, Size.Given.Filters)
        : (Size.Own.Channels, Size.Given.Channels);

    /// <summary>The output channels per group: those of the layer and the padded number.</summary>
    public (int Own, int Given) Made => Transposed
        ? (Size.Own.Channels, Size.Given.Channels)
        : (Size.Own.Filters, Size.Given.Filters);
}
