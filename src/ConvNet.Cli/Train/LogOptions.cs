using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Serialization;
using ConvNet.TensorBoard;

namespace ConvNet.Cli.Train;

/// <summary>The options of <c>train</c> that write a log of its steps and epochs.</summary>
internal sealed class LogOptions
{
    // The norms of a network of many parameters take as long as a step.
    private const int ServedNorms = 50;

    private readonly NamedFiles _files;
    private readonly Option<string?> _log, _tensorBoard;
    private readonly Option<int?> _norms;
    private readonly Option<bool> _withoutPictures;

    /// <summary>Adds the options to a verb.</summary>
    public LogOptions(Verb verb)
    {
        _files = verb.Files;
        _log = verb.Optional<string>("--log", "Write every step and epoch to log.jsonl in this folder, and every epoch "
            + "to epochs.csv. A resumed training continues them.", "DIR");
        _tensorBoard = verb.Optional<string>("--tensorboard", "Write every step and epoch to this folder as an event "
            + "file for TensorBoard. A resumed training continues with a further file.", "DIR");
        _norms = verb.OptionalNumber("--log-norms", "Number of steps between two records of the norms of all weights "
            + $"and gradients in the logs. Default: none, or {ServedNorms} with --serve.", NumberRanges.FromOne, "N");
        _withoutPictures = verb.Flag("--no-log-pictures", "Make no pictures of filters, maps and mistakes for the log "
            + "and the page. They take a pass over up to 1,000 images after each epoch.");
    }

    /// <summary>Returns the folder of the log; null if there is none.</summary>
    public string? FolderOf(ParseResult command) => command.GetValue(_log);

    /// <summary>Whether the norms of gradients are recorded, so that they must be kept.</summary>
    /// <param name="command">The command.</param>
    /// <param name="isServed">Whether the training has a page.</param>
    public bool NeedsGradients(ParseResult command, bool isServed) => command.GetValue(_norms) is not null || isServed;

    /// <summary>Creates the log; null if there is none.</summary>
    /// <param name="command">The command.</param>
    /// <param name="terminal">Receives a warning if the log cannot be written.</param>
    /// <param name="folder">The folder; null for a log without files.</param>
    /// <param name="options">What is trained, its pictures and its page.</param>
    /// <exception cref="ArgumentException">An option needs another one, or names a file of the log.</exception>
    /// <exception cref="IOException">The folder cannot be written, or has the log of another training.</exception>
    public TrainingLog? Open(ParseResult command, Terminal terminal, string? folder, TrainingLogOptions options)
    {
        bool isServed = options.OnRecord is not null;
        if (folder is null && !isServed)
            return FolderOf(command) is not null || command.GetValue(_tensorBoard) is not null
                || command.GetValue(_norms) is null ? null
                : throw new ArgumentException($"{_norms.Name} is an option of {_log.Name}, {_tensorBoard.Name} and "
                    + $"--serve. Add one of them, or omit {_norms.Name}.");
        foreach (string file in folder is null ? [] : TrainingLog.FileNames.Select(name => Path.Combine(folder, name)))
        {
            if (_files.Contains(command, file, toWrite: true))
                throw new ArgumentException($"{file} is a file of {_log.Name} and of another option. Use different "
                    + "names.");
        }
        options = options with
        {
            NormsEvery = command.GetValue(_norms) ?? (isServed ? ServedNorms : null),
            OnFailure = WarningOf(terminal),
        };
        if (command.GetValue(_withoutPictures))
            options = options with { Pictures = null, Glimpses = null };
        return folder is null ? new TrainingLog(options) : new TrainingLog(folder, options);
    }

    /// <summary>Creates the events for TensorBoard; null if there are none.</summary>
    /// <param name="command">The command.</param>
    /// <param name="terminal">Receives a warning if they cannot be written.</param>
    /// <param name="continues">Whether the command may resume a training.</param>
    /// <exception cref="IOException">The folder cannot be written, or has the events of another training.</exception>
    public TensorBoardLog? OpenEvents(ParseResult command, Terminal terminal, bool continues)
        => command.GetValue(_tensorBoard) is not { } folder ? null : new TensorBoardLog(folder, new TrainingLogOptions
        {
            Continues = continues,
            NormsEvery = command.GetValue(_norms),
            OnFailure = WarningOf(terminal),
        });

    private static Action<Exception> WarningOf(Terminal terminal)
        => error => terminal.Warn($"{error.Message} The training goes on.");
}
