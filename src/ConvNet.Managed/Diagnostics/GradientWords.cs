using System.Globalization;

namespace ConvNet.Diagnostics;

/// <summary>Gradient checks in words, for every report and error that tells of one.</summary>
internal static class GradientWords
{
    /// <summary>As <c>end to end</c>.</summary>
    public static string Of(CheckModes mode) => mode switch
    {
        CheckModes.EndToEnd => "end to end",
        CheckModes.FiniteDifferences => "finite differences",
        _ => $"{mode}".ToLowerInvariant(),
    };

    /// <summary>As <c>pass</c>.</summary>
    public static string Of(Verdict verdict) => $"{verdict}".ToLowerInvariant();

    /// <summary>The outcome in one line.</summary>
    public static string Summary(GradientReport report)
        => Invariant($"{Of(report.Verdict)}: {report.Checked:N0} values compared, {report.Failed:N0} wrong, ")
            + Invariant($"{report.Suspects:N0} suspect");

    /// <summary>Which layers were compared on a sample of their values; null where none was.</summary>
    public static string? Samples(GradientReport report)
    {
        (string Layer, TensorReport Tensor)[] sampled =
            [.. report.Layers.SelectMany(layer => layer.Tensors, (layer, tensor) => (layer.Layer, tensor))
            .Where(row => row.tensor.Elements < row.tensor.Length)];
        if (sampled.Length == 0)
            return null;
        double share = sampled.Sum(row => (double)row.Tensor.Elements) / sampled.Sum(row => (double)row.Tensor.Length);
        return Invariant($"real numbers were compared on a sample of whole maps and filters, {share:0.0%} of the ")
            + Invariant($"values, in {string.Join(", ", sampled.Select(row => row.Layer).Distinct())}; --whole ")
            + Invariant($"compares all");
    }

    /// <summary>One comparison in words: what was compared, with what, how far it is off, and what is
    /// allowed.</summary>
    public static string Explain(LayerReport layer, TensorReport tensor)
    {
        string where = $"{tensor.Name} of {layer.Layer} on {layer.Backend}, {Of(layer.Mode)}", counts = tensor.Verdict
            == Verdict.Pass ? "" : Counts(tensor);
        return Invariant($"{where}: {Comparison(layer, tensor)}{counts}{Remark(layer)}");
    }

    private static string Comparison(LayerReport layer, TensorReport tensor)
    {
        double distance = Math.Abs(tensor.Got - tensor.Truth);
        string values = Invariant($"element {tensor.Index} is {tensor.Got:G9}");
        return (tensor.Against.Length > 0, layer.Mode) switch
        {
            (true, _) => Invariant($"{values}, and {tensor.Against} it is {tensor.Truth:G9}; the bits must be equal"),
            (_, CheckModes.Exact or CheckModes.Segments)
                => Invariant($"{values} and should be {tensor.Truth:G9}, {tensor.WorstInUlps:N0} ulp away; on these ")
                    + "whole numbers float32 does not round, so the bits must be equal",
            (_, CheckModes.EndToEnd)
                => Invariant($"the whole tensor is {tensor.WorstInBounds:0.00} of the distance away that float32 may ")
                    + Invariant($"be; its worst {values}, in double {tensor.Truth:G9}"),
            (_, CheckModes.FiniteDifferences)
                => Invariant($"the slope along a random direction is {tensor.Truth:G9} by finite differences and ")
                    + Invariant($"{tensor.Got:G9} by the gradient, {tensor.WorstInBounds:0.00} of what is allowed"),
            _ => Invariant($"{values}, and the double reference on the same float32 values has {tensor.Truth:G9}: ")
                + Invariant($"{distance:G3} or {tensor.WorstInUlps:N0} ulp away, {tensor.WorstInBounds:0.00} of the ")
                + Invariant($"bound {distance / tensor.WorstInBounds:G3} that its own terms imply"),
        };
    }

    private static string Counts(TensorReport tensor)
        => Invariant($"; {tensor.Failed:N0} of {tensor.Elements:N0} are wrong, {tensor.Suspects:N0} suspect")
            + (tensor.Flips > 0 ? Invariant($", {tensor.Flips:N0} on either side of a branch") : "");

    private static string Remark(LayerReport layer) => layer.Remark.Length > 0 ? $" ({layer.Remark})" : "";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
