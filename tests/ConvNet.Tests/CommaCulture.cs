using System.Globalization;

namespace ConvNet.Tests;

/// <summary>Makes the culture of a test one that writes 0,5 and 1.000 and a minus of its own, as no file or option
/// does.</summary>
internal sealed class CommaCulture : IDisposable
{
    private readonly CultureInfo _before = CultureInfo.CurrentCulture;

    public CommaCulture()
    {
        var comma = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        (comma.NumberFormat.NumberDecimalSeparator, comma.NumberFormat.NumberGroupSeparator) = (",", ".");
        (comma.NumberFormat.PercentDecimalSeparator, comma.NumberFormat.PercentGroupSeparator) = (",", ".");
        comma.NumberFormat.NegativeSign = "−";
        comma.NumberFormat.NaNSymbol = "keine Zahl";
        CultureInfo.CurrentCulture = comma;
    }

    public void Dispose() => CultureInfo.CurrentCulture = _before;
}
