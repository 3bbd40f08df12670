using ConvNet.Models;
using ConvNet.Onnx;
using Google.Protobuf;
using NUnit.Framework;
using Onnx;

namespace ConvNet.Tests.Onnx;

/// <summary>Damaged and hostile files are one error, and take no memory.</summary>
public sealed class HostileOnnxTests
{
    private static readonly byte[] s_file = OnnxExport.Write(BuiltInModels.Create("digits"),
        parameter => Samples.ParameterValues(parameter, parameter.Index));

    [Test]
    public void TruncatedFilesAreErrors()
    {
        for (int length = 0; length < s_file.Length; length += 1 + length / 200)
            Refuses(s_file[..length], $"{length} bytes");
    }

    [Test]
    public void ChangedBytesAreErrorsOrOtherNetworks()
    {
        var random = new Random(7);
        for (int i = 0; i < 3_000; i++)
        {
            byte[] changed = [.. s_file];
            // The structure is at the beginning and the end; the weights are between.
            for (int k = 0; k <= i % 3; k++)
            {
                int at = random.Next(2) == 0 ? random.Next(2_000) : random.Next(changed.Length);
                changed[at] = (byte)random.Next(256);
            }
            try
            {
                _ = OnnxImport.Read(new MemoryStream(changed), "m.onnx");
            }
            catch (Exception error) when (error is InvalidDataException or OnnxImportException)
            {
                Assert.That(error.Message, Does.StartWith("m.onnx"));
            }
        }
    }

    [TestCase(-1L, 4L)]
    [TestCase(long.MaxValue, 2L)]
    [TestCase(1L << 31, 1L << 31)]
    [TestCase(1L << 20, 1L << 10)]
    public void SizesWithoutDataAreErrors(long rows, long columns)
    {
        ModelProto model = OnnxModels.Of([0, 4], 20, OnnxModels.Node("MatMul", ["x", "w"], "y"))
            .With("w", [1], 1);
        model.Graph.Initializer[0].Dims.Clear();
        model.Graph.Initializer[0].Dims.AddRange([rows, columns]);
        long before = GC.GetTotalAllocatedBytes();
        Refuses(model, "\"w\"");
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void DescriptionsThatWouldTakeMuchMemoryAreErrors()
    {
        // Ten million nodes of two bytes each, which would become gigabytes of objects.
        var file = new byte[20 << 20];
        file[0] = 7 << 3 | 2;
        int length = file.Length - 5, at = 1;
        for (; length >= 0x80; length >>= 7)
            file[at++] = (byte)(length | 0x80);
        file[at++] = (byte)length;
        for (; at + 1 < file.Length; at += 2)
            file[at] = 1 << 3 | 2;
        long before = GC.GetTotalAllocatedBytes();
        Refuses(file, "nodes", "16,777,216");
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(1 << 20));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void ValuesOfConstantsAreNotPartOfTheDescription(bool raw)
    {
        ModelProto model = OnnxModels.Of([0, 4], 20, OnnxModels.Node("Relu", ["x"], "y"));
        long bare = model.CalculateSize();
        var tensor = new TensorProto { Name = "w", DataType = (int)TensorProto.Types.DataType.Float };
        if (raw)
            tensor.RawData = ByteString.CopyFrom(new byte[100_000]);
        else
            tensor.FloatData.AddRange(new float[25_000]);
        model.Graph.Initializer.Add(tensor);
        Assert.That(DescriptionSize.Of(new MemoryStream(model.ToByteArray())), Is.EqualTo(bare).Within(30));
    }

    [Test]
    public void LargeComputedConstantsAreListed()
    {
        ModelProto filled = OnnxModels.Of([0, 4], 20, OnnxModels.Node("ConstantOfShape", ["s"], "w"),
            OnnxModels.Node("MatMul", ["x", "w"], "y")).With("s", 1L << 20, 1L << 20),
            repeated = OnnxModels.Of([0, 4], 20, OnnxModels.Node("Tile", ["a", "s"], "w"),
                OnnxModels.Node("MatMul", ["x", "w"], "y")).With("a", [1, 1], 1).With("s", 1L << 20, 1L << 20),
            range = OnnxModels.Of([0, 4], 20, OnnxModels.Node("Range", ["a", "b", "c"], "w"),
                OnnxModels.Node("Add", ["x", "w"], "y")).With("a", [], 0).With("b", [], 1e12f).With("c", [], 1);
        foreach (ModelProto model in (ModelProto[])[filled, repeated, range])
            Assert.That(() => model.Import(), Throws.TypeOf<OnnxImportException>());
    }

    [Test]
    public void HugeMapsAreListed() => Assert.That(() => OnnxModels.Of([0, 4, 1 << 20, 1 << 20], 20,
        OnnxModels.Node("Relu", ["x"], "y")).Import(), Throws.TypeOf<InvalidDataException>());

    [Test]
    public void CyclesAndUnknownValuesAreErrors()
    {
        Refuses(OnnxModels.Of([0, 4], 20, OnnxModels.Node("Add", ["x", "b"], "a"), OnnxModels.Node("Relu", ["a"], "b"),
            OnnxModels.Node("Relu", ["b"], "y")), "cycle");
        Refuses(OnnxModels.Of([0, 4], 20, OnnxModels.Node("Add", ["x", "b"], "y")), "nothing computes");
        Refuses(OnnxModels.Of([0, 4], 20, OnnxModels.Node("Relu", ["x"], "y"), OnnxModels.Node("Relu", ["x"], "y")),
            "defined twice");
        Refuses(OnnxModels.Of([0, 4], 20, OnnxModels.Node("Relu", ["x"], "z")), "\"y\"");
        Refuses(OnnxModels.Of([0, 4], 20, OnnxModels.Node("Relu", [], "y")), "has no inputs");
        Refuses(OnnxModels.Of([0, 4], 99, OnnxModels.Node("Relu", ["x"], "y")), "99");
        foreach (string type in (string[])["Conv", "ConvTranspose"])
            Refuses(OnnxModels.Of([0], 20, OnnxModels.Node(type, ["x", "w"], "y")).With("w", [1], 1), "1 dimensions");
    }

    [TestCase("Add"), TestCase("Mul"), TestCase("Div"), TestCase("MaxPool"), TestCase("Transpose"), TestCase("Where")]
    [TestCase("Concat"), TestCase("MatMul"), TestCase("LRN"), TestCase("BatchNormalization"), TestCase("Split")]
    [TestCase("InstanceNormalization"), TestCase("Conv"), TestCase("Resize"), TestCase("Pad"), TestCase("Gather")]
    public void NodesWithoutTheirInputsAreErrors(string type)
    {
        foreach (string[] inputs in (string[][])[["x"], ["", "x"], ["x", "", "x"], ["x", "x"]])
        {
            try
            {
                OnnxModels.Of([0, 4], 20, OnnxModels.Node(type, inputs, "y")).Import();
            }
            catch (Exception error) when (error is InvalidDataException or OnnxImportException)
            {
                Assert.That(error.Message, Does.StartWith("model.onnx"));
            }
        }
    }

    [Test]
    public void NodesWithoutInputsAndOrdersThatAreNoneAreErrors()
    {
        foreach (string type in (string[])["Mul", "Concat", "Max"])
            Refuses(OnnxModels.Of([0, 4], 20, OnnxModels.Node(type, [], "a"), OnnxModels.Node("Add", ["x", "a"], "y")),
                "has no inputs");
        Refuses(OnnxModels.Of([0, 4], 20, OnnxModels.Node("Transpose", ["w"], "a", OnnxAttribute.Of("perm", 1, 1)),
            OnnxModels.Node("MatMul", ["x", "a"], "y")).With("w", [2, 4], new float[8]), "is not an order");
    }

    [Test]
    public void ATranspositionOfTheOnlySampleIsListed() => Assert.That(() => OnnxModels.Of([1, 2, 3], 20,
        OnnxModels.Node("Transpose", ["x"], "y", OnnxAttribute.Of("perm", 1, 0, 2))).Import(),
        Throws.TypeOf<OnnxImportException>().With.Message.Contains("moves the dimension of the samples"));

    [Test]
    public void FunctionsThatCallThemselvesAreErrors()
        => Refuses(WithFunctions(Function("F", Call("F"), Call("F"))), "calls itself");

    [Test]
    public void FunctionsWhoseCallsDoubleAreErrors()
        => Refuses(WithFunctions([Function("F0"), .. Enumerable.Range(1, 40).Select(i
            => Function($"F{i}", Call($"F{i - 1}"), Call($"F{i - 1}"))), Function("F", Call("F40"))]),
            "calls functions more than 200,000 times");

    [Test]
    public void LongNamesWithinFunctionsAreErrors()
    {
        NodeProto[] inner = [.. Enumerable.Range(0, 1_000).Select(i => OnnxModels.Node("Relu", ["x"], $"{i}"))];
        ModelProto model = WithFunctions(Function("F", inner));
        model.Graph.Node[0].Name = new string('n', 1 << 20);
        Refuses(model, "67,108,864 characters");
    }

    [Test]
    public void TheDomainOfComposedNodesIsNoDomainOfFiles()
    {
        NodeProto node = OnnxModels.Node("AdaptiveMaxPool", ["x"], "y");
        node.Domain = OnnxNode.Composed;
        Refuses(OnnxModels.Of([0, 4, 5, 5], 20, node), "no operators in files");
    }

    [Test]
    public void NamesOfInputsAndOutputsAreUnique()
    {
        foreach (string name in (string[])["x", ""])
        {
            ModelProto model = OnnxModels.Of([0, 4], 20, OnnxModels.Node("Add", ["x", "x"], "y"));
            model.Graph.Input.Add(OnnxModels.Value(name, [0, 4]));
            Refuses(model, name.Length == 0 ? "input has no name" : "two of the inputs are called \"x\"");
        }
        ModelProto twice = OnnxModels.Of([0, 4], 20, OnnxModels.Node("Relu", ["x"], "y"));
        twice.Graph.Output.Add(OnnxModels.Value("y", null));
        Refuses(twice, "two of the outputs are called \"y\"");
    }

    [Test]
    public void LongChainsOfProductsAreImported()
    {
        const int Length = 20_000;
        NodeProto[] chain = [.. Enumerable.Range(0, Length).Select(i => OnnxModels.Node("Mul",
            [i == 0 ? "x" : $"{i}", "w"], i == Length - 1 ? "y" : $"{i + 1}"))];
        Graph graph = OnnxModels.Of([0, 4], 20, chain).With("w", [], 2).Import().Graph;
        Assert.That(graph.LayerNodes.Count(), Is.EqualTo(Length));
    }

    [Test]
    public void FewNumbersDoNotBecomeManyConstants()
    {
        const int Wide = 1 << 30;
        (ModelProto Model, string Word)[] cases =
        [
            (OnnxModels.Of([0, Wide], 20, OnnxModels.Node("Mul", ["x", "w"], "y")).With("w", [], 2), "not in the file"),
            (OnnxModels.Of([0, Wide], 20, OnnxModels.Node("Selu", ["x"], "y", OnnxAttribute.Of("gamma", 2f))),
                "not in the file"),
            (OnnxModels.Of([0, 1, 1 << 15, 1 << 14], 20, OnnxModels.Node("Pad", ["x", "p", "v"], "y"))
                .With("p", 0, 0, 1, 1, 0, 0, 1, 1).With("v", [], 1), "not in the file"),
            (OnnxModels.Of([0, Wide], 20, OnnxModels.Node("Slice", ["x", "s", "e", "a", "t"], "y"))
                .With("s", -1).With("e", long.MinValue).With("a", 1).With("t", -1), "pieces"),
            (OnnxModels.Of([0, 4], 20, OnnxModels.Node("Slice", ["x", "s", "e", "a", "t"], "y"))
                .With("s", -1).With("e", long.MinValue).With("a", 0).With("t", -1), "selects samples"),
            (OnnxModels.Of([0, 1, 4, 4], 20, OnnxModels.Node("Resize", ["x", "", "", "s"], "y"))
                .With("s", 0, 1, (1L << 32) + 5, 4), ""),
        ];
        foreach ((ModelProto model, string word) in cases)
        {
            long before = GC.GetTotalAllocatedBytes();
            Refuses(model, word);
            Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(1 << 20), word);
        }
    }

    [Test]
    public void AttributesOfOtherTypesAreErrors() => Refuses(OnnxModels.Of([0, 4, 5, 5], 20,
        OnnxModels.Node("MaxPool", ["x"], "y", OnnxAttribute.Of("kernel_shape", "3x3"))), "kernel_shape");

    [TestCase("../secret")]
    [TestCase("/etc/hostname")]
    [TestCase("sub/../../secret")]
    [TestCase("link")]
    [TestCase("folder/secret")]
    [TestCase("C:\\secret")]
    [TestCase("")]
    [TestCase("missing")]
    [TestCase("short")]
    public void DataIsReadFromTheFolderOfTheModelOnly(string location)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("models/sub"));
        File.WriteAllBytes(folder.File("secret"), new byte[16]);
        File.WriteAllBytes(folder.File("models/short"), new byte[15]);
        File.CreateSymbolicLink(folder.File("models/link"), folder.File("secret"));
        Directory.CreateSymbolicLink(folder.File("models/folder"), folder.Path);
        string file = folder.File("models/m.onnx");
        File.WriteAllBytes(file, WithData(location).ToByteArray());
        Assert.That(() => OnnxImport.Read(file), Throws.TypeOf<InvalidDataException>().With.Message.Contains("\"w\""));
    }

    [Test]
    public void DataBesideTheModelIsRead()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("weights"));
        float[] values = [1, 2, 3, 4];
        File.WriteAllBytes(folder.File("weights/w.bin"), [.. new byte[4],
            .. values.SelectMany(BitConverter.GetBytes)]);
        ModelProto model = WithData("weights/w.bin");
        model.Graph.Initializer[0].ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = "4" });
        File.WriteAllBytes(folder.File("m.onnx"), model.ToByteArray());
        ImportedModel imported = OnnxImport.Read(folder.File("m.onnx"));
        Assert.That(imported.ValuesOf(imported.Graph.Parameters[0]), Is.EqualTo(values));
        Refuses(model, "another file");
    }

    // A model that calls the function F.
    private static ModelProto WithFunctions(params FunctionProto[] functions)
    {
        ModelProto model = OnnxModels.Of([0, 4], 20, Call("F"));
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "own", Version = 1 });
        model.Functions.AddRange(functions);
        return model;
    }

    private static FunctionProto Function(string name, params NodeProto[] nodes)
    {
        var function = new FunctionProto { Domain = "own", Name = name };
        function.Input.Add("x");
        function.Output.Add("y");
        function.Node.AddRange(nodes);
        function.OpsetImport.AddRange([new OperatorSetIdProto { Domain = "own", Version = 1 },
            new OperatorSetIdProto { Version = 20 }]);
        return function;
    }

    private static NodeProto Call(string function)
    {
        NodeProto call = OnnxModels.Node(function, ["x"], "y");
        call.Domain = "own";
        return call;
    }

    private static ModelProto WithData(string location)
    {
        ModelProto model = OnnxModels.Of([0, 4], 20, OnnxModels.Node("MatMul", ["x", "w"], "y"));
        var tensor = new TensorProto
        {
            Name = "w",
            DataType = (int)TensorProto.Types.DataType.Float,
            DataLocation = TensorProto.Types.DataLocation.External,
        };
        tensor.Dims.AddRange([4, 1]);
        tensor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
        model.Graph.Initializer.Add(tensor);
        return model;
    }

    private static void Refuses(ModelProto model, string word) => Refuses(model.ToByteArray(), word, word);

    private static void Refuses(byte[] file, string name, string word = "")
        => Assert.That(() => OnnxImport.Read(new MemoryStream(file), "m.onnx"), Throws.Exception
            .Matches<Exception>(error => error is InvalidDataException or OnnxImportException)
            .With.Message.StartsWith("m.onnx").And.Message.Contains(word), name);
}
