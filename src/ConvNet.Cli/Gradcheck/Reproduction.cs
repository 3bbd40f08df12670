using ConvNet.Diagnostics;
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
    public static Reproduction? Of(Subject subject, GradientReport report, IReadOnlyList<BackendVariant> backends, Precision precision, string target, Action<string> say)
    {
        say($"shrinking what is wrong in {subject.Title}");
        if (ShrunkFailure.Of(subject.Case, report, backends, MostRuns) is not { } failure)
            return null;
        say($"after {failure.Runs} runs: {failure}");
        GradientCaseFile.Save(target, failure.Case);
        say($"the case is in {target}");
        return new Reproduction($"convnet gradcheck {(LayerOf(failure) ?? $"--case {CheckOrigin.Quoted(target)}")} {BackendsOf(failure, precision)}", target);
    }

    /// <summary>The options of the backends that disagree.</summary>
    private static string BackendsOf(ShrunkFailure failure, Precision precision)
    {
        BackendVariant[] backends = [.. failure.Backends.Cast<BackendVariant>()];
        if (backends.Length == 0)
            return "--backends managed";
        return $"--backends {string.Join(',', backends.Select(backend => backend.Name))} --threads {string.Join(',', backends.SelectMany(backend => backend.Threads).Distinct())}"
            + (precision == Precision.Fast ? "" : $" --precision {BackendText.Words(precision)}");
    }

    /// <summary>The options that describe the layer, if a descriptor can, and the values that go with it show the failure.</summary>
    private static string? LayerOf(ShrunkFailure failure)
    {
        if (failure.Case is not LayerGradientCase { Options: { Seed: <= int.MaxValue } options } alone || ShapeOf(alone) is not { } shape)
            return null;
        var plain = new LayerGradientCase(shape.ToLayer(bias: true), [shape.Reads], new GradientCheckOptions { Modes = options.Modes, BatchSize = options.BatchSize, Seed = options.Seed });
        return failure.IsShownBy(plain) ? $"--layer {shape} --mode {CheckModeWords.WordOf(options.Modes)} --seed {options.Seed} --batch {options.BatchSize}" : null;
    }

    private static LayerShape? ShapeOf(LayerGradientCase made)
    {
        var shape = new LayerShape { Batch = made.Options.BatchSize, Input = made.Inputs[0], Output = made.Layer.Infer([.. made.Inputs]) };
        return made.Layer switch
        {
            Conv2d conv => In(shape with { Groups = conv.Groups }, conv.Window),
            Dense => shape,
            MaxPool2d pool => In(shape with { Operator = LayerOperator.MaxPool }, pool.Window),
            AvgPool2d pool => In(shape with { Operator = pool.CountPadding ? LayerOperator.AveragePool : LayerOperator.AveragePoolInside }, pool.Window),
            BatchNorm2d => shape with { Operator = LayerOperator.BatchNorm },
            _ => null,
        };

        static LayerShape In(LayerShape shape, Window window) => shape with { Kernel = window.Kernel, Stride = window.Stride, Padding = window.Padding, Dilation = window.Dilation };
    }
}
