using System.Text.Json;
using System.Xml.Linq;
using ConvNet.Cli;
using ConvNet.Reports;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary><c>--report</c> and <c>--markdown</c> of the verbs that have them.</summary>
public sealed class ReportTests
{
    private static readonly string[] Bench = ["bench", "--layer", "mb2ic3ih6oc4kh3n\"<b>tiny\"", "--pass", "fwd",
        "--rounds", "1", "--turn", "0.1", "--threads", "1"];

    private static XElement Page(string file) => XElement.Parse(File.ReadAllText(file)["<!DOCTYPE html >".Length..]);

    private static JsonElement DataOf(XElement page)
    {
        using var document = JsonDocument.Parse(page.Descendants()
            .Single(element => (string?)element.Attribute("id") == HtmlPage.DataId).Value);
        return document.RootElement.Clone();
    }

    private static IEnumerable<string> Texts(XElement page, string element) => page.Descendants()
        .Where(each => each.Name.LocalName == element).Select(each => each.Value);

    [Test]
    public void BenchWritesBothPagesOfWhatItMeasured()
    {
        using var folder = new TemporaryFolder();
        string html = folder.File("a.html"), markdown = folder.File("a.md");
        CommandLine run = CommandLine.Run([.. Bench, "--report", html, "--markdown", markdown, "--json"]);
        JsonElement json = run.Json();
        XElement page = Page(html);
        Assert.Multiple(() =>
        {
            Assert.That(JsonElement.DeepEquals(DataOf(page), json), Is.True, "the document of --json");
            Assert.That(Texts(page, "h1"), Is.EqualTo((string[])["Benchmark of <b>tiny"]));
            Assert.That(Texts(page, "dd"), Has.Some.Contains("--rounds 1 --turn 0.1 --threads 1 --report"));
            Assert.That(Texts(page, "td"), Has.Some.EqualTo("<b>tiny"));
            Assert.That(Texts(page, "figcaption").Count(), Is.EqualTo(2), "bars and a roofline");
            Assert.That(File.ReadAllText(markdown), Does.StartWith("# Benchmark of \\<b\\>tiny")
                .And.Contain("| \\<b\\>tiny, 1 thread | native | "));
            Assert.That(run.Error, Does.Contain($"report written to {html}")
                .And.Contain($"report written to {markdown}"));
            Assert.That(Directory.GetFiles(folder.Path), Has.Length.EqualTo(2), "no temporary file");
        });
    }

    [Test]
    public void FilesThatCannotBeWrittenAreRefusedBeforeAnythingIsMeasured()
    {
        using var folder = new TemporaryFolder();
        CommandLine.Run([.. Bench, "--report", folder.File("no/such/a.html")]).IsRefusedWith("no/such");
        CommandLine.Run([.. Bench, "--markdown", folder.Path]).IsRefusedWith("is a folder");
        CommandLine twice = CommandLine.Run([.. Bench, "--report", folder.File("a"), "--markdown", folder.File("a")]);
        twice.IsRefusedWith("--report and --markdown name the same file");
        Assert.That(twice.Error, Does.Not.Contain("fwd"), "no case was begun");
        CommandLine.Run("train", "--report", folder.File("no/such/a.html")).IsRefusedWith("no/such");
        Assert.That(Directory.GetFileSystemEntries(folder.Path), Is.Empty);
    }

    [Test]
    public void TrainDrawsItsCurvesAndWhatWasTakenForWhat()
    {
        using var data = new TinyData();
        string html = data.File("training.html");
        string[] words = ["train", "--backend", "managed", "--data", data.Folder, "--model", data.Model, "--batch", "8",
            "--epochs", "3", "--lr", "0.01", "--report", html];
        JsonElement json = CommandLine.Run([.. words, "--json"]).Json();
        XElement page = Page(html);
        XElement[] losses = [.. page.Descendants().First(element => element.Name.LocalName == "tbody").Elements()];
        Assert.Multiple(() =>
        {
            Assert.That(JsonElement.DeepEquals(DataOf(page), json), Is.True, "the document of --json");
            Assert.That(Texts(page, "strong").Take(3), Is.EqualTo((string[])["Loss", "Accuracy", "Image"]));
            Assert.That(Texts(page, "caption"),
                Is.EqualTo((string[])["Results of each epoch",
                    "Confusion matrix (rows: true class, columns: predicted class)",
                "Layers", "Values of each operation"]));
            Assert.That(Texts(page, "dd"), Has.Some.EqualTo("0.01"), "the learning rate");
            Assert.That(losses, Has.Length.EqualTo(3 * (int)Math.Ceiling(TinyData.TrainCount / 8.0)),
                "a row for every step");
            Assert.That(losses[^1].Elements().Last().Value,
                Is.EqualTo(Number.Text(json.GetProperty("epochs")[2].GetProperty("loss").GetDouble())));
        });
    }

    [Test]
    public void CompareShowsTheRecommendationTheBackendsAndTheirLayers()
    {
        using var folder = new TemporaryFolder();
        string html = folder.File("a.html"), markdown = folder.File("a.md");
        CommandLine run = CommandLine.Run("compare", "--model", "digits", "--input", "1x4x4", "--batch", "2",
            "--threads", "1", "--backends", "native,managed", "--seconds", "1",
            "--report", html, "--markdown", markdown, "--json");
        JsonElement json = run.Json();
        XElement page = Page(html);
        JsonElement data = DataOf(page);
        JsonElement[] layers = [.. data.GetProperty("profiles")[1].GetProperty("profile").GetProperty("layers")
            .EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(JsonElement.DeepEquals(data.GetProperty("comparison"), json), Is.True,
                "the document of --json");
            Assert.That(Texts(page, "p").First(),
                Is.EqualTo(json.GetProperty("recommendation").GetProperty("sentence").GetString()));
            Assert.That(Texts(page, "strong"), Has.Some.EqualTo("Training, batch 2, images/s")
                .And.Some.EqualTo("Inference of a single image, ms").And.Some.EqualTo("Layers under the roofline"));
            Assert.That(Texts(page, "h2"),
                Has.Some.EqualTo("Where the time goes: native, training with batches of 2, 1 thread")
                .And.Some.EqualTo("Where the time goes: managed, training with batches of 2, 1 thread"));
            Assert.That(layers.Select(layer => layer.GetProperty("node").GetString()), Has.Some.EqualTo("conv1")
                .And.Some.EqualTo("linear1"));
            Assert.That(File.ReadAllText(markdown), Does.StartWith("# Which backend for digits\n")
                .And.Contain("| native | 1 | right | "));
        });
    }

    [Test]
    public void ATrainingThatFailsWritesNoPage()
    {
        using var data = new TinyData();
        CommandLine run = CommandLine.Run("train", "--backend", "managed", "--data", data.Folder, "--model", data.Model,
            "--lr", "1e25", "--report", data.File("a.html"));
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Failed));
        Assert.That(Directory.GetFiles(data.Folder, "a.html*"), Is.Empty);
    }
}
