using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

public sealed class GradientCaseFileTests
{
    [Test]
    public void EveryRandomCaseComesBackAsItWas([Range(1, 40)] int seed)
    {
        var options = new GradientCheckOptions
        {
            Modes = CheckModes.Exact | CheckModes.EndToEnd,
            BatchSize = seed,
            Seed = ulong.MaxValue - (ulong)seed,
            LargestInteger = 1 + seed % 16,
            Values = (RealValues)(seed % 4),
            MostTerms = 1L << seed,
            Frozen = seed % 3 == 0 ? ["conv1.*", "weight"] : [],
        };
        ComesBack(RandomCases.Layer((ulong)seed) with { Options = options });
        ComesBack(RandomCases.Graph((ulong)seed) with { Options = options });
        ComesBack(RandomCases.Loss((ulong)seed) with { Options = options });

        static void ComesBack(GradientCase made)
            => Assert.That($"{GradientCaseFile.Read(GradientCaseFile.Write(made))}", Is.EqualTo($"{made}"));
    }

    [Test]
    public void EveryComparisonComesBack([Range(1, (int)CheckModes.All)] int numbers)
    {
        var modes = (CheckModes)numbers;
        GradientCase made = RandomCases.Layer(1) with { Options = new GradientCheckOptions { Modes = modes } };
        Assert.That(GradientCaseFile.Read(GradientCaseFile.Write(made)).Options.Modes, Is.EqualTo(modes));
    }

    [Test]
    public void AFileIsReadAgain()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "case.json");
        GradientCaseFile.Save(path, RandomCases.Layer(3));
        Assert.That($"{GradientCaseFile.Load(path)}", Is.EqualTo($"{RandomCases.Layer(3)}"));
        Assert.That(Directory.GetFiles(folder.Path), Has.Length.EqualTo(1), "and nothing else is left");
    }

    [Test]
    public void ATextCutShortAnywhereIsRefused()
    {
        foreach (GradientCase made in (GradientCase[])[RandomCases.Layer(2), RandomCases.Graph(2),
            RandomCases.Loss(2)])
        {
            string json = GradientCaseFile.Write(made);
            for (int length = 0; length < json.Length; length++)
                Assert.That(() => GradientCaseFile.Read(json[..length]), Throws.TypeOf<InvalidDataException>(),
                    $"cut to {length} characters");
        }
    }

    [TestCase("[]", "expected an object")]
    [TestCase("""{ "format": "convnet-graph", "version": 1 }""", "\"format\" is \"convnet-graph\"")]
    [TestCase("""{ "format": "convnet-gradient-case", "version": 2 }""", "version 2")]
    [TestCase("""{ "format": "convnet-gradient-case", "version": 1 }""", "\"modes\" must name at least one mode")]
    [TestCase("""{ "format": "convnet-gradient-case", "version": 1, "modes": ["roughly"] }""",
        "mode \"roughly\" is unknown; use one of exact, real")]
    public void AWrongDocumentIsNamed(string json, string words) => IsRefused(json, words);

    [TestCase("""-1, "seed": 1, "layer": { "layer": "relu" }, "inputs": [[1, 1, 1]]""", "The batch size is -1")]
    [TestCase("""1, "seed": -1, "layer": { "layer": "relu" }, "inputs": [[1, 1, 1]]""",
        "\"seed\" is -1; it must be a whole number from 0")]
    [TestCase("""1, "layer": { "layer": "relu" }, "inputs": [[1, 1, 1]]""", "\"seed\" is missing")]
    [TestCase("""1, "seed": 1, "largestInteger": 17, "layer": { "layer": "relu" }, "inputs": [[1, 1, 1]]""",
        "largest integer is 17")]
    [TestCase("""1, "seed": 1, "values": "odd", "layer": { "layer": "relu" }, "inputs": [[1, 1, 1]]""",
        "\"values\" is \"odd\"; it must be one of uniform, normal")]
    [TestCase("""1, "seed": 1""", "\"graph\", \"layer\" or \"loss\" is missing")]
    [TestCase("""1, "seed": 1, "loss": { "loss": "svn" }, "classes": 3""",
        "loss \"svn\" is unknown; use one of softmax, ")]
    [TestCase("""1, "seed": 1, "loss": { "loss": "svm" }""", "\"classes\" is missing")]
    [TestCase("""1, "seed": 1, "loss": { "loss": "svm", "slope": 1 }, "classes": 3""", "\"slope\" is unknown")]
    [TestCase("""1, "seed": 1, "loss": { "loss": "svm" }, "classes": 0""", "\"classes\" is 0; it must be at least 1")]
    [TestCase("""1, "seed": 1, "loss": { "loss": "svm" }, "classes": 1073741824""", "is too large for a check")]
    [TestCase("""1, "seed": 1, "layer": "relu", "inputs": [[1, 1, 1]]""", "expected an object")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "cnov" }, "inputs": [[1, 1, 1]]""",
        "layer \"cnov\" is unknown; use one of conv, ")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "relu", "slope": 1 }, "inputs": [[1, 1, 1]]""",
        "\"slope\" is unknown")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "relu" }""", "relu needs exactly one input, but has 0")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "relu" }, "inputs": [[1, 1]]""",
        "\"inputs\" must list the channels")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "relu" }, "inputs": [[1, 0, 1]]""",
        "\"inputs\" must list the channels")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "relu" }, "inputs": [[1, 1e99, 1]]""",
        "\"inputs\" must list the channels")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "relu" }, "inputs": [[65536, 65536, 1]]""", "too large")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "conv", "outChannels": 1, "kernelSize": 5 }, "inputs": [[1,3,3]]""",
        "does not fit a 3-high input")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "relu" }, "inputs": [[1, 1, 1]], "graph": 7""",
        "expected an object")]
    [TestCase("""1, "seed": 1, "graph": { "format": "convnet-graph", "version": 1, "input": [1, 1, 1], "nodes": [] }""",
        "case.json, graph: \"nodes\" contains no layer")]
    [TestCase("""1, "seed": 1, "backend": "native", "layer": { "layer": "relu" }, "inputs": [[1, 1, 1]]""",
        "\"backend\" is unknown")]
    [TestCase("""2147483647, "seed": 1, "layer": { "layer": "relu" }, "inputs": [[1, 1, 1]]""",
        "a tensor of 2,147,483,648 values is too large")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "linear", "outFeatures": 65536 }, "inputs": [[65536, 1, 1]]""",
        "too large")]
    [TestCase("""1, "seed": 1, "layer": { "layer": "linear", "outFeatures": 32768 }, "inputs": [[32768, 1, 1]]""",
        "a tensor of 1,073,741,824 values is too large")]
    public void AWrongCaseIsNamed(string rest, string words)
        => IsRefused($$"""{ "format": "convnet-gradient-case", "version": 1, "modes": ["exact"], "batch": {{rest}} }""",
            words);

    [Test]
    public void ALayerOfOnesOwnHasNoFormAndIsNamed()
    {
        var made = new LayerGradientCase(new Contract.ScaledSquare(), [new Shape(1, 1, 1)], new GradientCheckOptions());
        Assert.That(() => GradientCaseFile.Write(made), Throws.TypeOf<NotSupportedException>()
            .With.Message.Contains("ScaledSquare"));
    }

    private static void IsRefused(string json, string words)
        => Assert.That(() => GradientCaseFile.Read(json, "case.json"), Throws.TypeOf<InvalidDataException>()
            .With.Message.StartsWith("case.json").And.Message.Contains(words));
}
