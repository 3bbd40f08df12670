using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConvNet.Serialization;

namespace ConvNet.Measurement;

/// <summary>A measurement that is kept in the repository, by processor: the files
/// <c>bench/results/PROCESSOR/NAME.md</c> and <c>.json</c>.</summary>
/// <remarks>The names do not change from commit to commit, so that one commit's result replaces that of the one
/// before.</remarks>
/// <param name="Name">What was measured, as <c>LayerBench</c>.</param>
/// <param name="Processor">The processor, as <see cref="Machine.Processor"/> has it.</param>
/// <param name="Threads">Threads of the machine.</param>
/// <param name="PeakGflops">The FMA peak on all of them, before and after.</param>
/// <param name="Versions">What computed and what measured, with their versions.</param>
/// <param name="Commit">The commit of the source.</param>
/// <param name="Rows">The figures.</param>
public sealed partial record CarefulResult(
    string Name, string Processor, int Threads, (double Before, double After) PeakGflops,
        IReadOnlyList<string> Versions, string Commit, IReadOnlyList<CarefulRow> Rows)
{
    private const double LeastSteadiness = 0.95;

    private static readonly JsonSerializerOptions JsonForm = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping
    };

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CarefulResult), (nameof(Name), Name),
        (nameof(Processor), Processor), (nameof(Threads), Threads), (nameof(PeakGflops), PeakGflops),
        (nameof(Versions), Versions), (nameof(Commit), Commit), (nameof(Rows), Rows));

    /// <summary>Whether others computed on this machine before it or after it.</summary>
    public bool WasDisturbed => Math.Min(PeakGflops.Before, PeakGflops.After) < LeastSteadiness
        * Math.Max(PeakGflops.Before, PeakGflops.After);

    /// <summary>The name of a processor's folder, as <c>intel-xeon-processor-family-6-model-207</c>.</summary>
    public static string FolderOf(string processor)
    {
        ArgumentNullException.ThrowIfNull(processor);
        return NoLetters().Replace(Marks().Replace(processor.ToLowerInvariant(), ""), "-").Trim('-');
    }

    /// <summary>Writes both files.</summary>
    /// <param name="folder">The folder of all processors.</param>
    /// <param name="table">The table for people, in Markdown.</param>
    /// <returns>The files.</returns>
    /// <exception cref="IOException">They cannot be written.</exception>
    public IReadOnlyList<string> Write(string folder, string table)
    {
        string own = Path.Combine(folder, FolderOf(Processor)), markdown = Path.Combine(own, $"{Name}.md"),
            json = Path.Combine(own, $"{Name}.json");
        Directory.CreateDirectory(own);
        AtomicFile.Write(
            markdown, "the table", stream
            => stream.Write(Encoding.UTF8.GetBytes($"{Head}\n{table.ReplaceLineEndings("\n").Trim()}\n")));
        AtomicFile.Write(json, "the figures", stream => stream.Write(Encoding.UTF8.GetBytes(Document + "\n")));
        return [markdown, json];
    }

    private string Head
    {
        get
        {
            string busy = WasDisturbed ? "The machine was busy with other things: its peak was not the same before "
                + "and after.\n" : "";
            return string.Create(CultureInfo.InvariantCulture, $"""
                # {Name}

                {Processor}; FMA peak {PeakGflops.Before:0} GFLOP/s on {Threads} threads before,
                {PeakGflops.After:0} after; {string.Join(", ", Versions)}; commit {Commit}.
                {busy}
                """);
        }
    }

    private string Document => JsonSerializer.Serialize(new
    {
        Name,
        Processor,
        Threads,
        PeakGflops = new { PeakGflops.Before, PeakGflops.After },
        WasDisturbed,
        Versions,
        Commit,
        Rows,
    }, JsonForm);

    [GeneratedRegex(@"\((r|tm)\)")]
    private static partial Regex Marks();

    [GeneratedRegex("[^a-z0-9]+")]
    private static partial Regex NoLetters();
}

/// <summary>The figures of one case.</summary>
/// <param name="Case">What was called.</param>
/// <param name="Parameters">With what.</param>
/// <param name="MedianNs">The median of the samples, in nanoseconds a call.</param>
/// <param name="MeanNs">Their mean.</param>
/// <param name="StandardDeviationNs">Their standard deviation.</param>
/// <param name="Samples">Their number.</param>
/// <param name="AllocatedBytes">Managed memory that a call takes; null where it was not measured.</param>
public sealed record CarefulRow(
    string Case, IReadOnlyDictionary<string, string> Parameters, double MedianNs, double MeanNs,
        double StandardDeviationNs, int Samples, long? AllocatedBytes)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CarefulRow), (nameof(Case), Case),
        (nameof(Parameters), Parameters), (nameof(MedianNs), MedianNs), (nameof(MeanNs), MeanNs),
        (nameof(StandardDeviationNs), StandardDeviationNs), (nameof(Samples), Samples),
        (nameof(AllocatedBytes), AllocatedBytes));
}
