using ConvNet.Measurement;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Writes a comparison as tables.</summary>
internal static class CompareTables
{
    /// <summary>Writes the machine and, for each batch size, the tables and the recommendation.</summary>
    public static void Write(IAnsiConsole people, CompareResult result)
    {
        string peaks = string.Join(", ",
            result.Machine.Peaks.Select(peak => $"{peak.Gflops:0} GFLOP/s on {CompareText.Threads(peak.Threads)}"));
        people.WriteLine($"{result.Machine.Processor}; FMA peak {peaks}; memory {result.Machine.MemoryGBs:0} GB/s");
        foreach (BatchComparison comparison in result.Comparisons)
        {
            people.WriteLine();
            people.WriteLine($"{result.Model} on {result.Input} images, {result.Parameters:N0} parameters, batches of "
                + $"{comparison.Batch}, {comparison.Seconds:0} s");
            foreach (CompareTable table in CompareText.TablesOf(comparison))
                people.Write(TableOf(table));
            foreach (string line in CompareText.RemarksOf(comparison))
                people.WriteLine(line);
        }
    }

    private static TextTable TableOf(CompareTable source)
    {
        var table = new TextTable(2, [source.Heads[0], .. TableHead.Figures(source.Heads.Skip(1))]);
        foreach (IReadOnlyList<string> row in source.Rows)
            table.Add(row);
        return table;
    }
}
