using System.Globalization;

namespace ConvNet;

/// <summary>The two bounds between which a transform draws a number.</summary>
/// <remarks>Equal bounds always give that number. A tuple converts implicitly, and a single number d to −d and d, as in
/// torch.</remarks>
/// <param name="Least">The lower bound.</param>
/// <param name="Most">The upper bound.</param>
public readonly record struct ValueRange(double Least, double Most)
{
    /// <summary>Creates a range.</summary>
    public static implicit operator ValueRange((double Least, double Most) range) => new(range.Least, range.Most);

    /// <summary>Creates the range from −<paramref name="most"/> to <paramref name="most"/>.</summary>
    public static implicit operator ValueRange(double most) => new(-most, most);

    /// <summary>Returns the bounds, such as <c>0.08,1</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Least},{Most}");

    /// <summary>Draws a number.</summary>
    internal double Draw(RandomSequence random) => random.Uniform(Least, Most);
}
