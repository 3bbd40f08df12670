namespace ConvNet.Data;

/// <summary>Mirrors images.</summary>
internal static class Mirror
{
    /// <summary>Copies an image left to right.</summary>
    public static void Columns(Shape shape, ReadOnlySpan<float> x, Span<float> y)
    {
        x.CopyTo(y);
        for (int row = 0; row < y.Length; row += shape.W)
            y.Slice(row, shape.W).Reverse();
    }

    /// <summary>Copies an image top to bottom.</summary>
    public static void Rows(Shape shape, ReadOnlySpan<float> x, Span<float> y)
    {
        for (int c = 0; c < shape.C; c++)
        {
            for (int h = 0; h < shape.H; h++)
                x.Slice((c * shape.H + h) * shape.W, shape.W)
                    .CopyTo(y[((c * shape.H + shape.H - 1 - h) * shape.W)..]);
        }
    }
}
