using System.Buffers;
using System.Numerics.Tensors;

namespace ConvNet.Data;

/// <summary>Changes of brightness and colour, in place, as torchvision computes them for floating-point
/// images.</summary>
/// <remarks>Values are from 0 to the largest pixel value and stay there. Factors of 1 and shifts of 0 change
/// nothing.</remarks>
internal static class ImageColors
{
    // ITU-R BT.601, as image files are read in grey.
    private const float Red = 0.299f, Green = 0.587f, Blue = 0.114f;

    /// <summary>Multiplies all values by a factor.</summary>
    public static void Brightness(Span<float> image, float factor, float maxValue)
    {
        TensorPrimitives.Multiply(image, factor, image);
        Clamp(image, maxValue);
    }

    /// <summary>Multiplies the distance of all values from the mean grey by a factor.</summary>
    public static void Contrast(Shape shape, Span<float> image, float factor, float maxValue)
    {
        float[] grey = ArrayPool<float>.Shared.Rent(shape.Area);
        ToGrey(shape, image, grey.AsSpan(0, shape.Area));
        double sum = 0;
        foreach (float value in grey.AsSpan(0, shape.Area))
            sum += value;
        ArrayPool<float>.Shared.Return(grey);
        TensorPrimitives.Multiply(image, factor, image);
        TensorPrimitives.Add(image, (1 - factor) * (float)(sum / shape.Area), image);
        Clamp(image, maxValue);
    }

    /// <summary>Multiplies the distance of all values from the grey of their pixel by a factor.</summary>
    public static void Saturation(Shape shape, Span<float> image, float factor, float maxValue)
    {
        if (shape.C == 1)
            return;
        float[] grey = ArrayPool<float>.Shared.Rent(shape.Area);
        ToGrey(shape, image, grey.AsSpan(0, shape.Area));
        for (int c = 0; c < shape.C; c++)
            Blend(image.Slice(c * shape.Area, shape.Area), grey.AsSpan(0, shape.Area), factor, maxValue);
        ArrayPool<float>.Shared.Return(grey);
    }

    /// <summary>Turns the hue of all pixels.</summary>
    /// <param name="shape">The shape of the image; an image of one channel has no hue.</param>
    /// <param name="image">The image.</param>
    /// <param name="shift">The share of a full turn.</param>
    public static void Hue(Shape shape, Span<float> image, float shift)
    {
        if (shape.C == 1 || shift == 0)
            return;
        Span<float> red = image[..shape.Area], green = image.Slice(shape.Area, shape.Area),
            blue = image.Slice(2 * shape.Area, shape.Area);
        for (int i = 0; i < shape.Area; i++)
            (red[i], green[i], blue[i]) = Turn(red[i], green[i], blue[i], shift);
    }

    /// <summary>Replaces the channels by the grey of each pixel.</summary>
    public static void Greyscale(Shape shape, Span<float> image)
    {
        if (shape.C == 1)
            return;
        Span<float> first = image[..shape.Area];
        ToGrey(shape, image, first);
        for (int c = 1; c < shape.C; c++)
            first.CopyTo(image[(c * shape.Area)..]);
    }

    /// <summary>Computes factor·image + (1 − factor)·other, limited to the values that pixels can have.</summary>
    public static void Blend(Span<float> image, ReadOnlySpan<float> other, float factor, float maxValue)
    {
        if (factor == 1)
            return;
        for (int i = 0; i < image.Length; i++)
            image[i] = factor * image[i] + (1 - factor) * other[i];
        Clamp(image, maxValue);
    }

    private static void Clamp(Span<float> image, float maxValue)
        => TensorPrimitives.Clamp(image, 0, maxValue, image);

    // The result may be the first channel.
    private static void ToGrey(Shape shape, ReadOnlySpan<float> image, Span<float> grey)
    {
        ReadOnlySpan<float> red = image[..shape.Area];
        if (shape.C == 1)
        {
            red.CopyTo(grey);
            return;
        }
        ReadOnlySpan<float> green = image.Slice(shape.Area, shape.Area), blue = image.Slice(2 * shape.Area, shape.Area);
        for (int i = 0; i < grey.Length; i++)
            grey[i] = Red * red[i] + Green * green[i] + Blue * blue[i];
    }

    // Between the largest and the smallest channel, a colour moves along the six sides of the hexagon of hues.
    private static (float Red, float Green, float Blue) Turn(float red, float green, float blue, float shift)
    {
        float most = Math.Max(red, Math.Max(green, blue)), chroma = most - Math.Min(red, Math.Min(green, blue));
        if (chroma == 0)
            return (red, green, blue);
        float side = most == red ? (green - blue) / chroma
            : most == green ? 2 + (blue - red) / chroma
            : 4 + (red - green) / chroma;
        float turned = side + 6 * shift;
        return (Channel(5), Channel(3), Channel(1));

        // Smith, "Color gamut transform pairs", SIGGRAPH 1978, with value and chroma instead of saturation.
        float Channel(int offset)
        {
            float k = (turned + offset) % 6;
            k = k < 0 ? k + 6 : k;
            return most - chroma * Math.Clamp(Math.Min(k, 4 - k), 0, 1);
        }
    }
}
