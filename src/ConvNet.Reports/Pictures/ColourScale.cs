using OxyPlot;

namespace ConvNet.Reports.Pictures;

/// <summary>Assigns colours to the values of a picture. A NaN is magenta.</summary>
internal sealed class ColourScale
{
    private const int Steps = 256;

    private static readonly OxyPalette s_sequential = OxyPalettes.Viridis(Steps),
        s_diverging = OxyPalettes.BlueWhiteRed(Steps);

    private readonly OxyPalette _palette;
    private readonly float _low, _high;

    private ColourScale(OxyPalette palette, float low, float high) => (_palette, _low, _high) = (palette, low, high);

    /// <summary>From the smallest value, dark, to the largest one, bright.</summary>
    public static ColourScale Sequential(ReadOnlySpan<float> values)
    {
        (float low, float high) = Range(values);
        return new ColourScale(s_sequential, low, high);
    }

    /// <summary>Blue below 0, white at 0, red above 0.</summary>
    public static ColourScale Diverging(ReadOnlySpan<float> values)
    {
        (float low, float high) = Range(values);
        float most = Math.Max(Math.Abs(low), Math.Abs(high));
        return new ColourScale(s_diverging, -most, most);
    }

    /// <summary>Returns the colour of a value.</summary>
    public Colour this[float value]
    {
        get
        {
            if (float.IsNaN(value))
                return new Colour(byte.MaxValue, 0, byte.MaxValue);
            float share = _high > _low ? Math.Clamp((value - _low) / (_high - _low), 0, 1) : 0.5f;
            OxyColor colour = _palette.Colors[(int)MathF.Round(share * (Steps - 1))];
            return new Colour(colour.R, colour.G, colour.B);
        }
    }

    private static (float Low, float High) Range(ReadOnlySpan<float> values)
    {
        float low = float.PositiveInfinity, high = float.NegativeInfinity;
        foreach (float value in values)
        {
            if (float.IsFinite(value))
                (low, high) = (Math.Min(low, value), Math.Max(high, value));
        }
        return low <= high ? (low, high) : (0, 0);
    }
}
