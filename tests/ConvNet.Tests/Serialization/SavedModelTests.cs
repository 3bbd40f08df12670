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
                Assert.That(Values(copy, saved.Graph.Parameters[i]), Is.EqualTo(Values(network, graph.Parameters[i])), graph.Parameters[i].Name);
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
                "dense1.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"dense1.bias":{"dtype":"F32","shape":[2],"data_offsets":[24,32]}
                """));
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
    public void AFlippedByteOfTheHeaderIsFoundOrHarmless()
    {
        SaveTiny();
        byte[] bytes = File.ReadAllBytes(_path);
        int refused = 0, header = bytes.Length - 32;
        for (int i = 0; i < header; i++)
        {
            byte[] damaged = [.. bytes];
            damaged[i] ^= 0x04;
            File.WriteAllBytes(_path, damaged);
            try
            {
                SavedModel.Load(_path);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.That(refused, Is.GreaterThan(header / 2));
    }

    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "announces 8 bytes of values, and 4 are there")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8, "announces 4 bytes of values, and 8 are there")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "neither overlap nor leave gaps")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}""", 12, "\"b\" begins at offset 8, where 4 is next")]
    [TestCase("""{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}""", 4, "\"dtype\" is F16; only F32 is read")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "4 bytes from 0 to 4 are not 2 values")]
    [TestCase("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "\"shape\" has a size of -1")]
    [TestCase("""{"a":{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,4]}}""", 4, "2147483647×2147483647×2147483647")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "-4 bytes from 4 to 0")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4, "\"data_offsets\" must be [begin, end]")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", 4, "\"data_offsets\" must be [begin, end]")]
    [TestCase("""{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "\"shape\" is missing")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"zip":1}}""", 4, "\"zip\" is unknown here")]
    [TestCase("""{"a":7}""", 0, "tensor \"a\": here stands 7")]
    [TestCase("""{"__metadata__":{"graph":7}}""", 0, "\"graph\" is 7; it must be a text")]
    [TestCase("""{"__metadata__":{"format":"pt"}}""", 0, "its metadata has no \"graph\"")]
    [TestCase("""[]""", 0, "instead of an object")]
    [TestCase("""{"a":1""", 0, "this is no JSON")]
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
        Assert.That(() => SavedModel.Load(_path), Refused("bytes 0 to 7 announce a header"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void TensorsThatAreNotTheGraphsAreRefused()
    {
        string graph = GraphJson.Write(Tiny());
        NamedTensor weight = new("dense1.weight", [2, 3], new float[6]), bias = new("dense1.bias", [2], new float[2]);
        Assert.Multiple(() =>
        {
            Assert.That(() => Load(weight), Refused("dense1.bias (2) has no tensor"));
            Assert.That(() => Load(weight, bias, new("conv1.weight", [1], [0])), Refused("no parameter \"conv1.weight\""));
            Assert.That(() => Load(weight with { Dimensions = [3, 2] }, bias), Refused("dense1.weight (2×3), and the file's tensor is 3×2"));
            Assert.That(() => Load(weight, bias with { Values = [0, float.NaN] }), Refused("dense1.bias (2) has a NaN at index 1"));
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
        Assert.That(() => file.Write(_path), Throws.ArgumentException.With.Message.Contains("\"a\" is 2×3 and has 5 values"));
        Assert.That(Directory.GetFiles(_folder), Is.Empty);
    }

    [TestCase("""{"maxValue":0,"mean":[0],"standardDeviation":[1]}""", "\"maxValue\" is 0")]
    [TestCase("""{"maxValue":255,"mean":[0],"standardDeviation":[0]}""", "positive")]
    [TestCase("""{"maxValue":255,"mean":["0"],"standardDeviation":[1]}""", "a list of numbers")]
    [TestCase("""{"maxValue":255}""", "0 means and 0 standard deviations")]
    public void AWrongNormalizationIsNamed(string normalization, string words)
    {
        var metadata = new Dictionary<string, string> { ["graph"] = GraphJson.Write(Tiny()), ["normalization"] = normalization };
        new SafeTensors(metadata, [new("dense1.weight", [2, 3], new float[6]), new("dense1.bias", [2], new float[2])]).Write(_path);
        Assert.That(() => SavedModel.Load(_path), Refused(words));
    }

    [Test]
    public void AnotherNetworkDoesNotTakeTheParametersAndKeepsItsOwn()
    {
        SaveTiny();
        using IExecutable wider = Compile(Sequential.Of(Shape.Vector(4), new Dense(2)), seed: 1), deeper = Compile(BuiltInModels.Create("digits"), seed: 1);
        float[] before = Values(wider, wider.Graph.Parameters[0]);
        Assert.That(() => SavedModel.Load(_path).CopyTo(wider), Throws.ArgumentException.With.Message.Contains("dense1.weight (2×3)").And.Message.Contains("dense1.weight (2×4)"));
        Assert.That(() => SavedModel.Load(_path).CopyTo(deeper), Throws.ArgumentException.With.Message.Contains("different networks"));
        Assert.That(Values(wider, wider.Graph.Parameters[0]), Is.EqualTo(before));
    }

    [Test]
    public void AFailureHalfWayLeavesTheOldFileAndNothingElse()
    {
        File.WriteAllText(_path, "old");
        Assert.That(() => AtomicFile.Write(_path, stream =>
        {
            stream.Write(new byte[100_000]);
            throw new IOException("No space left on device");
        }), Throws.TypeOf<IOException>());
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
            foreach (Action attempt in (Action[])[() => SavedModel.CheckPath(missing), () => SavedModel.Save(missing, network)])
                Assert.That(attempt, Throws.TypeOf<DirectoryNotFoundException>().With.Message.Contains("there is no folder"));
            foreach (Action attempt in (Action[])[() => SavedModel.CheckPath(_folder), () => SavedModel.Save(_folder, network)])
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
        Assert.That(() => SavedModel.Save("/dev/null", network), Throws.TypeOf<IOException>().With.Message.Contains("is a device"));
        SavedModel.Save(link, network);
        Assert.That(File.ResolveLinkTarget(link, false)!.FullName, Is.EqualTo(_path));
        Assert.That(SavedModel.Load(_path).Graph.ParameterCount, Is.EqualTo(8));
    }

    private static ContainsConstraint Refused(string words) => Throws.TypeOf<InvalidDataException>().With.Message.Contains(words);

    private static Graph Tiny() => Sequential.Of(Shape.Vector(3), new Dense(2));

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
