using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace ConvNet;

/// <summary>Converts padding to the form that torch supports: its convolutions and pools pad opposite sides
/// equally.</summary>
internal static class Sides
{
    /// <summary>The padding that opposite sides share: rows, columns.</summary>
    public static long[] Both(Padding padding)
        => [Math.Min(padding.Top, padding.Bottom), Math.Min(padding.Left, padding.Right)];

    /// <summary>The additional padding on one of the sides: left, right, top, bottom.</summary>
    public static long[] Rest(Padding padding)
    {
        long[] both = Both(padding);
        return [padding.Left - both[1], padding.Right - both[1], padding.Top - both[0], padding.Bottom - both[0]];
    }

    /// <summary>Pads a batch of maps. Negative sizes crop instead.</summary>
    /// <param name="x">The maps.</param>
    /// <param name="sides">Left, right, top, bottom.</param>
    /// <param name="value">The padding value.</param>
    public static Tensor Pad(Tensor x, long[] sides, double value = 0)
        => Array.TrueForAll(sides, size => size == 0) ? x : functional.pad(x, sides, value: value);
}
