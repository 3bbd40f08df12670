namespace ConvNet.Data;

/// <summary>How the value at a position between pixels is computed.</summary>
public enum Interpolation
{
    /// <summary>The mean of the four nearest pixels, weighted by their distance.</summary>
    Bilinear,

    /// <summary>The nearest pixel.</summary>
    Nearest,
}
