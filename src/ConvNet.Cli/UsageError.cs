using System.CommandLine;
using System.CommandLine.Parsing;
using ConvNet.Cli.Verbs;

namespace ConvNet.Cli;

/// <summary>What is wrong with a command line that does not parse, in one sentence and with the nearest word that would
/// do.</summary>
internal static class UsageError
{
    /// <summary>The first error.</summary>
    public static string Of(ParseResult command)
    {
        Command of = command.CommandResult.Command;
        // An option's own error tells more than the words that are left over because of it.
        ParseError? error = command.Errors.FirstOrDefault(each
            => each.SymbolResult is OptionResult { IdentifierTokenCount: > 0 });
        if (error is null && command.UnmatchedTokens is [var word, ..])
            return Unmatched(of, word);
        error ??= command.Errors[0];
        return error.SymbolResult is OptionResult option ? OfOption(of, option, error) : error.Message;
    }

    private static string OfOption(Command of, OptionResult result, ParseError error)
    {
        string name = result.Option.Name, value = result.Option.HelpName ?? "a value";
        if (result.IdentifierTokenCount == 0)
            return $"{of.Name} needs {name} {value}.";
        if (result.Tokens.Count == 0 && result.Option.Arity.MinimumNumberOfValues > 0)
            return $"{name} lacks its value: {name} {value}.";
        return result.IdentifierTokenCount > 1 && result.Tokens.Count > result.Option.Arity.MaximumNumberOfValues
            ? $"{name} is given {result.IdentifierTokenCount} times; once is enough."
            : error.Message;
    }

    private static string Unmatched(Command of, string word)
    {
        string quoted = $"\"{Excerpt.Of(word)}\"";
        if (word.StartsWith('-'))
            return NoOption(of, word);
        if (of is Verb)
            return $"{of.Name} takes no word by itself, and {quoted} follows no option that could take it.";
        IEnumerable<string> verbs = of.Subcommands.Where(verb => !verb.Hidden).Select(verb => verb.Name);
        return $"There is no verb {quoted}; there are {string.Join(", ", verbs)}.{NearMisses.Question(word, verbs)}";
    }

    /// <summary>The error for a word that looks like an option and is none.</summary>
    public static string NoOption(Command of, string word)
    {
        string name = of is Verb ? of.Name : "convnet", alone = word.Split('=', ':')[0];
        return $"{name} has no option \"{Excerpt.Of(word)}\"."
            + NearMisses.Question(alone, OptionsOf(of).Select(option => option.Name));
    }

    /// <summary>The options that a command takes, those of the whole program among them.</summary>
    public static IEnumerable<Option> OptionsOf(Command of)
        => of.Options.Concat(of.Parents.OfType<Command>().SelectMany(parent
            => parent.Options.Where(option => option.Recursive)));
}
