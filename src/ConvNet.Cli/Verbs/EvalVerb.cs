using System.CommandLine;
using ConvNet.Backends;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Serialization;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet eval</c>: the test accuracy of a saved model, on any backend.</summary>
internal sealed class EvalVerb : Verb
{
    private readonly Option<string> _load, _backend, _precision;
    private readonly DataOptions _data;
    private readonly Option<int> _batch;
    private readonly Option<int?> _threads;
    private readonly AveragedOption _averaged;
    private readonly NormalizeOption _normalize;
    private readonly ViewOptions _views;

    public EvalVerb() : base("eval", "Measures the accuracy of a saved model on test images.", "eval --load "
        + "digits.safetensors --data digits", "eval --load fashion.safetensors --data fashion-mnist --tta flip")
    {
        _load = RequiredFile("--load", NetworkFile.Description, FileUse.Read);
        _data = ReadsData();
        _normalize = new NormalizeOption(this);
        _backend = BackendOrAutoOption();
        _precision = PrecisionOption();
        _batch = Number("--batch", "Batch size. The accuracy does not depend on it.", 64, NumberRanges.FromOne, "N");
        _threads = ThreadsOption();
        _averaged = new AveragedOption(this);
        _views = new ViewOptions(this);
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        string load = command.GetValue(_load)!;
        _views.Check(command);
        SavedModel saved = NetworkFile.Load(load);
        ImageSource data = _data.Open(command, terminal, command.GetValue(_data.Data)!,
            ModelChoice.InputOf(saved.Graph), saved.Training?.Split);
        Normalization normalization = _normalize.Of(command, saved, load);
        normalization.CheckFor(data.Shape, data.MaxValue);
        DataLoader images = TestLoader(data.Test, normalization, command.GetValue(_batch), workers: 1);
        BackendChoice choice = BackendRegistry.Choose(command.GetValue(_backend)!, command.GetValue(_threads),
            PrecisionOf(command, _precision), terminal.Cancellation);
        using IBackend backend = choice.Backend;
        using IExecutable network = backend.CompileInference(saved.Graph, command.GetValue(_batch));
        _averaged.Copy(command, saved, load, network);

        terminal.People.WriteLine($"{load} on {data.Name}: {data.Test.Count:N0} images of {data.Shape}; "
            + $"{BackendText.Of(backend.Info)}");
        BackendText.WriteChoice(terminal, choice);
        IReadOnlyList<DataLoader> views = _views.Of(command, images, data.MaxValue);
        var test = Evaluation.Of(network, views is [] ? [images] : views, terminal.Cancellation);
        terminal.People.Write(Tables.Of(test, data.ClassNames));
        terminal.People.Write(Tables.Of((ClassEvaluation)test.Outputs[0], data.ClassNames));
        terminal.People.WriteLine($"test accuracy {test.Accuracy:0.00%} ({test.Correct:N0} of {test.Count:N0})");
        terminal.WriteJson(new
        {
            model = load,
            data = data.Name,
            skippedImages = DataOptions.SkippedOf(data),
            backend = choice.Name,
            candidates = choice.Trials,
            choice.SelfTest,
            precision = BackendText.Words(backend.Info.Precision),
            threads = backend.Info.Threads,
            parameters = saved.Graph.ParameterCount,
            views = Math.Max(1, views.Count),
            testAccuracy = test.Accuracy,
            metrics = Tables.MetricsOf(test, data.ClassNames),
            notFinite = test.NotFinite,
        });
        return test.NotFinite == 0 ? ExitCode.Ok : terminal.Fail(NotFiniteText.Of(network, images, test));
    }
}
