using System.Buffers.Binary;
using System.Text;
using ConvNet.Cli.Gradcheck;
using ConvNet.GradientChecking;
using ConvNet.Measurement;
using ConvNet.Models;
using ConvNet.Serialization;
using NUnit.Framework;
using NUnit.Framework.Constraints;

namespace ConvNet.Tests.Serialization;

/// <summary>
/// What every reader does with bytes that nobody meant: it gives a result, or the one kind of exception that it
/// documents.
/// </summary>
public sealed class HostileInputTests
{
    private const int Inputs = 20_000;
    private const string Name = "input.bin";

    private static readonly byte[] Graph = Encoding.UTF8.GetBytes(GraphJson.Write(BuiltInModels.Create("lenet5")));

    // Half a surrogate pair as an escape, and bytes that are no UTF-8.
    private static readonly string[] NoText =
        ["\\ud800", "\\udc00x", "\\ud800\\ud800", "\u00FF", "\u00C0\u0080", "\u00ED\u00A0\u0080"];

    // tests/readers.sh tries millions.
    [TestCaseSource(typeof(HostileReader), nameof(HostileReader.All))]
    public void ChangedInputsGiveAResultOrTheOneExceptionThatIsDocumented(HostileReader reader)
    {
        reader.Read(reader.Good);
        var random = new Random(1);
        int inputs = reader.IsSlow ? Inputs / 10 : Inputs, refused = 0;
        for (int i = 0; i < inputs; i++)
        {
            HostileOutcome outcome = reader.Try(HostileBytes.Change(reader.Good, random));
            refused += outcome.IsRefused ? 1 : 0;
            Assert.That(outcome.Failure, Is.Null, $"input {i}");
        }
        Assert.That(refused, Is.GreaterThan(inputs / 20));
    }

    [TestCaseSource(nameof(NoText))]
    public void WhatIsNoTextIsRefusedWithItsPlace(string noText)
    {
        byte[] bad = [.. noText.Select(letter => (byte)letter)];
        Assert.Multiple(() =>
        {
            foreach (string spot in (string[])["NAME", "lenet", "relu", "kernelSize", "\"conv\"", "convnet-graph",
                "nodes"])
            {
                string json = GraphOf("""
                    { "name": "NAME", "layer": "relu" },
                    { "name": "lenet", "layer": "conv", "outChannels": 1, "kernelSize": 1 }
                    """);
                Assert.That(() => GraphJson.Read(With(json, spot, bad), Name), Refused(), $"graph, {spot}");
                string made = $$"""
                    { "format": "convnet-gradient-case", "version": 1, "modes": ["exact"], "batch": 1, "seed": 7,
                      "graph": {{json}} }
                    """;
                Assert.That(() => GradientCaseFile.Read(With(made, spot, bad), Name), Refused(), $"case, {spot}");
            }
            foreach (string spot in (string[])["NAME", "F32", "shape", "KEY", "TEXT", "__metadata__"])
            {
                string json = """
                    {"__metadata__":{"KEY":"TEXT"},"NAME":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}
                    """;
                byte[] header = With(json, spot, bad), file = [.. new byte[8], .. header, .. new byte[4]];
                BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
                Assert.That(
                    () => SafeTensors.ReadHeader(new MemoryStream(file), Name), Refused(), $"safetensors, {spot}");
            }
            string nested = JsonOf(GraphOf("""{ "layer": "relu", "name": "\ud800" }"""));
            Assert.That(
                () => SavedModel.Load(new MemoryStream(FileOf("{\"__metadata__\":{\"graph\":" + nested + "}}")), Name),
                Refused(), "graph in the metadata");
        });
    }

    [Test]
    public void ATextWithHalfASurrogatePairIsRefusedWhereItIsGivenAsAText()
        => Assert.That(() => GraphJson.Read("{ \"\uD800\": 1 }", Name), Refused());

    [Test]
    public void AFileOfOtherBytesThanUtf8IsRefusedAndAByteOrderMarkIsSkipped()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.json");
        File.WriteAllBytes(path, [0xEF, 0xBB, 0xBF, .. Graph]);
        Assert.That(GraphJson.Load(path).Nodes, Has.Count.GreaterThan(5));
        File.WriteAllBytes(path, Encoding.Unicode.GetBytes(Encoding.UTF8.GetString(Graph)));
        Assert.That(() => GraphJson.Load(path), Throws.TypeOf<InvalidDataException>().With.Message.StartsWith(path));
    }

    [Test]
    public void ANameThatIsNoTextIsRefusedBeforeItIsWritten()
    {
        var graph = new Graph(new Shape(1, 2, 2));
        graph.Add("a\uD800", new Relu(), graph.Input);
        Assert.That(
            () => GraphJson.Write(graph), Throws.TypeOf<NotSupportedException>().With.Message.Contains("surrogate"));
    }

    [Test]
    public void AGraphIsWrittenOnlyWhereItCanBeReadAgain()
    {
        var graph = new Graph(new Shape(1, 2, 2));
        graph.Add(new string('x', InputFile.MaxTextBytes), new Relu(), graph.Input);
        Assert.That(
            () => GraphJson.Write(graph),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("the limit is 16,777,216"));
    }

    [Test]
    public void ErrorsQuoteAHundredCharactersAtMost()
    {
        string huge = new('x', 1_000_000);
        Assert.Multiple(() =>
        {
            foreach (string document in (
                string[])[$"{{\"{huge}\": 1}}", $"{{\"format\": \"{huge}\"}}",
                $"{{\"format\": [{string.Join(',', Enumerable.Repeat("1", 500_000))}]}}",
                $"{{\"{huge}\": 1, \"{huge}\": 1}}", huge, $"\"{huge}\""])
            {
                Assert.That(() => GraphJson.Read(document, Name), Short());
                Assert.That(() => GradientCaseFile.Read(document, Name), Short());
                Assert.That(() => SavedModel.Load(new MemoryStream(FileOf(document)), Name), Short());
            }
            foreach (string node in (
                string[])[$"\"layer\": \"{huge}\"", $"\"layer\": \"relu\", \"inputs\": [\"{huge}\"]",
                $"\"layer\": \"relu\", \"{huge}\": 1",
                $"\"layer\": \"conv\", \"name\": \"{huge}\", \"outChannels\": 1, \"kernelSize\": 9"])
                Assert.That(() => GraphJson.Read(GraphOf($"{{ {node} }}"), Name), Short());
            foreach (string tensor in (
                string[])[$"\"{huge}\":7", $"\"{huge}\":{{\"dtype\":\"{huge}\"}}", $"\"a\":{{\"dtype\":\"{huge}\"}}",
                $"\"a\":{{\"{huge}\":1}}",
                $"\"a\":{{\"shape\":[{string.Join(',', Enumerable.Repeat("1", 500_000))}]}}",
                $"\"a\":[{new string('[', 1000)}"])
                Assert.That(() => SavedModel.Load(new MemoryStream(FileOf($"{{{tensor}}}")), Name), Short());
            Assert.That(
                () => ShapeFile.Parse($"mb1{huge}", Name),
                Throws.TypeOf<FormatException>().With.Message.Length.LessThan(1000));
            Assert.That(
                () => SweepLog.Check(
                new MemoryStream(Encoding.UTF8.GetBytes($"{{\"backends\":[\"{huge}\"]}}\n")), Name, ["managed"]),
                Throws.ArgumentException.With.Message.Length.LessThan(1000));
        });

        static IResolveConstraint Short()
            => Throws.TypeOf<InvalidDataException>().With.Message.StartsWith(Name).And.Message.Length.LessThan(1000);
    }

    [TestCase("plain", "plain")]
    [TestCase("a\u001b[31mb\n", "a\\u001B[31mb\\u000A")]
    public void AnExcerptHasNothingThatATerminalActsOn(string text, string quoted)
        => Assert.That(Excerpt.Of(text), Is.EqualTo(quoted));

    [Test]
    public void AnExcerptEndsBetweenCharacters([Range(96, 104)] int length)
    {
        string text = string.Concat(new string('x', length - 2), "\U0001F600", "rest of the text");
        string quoted = Excerpt.Of(text);
        Assert.That(quoted, Does.EndWith("…"));
        Assert.That(quoted[..^1], Has.Length.InRange(Excerpt.Most - 1, Excerpt.Most));
        Assert.That(text, Does.StartWith(quoted[..^1]));
        Assert.That(quoted.EnumerateRunes(), Has.None.EqualTo(Rune.ReplacementChar), "no half of a pair");
    }

    private static string GraphOf(string nodes)
        => $$"""{ "format": "convnet-graph", "version": 1, "input": [1, 4, 4], "nodes": [{{nodes}}] }""";

    private static byte[] FileOf(string header)
    {
        byte[] json = Encoding.UTF8.GetBytes(header), file = [.. new byte[8], .. json];
        BinaryPrimitives.WriteInt64LittleEndian(file, json.Length);
        return file;
    }

    private static string JsonOf(string text)
        => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(
        "\"", "\\\"", StringComparison.Ordinal)}\"";

    private static byte[] With(string json, string spot, byte[] bad)
    {
        int at = json.IndexOf(spot, StringComparison.Ordinal) + 1;
        return [.. Encoding.UTF8.GetBytes(json[..at]), .. bad, .. Encoding.UTF8.GetBytes(json[at..])];
    }

    private static ContainsConstraint Refused()
        => Throws.TypeOf<InvalidDataException>().With.Message.StartsWith(Name).And.Message.Contains(" ");
}
