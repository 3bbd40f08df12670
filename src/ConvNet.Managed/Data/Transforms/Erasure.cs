namespace ConvNet.Data;

/// <summary>Erases parts of images.</summary>
internal static class Erasure
{
    /// <summary>Sets a rectangle of all channels to a value.</summary>
    /// <param name="shape">The shape of the image.</param>
    /// <param name="image">The image.</param>
    /// <param name="top">The first row.</param>
    /// <param name="left">The first column.</param>
    /// <param name="bottom">The row after the last one.</param>
    /// <param name="right">The column after the last one.</param>
    /// <param name="value">The value.</param>
    public static void Apply(Shape shape, Span<float> image, int top, int left, int bottom, int right, float value)
    {
        for (int c = 0; c < shape.C; c++)
        {
            for (int h = top; h < bottom; h++)
                image.Slice((c * shape.H + h) * shape.W + left, right - left).Fill(value);
        }
    }
}
