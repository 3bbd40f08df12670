using ConvNet.Summaries;

namespace ConvNet.Interpretation;

/// <summary>How the feature maps of an operation respond to a shift of the image: those of a convolution shift with it
/// (equivariance), except near the borders.</summary>
public static class ShiftResponse
{
    /// <summary>Shifts an image down and to the right. The first row and column are repeated.</summary>
    /// <param name="image">The image, C×H×W values.</param>
    /// <param name="shape">The shape C, H, W.</param>
    /// <param name="pixels">The number of rows and columns, at least 0.</param>
    /// <exception cref="ArgumentException">The image has another length.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="pixels"/> is negative.</exception>
    public static float[] Shift(ReadOnlySpan<float> image, Shape shape, int pixels)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(pixels);
        if (image.Length != shape.Length)
            throw new ArgumentException($"An image of {shape} has {shape.Length:N0} values, but {image.Length:N0} were "
                + "passed.", nameof(image));
        var shifted = new float[image.Length];
        for (int row = 0; row < shape.C * shape.H; row++)
        {
            int source = row - row % shape.H + Math.Max(0, row % shape.H - pixels);
            for (int x = 0; x < shape.W; x++)
                shifted[row * shape.W + x] = image[source * shape.W + Math.Max(0, x - pixels)];
        }
        return shifted;
    }

    /// <summary>Compares the maps of a shifted image with the shifted maps of the image:
    /// Σ|A′(y + d, x + d) − A(y, x)| / Σ|A(y, x)|, where d is the shift in units of the map. Units count whose
    /// receptive fields lie within the part that both images have, so that borders do not matter.</summary>
    /// <param name="maps">The maps of the image.</param>
    /// <param name="shifted">The maps of the shifted image.</param>
    /// <param name="layer">The geometry of the layer whose maps they are.</param>
    /// <param name="image">The rows and columns of the image.</param>
    /// <param name="pixels">The shift in pixels of the image, at least 0.</param>
    /// <returns>0 if the maps shift with the image; null if the shift is not a whole number of units, or if no unit
    /// sees such a part alone.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The maps have different shapes.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="pixels"/> is negative.</exception>
    public static double? Difference(FeatureMaps maps, FeatureMaps shifted, LayerSummary layer, Extent image,
        int pixels)
    {
        ArgumentNullException.ThrowIfNull(maps);
        ArgumentNullException.ThrowIfNull(shifted);
        ArgumentNullException.ThrowIfNull(layer);
        ArgumentOutOfRangeException.ThrowIfNegative(pixels);
        Shape shape = maps.Shape;
        if (shifted.Shape != shape || layer.Output != shape)
            throw new ArgumentException($"Maps of {shape}, of {shifted.Shape} and of {layer.Output} cannot be "
                + "compared.", nameof(shifted));
        if (pixels % layer.Jump.H != 0 || pixels % layer.Jump.W != 0)
            return null;
        Range rows = Inside(shape.H, layer.ReceptiveField.H, layer.Jump.H, image.H, pixels),
            columns = Inside(shape.W, layer.ReceptiveField.W, layer.Jump.W, image.W, pixels);
        int down = pixels / layer.Jump.H, right = pixels / layer.Jump.W;
        double difference = 0, size = 0;
        for (int c = 0; c < shape.C; c++)
        {
            ReadOnlySpan<float> before = maps.Map(c), after = shifted.Map(c);
            for (int y = rows.Start.Value; y < rows.End.Value; y++)
            {
                for (int x = columns.Start.Value; x < columns.End.Value; x++)
                {
                    float value = before[y * shape.W + x];
                    difference += Math.Abs(after[(y + down) * shape.W + x + right] - value);
                    size += Math.Abs(value);
                }
            }
        }
        return size > 0 ? difference / size : null;
    }

    // The field of unit 0 starts at (image − (units − 1)·jump − field) / 2 if the padding is the same on both sides.
    private static Range Inside(int units, int field, int jump, int image, int pixels)
    {
        double start = (image - (units - 1.0) * jump - field) / 2;
        int first = Math.Max(0, (int)Math.Ceiling((1 - start) / jump)),
            end = Math.Min(units - pixels / jump, (int)Math.Floor((image - pixels - 1 - field - start) / jump) + 1);
        return first..Math.Max(first, end);
    }
}
