using ConvNet.Data;
using StbImageSharp;

namespace ConvNet.Examples.Classifier;

/// <summary>An image as the pixels that a network reads.</summary>
internal static class Picture
{
    /// <summary>Reads an image, scaled until it covers the maps of the network; the middle is taken.</summary>
    /// <param name="path">The file.</param>
    /// <param name="shape">The channels (1 or 3), rows and columns.</param>
    /// <returns>The pixels from 0 to 255, C×H×W.</returns>
    /// <exception cref="InvalidDataException">The file is not an image.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static float[] Read(string path, Shape shape)
    {
        if (shape.C is not 1 and not 3)
            throw new InvalidDataException($"The network reads {shape.C} channels; an image has 1 or 3.");
        ImageResult image;
        try
        {
            image = ImageResult.FromMemory(File.ReadAllBytes(path),
                shape.C == 1 ? ColorComponents.Grey : ColorComponents.RedGreenBlue);
        }
        catch (InvalidOperationException error)
        {
            throw new InvalidDataException($"{path} is not an image that can be read: {error.Message}", error);
        }
        double scale = Math.Min((double)image.Height / shape.H, (double)image.Width / shape.W);
        double top = (image.Height - scale * shape.H) / 2, left = (image.Width - scale * shape.W) / 2;
        var pixels = new float[shape.Length];
        for (int i = 0; i < pixels.Length; i++)
        {
            (int channel, int at) = Math.DivRem(i, shape.Area);
            (int row, int column) = Math.DivRem(at, shape.W);
            pixels[i] = Value(image, shape.C, channel, top + (row + 0.5) * scale - 0.5,
                left + (column + 0.5) * scale - 0.5);
        }
        return pixels;
    }

    /// <summary>Returns (pixel / maxValue − mean) / standardDeviation for each channel.</summary>
    public static float[] Normalized(float[] pixels, Normalization normalization, Shape shape)
        => [.. pixels.Select((pixel, i) => (pixel / normalization.MaxValue - normalization.Mean[i / shape.Area])
            / normalization.StandardDeviation[i / shape.Area])];

    // Interpolates between four pixels.
    private static float Value(ImageResult image, int channels, int channel, double row, double column)
    {
        (double y, double x) = (Math.Clamp(row, 0, image.Height - 1), Math.Clamp(column, 0, image.Width - 1));
        (int top, int left) = ((int)y, (int)x);
        (int bottom, int right) = (Math.Min(top + 1, image.Height - 1), Math.Min(left + 1, image.Width - 1));
        (double down, double across) = (y - top, x - left);
        double At(int r, int c) => image.Data[(r * image.Width + c) * channels + channel];
        return (float)((1 - down) * ((1 - across) * At(top, left) + across * At(top, right))
            + down * ((1 - across) * At(bottom, left) + across * At(bottom, right)));
    }
}
