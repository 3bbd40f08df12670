using System.CommandLine;
using System.CommandLine.Parsing;
using System.Numerics;
using ConvNet.Data;

namespace ConvNet.Cli.Verbs;

/// <summary>One verb of the command.</summary>
internal abstract class Verb : Command
{
    /// <summary>Names the verb.</summary>
    /// <param name="name">The word.</param>
    /// <param name="description">What it does, in one sentence.</param>
    /// <param name="examples">Command lines that work, without <c>convnet</c>.</param>
    protected Verb(string name, string description, params string[] examples) : base(name, description)
        => Examples = examples;

    /// <summary>Command lines that work.</summary>
    public IReadOnlyList<string> Examples { get; }

    /// <summary>The files that its options name.</summary>
    public NamedFiles Files { get; } = new();

    /// <summary>Runs the verb.</summary>
    /// <returns>The exit code.</returns>
    public abstract int Run(ParseResult command, Terminal terminal);

    /// <summary>Adds an option with a default.</summary>
    protected Option<T> WithDefault<T>(string name, string description, T otherwise, string? helpName = null)
    {
        var option = new Option<T>(name)
        {
            Description = description,
            DefaultValueFactory = _ => otherwise,
            HelpName = helpName
        };
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

    /// <summary>Refuses what no option of the verb takes: an empty value, and a word that looks like an
    /// option.</summary>
    public void CheckValues()
    {
        string[] names = [.. UsageError.OptionsOf(this).SelectMany(option => option.Aliases.Prepend(option.Name))];
        foreach (Option option in Options.Where(option => option.Arity.MaximumNumberOfValues > 0
            && option.ValueType != typeof(bool)))
        {
            string wanted = $"{option.Name} {option.HelpName}";
            option.Validators.Add(result =>
            {
                foreach (string word in result.Tokens.Select(token => token.Value))
                {
                    if (names.Contains(word))
                        result.AddError($"{option.Name} lacks its value: {wanted}, and {word} after it.");
                    else if (word.StartsWith("--", StringComparison.Ordinal))
                        result.AddError(UsageError.NoOption(this, word));
                    else if (word.Trim(' ', ',').Length == 0)
                        result.AddError($"{option.Name} is \"{word}\", which is empty: {wanted}.");
                }
            });
        }
    }

    /// <summary>Adds an option that takes a number, with a default.</summary>
    protected Option<T> Number<T>(string name, string description, T otherwise, NumberRange<T> range,
        string helpName) where T : struct, INumber<T>
    {
        Option<T> option = WithDefault(name, description, otherwise, helpName);
        option.CustomParser = result => Read(result, name, range);
        return option;
    }

    /// <summary>Adds an option that takes a number and may be left out.</summary>
    protected Option<T?> OptionalNumber<T>(string name, string description, NumberRange<T> range,
        string helpName) where T : struct, INumber<T>
    {
        Option<T?> option = Optional<T?>(name, description, helpName);
        option.CustomParser = result => Read(result, name, range);
        return option;
    }

    /// <summary>Reads the number that an option was given.</summary>
    internal static T Read<T>(ArgumentResult result, string option, NumberRange<T> range) where T : struct, INumber<T>
    {
        if (range.Read(option, result.Tokens[0].Value, out T number) is { } error)
            result.AddError(error);
        return number;
    }

    /// <summary>Adds an option that takes one of some words, with a default.</summary>
    protected Option<string> Choice(string name, string description, string otherwise, params string[] words)
    {
        Option<string> option = WithDefault(name, description, otherwise);
        AcceptOnly(option, words);
        return option;
    }

    /// <summary>Lets an option take nothing but some words.</summary>
    internal static void AcceptOnly(Option option, string[] words)
    {
        option.CompletionSources.Add(words);
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var word }] && word.Trim().Length > 0 && !words.Contains(word))
                result.AddError($"{option.Name} is \"{Excerpt.Of(word)}\"; it takes "
                    + $"{string.Join(", ", words[..^1])} or {words[^1]}.{NearMisses.Question(word, words)}");
        });
    }

    /// <summary>Adds an option that names a file which is written anew.</summary>
    protected Option<string?> Written(string name, string description)
    {
        Option<string?> option = Optional<string>(name, description, "FILE");
        Files.Add(option, FileUse.Written, command => ValueOf(command, option));
        return option;
    }

    /// <summary>Adds an option that names a file which is read, and written with what is new in it.</summary>
    protected Option<string?> Updated(string name, string description)
    {
        Option<string?> option = Optional<string>(name, description, "FILE");
        Files.Add(option, FileUse.Updated, command => ValueOf(command, option));
        return option;
    }

    /// <summary>Says that an option names a model, which may be a file.</summary>
    protected void ReadsModel(Option option)
        => Files.Add(option, FileUse.Read, command => ModelChoice.Files(ValueOf(command, option)));

    /// <summary>The value of an option; nothing where it is left out.</summary>
    protected static IEnumerable<string> ValueOf(ParseResult command, Option option)
        => command.GetResult(option)?.GetValueOrDefault<string?>() is { } value ? [value] : [];

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
    /// <exception cref="ArgumentException">A word is no number of the range.</exception>
    protected static IEnumerable<int> Numbers(ParseResult command, Option<string[]> option, NumberRange<int> range)
        => Words(command, option).Select(word => range.Read(option.Name, word, out int number) is { } error
            ? throw new ArgumentException(error)
            : number);

    /// <summary>Adds the option that names a backend.</summary>
    protected Option<string> BackendOption()
        => WithDefault("--backend", $"What computes: {BackendCatalog.Names}.", BackendCatalog.Default, "NAME");

    /// <summary>Adds the option that names a backend, or leaves the choice to the program.</summary>
    protected Option<string> BackendOrAutoOption()
        => WithDefault("--backend", $"What computes: {BackendCatalog.Names}; or {BackendCatalog.Auto}, the fastest "
            + "that passes its self-test.", BackendCatalog.Default, "NAME");

    /// <summary>Adds the option that says whether the backend may trade accuracy for time.</summary>
    protected Option<string> PrecisionOption()
        => Choice("--precision",
            "fast: native may take Winograd's algorithms, which round more, and in which one infinite or very large "
            + "value makes the whole tile of results around it NaN; accurate: nothing less exact than direct sums.",
            BackendText.Words(Precision.Fast), [.. Enum.GetValues<Precision>().Select(BackendText.Words)]);

    /// <summary>What the option says.</summary>
    protected static Precision PrecisionOf(ParseResult command, Option<string> option)
        => Enum.Parse<Precision>(command.GetValue(option)!, ignoreCase: true);

    /// <summary>Adds the option that names the data.</summary>
    protected Option<string> DataOption()
    {
        Option<string> option = WithDefault("--data",
            "digits, fashion-mnist, or a folder of IDX files named as MNIST's.", "digits", "DATA");
        Files.Add(option, FileUse.Read, command => ValueOf(command, option).Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*ubyte*")));
        return option;
    }

    /// <summary>The batches that a network is tested on.</summary>
    protected static DataLoader TestLoader(PixelSet images, Normalization normalization, int batch, int workers)
        => new(images, batch, new DataLoaderOptions { Transforms = [normalization], Workers = workers });

    /// <summary>Adds the options that name the files of a page of results.</summary>
    protected ReportOptions ReportFiles() => new(
        Written("--report", "Write the results here as one HTML page, with charts, the machine and the raw data."),
        Written("--markdown", "Write the same page here as Markdown."));

    /// <summary>The command line as it can be given to a shell again.</summary>
    internal static string CommandLineOf(ParseResult command)
        => string.Join(' ', command.Tokens.Select(token => token.Value)
        .Select(word => word.Any(c => c is ' ' or '"' or '>') ? $"'{word}'" : word).Prepend("./convnet"));

    /// <summary>Adds the option that sets the number of threads.</summary>
    protected Option<int?> ThreadsOption()
        => OptionalNumber("--threads", "Threads to use; all processors unless given.", NumberRanges.Threads, "N");

    /// <summary>Adds the option that names the part of a file that gets what was measured.</summary>
    protected Option<string> SectionOption() => WithDefault("--section", "The section of --update: what stands "
        + "between <!-- bench NAME --> and <!-- end -->.", "results", "NAME");
}
