using ConvNet.Diagnostics;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>The tables that people see.</summary>
internal static class Tables
{
    /// <summary>The layers of a network with their sizes and costs, and the totals.</summary>
    public static Table Of(ModelSummary summary)
    {
        Table table = New("layer", "reads", "output", "size", "weights", "biases", "parameters", "receptive field", "multiply-adds", "bytes");
        foreach (int column in (int[])[4, 5, 6, 8, 9])
            table.Columns[column].RightAligned();
        string previous = "input";
        foreach (LayerSummary layer in summary.Layers)
        {
            bool chained = layer.Inputs.Count == 1 && layer.Inputs[0] == previous;
            Add(table, layer.Name, chained ? "" : string.Join(", ", layer.Inputs), $"{layer.Output}", layer.Formula, Number(layer.Weights),
                Number(layer.Biases), Number(layer.Parameters), $"{layer.ReceptiveField}", Number(layer.MultiplyAdds), Number(layer.ActivationBytes));
            previous = layer.Name;
        }
        table.AddEmptyRow();
        Add(table, "total", "", "", "", Number(summary.Weights), Number(summary.Biases), Number(summary.Parameters), "",
            Number(summary.MultiplyAdds), Number(summary.ActivationBytes));
        return table;
    }

    /// <summary>The confusion matrix: a row for every true class, a column for every guess.</summary>
    public static Table Of(Evaluation evaluation)
    {
        Table table = New(["is \\ taken for", .. Enumerable.Range(0, evaluation.Classes).Select(guess => $"{guess}"), "right"]);
        for (int i = 1; i < table.Columns.Count; i++)
            table.Columns[i].RightAligned();
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
