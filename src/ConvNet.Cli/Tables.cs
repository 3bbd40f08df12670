using ConvNet.Diagnostics;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>The tables that people see.</summary>
internal static class Tables
{
    // Columns that the summary of a network takes with the formulas beside the sizes; on a narrower terminal they stand below.
    private const int WidthWithFormulas = 125;

    /// <summary>Writes the layers of a network with their sizes and costs, and the totals.</summary>
    public static void Write(IAnsiConsole people, ModelSummary summary)
    {
        bool narrow = people.Profile.Width < WidthWithFormulas;
        string[] formulaHead = narrow ? [] : ["size"];
        Table table = New(["layer", "output", .. formulaHead, "weights", "biases", "parameters", "receptive field", "multiply adds", "bytes"]);
        foreach (TableColumn column in table.Columns.Skip(2 + formulaHead.Length))
            column.RightAligned().Padding(narrow ? new Padding(0) : new Padding(1, 0)).NoWrap = false;
        var below = new List<string>();
        string previous = "input";
        foreach (LayerSummary layer in summary.Layers)
        {
            string reads = layer.Inputs is [string only] && only == previous ? "" : $" ({string.Join(", ", layer.Inputs)})";
            if (narrow && (layer.Formula + reads).Length > 0)
                below.Add($"  {layer.Name}{reads}: {layer.Formula}".TrimEnd(':', ' '));
            Add(table, [narrow ? layer.Name : layer.Name + reads, $"{layer.Output}", .. narrow ? (string[])[] : [layer.Formula],
                Number(layer.Weights), Number(layer.Biases), Number(layer.Parameters), $"{layer.ReceptiveField}", Number(layer.MultiplyAdds), Number(layer.ActivationBytes)]);
            previous = layer.Name;
        }
        table.AddEmptyRow();
        Add(table, ["total", .. Enumerable.Repeat("", 1 + formulaHead.Length), Number(summary.Weights), Number(summary.Biases), Number(summary.Parameters), "",
            Number(summary.MultiplyAdds), Number(summary.ActivationBytes)]);
        people.Write(table);
        below.ForEach(people.WriteLine);
    }

    /// <summary>The confusion matrix: a row for every true class, a column for every guess.</summary>
    public static Table Of(Evaluation evaluation)
    {
        Table table = New(["is \\ taken for", .. Enumerable.Range(0, evaluation.Classes).Select(guess => $"{guess}"), "right"]);
        for (int i = 1; i < table.Columns.Count; i++)
            table.Columns[i].RightAligned();
        table.Columns[0].NoWrap = false;
        for (int truth = 0; truth < evaluation.Classes; truth++)
        {
            int[] counts = [.. Enumerable.Range(0, evaluation.Classes).Select(guess => evaluation[truth, guess])];
            string right = counts.Sum() == 0 ? "" : $"{(double)counts[truth] / counts.Sum():0.0%}";
            Add(table, [$"{truth}", .. counts.Select(count => count == 0 ? "·" : $"{count}"), right]);
        }
        return table;
    }

    /// <summary>A table with the given heads.</summary>
    public static Table New(params string[] heads)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string head in heads)
            table.AddColumn(new TableColumn(Markup.Escape(head)).NoWrap());
        return table;
    }

    /// <summary>Adds a row of plain texts.</summary>
    public static void Add(Table table, params string[] cells) => table.AddRow([.. cells.Select(cell => new Text(cell))]);

    private static string Number(long value) => $"{value:N0}";
}
