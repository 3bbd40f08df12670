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
/// <param name="Channels">Channels of the input, at least those of the layer.</param>
/// <param name="Filters">Filters, at least those of the layer.</param>
/// <param name="Reason">Why these.</param>
internal readonly record struct PaddedChannels(int Channels, int Filters, string Reason)
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
    public static PaddedChannels Of(Conv2d layer, Shape input)
    {
        int channels = input.C / layer.Groups, filters = layer.Filters / layer.Groups;
        bool isStrided = layer.Window.Stride.H > 1 || layer.Window.Stride.W > 1;
        if (layer.Window.Kernel is { H: 1, W: 1 })
            return new(channels, filters, "filters of one tap are computed right without padding");
        if (layer.Groups > 1 && channels == 1)
            return new(channels, filters, "depthwise filters are computed right without padding");
        // Blocks of 16; the input gradient of a strided convolution takes them in pairs.
        int block = channels > 32 && isStrided ? 32 : layer.Groups > 1 || channels <= 8 ? 1 : 16;
        int blockOfFilters = layer.Groups > 1 ? 1 : 16;
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
        return new(wide, many, what);
    }

    /// <summary>Whether they are more than the layer's own.</summary>
    public bool AddsTo(Conv2d layer, Shape input)
        => Channels > input.C / layer.Groups || Filters > layer.Filters / layer.Groups;

    private static int Up(int count, int block) => (count + block - 1) / block * block;
}
