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

    /// <summary>Directs the output.</summary>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    /// <param name="json">Whether standard output takes JSON alone; then people read standard error.</param>
    /// <param name="cancellation">Ends a training between two steps.</param>
    public Terminal(TextWriter output, TextWriter error, bool json, CancellationToken cancellation)
    {
        (_output, _error, Json, Cancellation) = (output, error, json, cancellation);
        People = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(json ? error : output) });
        if (!People.Profile.Out.IsTerminal)
            People.Profile.Width = WidthOfFiles;
    }

    /// <summary>Whether standard output takes JSON alone.</summary>
    public bool Json { get; }

    /// <summary>Ends a training between two steps.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>What people read.</summary>
    public IAnsiConsole People { get; }

    /// <summary>Writes a line that tells how far a long run is, to standard error.</summary>
    public void Progress(string line) => _error.WriteLine(line);

    /// <summary>Whether lines can be drawn over.</summary>
    public bool IsInteractive => People.Profile.Out.IsTerminal && People.Profile.Capabilities.Ansi;

    /// <summary>Writes a document where JSON was asked for.</summary>
    public void WriteJson(object document)
    {
        if (Json)
            _output.WriteLine(JsonSerializer.Serialize(document, JsonForm));
    }
}
