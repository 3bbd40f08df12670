using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary><c>train --save</c>, <c>--resume</c> with its other name <c>--load</c>, and <c>--weights</c>.</summary>
public sealed class CheckpointTests
{
    private static readonly string[] s_trained = ["--batch", "8", "--epochs", "2", "--lr", "0.005", "--seed", "3",
        "--flip", "--crop", "1"];

    private TinyData _data = null!;

    public static IEnumerable<string> Optimizers => OptimizerSet.BuiltIn.Declarations.Select(kind => kind.Kind);

    [OneTimeSetUp]
    public void WriteData() => _data = new TinyData();

    [OneTimeTearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public void AProcessThatLoadsATrainingGoesOnBitForBit([ValueSource(nameof(Optimizers))] string optimizer,
        [Values("managed", "native")] string backend)
    {
        string whole = _data.File($"whole-{optimizer}-{backend}"), half = _data.File($"half-{optimizer}-{backend}"),
            rest = _data.File($"rest-{optimizer}-{backend}");
        CommandLine run = Train([.. s_trained, "--optimizer", optimizer, "--backend", backend, "--save", whole]);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
        StopAfter(steps: 17, SavedModel.Load(whole), backend, half);

        CommandResult result = Repository.Run(_data.Folder, "dotnet", ["exec", typeof(App).Assembly.Location, "train",
            "--load", half, "--backend", backend, "--save", rest, "--json"]);
        Assert.That(result.ExitCode, Is.Zero, result.Output);
        Assert.That(result.Output, Does.Contain("resuming at epoch 2 of 2, batch 6 of 12"));
        Assert.That(File.ReadAllBytes(rest), Is.EqualTo(File.ReadAllBytes(whole)));
    }

    [Test]
    public void TheLastEpochIsTheSameAfterABreakBetweenEpochs()
    {
        string file = _data.File("epochs.safetensors");
        string[] options = ["--batch", "8", "--lr", "0.005", "--schedule", "constant"];
        JsonElement whole = Train([.. options, "--epochs", "3", "--json"]).Json().GetProperty("epochs");
        Train([.. options, "--epochs", "1", "--save", file]).Succeeds();
        Load(file, "--epochs", "2", "--save", file).Succeeds();
        JsonElement last = Load(file, "--epochs", "3", "--json").Json().GetProperty("epochs");
        Assert.That(last.GetArrayLength(), Is.EqualTo(1));
        foreach (string of in (string[])["loss", "trainAccuracy", "testAccuracy"])
            Assert.That(last[0].GetProperty(of).GetDouble(), Is.EqualTo(whole[2].GetProperty(of).GetDouble()), of);
    }

    [Test]
    public void WhatIsGivenIsTakenAndTheRestIsTheFilesOwn()
    {
        string file = _data.File("options.safetensors"), next = _data.File("next.safetensors");
        Train([.. s_trained, "--optimizer", "adam", "--beta1", "0.8", "--loss", "svm", "--save", file]).Succeeds();
        Load(file, "--epochs", "3", "--lr", "0.001", "--beta2", "0.99", "--save", next).Succeeds();
        SavedTraining before = SavedModel.Load(file).Training!, after = SavedModel.Load(next).Training!;
        Assert.Multiple(() =>
        {
            Assert.That($"{before.Spec.Optimizer}", Is.EqualTo($"{new Adam(beta1: 0.8)}"));
            Assert.That($"{after.Spec.Optimizer}", Is.EqualTo($"{new Adam(beta1: 0.8, beta2: 0.99)}"));
            Assert.That((after.Spec.Losses[0].Loss, after.Spec.BatchSize, after.Spec.Seed),
                Is.EqualTo(((Loss)new MulticlassSvm(), 8, 3ul)));
            Assert.That((after.Options.LearningRate, after.Options.Epochs), Is.EqualTo((0.001f, 3)));
            Assert.That(after.Loader.Transforms, Is.EqualTo(before.Loader.Transforms).And.Length.EqualTo(3));
            Assert.That((after.Data, after.Progress.Position), Is.EqualTo((_data.Folder, new LoaderPosition(4, 0))));
        });
    }

    [Test]
    public void WeightsStartANewTraining()
    {
        string file = _data.File("weights.safetensors"), next = _data.File("fine.safetensors");
        JsonElement first = Train("--epochs", "1", "--batch", "8", "--lr", "0.005", "--save", file, "--json").Json();
        JsonElement second = CommandLine.Run("train", "--backend", "managed", "--data", _data.Folder, "--weights", file,
            "--epochs", "1", "--optimizer", "adam", "--batch", "8", "--save", next, "--json").Json();
        Assert.That(second.GetProperty("model").GetString(), Is.EqualTo(file));
        Assert.That(second.GetProperty("epochs")[0].GetProperty("loss").GetDouble(),
            Is.LessThan(0.8 * first.GetProperty("epochs")[0].GetProperty("loss").GetDouble()));
        Assert.That(SavedModel.Load(next).Training!.Spec.Optimizer, Is.TypeOf<Adam>());
    }

    [Test]
    public void ACompletedTrainingOfAFolderIsSavedToAFileToo()
    {
        string folder = _data.File("completed"), file = _data.File("completed.safetensors");
        Train([.. s_trained, "--checkpoint", folder]).Succeeds();
        CommandLine again = Load(folder, "--save", file);
        again.Succeeds();
        Assert.That(again.Output, Does.Contain($"saved to {folder} and {file}"));
        Assert.That(SavedModel.Load(file).Training!.Progress.Epochs, Has.Count.EqualTo(2));
        string both = _data.File("both.safetensors");
        Train([.. s_trained, "--checkpoint", both, "--save", both]).IsRefusedWith("--save and --checkpoint both name");
        Assert.That(Path.Exists(both), Is.False);
        string own = Path.Combine(folder, "best.safetensors");
        byte[] best = File.ReadAllBytes(own);
        Load(folder, "--save", own).IsRefusedWith($"--save names {own}", "would replace", "another name");
        Assert.That(File.ReadAllBytes(own), Is.EqualTo(best));
    }

    [Test]
    public void WhatCannotGoOnIsRefused()
    {
        string file = _data.File("done.safetensors"), plain = _data.File("plain.safetensors"),
            half = _data.File("stopped.safetensors");
        Train([.. s_trained, "--save", file]).Succeeds();
        SavedModel saved = SavedModel.Load(file);
        StopAfter(steps: 17, saved, "managed", half);
        using (var backend = new ManagedBackend())
        using (IExecutable network = backend.CompileInference(saved.Graph, 1))
        {
            saved.CopyTo(network);
            SavedModel.Save(plain, network, saved.Normalization);
        }
        Assert.Multiple(() =>
        {
            Load(file).IsRefusedWith("has completed 2 of its 2 epochs", "--epochs 3 or more", $"--weights {file}");
            Load(plain).IsRefusedWith("contains a model but no training", $"--weights {plain}");
            Load(file, "--epochs", "3", "--optimizer", "lars")
                .IsRefusedWith("uses sgd", "--optimizer is lars", "--weights");
            Load(file, "--epochs", "3", "--momentum", "0").IsRefusedWith("momentum_buffer");
            Load(file, "--epochs", "3", "--beta1", "0.5")
                .IsRefusedWith("--beta1 is an option of adam, adamw, nadam, lion");
            Load(file, "--epochs", "3", "--data", "digits").IsRefusedWith("255", "1×8×8");
            Load(half, "--batch", "9").IsRefusedWith("batch 5 of epoch 2", "the batch size was 8; the loader has 9");
            Load(half, "--seed", "4").IsRefusedWith("batch 5 of epoch 2", "the seed was 3; the loader has 4");
            Load(file, "--weights", file).IsRefusedWith("--resume resumes a training and --weights starts");
            CommandLine.Run("train", "--weights", file, "--model", "digits")
                .IsRefusedWith("The file of --weights contains the network");
        });
    }

    // The training of a file made anew and stopped, as a signal stops it.
    private void StopAfter(int steps, SavedModel whole, string backend, string file)
    {
        SavedTraining training = whole.Training!;
        using IBackend opened = backend == "managed" ? new ManagedBackend() : new NativeBackend();
        using IExecutable network = opened.Compile(whole.Graph, training.Spec);
        network.Initialize(new HeNormal((int)training.Spec.Seed));
        ImageData data = ImageData.Open(_data.Folder);
        var loader = new DataLoader(data.Train, training.Spec.BatchSize, training.Loader);
        var test = new DataLoader(data.Test, training.Spec.BatchSize,
            new DataLoaderOptions { Transforms = [whole.Normalization!] });
        using var stop = new CancellationTokenSource();
        var trainer = new Trainer(network, training.Options with
        {
            OnStep = step =>
            {
                if (step.Step == steps)
                    stop.Cancel();
            },
        });
        Assert.That(() => trainer.Train(loader, test, cancellation: stop.Token),
            Throws.InstanceOf<OperationCanceledException>());
        SavedModel.Save(file, network, whole.Normalization,
            training: training with { Progress = trainer.Progress });
    }

    private CommandLine Train(params string[] more)
    {
        string[] backend = more.Contains("--backend") ? [] : ["--backend", "managed"];
        return CommandLine.Run(["train", .. backend, "--data", _data.Folder, "--model", _data.Model, .. more]);
    }

    private static CommandLine Load(string file, params string[] more)
        => CommandLine.Run(["train", "--backend", "managed", "--resume", file, .. more]);
}
