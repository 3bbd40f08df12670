using System.Runtime.InteropServices;
using ConvNet.Onnx;
using Google.Protobuf;
using NUnit.Framework;
using Onnx;

namespace ConvNet.Tests.Onnx;

/// <summary>The forms of operators in all versions, judged by ONNX Runtime.</summary>
public sealed class OnnxOperatorTests
{
    private static readonly int[] s_map = [2, 3, 7, 6];

    private static IEnumerable<TestCaseData> Cases =>
    [
        .. Windows().SelectMany(window => Each("Conv", window)),
        .. Windows().SelectMany(window => Each("MaxPool", window)),
        .. Windows().SelectMany(window => Each("AveragePool", window)),
        Case("AveragePool that counts wide padding", 11, "AveragePool", Ints("kernel_shape", 3, 3),
            Ints("pads", 2, 2, 2, 2), OnnxAttribute.Of("count_include_pad", 1)),
        Case("AveragePool that does not count wide padding", 11, "AveragePool", Ints("kernel_shape", 3, 4),
            Ints("pads", 2, 3, 2, 1), Ints("strides", 2, 1)),
        Case("MaxPool with wide padding", 11, "MaxPool", Ints("kernel_shape", 3, 4), Ints("pads", 2, 3, 2, 1),
            Ints("strides", 2, 1)),
        Case("MaxPool rounded up", 11, "MaxPool", Ints("kernel_shape", 3, 2), Ints("strides", 2, 3),
            OnnxAttribute.Of("ceil_mode", 1)),
        Case("Clip with attributes", 6, "Clip", OnnxAttribute.Of("min", -0.25f), OnnxAttribute.Of("max", 0.5f)),
        Case("Clip without limits", 6, "Clip"),
        Case("HardSigmoid with its own factors", 6, "HardSigmoid"),
        Case("LeakyRelu with a negative slope", 6, "LeakyRelu", OnnxAttribute.Of("alpha", -0.5f)),
        Case("Selu with other factors", 6, "Selu", OnnxAttribute.Of("alpha", 2f), OnnxAttribute.Of("gamma", 3f)),
        Case("soft shrinkage", 9, "Shrink", OnnxAttribute.Of("lambd", 0.25f), OnnxAttribute.Of("bias", 0.25f)),
        Case("hard shrinkage", 9, "Shrink", OnnxAttribute.Of("lambd", 0.25f)),
        Case("Abs", 13, "Abs"), Case("Neg", 13, "Neg"), Case("Exp", 13, "Exp"), Case("Erf", 13, "Erf"),
        Case("Softsign", 1, "Softsign"),
        Case("ThresholdedRelu", 10, "ThresholdedRelu", OnnxAttribute.Of("alpha", 0.25f)),
        Case("Softmax of all dimensions from the second on", 11, "Softmax", OnnxAttribute.Of("axis", 2)),
        Case("Softmax of all dimensions", 11, "Softmax", OnnxAttribute.Of("axis", 1)),
        Case("Softmax of rows", 13, "Softmax", OnnxAttribute.Of("axis", 2)),
        Case("Softmax of columns", 13, "Softmax"),
        Case("LogSoftmax of channels", 13, "LogSoftmax", OnnxAttribute.Of("axis", -3)),
        Case("Flatten", 9, "Flatten"), Case("LRN", 13, "LRN", OnnxAttribute.Of("size", 3)),
        Case("Squeeze of nothing", 11, "Squeeze"),
        Case("ReduceMean of the map", 11, "ReduceMean", Ints("axes", 2, 3)),
        Case("ReduceMean without the dimensions", 11, "ReduceMean", Ints("axes", -1, -2),
            OnnxAttribute.Of("keepdims", 0)),
        Case("ReduceMean of channels", 11, "ReduceMean", Ints("axes", 1)),
        Case("ReduceMax of rows", 11, "ReduceMax", Ints("axes", 2)),
        Case("ReduceMax of channels and columns", 11, "ReduceMax", Ints("axes", 1, 3),
            OnnxAttribute.Of("keepdims", 0)),
        Case("ReduceMin of the map", 11, "ReduceMin", Ints("axes", 2, 3)),
        Case("ReduceSum of samples' values", 11, "ReduceSum", Ints("axes", 1, 2, 3)),
        Case("Slice with attributes", 9, "Slice", Ints("starts", 1, 0, -4), Ints("ends", 3, 2, 1000),
            Ints("axes", 1, 3, 2)),
        Case("Transpose", 13, "Transpose", Ints("perm", 0, 3, 1, 2)),
        Case("Unsqueeze and what follows", 11, "Unsqueeze", Ints("axes", 2)),
        Case("Upsample", 7, "Upsample", Reals("scales", 1, 1, 2, 3)),
        Case("Pad with attributes", 9, "Pad", Ints("pads", 0, 0, 1, 2, 0, 0, 3, 0)),
        Case("Pad that reflects", 9, "Pad", Ints("pads", 0, 0, 1, 2, 0, 0, 3, 0), OnnxAttribute.Of("mode", "reflect")),
        Case("Pad that crops", 9, "Pad", Ints("pads", 0, 0, -1, 2, 0, 0, 3, -2)),
        .. Composed(),
    ];

    [TestCaseSource(nameof(Cases))]
    public void ComputesWhatOnnxRuntimeComputes(byte[] file, int[] sizes) => AgreesWithOnnxRuntime(file, sizes);

    /// <summary>Checks that a model and its export compute what ONNX Runtime does.</summary>
    /// <param name="file">A model with the input <c>x</c> and the output <c>y</c>.</param>
    /// <param name="sizes">The sizes of the input.</param>
    internal static void AgreesWithOnnxRuntime(byte[] file, int[] sizes)
    {
        ModelProto model = ModelProto.Parser.ParseFrom(file);
        float[] input = Samples.Uniform(sizes.Aggregate(1, (product, size) => product * size), 5);
        using var backend = new ManagedBackend();
        ImportedModel imported = model.Import();
        float[] own = imported.Infer(backend, sizes[0], input),
            theirs = RunInOnnxRuntime(file, "x", input, [.. sizes.Select(size => (long)size)]);
        Assert.That(own, Is.EqualTo(theirs).Within(1e-5f * Math.Max(1, theirs.Max(Math.Abs))));
        // What was imported can be exported again, and computes the same.
        byte[] again = OnnxExport.Write(imported.Graph, imported.ValuesOf);
        Shape shape = imported.Graph.Input.Shape;
        long[] form = shape.IsVector ? [sizes[0], shape.C] : [sizes[0], shape.C, shape.H, shape.W];
        Assert.That(RunInOnnxRuntime(again, "x", input, form), Is.EqualTo(theirs).Within(1e-5f * Math.Max(1,
            theirs.Max(Math.Abs))));
    }

    private static IEnumerable<TestCaseData> Unbatched =>
    [
        Case("Flatten of two", 13, "Flatten", OnnxAttribute.Of("axis", 2)),
        Case("Flatten of none", 13, "Flatten", OnnxAttribute.Of("axis", 0)),
        Case("Flatten of the last", 13, "Flatten", OnnxAttribute.Of("axis", -1)),
        Case("Transpose", 13, "Transpose", Ints("perm", 3, 1, 0, 2)), Case("Transpose back", 13, "Transpose"),
        Case("Softmax of the first", 13, "Softmax", OnnxAttribute.Of("axis", 0)),
        Case("ReduceMean of all", 11, "ReduceMean"),
        Case("ReduceMax of the first and last", 11, "ReduceMax", Ints("axes", 0, -1), OnnxAttribute.Of("keepdims", 0)),
        Case("Unsqueeze", 11, "Unsqueeze", Ints("axes", 0, 2)),
        Case("Slice", 9, "Slice", Ints("starts", 1, 2), Ints("ends", 2, 5), Ints("axes", 0, 3)),
        Named("a mean beside what it is of", s_map, OnnxModels.Of(s_map, 11, OnnxModels.Node("ReduceMean", ["x"], "m",
            Ints("axes", 0, 2), OnnxAttribute.Of("keepdims", 0)), OnnxModels.Node("Transpose", ["x"], "t",
            Ints("perm", 0, 2, 1, 3)), OnnxModels.Node("Sub", ["t", "m"], "y"))),
        Named("Gemm of a transposed matrix", [6, 2], OnnxModels.Of([6, 2], 13, OnnxModels.Node("Gemm",
            ["x", "w", "b"], "y", OnnxAttribute.Of("transA", 1), OnnxAttribute.Of("alpha", 2f),
            OnnxAttribute.Of("beta", 0.5f))).With("w", [6, 4], Samples.Uniform(24, 1))
            .With("b", [2, 4], Samples.Uniform(8, 2))),
        Named("Concat with itself", s_map, OnnxModels.Of(s_map, 11, OnnxModels.Node("Concat", ["x", "x"], "y",
            OnnxAttribute.Of("axis", 0)))),
        Named("a view of other sizes", s_map, OnnxModels.Of(s_map, 11, OnnxModels.Node("Reshape", ["x", "s"], "r"),
            OnnxModels.Node("ReduceSum", ["r"], "y", Ints("axes", 1))).With("s", 4L, -1, 9)),
    ];

    [TestCaseSource(nameof(Unbatched))]
    public void ComputesTensorsWithoutSamplesAsOnnxRuntimeDoes(byte[] file, int[] sizes)
    {
        var model = ModelProto.Parser.ParseFrom(file);
        float[] input = Samples.Uniform(sizes.Aggregate(1, (product, size) => product * size), 5);
        using var backend = new ManagedBackend();
        ImportedModel imported = model.Import(new OnnxImportOptions { Unbatched = true });
        float[] own = imported.Infer(backend, 1, input),
            theirs = RunInOnnxRuntime(file, "x", input, [.. sizes.Select(size => (long)size)]);
        Assert.That(own, Is.EqualTo(theirs).Within(1e-5f * Math.Max(1, theirs.Max(Math.Abs))));
    }

    [Test]
    public void WhatNeedsSamplesIsRefusedWithoutThem()
    {
        ModelProto model = OnnxModels.Of(s_map, 13, OnnxModels.Node("MaxPool", ["x"], "y", Ints("kernel_shape", 2, 2)));
        Assert.That(() => model.Import(new OnnxImportOptions { Unbatched = true }),
            Throws.TypeOf<OnnxImportException>().With.Message.Contains("needs a dimension of the samples"));
        model.Graph.Input[0].Type.TensorType.Shape.Dim[1] = new TensorShapeProto.Types.Dimension { DimParam = "C" };
        Assert.That(() => model.Import(new OnnxImportOptions { Unbatched = true }),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("dimension 1").And.Message.Contains("free"));
    }

    [Test]
    public void WholeNumbersAreMovedAndConvertedOnly()
    {
        ModelProto model = OnnxModels.Of(s_map, 13, OnnxModels.Node("MaxPool", ["x"], "p", Ints("kernel_shape", 2, 2)),
            OnnxModels.Node("Cast", ["p"], "f", OnnxAttribute.Of("to", 1)), OnnxModels.Node("Mul", ["f", "f"], "y"));
        model.Graph.Input[0].Type.TensorType.ElemType = (int)TensorProto.Types.DataType.Uint8;
        float[] input = [.. Enumerable.Range(0, 2 * 3 * 7 * 6).Select(i => (float)(i * 37 % 256))];
        using var backend = new ManagedBackend();
        float[] own = model.Import().Infer(backend, 2, input);
        Assert.That(own.Max(), Is.EqualTo(255f * 255));
        model.Graph.Node[1].OpType = "Identity";
        Assert.That(() => model.Import(), Throws.TypeOf<OnnxImportException>().With.Message.Contains("whole numbers"));
    }

    /// <summary>The first output of a model in ONNX Runtime.</summary>
    internal static float[] RunInOnnxRuntime(byte[] model, string name, float[] input, long[] sizes)
    {
        var tensor = new TensorProto
        {
            Name = name,
            DataType = (int)TensorProto.Types.DataType.Float,
            RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes(input.AsSpan())),
        };
        tensor.Dims.AddRange(sizes);
        return MemoryMarshal.Cast<byte, float>(OnnxSession.Run(model, tensor)[0].RawData.Span).ToArray();
    }

    // Operators that are defined above 0, on e^x.
    private static IEnumerable<TestCaseData> OfPositive()
    {
        (string Name, NodeProto Node)[] cases =
        [
            ("Log", OnnxModels.Node("Log", ["e"], "y")), ("Sqrt", OnnxModels.Node("Sqrt", ["e"], "y")),
            ("Reciprocal", OnnxModels.Node("Reciprocal", ["e"], "y")),
            ("Pow of 1.7", OnnxModels.Node("Pow", ["e", "p"], "y")), ("Div of a constant", OnnxModels.Node("Div",
                ["p", "e"], "y")),
        ];
        return cases.Select(each => Named(each.Name, s_map, OnnxModels.Of(s_map, 13, OnnxModels.Node("Exp", ["x"], "e"),
            each.Node).With("p", [1], 1.7f)));
    }

    // The mean plus the reciprocal of the deviation.
    private static ModelProto Statistics()
    {
        NodeProto norm = OnnxModels.Node("LayerNormalization", ["x", "s"], "n", OnnxAttribute.Of("axis", 2),
            OnnxAttribute.Of("epsilon", 0.01f));
        norm.Output.Add(["mean", "scale"]);
        return OnnxModels.Of(s_map, 17, norm, OnnxModels.Node("Add", ["mean", "scale"], "y"))
            .With("s", [7, 6], Samples.Uniform(42, 1));
    }

    private static IEnumerable<AttributeProto[]> Windows() =>
    [
        [Ints("kernel_shape", 3, 2)],
        [Ints("kernel_shape", 3, 2), Ints("strides", 2, 1), Ints("pads", 1, 0, 0, 1)],
        [Ints("kernel_shape", 3, 2), Ints("strides", 2, 2), OnnxAttribute.Of("auto_pad", "SAME_UPPER")],
        [Ints("kernel_shape", 3, 2), Ints("strides", 3, 2), OnnxAttribute.Of("auto_pad", "SAME_LOWER")],
        [Ints("kernel_shape", 3, 2), Ints("strides", 2, 2), OnnxAttribute.Of("auto_pad", "VALID")],
    ];

    private static IEnumerable<TestCaseData> Each(string type, AttributeProto[] window)
    {
        string[] inputs = type == "Conv" ? ["x", "w"] : ["x"];
        ModelProto model = OnnxModels.Of(s_map, 11, OnnxModels.Node(type, inputs, "y", window));
        if (type == "Conv")
            model = model.With("w", [4, 3, 3, 2], Samples.Uniform(72, 1));
        yield return new TestCaseData(model.ToByteArray(), s_map).SetArgDisplayNames(type,
            string.Join(' ', window.Skip(1).Select(each => $"{each.Name} {each.S.ToStringUtf8()}"
                + string.Join('×', each.Ints))));
    }

    private static IEnumerable<TestCaseData> Composed()
    {
        int[] vector = [2, 6], signal = [2, 3, 8], last = [2, 5, 4, 3];
        foreach (TestCaseData each in OfPositive())
            yield return each;
        (string Mode, string Coordinates, string Nearest)[] resizes =
        [
            ("cubic", "half_pixel", "floor"), ("cubic", "align_corners", "floor"), ("linear", "asymmetric", "floor"),
            ("nearest", "half_pixel", "ceil"), ("nearest", "align_corners", "round_prefer_floor"),
        ];
        foreach ((string mode, string coordinates, string nearest) in resizes)
            yield return Named($"Resize {mode} {coordinates} {nearest}", s_map, OnnxModels.Of(s_map, 13,
                OnnxModels.Node("Resize", ["x", "", "", "s"], "y", OnnxAttribute.Of("mode", mode),
                OnnxAttribute.Of("coordinate_transformation_mode", coordinates),
                OnnxAttribute.Of("nearest_mode", nearest))).With("s", 2L, 3, 10, 4));
        foreach (float[] scales in (float[][])[[1, 1, 1.7f, 0.6f], [1, 1, 0.3f, 2.9f], [1, 1, 1.1f, 1.3f]])
            yield return Named($"Resize nearest by {scales[2]} and {scales[3]}", [2, 3, 13, 10], OnnxModels.Of(
                [2, 3, 13, 10], 13, OnnxModels.Node("Resize", ["x", "", "s"], "y", OnnxAttribute.Of("mode", "nearest"),
                OnnxAttribute.Of("coordinate_transformation_mode", "asymmetric"),
                OnnxAttribute.Of("nearest_mode", "floor"))).With("s", [4], scales));
        NodeProto split = OnnxModels.Node("Split", ["x"], "a", OnnxAttribute.Of("axis", 1));
        split.Output.Add((string[])["b", "c"]);
        yield return Named("Split without some of its outputs", s_map, OnnxModels.Of(s_map, 13, split,
            OnnxModels.Node("Relu", ["b"], "y")));
        yield return Named("Resize with a value outside", s_map, OnnxModels.Of(s_map, 13, OnnxModels.Node("Resize",
            ["x", "region", "", "s"], "y", OnnxAttribute.Of("mode", "linear"),
            OnnxAttribute.Of("coordinate_transformation_mode", "tf_crop_and_resize"),
            OnnxAttribute.Of("extrapolation_value", 10f))).With("s", 2L, 3, 10, 4)
            .With("region", [8], 0, 0, -0.25f, 0.25f, 1, 1, 1.5f, 0.75f));
        yield return Named("a matrix for each channel", s_map, OnnxModels.Of(s_map, 13,
            OnnxModels.Node("MatMul", ["x", "w"], "a"), OnnxModels.Node("MatMul", ["a", "v"], "y"))
            .With("w", [3, 6, 4], Samples.Uniform(72, 1)).With("v", [1, 1, 4, 2], Samples.Uniform(8, 2)));
        yield return Named("Pad with a value", s_map, OnnxModels.Of(s_map, 13, OnnxModels.Node("Pad", ["x", "p", "v"],
            "y")).With("p", 0L, 0, 1, 0, 0, 0, 0, 2).With("v", [1], 1.25f));
        yield return Named("Slice backwards", s_map, OnnxModels.Of(s_map, 13, OnnxModels.Node("Slice", ["x", "s", "e",
            "a", "t"], "y")).With("s", -1L).With("e", -100L).With("a", 2L).With("t", -2L));
        yield return Named("Tile", s_map, OnnxModels.Of(s_map, 13, OnnxModels.Node("Tile", ["x", "t"], "y"))
            .With("t", 1L, 2, 1, 3));
        yield return Named("Gather of pieces", s_map, OnnxModels.Of(s_map, 13, OnnxModels.Node("Gather", ["x", "i"],
            "y", OnnxAttribute.Of("axis", 2))).With("i", 5L, 0, 1, 2, -1));
        yield return Named("a constant of the size of a sample", s_map, OnnxModels.Of(s_map, 13,
            OnnxModels.Node("Mul", ["x", "c"], "a"), OnnxModels.Node("Sub", ["d", "a"], "y"))
            .With("c", [3, 1, 6], Samples.Uniform(18, 2)).With("d", [3, 7, 6], Samples.Uniform(126, 3)));
        yield return Named("a slope for each value", s_map, OnnxModels.Of(s_map, 13,
            OnnxModels.Node("PRelu", ["x", "s"], "y")).With("s", [3, 7, 6], Samples.Uniform(126, 3)));
        yield return Named("a quotient", s_map, OnnxModels.Of(s_map, 13, OnnxModels.Node("Exp", ["x"], "e"),
            OnnxModels.Node("ReduceSum", ["e", "axes"], "s"), OnnxModels.Node("Div", ["e", "s"], "y"))
            .With("axes", 1L, 3));
        yield return Named("LayerNormalization of the last two dimensions", s_map, OnnxModels.Of(s_map, 17,
            OnnxModels.Node("LayerNormalization", ["x", "s", "b"], "y", OnnxAttribute.Of("axis", 2)))
            .With("s", [7, 6], Samples.Uniform(42, 1)).With("b", [7, 6], Samples.Uniform(42, 2)));
        yield return Named("LayerNormalization, the statistics alone", s_map, Statistics());
        yield return Named("MatMul and Add", vector, OnnxModels.Of(vector, 13,
            OnnxModels.Node("MatMul", ["x", "w"], "a"), OnnxModels.Node("Add", ["a", "b"], "y"))
            .With("w", [6, 4], Samples.Uniform(24, 1)).With("b", [4], 1, 2, 3, 4));
        yield return Named("Gemm with factors", vector, OnnxModels.Of(vector, 13, OnnxModels.Node("Gemm",
            ["x", "w", "b"], "y", OnnxAttribute.Of("alpha", 2f), OnnxAttribute.Of("beta", 0.5f)))
            .With("w", [6, 4], Samples.Uniform(24, 1)).With("b", [1, 4], 1, 2, 3, 4));
        yield return Named("Conv of a signal", signal, OnnxModels.Of(signal, 13, OnnxModels.Node("Conv", ["x", "w"],
            "y", Ints("pads", 1, 2), Ints("strides", 2))).With("w", [4, 3, 3], Samples.Uniform(36, 1)));
        yield return Named("a dense layer of channels that are last", last, OnnxModels.Of(last, 13,
            OnnxModels.Node("MatMul", ["x", "w"], "a"), OnnxModels.Node("Add", ["a", "b"], "y"))
            .With("w", [3, 4], Samples.Uniform(12, 1)).With("b", [4], 1, 2, 3, 4));
        yield return Named("layer normalisation of channels that are last", last, OnnxModels.Of(last, 17,
            OnnxModels.Node("LayerNormalization", ["x", "w", "b"], "y")).With("w", [3], 1, 2, 3)
            .With("b", [3], 3, 2, 1));
        yield return Named("a convolution of channels that are last", last, OnnxModels.Of(last, 13,
            OnnxModels.Node("Transpose", ["x"], "a", Ints("perm", 0, 3, 1, 2)),
            OnnxModels.Node("Conv", ["a", "w"], "b"), OnnxModels.Node("Relu", ["b"], "c"),
            OnnxModels.Node("Transpose", ["c"], "d", Ints("perm", 0, 2, 3, 1)),
            OnnxModels.Node("GlobalMaxPool", ["c"], "unused"),
            OnnxModels.Node("ReduceMean", ["d"], "y", Ints("axes", 1, 2), OnnxAttribute.Of("keepdims", 0)))
            .With("w", [4, 3, 3, 3], Samples.Uniform(108, 1)));
        yield return Named("sizes computed from Shape", s_map, OnnxModels.Of([0, 3, 7, 6], 13,
            OnnxModels.Node("Shape", ["x"], "shape"), OnnxModels.Node("Gather", ["shape", "zero"], "n"),
            OnnxModels.Node("Concat", ["n", "rest"], "sizes", OnnxAttribute.Of("axis", 0)),
            OnnxModels.Node("Reshape", ["x", "sizes"], "y")).With("zero", 0L).With("rest", -1L));
        yield return Named("a sum with a value for each channel", s_map, OnnxModels.Of(s_map, 13,
            OnnxModels.Node("GlobalAveragePool", ["x"], "a"), OnnxModels.Node("Sub", ["x", "a"], "y")));
        yield return Named("a factor for each pixel", s_map, OnnxModels.Of(s_map, 13,
            OnnxModels.Node("ReduceMean", ["x"], "a", Ints("axes", 1)), OnnxModels.Node("Sigmoid", ["a"], "b"),
            OnnxModels.Node("Mul", ["x", "b"], "y")));
        yield return Named("Max, Min and Mean of several", s_map, OnnxModels.Of(s_map, 13,
            OnnxModels.Node("Neg", ["x"], "a"), OnnxModels.Node("Sigmoid", ["x"], "b"),
            OnnxModels.Node("Max", ["x", "a", "b"], "c"), OnnxModels.Node("Min", ["x", "b"], "d"),
            OnnxModels.Node("Mean", ["c", "d"], "y")));
        yield return Named("Split and Concat along rows", s_map, OnnxModels.Of(s_map, 11,
            SplitNode(), OnnxModels.Node("Concat", ["b", "a"], "y", OnnxAttribute.Of("axis", 2))));
        yield return Named("a row and some columns", s_map, OnnxModels.Of(s_map, 13,
            OnnxModels.Node("Gather", ["x", "columns"], "a", OnnxAttribute.Of("axis", -1)),
            OnnxModels.Node("Gather", ["a", "row"], "b", OnnxAttribute.Of("axis", 2)),
            OnnxModels.Node("Squeeze", ["b", "axes"], "y")).With("columns", 1, 2, 3).With("row", -2L)
            .With("axes", 2L));
        yield return Named("strided slices", s_map, OnnxModels.Of(s_map, 13, OnnxModels.Node("Slice",
            ["x", "starts", "ends", "axes", "steps"], "y")).With("starts", 1, 0).With("ends", 7, 6)
            .With("axes", 2, 3).With("steps", 2, 3));
        yield return Named("DepthToSpace and back", [2, 12, 2, 3], OnnxModels.Of([2, 12, 2, 3], 13,
            OnnxModels.Node("DepthToSpace", ["x"], "a", OnnxAttribute.Of("blocksize", 2)),
            OnnxModels.Node("Relu", ["a"], "b"),
            OnnxModels.Node("SpaceToDepth", ["b"], "y", OnnxAttribute.Of("blocksize", 2))));
        yield return Named("GELU as torch writes it", s_map, OnnxModels.Of(s_map, 13,
            OnnxModels.Node("Div", ["x", "root"], "a"), OnnxModels.Node("Erf", ["a"], "b"),
            OnnxModels.Node("Add", ["b", "one"], "c"), OnnxModels.Node("Mul", ["x", "c"], "d"),
            OnnxModels.Node("Mul", ["d", "half"], "y")).With("root", [], MathF.Sqrt(2)).With("one", [], 1f)
            .With("half", [], 0.5f));
        yield return Named("hard swish as torch wrote it", s_map, OnnxModels.Of(s_map, 13,
            OnnxModels.Node("Add", ["x", "three"], "a"), OnnxModels.Node("Clip", ["a", "zero", "six"], "b"),
            OnnxModels.Node("Mul", ["x", "b"], "c"), OnnxModels.Node("Div", ["c", "six"], "y"))
            .With("three", [], 3f).With("zero", [], 0f).With("six", [], 6f));
        yield return Named("layer normalisation as torch wrote it", last, OnnxModels.Of(last, 13,
            OnnxModels.Node("ReduceMean", ["x"], "mean", Ints("axes", -1)),
            OnnxModels.Node("Sub", ["x", "mean"], "d"), OnnxModels.Node("Pow", ["d", "two"], "p"),
            OnnxModels.Node("ReduceMean", ["p"], "v", Ints("axes", -1)),
            OnnxModels.Node("Add", ["v", "epsilon"], "a"), OnnxModels.Node("Sqrt", ["a"], "s"),
            OnnxModels.Node("Div", ["d", "s"], "n"), OnnxModels.Node("Mul", ["n", "w"], "m"),
            OnnxModels.Node("Add", ["m", "b"], "y")).With("two", [], 2f).With("epsilon", [], 1e-5f)
            .With("w", [3], 1, 2, 3).With("b", [3], 3, 2, 1));
        int[] volume = [2, 3, 2, 2, 3];
        yield return Named("batch normalisation of more dimensions", volume, OnnxModels.Of(volume, 13,
            OnnxModels.Node("BatchNormalization", ["x", "a", "b", "a", "a"], "y")).With("a", [3], 1, 2, 3)
            .With("b", [3], 3, 2, 1));
        yield return Named("the operators of version 18", s_map, OnnxModels.Of(s_map, 18,
            OnnxModels.Node("Pad", ["x", "pads", "", "rows"], "a"),
            // ONNX Runtime fuses a padding into the pooling behind it, and then refuses the pooling for it.
            OnnxModels.Node("Relu", ["a"], "r"),
            OnnxModels.Node("ReduceMean", ["r", "columns"], "b", OnnxAttribute.Of("keepdims", 0)),
            OnnxModels.Node("Unsqueeze", ["b", "columns"], "c"), OnnxModels.Node("Mish", ["c"], "y"))
            .With("pads", 1, 2).With("rows", 2L).With("columns", 3L));
        yield return Named("equal parts", s_map, OnnxModels.Of(s_map, 18, Parts(),
            OnnxModels.Node("Sub", ["a", "b"], "y")));
        yield return Named("group normalisation", [2, 4, 3, 5], OnnxModels.Of([2, 4, 3, 5], 21,
            OnnxModels.Node("GroupNormalization", ["x", "w", "b"], "y", OnnxAttribute.Of("num_groups", 2)))
            .With("w", [4], 1, 2, 3, 4).With("b", [4], 4, 3, 2, 1));
        yield return Named("group normalisation of older operators", [2, 4, 3, 5], OnnxModels.Of([0, 4, 3, 5], 13,
            OnnxModels.Node("Reshape", ["x", "groups"], "a"),
            OnnxModels.Node("InstanceNormalization", ["a", "ones", "zeros"], "b"),
            OnnxModels.Node("Shape", ["x"], "sizes"), OnnxModels.Node("Reshape", ["b", "sizes"], "c"),
            OnnxModels.Node("Mul", ["c", "w"], "d"), OnnxModels.Node("Add", ["d", "v"], "y"))
            .With("groups", 0, 2, -1).With("ones", [2], 1, 1).With("zeros", [2], 0, 0)
            .With("w", [4, 1, 1], 1, 2, 3, 4).With("v", [4, 1, 1], 4, 3, 2, 1));
        yield return Named("old broadcasting", s_map, OnnxModels.Of(s_map, 7,
            OnnxModels.Node("Mul", ["x", "w"], "y")).With("w", [3, 1, 1], 1, 2, 3));
    }

    private static NodeProto SplitNode()
    {
        NodeProto split = OnnxModels.Node("Split", ["x"], "a", OnnxAttribute.Of("axis", 2), Ints("split", 3, 4));
        split.Output.Add("b");
        return split;
    }

    private static NodeProto Parts()
    {
        NodeProto split = OnnxModels.Node("Split", ["x"], "a", OnnxAttribute.Of("axis", 3),
            OnnxAttribute.Of("num_outputs", 2));
        split.Output.Add("b");
        return split;
    }

    private static TestCaseData Case(string name, int version, string type, params AttributeProto[] attributes)
        => Named(name, s_map, OnnxModels.Of(s_map, version, OnnxModels.Node(type, ["x"], "y", attributes)));

    private static TestCaseData Named(string name, int[] sizes, ModelProto model)
        => new TestCaseData(model.ToByteArray(), sizes).SetArgDisplayNames(name);

    private static AttributeProto Ints(string name, params int[] values) => OnnxAttribute.Of(name, values);

    private static AttributeProto Reals(string name, params float[] values)
    {
        var attribute = new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Floats };
        attribute.Floats.AddRange(values);
        return attribute;
    }
}
