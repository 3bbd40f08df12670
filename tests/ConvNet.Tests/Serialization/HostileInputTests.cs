using System.Buffers.Binary;
using System.Text;
using ConvNet.Cli.Gradcheck;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Measurement;
using ConvNet.Models;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Training;
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
    private static readonly byte[] Model = Saved();

    // Half a surrogate pair as an escape, and bytes that are no UTF-8.
    private static readonly string[] NoText =
        ["\\ud800", "\\udc00x", "\\ud800\\ud800", "\u00FF", "\u00C0\u0080", "\u00ED\u00A0\u0080"];

    private static IEnumerable<TestCaseData> Readers()
    {
        yield return Reader<InvalidDataException>("graph", Graph, bytes => GraphJson.Read(bytes, Name));
        yield return Reader<InvalidDataException>(
            "layer case", Case(RandomCases.Layer(2)), bytes => GradientCaseFile.Read(bytes, Name));
        yield return Reader<InvalidDataException>(
            "graph case", Case(RandomCases.Graph(2)), bytes => GradientCaseFile.Read(bytes, Name));
        yield return Reader<InvalidDataException>(
            "saved model", Model, bytes => SavedModel.Load(new MemoryStream(bytes), Name));
        yield return Reader<InvalidDataException>(
            "saved training", Training(), bytes => SavedModel.Load(new MemoryStream(bytes), Name));
        yield return Reader<InvalidDataException>(
            "header", Model[8..^44], bytes => SafeTensorsHeader.Read(bytes, Name));
        byte[] idx = TinyData.Idx([1, 2, 3, 4, 5, 6], 2, 3), zipped = TinyData.Zip(idx);
        yield return Reader<InvalidDataException>("IDX file", idx, ReadIdx);
        yield return Reader<InvalidDataException>(
            "gzipped IDX file", [.. zipped[..^0], .. TinyData.Zip([]), 0, 0, 0], ReadIdx);
        yield return Reader<FormatException>(
            "list of shapes",
            "# shapes\nmb2ic3ih8oc4kh3ph1n\"first\"\nmax:mb2ic4ih8kh2sh2\nbnorm:mb2ic4ih8\nmb1ic8oc3\n"u8.ToArray(),
            bytes => ShapeFile.Parse(Encoding.UTF8.GetString(bytes), Name));
        yield return Reader<ArgumentException>("log of a sweep", """
            {"backends":["managed"]}
            {"seed":1,"layer":"a","kind":"b","values":"Uniform","terms":1,"outcomes":[{"verdict":"Pass","findings":[]}]}
            {"seed":2,"layer":"a","kind":"b","values":"Normal","terms":3,"outcomes":[{"verdict":"Fail","findings":[]}]}

            """u8.ToArray(), bytes => SweepLog.Check(new MemoryStream(bytes), Name, ["managed"]));
        yield return Reader<ArgumentException>("marked section", "a\n<!-- bench x -->\nb\n<!-- end -->\n"u8.ToArray(),
            bytes => MarkedSection.Find(Name, Encoding.UTF8.GetString(bytes), "x"));
    }

    [TestCaseSource(nameof(Readers))]
    public void ChangedInputsGiveAResultOrTheOneExceptionThatIsDocumented(
        byte[] good, Action<byte[]> read, Type documented)
    {
        read(good);
        var random = new Random(1);
        int refused = 0;
        for (int i = 0; i < Inputs; i++)
        {
            byte[] changed = Change(good, random);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                read(changed);
            }
            catch (Exception error)
            {
                refused++;
                Assert.That(documented.IsInstanceOfType(error), $"input {i}: {error}");
                Assert.That(error.Message, Has.Length.LessThan(1000), $"input {i}: {error.Message}");
            }
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(16 << 20), $"input {i}");
        }
        Assert.That(refused, Is.GreaterThan(Inputs / 20));
    }

    [TestCaseSource(nameof(NoText))]
    public void WhatIsNoTextIsRefusedWithItsPlace(string noText)
    {
        byte[] bad = [.. noText.Select(letter => (byte)letter)];
        Assert.Multiple(() =>
        {
            foreach (string spot in (string[])["NAME", "lenet", "relu", "kernelSize", "\"conv\"", "convnet-graph", "nodes"])
            {
                string json = GraphOf("""
                    { "name": "NAME", "layer": "relu" }, { "name": "lenet", "layer": "conv", "outChannels": 1, "kernelSize": 1 }
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

    private static TestCaseData Reader<TException>(string name, byte[] good, Action<byte[]> read)
        => new TestCaseData(good, read, typeof(TException)).SetArgDisplayNames(name);

    private static TestCaseData Reader<TException>(string name, byte[] good, Func<byte[], object?> read)
        => Reader<TException>(name, good, bytes => { _ = read(bytes); });

    private static object ReadIdx(byte[] bytes)
    {
        using var reader = new IdxReader(new MemoryStream(bytes), Name);
        return reader.ReadArray();
    }

    private static string GraphOf(string nodes)
        => $$"""{ "format": "convnet-graph", "version": 1, "input": [1, 4, 4], "nodes": [{{nodes}}] }""";

    private static byte[] Case(GradientCase made) => Encoding.UTF8.GetBytes(GradientCaseFile.Write(made));

    private static byte[] Saved()
    {
        using var folder = new TemporaryFolder();
        using var backend = new ManagedBackend(threads: 1);
        var graph = Sequential.Of(Shape.Vector(3), new Linear(2), new Relu(), new Linear(1));
        using IExecutable network = backend.CompileInference(graph, 1);
        network.Initialize(new HeNormal(1));
        SavedModel.Save(folder.File("model"), network, new Normalization(255, [0.5f], [0.25f]));
        return File.ReadAllBytes(folder.File("model"));
    }

    private static byte[] Training()
    {
        using var folder = new TemporaryFolder();
        using var backend = new ManagedBackend(threads: 1);
        var spec = new TrainingSpec(3, new SoftmaxCrossEntropy(), new Sgd(0.9f)
        {
            Groups = [new ParameterGroup("*.bias") { WeightDecay = 0 }],
        });
        using IExecutable network = backend.Compile(Sequential.Of(Shape.Vector(3), new Linear(2)), spec);
        network.Initialize(new HeNormal(1));
        var normalization = new Normalization(255, [0.5f], [0.25f]);
        var loader = new DataLoaderOptions { Transforms = [new RandomCrop((1, 1), 1), normalization] };
        SavedModel.Save(folder.File("training"), network, normalization,
            training: new SavedTraining(spec, new TrainerOptions(), loader, 5, TrainingProgress.Start));
        return File.ReadAllBytes(folder.File("training"));
    }

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

    // One to four changes: a byte set, bits flipped, a part cut out, doubled, moved or taken from a list of hostile
    // ones, the end cut off.
    private static byte[] Change(byte[] good, Random random)
    {
        List<byte> bytes = [.. good];
        for (int changes = random.Next(1, 5); changes > 0; changes--)
        {
            int at = random.Next(bytes.Count + 1), count = random.Next(Math.Min(40, bytes.Count - at) + 1);
            switch (random.Next(8))
            {
                case 0 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.RemoveRange(at, count);
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, count));
                    break;
                case 4:
                    byte[] moved = [.. bytes.GetRange(at, count)];
                    bytes.RemoveRange(at, count);
                    bytes.InsertRange(random.Next(bytes.Count + 1), moved);
                    break;
                case 5:
                    bytes.InsertRange(at, Hostile[random.Next(Hostile.Length)]);
                    break;
                case 6 when at < bytes.Count && bytes[at] is >= (byte)'0' and <= (byte)'9':
                    bytes.RemoveAt(at);
                    bytes.InsertRange(at, Hostile[random.Next(Hostile.Length)]);
                    break;
                case 7 when random.Next(4) == 0:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }
        return [.. bytes];
    }

    private static readonly byte[][] Hostile =
    [
        .. ((string[])["\\ud800", "\\u0000", "\"", "{", "}", "[", "]", "[[", ":", ",", "null", "true", "-1", "0",
            "2147483647", "2147483648", "4294967296",
            "9223372036854775807", "99999999999999999999", "1e308", "1e999", "-0", "0.5", "65536", "46341", "\"\"",
                "{}", "[]", "\n", "_"]).Select(Encoding.UTF8.GetBytes),
        [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0x00], [0x1F, 0x8B, 0x08], [0xEF, 0xBB, 0xBF],
            [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0],
    ];
}
