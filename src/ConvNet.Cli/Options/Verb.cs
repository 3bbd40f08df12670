using System.CommandLine;
using System.CommandLine.Parsing;
using System.Numerics;
using ConvNet.Backends;
using ConvNet.Data;

namespace ConvNet.Cli.Verbs;

/// <summary>A verb of the command <c>convnet</c>.</summary>
internal abstract class Verb : Command
{
    /// <summary>How command lines are read: no word stands for a file of words, because a file may be named
    /// @2x.png.</summary>
    public static ParserConfiguration AsWritten { get; } = new() { ResponseFileTokenReplacer = null };

    /// <summary>Creates a verb.</summary>
    /// <param name="name">The name.</param>
    /// <param name="description">A description in one sentence.</param>
    /// <param name="examples">Example command lines, without <c>convnet</c>.</param>
    protected Verb(string name, string description, params string[] examples) : base(name, description)
        => Examples = examples;

    /// <summary>Example command lines.</summary>
    public IReadOnlyList<string> Examples { get; }

    /// <summary>The files that the options name.</summary>
    public NamedFiles Files { get; } = new();

    /// <summary>Runs the verb.</summary>
    /// <returns>The exit code.</returns>
    public abstract int Run(ParseResult command, Terminal terminal);

    /// <summary>Adds an option with a default.</summary>
    public Option<T> WithDefault<T>(string name, string description, T otherwise, string? helpName = null)
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

    /// <summary>Adds an optional option.</summary>
    public Option<T?> Optional<T>(string name, string description, string? helpName = null)
    {
        var option = new Option<T?>(name) { Description = description, HelpName = helpName };
        Add(option);
        return option;
    }

    /// <summary>Adds an option without a value.</summary>
    public Option<bool> Flag(string name, string description)
    {
        var option = new Option<bool>(name) { Description = description };
        Add(option);
        return option;
    }

    /// <summary>Adds validators that reject empty values and unknown words that look like options.</summary>
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
                        result.AddError($"{option.Name} needs a value: {wanted}, followed by {word}.");
                    else if (word.StartsWith("--", StringComparison.Ordinal))
                        result.AddError(UsageError.NoOption(this, word));
                    else if (word.Trim(' ', ',').Length == 0)
                        result.AddError($"The value \"{word}\" of {option.Name} is empty: {wanted}.");
                }
            });
        }
    }

    /// <summary>Adds a numeric option with a default.</summary>
    public Option<T> Number<T>(string name, string description, T otherwise, NumberRange<T> range,
        string helpName) where T : struct, INumber<T>
    {
        Option<T> option = WithDefault(name, description, otherwise, helpName);
        option.CustomParser = result => Read(result, name, range);
        return option;
    }

    /// <summary>Adds a numeric option without a default.</summary>
    public Option<T?> OptionalNumber<T>(string name, string description, NumberRange<T> range,
        string helpName) where T : struct, INumber<T>
    {
        Option<T?> option = Optional<T?>(name, description, helpName);
        option.CustomParser = result => Read(result, name, range);
        return option;
    }

    /// <summary>Parses the number given for an option.</summary>
    internal static T Read<T>(ArgumentResult result, string option, NumberRange<T> range) where T : struct, INumber<T>
    {
        if (range.Read(option, result.Tokens[0].Value, out T number) is { } error)
            result.AddError(error);
        return number;
    }

    /// <summary>Adds an option with a fixed set of values and a default.</summary>
    public Option<string> Choice(string name, string description, string otherwise, params string[] words)
    {
        Option<string> option = WithDefault(name, description, otherwise);
        AcceptOnly(option, words);
        return option;
    }

    /// <summary>Restricts an option to a fixed set of values.</summary>
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

    /// <summary>Adds an option that names an output file.</summary>
    public Option<string?> Written(string name, string description)
    {
        Option<string?> option = Optional<string>(name, description, "FILE");
        Files.Add(option, FileUse.Written, command => ValueOf(command, option));
        return option;
    }

    /// <summary>Adds an option that must name a file.</summary>
    protected Option<string> RequiredFile(string name, string description, FileUse use)
    {
        var option = new Option<string>(name) { Description = description, HelpName = "FILE", Required = true };
        Add(option);
        Files.Add(option, use, command => ValueOf(command, option));
        return option;
    }

    /// <summary>Adds an argument without an option, which names a file or a folder to read.</summary>
    protected Argument<string> FileArgument(string name, string description)
    {
        var argument = new Argument<string>(name) { Description = description };
        argument.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var word }] && word.StartsWith("--", StringComparison.Ordinal))
                result.AddError(UsageError.NoOption(this, word));
            else if (result.Tokens is [{ Value: var text }] && text.Trim().Length == 0)
                result.AddError($"The value \"{text}\" of {name} is empty.");
        });
        Add(argument);
        return argument;
    }

    /// <summary>Adds an option that names a file to update.</summary>
    public Option<string?> Updated(string name, string description)
    {
        Option<string?> option = Optional<string>(name, description, "FILE");
        Files.Add(option, FileUse.Updated, command => ValueOf(command, option));
        return option;
    }

    /// <summary>Declares that an option names a model, which may be a file.</summary>
    public void ReadsModel(Option option)
        => Files.Add(option, FileUse.Read, command => ModelChoice.Files(ValueOf(command, option)));

    /// <summary>Returns the value of an option, or nothing if it is omitted.</summary>
    public static IEnumerable<string> ValueOf(ParseResult command, Option option)
        => command.GetResult(option)?.GetValueOrDefault<string?>() is { } value ? [value] : [];

    /// <summary>Adds an option that takes one or more words, separated by spaces or commas.</summary>
    public Option<string[]> Several(string name, string description, string helpName)
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

    /// <summary>Returns the words of such an option.</summary>
    public static IEnumerable<string> Words(ParseResult command, Option<string[]> option)
        => command.GetValue(option)!.SelectMany(word => word.Split(',', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Returns the words as numbers.</summary>
    /// <exception cref="ArgumentException">A word is not a number in the range.</exception>
    public static IEnumerable<int> Numbers(ParseResult command, Option<string[]> option, NumberRange<int> range)
        => Words(command, option).Select(word => range.Read(option.Name, word, out int number) is { } error
            ? throw new ArgumentException(error)
            : number);

    /// <summary>Adds the option that names a backend.</summary>
    public Option<string> BackendOption()
        => WithDefault("--backend", $"The backend: {BackendRegistry.Names}.", BackendRegistry.Default, "NAME");

    /// <summary>Adds the option that names a backend or selects it automatically.</summary>
    public Option<string> BackendOrAutoOption()
        => WithDefault("--backend", $"The backend: {BackendRegistry.Names}; or {BackendRegistry.Auto}, the fastest "
            + "that passes its self-test.", BackendRegistry.Default, "NAME");

    /// <summary>Adds the option that selects the precision.</summary>
    public Option<string> PrecisionOption()
        => Choice("--precision",
            "fast: native may use Winograd algorithms, which are less accurate and where an infinite or very large "
            + "value turns the whole output tile around it into NaN; accurate: native uses only the direct algorithm.",
            BackendText.Words(Precision.Fast), [.. Enum.GetValues<Precision>().Select(BackendText.Words)]);

    /// <summary>Returns the precision.</summary>
    protected static Precision PrecisionOf(ParseResult command, Option<string> option)
        => Enum.Parse<Precision>(command.GetValue(option)!, ignoreCase: true);

    /// <summary>Adds the options that name the data and say how it is read.</summary>
    public DataOptions ReadsData()
    {
        Option<string> data = WithDefault("--data", "digits, fashion-mnist, or a path: a folder of IDX files (MNIST), "
            + "of the binary files of CIFAR-10 or CIFAR-100, or of images (FOLDER/train/CLASS/IMAGE and "
            + "FOLDER/test/CLASS/IMAGE, or FOLDER/CLASS/IMAGE); or a Parquet file of images, or a CSV file of labels "
            + "and pixels.", "digits", "DATA");
        Files.Add(data, FileUse.Read, command => ValueOf(command, data).SelectMany(SourceForms.FilesOf));
        Option<double?> share = OptionalNumber("--test-share", "Fraction of each class that is for testing, where the "
            + "data has no test images of its own. They are selected at random by the seed of the training, and are "
            + "the same when a training resumes. Default: 0.2.",
            NumberRanges.Double(new NumberInterval(0, 1, HasLeast: false, HasMost: false), "0.2"), "X");
        Option<string> bad = Choice("--on-bad-image", "stop: an image file that cannot be read is an error; skip: such "
            + "files are left out and listed.", DataOptions.Stop, DataOptions.Stop,
            DataOptions.Skip);
        return new DataOptions(data, share, bad);
    }

    /// <summary>Adds an argument of files or folders.</summary>
    protected void AddPaths(Argument<string[]> argument)
    {
        argument.Validators.Add(result =>
        {
            foreach (string word in result.Tokens.Select(token => token.Value))
            {
                if (word.Trim().Length == 0)
                    result.AddError($"A name of {argument.Name} is empty.");
                else if (word.StartsWith("--", StringComparison.Ordinal))
                    result.AddError(UsageError.NoOption(this, word));
            }
        });
        Add(argument);
    }

    /// <summary>Creates the loader of the test images.</summary>
    public static DataLoader TestLoader(IDataset images, Normalization normalization, int batch, int workers,
        BatchShare? share = null) => new(images, batch, new DataLoaderOptions
        {
            Transforms = [normalization],
            Workers = workers,
            Share = share ?? BatchShare.Whole,
        });

    /// <summary>Adds the options that name the report files.</summary>
    protected ReportOptions ReportFiles() => new(
        Written("--report", "Write the results to this file as HTML, with charts, machine details and raw data."),
        Written("--markdown", "Write the same page to this file as Markdown."));

    /// <summary>How the tool was called, for use in a shell: the script that builds it sets the variable.</summary>
    internal static string Program => Quoted(Environment.GetEnvironmentVariable("CONVNET_COMMAND") ?? "convnet");

    /// <summary>Formats the command line for use in a shell.</summary>
    /// <param name="command">The command line.</param>
    /// <param name="except">Options to leave out, with their values.</param>
    internal static string CommandLineOf(ParseResult command, params IReadOnlyCollection<Option> except)
    {
        var words = new List<string> { Program };
        bool isLeftOut = false;
        foreach (Token token in command.Tokens)
        {
            if (token.Type == TokenType.Option)
                isLeftOut = except.Any(option => option.Name == token.Value || option.Aliases.Contains(token.Value));
            if (!isLeftOut)
                words.Add(Quoted(token.Value));
        }
        return string.Join(' ', words);
    }

    /// <summary>Quotes a word for use in a shell.</summary>
    internal static string Quoted(string word)
        => word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c)
            || "-_./:=,@%+".Contains(c, StringComparison.Ordinal))
            ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    /// <summary>Whether a command line names an option.</summary>
    internal static bool IsGiven(ParseResult command, Option option)
        => command.GetResult(option) is { Implicit: false };

    /// <summary>The error of a command line that has an option without the one that it belongs to.</summary>
    internal static ArgumentException WithoutIts(Option option, Option owner)
        => new($"{option.Name} is an option of {owner.Name}. Add it, or omit {option.Name}.");

    /// <summary>Adds the option that sets the number of threads.</summary>
    public Option<int?> ThreadsOption()
        => OptionalNumber("--threads", "Number of threads. Default: all processors.", NumberRanges.Threads, "N");

    /// <summary>Adds the option that names the section of a file for the results.</summary>
    public Option<string> SectionOption() => WithDefault("--section", "The section of --update: the text "
        + "between <!-- bench NAME --> and <!-- end -->.", "results", "NAME");
}
