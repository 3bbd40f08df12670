using System.Numerics.Tensors;

namespace ConvNet.Data;

/// <summary>The weights by which pixels along one side of an image become fewer or more.</summary>
/// <remarks>
/// y_i = Σ_j w_ij x_j, where w_ij falls linearly with the distance of the centres of pixel j and of result i, to 0 at
/// the width of a result (at least that of a pixel), and Σ_j w_ij = 1. Reducing thereby takes the mean of all pixels
/// that a result covers, and enlarging is bilinear. Sums are in single precision, in the order of j.
/// </remarks>
internal sealed class ResampleWeights
{
    private readonly int[] _first;
    private readonly float[][] _weights;

    private ResampleWeights(int[] first, float[][] weights) => (_first, _weights) = (first, weights);

    /// <summary>The first pixel that any result needs.</summary>
    public int First => FirstOf(0);

    /// <summary>The pixel after the last one that any result needs.</summary>
    public int End => EndOf(_first.Length - 1);

    /// <summary>The largest number of results that need the same pixel.</summary>
    public int MostOpen
    {
        get
        {
            int most = 0;
            for (int first = 0, next = 0; first < _first.Length; first++)
            {
                while (next < _first.Length && FirstOf(next) < EndOf(first))
                    next++;
                most = Math.Max(most, next - first);
            }
            return most;
        }
    }

    /// <summary>Gets the first pixel that a result needs.</summary>
    public int FirstOf(int result) => _first[result];

    /// <summary>Gets the pixel after the last one that a result needs.</summary>
    public int EndOf(int result) => _first[result] + _weights[result].Length;

    /// <summary>Gets the weight of a pixel in a result that needs it.</summary>
    public float WeightOf(int result, int pixel) => _weights[result][pixel - _first[result]];

    /// <summary>Returns the weights of results that lie side by side.</summary>
    /// <param name="pixels">The number of pixels.</param>
    /// <param name="results">The number of results.</param>
    /// <param name="start">Where the first result starts, in pixels.</param>
    /// <param name="scale">The width of a result in pixels.</param>
    public static ResampleWeights Of(int pixels, int results, double start, double scale)
    {
        double reach = Math.Max(1, scale);
        var all = new ResampleWeights(new int[results], new float[results][]);
        for (int i = 0; i < results; i++)
        {
            double centre = start + (i + 0.5) * scale, sum = 0;
            int first = Math.Max(0, (int)Math.Floor(centre - reach)),
                end = Math.Min(pixels, (int)Math.Ceiling(centre + reach));
            var weights = new float[end - first];
            for (int j = first; j < end; j++)
                sum += Weight(j);
            for (int j = first; j < end; j++)
                weights[j - first] = (float)(Weight(j) / sum);
            (all._first[i], all._weights[i]) = (first, weights);

            double Weight(int j) => Math.Max(0, 1 - Math.Abs(j + 0.5 - centre) / reach);
        }
        return all;
    }

    /// <summary>Computes all results of one row of pixels.</summary>
    /// <param name="x">The pixels.</param>
    /// <param name="y">The results.</param>
    public void Along(ReadOnlySpan<float> x, Span<float> y)
    {
        for (int i = 0; i < y.Length; i++)
        {
            float[] weights = _weights[i];
            ReadOnlySpan<float> pixels = x.Slice(_first[i], weights.Length);
            float sum = 0;
            for (int j = 0; j < weights.Length; j++)
                sum += weights[j] * pixels[j];
            y[i] = sum;
        }
    }

    /// <summary>Computes one row of results from rows of pixels.</summary>
    /// <param name="result">The number of the row of results.</param>
    /// <param name="rows">The rows of pixels, from row <paramref name="origin"/> on.</param>
    /// <param name="origin">The number of the first of these rows.</param>
    /// <param name="y">Receives the results, as long as a row.</param>
    public void Across(int result, ReadOnlySpan<float> rows, int origin, Span<float> y)
    {
        float[] weights = _weights[result];
        y.Clear();
        for (int j = 0; j < weights.Length; j++)
            TensorPrimitives.MultiplyAdd(rows.Slice((_first[result] + j - origin) * y.Length, y.Length), weights[j], y,
                y);
    }
}
