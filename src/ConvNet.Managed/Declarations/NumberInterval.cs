using System.Globalization;
using System.Text.Json;

namespace ConvNet;

/// <summary>An interval of real numbers, such as <c>[0, 1)</c>. An end may be infinite.</summary>
/// <param name="Least">The lower end.</param>
/// <param name="Most">The upper end.</param>
/// <param name="HasLeast">Whether the lower end is included.</param>
/// <param name="HasMost">Whether the upper end is included; false if it is infinite.</param>
public readonly record struct NumberInterval(double Least, double Most, bool HasLeast, bool HasMost)
{
    /// <summary>Non-negative numbers: [0, ∞).</summary>
    public static NumberInterval FromZero { get; } = new(0, double.PositiveInfinity, HasLeast: true, HasMost: false);

    /// <summary>Positive numbers: (0, ∞).</summary>
    public static NumberInterval AboveZero { get; } = new(0, double.PositiveInfinity, HasLeast: false, HasMost: false);

    /// <summary>Numbers from 0 to below 1: [0, 1).</summary>
    public static NumberInterval BelowOne { get; } = new(0, 1, HasLeast: true, HasMost: false);

    /// <summary>All finite numbers.</summary>
    public static NumberInterval Finite { get; }
        = new(double.NegativeInfinity, double.PositiveInfinity, HasLeast: false, HasMost: false);

    /// <summary>The interval in words, such as <c>a number at least 0 and below 1</c>.</summary>
    internal string Words
    {
        get
        {
            if (this == Finite)
                return "a finite number";
            string least = $"{(HasLeast ? "at least" : "above")} {Text(Least)}";
            return double.IsPositiveInfinity(Most)
            ? $"a finite number {least}"
            : $"a number {least} and {(HasMost ? "at most" : "below")} {Text(Most)}";
        }
    }

    /// <summary>Returns whether a number is in the interval.</summary>
    public bool Contains(double value)
        => (HasLeast ? value >= Least : value > Least) && (HasMost ? value <= Most : value < Most);

    /// <summary>Returns the interval in the form <c>(0, 1]</c>.</summary>
    public override string ToString() => $"{(HasLeast ? '[' : '(')}{Text(Least)}, {Text(Most)}{(HasMost ? ']' : ')')}";

    /// <summary>Writes the keywords of a JSON schema that describe a number of the interval.</summary>
    internal void WriteSchema(Utf8JsonWriter json)
    {
        json.WriteString("type", "number");
        if (double.IsFinite(Least))
            json.WriteNumber(HasLeast ? "minimum" : "exclusiveMinimum", Least);
        if (double.IsFinite(Most))
            json.WriteNumber(HasMost ? "maximum" : "exclusiveMaximum", Most);
    }

    // Returns the number at a given fraction of the interval.
    internal double Inside(float share)
    {
        double least = double.IsFinite(Least) ? Least : -1;
        double most = double.IsFinite(Most) ? Most : Math.Max(least, 0) + 1, value = least + (most - least) * share;
        return Contains(value) ? value : (least + most) / 2;
    }

    private static string Text(double value) => double.IsPositiveInfinity(value) ? "∞"
        : double.IsNegativeInfinity(value) ? "−∞" : value.ToString(CultureInfo.InvariantCulture);
}
