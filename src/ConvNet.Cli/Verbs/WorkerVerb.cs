using System.CommandLine;
using ConvNet.Measurement.Workers;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet worker BACKEND</c>: measures on behalf of <c>bench</c> and <c>compare</c>, controlled by lines
/// on standard input.</summary>
internal sealed class WorkerVerb : Verb
{
    /// <summary>The name of the verb.</summary>
    public const string Word = WorkerPrograms.WorkerWord;

    private readonly Argument<string> _backend = new("BACKEND") { Description = "The backend." };

    public WorkerVerb() : base(Word, "Answers measurement requests on standard input, one JSON object per line.")
    {
        Hidden = true;
        Add(_backend);
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        WorkerLoop.Serve(command.GetValue(_backend)!, (model, input) => ModelChoice.Open(model, input), Console.In,
            Console.Out);
        return ExitCode.Ok;
    }
}
