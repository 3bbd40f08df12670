using System.IO.Compression;
using System.Text;
using ConvNet.Serialization;
using ConvNet.Tests.Truth;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

/// <summary>Files of <c>torch.save</c>, as PyTorch wrote them and as hostile programs might.</summary>
public sealed class TorchCheckpointTests
{
    private const int Attempts = 400;

    // PyTorch is a package of Debian; what it computes from written files is checked where it is installed.
    private const string Python = "/usr/bin/python3", ReadWithTorch = """
        import sys, torch
        state = torch.load(sys.argv[1])
        print(" ".join(f"{name}:{'x'.join(map(str, value.shape))}:{value.double().sum().item()}"
                       for name, value in state.items()))
        """;

    private readonly TemporaryFolder _folder = new();

    private static IEnumerable<TruthCase> Cases => TruthTable.Cases("checkpoints.json");

    private static IEnumerable<TruthCase> Readable => Cases.Where(each => !each.Has("refused"));

    private static IEnumerable<TruthCase> Refused => Cases.Where(each => each.Has("refused"));

    [OneTimeTearDown]
    public void Delete() => _folder.Dispose();

    [TestCaseSource(nameof(Readable))]
    public void TensorsHaveTheValuesThatPyTorchSaved(TruthCase @case)
    {
        var read = TorchCheckpoint.Read(FileOf(@case));
        var expected = @case.Json.GetProperty("tensors");
        Assert.That(read.Tensors.Select(tensor => tensor.Name),
            Is.EqualTo(expected.EnumerateObject().Select(each => each.Name)));
        foreach (NamedTensor tensor in read.Tensors)
        {
            var of = expected.GetProperty(tensor.Name);
            Assert.That(tensor.Dimensions, Is.EqualTo(of.GetProperty("shape").EnumerateArray()
                .Select(size => size.GetInt32())), tensor.Name);
            Assert.That(tensor.Values, Is.EqualTo(of.GetProperty("values").EnumerateArray()
                .Select(value => value.GetSingle())), tensor.Name);
        }
        Assert.That(read.Skipped, Is.EqualTo(read.Tensors.Any(tensor => tensor.Name.EndsWith("bn.bias",
            StringComparison.Ordinal)) ? (string[])[read.Tensors[0].Name.Replace("conv.weight",
            "bn.num_batches_tracked", StringComparison.Ordinal)] : []));
    }

    [TestCaseSource(typeof(Backends), nameof(Backends.All))]
    public void ANetworkWithTheseWeightsComputesWhatPyTorchDoes(BackendCase backend)
    {
        TruthCase @case = Cases.First();
        Graph graph = Network();
        using IBackend opened = backend.Open();
        using IExecutable net = opened.CompileInference(graph, 2);
        WeightFile.CopyTo(WeightFile.Read(FileOf(@case)), net);
        var y = new float[4];
        net.Infer(Array.ConvertAll(@case.Values("x"), value => (float)value), y);
        TruthTable.AssertAgree(Array.ConvertAll(y, value => (double)value), @case.Values("y"), "y", 1e-5);
    }

    [Test]
    public void NamesOfOthersAreTranslatedByATable()
    {
        string table = _folder.File("names.json"), file = FileOf(Cases.ElementAt(1));
        File.WriteAllText(table, """
            { "format": "convnet-names", "version": 1,
              "names": { "module.fc.*": "classifier.*", "module.bn.running_*": null, "module.*": "*" } }
            """);
        var names = WeightNames.Read(table);
        Assert.That(WeightFile.Read(file, names).Select(tensor => tensor.Name), Is.EqualTo((string[])["conv.weight",
            "bn.weight", "bn.bias", "classifier.weight", "classifier.bias"]));
        Assert.That((names.Of("other"), names.Of("module."), names.Of("module.fc")), Is.EqualTo(("other", "", "fc")));
        File.WriteAllText(table, """{"format":"convnet-names","version":1,"names":{"module.*.weight":"w"}}""");
        Assert.That(() => WeightFile.Read(file, WeightNames.Read(table)), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains("gives the name \"w\" to several"));
        foreach (string wrong in (string[])["""{"a*b*c":"x"}""", """{"a":"*"}""", """{"a":1}""", """{"":"x"}""", "[]"])
        {
            File.WriteAllText(table, $$"""{"format":"convnet-names","version":1,"names":{{wrong}}}""");
            Assert.That(() => WeightNames.Read(table), Throws.TypeOf<InvalidDataException>().With.Message
                .Contains("names"), wrong);
        }
    }

    [TestCase("module."), TestCase("_orig_mod."), TestCase("module.model."), TestCase("")]
    public void NamesOfModulesAroundTheNetworkAreLeftOut(string wrapper)
    {
        using var backend = new ManagedBackend();
        using IExecutable net = backend.CompileInference(Network(), 1);
        IReadOnlyList<NamedTensor> state = WeightFile.Read(FileOf(Cases.First()));
        NamedTensor[] wrapped = [.. state.Select(tensor => tensor with { Name = wrapper + tensor.Name })];
        WeightFile.CopyTo(wrapped, net);
        foreach (Parameter parameter in net.Graph.Parameters)
        {
            var values = new float[parameter.Length];
            net.Read(parameter, values);
            Assert.That(values, Is.EqualTo(state.Single(tensor => tensor.Name == parameter.Name).Values));
        }
        // A tensor outside the module is none of the network, so that nothing is left out.
        Assert.That(() => WeightFile.CopyTo([.. wrapped, new NamedTensor("head.bias", [1], [1])], net),
            Throws.ArgumentException.With.Message.Contains("head.bias").And.Message
                .Contains(wrapper.Length == 0 ? "no parameter" : "no tensor for the parameter conv.weight"));
    }

    [Test]
    public void StoragesOfTheOldFormAreCheckedAgainstTheFile()
    {
        string file = FileOf(Cases.Single(each => each.Name == "old form"));
        byte[] whole = File.ReadAllBytes(file);
        File.WriteAllBytes(file, whole[..^1]);
        Assert.That(() => TorchCheckpoint.Read(file), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains("ends within"));
        // The number of values before the last storage.
        (int Count, int Bytes)[] storages = [(1, 8), (2, 8), (3, 12), (27, 108), (96, 384)];
        int at = storages.Select(each => (each.Count, At: whole.Length - each.Bytes - sizeof(long)))
            .First(each => BitConverter.ToInt64(whole, each.At) == each.Count).At;
        whole[at]++;
        File.WriteAllBytes(file, whole);
        Assert.That(() => TorchCheckpoint.Read(file), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains("is damaged"));
    }

    [Test]
    public void WhatDoesNotFitTheNetworkIsListed()
    {
        using var backend = new ManagedBackend();
        using IExecutable net = backend.CompileInference(Network(), 1);
        IReadOnlyList<NamedTensor> whole = WeightFile.Read(FileOf(Cases.First()));
        NamedTensor[] wrong = [.. whole.Where(tensor => tensor.Name is not ("fc.bias" or "conv.weight")),
            new NamedTensor("conv.weight", [3, 9], new float[27]), new NamedTensor("head", [1], [float.NaN])];
        Assert.That(() => WeightFile.CopyTo(wrong, net), Throws.ArgumentException.With.Message
            .Contains("no tensor for the parameter fc.bias (2)").And.Message
            .Contains("no parameter for the tensor head").And.Message
            .Contains("other dimensions conv.weight (3×1×3×3) with a tensor of 3×9").And.Message
            .Contains("not finite in head"));
        WeightFile.CopyTo(whole, net);
    }

    [Test]
    public void TrailingDimensionsOfOneMayBeMissing()
    {
        Graph graph = Sequential.Of(new Shape(3, 2, 2), new Conv2d(2, 1, bias: false), new LayerScale(1));
        using var backend = new ManagedBackend();
        using IExecutable net = backend.CompileInference(graph, 1);
        float[] values = [1, 2, 3, 4, 5, 6];
        NamedTensor scale = new(graph.Parameters[1].Name, [2, 1, 1], [1, 2]);
        WeightFile.CopyTo([new("conv1.weight", [2, 3], values), scale], net);
        Assert.That(net.ValuesOf(graph.Parameters[0]), Is.EqualTo(values));
        foreach (int[] wrong in (int[][])[[3, 2], [2, 3, 1, 2], [6], [1, 2, 3], [2, 1, 3]])
            Assert.That(() => WeightFile.CopyTo([new("conv1.weight", wrong, new float[wrong.Aggregate(1,
                (product, size) => product * size)]), scale], net), Throws.ArgumentException.With.Message
                .Contains("other dimensions conv1.weight (2×3×1×1)"), string.Join('×', wrong));
    }

    [TestCaseSource(nameof(Refused))]
    public void WhatIsNoDictionaryOfTensorsIsRefusedByName(TruthCase @case)
        => Assert.That(() => TorchCheckpoint.Read(FileOf(@case)), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains(@case.Json.GetProperty("refused").GetString()!));

    // What a hostile pickle would do, in the text of its opcodes.
    [TestCase("cos\nsystem\n(X\u0002\0\0\0lstR.", "an object of os.system, which is not made")]
    [TestCase("cbuiltins\neval\n.", "the name builtins.eval")]
    [TestCase("cos\nsystem\n)\u0081}b.", "an object of os.system")]
    [TestCase("}X\u0001\0\0\0acos\nsystem\n(X\u0002\0\0\0lstRs.", "no tensors: its dictionary has \"a\"")]
    [TestCase("}X\u0001\0\0\0acos\nsystem\n(X\u0002\0\0\0lstRX\u0001\0\0\0bK\u0001R.", "calls what is not a function")]
    [TestCase("X\u0003\0\0\0posiX\u0006\0\0\0systemX.", "opcode|ends within")]
    [TestCase("ctorch._utils\n_rebuild_tensor_v2\n(K\u0001tR.", "tensor of another form")]
    [TestCase("ctorch\nSize\n(K\u0001tR.", "torch.Size with arguments of another form")]
    [TestCase("}K\u0001K\u0002s", "ends within")]
    [TestCase("K\u0001K\u0002K\u0003s.", "sets entries of what is not")]
    [TestCase("}(K\u0001u.", "sets entries")]
    [TestCase("h\u0007.", "refers to an object 7")]
    [TestCase("t.", "end without a beginning")]
    [TestCase("s.", "where there is none")]
    [TestCase("K\u0001}b.", "sets the state")]
    [TestCase("(K\u0001tQ.", "no storage")]
    [TestCase("K\u0001.", "a whole number, not a dictionary")]
    [TestCase("i\n\n", "opcode 0x69")]
    public void AProgramIsNeverRun(string code, string says)
    {
        string file = _folder.File("hostile.pt");
        WriteZip(file, ("archive/data.pkl", Encoding.Latin1.GetBytes(code)));
        Assert.That(() => TorchCheckpoint.Read(file), Throws.TypeOf<InvalidDataException>()
            .With.Message.Matches(says));
    }

    [Test]
    public void ADamagedFileIsAnErrorAndNoCrash()
    {
        string file = _folder.File("damaged.pt");
        var random = new Random(7);
        foreach (TruthCase @case in Readable)
        {
            byte[] whole = File.ReadAllBytes(FileOf(@case));
            for (int attempt = 0; attempt < Attempts; attempt++)
            {
                byte[] bytes = [.. whole];
                if (attempt % 4 == 0)
                    Array.Resize(ref bytes, random.Next(whole.Length));
                for (int change = random.Next(4); change >= 0 && bytes.Length > 0; change--)
                    bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                File.WriteAllBytes(file, bytes);
                try
                {
                    TorchCheckpoint.Read(file);
                }
                catch (InvalidDataException)
                {
                    // The one error that is documented for content.
                }
            }
        }
    }

    [Test]
    public void TensorsThatShareValuesTakeBoundedMemory()
    {
        string file = _folder.File("shared.pt");
        byte[] pickle = PickleWriter.Write([.. Enumerable.Range(0, 400)
            .Select(i => new NamedTensor($"t{i:D3}", [1000], new float[1000]))]);
        // All of them refer to the first storage.
        string code = Encoding.Latin1.GetString(pickle);
        for (int i = 1; i < 400; i++)
        {
            string key = $"{i}";
            code = code.Replace($"X{(char)key.Length}\0\0\0{key}X", "X\u0001\0\0\0" + "0X", StringComparison.Ordinal);
        }
        WriteZip(file, ("archive/data.pkl", Encoding.Latin1.GetBytes(code)), ("archive/data/0", new byte[4000]));
        Assert.That(() => TorchCheckpoint.Read(file), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains("16 times"));
    }

    [Test]
    public void CompressedEntriesAreRefused()
    {
        string file = _folder.File("compressed.pt");
        using (var zip = new ZipArchive(File.Create(file), ZipArchiveMode.Create))
        {
            using Stream content = zip.CreateEntry("archive/data.pkl", CompressionLevel.SmallestSize).Open();
            content.Write(new byte[1 << 20]);
        }
        Assert.That(() => TorchCheckpoint.Read(file), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains("is compressed"));
    }

    [Test]
    public void AWrittenFileIsReadAgainAndHasTheSameBytesEveryTime()
    {
        string first = _folder.File("first.pt"), second = _folder.File("second.pt");
        NamedTensor[] tensors = [new("a.weight", [2, 3], [1, 2, 3, 4, 5, float.NegativeZero]), new("ö", [], [7]),
            new("empty", [0, 4], [])];
        new TorchCheckpoint(tensors).Write(first);
        IReadOnlyList<NamedTensor> read = TorchCheckpoint.Read(first).Tensors;
        Assert.That(read.Select(tensor => (tensor.Name, string.Join('x', tensor.Dimensions))),
            Is.EqualTo(tensors.Select(tensor => (tensor.Name, string.Join('x', tensor.Dimensions)))));
        Assert.That(read.Select(tensor => tensor.Values), Is.EqualTo(tensors.Select(tensor => tensor.Values)));
        new TorchCheckpoint(read).Write(second);
        Assert.That(File.ReadAllBytes(second), Is.EqualTo(File.ReadAllBytes(first)));
        Assert.That(() => new TorchCheckpoint([new("a", [3], [1])]).Write(second), Throws.ArgumentException);
        Assert.That(File.ReadAllBytes(second), Is.EqualTo(File.ReadAllBytes(first)), "unchanged");
    }

    [Test]
    public void PyTorchReadsAWrittenFile()
    {
        if (!File.Exists(Python) || Repository.Run(Repository.Root, Python, ["-c", "import torch"]).ExitCode != 0)
            Assert.Ignore("PyTorch is not installed (the package python3-torch).");
        string file = _folder.File("ours.pt");
        new TorchCheckpoint([new("conv.weight", [2, 1, 1, 2], [1, 2, 3, 4.5f]), new("n", [], [0.25f])]).Write(file);
        CommandResult run = Repository.Run(Repository.Root, Python, ["-c", ReadWithTorch, file]);
        Assert.That(run.Output.Trim(), Is.EqualTo("conv.weight:2x1x1x2:10.5 n::0.25"));
    }

    [TestCase("F16", new byte[] { 0, 60, 0, 192 }, new float[] { 1, -2 })]
    [TestCase("BF16", new byte[] { 128, 63, 0, 192 }, new float[] { 1, -2 })]
    [TestCase("F64", new byte[] { 0, 0, 0, 0, 0, 0, 240, 63, 0, 0, 0, 0, 0, 0, 0, 192 }, new float[] { 1, -2 })]
    public void OtherTypesOfSafetensorsBecomeFloat32(string type, byte[] values, float[] expected)
    {
        string file = _folder.File("types.safetensors");
        byte[] header = Encoding.ASCII.GetBytes($$$"""
            {"t":{"dtype":"{{{type}}}","shape":[2],"data_offsets":[0,{{{values.Length}}}]}}
            """);
        File.WriteAllBytes(file, [.. BitConverter.GetBytes((long)header.Length), .. header, .. values]);
        Assert.That(WeightFile.Read(file).Single().Values, Is.EqualTo(expected));
    }

    // A header of 123 bytes, which is the code of a brace, is no JSON.
    [TestCase(0), TestCase('{')]
    public void TensorsOfWholeNumbersAreLeftOut(int headerBytes)
    {
        string file = _folder.File("whole.safetensors"), index = _folder.File("whole.safetensors.index.json");
        byte[] header = Encoding.ASCII.GetBytes("""
            {"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}
            """.PadRight(headerBytes));
        File.WriteAllBytes(file, [.. BitConverter.GetBytes((long)header.Length), .. header,
            .. BitConverter.GetBytes(7L), .. BitConverter.GetBytes(1.5f), .. BitConverter.GetBytes(-2f)]);
        Assert.That(SafeTensors.Read(file).Skipped, Is.EqualTo((string[])["n"]));
        File.WriteAllText(index, """{"weight_map":{"n":"whole.safetensors","w":"whole.safetensors"}}""");
        foreach (string path in (string[])[file, index])
            Assert.That(WeightFile.Read(path).Single().Values, Is.EqualTo((float[])[1.5f, -2]), path);
        Assert.That(() => SavedModel.Load(file), Throws.TypeOf<InvalidDataException>());
    }

    [Test]
    public void SeveralFilesAreReadByTheirIndex()
    {
        string index = _folder.File("model.safetensors.index.json");
        new SafeTensors(new Dictionary<string, string>(), [new("b", [1], [2]), new("unlisted", [1], [9])])
            .Write(_folder.File("part-1.safetensors"));
        new SafeTensors(new Dictionary<string, string>(), [new("a", [2], [1, 3])])
            .Write(_folder.File("part-2.safetensors"));
        Write("""{"a":"part-2.safetensors","b":"part-1.safetensors"}""");
        IReadOnlyList<NamedTensor> read = WeightFile.Read(index);
        Assert.That(read.Select(tensor => tensor.Name), Is.EqualTo((string[])["a", "b"]));
        Assert.That(read.Select(tensor => tensor.Values), Is.EqualTo((float[][])[[1, 3], [2]]));
        foreach ((string map, string says) in (IEnumerable<(string, string)>)[
            ("""{"a":"../part-2.safetensors"}""", "name of a file in the folder"), ("""{"a":1}""", "name of a file"),
            ("""{"a":".."}""", "name of a file"), ("""{"c":"part-1.safetensors"}""", "has no tensor \"c\""),
            ("""{"a":"none.safetensors"}""", "names none.safetensors"), ("{}", "no tensors"),
            ("[]", "no index of tensors")])
        {
            Write(map);
            Assert.That(() => WeightFile.Read(index), Throws.TypeOf<InvalidDataException>()
                .With.Message.Contains(says), map);
        }

        void Write(string map) => File.WriteAllText(index, $$$"""{"metadata":{},"weight_map":{{{map}}}}""");
    }

    private string FileOf(TruthCase @case)
    {
        string file = _folder.File($"{@case.Name}.pt");
        File.WriteAllBytes(file, Convert.FromBase64String(@case.Json.GetProperty("file").GetString()!));
        return file;
    }

    private static Graph Network()
    {
        var graph = new Graph(new Shape(1, 4, 4));
        Node x = graph.Add("conv", new Conv2d(3, 3, padding: 1, bias: false), graph.Input);
        x = graph.Add("relu", new Relu(), graph.Add("bn", new BatchNorm2d(), x));
        graph.Add("fc", new Linear(2), graph.Add("flat", new Flatten(), x));
        return graph;
    }

    private static void WriteZip(string file, params (string Name, byte[] Content)[] entries)
    {
        using var zip = new ZipArchive(File.Create(file), ZipArchiveMode.Create);
        foreach ((string name, byte[] content) in entries)
        {
            using Stream stream = zip.CreateEntry(name, CompressionLevel.NoCompression).Open();
            stream.Write(content);
        }
    }
}
