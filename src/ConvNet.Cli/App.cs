using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Globalization;
using ConvNet.Cli.Ranks;
using ConvNet.Cli.Verbs;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Mpi;
using ConvNet.Training;

namespace ConvNet.Cli;

/// <summary>The command <c>convnet</c>. Parses the command line, runs a verb, and reports errors that the user can
/// correct as one line and an exit code.</summary>
internal static class App
{
    private const string JsonOption = "--json";

    /// <summary>Runs a command line. Numbers are read and written in the invariant culture.</summary>
    /// <param name="args">The arguments after <c>convnet</c>.</param>
    /// <param name="output">Receives the results.</param>
    /// <param name="error">Receives errors and, with <c>--json</c>, all human-readable output.</param>
    /// <param name="files">Records the files that are written.</param>
    /// <param name="ranks">The ranks that train together; null for one process.</param>
    /// <param name="cancellation">Cancels the verb between two steps.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error, FilesWritten? files = null,
        RankGroup? ranks = null, CancellationToken cancellation = default)
    {
        CultureInfo culture = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        try
        {
            using LossyWriter results = new(output), messages = new(error);
            var written = files ?? new FilesWritten();
            RootCommand root = Describe(json => new Terminal(results, messages, json, written, cancellation)
            { Ranks = ranks });
            ParseResult command = root.Parse(args, Verb.AsWritten);
            int code = Run(root, command, results, messages, written, ranks);
            if (code != ExitCode.Ok || results.Failure is not { } lost)
                return code;
            // A reader may close the pipe after seeing enough of a table, but a JSON document must be complete.
            bool json = command.GetValue<bool>(JsonOption);
            if (results.ReaderHasGone && !json)
                return code;
            string what = json ? $"the document of {JsonOption}" : "the results";
            messages.WriteLine($"convnet: Writing {what} to standard output failed: {lost.Message}");
            return ExitCode.WrongUsage;
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    /// <summary>Builds the verbs and their options.</summary>
    internal static RootCommand Describe() => Describe(_ => throw new NotSupportedException());

    private static int Run(RootCommand root, ParseResult command, TextWriter output, TextWriter error,
        FilesWritten files, RankGroup? ranks)
    {
        if (command.Errors.Count > 0 && command.Action is not HelpWithExamples)
        {
            if (command.CommandResult.Command is RootCommand && command.UnmatchedTokens.Count == 0)
            {
                root.Parse(["--help"]).Invoke(new InvocationConfiguration { Output = error, Error = error });
                return ExitCode.WrongUsage;
            }
            string verb = command.CommandResult.Command is Verb named ? $" {named.Name}" : "";
            error.WriteLine($"convnet: {UsageError.Of(command)}");
            error.WriteLine($"See: convnet{verb} --help");
            return ExitCode.WrongUsage;
        }
        try
        {
            if (command.CommandResult.Command is TrainVerb train && command.Action is not HelpWithExamples
                && train.WordsOfRecipe(command) is { Count: > 0 } words)
                command = WithRecipe(root, command, words);
            return command.Invoke(
                new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false });
        }
        catch (OperationCanceledException)
        {
            error.WriteLine(Interruption.Message(files));
            return ExitCode.Interrupted;
        }
        catch (RankFailedException failure) when (ranks is not null)
        {
            return ranks.Report(failure);
        }
        catch (Exception failure) when (failure is NonFiniteLossException or WorkerException)
        {
            error.WriteLine($"convnet: {failure.Message}");
            return ExitCode.Failed;
        }
        catch (Exception failure) when (Failures.IsExpected(failure))
        {
            error.WriteLine($"convnet: {Failures.Message(failure)}");
            return ExitCode.WrongUsage;
        }
        catch (Exception failure)
        {
            error.WriteLine($"convnet: internal error. Please report it with the command line and the following "
                + $"text:\n{failure}");
            return ExitCode.InternalError;
        }
    }

    private static ParseResult WithRecipe(RootCommand root, ParseResult command, IReadOnlyList<string> words)
    {
        ParseResult whole = root.Parse([.. command.Tokens.Select(token => token.Value), .. words], Verb.AsWritten);
        return whole.Errors.Count == 0 ? whole
            : throw new ArgumentException($"With the options of the recipe: {UsageError.Of(whole)}");
    }

    private static RootCommand Describe(Func<bool, Terminal> terminalOf)
    {
        var json = new Option<bool>(JsonOption)
        {
            Description = "Print one JSON document to stdout; all other output goes to stderr.",
            Recursive = true,
        };
        var root = new RootCommand("Trains convolutional networks and checks that all backends agree.")
        {
            json,
        };
        foreach (Verb verb in (Verb[])[new TrainVerb(), new EvalVerb(), new PredictVerb(), new ShowVerb(),
            new ViewVerb(), new ExportVerb(), new ImportVerb(), new InspectVerb(), new SummaryVerb(), new ModelsVerb(),
            new LayersVerb(), new SchemaVerb(), new BackendsVerb(), new DoctorVerb(), new GradcheckVerb(),
            new BenchVerb(), new CompareVerb(), new ScaleVerb(), new OnnxConformanceVerb(), new WorkerVerb(),
            new ScaleRankVerb()])
        {
            verb.SetAction(command =>
            {
                Terminal terminal = terminalOf(command.GetValue(json));
                verb.Files.Check(command);
                return verb.Run(command, terminal);
            });
            root.Add(verb);
            verb.CheckValues();
        }
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
        return root;
    }

    /// <summary>The standard help followed by the examples of the verb.</summary>
    private sealed class HelpWithExamples(HelpAction usual) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            int code = usual.Invoke(parseResult);
            TextWriter output = parseResult.InvocationConfiguration.Output;
            IEnumerable<Verb> verbs = parseResult.CommandResult.Command is Verb verb
                ? [verb]
                : parseResult.CommandResult.Command.Subcommands.OfType<Verb>().Where(v => !v.Hidden);
            output.WriteLine("Examples:");
            foreach (string example in verbs.SelectMany(v => v.Examples))
                output.WriteLine($"  convnet {example}");
            return code;
        }
    }
}
