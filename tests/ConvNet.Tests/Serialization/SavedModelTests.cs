using System.Buffers.Binary;
using System.Text;
using ConvNet.Data;
using ConvNet.Models;
using ConvNet.Serialization;
using NUnit.Framework;
using NUnit.Framework.Constraints;

namespace ConvNet.Tests.Serialization;

public sealed class SavedModelTests
{
    private readonly ManagedBackend _backend = new(threads: 1);
    private string _folder = null!;
    private string _path = null!;

    [OneTimeTearDown]
    public void DisposeBackend() => _backend.Dispose();

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("convnet-test-").FullName;
        _path = Path.Combine(_folder, "model.safetensors");
    }

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void ParametersBuffersGraphAndNormalizationComeBack()
    {
        Graph graph = BuiltInModels.Create("resnet20", new Shape(3, 8, 8));
        using IExecutable network = Compile(graph, seed: 1);
        var random = new Random(2);
        foreach (Parameter buffer in graph.Parameters.Where(p => !p.Trainable))
            network.Write(buffer, [.. Enumerable.Range(0, buffer.Length).Select(_ => random.NextSingle() + 0.1f)]);
        SavedModel.Save(_path, network, new Normalization(16, [0.25f, 0.1f, 1 / 3f], [0.5f, 2, 1e-3f]));

        SavedModel saved = SavedModel.Load(_path);
        using IExecutable copy = Compile(saved.Graph, seed: 9);
        saved.CopyTo(copy);
        Assert.Multiple(() =>
        {
            Assert.That(GraphJson.Write(saved.Graph), Is.EqualTo(GraphJson.Write(graph)));
            Assert.That(saved.Normalization!.MaxValue, Is.EqualTo(16));
            Assert.That(saved.Normalization.Mean, Is.EqualTo((float[])[0.25f, 0.1f, 1 / 3f]));
            Assert.That(saved.Normalization.StandardDeviation, Is.EqualTo((float[])[0.5f, 2, 1e-3f]));
            for (int i = 0; i < graph.Parameters.Count; i++)
                Assert.That(Values(copy, saved.Graph.Parameters[i]), Is.EqualTo(Values(network, graph.Parameters[i])),
                    graph.Parameters[i].Name);
            Assert.That(Directory.GetFiles(_folder), Is.EqualTo((string[])[_path]));
        });
    }

    [Test]
    public void TheFileIsPlainSafetensors()
    {
        SaveTiny();
        byte[] bytes = File.ReadAllBytes(_path);
        long header = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        string json = Encoding.UTF8.GetString(bytes, 8, (int)header);
        Assert.Multiple(() =>
        {
            Assert.That((8 + header) % 8, Is.Zero, "values are aligned");
            Assert.That(json, Does.Contain("""
                "linear1.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
                "linear1.bias":{"dtype":"F32","shape":[2],"data_offsets":[24,32]}
                """.Replace("\n", "", StringComparison.Ordinal)));
            Assert.That(bytes, Has.Length.EqualTo(8 + header + 32));
            Assert.That(BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan((int)(8 + header + 4))), Is.EqualTo(2f));
        });
    }

    [Test]
    public void AFileCutShortAnywhereIsRefusedByName()
    {
        SaveTiny();
        byte[] bytes = File.ReadAllBytes(_path);
        for (int length = 0; length < bytes.Length; length++)
        {
            File.WriteAllBytes(_path, bytes[..length]);
            Assert.That(() => SavedModel.Load(_path), Refused(_path), $"cut to {length} of {bytes.Length} bytes");
        }
    }

    [Test]
    public void AFlippedBitIsFound()
    {
        SaveTiny();
        byte[] bytes = File.ReadAllBytes(_path);
        for (int i = 0; i < bytes.Length; i++)
        {
            byte[] damaged = [.. bytes];
            damaged[i] ^= (byte)(1 << i % 8);
            File.WriteAllBytes(_path, damaged);
            Assert.That(() => SavedModel.Load(_path),
                Throws.TypeOf<InvalidDataException>().With.Message.StartsWith(_path), $"byte {i}");
        }
    }

    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4,
        "declares 8 bytes of values, but the file has 4")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8,
        "declares 4 bytes of values, but the file has 8")]
    [TestCase("""
        {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
        "b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}
        """, 4, "begins at offset 0, but the one before it ends at 4")]
    [TestCase("""
        {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
        "b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}
        """, 12, "\"b\" begins at offset 8, but the one before it ends at 4")]
    [TestCase("""{"a":{"dtype":"C64","shape":[4],"data_offsets":[0,4]}}""", 4,
        "\"dtype\" is C64; only F32, F64, F16, BF16, I64,")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "4 bytes from 0 to 4 are not 2 values")]
    [TestCase("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "\"shape\" has a size of -1")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,4]}}""", 4,
        "2147483647×2147483647×2147483647")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "-4 bytes from 4 to 0")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4, "\"data_offsets\" must be [begin, end]")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", 4,
        "\"data_offsets\" must be [begin, end]")]
    [TestCase("""{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "\"shape\" is missing")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"zip":1}}""", 4, "\"zip\" is unknown")]
    [TestCase("""{"a":7}""", 0, "tensor \"a\": expected an object, found 7")]
    [TestCase("""{"__metadata__":{"graph":7}}""", 0, "\"graph\" is 7; it must be a string")]
    [TestCase("""{"__metadata__":{"format":"pt"}}""", 0, "its metadata has no \"graph\"")]
    [TestCase("""[]""", 0, "expected an object")]
    [TestCase("""{"a":1""", 0, "is not valid JSON")]
    public void AWrongHeaderIsNamed(string header, int valueBytes, string words)
    {
        WriteRaw(header, header.Length, valueBytes);
        Assert.That(() => SavedModel.Load(_path), Refused(words));
    }

    [TestCase(long.MaxValue)]
    [TestCase(-1)]
    [TestCase(0)]
    [TestCase(100_000_001)]
    [TestCase(3)]
    public void AHeaderLengthThatCannotBeIsRefusedBeforeItIsAllocated(long length)
    {
        WriteRaw("{}", length, 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => SavedModel.Load(_path), Refused("Bytes 0 to 7 declare a header"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void TensorsThatAreNotTheGraphsAreRefused()
    {
        string graph = GraphJson.Write(Tiny());
        NamedTensor weight = new("linear1.weight", [2, 3], new float[6]), bias = new("linear1.bias", [2], new float[2]);
        Assert.Multiple(() =>
        {
            Assert.That(() => Load(weight), Refused("no tensor for linear1.bias (2)"));
            Assert.That(() => Load(weight, bias, new("conv1.weight", [1], [0])),
                Refused("tensor \"conv1.weight\""));
            Assert.That(() => Load(weight with { Dimensions = [3, 2] }, bias),
                Refused("linear1.weight (2×3), but the tensor of the file is 3×2"));
            Assert.That(() => Load(weight, bias with { Values = [0, float.NaN] }),
                Refused("linear1.bias (2) has NaN at index 1"));
        });

        SavedModel Load(params NamedTensor[] tensors)
        {
            new SafeTensors(new Dictionary<string, string> { ["graph"] = graph }, tensors).Write(_path);
            return SavedModel.Load(_path);
        }
    }

    [Test]
    public void ATensorWhoseValuesAreNotItsShapeIsNotWritten()
    {
        var file = new SafeTensors(new Dictionary<string, string>(), [new NamedTensor("a", [2, 3], new float[5])]);
        Assert.That(() => file.Write(_path),
            Throws.ArgumentException.With.Message.Contains("\"a\" of 2×3 has 5 values"));
        Assert.That(Directory.GetFiles(_folder), Is.Empty);
    }

    [TestCase("""{"maxValue":0,"mean":[0],"standardDeviation":[1]}""", "\"maxValue\" is 0")]
    [TestCase("""{"maxValue":255,"mean":[0],"standardDeviation":[0]}""", "positive")]
    [TestCase("""{"maxValue":255,"mean":["0"],"standardDeviation":[1]}""", "a list of numbers")]
    [TestCase("""{"maxValue":255}""", "0 means and 0 standard deviations")]
    public void AWrongNormalizationIsNamed(string normalization, string words)
    {
        var metadata = new Dictionary<string, string>
        {
            ["graph"] = GraphJson.Write(Tiny()),
            ["normalization"] = normalization
        };
        new SafeTensors(metadata, [new("linear1.weight", [2, 3], new float[6]), new("linear1.bias", [2], new float[2])])
            .Write(_path);
        Assert.That(() => SavedModel.Load(_path), Refused(words));
    }

    [Test]
    public void AnotherNetworkDoesNotTakeTheParametersAndKeepsItsOwn()
    {
        SaveTiny();
        using IExecutable wider = Compile(Sequential.Of(Shape.Vector(4), new Linear(2)), seed: 1),
            deeper = Compile(BuiltInModels.Create("digits"), seed: 1);
        float[] before = Values(wider, wider.Graph.Parameters[0]);
        Assert.That(() => SavedModel.Load(_path).CopyTo(wider),
            Throws.ArgumentException.With.Message.Contains("linear1.weight (2×3)")
            .And.Message.Contains("linear1.weight (2×4)"));
        Assert.That(() => SavedModel.Load(_path).CopyTo(deeper),
            Throws.ArgumentException.With.Message.Contains("same network"));
        Assert.That(Values(wider, wider.Graph.Parameters[0]), Is.EqualTo(before));
    }

    [Test]
    public void AFailureHalfWayLeavesTheOldFileAndNothingElse()
    {
        File.WriteAllText(_path, "old");
        Assert.That(() => AtomicFile.Write(_path, "the report", stream =>
        {
            stream.Write(new byte[100_000]);
            throw new IOException("No space left on device");
        }, 100_000),
            Throws.TypeOf<IOException>().With.Message.Contains("the report").And.Message.Contains("unchanged"));
        Assert.That(File.ReadAllText(_path), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(_folder), Is.EqualTo((string[])[_path]));
    }

    [Test]
    public void APathThatCannotBeWrittenIsRefusedBeforeAndWhenSaving()
    {
        string missing = Path.Combine(_folder, "no", "such", "model.safetensors");
        using IExecutable network = Compile(Tiny(), seed: 1);
        Assert.Multiple(() =>
        {
            foreach (Action attempt
                in (Action[])[() => SavedModel.CheckPath(missing), () => SavedModel.Save(missing, network)])
                Assert.That(attempt, Throws.TypeOf<DirectoryNotFoundException>()
                    .With.Message.Contains("does not exist"));
            foreach (Action attempt
                in (Action[])[() => SavedModel.CheckPath(_folder), () => SavedModel.Save(_folder, network)])
                Assert.That(attempt, Throws.TypeOf<IOException>().With.Message.Contains("is a folder"));
            SavedModel.CheckPath(_path);
            Assert.That(Directory.GetFileSystemEntries(_folder), Is.Empty);
        });
    }

    [Test]
    [Platform(Exclude = "Win")]
    public void ADeviceIsNotReplacedAndALinkStaysALink()
    {
        string link = Path.Combine(_folder, "link");
        File.CreateSymbolicLink(link, _path);
        using IExecutable network = Compile(Tiny(), seed: 1);
        Assert.That(() => SavedModel.Save("/dev/null", network), Throws.TypeOf<IOException>()
            .With.Message.Contains("is a device"));
        SavedModel.Save(link, network);
        Assert.That(File.ResolveLinkTarget(link, false)!.FullName, Is.EqualTo(_path));
        Assert.That(SavedModel.Load(_path).Graph.ParameterCount, Is.EqualTo(8));
    }

    [TestCase(float.NaN)]
    [TestCase(float.NegativeInfinity)]
    public void AValueThatIsNotFiniteIsNotSavedOverAGoodFileUnlessThatIsAskedFor(float value)
    {
        SaveTiny();
        byte[] good = File.ReadAllBytes(_path);
        using IExecutable network = Compile(Tiny(), seed: 1);
        network.Write(network.Graph.Parameters[1], [0, value]);
        Assert.That(() => SavedModel.Save(_path, network), Refused($"linear1.bias (2) has {value} at index 1"));
        Assert.That(File.ReadAllBytes(_path), Is.EqualTo(good));
        Assert.That(Directory.GetFiles(_folder), Is.EqualTo((string[])[_path]));

        SavedModel.Save(_path, network, allowNonFinite: true);
        Assert.That(() => SavedModel.Load(_path), Refused($"linear1.bias (2) has {value} at index 1"));
        using IExecutable copy = Compile(Tiny(), seed: 2);
        SavedModel.Load(_path, allowNonFinite: true).CopyTo(copy);
        Assert.That(Values(copy, copy.Graph.Parameters[1]), Is.EqualTo((float[])[0, value]));
    }

    [Test]
    public void AGraphThatCannotBeSavedIsRefusedBeforeTheTraining()
    {
        var own = Sequential.Of(new Shape(1, 2, 2), new Contract.ScaledSquare());
        Assert.That(
            () => SavedModel.CheckPath(_path, own),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("ScaledSquare"));
        var wide = Sequential.Of(Shape.Vector(1 << 20), new Linear(2000));
        Assert.That(() => SavedModel.CheckPath("/dev/shm/model.safetensors", wide), HasRoom("/dev/shm", 4L * 2000 << 20)
            ? Throws.Nothing
            : Throws.TypeOf<IOException>().With.Message.Contains("not enough space for the trained model")
                .And.Message.Contains("bytes"));
        SavedModel.CheckPath(_path, Tiny());
        Assert.That(Directory.GetFileSystemEntries(_folder), Is.Empty);

        static bool HasRoom(string folder, long bytes) => new DriveInfo(folder).AvailableFreeSpace > bytes + 2000;
    }

    [Test]
    public void ValuesAreMovedInPiecesOfAnySize([Range(1, 9)] int piece, [Values(0, 1, 7, 8)] int count)
    {
        float[] values = [.. Enumerable.Range(0, count).Select(i => 1.5f * i - 2)], read = new float[count];
        using var stream = new MemoryStream();
        Floats.Write(stream, values, piece);
        byte[] bytes = stream.ToArray();
        Assert.That(bytes, Is.EqualTo(values.SelectMany(BitConverter.GetBytes)));
        stream.Position = 0;
        Floats.Read(stream, read, piece);
        Assert.That(read, Is.EqualTo(values));
        if (count > 0)
            Assert.That(
                () => Floats.Read(new MemoryStream(bytes[..^1]), read, piece), Throws.TypeOf<EndOfStreamException>());
    }

    [Test]
    public void SavingTakesTheMemoryOfTheLargestParameterAlone()
    {
        Graph graph = Sequential.Of(Shape.Vector(1000), [.. Enumerable.Range(0, 20).Select(_ => new Linear(1000))]);
        using IExecutable network = _backend.CompileInference(graph, 1);
        network.Initialize(new HeNormal(1));
        long before = GC.GetAllocatedBytesForCurrentThread();
        SavedModel.Save(_path, network);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(2 * 4 * 1000 * 1000));
        using IExecutable copy = _backend.CompileInference(graph, 1);
        SavedModel.Load(_path).CopyTo(copy);
        foreach (Parameter parameter in graph.Parameters)
            Assert.That(Values(copy, parameter), Is.EqualTo(Values(network, parameter)), parameter.Name);
    }

    [Test]
    [Explicit("It takes 9 GB of memory, 2.2 GB in the temporary folder and a minute or two.")]
    [Category("Large")]
    public void AParameterOfMoreThanTwoGigabytesIsTrainedSavedAndLoaded(
        [Values("managed", "native", "torchsharp")] string name)
    {
        using IBackend backend =
            Backends.All.First(each => each.Name.StartsWith(name, StringComparison.Ordinal)).Open(2);
        Graph graph = Sequential.Of(Shape.Vector(150_528), new Linear(3_600, bias: false));
        var expected = new float[graph.Parameters[0].Length];
        using (IExecutable network = backend.Compile(
            graph, new TrainingSpec(1, new SoftmaxCrossEntropy(), new Sgd()) { KeepGradients = false }))
        {
            network.Initialize(new UniformInitializer(0.01, 1));
            var image = new float[150_528];
            Array.Fill(image, 1f);
            network.TrainStep(image, (int[])[7], 0.01f);
            SavedModel.CheckPath(_path, graph);
            SavedModel.Save(_path, network);
            network.Read(graph.Parameters[0], expected);
        }
        using IExecutable copy = backend.CompileInference(graph, 1);
        SavedModel.Load(_path).CopyTo(copy);
        var read = new float[expected.Length];
        copy.Read(graph.Parameters[0], read);
        Assert.That(read.AsSpan().SequenceEqual(expected));
        Assert.That(expected[..100], Is.Not.All.EqualTo(0f));
    }

    [Test]
    public void AHeaderOfManyTensorsIsReadInTimeAndMemoryThatGrowWithItAlone()
    {
        // What compares all with all would take an hour.
        const int Count = 1_400_000;
        var header = new StringBuilder("{");
        for (int i = 0; i < Count; i++)
            header.Append('"').Append(i).Append("\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},");
        header[^1] = '}';
        WriteRaw(header.ToString(), header.Length, 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        SafeTensors read = SafeTensors.Read(_path);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(11L * header.Length));
        Assert.That(read.Tensors, Has.Count.EqualTo(Count));
        Assert.That(() => SavedModel.Load(_path), Refused("has no \"graph\""));
    }

    [Test]
    public void MetadataOfManyShortTextsTakesMemoryThatGrowsWithItAlone()
    {
        // A little more than a size at which the dictionary grows, so that half of it is empty.
        const int Count = 3_000_000;
        var header = new StringBuilder("{\"__metadata__\":{");
        for (int i = 0; i < Count; i++)
        {
            header.Append('"');
            for (int digit = 0, rest = i; digit < 4; digit++, rest /= 43)
                header.Append((char)('0' + rest % 43));
            header.Append("\":\"x\",");
        }
        header[^1] = '}';
        header.Append('}');
        WriteRaw(header.ToString(), header.Length, 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        SafeTensors read = SafeTensors.Read(_path);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(20L * header.Length));
        Assert.That(read.Metadata, Has.Count.EqualTo(Count));
    }

    [TestCase("[", 1)]
    [TestCase("[1,", 3)]
    [TestCase("{\"a\":[1,", 3)]
    [TestCase("{\"a\":{\"shape\":[1,", 3)]
    public void AHeaderOfListsIsRefusedWithoutTakingMemoryForThem(string beginning, int repeated)
    {
        string header = beginning + string.Concat(Enumerable.Repeat(beginning[^Math.Min(repeated, 2)..], 10_000_000));
        WriteRaw(header, header.Length, 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(
            () => SavedModel.Load(_path), Throws.TypeOf<InvalidDataException>().With.Message.Length.LessThan(600));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(2L * header.Length));
    }

    private static ContainsConstraint Refused(string words) => Throws.TypeOf<InvalidDataException>()
        .With.Message.Contains(words);

    private static Graph Tiny() => Sequential.Of(Shape.Vector(3), new Linear(2));

    private void SaveTiny()
    {
        using IExecutable network = Compile(Tiny(), seed: 1);
        network.Write(network.Graph.Parameters[0], [1, 2, 3, 4, 5, 6]);
        SavedModel.Save(_path, network, new Normalization(255, [0.5f], [0.25f]));
    }

    private void WriteRaw(string header, long headerLength, int valueBytes)
    {
        var bytes = new byte[8 + header.Length + valueBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, headerLength);
        Encoding.UTF8.GetBytes(header, bytes.AsSpan(8));
        File.WriteAllBytes(_path, bytes);
    }

    private IExecutable Compile(Graph graph, int seed)
    {
        IExecutable network = _backend.Compile(graph, new TrainingSpec(1, new SoftmaxCrossEntropy(), new Sgd()));
        network.Initialize(new HeNormal(seed));
        return network;
    }

    private static float[] Values(IExecutable network, Parameter parameter)
    {
        var values = new float[parameter.Length];
        network.Read(parameter, values);
        return values;
    }
}
