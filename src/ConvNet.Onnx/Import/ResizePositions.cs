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

    /// <summary>Whether a layer reads the same inputs with the same weights.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="x">The shape of its input.</param>
    /// <param name="y">The shape of its output.</param>
    public bool AreThose(Upsample layer, Shape x, Shape y)
        => AreThose(layer, x.H, y.H, layer.Scale.H) && AreThose(layer, x.W, y.W, layer.Scale.W);

    private bool AreThose(Upsample layer, int inputs, int outputs, float scale)
    {
        double factor = scale > 0 ? scale : (double)outputs / inputs;
        for (int o = 0; o < outputs; o++)
        {
            double position = Position(o, inputs, outputs, factor);
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

    private double Position(int o, int inputs, int outputs, double factor) => Coordinates switch
    {
        "half_pixel" => (o + 0.5) / factor - 0.5,
        "pytorch_half_pixel" => outputs > 1 ? (o + 0.5) / factor - 0.5 : 0,
        "align_corners" => outputs > 1 ? o * (inputs - 1) / ((RoundsSize ? outputs : factor * inputs) - 1) : 0,
        "asymmetric" => o / factor,
        "tf_half_pixel_for_nn" => (o + 0.5) / factor,
        "half_pixel_symmetric" => inputs / 2.0 * (1 - outputs / (factor * inputs)) + (o + 0.5) / factor - 0.5,
        _ => double.NaN,
    };

    private double Rounded(double position) => Nearest switch
    {
        "floor" => Math.Floor(position),
        "ceil" => Math.Ceiling(position),
        "round_prefer_ceil" => Math.Floor(position + 0.5),
        "round_prefer_floor" => Math.Ceiling(position - 0.5),
        _ => double.NaN,
    };
}
