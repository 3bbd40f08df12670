using System.Text.Json;
using ConvNet.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary><c>convnet show</c>.</summary>
public sealed class ShowTests
{
    private readonly TemporaryFolder _folder = new();
    private string _model = "";

    [OneTimeSetUp]
    public void Train()
    {
        _model = _folder.File("digits.safetensors");
        CommandLine.Run("train", "--backend", "managed", "--epochs", "1", "--average", "ema", "--save", _model)
            .Succeeds();
    }

    [OneTimeTearDown]
    public void Delete() => _folder.Dispose();

    [Test]
    public void ATestImageIsShownAlikeByEveryBackend([Values("managed", "native", "torchsharp")] string backend)
    {
        JsonElement json = Show("--data", "digits", "--sample", "7", "--backend", backend, "--json").Json();
        JsonElement field = json.GetProperty("receptiveField"), first = json.GetProperty("classes")[0];
        JsonElement[] operations = [.. json.GetProperty("operations").EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json), Is.EqualTo("model, image, trueClass, backend, shape, classes, "
                + "operations, receptiveField, occlusion"));
            Assert.That(CommandLine.NamesOf(first), Is.EqualTo("class, name, probability"));
            Assert.That(CommandLine.NamesOf(operations[0]), Is.EqualTo("name, shape, smallest, mean, largest, above0, "
                + "deadMaps, afterShift"));
            Assert.That(CommandLine.NamesOf(field), Is.EqualTo("node, y, x, top, left, bottom, right"));
            Assert.That(CommandLine.NamesOf(json.GetProperty("occlusion")), Is.EqualTo("class, patch, stride, "
                + "largestDrop, largestRise"));
            Assert.That(json.GetProperty("classes").GetArrayLength(), Is.EqualTo(5));
            Assert.That(first.GetProperty("class").GetInt32(), Is.EqualTo(json.GetProperty("trueClass").GetInt32()));
            Assert.That(operations[^1].GetProperty("largest").GetDouble(), Is.EqualTo(Reference()).Within(1e-3));
        });
    }

    [Test]
    public void ThePageAndThePicturesAreWritten()
    {
        string page = _folder.File("page.html"), pictures = _folder.File("pictures");
        Show("--sample", "3", "--report", page, "--pictures", pictures).Succeeds();
        string html = File.ReadAllText(page);
        byte[][] files = [.. Directory.EnumerateFiles(pictures).Order().Select(File.ReadAllBytes)];
        Assert.Multiple(() =>
        {
            Assert.That(files, Has.Length.GreaterThan(10));
            foreach (byte[] png in files)
                Assert.That(html, Does.Contain(Convert.ToBase64String(png)));
        });
    }

    [Test]
    public void AnImageFileIsReadAsTheTestImagesAre()
    {
        string file = _folder.File("seven.png");
        PixelSet images = ImageData.Open("digits").Test;
        byte[] pixels = [.. images.Pixels.Span[..64].ToArray().Select(value => (byte)(value * 255 / 16))];
        File.WriteAllBytes(file, ImageFile.ToPng(pixels, new Shape(1, 8, 8)));
        JsonElement ofFile = Show("--image", file, "--averaged", "--json").Json(),
            ofData = Show("--sample", "0", "--averaged", "--json").Json();
        Assert.Multiple(() =>
        {
            Assert.That(ofFile.GetProperty("trueClass").ValueKind, Is.EqualTo(JsonValueKind.Null));
            Assert.That(ofFile.GetProperty("image").GetString(), Is.EqualTo("seven.png"));
            Assert.That(Largest(ofFile), Is.EqualTo(Largest(ofData)).Within(0.1), "pixels are rounded to 1/255");
        });
    }

    [Test]
    public void WrongRequestsAreRefused()
    {
        Refused("--sample", "100000").IsRefusedWith("--sample", "100000", "358");
        Refused("--image", "x.png", "--sample", "1").IsRefusedWith("--image", "--sample");
        Refused("--unit", "conv1").IsRefusedWith("--unit", "conv1:0,0");
        Refused("--unit", "cnv1:0,0").IsRefusedWith("cnv1", "Did you mean");
        Refused("--unit", "conv1:8,0").IsRefusedWith("row 8", "8×8");
        Refused("--class", "10").IsRefusedWith("10", "0 to 9");
        Refused("--patch", "9").IsRefusedWith("9×9", "8×8");
        Refused("--shift", "8").IsRefusedWith("8");
        Assert.That(File.Exists(_folder.File("refused.html")), Is.False);

        CommandLine Refused(params string[] more) => Show([.. more, "--report", _folder.File("refused.html")]);
    }

    private static double Largest(JsonElement json)
        => json.GetProperty("operations").EnumerateArray().Last().GetProperty("largest").GetDouble();

    private double Reference() => Largest(Show("--sample", "7", "--backend", "managed", "--json").Json());

    private CommandLine Show(params string[] more) => CommandLine.Run(["show", "--load", _model,
        .. more.Contains("--report") ? (string[])[] : ["--report", _folder.File("show.html")], .. more]);
}
