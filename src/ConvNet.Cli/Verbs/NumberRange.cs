using System.Globalization;
using System.Numerics;

namespace ConvNet.Cli.Verbs;

/// <summary>The numbers that an option takes. They are read by the invariant culture, whatever the user's is.</summary>
/// <param name="Least">The least of them.</param>
/// <param name="Most">The greatest of them.</param>
/// <param name="Words">The range as a sentence has it: <c>a whole number from 1 on</c>.</param>
internal sealed record NumberRange<T>(T Least, T Most, string Words) where T : struct, INumber<T>
{
    /// <summary>The number of a word.</summary>
    /// <param name="option">The option, for the error.</param>
    /// <param name="word">The word.</param>
    /// <param name="number">The number.</param>
    /// <returns>Null, or why the word is no such number.</returns>
    public string? Read(string option, string word, out T number)
        => T.TryParse(word,
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent,
            CultureInfo.InvariantCulture, out number)
            && number >= Least && number <= Most
                ? null
                : $"{option} is \"{Excerpt.Of(word)}\"; it takes {Words}.";
}

/// <summary>The ranges that several options have.</summary>
internal static class NumberRanges
{
    /// <summary>Threads that a backend can use.</summary>
    public const int MostThreads = 1024;

    /// <summary>1, 2 and so on.</summary>
    public static NumberRange<int> FromOne { get; } = new(1, int.MaxValue, "a whole number from 1 on");

    /// <summary>Any whole number of 32 bits.</summary>
    public static NumberRange<int> Any { get; } = new(int.MinValue, int.MaxValue,
        $"a whole number from {int.MinValue} to {int.MaxValue}");

    /// <summary>Numbers of threads.</summary>
    public static NumberRange<int> Threads { get; } = Whole(1, MostThreads);

    /// <summary>The numbers of an interval, in single precision.</summary>
    /// <param name="interval">The interval.</param>
    /// <param name="example">One of them, for errors.</param>
    public static NumberRange<float> Single(NumberInterval interval, string example) => new(
        interval.HasLeast ? (float)interval.Least : MathF.BitIncrement((float)interval.Least),
        interval.HasMost ? (float)interval.Most : MathF.BitDecrement((float)interval.Most),
        $"{interval.Words}, as {example}");

    /// <summary>The numbers of an interval, in double precision but of single precision's range, in which they are
    /// used.</summary>
    /// <inheritdoc cref="Single" path="/param"/>
    public static NumberRange<double> Double(NumberInterval interval, string example) => new(
        interval.HasLeast ? interval.Least : Math.BitIncrement(interval.Least),
        Math.Min(interval.HasMost ? interval.Most : Math.BitDecrement(interval.Most), float.MaxValue),
        $"{interval.Words}, as {example}");

    /// <summary>Whole numbers in a range.</summary>
    public static NumberRange<int> Whole(int least, int most)
        => new(least, most, $"a whole number from {least} to {most}");
}
