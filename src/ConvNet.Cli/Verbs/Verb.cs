using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace ConvNet.Cli.Verbs;

/// <summary>One verb of the command.</summary>
internal abstract class Verb : Command
{
    /// <summary>Names the verb.</summary>
    /// <param name="name">The word.</param>
    /// <param name="description">What it does, in one sentence.</param>
    /// <param name="examples">Command lines that work, without <c>convnet</c>.</param>
    protected Verb(string name, string description, params string[] examples) : base(name, description) => Examples = examples;

    /// <summary>Command lines that work.</summary>
    public IReadOnlyList<string> Examples { get; }

    /// <summary>Runs the verb.</summary>
    /// <returns>The exit code.</returns>
    public abstract int Run(ParseResult command, Terminal terminal);

    /// <summary>Adds an option with a default.</summary>
    protected Option<T> WithDefault<T>(string name, string description, T otherwise, string? helpName = null)
    {
        var option = new Option<T>(name) { Description = description, DefaultValueFactory = _ => otherwise, HelpName = helpName };
        Add(option);
        return option;
    }

    /// <summary>Adds an option that may be left out.</summary>
    protected Option<T?> Optional<T>(string name, string description, string? helpName = null)
    {
        var option = new Option<T?>(name) { Description = description, HelpName = helpName };
        Add(option);
        return option;
    }

    /// <summary>Adds an option without a value.</summary>
    protected Option<bool> Flag(string name, string description)
    {
        var option = new Option<bool>(name) { Description = description };
        Add(option);
        return option;
    }

    /// <summary>Adds an option with a default that must be above zero and finite.</summary>
    protected Option<T> Positive<T>(string name, string description, T otherwise, string helpName) where T : INumber<T>
    {
        Option<T> option = WithDefault(name, description, otherwise, helpName);
        option.Validators.Add(result =>
        {
            // A word that is no number is refused by the parser itself.
            if (result.Tokens is [.., { Value: var word }] && T.TryParse(word, CultureInfo.InvariantCulture, out T? value) && !(value > T.Zero && T.IsFinite(value)))
                result.AddError($"{name} is {value}; it must be above 0 and finite.");
        });
        return option;
    }

    /// <summary>Adds an option that takes words, one or more, apart or with commas.</summary>
    protected Option<string[]> Several(string name, string description, string helpName)
    {
        var option = new Option<string[]>(name)
        {
            Description = description,
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.OneOrMore,
            DefaultValueFactory = _ => [],
            HelpName = helpName,
        };
        Add(option);
        return option;
    }

    /// <summary>The words of such an option, those between commas by themselves.</summary>
    protected static IEnumerable<string> Words(ParseResult command, Option<string[]> option)
        => command.GetValue(option)!.SelectMany(word => word.Split(',', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>The words as numbers.</summary>
    /// <exception cref="ArgumentException">A word is no number from 1 on.</exception>
    protected static IEnumerable<int> Numbers(ParseResult command, Option<string[]> option) => Words(command, option).Select(word =>
        int.TryParse(word, CultureInfo.InvariantCulture, out int number) && number > 0
            ? number
            : throw new ArgumentException($"{option.Name} takes numbers from 1 on, as 1,2; \"{word}\" is none."));

    /// <summary>Adds the option that names a backend.</summary>
    protected Option<string> BackendOption() => WithDefault("--backend", $"What computes: {BackendCatalog.Names}.", BackendCatalog.Default, "NAME");

    /// <summary>Adds the option that names a backend, or leaves the choice to the program.</summary>
    protected Option<string> BackendOrAutoOption()
        => WithDefault("--backend", $"What computes: {BackendCatalog.Names}; or {BackendCatalog.Auto}, the fastest that passes its self-test.", BackendCatalog.Default, "NAME");

    /// <summary>Adds the option that says whether the backend may trade accuracy for time.</summary>
    protected Option<string> PrecisionOption()
        => WithDefault("--precision", "fast: native may take algorithms that round more; accurate: nothing less exact than direct sums.", BackendText.Words(Precision.Fast), "NAME")
            .AcceptOnlyFromAmong([.. Enum.GetValues<Precision>().Select(BackendText.Words)]);

    /// <summary>What the option says.</summary>
    protected static Precision PrecisionOf(ParseResult command, Option<string> option) => Enum.Parse<Precision>(command.GetValue(option)!, ignoreCase: true);

    /// <summary>Adds the option that names the data.</summary>
    protected Option<string> DataOption() => WithDefault("--data", "digits, fashion-mnist, or a folder of IDX files named as MNIST's.", "digits", "DATA");

    /// <summary>Adds the options that name the files of a page of results.</summary>
    protected ReportOptions ReportFiles() => new(
        Optional<string>("--report", "Write the results here as one HTML page, with charts, the machine and the raw data.", "FILE"),
        Optional<string>("--markdown", "Write the same page here as Markdown.", "FILE"));

    /// <summary>The command line as it can be given to a shell again.</summary>
    internal static string CommandLineOf(ParseResult command) => string.Join(' ', command.Tokens.Select(token => token.Value)
        .Select(word => word.Any(c => c is ' ' or '"' or '>') ? $"'{word}'" : word).Prepend("./convnet"));

    /// <summary>Adds the option that sets the number of threads.</summary>
    protected Option<int?> ThreadsOption() => Optional<int?>("--threads", "Threads to use; all processors unless given.", "N");

    /// <summary>Adds the option that names the part of a file that gets what was measured.</summary>
    protected Option<string> SectionOption() => WithDefault("--section", "The section of --update: what stands between <!-- bench NAME --> and <!-- end -->.", "results", "NAME");
}
