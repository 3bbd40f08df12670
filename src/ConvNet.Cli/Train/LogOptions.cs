using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Serialization;

namespace ConvNet.Cli.Train;

/// <summary>The options of <c>train</c> that write a log of its steps and epochs.</summary>
internal sealed class LogOptions
{
    private readonly Option<string?> _log;
    private readonly Option<int?> _norms;

    /// <summary>Adds the options to a verb.</summary>
    public LogOptions(Verb verb)
    {
        _log = verb.Optional<string>("--log", "Write every step and epoch to log.jsonl in this folder, and every epoch "
            + "to epochs.csv. A resumed training continues them.", "DIR");
        _norms = verb.OptionalNumber("--log-norms", "Number of steps between two records of the norms of all weights "
            + "and gradients in the log. Default: none.", NumberRanges.FromOne, "N");
    }

    /// <summary>Whether the norms of gradients are recorded, so that they must be kept.</summary>
    public bool NeedsGradients(ParseResult command) => command.GetValue(_norms) is not null;

    /// <summary>Creates the log; null if there is none.</summary>
    /// <param name="command">The command.</param>
    /// <param name="terminal">Receives a warning if the log cannot be written.</param>
    /// <param name="continues">Whether the command may resume a training.</param>
    /// <exception cref="ArgumentException">An option needs another one.</exception>
    /// <exception cref="IOException">The folder cannot be written, or has the log of another training.</exception>
    public TrainingLog? Open(ParseResult command, Terminal terminal, bool continues)
    {
        if (command.GetValue(_log) is not { } folder)
            return !NeedsGradients(command) ? null : throw new ArgumentException($"{_norms.Name} is an option of "
                + $"{_log.Name}. Add it, or omit {_norms.Name}.");
        return new TrainingLog(folder, new TrainingLogOptions
        {
            Continues = continues,
            NormsEvery = command.GetValue(_norms),
            OnFailure = error => terminal.Warn($"{error.Message} The training goes on."),
        });
    }
}
