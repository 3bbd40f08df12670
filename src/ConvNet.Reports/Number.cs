using System.Globalization;

namespace ConvNet.Reports;

/// <summary>Formats numbers with about three significant digits.</summary>
internal static class Number
{
    /// <summary>The placeholder for a missing number.</summary>
    public const string None = "–";

    /// <summary>Formats a number. Integers have no decimal point.</summary>
    public static string Text(double? number) => number is not { } value || double.IsNaN(value)
        ? None
        : value.ToString(FormatOf(value), CultureInfo.InvariantCulture);

    /// <summary>Formats an axis label, without trailing zeros.</summary>
    public static string Tick(double value) => value.ToString("#,0.######", CultureInfo.InvariantCulture);

    /// <summary>Formats a share as a percentage, without the sign.</summary>
    public static string Percent(double share) => (100 * share).ToString("0.0", CultureInfo.InvariantCulture);

    /// <summary>Formats a thread count.</summary>
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
