using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConvNet.Serialization;

namespace ConvNet.Measurement;

/// <summary>A benchmark result that is stored in the repository, by processor, in the files
/// <c>bench/results/PROCESSOR/NAME.md</c> and <c>.json</c>.</summary>
/// <remarks>The file names do not depend on the commit, so a new result replaces the previous one.</remarks>
/// <param name="Name">The name of the benchmark, for example <c>LayerBench</c>.</param>
/// <param name="Processor">The processor, see <see cref="Machine.Processor"/>.</param>
/// <param name="Threads">The number of logical processors.</param>
/// <param name="PeakGflops">The FMA peak on all threads, before and after the benchmark.</param>
/// <param name="Versions">The versions of the backends and tools.</param>
/// <param name="Commit">The commit of the source.</param>
/// <param name="Rows">The figures.</param>
internal sealed partial record CarefulResult(
    string Name, string Processor, int Threads, (double Before, double After) PeakGflops,
        IReadOnlyList<string> Versions, string Commit, IReadOnlyList<CarefulRow> Rows)
{
    private const double MinSteadiness = 0.95;

    private static readonly JsonSerializerOptions JsonForm = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping
    };

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CarefulResult), (nameof(Name), Name),
        (nameof(Processor), Processor), (nameof(Threads), Threads), (nameof(PeakGflops), PeakGflops),
        (nameof(Versions), Versions), (nameof(Commit), Commit), (nameof(Rows), Rows));

    /// <summary>Whether other processes loaded the machine before or after the benchmark.</summary>
    public bool WasDisturbed => Math.Min(PeakGflops.Before, PeakGflops.After) < MinSteadiness
        * Math.Max(PeakGflops.Before, PeakGflops.After);

    /// <summary>Returns the folder name of a processor, for example
    /// <c>intel-xeon-processor-family-6-model-207</c>.</summary>
    public static string FolderOf(string processor)
    {
        ArgumentNullException.ThrowIfNull(processor);
        return NoLetters().Replace(Marks().Replace(processor.ToLowerInvariant(), ""), "-").Trim('-');
    }

    /// <summary>Writes the Markdown and the JSON file.</summary>
    /// <param name="folder">The folder that contains one folder for each processor.</param>
    /// <param name="table">The table in Markdown.</param>
    /// <returns>The paths of the files.</returns>
    /// <exception cref="IOException">A file cannot be written.</exception>
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
            string busy = WasDisturbed
                ? "The machine was not idle: the FMA peak before and after the benchmark differs.\n"
                : "";
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

/// <summary>The results of one benchmark case.</summary>
/// <param name="Case">The benchmark method.</param>
/// <param name="Parameters">The parameters.</param>
/// <param name="MedianNs">The median time per call, in nanoseconds.</param>
/// <param name="MeanNs">The mean time per call.</param>
/// <param name="StandardDeviationNs">The standard deviation of the time per call.</param>
/// <param name="Samples">The number of samples.</param>
/// <param name="AllocatedBytes">The managed memory allocated per call. Null if it was not measured.</param>
internal sealed record CarefulRow(
    string Case, IReadOnlyDictionary<string, string> Parameters, double MedianNs, double MeanNs,
        double StandardDeviationNs, int Samples, long? AllocatedBytes)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CarefulRow), (nameof(Case), Case),
        (nameof(Parameters), Parameters), (nameof(MedianNs), MedianNs), (nameof(MeanNs), MeanNs),
        (nameof(StandardDeviationNs), StandardDeviationNs), (nameof(Samples), Samples),
        (nameof(AllocatedBytes), AllocatedBytes));
}
