using System.CommandLine;
using ConvNet.Backends;
using ConvNet.Cli.Train;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Reports.Pages;
using ConvNet.Serialization;
using ConvNet.Training;
using Spectre.Console;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet train</c>: prints the summary of the model, trains it, and prints its test accuracy and
/// confusion matrix.</summary>
internal sealed class TrainVerb : Verb
{
    private const string DefaultModel = "digits";

    private readonly TrainDataOptions _data;
    private readonly LoopOptions _loop;
    private readonly SavingOptions _saving;
    private readonly Option<string> _backend, _precision;
    private readonly Option<string?> _model;
    private readonly Option<int?> _threads;
    private readonly ReportOptions _report;

    public TrainVerb() : base("train", "Trains a network on images and measures its test accuracy.",
        "train",
        "train --data fashion-mnist --model lenet5 --epochs 5",
        "train --data photos --model resnet20 --resize 32 --on-bad-image skip",
        "train --report training.html",
        "train --optimizer adamw --lr 0.002 --warmup 2",
        "train --schedule step --schedule-size 5 --average ema",
        "train --data fashion-mnist --flip --crop 2",
        "train --data photos --augment randomresizedcrop --augment alternatingflip --cutmix 1",
        "train --data photos --sampler balanced --augment colorjitter:brightness=0.4",
        "train --loss softmax --loss-option labelSmoothing=0.1",
        "train --backend auto",
        "train --backend managed --loss svm --lr 0.01 --save digits.safetensors",
        "train --weights digits.safetensors --freeze 'conv*' --lr 0.002 --save tuned.safetensors",
        "train --resume digits.safetensors --save digits.safetensors --epochs 30",
        "train --model lenet5 --checkpoint run1 --every 500steps --keep 5",
        "train --resume run1")
    {
        _data = new TrainDataOptions(this);
        _model = Optional<string>("--model", $"{ModelChoice.Description} Default: {DefaultModel}.", "MODEL");
        ReadsModel(_model);
        _backend = BackendOrAutoOption();
        _precision = PrecisionOption();
        _loop = new LoopOptions(this);
        _threads = ThreadsOption();
        _saving = new SavingOptions(this, _model);
        _report = ReportFiles();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        using CheckpointFolder? folder = _saving.OpenFolder(command);
        TrainStart start = _saving.Load(command, terminal, folder);
        SavedTraining? goesOn = start.GoesOn;
        _saving.CheckEpochs(command, start, _loop.EpochsOf(command, goesOn?.Options.Epochs));
        _data.Check(command);
        TrainingSpec spec = _loop.Spec(command, goesOn, _data.Mixes(command, goesOn));
        string? model = command.GetValue(_model);
        ImageSource data = _data.Open(command, terminal, model, start.Saved, goesOn, spec.Seed);
        Graph graph = GraphOf(start, model, data);
        Parameter[] freeze = _loop.ToFreeze(command, graph);
        Normalization normalization = _data.NormalizationOf(command, start.Saved, data);
        DataLoader train = _data.TrainLoader(command, data.Train, normalization, spec, goesOn,
            IsGiven(command, _loop.Seed));
        var training = new SavedTraining(spec, _loop.Trainer(command, goesOn), train.Options, data.Train.Count,
            goesOn?.Progress ?? TrainingProgress.Start)
        {
            Data = data.Kind == ImageSourceKind.Named ? data.Name : Path.GetFullPath(data.Name),
            Split = data.Split,
        };
        _saving.Check(command, folder, graph, normalization, training);
        BackendChoice choice = BackendRegistry.Choose(command.GetValue(_backend)!, command.GetValue(_threads),
            PrecisionOf(command, _precision), terminal.Cancellation);
        using IBackend backend = choice.Backend;
        using IExecutable network = backend.Compile(graph, spec);
        Fill(network, start, spec.Seed);
        network.Freeze(freeze);
        var run = new TrainRun(model ?? start.File ?? DefaultModel, data, choice, network, training, train,
            _data.TestLoader(command, data.Test, normalization, spec.BatchSize));
        run.WriteHead(terminal, isResumed: goesOn is not null);
        CheckpointCallback[] saving = _saving.Callbacks(command, terminal, folder, normalization, training);
        TrainingResult result = run.Train(terminal, start.Saved, saving);
        run.WriteResult(terminal, result);
        Exception? failure = saving.Select(callback => callback.Failure).FirstOrDefault(error => error is not null);
        if (failure is null && (folder?.Path ?? _saving.SavedTo(command)) is { } saved)
            terminal.People.WriteLine($"saved to {saved}");
        object document = run.Document(result);
        terminal.WriteJson(document);
        _report.Write(command, terminal, origin => TrainPage.Of(run.Report(result, _loop.Facts), origin, document));
        if (result.Test!.NotFinite > 0)
            return terminal.Fail(NotFiniteText.Of(network, run.Test, result.Test));
        // The last attempt was made at the end.
        return failure is null ? ExitCode.Ok : throw new IOException($"The end of the training is not saved. "
            + $"{failure.Message}", failure);
    }

    private Graph GraphOf(TrainStart start, string? model, ImageSource data)
    {
        if (start.Saved is not { Graph: var saved })
            return ModelChoice.Open(model ?? DefaultModel, data.Shape, data.Classes);
        if (model is not null
            && GraphJson.Write(ModelChoice.Open(model, data.Shape, data.Classes)) != GraphJson.Write(saved))
            throw new ArgumentException($"The network in {start.File} is another one than {_model.Name} {model}. Omit "
                + $"{_model.Name}, or start a new training.");
        return saved;
    }

    private static void Fill(IExecutable network, TrainStart start, ulong seed)
    {
        if (start.GoesOn is not null)
            start.Saved!.LoadStateInto(network);
        else if (start.Saved is not null)
            start.Saved.CopyTo(network);
        else
            network.Initialize(new HeNormal((int)seed));
    }
}
