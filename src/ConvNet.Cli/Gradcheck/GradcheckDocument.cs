using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The JSON document of a gradient check.</summary>
internal static class GradcheckDocument
{
    /// <summary>Creates the document.</summary>
    public static object Of(GradcheckResult result) => new
    {
        title = result.Title,
        backends = result.Backends.Select((backend, i) => new
        {
            backend.Name,
            backend.Info.Version,
            backend.Info.Isa,
            precision = BackendText.Words(backend.Info.Precision),
            backend.Threads,
            selfTest = result.SelfTests[i],
        }),
        verdict = GradientWords.Of(result.Report.Verdict),
        result.Report.Checked,
        result.Report.Failed,
        result.Report.Suspects,
        accepted = result.Report.Accepted.Count(),
        seconds = result.Elapsed.TotalSeconds,
        layers = result.Report.Layers.Select(layer => new
        {
            layer.Layer,
            layer.Kind,
            layer.Backend,
            mode = GradientWords.Of(layer.Mode),
            verdict = GradientWords.Of(layer.Verdict),
            tensors = layer.Tensors.Select(tensor => new
            {
                tensor.Name,
                verdict = GradientWords.Of(tensor.Verdict),
                tensor.Elements,
                tensor.Length,
                tensor.WorstInBounds,
                tensor.WorstInUlps,
                tensor.Index,
                tensor.Got,
                tensor.Truth,
                tensor.Failed,
                tensor.Suspects,
                tensor.Flips,
                tensor.Against,
                baseline = tensor.Acceptance is { } acceptance
                    ? new { outcome = $"{acceptance.Outcome}".ToLowerInvariant(), entry = Of(acceptance.Deviation) }
                    : null,
            }),
            layer.Remark,
        }),
        steps = result.Report.Steps.Select(step => new
        {
            step.Backend,
            step.Purpose,
            step.Operation,
            pass = $"{step.Pass}".ToLowerInvariant(),
            step.Kernel,
            step.Algorithm,
            step.Threads,
            step.Batch,
            step.Exact,
            step.Bounded,
        }),
        gaps = result.Report.Gaps,
        unneeded = result.Report.Unneeded.Select(each => new { each.Compared, entry = Of(each.Deviation) }),
        result.Reproduce,
        result.CaseFile,
        worst = result.Report.Worst is { } worst ? GradientWords.Explain(worst.Layer, worst.Tensor) : null,
    };

    private static object Of(AcceptedDeviation deviation) => new
    {
        deviation.Backend,
        deviation.Layer,
        deviation.Kind,
        deviation.Tensor,
        mode = deviation.Mode is { } mode ? GradientWords.Of(mode) : null,
        deviation.MostInBounds,
        deviation.MostElements,
        deviation.Reason,
        deviation.Expires,
    };
}
