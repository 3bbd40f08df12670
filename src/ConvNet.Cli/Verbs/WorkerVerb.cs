using System.CommandLine;
using ConvNet.Measurement.Workers;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet worker BACKEND</c>, for <c>bench</c> and <c>compare</c>: measures what it is told on standard
/// input, line by line.</summary>
internal sealed class WorkerVerb : Verb
{
    /// <summary>Its name.</summary>
    public const string Word = "worker";

    private readonly Argument<string> _backend = new("BACKEND") { Description = "What computes." };

    public WorkerVerb() : base(Word, "Measures what it is told on standard input: one JSON object a line.")
    {
        Hidden = true;
        Add(_backend);
    }

    /// <summary>The command that starts a worker: this program again.</summary>
    public static IReadOnlyList<string> CommandFor(string backend) => OwnProgram.CommandFor(Word, backend);

    public override int Run(ParseResult command, Terminal terminal)
    {
        WorkerLoop.Serve(command.GetValue(_backend)!, (model, input) => ModelChoice.Open(model, input), Console.In,
            Console.Out);
        return App.Ok;
    }
}
