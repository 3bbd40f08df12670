using System.Globalization;
using System.Numerics;

namespace ConvNet.Cli.Verbs;

/// <summary>The range of numbers that an option accepts. Numbers are parsed in the invariant culture.</summary>
/// <param name="Least">The minimum.</param>
/// <param name="Most">The maximum.</param>
/// <param name="Words">The range in words: <c>a whole number of at least 1</c>.</param>
internal sealed record NumberRange<T>(T Least, T Most, string Words) where T : struct, INumber<T>
{
    /// <summary>Parses a number.</summary>
    /// <param name="option">The option, for error messages.</param>
    /// <param name="word">The word.</param>
    /// <param name="number">The number.</param>
    /// <returns>Null, or an error message.</returns>
    public string? Read(string option, string word, out T number)
        => T.TryParse(word,
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent,
            CultureInfo.InvariantCulture, out number)
            && number >= Least && number <= Most
                ? null
                : $"{option} is \"{Excerpt.Of(word)}\"; it takes {Words}.";
}

/// <summary>Ranges shared by several options.</summary>
internal static class NumberRanges
{
    /// <summary>The maximum number of threads of a backend.</summary>
    public const int MostThreads = 1024;

    /// <summary>Integers from 1.</summary>
    public static NumberRange<int> FromOne { get; } = new(1, int.MaxValue, "a whole number of at least 1");

    /// <summary>Integers from 0.</summary>
    public static NumberRange<int> FromZero { get; } = new(0, int.MaxValue, "a whole number of at least 0");

    /// <summary>Any 32-bit integer.</summary>
    public static NumberRange<int> Any { get; } = new(int.MinValue, int.MaxValue,
        $"a whole number from {int.MinValue} to {int.MaxValue}");

    /// <summary>Thread counts.</summary>
    public static NumberRange<int> Threads { get; } = Whole(1, MostThreads);

    /// <summary>Returns the range of an interval in single precision.</summary>
    /// <param name="interval">The interval.</param>
    /// <param name="example">An example for error messages.</param>
    public static NumberRange<float> Single(NumberInterval interval, string example) => new(
        interval.HasLeast ? (float)interval.Least : MathF.BitIncrement((float)interval.Least),
        interval.HasMost ? (float)interval.Most : MathF.BitDecrement((float)interval.Most),
        $"{interval.Words}, for example {example}");

    /// <summary>Returns the range of an interval in double precision, limited to the range of single precision, in
    /// which the numbers are used.</summary>
    /// <inheritdoc cref="Single" path="/param"/>
    public static NumberRange<double> Double(NumberInterval interval, string example) => new(
        interval.HasLeast ? interval.Least : Math.BitIncrement(interval.Least),
        Math.Min(interval.HasMost ? interval.Most : Math.BitDecrement(interval.Most), float.MaxValue),
        $"{interval.Words}, for example {example}");

    /// <summary>Returns a range of integers.</summary>
    public static NumberRange<int> Whole(int least, int most)
        => new(least, most, $"a whole number from {least} to {most}");
}
