using System.Globalization;

namespace ConvNet.GradientChecking;

/// <summary>Wording shared by the reports and errors of gradient checks.</summary>
internal static class GradientWords
{
    /// <summary>The name of a mode, such as <c>end to end</c>.</summary>
    public static string Of(CheckModes mode) => mode switch
    {
        CheckModes.EndToEnd => "end to end",
        CheckModes.ForwardMode => "forward mode",
        CheckModes.PlanExact => "plan, exact",
        CheckModes.PlanReal => "plan, real",
        CheckModes.Trajectories => "steps",
        _ => $"{mode}".ToLowerInvariant(),
    };

    /// <summary>The name of a verdict, such as <c>pass</c>.</summary>
    public static string Of(Verdict verdict) => $"{verdict}".ToLowerInvariant();

    /// <summary>Describes one comparison: the tensor, what it was compared with, its error and the allowed
    /// error.</summary>
    public static string Explain(LayerReport layer, TensorReport tensor)
    {
        string where = $"{tensor.Name} of {layer.Layer} on {layer.Backend}, {Of(layer.Mode)}", counts = tensor.Verdict
            == Verdict.Pass ? "" : Counts(tensor);
        return Invariant($"{where}: {Comparison(layer, tensor)}{counts}{Of(tensor.Acceptance)}{Remark(layer)}");
    }

    private static string Comparison(LayerReport layer, TensorReport tensor)
    {
        double distance = Math.Abs(tensor.Got - tensor.Truth);
        string values = Invariant($"element {tensor.Index} is {tensor.Got:G9}");
        return (tensor.Against.Length > 0, layer.Mode) switch
        {
            (true, _) => Invariant($"{values}, but {tensor.Truth:G9} {tensor.Against}; the bits must be equal"),
            (_, CheckModes.Exact or CheckModes.Segments or CheckModes.PlanExact) when !double.IsFinite(
                tensor.WorstInBounds) || tensor.WorstInBounds == 0
                => Invariant($"{values} and should be {tensor.Truth:G9}, {tensor.WorstInUlps:N0} ulp away; float32 ")
                    + "is exact on these integers, so the bits must be equal",
            (_, CheckModes.EndToEnd)
                => Invariant($"the distance of the whole tensor is {tensor.WorstInBounds:0.00} of the allowed ")
                    + Invariant($"distance; its worst {values}, in double {tensor.Truth:G9}"),
            (_, CheckModes.ForwardMode) when tensor.Verdict != Verdict.Pass
                => Invariant($"element {tensor.Index} is {tensor.Got:G17}, but {tensor.Truth:G17} by dual numbers, ")
                    + Invariant($"{tensor.WorstInBounds:G3} of the allowed difference"),
            (_, CheckModes.ForwardMode)
                => Invariant($"the slope along a random direction is {tensor.Truth:G17} by dual numbers and ")
                    + Invariant($"{tensor.Got:G17} by the gradient, {tensor.WorstInBounds:0.00} of the allowed ")
                    + "difference",
            (_, CheckModes.Trajectories) when double.IsPositiveInfinity(tensor.WorstInBounds)
                => Invariant($"{values} and should be {tensor.Truth:G9}, {tensor.WorstInUlps:N0} ulp away; float32 ")
                    + "does not round here, so the bits must be equal",
            _ => Invariant($"{values}, but {tensor.Truth:G9} in the double reference on the same float32 values: ")
                + Invariant($"{distance:G3} or {tensor.WorstInUlps:N0} ulp away, {tensor.WorstInBounds:0.00} of the ")
                + Invariant($"bound {distance / tensor.WorstInBounds:G3} derived from its terms"),
        };
    }

    private static string Counts(TensorReport tensor)
        => Invariant($"; {tensor.Failed:N0} of {tensor.Elements:N0} are wrong")
            + (tensor.Flips > 0 ? Invariant($", {tensor.Flips:N0} near a branch") : "");

    private static string Of(Acceptance? acceptance) => acceptance is not { Deviation: var entry } ? ""
        : acceptance.Outcome switch
        {
            AcceptanceOutcome.Accepted => Invariant($"; accepted until {entry.Expires:yyyy-MM-dd}: {entry.Reason}"),
            AcceptanceOutcome.Expired => Invariant($"; accepted until {entry.Expires:yyyy-MM-dd}, which has passed: ")
                + $"{entry.Reason}. Set a later date in the baseline, or remove the deviation",
            _ => Invariant($"; worse than the baseline accepts, which is {Most(entry)}"),
        };

    private static string Most(AcceptedDeviation entry)
    {
        string bounds = Invariant($"an error of {entry.MostInBounds} bounds");
        string elements = Invariant($"{entry.MostElements:N0} elements");
        return entry.MostElements == int.MaxValue ? bounds
            : double.IsFinite(entry.MostInBounds) ? $"{bounds} in {elements}" : elements;
    }

    private static string Remark(LayerReport layer) => layer.Remark.Length > 0 ? $" ({layer.Remark})" : "";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
