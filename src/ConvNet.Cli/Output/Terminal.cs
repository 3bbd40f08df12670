using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConvNet.Cli.Ranks;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>The output of a verb: tables and progress for people, or one JSON document for programs.</summary>
internal sealed class Terminal
{
    private const int WidthOfFiles = 400;

    private static readonly JsonSerializerOptions JsonForm = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly TextWriter _output, _error;
    private readonly FilesWritten _files;
    private string? _resume;

    /// <summary>Creates a terminal.</summary>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    /// <param name="json">Whether standard output is reserved for JSON. Human-readable output then goes to standard
    /// error.</param>
    /// <param name="files">Records the files that are written.</param>
    /// <param name="cancellation">Cancels a verb between two steps.</param>
    public Terminal(LossyWriter output, LossyWriter error, bool json, FilesWritten files,
        CancellationToken cancellation)
    {
        (_output, _error, Json, Cancellation, _files) = (output, error, json, cancellation, files);
        People = AnsiConsole.Create(new AnsiConsoleSettings { Out = new LossyOutput(json ? error : output) });
        if (!People.Profile.Out.IsTerminal)
        {
            // Pipes and files receive no escape sequences, regardless of TERM.
            People.Profile.Width = WidthOfFiles;
            People.Profile.Capabilities.Ansi = false;
            People.Profile.Capabilities.ColorSystem = ColorSystem.NoColors;
        }
    }

    /// <summary>Whether standard output is reserved for JSON.</summary>
    public bool Json { get; }

    /// <summary>The ranks that train together; null for one process.</summary>
    public RankGroup? Ranks { get; init; }

    /// <summary>Whether the verb saves and reports: in one process, and on rank 0.</summary>
    public bool IsFirst => Ranks is null or { IsFirst: true };

    /// <summary>Does what only one of several ranks does, for all of them: saving and reporting.</summary>
    public T ForAll<T>(Func<T> work) => Ranks is null ? work() : Ranks.ForAll(work);

    /// <inheritdoc cref="ForAll{T}"/>
    public void ForAll(Action work) => ForAll(() =>
    {
        work();
        return true;
    });

    /// <summary>Cancels a verb between two steps.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>The console for human-readable output.</summary>
    public IAnsiConsole People { get; }

    /// <summary>Writes a progress line to standard error.</summary>
    public void Progress(string line) => _error.WriteLine(line);

    /// <summary>Writes a line for the program that reads the log, such as a CI system: to standard output unless that
    /// is reserved for JSON.</summary>
    public void Command(string line) => (Json ? _error : _output).WriteLine(line);

    /// <summary>Writes a warning to standard error.</summary>
    public void Warn(string message) => _error.WriteLine($"convnet: warning: {message}");

    /// <summary>Writes an error to standard error and returns the exit code <see cref="ExitCode.Failed"/>.</summary>
    public int Fail(string message)
    {
        _error.WriteLine($"convnet: {message}");
        return ExitCode.Failed;
    }

    /// <summary>Records a completely written file, for the message after an interruption.</summary>
    public void Wrote(string file) => _files.Add(file);

    /// <summary>Announces that the verb saves its work when it is interrupted, which may take longer than other verbs
    /// are given.</summary>
    /// <param name="resume">The command line that resumes it.</param>
    public void SavesAtInterruption(string resume) => (_files.SavesAtInterruption, _resume) = (true, resume);

    /// <summary>Records that the work can be resumed from what has been saved.</summary>
    public void CanResume() => _files.Resume = _resume;

    /// <summary>Whether output can be redrawn.</summary>
    public bool IsInteractive => People.Profile.Out.IsTerminal && People.Profile.Capabilities.Ansi;

    /// <summary>Writes lines to standard output that another program reads.</summary>
    public void WriteText(string lines) => _output.Write(lines);

    /// <summary>Writes a JSON document if <c>--json</c> is given.</summary>
    public void WriteJson(object document)
    {
        if (Json)
            _output.WriteLine(JsonSerializer.Serialize(document, JsonForm));
    }

    /// <summary>Writes the JSON document of a verb that prints nothing else, with and without
    /// <c>--json</c>.</summary>
    public void WriteDocument(string json) => _output.WriteLine(json);

    /// <summary>Adapts a stream to Spectre, with the properties of the underlying console.</summary>
    private sealed class LossyOutput(LossyWriter writer) : IAnsiConsoleOutput
    {
        private readonly AnsiConsoleOutput _inner = new(writer.Inner);

        public TextWriter Writer => writer;

        public bool IsTerminal => _inner.IsTerminal;

        public int Width => _inner.Width;

        public int Height => _inner.Height;

        public void SetEncoding(Encoding encoding) => _inner.SetEncoding(encoding);
    }
}
