using ConvNet.Onnx;
using Google.Protobuf;
using NUnit.Framework;
using Onnx;

namespace ConvNet.Tests.Onnx;

/// <summary>What PyTorch's export writes for modules of users, judged by ONNX Runtime.</summary>
public sealed class OnnxTorchTests
{
    private static readonly int[] s_map = [2, 4, 5, 6];

    private static IEnumerable<TestCaseData> Forms()
    {
        yield return Form("x.norm(dim=1)", Of("ReduceL2", Ints("axes", 1)));
        yield return Form("x.norm(p=1, dim=(2, 3))", Of("ReduceL1", Ints("axes", 2, 3),
            OnnxAttribute.Of("keepdims", 0)));
        yield return Form("x.square().sum((1, 3))", Of("ReduceSumSquare", Ints("axes", 1, 3)));
        yield return Form("torch.logsumexp(x, 1)", Of("ReduceLogSumExp", Ints("axes", 1),
            OnnxAttribute.Of("keepdims", 0)));
        yield return Form("torch.logsumexp(x, (2, 3), keepdim=True)", Of("ReduceLogSumExp", Ints("axes", -1, 2)));
        yield return Form("log of a sum", OnnxModels.Of(s_map, 13, OnnxModels.Node("Exp", ["x"], "e"),
            OnnxModels.Node("ReduceLogSum", ["e"], "y", Ints("axes", 2))));
        yield return Form("a norm whose axes are an input", OnnxModels.Of(s_map, 18,
            OnnxModels.Node("ReduceL2", ["x", "axes"], "y")).With("axes", 2L, 3));
        yield return Form("F.normalize(x, dim=1)", OnnxModels.Of(s_map, 13,
            OnnxModels.Node("ReduceL2", ["x"], "n", Ints("axes", 1)),
            OnnxModels.Node("Clip", ["n", "epsilon"], "c"), OnnxModels.Node("Shape", ["x"], "sizes"),
            OnnxModels.Node("Expand", ["c", "sizes"], "d"), OnnxModels.Node("Div", ["x", "d"], "y"))
            .With("epsilon", [], 1e-12f));
        foreach (int[] pads in (int[][])[[0, 2, 0, 0, 0, 1, 0, 0], [0, 2, 1, 0, 0, 0, 0, 3], [0, -1, 0, 1, 0, 2, 0, 0]])
        {
            yield return Form($"F.pad of channels by {string.Join(' ', pads)}", Of("Pad", Ints("pads", pads)));
            yield return Form($"F.pad of channels by {string.Join(' ', pads)} with a value",
                Of("Pad", Ints("pads", pads), OnnxAttribute.Of("value", 0.5f)));
        }
        yield return Form("F.pad of the channels of a signal", OnnxModels.Of([2, 4, 7], 10,
            OnnxModels.Node("Pad", ["x"], "y", Ints("pads", 0, 1, 2, 0, 3, 0))), [2, 4, 7]);
        yield return Form("GroupNorm without parameters", GroupNormOf(1, 0));
        yield return Form("GroupNorm times one number", GroupNormOf(3, -1));
        yield return Form("mean over the rows", Of("ReduceMean", Ints("axes", 2), OnnxAttribute.Of("keepdims", 0)));
        yield return Form("sum over the channels", Of("ReduceSum", Ints("axes", 1)));
    }

    [TestCaseSource(nameof(Forms))]
    public void ComputesWhatOnnxRuntimeComputes(byte[] file, int[] sizes)
        => OnnxOperatorTests.AgreesWithOnnxRuntime(file, sizes);

    [TestCaseSource(nameof(Forms))]
    public void TheOutputHasItsName(byte[] file, int[] sizes)
        => Assert.That(ModelProto.Parser.ParseFrom(file).Import().Graph.Output.Name, Is.EqualTo("y"),
            string.Join('×', sizes));

    [Test]
    public void TheNormOfZerosHasTheSlopeZero([Values] bool isNative)
    {
        ImportedModel model = Of("ReduceL2", Ints("axes", 1)).Import();
        using IBackend backend = isNative ? new NativeBackend() : new ManagedBackend();
        using IExecutable network = backend.Compile(model.Graph,
            new TrainingSpec(1, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        model.CopyTo(network);
        float[] input = new float[4 * 5 * 6], gradient = new float[input.Length], targets = new float[5 * 6];
        Array.Fill(targets, 1);
        // One pixel is not zero.
        (input[0], input[5 * 6]) = (3, 4);
        network.Forward(input);
        network.Loss(targets);
        network.Backward();
        network.ReadInputGradient(gradient);
        Assert.That(gradient, Has.All.Matches<float>(float.IsFinite));
        Assert.That(gradient.Index().Where(each => each.Item != 0).Select(each => each.Index),
            Is.EqualTo((int[])[0, 5 * 6]));
        Assert.That(gradient[5 * 6] / gradient[0], Is.EqualTo(4f / 3).Within(1e-5f));
    }

    [Test]
    public void EveryOutputThatIsAViewHasItsName()
    {
        string[] names = [.. Enumerable.Range(0, 300).Select(i => i == 0 ? "y" : $"y{i}")];
        ModelProto model = OnnxModels.Of(s_map, 12,
            [.. names.Select(name => OnnxModels.Node("ReduceSum", ["x"], name, Ints("axes", 1)))]);
        model.Graph.Output.AddRange(names.Skip(1).Select(name => OnnxModels.Value(name, null)));
        Assert.That(model.Import().Graph.Outputs.Select(output => output.Name), Is.EqualTo(names));
    }

    // The layer normalisation of ConvNeXt and of Segment Anything: its channels come first.
    [TestCase(1, 4, 1, 1, true), TestCase(1, 4, 1, 1, false), TestCase(-1, 1, 1, 6, true)]
    [TestCase(1, 1, 1, 6, true), TestCase(2, 1, 5, 1, true)]
    public void LayerNormalisationOfOneDimensionIsComputed(int axis, int channels, int rows, int columns, bool last)
    {
        int[] sizes = [channels, rows, columns];
        int count = channels * rows * columns;
        ModelProto model = OnnxModels.Of(s_map, 13, OnnxModels.Node("ReduceMean", ["x"], "mean", Ints("axes", axis)),
            OnnxModels.Node("Sub", ["x", "mean"], "d"), OnnxModels.Node("Pow", ["d", "two"], "p"),
            OnnxModels.Node("ReduceMean", ["p"], "v", Ints("axes", axis)),
            OnnxModels.Node("Add", ["v", "epsilon"], "a"), OnnxModels.Node("Sqrt", ["a"], "s"),
            OnnxModels.Node("Div", ["d", "s"], "n"), OnnxModels.Node("Mul", last ? ["n", "w"] : ["w", "n"], "m"),
            OnnxModels.Node("Add", last ? ["m", "b"] : ["b", "m"], "y")).With("two", [], 2f)
            .With("epsilon", [], 1e-6f).With("w", sizes, Samples.Uniform(count, 1))
            .With("b", sizes, Samples.Uniform(count, 2));
        OnnxOperatorTests.AgreesWithOnnxRuntime(model.ToByteArray(), s_map);
        bool isOfItsOwn = (axis, count) is not (1, 6);
        Graph graph = model.Import().Graph;
        Assert.That(graph.Parameters.Any(parameter => parameter.Node.Layer is LayerNorm), Is.EqualTo(isOfItsOwn));
        Assert.That(graph.LayerNodes.Count(node => node.Layer is LayerNorm), Is.EqualTo(1));
    }

    [Test]
    public void NormalisedWeightsAreConstants()
    {
        ModelProto model = OnnxModels.Of(s_map, 13,
            OnnxModels.Node("ReduceMean", ["w"], "m", Ints("axes", 1, 2, 3)),
            OnnxModels.Node("Sub", ["w", "m"], "c"), OnnxModels.Node("ReduceL2", ["c"], "n", Ints("axes", 1, 2, 3)),
            OnnxModels.Node("Div", ["c", "n"], "standardised"),
            OnnxModels.Node("Conv", ["x", "standardised"], "y")).With("w", [3, 4, 2, 2], Samples.Uniform(48, 1));
        OnnxOperatorTests.AgreesWithOnnxRuntime(model.ToByteArray(), s_map);
        Assert.That(model.Import().Graph.LayerNodes.Single().Layer, Is.TypeOf<Conv2d>());
    }

    [Test]
    public void ATrainingExportBecomesLayersThatTrain([Values] bool statisticsAreRead)
    {
        ModelProto Model(int training)
        {
            NodeProto norm = OnnxModels.Node("BatchNormalization", ["x", "scale", "shift", "mean", "variance"], "n",
                OnnxAttribute.Of("training_mode", training), OnnxAttribute.Of("momentum", 0.75f));
            if (training > 0)
                norm.Output.Add((string[])["newMean", "newVariance"]);
            ModelProto model = OnnxModels.Of(s_map, 15, norm, OnnxModels.Node("Dropout", ["n", "ratio", "drops"], "y"))
                .With("scale", [4], 1, 2, 3, 4).With("shift", [4], 4, 3, 2, 1).With("mean", [4], 0.5f, 0, -0.5f, 1)
                .With("variance", [4], 1, 2, 0.5f, 1).With("ratio", [], 0.25f);
            model.Graph.Initializer.Add(new TensorProto
            {
                Name = "drops",
                DataType = (int)TensorProto.Types.DataType.Bool,
                Int32Data = { training },
            });
            return model;
        }
        ModelProto trains = Model(1);
        if (statisticsAreRead)
        {
            trains.Graph.Output.Add(OnnxModels.Value("newMean", null));
            Assert.That(() => trains.Import(), Throws.TypeOf<OnnxImportException>()
                .With.Message.Contains("its statistics are read"));
            return;
        }
        float[] input = Samples.Uniform(2 * 4 * 5 * 6, 5);
        using var backend = new ManagedBackend();
        ImportedModel imported = trains.Import();
        // In inference, it is the network that model.eval() exports.
        Assert.That(imported.Infer(backend, 2, input), Is.EqualTo(OnnxOperatorTests.RunInOnnxRuntime(
            Model(0).ToByteArray(), "x", input, [2, 4, 5, 6])).Within(1e-5f));
        Assert.That(imported.Graph.LayerNodes.Select(node => node.Layer), Is.EqualTo((Layer[])[new BatchNorm2d(0.25f),
            new Dropout(0.25f)]));
        Assert.That(() => trains.Import(new OnnxImportOptions { RefusesTrainingMode = true }),
            Throws.TypeOf<OnnxImportException>().With.Message.Contains("training_mode"));
    }

    // F.interpolate(x, scale_factor=1.7, align_corners=True) of three values, in PyTorch.
    [TestCase("pytorch", 0, 0.5f, 1, 1.5f, 2), TestCase("another", 0, 0.4878f, 0.9756f, 1.4634f, 1.9512f)]
    public void CornersAreAlignedAsTheProgramOfTheFileDoes(string program, params float[] expected)
    {
        ModelProto model = OnnxModels.Of([1, 1, 1, 3], 13, OnnxModels.Node("Resize", ["x", "", "s"], "y",
            OnnxAttribute.Of("mode", "linear"), OnnxAttribute.Of("coordinate_transformation_mode", "align_corners")))
            .With("s", [4], 1, 1, 1, 1.7f);
        model.ProducerName = program;
        using var backend = new ManagedBackend();
        Assert.That(model.Import().Infer(backend, 1, [0, 1, 2]), Is.EqualTo(expected).Within(1e-4f));
    }

    private static ModelProto GroupNormOf(float scale, float shift) => OnnxModels.Of([0, 4, 5, 6], 13,
        OnnxModels.Node("Reshape", ["x", "groups"], "a"),
        OnnxModels.Node("InstanceNormalization", ["a", "ones", "zeros"], "b"),
        OnnxModels.Node("Shape", ["x"], "sizes"), OnnxModels.Node("Reshape", ["b", "sizes"], "c"),
        OnnxModels.Node("Mul", ["c", "w"], "d"), OnnxModels.Node("Add", ["d", "v"], "y"))
        .With("groups", 0, 2, -1).With("ones", [2], 1, 1).With("zeros", [2], 0, 0).With("w", [1], scale)
        .With("v", [1], shift);

    private static ModelProto Of(string type, params AttributeProto[] attributes)
        => OnnxModels.Of(s_map, 10, OnnxModels.Node(type, ["x"], "y", attributes));

    private static TestCaseData Form(string name, ModelProto model, int[]? sizes = null)
        => new TestCaseData(model.ToByteArray(), sizes ?? s_map).SetArgDisplayNames(name);

    private static AttributeProto Ints(string name, params int[] values) => OnnxAttribute.Of(name, values);
}
