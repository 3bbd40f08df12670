namespace ConvNet.Data;

/// <summary>Draws the size of a region by its area and its aspect ratio.</summary>
internal static class RandomRegion
{
    /// <summary>The number of times that a size is drawn until one fits, as in torchvision.</summary>
    public const int Attempts = 10;

    /// <summary>Draws a size, which may be 0 or larger than the image.</summary>
    /// <param name="random">The random choices.</param>
    /// <param name="shape">The shape of the image.</param>
    /// <param name="scale">The bounds of the area as a fraction of the image, from which it is drawn
    /// uniformly.</param>
    /// <param name="ratio">The bounds of the ratio of the first side to the second, whose logarithm is drawn
    /// uniformly.</param>
    public static (int First, int Second) Draw(RandomSequence random, Shape shape, ValueRange scale, ValueRange ratio)
    {
        double area = shape.Area * scale.Draw(random);
        double aspect = ratio.Least == ratio.Most ? ratio.Least
            : Math.Exp(random.Uniform(Math.Log(ratio.Least), Math.Log(ratio.Most)));
        return ((int)Math.Round(Math.Sqrt(area * aspect)), (int)Math.Round(Math.Sqrt(area / aspect)));
    }
}
