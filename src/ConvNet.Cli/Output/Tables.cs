using ConvNet.Summaries;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Tables for human readers.</summary>
internal static class Tables
{
    // As usual for large sets of classes; with fewer it says little.
    private const int TopClasses = 5;

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

    /// <summary>Creates the table of precision, recall, F1, IoU and cross-entropy of each class.</summary>
    /// <param name="classes">The results of an output.</param>
    /// <param name="names">The names of the classes; empty if there are none.</param>
    public static TextTable Of(ClassEvaluation classes, IReadOnlyList<string> names)
    {
        var table = new TextTable(1,
            ["class", .. TableHead.Figures(["images", "precision", "recall", "F1", "IoU", "loss"])]);
        foreach (ClassMetrics each in classes.PerClass)
            table.Add([names.Count == 0 ? $"{each.Class}" : $"{each.Class} {Excerpt.Of(names[each.Class])}",
                Number(each.Count), $"{each.Precision:0.0%}", $"{each.Recall:0.0%}", $"{each.F1:0.0%}",
                $"{each.IntersectionOverUnion:0.0%}", $"{each.CrossEntropy:0.000}"]);
        return table;
    }

    /// <summary>Returns what JSON documents say about the classes of an evaluation.</summary>
    /// <param name="test">The evaluation of a network with one output.</param>
    /// <param name="names">The names of the classes; empty if there are none.</param>
    public static object MetricsOf(Evaluation test, IReadOnlyList<string> names)
    {
        var classes = (ClassEvaluation)test.Outputs[0];
        return new
        {
            top5Accuracy = classes.TopAccuracy(TopClasses),
            classes.MacroF1,
            meanIoU = classes.MeanIntersectionOverUnion,
            crossEntropy = Finite(classes.CrossEntropy),
            perClass = classes.PerClass.Select(each => new
            {
                name = names.Count == 0 ? null : names[each.Class],
                each.Count,
                each.Precision,
                each.Recall,
                each.F1,
                iou = each.IntersectionOverUnion,
                crossEntropy = Finite(each.CrossEntropy),
            }),
            confusion = Enumerable.Range(0, classes.Classes).Select(truth
                => Enumerable.Range(0, classes.Classes).Select(guess => classes[truth, guess])),
        };
    }

    /// <summary>Writes a line without wrapping, such as a command to be copied.</summary>
    public static void WriteUnbroken(IAnsiConsole people, string line, Style? style = null)
        => people.Write(new UnbrokenLine(line, style ?? Style.Plain));

    // JSON has no NaN and no infinity.
    private static double? Finite(double value) => double.IsFinite(value) ? value : null;

    private static string Number(long value) => $"{value:N0}";
}
