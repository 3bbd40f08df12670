namespace ConvNet.Data;

/// <summary>Scales an image until it covers a size, and takes the middle.</summary>
/// <remarks>
/// y_i = Σ_j w_ij x_j along columns, then along rows, where w_ij falls linearly with the distance of the centres of
/// pixel j and of result i, to 0 at the width of a result (at least that of a pixel), and Σ_j w_ij = 1. Sums are in
/// single precision, in the order of j.
/// </remarks>
internal sealed class Resampling
{
    private readonly int _width;
    private readonly Shape _shape;
    private readonly Weights[] _columns, _rows;

    /// <summary>Prepares the weights.</summary>
    /// <param name="width">The width of the image.</param>
    /// <param name="height">The height of the image.</param>
    /// <param name="shape">The shape of the result, of one or three channels.</param>
    public Resampling(int width, int height, Shape shape)
    {
        (_width, _shape) = (width, shape);
        double scale = Math.Min((double)width / shape.W, (double)height / shape.H);
        _columns = Weights.Of(width, shape.W, scale);
        _rows = Weights.Of(height, shape.H, scale);
    }

    /// <summary>Computes the result, C×H×W.</summary>
    /// <param name="rgba">The rows of the image: red, green, blue and the opacity of each pixel.</param>
    public byte[] Apply(ReadOnlySpan<byte> rgba)
    {
        int first = _rows.Min(weights => weights.First), end = _rows.Max(weights => weights.End);
        int narrowRow = _shape.C * _shape.W;
        var narrow = new float[checked((end - first) * narrowRow)];
        var row = new float[_shape.C * _width];
        for (int y = first; y < end; y++)
        {
            ToChannels(rgba.Slice(y * _width * 4, _width * 4), row);
            Span<float> to = narrow.AsSpan((y - first) * narrowRow, narrowRow);
            for (int c = 0; c < _shape.C; c++)
            {
                for (int x = 0; x < _shape.W; x++)
                    to[c * _shape.W + x] = _columns[x].Sum(row.AsSpan(c * _width), 1);
            }
        }
        var pixels = new byte[_shape.Length];
        for (int c = 0; c < _shape.C; c++)
        {
            for (int y = 0; y < _shape.H; y++)
            {
                for (int x = 0; x < _shape.W; x++)
                    pixels[(c * _shape.H + y) * _shape.W + x] = (byte)Math.Clamp(MathF.Floor(_rows[y].Sum(
                        narrow.AsSpan(c * _shape.W + x), narrowRow, first) + 0.5f), 0, byte.MaxValue);
            }
        }
        return pixels;
    }

    // Composites a row on white and separates its channels.
    private void ToChannels(ReadOnlySpan<byte> rgba, Span<float> row)
    {
        for (int x = 0; x < _width; x++)
        {
            ReadOnlySpan<byte> pixel = rgba.Slice(4 * x, 4);
            int red = OnWhite(pixel[0], pixel[3]), green = OnWhite(pixel[1], pixel[3]),
                blue = OnWhite(pixel[2], pixel[3]);
            if (_shape.C == 1)
                row[x] = (299 * red + 587 * green + 114 * blue + 500) / 1000;
            else
                (row[x], row[_width + x], row[2 * _width + x]) = (red, green, blue);
        }
    }

    private static int OnWhite(byte value, byte opacity)
        => opacity == byte.MaxValue ? value : (value * opacity + 255 * (255 - opacity) + 127) / 255;

    /// <summary>The weights of the pixels from <paramref name="First"/> on in one result.</summary>
    private readonly record struct Weights(int First, float[] Values)
    {
        public int End => First + Values.Length;

        /// <summary>Returns the weights for all results along one side.</summary>
        /// <param name="pixels">The number of pixels.</param>
        /// <param name="results">The number of results, which the middle is divided into.</param>
        /// <param name="scale">The width of a result in pixels.</param>
        public static Weights[] Of(int pixels, int results, double scale)
        {
            double start = (pixels - results * scale) / 2, reach = Math.Max(1, scale);
            var all = new Weights[results];
            for (int i = 0; i < results; i++)
            {
                double centre = start + (i + 0.5) * scale;
                int first = Math.Max(0, (int)Math.Floor(centre - reach)),
                    end = Math.Min(pixels, (int)Math.Ceiling(centre + reach));
                double[] values = [.. Enumerable.Range(first, end - first)
                    .Select(j => Math.Max(0, 1 - Math.Abs(j + 0.5 - centre) / reach))];
                double sum = values.Sum();
                all[i] = new Weights(first, Array.ConvertAll(values, value => (float)(value / sum)));
            }
            return all;
        }

        /// <summary>Returns the weighted sum of the pixels that are <paramref name="stride"/> values apart.</summary>
        /// <param name="pixels">The pixels from number <paramref name="origin"/> on.</param>
        /// <param name="stride">The distance of two pixels.</param>
        /// <param name="origin">The number of the first pixel.</param>
        public float Sum(ReadOnlySpan<float> pixels, int stride, int origin = 0)
        {
            float sum = 0;
            int at = (First - origin) * stride;
            foreach (float weight in Values)
            {
                sum += weight * pixels[at];
                at += stride;
            }
            return sum;
        }
    }
}
