using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using ConvNet.Cli.Verbs;
using ConvNet.Measurement.Workers;
using ConvNet.Training;

namespace ConvNet.Cli;

/// <summary>The command <c>convnet</c>: parses, runs a verb, and turns what the user can mend into one line and an exit code.</summary>
internal static class App
{
    /// <summary>All went well.</summary>
    public const int Ok = 0;

    /// <summary>A check failed, a training came to nothing, or what was measured died.</summary>
    public const int Failed = 1;

    /// <summary>Wrong usage: an option, a file, a model or a backend that cannot be used as asked.</summary>
    public const int WrongUsage = 2;

    /// <summary>Interrupted, as shells number it.</summary>
    public const int Interrupted = 130;

    /// <summary>Runs one command line.</summary>
    /// <param name="args">The words after <c>convnet</c>.</param>
    /// <param name="output">Where results go.</param>
    /// <param name="error">Where errors go, and with <c>--json</c> all that is for people.</param>
    /// <param name="cancellation">Ends a training between two steps.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation = default)
    {
        ParseResult command = Describe(cancellation).Parse(args);
        if (command.Errors.Count > 0 && command.Action is not HelpWithExamples)
        {
            string verb = command.CommandResult.Command is Verb named ? $" {named.Name}" : "";
            error.WriteLine($"convnet: {command.Errors[0].Message}");
            error.WriteLine($"See: convnet{verb} --help");
            return WrongUsage;
        }
        try
        {
            return command.Invoke(new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false });
        }
        catch (OperationCanceledException)
        {
            error.WriteLine("convnet: interrupted; nothing was saved.");
            return Interrupted;
        }
        catch (Exception failure) when (failure is NonFiniteLossException or WorkerException)
        {
            error.WriteLine($"convnet: {failure.Message}");
            return Failed;
        }
        catch (Exception failure) when (IsTheUsers(failure))
        {
            error.WriteLine($"convnet: {failure.PlainMessage()}");
            return WrongUsage;
        }
    }

    /// <summary>The verbs with their options.</summary>
    internal static RootCommand Describe(CancellationToken cancellation)
    {
        var json = new Option<bool>("--json") { Description = "Print one JSON document on stdout; all else goes to stderr.", Recursive = true };
        var root = new RootCommand("Trains convolutional networks, and checks that every backend computes the same.") { json };
        foreach (Verb verb in (Verb[])[new TrainVerb(), new EvalVerb(), new SummaryVerb(), new BackendsVerb(), new GradcheckVerb(), new BenchVerb(), new CompareVerb(), new WorkerVerb()])
        {
            verb.SetAction(command =>
            {
                InvocationConfiguration streams = command.InvocationConfiguration;
                return verb.Run(command, new Terminal(streams.Output, streams.Error, command.GetValue(json), cancellation));
            });
            root.Add(verb);
        }
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
        return root;
    }

    // What the library says about arguments, files, data and backends is meant for the user; anything else is a fault of this program.
    private static bool IsTheUsers(Exception failure) => failure
        is ArgumentException or FormatException or InvalidDataException or IOException or UnauthorizedAccessException
            or InsufficientMemoryException
        || BackendCatalog.IsUnavailable(failure);

    /// <summary>The usual help, then the examples of the verb.</summary>
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
