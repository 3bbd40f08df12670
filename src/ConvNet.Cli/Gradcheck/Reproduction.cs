using ConvNet.GradientChecking;
using ConvNet.Measurement;

namespace ConvNet.Cli.Gradcheck;

/// <summary>A failure that can be shown again.</summary>
/// <param name="Command">The command line.</param>
/// <param name="CaseFile">The file of the shrunk case.</param>
internal sealed record Reproduction(string Command, string CaseFile)
{
    // Of a large network a run takes seconds; what shrinks at all is small after a few.
    private const int MostRuns = 300;

    /// <summary>Shrinks what is wrong in a report, and writes the case down.</summary>
    /// <param name="subject">What was checked.</param>
    /// <param name="report">What came of it.</param>
    /// <param name="backends">On what.</param>
    /// <param name="precision">The precision of backends whose names do not say.</param>
    /// <param name="target">The file to write.</param>
    /// <param name="say">Takes what there is to say about it.</param>
    /// <returns>The reproduction; null where nothing is wrong but that zeros prove nothing.</returns>
    public static Reproduction? Of(Subject subject, GradientReport report, IReadOnlyList<BackendVariant> backends,
        Precision precision, string target, Action<string> say)
    {
        say($"shrinking what is wrong in {subject.Title}");
        if (ShrunkFailure.Of(subject.Case, report, backends, MostRuns) is not { } failure)
            return null;
        say($"after {failure.Runs} runs: {failure}");
        GradientCaseFile.Save(target, failure.Case);
        say($"the case is in {target}");
        return new Reproduction($"convnet gradcheck {(LayerOf(failure) ?? GradientCaseFile.OptionFor(target))} "
            + $"{BackendsOf(failure, precision)}", target);
    }

    /// <summary>The options of the backends that disagree.</summary>
    private static string BackendsOf(ShrunkFailure failure, Precision precision)
    {
        BackendVariant[] backends = [.. failure.Backends.Cast<BackendVariant>()];
        if (backends.Length == 0)
            return "--backends managed";
        return $"--backends {string.Join(',', backends.Select(backend => backend.Name))} --threads "
            + $"{string.Join(',', backends.SelectMany(backend => backend.Threads).Distinct())}"
            + (precision == Precision.Fast ? "" : $" --precision {BackendText.Words(precision)}");
    }

    /// <summary>The options that describe the layer, if a descriptor can, and the values that go with it show the
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

    // What the descriptors can say of the layer: of each operator, by the layer's window and weights.
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
