using System.CommandLine;
using System.Text.Json;
using ConvNet.Backends;
using ConvNet.Cli.Scaling;
using ConvNet.Mpi;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet scale-rank</c>: measures on one of the ranks that <c>scale --check</c> has started.</summary>
internal sealed class ScaleRankVerb : Verb
{
    /// <summary>The name of the verb.</summary>
    public const string Word = "scale-rank";

    private readonly Option<string?> _model, _input;
    private readonly Option<int> _batch;
    private readonly Option<string> _backend;

    public ScaleRankVerb() : base(Word, "Measures steps with the other ranks of mpirun.")
    {
        Hidden = true;
        _model = Optional<string>("--model", ModelChoice.Description, "MODEL");
        ReadsModel(_model);
        _input = Optional<string>("--input", "Image shape.", "CxHxW");
        _batch = Number("--batch", "Images of each rank.", ScaleVerb.DefaultBatch, NumberRanges.FromOne, "N");
        _backend = BackendOption();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        using MpiCommunicator communicator = MpiCommunicator.Open();
        Graph graph = ModelChoice.Open(command.GetValue(_model)!,
            command.GetValue(_input) is { } shape ? Shape.Parse(shape) : null);
        IBackend backend = BackendRegistry.Create(command.GetValue(_backend)!, communicator.ProcessorShare);
        var check = ScaleCheck.Measure(communicator, backend, graph, command.GetValue(_batch), terminal.Cancellation);
        if (communicator.Rank == 0)
            terminal.WriteDocument(JsonSerializer.Serialize(check));
        return ExitCode.Ok;
    }
}
