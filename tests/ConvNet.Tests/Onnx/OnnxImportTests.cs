using ConvNet.Backends;
using ConvNet.Models;
using ConvNet.Onnx;
using ConvNet.Serialization;
using NUnit.Framework;
using Onnx;

namespace ConvNet.Tests.Onnx;

/// <summary>Imported networks compute what ONNX Runtime computes from the same file, are trained, saved and refused as
/// networks of this library are.</summary>
public sealed class OnnxImportTests
{
    [Test]
    public void ImportedNetworksComputeWhatOnnxRuntimeComputes(
        [Values("lenet5", "resnet20", "mobilenet_v3_small", "shufflenet_v2_x1_0", "googlenet", "densenet121",
            "convnext_tiny")] string name, [Values("managed", "native")] string backendName)
    {
        Graph graph = OnnxRoundTripTests.Thin(BuiltInModels.Create(name, Small(name), 10));
        byte[] file = OnnxExport.Write(graph, parameter => Samples.ParameterValues(parameter, parameter.Index),
            new OnnxExportOptions { OperatorSet = 17 });
        float[] input = Samples.Uniform(2 * graph.Input.Shape.Length, 3);
        using IBackend backend = BackendRegistry.Create(backendName, threads: 2);
        ImportedModel model = OnnxImport.Read(new MemoryStream(file), name);
        float[] own = model.Infer(backend, 2, input), theirs = OnnxOperatorTests.RunInOnnxRuntime(file, "input", input,
            [2, graph.Input.Shape.C, graph.Input.Shape.H, graph.Input.Shape.W]);
        Assert.That(own, Is.EqualTo(theirs).Within(1e-4f * theirs.Max(Math.Abs)));
    }

    [Test]
    public void TheFirstStepOfTrainingHasTheGradientsOfTheNetworkThatWasExported(
        [Values("lenet5", "resnet20")] string name, [Values("managed", "native")] string backendName)
    {
        Graph graph = BuiltInModels.Create(name, Small(name), 10);
        ImportedModel model = OnnxImport.Read(new MemoryStream(OnnxExport.Write(graph,
            parameter => Samples.ParameterValues(parameter, parameter.Index))), name);
        using IBackend backend = BackendRegistry.Create(backendName, threads: 2);
        float[] input = Samples.Uniform(2 * graph.Input.Shape.Length, 3);
        Dictionary<string, float[]> before = Gradients(graph, parameter => Samples.ParameterValues(parameter,
            parameter.Index)), after = Gradients(model.Graph, model.ValuesOf);
        Assert.Multiple(() =>
        {
            Assert.That(after.Keys, Is.EquivalentTo(before.Keys));
            foreach ((string parameter, float[] gradient) in before)
                Assert.That(after[parameter].AsSpan().SequenceEqual(gradient), Is.True, parameter);
            Assert.That(before.Values.SelectMany(each => each).Any(value => value != 0));
        });

        Dictionary<string, float[]> Gradients(Graph of, Func<Parameter, float[]> values)
        {
            using IExecutable network = backend.Compile(of, new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd()));
            foreach (Parameter parameter in of.Parameters)
                network.Write(parameter, values(parameter));
            network.Forward(input);
            network.Loss((int[])[1, 7]);
            network.Backward();
            return of.Parameters.Where(parameter => parameter.Trainable).ToDictionary(parameter => parameter.Name,
                parameter =>
                {
                    var gradient = new float[parameter.Length];
                    network.ReadGradient(parameter, gradient);
                    return gradient;
                });
        }
    }

    [Test]
    public void AnImportedNetworkIsSavedAndLoaded()
    {
        using var folder = new TemporaryFolder();
        Graph graph = BuiltInModels.Create("resnet20");
        string[] names = [.. Enumerable.Range(0, 10).Select(i => $"class \"{i}\" ä")];
        ImportedModel model = OnnxImport.Read(new MemoryStream(OnnxExport.Write(graph,
            parameter => Samples.ParameterValues(parameter, parameter.Index), new OnnxExportOptions
            {
                ClassNames = names,
            })), "resnet20");
        model.Save(folder.File("m.safetensors"));
        SavedModel saved = SavedModel.Load(folder.File("m.safetensors"));
        Assert.That(saved.Graph.Parameters.All(parameter => saved.ValuesOf(parameter, averaged: false)
            .SequenceEqual(model.ValuesOf(model.Graph.Parameters[parameter.Index]))), Is.True);
        Assert.That(saved.ClassNames, Is.EqualTo(model.ClassNames).And.Length.EqualTo(10));
    }

    [Test]
    public void NamesOfOtherClassesAreNotSaved()
    {
        using var folder = new TemporaryFolder();
        using var backend = new ManagedBackend();
        using IExecutable network = backend.CompileInference(Sequential.Of(new Shape(1, 2, 2), new Conv2d(3, 1)), 1);
        Assert.That(() => SavedModel.Save(folder.File("m.safetensors"), network, classNames: ["a", "b"]),
            Throws.ArgumentException.With.Message.Contains("2 names of classes").And.Message.Contains("3×2×2"));
        Assert.That(File.Exists(folder.File("m.safetensors")), Is.False);
    }

    [Test]
    public void EverythingThatCannotBeImportedIsListed()
    {
        ModelProto model = OnnxModels.Of([0, 2, 4, 4], 20,
            OnnxModels.Node("Sin", ["x"], "a"), OnnxModels.Node("Sin", ["x"], "b"),
            OnnxModels.Node("Relu", ["a"], "c"), OnnxModels.Node("NonZero", ["c"], "d"),
            OnnxModels.Node("Mul", ["x", "weights"], "e"), OnnxModels.Node("Sum", ["b", "d", "e"], "y"))
            .With("weights", [3, 4, 4], new float[48]);
        model.Graph.Node[0].Name = "first";
        OnnxImportException error = Assert.Throws<OnnxImportException>(() => model.Import())!;
        Assert.Multiple(() =>
        {
            Assert.That(error.Operators.Select(each => (each.Operator, each.Count)), Is.EqualTo(
                ((string, int)[])[("Sin", 2), ("NonZero", 1), ("Mul", 1)]));
            Assert.That(error.Operators[0].Nodes, Is.EqualTo((string[])["first", "b"]));
            Assert.That(error.Operators[2].Reason, Does.Contain("3×4×4"));
            Assert.That(error.Unseen, Is.EqualTo(2));
            Assert.That(error.Message, Does.StartWith("model.onnx has 4 nodes that cannot be imported: 2 Sin")
                .And.Contain("1 NonZero").And.Contain("1 Mul"));
        });
    }

    [Test]
    public void InputsWithFreeSizesNeedAShape()
    {
        ModelProto model = OnnxModels.Of([0, 2, 0, 0], 20, OnnxModels.Node("Relu", ["x"], "y"));
        Assert.That(() => model.Import(), Throws.TypeOf<InvalidDataException>().With.Message.Contains(
            "dimension 2 of the input \"x\" (N) is free. Give the shape of a sample: x=3x224x224"));
        ImportedModel given = model.Import(new OnnxImportOptions
        {
            InputShapes = new Dictionary<string, Shape> { ["x"] = new(2, 5, 6) },
        });
        Assert.That(given.Graph.Output.Shape, Is.EqualTo(new Shape(2, 5, 6)));
        Assert.That(() => model.Import(new OnnxImportOptions
        {
            InputShapes = new Dictionary<string, Shape> { ["z"] = new(2, 5, 6) },
        }), Throws.TypeOf<InvalidDataException>().With.Message.Contains("no input \"z\"; the inputs are x"));
    }

    [Test]
    public void SeveralInputsAndOutputsKeepTheirNames()
    {
        ModelProto model = OnnxModels.Of([0, 2, 4, 4], 20, OnnxModels.Node("Add", ["x", "image"], "y"),
            OnnxModels.Node("Relu", ["y"], "positive"), OnnxModels.Node("Identity", ["y"], "same"));
        model.Graph.Input.Add(OnnxModels.Value("image", [0, 2, 4, 4]));
        model.Graph.Output.AddRange([OnnxModels.Value("positive", null), OnnxModels.Value("same", null)]);
        Graph graph = model.Import().Graph;
        Assert.Multiple(() =>
        {
            Assert.That(graph.Inputs.Select(node => node.Name), Is.EqualTo((string[])["x", "image"]));
            Assert.That(graph.Outputs.Select(node => node.Name), Is.EqualTo((string[])["y", "positive", "same"]));
        });
    }

    [Test]
    public void LayersHaveTheNamesOfTheirWeights()
    {
        ModelProto model = OnnxModels.Of([0, 2, 4, 4], 20,
            OnnxModels.Node("Conv", ["x", "layer1.0.conv1.weight"], "/layer1/Conv_output_0"),
            OnnxModels.Node("Relu", ["/layer1/Conv_output_0"], "y")).With("layer1.0.conv1.weight", [3, 2, 1, 1],
            new float[6]);
        Assert.That(model.Import().Graph.Parameters[0].Name, Is.EqualTo("layer1.0.conv1.weight"));
    }

    [Test]
    public void FunctionsAreInlined()
    {
        NodeProto call = OnnxModels.Node("Twice", ["x"], "y");
        (call.Domain, call.Name) = ("own", "call");
        ModelProto model = OnnxModels.Of([0, 2, 4, 4], 20, call);
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "own", Version = 1 });
        var function = new FunctionProto { Domain = "own", Name = "Twice" };
        function.Input.Add("a");
        function.Output.Add("b");
        function.Node.AddRange([OnnxModels.Node("Relu", ["a"], "inside"),
            OnnxModels.Node("LeakyRelu", ["inside"], "b", OnnxAttribute.Of("alpha", 0.5f))]);
        function.OpsetImport.Add(new OperatorSetIdProto { Version = 20 });
        model.Functions.Add(function);
        Assert.That(model.Import().Graph.LayerNodes.Select(node => node.Layer!.Kind),
            Is.EqualTo((string[])["relu", "leakyrelu"]));
    }

    [Test]
    public void ModelsInHalfPrecisionAreImported()
    {
        ModelProto model = OnnxModels.Of([0, 2], 20, OnnxModels.Node("MatMul", ["x", "w"], "a"),
            OnnxModels.Node("Cast", ["a"], "y", OnnxAttribute.Of("to", (int)TensorProto.Types.DataType.Float)));
        model.Graph.Input[0].Type.TensorType.ElemType = (int)TensorProto.Types.DataType.Float16;
        var weights = new TensorProto { Name = "w", DataType = (int)TensorProto.Types.DataType.Float16 };
        weights.Dims.AddRange([2, 1]);
        weights.Int32Data.AddRange([BitConverter.HalfToUInt16Bits((Half)0.5f),
            BitConverter.HalfToUInt16Bits((Half)(-3))]);
        model.Graph.Initializer.Add(weights);
        ImportedModel imported = model.Import();
        using var backend = new ManagedBackend();
        Assert.That(imported.Infer(backend, 1, [4, 1]), Is.EqualTo((float[])[-1]));
    }

    [Test]
    public void OutputsThatNothingReadsDoNotMatter()
    {
        NodeProto dropout = OnnxModels.Node("Dropout", ["x"], "y", OnnxAttribute.Of("ratio", 0.25f));
        dropout.Output.Add("mask");
        ModelProto model = OnnxModels.Of([0, 2, 4, 4], 7, dropout);
        Assert.That(model.Import().Graph.Output.Layer, Is.EqualTo(new Dropout(0.25f)));
        model.Graph.Output.Add(OnnxModels.Value("mask", null));
        Assert.That(() => model.Import(), Throws.TypeOf<OnnxImportException>().With.Message.Contains("mask")
            .And.Message.Contains("number of samples, which is free"));
        model.Graph.Input[0] = OnnxModels.Value("x", [3, 2, 4, 4]);
        ConstantOutput mask = model.Import().ConstantOutputs.Single();
        Assert.That((mask.Name, string.Join('×', mask.Sizes)), Is.EqualTo(("mask", "3×2×4×4")));
        Assert.That(mask.ToReals(), Has.Length.EqualTo(96).And.All.EqualTo(1));
    }

    [Test]
    public void OutputsThatDependOnNoInputAreConstants()
    {
        ModelProto model = OnnxModels.Of([0, 2, 4, 4], 20, OnnxModels.Node("Relu", ["x"], "y"),
            OnnxModels.Node("Shape", ["y"], "size", OnnxAttribute.Of("start", 1)),
            OnnxModels.Node("Shape", ["y"], "samples", OnnxAttribute.Of("end", 1)));
        model.Graph.Output.Add(OnnxModels.Value("size", null));
        ImportedModel imported = model.Import();
        ConstantOutput size = imported.ConstantOutputs.Single();
        Assert.Multiple(() =>
        {
            Assert.That(size.Name, Is.EqualTo("size"));
            Assert.That(size.ToWholes(), Is.EqualTo((long[])[2, 4, 4]));
            Assert.That(imported.Graph.Outputs.Select(node => node.Name), Is.EqualTo((string[])["y"]));
        });
        model.Graph.Output.Add(OnnxModels.Value("samples", null));
        Assert.That(() => model.Import(), Throws.TypeOf<OnnxImportException>().With.Message.Contains(
            "computed from the number of samples, which is free"));
    }

    [Test]
    public void AModelOfConstantsAloneHasNoLayers()
    {
        ModelProto model = OnnxModels.Of([0, 2], 20, OnnxModels.Node("Add", ["a", "a"], "y")).With("a", [2], 1, 2.5f);
        ImportedModel imported = model.Import();
        using var folder = new TemporaryFolder();
        Assert.That(imported.Graph.Nodes, Is.Empty);
        Assert.That(imported.ConstantOutputs.Single().ToReals(), Is.EqualTo((float[])[2, 5]));
        Assert.That(() => imported.Save(folder.File("saved.safetensors")), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains("no output depends on an input"));
        Assert.That(() => model.Import(new OnnxImportOptions
        {
            InputShapes = new Dictionary<string, Shape> { ["x"] = Shape.Vector(2) },
        }), Throws.TypeOf<InvalidDataException>().With.Message.Contains("no input \"x\""));
    }

    [Test]
    public void OutputsHaveTheirNamesWhateverTheirShapes()
    {
        ModelProto model = OnnxModels.Of([0, 2, 3, 4, 4], 20, OnnxModels.Node("Conv", ["x", "w"], "y"),
            OnnxModels.Node("Mul", ["y", "c"], "z")).With("w", [5, 2, 1, 1, 1], new float[10])
            .With("c", [3, 1, 4], new float[12]);
        model.Graph.Output.Add(OnnxModels.Value("z", null));
        Assert.That(model.Import().Graph.Outputs.Select(node => node.Name), Is.EqualTo((string[])["y", "z"]));
    }

    [Test]
    public void ConstantsOfFormulasAreNamed()
    {
        ModelProto model = OnnxModels.Of([0, 2, 4, 4], 20, OnnxModels.Node("Mul", ["x", "two"], "a"),
            OnnxModels.Node("Add", ["a", "channels"], "y")).With("two", [], 2).With("channels", [2, 1, 1], 1, 3);
        Assert.That(model.Import().Constants, Is.EqualTo((string[])["a.layer_scale", "y.weight"]));
    }

    private static Shape Small(string name) => name switch
    {
        "lenet5" => new Shape(1, 28, 28),
        "resnet20" => new Shape(3, 16, 16),
        _ => new Shape(3, 64, 64),
    };
}
