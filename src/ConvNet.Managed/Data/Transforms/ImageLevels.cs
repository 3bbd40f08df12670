using System.Buffers;
using System.Numerics.Tensors;

namespace ConvNet.Data;

/// <summary>Changes of the levels of pixels, in place, as torchvision computes them for images of 256 levels.</summary>
/// <remarks>Values are from 0 to the largest pixel value, which is level 255.</remarks>
internal static class ImageLevels
{
    private const int Levels = 256;

    /// <summary>Keeps the highest bits of every level.</summary>
    public static void Posterize(Span<float> image, int bits, float maxValue)
    {
        int step = 1 << (8 - bits);
        foreach (ref float value in image)
            value = ValueOf(LevelOf(value, maxValue) / step * step, maxValue);
    }

    /// <summary>Inverts values of at least a threshold.</summary>
    public static void Solarize(Span<float> image, float threshold, float maxValue)
    {
        foreach (ref float value in image)
            value = value >= threshold ? maxValue - value : value;
    }

    /// <summary>Stretches the values of each channel to the whole range.</summary>
    public static void AutoContrast(Shape shape, Span<float> image, float maxValue)
    {
        for (int c = 0; c < shape.C; c++)
        {
            Span<float> channel = image.Slice(c * shape.Area, shape.Area);
            float least = TensorPrimitives.Min<float>(channel), most = TensorPrimitives.Max<float>(channel);
            if (least == most)
                continue;
            foreach (ref float value in channel)
                value = (value - least) / (most - least) * maxValue;
        }
    }

    /// <summary>Replaces the levels of each channel so that all are about equally frequent.</summary>
    public static void Equalize(Shape shape, Span<float> image, float maxValue)
    {
        Span<int> counts = stackalloc int[Levels];
        for (int c = 0; c < shape.C; c++)
        {
            Span<float> channel = image.Slice(c * shape.Area, shape.Area);
            counts.Clear();
            foreach (float value in channel)
                counts[LevelOf(value, maxValue)]++;
            int step = (shape.Area - counts[counts.LastIndexOfAnyExcept(0)]) / (Levels - 1);
            if (step == 0)
                continue;
            // From the number of pixels of each level to its new level.
            int before = 0;
            for (int level = 0; level < Levels; level++)
            {
                int count = counts[level];
                counts[level] = Math.Min(Levels - 1, (before + step / 2) / step);
                before += count;
            }
            foreach (ref float value in channel)
                value = ValueOf(counts[LevelOf(value, maxValue)], maxValue);
        }
    }

    /// <summary>Multiplies the distance of all values from a slight blur by a factor, except at the borders.</summary>
    public static void Sharpness(Shape shape, Span<float> image, float factor, float maxValue)
    {
        // The kernel [1 1 1; 1 5 1; 1 1 1] / 13.
        const float Middle = 5f / 13, Around = 1f / 13;
        float[] rented = ArrayPool<float>.Shared.Rent(shape.Area);
        Span<float> blurred = rented.AsSpan(0, shape.Area);
        for (int c = 0; c < shape.C; c++)
        {
            Span<float> channel = image.Slice(c * shape.Area, shape.Area);
            channel.CopyTo(blurred);
            for (int h = 1; h < shape.H - 1; h++)
            {
                for (int w = 1; w < shape.W - 1; w++)
                {
                    int at = h * shape.W + w, above = at - shape.W, below = at + shape.W;
                    float around = channel[above - 1] + channel[above] + channel[above + 1] + channel[at - 1]
                        + channel[at + 1] + channel[below - 1] + channel[below] + channel[below + 1];
                    blurred[at] = Middle * channel[at] + Around * around;
                }
            }
            ImageColors.Blend(channel, blurred, factor, maxValue);
        }
        ArrayPool<float>.Shared.Return(rented);
    }

    private static int LevelOf(float value, float maxValue)
        => Math.Clamp((int)MathF.Round(value * (Levels - 1) / maxValue), 0, Levels - 1);

    private static float ValueOf(int level, float maxValue) => level * maxValue / (Levels - 1);
}
