using System.Numerics;

namespace ConvNet.Onnx;

/// <summary>Where the outputs of a resize node are between its inputs.</summary>
/// <param name="Coordinates">The mode of the coordinates.</param>
/// <param name="Nearest">How positions are rounded to the nearest input.</param>
/// <param name="Mode">The interpolation.</param>
/// <param name="RoundsSize">Whether the positions between aligned corners follow from the whole size of the
/// output.</param>
internal sealed record ResizePositions(string Coordinates, string Nearest, string Mode, bool RoundsSize = false)
{
    private const double Tolerance = 1e-5;

    /// <summary>a of the cubic interpolation.</summary>
    public double CubicCoefficient { get; init; } = -0.75;

    /// <summary>Whether inputs beyond the border have no weight in the cubic interpolation. Otherwise, they have the
    /// values of the border.</summary>
    public bool ExcludesOutside { get; init; }

    /// <summary>The part of every dimension that is resized, with its starts first; null for all.</summary>
    public float[]? Region { get; init; }

    /// <summary>Whether only <see cref="Region"/> is resized. What is outside of the input is 0.</summary>
    public bool IsCropped => Coordinates == "tf_crop_and_resize";

    /// <summary>Returns the weights of the inputs of each output along a dimension; row by row.</summary>
    /// <param name="dimension">The dimension.</param>
    /// <param name="inputs">Its size in the input.</param>
    /// <param name="outputs">Its size in the output.</param>
    /// <param name="factor">The factor of the size.</param>
    /// <exception cref="UnsupportedNodeException">The mode of the coordinates is not known.</exception>
    public float[] Weights(int dimension, int inputs, int outputs, double factor)
    {
        var weights = new float[outputs * inputs];
        for (int o = 0; o < outputs; o++)
        {
            double position = IsCropped ? InRegion(dimension, o, inputs, outputs)
                : PositionOf(o, inputs, outputs, factor);
            if (double.IsNaN(position))
                throw new UnsupportedNodeException($"its coordinates are {Excerpt.Of(Coordinates)}");
            bool isOutside = IsCropped && (position < 0 || position > inputs - 1);
            if (!isOutside)
                AddWeights(weights.AsSpan(o * inputs, inputs), position);
        }
        return weights;
    }

    private double InRegion(int dimension, int o, int inputs, int outputs)
    {
        if (Region is null || Region.Length <= dimension || Region.Length % 2 != 0)
            return double.NaN;
        (double start, double end) = (Region[dimension], Region[dimension + Region.Length / 2]);
        return outputs > 1 ? (inputs - 1) * (start + o * (end - start) / (outputs - 1))
            : 0.5 * (start + end) * (inputs - 1);
    }

    private void AddWeights(Span<float> row, double position)
    {
        int last = row.Length - 1;
        if (Mode == "nearest")
        {
            row[(int)Math.Clamp(Rounded(position), 0, last)] = 1;
            return;
        }
        bool isCubic = Mode == "cubic";
        double at = isCubic ? position : Math.Clamp(position, 0, last), below = Math.Floor(at), sum = 0;
        for (int k = isCubic ? -1 : 0; k <= (isCubic ? 2 : 1); k++)
        {
            double weight = isCubic ? Cubic(Math.Abs(at - below - k)) : Math.Max(0, 1 - Math.Abs(at - below - k));
            bool isOutside = below + k < 0 || below + k > last;
            if (isCubic && ExcludesOutside && isOutside)
                continue;
            sum += weight;
            row[(int)Math.Clamp(below + k, 0, last)] += (float)weight;
        }
        for (int i = 0; i < row.Length && isCubic && ExcludesOutside; i++)
            row[i] = (float)(row[i] / sum);
    }

    private double Cubic(double s) => s <= 1 ? ((CubicCoefficient + 2) * s - (CubicCoefficient + 3)) * s * s + 1
        : s < 2 ? CubicCoefficient * (((s - 5) * s + 8) * s - 4) : 0;

    /// <summary>Whether a layer reads the same inputs with the same weights.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="x">The shape of its input.</param>
    /// <param name="y">The shape of its output.</param>
    public bool AreThose(Upsample layer, Shape x, Shape y)
        => AreThose(layer, x.H, y.H, layer.Scale.Decimals.H) && AreThose(layer, x.W, y.W, layer.Scale.Decimals.W);

    private bool AreThose(Upsample layer, int inputs, int outputs, double scale)
    {
        double factor = scale > 0 ? scale : (double)outputs / inputs;
        for (int o = 0; o < outputs; o++)
        {
            double position = PositionOf(o, inputs, outputs, factor);
            if (double.IsNaN(position))
                return false;
            if (Mode == "nearest")
            {
                float ratio = scale > 0 ? (float)(1.0 / scale) : (float)inputs / outputs;
                double own = Math.Min(MathF.Floor(o * ratio), inputs - 1);
                if (Math.Clamp(Rounded(position), 0, inputs - 1) != own)
                    return false;
            }
            else if (Math.Abs(Math.Clamp(position, 0, inputs - 1) - Own(layer, o, inputs, outputs, factor))
                > Tolerance * inputs)
                return false;
        }
        return true;
    }

    private static double Own(Upsample layer, int o, int inputs, int outputs, double factor)
        => layer.AlignCorners ? outputs == 1 ? 0 : (double)o * (inputs - 1) / (outputs - 1)
            : Math.Clamp((o + 0.5) / factor - 0.5, 0, inputs - 1);

    // Where a position is rounded to an input, the precision decides: PyTorch and ONNX Runtime compute it in float.
    private double PositionOf(int o, int inputs, int outputs, double factor) => Mode == "nearest"
        ? Position((float)o, inputs, outputs, (float)factor) : Position((double)o, inputs, outputs, factor);

    private T Position<T>(T o, int inputSize, int outputSize, T factor) where T : IFloatingPointIeee754<T>
    {
        T half = T.CreateChecked(0.5), inputs = T.CreateChecked(inputSize), outputs = T.CreateChecked(outputSize);
        return Coordinates switch
        {
            "half_pixel" => (o + half) / factor - half,
            "pytorch_half_pixel" => outputSize > 1 ? (o + half) / factor - half : T.Zero,
            "align_corners" => outputSize > 1
                ? o * (inputs - T.One) / ((RoundsSize ? outputs : factor * inputs) - T.One) : T.Zero,
            "asymmetric" => o / factor,
            "tf_half_pixel_for_nn" => (o + half) / factor,
            "half_pixel_symmetric" => inputs * half * (T.One - outputs / (factor * inputs)) + (o + half) / factor
                - half,
            _ => T.NaN,
        };
    }

    private double Rounded(double position) => Nearest switch
    {
        "floor" => Math.Floor(position),
        "ceil" => Math.Ceiling(position),
        "round_prefer_ceil" => Math.Floor(position + 0.5),
        "round_prefer_floor" => Math.Ceiling(position - 0.5),
        _ => double.NaN,
    };
}
