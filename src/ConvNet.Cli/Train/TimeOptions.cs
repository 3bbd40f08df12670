using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Serialization;

namespace ConvNet.Cli.Train;

/// <summary>Options whose value is a time, such as 30s, 10min or 2h.</summary>
internal static class TimeOptions
{
    /// <summary>Adds an option to a verb.</summary>
    public static Option<string?> Add(Verb verb, string name, string description)
    {
        Option<string?> option = verb.Optional<string>(name, description, "TIME");
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var word }] && word.Trim().Length > 0 && Parse(word) is null)
                result.AddError($"{name} is \"{Excerpt.Of(word)}\"; it takes a time, as in 30s, 10min or 2h.");
        });
        return option;
    }

    /// <summary>Returns the time of a command; null if it has none.</summary>
    public static TimeSpan? Of(ParseResult command, Option<string?> option)
        => command.GetValue(option) is { } word ? Parse(word) : null;

    private static TimeSpan? Parse(string text)
    {
        try
        {
            return CheckpointInterval.Parse(text).Length;
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
