using System.Diagnostics;
using System.Text;
using ConvNet.Cli.Gradcheck;
using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Measurement;
using ConvNet.Models;
using ConvNet.Onnx;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Tests.Truth;
using ConvNet.Training;

namespace ConvNet.Tests.Serialization;

/// <summary>What a reader did with an input.</summary>
/// <param name="IsRefused">Whether it threw.</param>
/// <param name="Failure">What it should not have done; null if it did as documented.</param>
/// <param name="Bytes">The memory that it allocated.</param>
/// <param name="Time">The time that it took.</param>
public readonly record struct HostileOutcome(bool IsRefused, string? Failure, long Bytes, TimeSpan Time);

/// <summary>A reader, and an input that it accepts.</summary>
/// <param name="Title">Its name.</param>
/// <param name="Good">The input.</param>
/// <param name="Read">Reads an input.</param>
/// <param name="Documented">The exception that it documents.</param>
public sealed record HostileReader(string Title, byte[] Good, Action<byte[]> Read, Type Documented)
{
    private const string Name = "input.bin";

    private const int MostLetters = 1000;

    private static readonly TimeSpan s_most = TimeSpan.FromSeconds(20);

    private static readonly byte[] s_graph = Encoding.UTF8.GetBytes(GraphJson.Write(BuiltInModels.Create("lenet5")));
    private static readonly byte[] s_model = Saved();

    /// <summary>The memory in bytes that it may allocate.</summary>
    public long MostBytes { get; init; } = 16 << 20;

    /// <summary>Whether it builds a network.</summary>
    public bool IsSlow { get; init; }

    /// <summary>The readers.</summary>
    public static IEnumerable<HostileReader> All()
    {
        yield return Of<InvalidDataException>("graph", s_graph, bytes => GraphJson.Read(bytes, Name));
        yield return Of<InvalidDataException>(
            "layer case", Case(RandomCases.Layer(2)), bytes => GradientCaseFile.Read(bytes, Name));
        yield return Of<InvalidDataException>(
            "graph case", Case(RandomCases.Graph(2)), bytes => GradientCaseFile.Read(bytes, Name));
        yield return Of<InvalidDataException>(
            "saved model", s_model, bytes => SavedModel.Load(new MemoryStream(bytes), Name));
        yield return Of<InvalidDataException>(
            "saved training", Training(), bytes => SavedModel.Load(new MemoryStream(bytes), Name));
        yield return Of<InvalidDataException>(
            "header", s_model[8..^44], bytes => SafeTensorsHeader.Read(bytes, Name));
        byte[] idx = TinyData.Idx([1, 2, 3, 4, 5, 6], 2, 3), zipped = TinyData.Zip(idx);
        yield return Of<InvalidDataException>("IDX file", idx, ReadIdx);
        yield return Of<InvalidDataException>(
            "gzipped IDX file", [.. zipped[..^0], .. TinyData.Zip([]), 0, 0, 0], ReadIdx);
        yield return Of<FormatException>(
            "list of shapes",
            "# shapes\nmb2ic3ih8oc4kh3ph1n\"first\"\nmax:mb2ic4ih8kh2sh2\nbnorm:mb2ic4ih8\nmb1ic8oc3\n"u8.ToArray(),
            bytes => ShapeFile.Parse(Encoding.UTF8.GetString(bytes), Name));
        yield return new HostileReader("log of a sweep", """
            {"backends":["managed"]}
            {"seed":1,"layer":"a","kind":"b","values":"Uniform","terms":1,"outcomes":[{"verdict":"Pass","findings":[]}]}
            {"seed":2,"layer":"a","kind":"b","values":"Normal","terms":3,"outcomes":[{"verdict":"Fail","findings":[]}]}

            """u8.ToArray(), bytes => SweepLog.Check(new MemoryStream(bytes), Name, ["managed"]),
            typeof(ArgumentException));
        yield return Of<ArgumentException>("marked section", "a\n<!-- bench x -->\nb\n<!-- end -->\n"u8.ToArray(),
            bytes => MarkedSection.Find(Name, Encoding.UTF8.GetString(bytes), "x"));
        yield return Of<InvalidDataException>("PyTorch checkpoint", Checkpoint(),
            bytes => TorchCheckpoint.Read(new MemoryStream(bytes), Name));
        yield return Of<InvalidDataException>("PyTorch checkpoint of the old form", OldCheckpoint(),
            bytes => TorchCheckpoint.Read(new MemoryStream(bytes), Name));
        yield return Of<InvalidDataException>("pickle", Pickle(),
            bytes => new PickleReader(new MemoryStream(bytes), Name).Read());
        yield return new HostileReader("ONNX model", Onnx(), bytes =>
        {
            try
            {
                _ = OnnxImport.Read(new MemoryStream(bytes), Name);
            }
            catch (OnnxImportException error)
            {
                // Nodes that cannot be imported are a documented answer too.
                throw new InvalidDataException(Excerpt.Of(error.Message), error);
            }
        }, typeof(InvalidDataException))
        { IsSlow = true, MostBytes = 1L << 30 };
    }

    /// <summary>Reads an input.</summary>
    public HostileOutcome Try(byte[] input)
    {
        long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
        bool isRefused = false;
        string? failure = null;
        try
        {
            Read(input);
        }
        catch (Exception error)
        {
            isRefused = true;
            failure = !Documented.IsInstanceOfType(error) ? $"{error}"
                : error.Message.Length >= MostLetters ? $"the message is too long: {error.Message}" : null;
        }
        long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        failure ??= bytes > MostBytes ? $"{bytes:N0} bytes were allocated" : time > s_most ? $"it took {time}" : null;
        return new HostileOutcome(isRefused, failure, bytes, time);
    }

    public override string ToString() => Title;

    private static HostileReader Of<TException>(string title, byte[] good, Func<byte[], object?> read)
        => new(title, good, bytes => { _ = read(bytes); }, typeof(TException));

    private static object ReadIdx(byte[] bytes)
    {
        using var reader = new IdxReader(new MemoryStream(bytes), Name);
        return reader.ReadArray();
    }

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

    private static byte[] Checkpoint()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("weights.pt");
        new TorchCheckpoint([new("conv.weight", [2, 1, 3, 3], new float[18]), new("conv.bias", [2], [1, 2])])
            .Write(file);
        return File.ReadAllBytes(file);
    }

    // As PyTorch wrote it.
    private static byte[] OldCheckpoint() => Convert.FromBase64String(TruthTable.Cases("checkpoints.json")
        .Single(each => each.Name == "old form").Json.GetProperty("file").GetString()!);

    private static byte[] Pickle() => PickleWriter.Write([new("a", [2, 3], new float[6]), new("b", [], [1])]);

    private static byte[] Onnx() => OnnxExport.Write(Sequential.Of(new ConvNet.Shape(2, 6, 6),
        new Conv2d(3, 3, padding: 1), new BatchNorm2d(), new Silu(), new MaxPool2d(2), new Flatten(), new Linear(4)),
        parameter => Samples.ParameterValues(parameter, parameter.Index));
}
