using System.Globalization;

namespace ConvNet.Reports;

/// <summary>Numbers as people read them: three figures or so.</summary>
internal static class Number
{
    /// <summary>What stands where there is no number.</summary>
    public const string None = "–";

    /// <summary>A number; whole ones without a point.</summary>
    public static string Text(double? number) => number is not { } value || double.IsNaN(value)
        ? None
        : value.ToString(FormatOf(value), CultureInfo.InvariantCulture);

    /// <summary>A number beside an axis, without zeros at its end.</summary>
    public static string Tick(double value) => value.ToString("#,0.######", CultureInfo.InvariantCulture);

    /// <summary>A share in percent, without the sign.</summary>
    public static string Percent(double share) => (100 * share).ToString("0.0", CultureInfo.InvariantCulture);

    /// <summary>A number of threads.</summary>
    public static string Threads(int count) => count == 1 ? "1 thread" : $"{count} threads";

    private static string FormatOf(double value) => Math.Abs(value) switch
    {
        _ when value == Math.Truncate(value) && Math.Abs(value) < 1e9 => "#,0",
        >= 1e9 or < 1e-3 => "0.00e0",
        >= 100 => "#,0",
        >= 10 => "0.0",
        >= 1 => "0.00",
        _ => "0.000",
    };
}
