using ConvNet.Summaries;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Tables for human readers.</summary>
internal static class Tables
{
    /// <summary>Writes the layers of a network with their sizes and costs, and the totals.</summary>
    public static void Write(IAnsiConsole people, ModelSummary summary)
    {
        var table = new TextTable(1, ["layer", "output", TableHead.Prose("size"),
            .. TableHead.Figures("weights", "biases", "parameters", "receptive field", "multiply adds", "bytes")]);
        string previous = "input";
        foreach (LayerSummary layer in summary.Layers)
        {
            string reads = layer.Inputs is [string only] && only == previous ? ""
                : $" ({string.Join(", ", layer.Inputs)})";
            table.Add(layer.Name + reads, $"{layer.Output}", layer.Formula, Number(layer.Weights),
                Number(layer.Biases), Number(layer.Parameters),
                $"{layer.ReceptiveField}", Number(layer.MultiplyAdds), Number(layer.ActivationBytes));
            previous = layer.Name;
        }
        table.Add("");
        table.Add("total", "", "", Number(summary.Weights), Number(summary.Biases), Number(summary.Parameters), "",
            Number(summary.MultiplyAdds),
            Number(summary.ActivationBytes));
        people.Write(table);
    }

    /// <summary>Creates the confusion matrix: a row for each true class and a column for each predicted
    /// class.</summary>
    /// <param name="evaluation">The evaluation.</param>
    /// <param name="names">The name of each class; empty if the classes have none.</param>
    public static TextTable Of(Evaluation evaluation, IReadOnlyList<string> names)
    {
        int[] classes = [.. Enumerable.Range(0, evaluation.Classes)];
        var table = new TextTable(1, ["true \\ predicted", .. TableHead.Figures([.. classes.Select(guess => $"{guess}"),
            "correct"])]);
        foreach (int truth in classes)
        {
            long[] counts = [.. classes.Select(guess => evaluation[truth, guess])];
            string right = counts.Sum() == 0 ? "" : $"{(double)counts[truth] / counts.Sum():0.0%}";
            table.Add([names.Count == 0 ? $"{truth}" : $"{truth} {Excerpt.Of(names[truth])}",
                .. counts.Select(count => count == 0 ? "·" : $"{count}"), right]);
        }
        return table;
    }

    /// <summary>Writes a line without wrapping, such as a command to be copied.</summary>
    public static void WriteUnbroken(IAnsiConsole people, string line, Style? style = null)
        => people.Write(new UnbrokenLine(line, style ?? Style.Plain));

    private static string Number(long value) => $"{value:N0}";
}
