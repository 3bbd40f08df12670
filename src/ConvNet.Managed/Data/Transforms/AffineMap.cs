namespace ConvNet.Data;

/// <summary>The position in an image that each pixel (w, h) of a result shows: (A·w + B·h + C, D·w + E·h + F), where
/// (0, 0) is the centre of the first pixel.</summary>
internal readonly record struct AffineMap(double A, double B, double C, double D, double E, double F)
{
    /// <summary>Returns the map of a rotation, a translation, a scaling and a shear about the middle of an image, as
    /// torchvision's <c>affine</c> combines them.</summary>
    /// <param name="shape">The shape of the image.</param>
    /// <param name="degrees">The angle of the rotation, clockwise.</param>
    /// <param name="right">The pixels by which the image moves to the right.</param>
    /// <param name="down">The pixels by which it moves down.</param>
    /// <param name="scale">The factor by which it grows.</param>
    /// <param name="shearX">The angle of the shear along rows, in degrees.</param>
    /// <param name="shearY">The angle of the shear along columns, in degrees.</param>
    public static AffineMap Of(Shape shape, double degrees, double right = 0, double down = 0, double scale = 1,
        double shearX = 0, double shearY = 0)
    {
        double angle = degrees * Math.PI / 180, tan = Math.Tan(shearX * Math.PI / 180),
            shear = shearY * Math.PI / 180;
        double cosine = Math.Cos(angle - shear) / Math.Cos(shear), sine = Math.Sin(angle - shear) / Math.Cos(shear);
        // The inverse of rotation · shear · scaling.
        double a = (Math.Cos(angle) - sine * tan) / scale, b = (cosine * tan + Math.Sin(angle)) / scale,
            d = -sine / scale, e = cosine / scale;
        double middleX = (shape.W - 1) / 2.0, middleY = (shape.H - 1) / 2.0,
            x = -middleX - right, y = -middleY - down;
        return new AffineMap(a, b, a * x + b * y + middleX, d, e, d * x + e * y + middleY);
    }

    /// <summary>Computes the result.</summary>
    /// <param name="shape">The shape of the image and of the result.</param>
    /// <param name="image">The image, C×H×W.</param>
    /// <param name="result">The result, C×H×W.</param>
    /// <param name="interpolation">How values between pixels are computed.</param>
    /// <param name="fill">The value of positions outside the image.</param>
    public void Apply(Shape shape, ReadOnlySpan<float> image, Span<float> result, Interpolation interpolation,
        float fill)
    {
        for (int h = 0; h < shape.H; h++)
        {
            for (int w = 0; w < shape.W; w++)
            {
                double x = A * w + B * h + C, y = D * w + E * h + F;
                if (interpolation == Interpolation.Nearest)
                    (x, y) = (Math.Round(x), Math.Round(y));
                double left = Math.Floor(x), top = Math.Floor(y);
                // The comparison comes before the conversion: a position may be far outside.
                bool isNear = left >= -1 && top >= -1 && left < shape.W && top < shape.H;
                for (int c = 0; c < shape.C; c++)
                    result[(c * shape.H + h) * shape.W + w] = isNear ? Between(shape,
                        image.Slice(c * shape.Area, shape.Area), (int)left, (int)top, (float)(x - left),
                        (float)(y - top), fill) : fill;
            }
        }
    }

    // The value at a position right of and below the centre of a pixel by shares of a pixel.
    private static float Between(Shape shape, ReadOnlySpan<float> map, int left, int top, float x, float y, float fill)
    {
        float upperLeft = At(shape, map, left, top, fill), upperRight = At(shape, map, left + 1, top, fill),
            lowerLeft = At(shape, map, left, top + 1, fill), lowerRight = At(shape, map, left + 1, top + 1, fill);
        float upper = upperLeft + x * (upperRight - upperLeft), lower = lowerLeft + x * (lowerRight - lowerLeft);
        return upper + y * (lower - upper);
    }

    private static float At(Shape shape, ReadOnlySpan<float> map, int w, int h, float fill)
        => (uint)w < (uint)shape.W && (uint)h < (uint)shape.H ? map[h * shape.W + w] : fill;
}
