using ConvNet.Diagnostics;
using Spectre.Console;

namespace ConvNet.Cli.Gradcheck;

/// <summary>A gradient check for people: a table with a colour per verdict, and the worst comparison in words.</summary>
internal static class GradcheckTable
{
    private const int FailuresInWords = 10;

    /// <summary>Writes the report.</summary>
    /// <param name="people">The terminal.</param>
    /// <param name="result">The check.</param>
    /// <param name="details">Whether every tensor has a row of its own.</param>
    public static void Write(IAnsiConsole people, GradcheckResult result, bool details)
    {
        people.Write(details ? Tensors(result.Report) : Layers(result.Report));
        people.WriteLine(details
            ? "Errors are in units of their bound; where values must be equal, any difference is wrong."
            : "Numbers are the largest error in units of its bound, with its tensor; exact comparisons allow none.");
        if (GradcheckWords.Samples(result.Report) is { } samples)
            people.WriteLine(samples);
        foreach (ExactCut cut in result.Report.Cuts)
            people.WriteLine($"exact mode is cut at {cut.Layer}: {cut.Reason}");
        (LayerReport Layer, TensorReport Tensor)[] failures = [.. result.Failures];
        foreach ((LayerReport layer, TensorReport tensor) in failures.Take(FailuresInWords))
            people.WriteLine(GradcheckWords.Explain(layer, tensor), StyleOf(tensor.Verdict));
        if (failures.Length > FailuresInWords)
            people.WriteLine($"and {failures.Length - FailuresInWords} more; --json has them all");
        if (failures.Length == 0 && result.Worst is { Tensor.WorstInBounds: > 0 } worst)
            people.WriteLine($"The worst: {GradcheckWords.Explain(worst.Layer, worst.Tensor)}.");
        people.WriteLine($"{GradcheckWords.Summary(result.Report)}, in {result.Elapsed.TotalSeconds:0.0} s", StyleOf(result.Report.Verdict));
        if (result.Reproduce is { } command)
            people.WriteLine($"again: {command}");
        if (result.CaseFile is { } file)
            people.WriteLine($"the case: {file}");
    }

    private static Table Layers(GradientReport report)
    {
        string[] backends = [.. report.Layers.Select(layer => layer.Backend).Distinct()];
        Table table = Tables.New(["layer", "mode", "values", .. backends]);
        table.Columns[2].RightAligned();
        foreach (var row in report.Layers.GroupBy(layer => (layer.Layer, layer.Mode)))
        {
            table.AddRow([new Text(row.Key.Layer), new Text(GradcheckWords.Of(row.Key.Mode)), new Text($"{row.Sum(layer => layer.Tensors.Sum(tensor => (long)tensor.Elements)):N0}"),
                .. backends.Select(backend => row.FirstOrDefault(layer => layer.Backend == backend) is { } layer ? Cell(layer) : Text.Empty)]);
        }
        return table;
    }

    private static Text Cell(LayerReport layer)
    {
        TensorReport? worst = layer.Tensors.MaxBy(tensor => (tensor.Verdict, tensor.WorstInBounds));
        bool exact = layer.Mode is CheckModes.Exact or CheckModes.Segments;
        string text = worst is null ? "" : worst.Verdict switch
        {
            Verdict.Fail => $"wrong {worst.Name}",
            Verdict.Suspect => $"{worst.WorstInBounds:0.00} {worst.Name} suspect",
            _ when exact || worst.WorstInBounds == 0 => "equal",
            _ => $"{worst.WorstInBounds:0.00} {worst.Name}",
        };
        return new Text(text, StyleOf(layer.Verdict));
    }

    private static Table Tensors(GradientReport report)
    {
        Table table = Tables.New("layer", "mode", "backend", "tensor", "values", "in bounds", "ulp", "index", "got", "truth", "wrong", "suspect", "flips", "verdict");
        foreach (TableColumn column in table.Columns.Skip(4).Take(9))
            column.RightAligned();
        foreach (LayerReport layer in report.Layers)
        {
            foreach (TensorReport tensor in layer.Tensors)
            {
                table.AddRow([.. ((string[])[layer.Layer, GradcheckWords.Of(layer.Mode), layer.Backend, tensor.Name, $"{tensor.Elements:N0}", $"{tensor.WorstInBounds:0.000}", $"{tensor.WorstInUlps:N0}",
                    $"{tensor.Index}", $"{tensor.Got:G9}", $"{tensor.Truth:G9}", $"{tensor.Failed:N0}", $"{tensor.Suspects:N0}", $"{tensor.Flips:N0}"]).Select(cell => new Text(cell)),
                    new Text(GradcheckWords.Of(tensor.Verdict), StyleOf(tensor.Verdict))]);
            }
        }
        return table;
    }

    private static Style StyleOf(Verdict verdict) => new(verdict switch
    {
        Verdict.Pass => Color.Green,
        Verdict.Suspect => Color.Yellow,
        _ => Color.Red,
    });
}
