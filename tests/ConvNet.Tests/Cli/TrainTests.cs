using System.Text.Json;
using System.Text.Json.Nodes;
using ConvNet.Cli;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

public sealed class TrainTests
{
    private TinyData _data = null!;

    [OneTimeSetUp]
    public void WriteData() => _data = new TinyData();

    [OneTimeTearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public void TheSummaryComesFirstAndTheConfusionMatrixLast()
    {
        CommandLine run = Train("--epochs", "2");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
        int place = -1;
        foreach (string part in (string[])["receptive field", "epoch 1/2", "epoch 2/2", "true \\ predicted",
            "test accuracy 100.00% (31 of 31)"])
        {
            int next = run.Output.IndexOf(part, StringComparison.Ordinal);
            Assert.That(next, Is.GreaterThan(place), part);
            place = next;
        }
    }

    [Test]
    public void JsonIsOneDocumentWithTheseFieldsAndAllElseGoesToStandardError()
    {
        CommandLine run = Train("--epochs", "2", "--seed", "7", "--threads", "1", "--json");
        JsonElement json = run.Json();
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json),
                Is.EqualTo("model, data, skippedImages, backend, candidates, selfTest, precision, threads, ranks, "
                + "allReduce, seed, augment, mixing, sampler, parameters, frozen, epochs, learningRate, "
                + "learningRateTest, bestEpoch, stopped, recipe, "
                + "validationAccuracy, testAccuracy, averagedTestAccuracy, viewedTestAccuracy, "
                + "averagedViewedTestAccuracy, metrics, notFinite"));
            Assert.That(json.GetProperty("model").GetString(), Is.EqualTo(_data.Model));
            Assert.That(json.GetProperty("data").GetString(), Is.EqualTo(_data.Folder));
            Assert.That(json.GetProperty("backend").GetString(), Is.EqualTo("managed"));
            Assert.That(json.GetProperty("threads").GetInt32(), Is.EqualTo(1));
            Assert.That(json.GetProperty("seed").GetInt32(), Is.EqualTo(7));
            Assert.That(json.GetProperty("parameters").GetInt32(), Is.EqualTo(4 * 9 + 4 + 3 * 36 + 3));
            Assert.That(json.GetProperty("epochs").GetArrayLength(), Is.EqualTo(2));
            Assert.That(CommandLine.NamesOf(json.GetProperty("epochs")[1]),
                Is.EqualTo("loss, trainAccuracy, testAccuracy, validationAccuracy, testLoss, seconds, imagesPerSecond, "
                    + "stalls, stallSeconds"));
            Assert.That(json.GetProperty("testAccuracy").GetDouble(), Is.EqualTo(1.0));
            Assert.That(run.Error, Does.Contain("receptive field").And.Contain("epoch 2/2")
                .And.Contain("true \\ predicted"));
        });
    }

    [Test]
    public void AutoTakesABackendAndSaysWhich()
    {
        CommandLine run = Train("--epochs", "1", "--backend", "auto", "--json");
        JsonElement json = run.Json();
        JsonElement[] candidates = [.. json.GetProperty("candidates").EnumerateArray()];
        Assert.That(candidates[^1].GetProperty("isTaken").GetBoolean(), Is.True);
        Assert.That(json.GetProperty("backend").GetString(),
            Is.EqualTo(candidates[^1].GetProperty("name").GetString()));
        Assert.That(run.Error, Does.Contain($"auto: selected {json.GetProperty("backend").GetString()}: passed its "
            + "self-test"));
    }

    [Test]
    public void TheSameSeedGivesTheSameDocumentButForTheTimes()
    {
        string first = WithoutTimes("3"), second = WithoutTimes("3"), other = WithoutTimes("4");
        Assert.That(second, Is.EqualTo(first));
        Assert.That(other, Is.Not.EqualTo(first));

        string WithoutTimes(string seed)
        {
            JsonNode json = JsonNode.Parse(Train("--seed", seed, "--epochs", "2", "--json").Output)!;
            foreach (JsonNode? epoch in json["epochs"]!.AsArray())
            {
                foreach (string time in (string[])["seconds", "imagesPerSecond", "stalls", "stallSeconds"])
                    Assert.That(epoch!.AsObject().Remove(time), Is.True);
            }
            foreach (string time in (string[])["milliseconds", "finding"])
                Assert.That(json["selfTest"]!.AsObject().Remove(time), Is.True);
            return json.ToJsonString();
        }
    }

    [Test]
    public void ASavedModelGivesTheSameTestAccuracyAgain([Values("softmax", "svm")] string loss)
    {
        string file = _data.File($"{loss}.safetensors");
        double trained = Train("--epochs", "1", "--loss", loss, "--lr", "0.002", "--save", file, "--json").Json()
            .GetProperty("testAccuracy").GetDouble();
        JsonElement evaluated = CommandLine.Run("eval", "--load", file, "--data", _data.Folder, "--backend", "managed",
            "--json").Json();
        Assert.That(evaluated.GetProperty("testAccuracy").GetDouble(), Is.EqualTo(trained));
        Assert.That(trained, Is.LessThan(1), "a model that is not done yet tells more");
        CommandLine people = CommandLine.Run("eval", "--load", file, "--data", _data.Folder, "--backend", "managed");
        Assert.That(people.Output, Does.Contain("true \\ predicted").And.Contain($"test accuracy {trained:0.00%}"));
    }

    [Test]
    public void TheDefaultsLearnTheDigits()
    {
        JsonElement json = CommandLine.Run("train", "--threads", "1", "--json").Json();
        Assert.That(json.GetProperty("backend").GetString(), Is.EqualTo("native"));
        Assert.That(json.GetProperty("testAccuracy").GetDouble(), Is.GreaterThanOrEqualTo(0.975));
    }

    private static IEnumerable<string> Optimizers => OptimizerSet.BuiltIn.Declarations.Select(each => each.Kind);

    [Test]
    public void EveryOptimizerLearns([ValueSource(nameof(Optimizers))] string optimizer)
    {
        JsonElement epochs = Train("--optimizer", optimizer, "--epochs", "10", "--json").Json().GetProperty("epochs");
        double Loss(int epoch) => epochs[epoch].GetProperty("loss").GetDouble();
        Assert.That(Loss(9), Is.LessThan(0.7 * Loss(0)));
    }

    [Test]
    public void EveryBackendLearnsTheSame([Values("native:scalar", "native", "torchsharp")] string backend)
    {
        JsonElement expected = Train("--json").Json(), got = Train("--backend", backend, "--json").Json();
        Assert.That(got.GetProperty("backend").GetString(), Is.EqualTo(backend));
        Assert.That(LossOfFirstEpoch(got), Is.EqualTo(LossOfFirstEpoch(expected)).Within(2).Percent);
        Assert.That(got.GetProperty("testAccuracy").GetDouble(), Is.EqualTo(1));

        static double LossOfFirstEpoch(JsonElement json) => json.GetProperty("epochs")[0].GetProperty("loss")
            .GetDouble();
    }

    [Test]
    public void ASavedModelIsTheSameOnEveryBackend([Values("native", "torchsharp")] string backend)
    {
        string file = _data.File($"for-{backend}.safetensors");
        double trained = Train("--epochs", "1", "--lr", "0.002", "--save", file, "--json").Json()
            .GetProperty("testAccuracy").GetDouble();
        JsonElement evaluated = CommandLine.Run("eval", "--load", file, "--data", _data.Folder, "--backend", backend,
            "--json").Json();
        Assert.That(evaluated.GetProperty("testAccuracy").GetDouble(), Is.EqualTo(trained));
    }

    [Test]
    public void ATrainingThatExplodesIsExitCode1AndSavesNothing()
    {
        string file = _data.File("exploded.safetensors");
        CommandLine run = Train("--lr", "1e25", "--save", file, "--json");
        Assert.Multiple(() =>
        {
            Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Failed));
            Assert.That(run.Error, Does.Contain("convnet: The loss is").And.Contain("at step")
                .And.Contain("learning rate").And.Not.Contain("   at "));
            Assert.That(run.Output, Is.Empty);
            Assert.That(File.Exists(file), Is.False);
        });
    }

    [Test]
    public void ATrainingThatIsInterruptedBeforeItsFirstStepSavesNothing()
    {
        string file = _data.File("interrupted.safetensors");
        CommandLine run = CommandLine.Run(new CancellationToken(canceled: true),
            "train", "--backend", "managed", "--data", _data.Folder, "--model", _data.Model, "--save", file);
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Interrupted));
        Assert.That(run.Error, Does.Contain("interrupted"));
        Assert.That(Directory.GetFiles(_data.Folder, "interrupted*"), Is.Empty);
    }

    [Test]
    public void DataThatTheModelIsNotForIsRefused()
    {
        CommandLine.Run("train", "--backend", "managed", "--model", _data.Model)
            .IsRefusedWith("tiny.json", "1×6×6", "1×8×8");
        string file = _data.File("other.safetensors");
        Assert.That(Train("--epochs", "1", "--save", file).ExitCode, Is.EqualTo(ExitCode.Ok));
        CommandLine.Run("eval", "--backend", "managed", "--load", file).IsRefusedWith("255", "1×8×8");
    }

    [Test]
    public void FrozenParametersStayAlsoWhenTheTrainingGoesOn()
    {
        string first = _data.File("first.safetensors"), tuned = _data.File("tuned.safetensors"),
            longer = _data.File("longer.safetensors");
        Train("--epochs", "1", "--save", first).Succeeds();
        JsonElement json = CommandLine.Run("train", "--backend", "managed", "--data", _data.Folder, "--weights", first,
            "--freeze", "conv?.*", "linear1.bias", "--epochs", "1", "--save", tuned, "--json").Json();
        string[] frozen = ["conv1.weight", "conv1.bias", "linear1.bias"];
        Assert.That(json.GetProperty("frozen").EnumerateArray().Select(name => name.GetString()), Is.EqualTo(frozen));
        CommandLine goesOn = CommandLine.Run("train", "--backend", "managed", "--data", _data.Folder, "--load", tuned,
            "--epochs", "2", "--save", longer);
        goesOn.Succeeds();
        Assert.That(goesOn.Output, Does.Contain("frozen: conv1.weight, conv1.bias, linear1.bias"));
        foreach (NamedTensor before in SafeTensors.Read(first).Tensors.Where(t => !t.Name.Contains('/')))
        {
            foreach (string file in (string[])[tuned, longer])
            {
                float[] after = SafeTensors.Read(file).Tensors.Single(t => t.Name == before.Name).Values;
                Assert.That(after, frozen.Contains(before.Name) ? Is.EqualTo(before.Values)
                    : Is.Not.EqualTo(before.Values), before.Name);
            }
        }
    }

    [Test]
    public void PatternsThatFreezeNothingOrEverythingAreRefused()
    {
        Train("--freeze", "conv2.*").IsRefusedWith("No trainable parameter of the graph is called \"conv2.*\"",
            "there are conv1.weight, conv1.bias, linear1.weight, linear1.bias.");
        Train("--freeze", "conv1.wieght").IsRefusedWith("Did you mean \"conv1.weight\"?");
        Train("--freeze", "conv1.*", "linear1.*").IsRefusedWith("--freeze names every parameter of the network");
    }

    private CommandLine Train(params string[] more)
    {
        string[] backend = more.Contains("--backend") ? [] : ["--backend", "managed"];
        return CommandLine.Run(
            ["train", .. backend, "--data", _data.Folder, "--model", _data.Model, "--batch", "8", .. more]);
    }
}
