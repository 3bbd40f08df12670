using System.Numerics.Tensors;

namespace ConvNet.Data;

/// <summary>Scales an image until it covers a size, and takes the middle.</summary>
/// <remarks>
/// Each result is a weighted mean along the columns and then along the rows of the image, with the weights of
/// <see cref="ResampleWeights"/>. Rows of the image are used one after the other, so that only the rows of results that
/// they belong to are in memory.
/// </remarks>
internal sealed class Resampling
{
    private const int BytesPerPixel = 4;

    private readonly int _width;
    private readonly Shape _shape;
    private readonly ResampleWeights _columns, _rows;

    /// <summary>Prepares the weights.</summary>
    /// <param name="width">The width of the image.</param>
    /// <param name="height">The height of the image.</param>
    /// <param name="shape">The shape of the result, of one or three channels.</param>
    public Resampling(int width, int height, Shape shape)
    {
        (_width, _shape) = (width, shape);
        double scale = Math.Min((double)width / shape.W, (double)height / shape.H);
        _columns = ResampleWeights.Of(width, shape.W, (width - shape.W * scale) / 2, scale);
        _rows = ResampleWeights.Of(height, shape.H, (height - shape.H * scale) / 2, scale);
    }

    /// <summary>Computes the result, C×H×W.</summary>
    /// <param name="rgba">The rows of the image: red, green, blue and the opacity of each pixel.</param>
    public byte[] Apply(ReadOnlySpan<byte> rgba)
    {
        var pixels = new byte[_shape.Length];
        int length = _shape.C * _width, open = _rows.MostOpen;
        float[] row = new float[length], sums = new float[open * length], narrow = new float[_shape.W];
        // The rows of results from first to before end have begun and are not complete.
        int first = 0, end = 0;
        for (int y = _rows.First; y < _rows.End; y++)
        {
            ToChannels(rgba.Slice(y * _width * BytesPerPixel, _width * BytesPerPixel), row);
            while (end < _shape.H && _rows.FirstOf(end) <= y)
                sums.AsSpan(end++ % open * length, length).Clear();
            for (int h = first; h < end; h++)
            {
                Span<float> sum = sums.AsSpan(h % open * length, length);
                TensorPrimitives.MultiplyAdd(row, _rows.WeightOf(h, y), sum, sum);
            }
            for (; first < end && _rows.EndOf(first) == y + 1; first++)
                Finish(first, sums.AsSpan(first % open * length, length), narrow, pixels);
        }
        return pixels;
    }

    // Computes a row of results from the weighted mean of rows.
    private void Finish(int h, ReadOnlySpan<float> mean, float[] narrow, byte[] pixels)
    {
        for (int c = 0; c < _shape.C; c++)
        {
            _columns.Along(mean.Slice(c * _width, _width), narrow);
            Span<byte> row = pixels.AsSpan((c * _shape.H + h) * _shape.W, _shape.W);
            for (int x = 0; x < row.Length; x++)
                row[x] = (byte)Math.Clamp(MathF.Floor(narrow[x] + 0.5f), 0, byte.MaxValue);
        }
    }

    // Composites a row on white and separates its channels.
    private void ToChannels(ReadOnlySpan<byte> rgba, Span<float> row)
    {
        for (int x = 0; x < _width; x++)
        {
            ReadOnlySpan<byte> pixel = rgba.Slice(BytesPerPixel * x, BytesPerPixel);
            int red = pixel[0], green = pixel[1], blue = pixel[2], opacity = pixel[3];
            if (opacity != byte.MaxValue)
                (red, green, blue) = (OnWhite(red, opacity), OnWhite(green, opacity), OnWhite(blue, opacity));
            if (_shape.C == 1)
                row[x] = (299 * red + 587 * green + 114 * blue + 500) / 1000;
            else
                (row[x], row[_width + x], row[2 * _width + x]) = (red, green, blue);
        }
    }

    private static int OnWhite(int value, int opacity)
        => (value * opacity + byte.MaxValue * (byte.MaxValue - opacity) + byte.MaxValue / 2) / byte.MaxValue;
}
