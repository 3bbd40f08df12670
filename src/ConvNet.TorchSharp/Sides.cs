using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace ConvNet;

/// <summary>Padding as torch takes it: its convolutions and pools pad opposite sides alike.</summary>
internal static class Sides
{
    /// <summary>What opposite sides both have: rows, columns.</summary>
    public static long[] Both(Padding padding)
        => [Math.Min(padding.Top, padding.Bottom), Math.Min(padding.Left, padding.Right)];

    /// <summary>What one of them has besides: left, right, top, bottom.</summary>
    public static long[] Rest(Padding padding)
    {
        long[] both = Both(padding);
        return [padding.Left - both[1], padding.Right - both[1], padding.Top - both[0], padding.Bottom - both[0]];
    }

    /// <summary>A batch of maps with more around them, or less where a number is negative.</summary>
    /// <param name="x">The maps.</param>
    /// <param name="sides">Left, right, top, bottom.</param>
    /// <param name="value">The value of what is added.</param>
    public static Tensor Pad(Tensor x, long[] sides, double value = 0)
        => Array.TrueForAll(sides, size => size == 0) ? x : functional.pad(x, sides, value: value);
}
