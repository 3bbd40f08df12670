using System.Text.Json;
using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>The options of <c>train</c> that control its loop, and recipes.</summary>
public sealed class TrainControlTests
{
    private TinyData _data = null!;

    [SetUp]
    public void WriteData() => _data = new TinyData();

    [TearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public void ImagesForValidationAreTestedAfterEveryEpochAndStayTheSame()
    {
        string file = _data.File("model.safetensors");
        JsonElement json = Train("--validation-share", "0.2", "--epochs", "2", "--seed", "3", "--save", file, "--json")
            .Json();
        JsonElement epoch = json.GetProperty("epochs")[1];
        Assert.Multiple(() =>
        {
            Assert.That(epoch.GetProperty("testAccuracy").ValueKind, Is.EqualTo(JsonValueKind.Null));
            Assert.That(json.GetProperty("validationAccuracy").GetDouble(),
                Is.EqualTo(epoch.GetProperty("validationAccuracy").GetDouble()));
            // 18 images are for validation, and 31 for the test.
            Assert.That(18 * json.GetProperty("validationAccuracy").GetDouble() % 1, Is.Zero.Within(1e-9));
            Assert.That(31 * json.GetProperty("testAccuracy").GetDouble() % 1, Is.Zero.Within(1e-9).Or.EqualTo(1)
                .Within(1e-9));
            Assert.That(json.GetProperty("bestEpoch").GetInt32(), Is.InRange(1, 2));
            Assert.That(json.GetProperty("stopped").ValueKind, Is.EqualTo(JsonValueKind.Null));
        });
        CommandLine resumed = CommandLine.Run("train", "--backend", "managed", "--resume", file, "--epochs", "3",
            "--seed", "9", "--save", file);
        resumed.Succeeds();
        Assert.That(resumed.Output, Does.Contain("72 images of 1×6×6 to train, 18 to validate, 31 to test")
            .And.Contain("validation accuracy"));
        Assert.That(SavedModel.Load(file).Training!.Validation, Is.EqualTo(new DataSplit(0.2, 3)));
    }

    [Test]
    public void ATrainingStopsWithPatienceAndSoDoesTheResumedOne()
    {
        string runs = _data.File("runs");
        string[] words = ["--epochs", "30", "--lr", "1e-30", "--patience", "2", "--checkpoint", runs];
        JsonElement json = Train([.. words, "--json"]).Json();
        Assert.That(json.GetProperty("epochs").GetArrayLength(), Is.EqualTo(3));
        Assert.That(json.GetProperty("stopped").GetString(), Is.EqualTo("the accuracy has not risen for 2 epochs"));
        CommandLine resumed = CommandLine.Run("train", "--backend", "managed", "--resume", runs);
        resumed.Succeeds();
        Assert.That(resumed.Output, Does.Contain("stopped: the accuracy has not risen for 2 epochs")
            .And.Not.Contain("epoch 4/30"), "--patience is in the recipe of the file");
        Train("--min-delta", "0.1").IsRefusedWith("--min-delta is an option of --patience");
        Train("--max-time", "5epochs").IsRefusedWith("--max-time", "10min");
    }

    [Test]
    public void GradientsAreClippedAndAccumulatedAndAResumedTrainingDoesTheSame()
    {
        string whole = _data.File("whole.safetensors"), half = _data.File("half.safetensors");
        string[] words = ["--batch", "8", "--lr", "0.01", "--clip-norm", "0.5", "--clip-value", "0.1", "--accumulate",
            "3", "--schedule", "constant"];
        Train([.. words, "--epochs", "2", "--save", whole]).Succeeds();
        Train([.. words, "--epochs", "1", "--save", half]).Succeeds();
        CommandLine.Run("train", "--backend", "managed", "--resume", half, "--epochs", "2", "--save", half).Succeeds();
        Assert.That(File.ReadAllBytes(half), Is.EqualTo(File.ReadAllBytes(whole)));
        Assert.That(SavedModel.Load(half).Training!.Options is
        { ClipNorm: 0.5f, ClipValue: 0.1f, AccumulateBatches: 3 });
    }

    [Test]
    public void TheLogIsContinuedByAResumedTraining()
    {
        string log = _data.File("log"), runs = _data.File("runs");
        string[] words = ["--batch", "8", "--log", log, "--log-norms", "4", "--checkpoint", runs, "--resume"];
        Train([.. words, "--epochs", "1"]).Succeeds();
        Train([.. words, "--epochs", "2"]).Succeeds();
        JsonElement[] lines = [.. File.ReadAllLines(Path.Combine(log, "log.jsonl")).Select(line =>
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.Clone();
        })];
        string[] kinds = [.. lines.Select(line => line.GetProperty("kind").GetString()!)];
        Assert.That(kinds.GroupBy(kind => kind).Select(group => (group.Key, group.Count())), Is.EquivalentTo(
            ((string, int)[])[("start", 2), ("step", 24), ("norms", 6), ("epoch", 2), ("pictures", 3),
                ("end", 1)]));
        Assert.That(lines.First(line => line.GetProperty("kind").GetString() == "norms").GetProperty("parameters")
            .GetProperty("conv1.weight").GetProperty("gradient").GetDouble(), Is.Positive);
        Assert.That(File.ReadAllLines(Path.Combine(log, "epochs.csv")), Has.Length.EqualTo(3));
        Train("--log", log).IsRefusedWith(log, "contains the log of a training");
        string records = Path.Combine(log, "log.jsonl");
        Train("--log", log, "--save", records)
            .IsRefusedWith($"{records} is a file of --log and of another option");
        Train("--log-norms", "4").IsRefusedWith("--log-norms is an option of --log");
    }

    [Test]
    public void FurtherViewsOfTheTestImagesAreAveraged()
    {
        string file = _data.File("views.safetensors");
        JsonElement trained = Train("--epochs", "1", "--average", "ema", "--tta", "flip", "--tta",
            "randomcrop:padding=1", "--save", file, "--json").Json();
        foreach ((string name, string[] averaged) in (IEnumerable<(string, string[])>)[
            ("viewedTestAccuracy", []), ("averagedViewedTestAccuracy", ["--averaged"])])
        {
            JsonElement evaluated = CommandLine.Run(["eval", "--backend", "managed", "--data", _data.Folder, "--load",
                file, "--tta", "randomhorizontalflip:probability=1", "--tta", "randomcrop:padding=1", "--json",
                .. averaged]).Json();
            Assert.That(evaluated.GetProperty("views").GetInt32(), Is.EqualTo(3));
            Assert.That(evaluated.GetProperty("testAccuracy").GetDouble(),
                Is.EqualTo(trained.GetProperty(name).GetDouble()), name);
        }
        CommandLine wrong = CommandLine.Run("eval", "--load", file, "--tta", "mirror");
        Assert.That((wrong.ExitCode, wrong.Error.Contains("--tta mirror", StringComparison.Ordinal)),
            Is.EqualTo((2, true)), wrong.Error);
    }

    [Test]
    public void TheTestLossEndsATraining()
    {
        JsonElement json = Train("--epochs", "9", "--patience", "2", "--stop-metric", "testloss", "--min-delta", "99",
            "--json").Json();
        Assert.That(json.GetProperty("epochs").GetArrayLength(), Is.EqualTo(3), "the first epoch is the best");
        Assert.That(json.GetProperty("stopped").GetString(), Is.EqualTo("the test loss has not fallen for 2 epochs"));
        Assert.That(json.GetProperty("epochs")[2].GetProperty("testLoss").GetDouble(),
            Is.EqualTo(json.GetProperty("metrics").GetProperty("crossEntropy").GetDouble()));
    }

    [Test]
    public void TheMetricsOfTheClassesFitTheConfusionMatrix()
    {
        string file = _data.File("model.safetensors");
        CommandLine run = Train("--epochs", "1", "--lr", "0.001", "--save", file, "--json");
        JsonElement trained = run.Json().GetProperty("metrics");
        JsonElement evaluated = CommandLine.Run("eval", "--backend", "managed", "--data", _data.Folder, "--load", file,
            "--json").Json().GetProperty("metrics");
        Assert.That(evaluated.GetRawText(), Is.EqualTo(trained.GetRawText()));
        Assert.That(CommandLine.NamesOf(trained), Is.EqualTo("top5Accuracy, macroF1, meanIoU, crossEntropy, "
            + "perClass, confusion"));
        Assert.That(CommandLine.NamesOf(trained.GetProperty("perClass")[0]),
            Is.EqualTo("name, count, precision, recall, f1, iou, crossEntropy"));
        double[][] confusion = [.. trained.GetProperty("confusion").EnumerateArray()
            .Select(row => row.EnumerateArray().Select(count => count.GetDouble()).ToArray())];
        foreach ((int of, JsonElement each) in trained.GetProperty("perClass").EnumerateArray().Index())
        {
            double correct = confusion[of][of], count = confusion[of].Sum(), predicted = confusion.Sum(row => row[of]);
            Assert.That(each.GetProperty("count").GetDouble(), Is.EqualTo(count));
            Assert.That(each.GetProperty("recall").GetDouble(), Is.EqualTo(correct / count));
            Assert.That(each.GetProperty("precision").GetDouble(),
                Is.EqualTo(predicted == 0 ? 0 : correct / predicted));
            Assert.That(each.GetProperty("f1").GetDouble(), Is.EqualTo(2 * correct / (count + predicted)));
        }
        Assert.That(trained.GetProperty("top5Accuracy").GetDouble(), Is.EqualTo(1), "of three classes");
        Assert.That(run.Error, Does.Contain("precision").And.Contain("IoU"));
    }

    [Test]
    public void TheRangeTestSetsTheRateAndLeavesNoOtherTrace()
    {
        string found = _data.File("found.safetensors"), given = _data.File("given.safetensors"),
            page = _data.File("page.md");
        JsonElement json = Train("--lr-find", "--epochs", "2", "--batch", "8", "--save", found, "--markdown", page,
            "--json").Json();
        float rate = json.GetProperty("learningRateTest").GetProperty("suggestion").GetSingle();
        Assert.That(rate, Is.InRange(1e-4f, 1f));
        Assert.That(json.GetProperty("learningRate").GetSingle(), Is.EqualTo(rate));
        Assert.That(CommandLine.NamesOf(json.GetProperty("learningRateTest").GetProperty("points")[0]),
            Is.EqualTo("learningRate, loss, smoothed"));
        Assert.That(File.ReadAllText(page), Does.Contain("Learning-rate range test"));
        Train("--lr", rate.ToString("R", System.Globalization.CultureInfo.InvariantCulture), "--epochs", "2",
            "--batch", "8", "--save", given).Succeeds();
        Assert.That(Tensors(found), Is.EqualTo(Tensors(given)));
        CommandLine.Run("train", "--backend", "managed", "--resume", found, "--epochs", "3", "--lr-find")
            .IsRefusedWith("--lr-find is for a training that has not begun");

        static float[] Tensors(string file) => [.. SafeTensors.Read(file).Tensors.SelectMany(each => each.Values)];
    }

    [Test]
    public void ATrialTrainsOneBatchAndSavesNothing()
    {
        string file = _data.File("model.safetensors"), runs = _data.File("runs");
        CommandLine run = Train("--fast-dev-run", "--batch", "8", "--epochs", "100", "--save", file, "--checkpoint",
            runs);
        run.Succeeds();
        Assert.That(run.Output, Does.Contain("8 images of 1×6×6 to train, 8 to test").And.Contain("epoch 1/1")
            .And.Contain("a trial of one batch: nothing is saved"));
        Assert.That(File.Exists(file) || Directory.Exists(runs), Is.False);
    }

    [Test]
    public void AFewBatchesAreLearntByHeart()
    {
        JsonElement json = Train("--overfit-batches", "2", "--batch", "8", "--epochs", "40", "--lr", "0.02", "--json")
            .Json();
        Assert.That(json.GetProperty("testAccuracy").GetDouble(), Is.EqualTo(1));
        Assert.That(Train("--overfit-batches", "2", "--batch", "8", "--epochs", "1").Output,
            Does.Contain("16 images of 1×6×6 to train, 16 to test"));
    }

    [Test]
    public void ARecipeRepeatsATrainingAndTheCommandTakesPrecedence()
    {
        string first = _data.File("first.safetensors"), second = _data.File("second.safetensors"),
            recipe = _data.File("recipe.json");
        JsonElement json = Train("--epochs", "2", "--batch", "8", "--flip", "--freeze", "conv*.bias", "linear1.bias",
            "--optimizer", "adam", "--beta1", "0.8", "--save", first, "--json").Json();
        File.WriteAllText(recipe, json.GetProperty("recipe").GetRawText());
        CommandLine.Run("train", "--recipe", recipe, "--save", second).Succeeds();
        Assert.That(File.ReadAllBytes(second), Is.EqualTo(File.ReadAllBytes(first)));
        using var stored = JsonDocument.Parse(SavedModel.Load(first).Training!.Recipe!);
        Assert.That(CommandLine.NamesOf(stored.RootElement), Is.EqualTo(CommandLine.NamesOf(json.GetProperty("recipe")))
            .And.Contains("format, version").And.Contains("flip").And.Not.Contains("save"));
        CommandLine changed = CommandLine.Run("train", "--recipe", recipe, "--epochs", "1", "--json");
        Assert.That(changed.Json().GetProperty("epochs").GetArrayLength(), Is.EqualTo(1));
        Assert.That(changed.Json().GetProperty("recipe").GetProperty("epochs").GetString(), Is.EqualTo("1"));
    }

    [TestCase("""{ "format": "convnet-recipe", "version": 1, "epoch": 3 }""", "\"epoch\" is no option", "--epochs")]
    [TestCase("""{ "format": "convnet-recipe", "version": 1, "epochs": 0 }""", "recipe", "--epochs is \"0\"")]
    [TestCase("""{ "format": "convnet-recipe", "version": 1, "flip": 1 }""", "\"flip\" is 1", "true or false")]
    [TestCase("""{ "format": "convnet-recipe", "version": 1, "epochs": {} }""", "\"epochs\" is {}", "a number")]
    [TestCase("""{ "format": "convnet-recipe", "version": 1, "save": "x" }""", "not part of a recipe", "--save")]
    [TestCase("""{ "format": "convnet-graph", "version": 1 }""", "convnet-recipe", "recipe.json")]
    [TestCase("[", "recipe.json", "JSON")]
    public void AWrongRecipeIsRefused(string text, params string[] words)
    {
        string recipe = _data.File("recipe.json");
        File.WriteAllText(recipe, text);
        Train("--recipe", recipe).IsRefusedWith(words);
    }

    private CommandLine Train(params string[] more) => CommandLine.Run(["train", "--backend", "managed", "--data",
        _data.Folder, "--model", _data.Model, .. more]);
}
