using ConvNet.GradientChecking;
using ConvNet.Measurement;

namespace ConvNet.Cli.Gradcheck;

/// <summary>How to reproduce a failure.</summary>
/// <param name="Command">The command line.</param>
/// <param name="CaseFile">The file with the reduced case.</param>
internal sealed record Reproduction(string Command, string CaseFile)
{
    // One run of a large network takes seconds. Reducible cases become small after a few runs.
    private const int MaxRuns = 300;

    /// <summary>Reduces a failing case and writes it to a file.</summary>
    /// <param name="subject">The checked subject.</param>
    /// <param name="report">The report.</param>
    /// <param name="backends">The backends.</param>
    /// <param name="precision">The precision of backends whose names do not say.</param>
    /// <param name="target">The file to write.</param>
    /// <param name="say">Receives progress messages.</param>
    /// <returns>The reproduction. Null if the only failure is that all-zero values prove nothing.</returns>
    public static Reproduction? Of(Subject subject, GradientReport report, IReadOnlyList<BackendVariant> backends,
        Precision precision, string target, Action<string> say)
    {
        say($"reducing the failure in {subject.Title}");
        if (ShrunkFailure.Of(subject.Case, report, backends, MaxRuns) is not { } failure)
            return null;
        say($"after {failure.Runs} runs{(failure.IsLimited ? ", at the limit of what reducing may cost" : "")}: "
            + $"{failure}");
        GradientCaseFile.Save(target, failure.Case);
        say($"case written to {target}");
        return new Reproduction($"convnet gradcheck {(LayerOf(failure) ?? GradientCaseFile.OptionFor(target))} "
            + $"{BackendsOf(failure, precision)}", target);
    }

    /// <summary>Returns the options that select the backends that disagree.</summary>
    private static string BackendsOf(ShrunkFailure failure, Precision precision)
    {
        BackendVariant[] backends = [.. failure.Backends.Cast<BackendVariant>()];
        if (backends.Length == 0)
            return "--backends managed";
        return $"--backends {string.Join(',', backends.Select(CheckedBackends.NameOf))} --threads "
            + $"{string.Join(',', backends.SelectMany(backend => backend.Threads).Distinct())}"
            + (precision == Precision.Fast ? "" : $" --precision {BackendText.Words(precision)}")
            + (CheckedBackends.RanksOf(backends[0]) is { } ranks ? $" --ranks {ranks}" : "");
    }

    /// <summary>Returns the options that describe the layer, if a descriptor with random values reproduces the
    /// failure.</summary>
    private static string? LayerOf(ShrunkFailure failure)
    {
        if (failure.Case is not LayerGradientCase { Options: { Seed: <= int.MaxValue } options } alone)
            return null;
        foreach (LayerShape shape in ShapesOf(alone))
        {
            var plain = new LayerGradientCase(shape.ToLayer(bias: true), [shape.Reads],
                new GradientCheckOptions { Modes = options.Modes, BatchSize = options.BatchSize, Seed = options.Seed });
            if (plain.Layer.Kind == alone.Layer.Kind && failure.IsShownBy(plain))
                return $"--layer {shape} --mode {CheckModeWords.WordOf(options.Modes)} --seed {options.Seed} --batch "
                    + $"{options.BatchSize}";
        }
        return null;
    }

    // Returns the descriptors that match the window and weights of the layer, one per operator.
    private static IEnumerable<LayerShape> ShapesOf(LayerGradientCase made)
    {
        Shape[] inputs = [.. made.Inputs];
        if (inputs.Length > 1)
            return [];
        var shape = new LayerShape
        {
            Batch = made.Options.BatchSize,
            Input = inputs[0],
            Output = made.Layer.Infer(inputs)
        };
        if (made.Layer.Sees(inputs) is not { } window)
            return ((LayerOperator[])[LayerOperator.Sum, LayerOperator.BatchNorm])
                .Select(each => shape with { Operator = each });
        IReadOnlyList<ParameterSpec> parameters = made.Layer.Parameters(inputs);
        shape = shape with
        {
            Kernel = window.Kernel,
            Stride = window.Stride,
            Padding = window.Padding,
            Dilation = window.Dilation
        };
        return parameters.Count > 0
            ? [shape with { Groups = inputs[0].C / parameters[0].Dimensions[1] }]
            : ((LayerOperator[])[LayerOperator.MaxPool, LayerOperator.AveragePool, LayerOperator.AveragePoolInside])
                .Select(each => shape with { Operator = each });
    }
}
