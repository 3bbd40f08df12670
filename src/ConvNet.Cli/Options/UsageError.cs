using System.CommandLine;
using System.CommandLine.Parsing;
using ConvNet.Cli.Verbs;

namespace ConvNet.Cli;

/// <summary>Describes the error of a command line that does not parse, in one sentence with the closest valid
/// word.</summary>
internal static class UsageError
{
    /// <summary>Returns the message of the first error.</summary>
    public static string Of(ParseResult command)
    {
        Command of = command.CommandResult.Command;
        // The error of an option is more specific than the unmatched words that it causes.
        ParseError? error = command.Errors.FirstOrDefault(each
            => each.SymbolResult is OptionResult { IdentifierTokenCount: > 0 });
        error ??= command.Errors.FirstOrDefault(each => each.SymbolResult is ArgumentResult { Tokens.Count: > 0 });
        if (error is null && command.UnmatchedTokens is [var word, ..])
            return Unmatched(of, word);
        error ??= command.Errors[0];
        return error.SymbolResult switch
        {
            OptionResult option => OfOption(of, option, error),
            ArgumentResult { Tokens.Count: 0 } argument => $"{of.Name} needs {argument.Argument.Name}.",
            _ => error.Message,
        };
    }

    private static string OfOption(Command of, OptionResult result, ParseError error)
    {
        string name = result.Option.Name, value = result.Option.HelpName ?? "a value";
        if (result.IdentifierTokenCount == 0)
            return $"{of.Name} needs {name} {value}.";
        if (result.Tokens.Count == 0 && result.Option.Arity.MinimumNumberOfValues > 0)
            return $"{name} needs a value: {name} {value}.";
        return result.IdentifierTokenCount > 1 && result.Tokens.Count > result.Option.Arity.MaximumNumberOfValues
            ? $"{name} is given {result.IdentifierTokenCount} times. Give it once."
            : error.Message;
    }

    private static string Unmatched(Command of, string word)
    {
        string quoted = $"\"{Excerpt.Of(word)}\"";
        if (word.StartsWith('-'))
            return NoOption(of, word);
        if (of is Verb)
            return $"{of.Name} takes no {(of.Arguments.Count == 0 ? "" : "more ")}arguments, and {quoted} does not "
                + "belong to an option.";
        IEnumerable<string> verbs = of.Subcommands.Where(verb => !verb.Hidden).Select(verb => verb.Name);
        return $"There is no verb {quoted}. Use one of {string.Join(", ", verbs)}.{NearMisses.Question(word, verbs)}";
    }

    /// <summary>Returns the error for a word that looks like an option but is not one.</summary>
    public static string NoOption(Command of, string word)
    {
        string name = of is Verb ? of.Name : "convnet", alone = word.Split('=', ':')[0];
        return $"{name} has no option \"{Excerpt.Of(word)}\"."
            + NearMisses.Question(alone, OptionsOf(of).Select(option => option.Name));
    }

    /// <summary>Returns the options of a command, including global options.</summary>
    public static IEnumerable<Option> OptionsOf(Command of)
        => of.Options.Concat(of.Parents.OfType<Command>().SelectMany(parent
            => parent.Options.Where(option => option.Recursive)));
}
