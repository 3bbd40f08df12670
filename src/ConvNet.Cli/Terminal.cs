using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Where a verb writes: tables and progress for people, or one JSON document for programs.</summary>
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

    /// <summary>Directs the output.</summary>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    /// <param name="json">Whether standard output takes JSON alone; then people read standard error.</param>
    /// <param name="files">Gets the files that are written.</param>
    /// <param name="cancellation">Ends what a verb does between two steps.</param>
    public Terminal(LossyWriter output, LossyWriter error, bool json, FilesWritten files,
        CancellationToken cancellation)
    {
        (_output, _error, Json, Cancellation, _files) = (output, error, json, cancellation, files);
        People = AnsiConsole.Create(new AnsiConsoleSettings { Out = new LossyOutput(json ? error : output) });
        if (!People.Profile.Out.IsTerminal)
        {
            // A pipe or a file gets no escape sequences, whatever TERM says.
            People.Profile.Width = WidthOfFiles;
            People.Profile.Capabilities.Ansi = false;
            People.Profile.Capabilities.ColorSystem = ColorSystem.NoColors;
        }
    }

    /// <summary>Whether standard output takes JSON alone.</summary>
    public bool Json { get; }

    /// <summary>Ends what a verb does between two steps.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>What people read.</summary>
    public IAnsiConsole People { get; }

    /// <summary>Writes a line that tells how far a long run is, to standard error.</summary>
    public void Progress(string line) => _error.WriteLine(line);

    /// <summary>Writes what the user must know though the verb goes on, to standard error.</summary>
    public void Warn(string message) => _error.WriteLine($"convnet: warning: {message}");

    /// <summary>Writes what came to nothing, with exit code <see cref="App.Failed"/>, to standard error.</summary>
    public int Fail(string message)
    {
        _error.WriteLine($"convnet: {message}");
        return App.Failed;
    }

    /// <summary>Takes down that a file is whole on the disk, for what is said when the verb is interrupted.</summary>
    public void Wrote(string file) => _files.Add(file);

    /// <summary>Whether lines can be drawn over.</summary>
    public bool IsInteractive => People.Profile.Out.IsTerminal && People.Profile.Capabilities.Ansi;

    /// <summary>Writes a document where JSON was asked for.</summary>
    public void WriteJson(object document)
    {
        if (Json)
            _output.WriteLine(JsonSerializer.Serialize(document, JsonForm));
    }

    /// <summary>What Spectre has to know of a stream: all of it is so of the one inside.</summary>
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
