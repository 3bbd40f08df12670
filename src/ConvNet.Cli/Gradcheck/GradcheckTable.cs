using ConvNet.GradientChecking;
using Spectre.Console;

namespace ConvNet.Cli.Gradcheck;

/// <summary>Writes a gradient check as a table, coloured by verdict, and describes the worst comparison.</summary>
internal static class GradcheckTable
{
    private const int FailuresInWords = 10;

    /// <summary>Writes the report.</summary>
    /// <param name="people">The terminal.</param>
    /// <param name="result">The check.</param>
    /// <param name="details">Whether to write a row for every tensor.</param>
    public static void Write(IAnsiConsole people, GradcheckResult result, bool details)
    {
        people.Write(details ? Tensors(result.Report) : Layers(result.Report));
        people.WriteLine(details
            ? "Errors are in units of their bound. Where values must be equal, any difference is wrong."
            : "Numbers are the largest error in units of its bound, and its tensor. Exact comparisons allow no error.");
        if (result.Report.Sampled is { } samples)
            people.WriteLine(samples);
        WriteSteps(people, result.Report.Steps, details);
        foreach (ExactGap gap in result.Report.Gaps)
            people.WriteLine($"gap in exact mode at {gap.Layer}: {gap.Reason}");
        (LayerReport Layer, TensorReport Tensor)[] failures = [.. result.Report.Failures];
        foreach ((LayerReport layer, TensorReport tensor) in failures.Take(FailuresInWords))
            people.WriteLine(GradientWords.Explain(layer, tensor), StyleOf(tensor.Verdict));
        if (failures.Length > FailuresInWords)
            people.WriteLine($"and {failures.Length - FailuresInWords} more; --json lists all");
        (LayerReport Layer, TensorReport Tensor)[] accepted = [.. result.Report.Accepted];
        foreach ((LayerReport layer, TensorReport tensor) in accepted.Take(FailuresInWords))
            people.WriteLine(GradientWords.Explain(layer, tensor), StyleOf(tensor.Verdict));
        if (accepted.Length > FailuresInWords)
            people.WriteLine($"and {accepted.Length - FailuresInWords} more accepted; --json lists all");
        foreach (UnneededDeviation unneeded in result.Report.Unneeded)
            people.WriteLine($"{unneeded}", StyleOf(Verdict.Accepted));
        if (failures.Length == 0 && accepted.Length == 0 && result.Report.Worst is { Tensor.WorstInBounds: > 0 } worst)
            people.WriteLine($"The worst: {GradientWords.Explain(worst.Layer, worst.Tensor)}.");
        people.WriteLine($"{result.Report.Summary}, in {result.Elapsed.TotalSeconds:0.0} s",
            StyleOf(result.Report.Verdict));
        if (result.Reproduce is { } command)
            Cli.Tables.WriteUnbroken(people, $"reproduce: {command}");
        if (result.CaseFile is { } file)
            people.WriteLine($"case file: {file}");
    }

    // Every step with details, otherwise the number of steps and those that were not compared.
    private static void WriteSteps(IAnsiConsole people, IReadOnlyList<PlanStep> steps, bool details)
    {
        if (steps.Count == 0)
            return;
        if (details)
        {
            var table = new TextTable(3, ["backend", "purpose", "operation", "kernel", "algorithm",
                .. TableHead.Figures("threads", "batch", "exact", "in bounds")]);
            foreach (PlanStep step in steps)
                table.Add([step.Backend, step.Purpose, step.Operation, step.Kernel, step.Algorithm, $"{step.Threads}",
                    $"{step.Batch}", $"{step.Exact:N0}", $"{step.Bounded:N0}"]);
            people.Write(table);
        }
        people.WriteLine($"{steps.Count(step => step.IsCovered):N0} of {steps.Count:N0} steps of the plans compared, "
            + $"{steps.Count(step => step.Exact > 0):N0} of them with tolerance zero");
        foreach (PlanStep step in steps.Where(step => !step.IsCovered))
            people.WriteLine($"not compared: {step}", StyleOf(Verdict.Fail));
    }

    private static TextTable Layers(GradientReport report)
    {
        string[] backends = [.. report.Layers.Select(layer => layer.Backend).Distinct()];
        var table = new TextTable(2, ["layer", "mode", TableHead.Figure("values"),
            .. backends.Select(backend => new TableHead(backend))]);
        foreach (var row in report.Layers.GroupBy(layer => (layer.Layer, layer.Mode)))
        {
            table.Add([row.Key.Layer, GradientWords.Of(row.Key.Mode),
                $"{row.Sum(layer => layer.Tensors.Sum(tensor => (long)tensor.Elements)):N0}",
                .. backends.Select(backend => row.FirstOrDefault(layer => layer.Backend == backend) is { } layer
                    ? Cell(layer) : "")]);
        }
        return table;
    }

    private static TableCell Cell(LayerReport layer)
    {
        TensorReport? worst = layer.Tensors.MaxBy(tensor => (tensor.Verdict, tensor.WorstInBounds));
        bool exact = layer.Mode is CheckModes.Exact or CheckModes.Segments
            || (layer.Mode == CheckModes.PlanExact && worst?.WorstInBounds == 0);
        string text = worst is null ? "" : worst.Verdict switch
        {
            Verdict.Fail => $"wrong {worst.Name}",
            Verdict.Accepted => $"accepted {worst.Name}",
            _ when exact || worst.WorstInBounds == 0 => "equal",
            _ => $"{worst.WorstInBounds:0.00} {worst.Name}",
        };
        return new TableCell(text, StyleOf(layer.Verdict));
    }

    private static TextTable Tensors(GradientReport report)
    {
        var table = new TextTable(4, ["layer", "mode", "backend", "tensor",
            .. TableHead.Figures("values", "in bounds", "ulp", "index", "got", "truth", "wrong", "unlucky", "flips"),
                "verdict"]);
        foreach (LayerReport layer in report.Layers)
        {
            foreach (TensorReport tensor in layer.Tensors)
            {
                table.Add((IEnumerable<TableCell>)[layer.Layer, GradientWords.Of(layer.Mode), layer.Backend,
                    tensor.Name,
                    $"{tensor.Elements:N0}", $"{tensor.WorstInBounds:0.000}", $"{tensor.WorstInUlps:N0}",
                        $"{tensor.Index}", $"{tensor.Got:G9}", $"{tensor.Truth:G9}",
                    $"{tensor.Failed:N0}", $"{tensor.Suspects:N0}", $"{tensor.Flips:N0}",
                        new TableCell(GradientWords.Of(tensor.Verdict), StyleOf(tensor.Verdict))]);
            }
        }
        return table;
    }

    private static Style StyleOf(Verdict verdict) => new(verdict switch
    {
        Verdict.Pass => Color.Green,
        Verdict.Accepted => Color.Yellow,
        _ => Color.Red,
    });
}
