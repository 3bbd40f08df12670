using ConvNet.Onnx;
using Google.Protobuf;
using NUnit.Framework;
using Onnx;
using Type = Onnx.TensorProto.Types.DataType;

namespace ConvNet.Tests.Onnx;

/// <summary>Constants that are computed from others, judged by ONNX Runtime and by the rules of the types.</summary>
public sealed class OnnxFoldingTests
{
    private static IEnumerable<TestCaseData> Cases =>
    [
        Case("Add", Of(Type.Int32, int.MaxValue, -3), Of(Type.Int32, 1, 5)),
        Case("Mul", Of(Type.Int32, 1 << 20, -7), Of(Type.Int32, 1 << 12, 3)),
        Case("Div", Of(Type.Int64, -7, 7, 8), Of(Type.Int64, 2, -2, 3)),
        Case("Pow", Of(Type.Int32, 3, -2, 10), Of(Type.Int32, 4, 3, 0)),
        Case("Pow", Of(Type.Int64, 3, -2, 10), Of(Type.Float, 0.5, 3, 2)),
        Case("Pow", Of(Type.Float, 1.5, -2, 0), Of(Type.Int64, 3, 5, 0)),
        Case("Cast", [OnnxAttribute.Of("to", (int)Type.Float16)], Of(Type.Float, 0.1, 3, 1 / 3.0)),
        Case("Cast", [OnnxAttribute.Of("to", (int)Type.Int32)], Of(Type.Float, -1.75, 3.5, 7)),
        Case("MatMul", Of(Type.Float, [2, 3], 1, 2, 3, 4, 5, 6), Of(Type.Float, [3, 2], 6, 5, 4, 3, 2, 1)),
        Case("Gemm", [OnnxAttribute.Of("transA", 1), OnnxAttribute.Of("transB", 1), OnnxAttribute.Of("alpha", 0.5f),
            OnnxAttribute.Of("beta", 2f)], Of(Type.Float, [3, 2], 1, 2, 3, 4, 5, 6),
            Of(Type.Float, [1, 3], 6, 5, 4), Of(Type.Float, [2, 1], 1, -1)),
        Case("MatMul", Of(Type.Float, [2], 1, 2), Of(Type.Float, [2, 3], 1, 2, 3, 4, 5, 6)),
        Case("MatMul", Of(Type.Float, [2, 3], 1, 2, 3, 4, 5, 6), Of(Type.Float, [3], 1, 2, 3)),
        Case("MatMul", Of(Type.Float, [3], 1, 2, 3), Of(Type.Float, [3], 4, 5, 6)),
        Reduction("ReduceMean", 1, [0, 2]), Reduction("ReduceMean", 0, [1]), Reduction("ReduceMax", 1, [-1]),
        Reduction("ReduceMin", 0, [0, 1]), Reduction("ReduceL1", 1, [1]), Reduction("ReduceL2", 0, [2]),
        Reduction("ReduceSumSquare", 1, []),
        Case("ReduceSum", Of(Type.Float, [2, 2], 1, 2, 3, 4), Of(Type.Int64, 1)),
        Case("Where", Of(Type.Bool, 1, 0), Of(Type.Int64, 5, 6), Of(Type.Int64, 7, 8)),
        Case("Range", Of(Type.Int32, [], 9), Of(Type.Int32, [], 1), Of(Type.Int32, [], -3)),
    ];

    [TestCaseSource(nameof(Cases))]
    public void ConstantsAreWhatOnnxRuntimeComputes(byte[] file)
    {
        ConstantOutput own = ModelProto.Parser.ParseFrom(file).Import().ConstantOutputs.Single();
        OnnxTensor theirs = new TensorReader(new ExternalData(null)).Read(OnnxSession.Run(file)[0], "y");
        Assert.Multiple(() =>
        {
            Assert.That(own.Sizes, Is.EqualTo(theirs.Sizes));
            Assert.That(own.ToReals(), Is.EqualTo(theirs.ToReals()).Within(1e-6).Percent);
        });
    }

    [TestCase("Add", (int)Type.Uint8, 200, 100, 44), TestCase("Sub", (int)Type.Uint8, 3, 5, 254)]
    [TestCase("Mul", (int)Type.Uint8, 20, 13, 4), TestCase("Add", (int)Type.Int8, 100, 100, -56)]
    [TestCase("Pow", (int)Type.Int16, 2, 15, -32768), TestCase("Sub", (int)Type.Uint32, 0, 1, 4294967295)]
    public void WholeNumbersWrapToTheirType(string type, int elements, long a, long b, long result)
        => Assert.That(ModelProto.Parser.ParseFrom(Model(type, [], [Of((Type)elements, a), Of((Type)elements, b)]))
            .Import().ConstantOutputs.Single().ToWholes(), Is.EqualTo((long[])[result]));

    [Test]
    public void ConversionsThatRoundToBfloat16AreRefused()
    {
        AttributeProto[] to = [OnnxAttribute.Of("to", (int)Type.Bfloat16)];
        ModelProto exact = ModelProto.Parser.ParseFrom(Model("Cast", to, [Of(Type.Float, 0.5, -3)])),
            rounded = ModelProto.Parser.ParseFrom(Model("Cast", to, [Of(Type.Float, 0.1)]));
        Assert.That(exact.Import().ConstantOutputs.Single().ToReals(), Is.EqualTo((float[])[0.5f, -3]));
        Assert.That(() => rounded.Import(), Throws.TypeOf<OnnxImportException>().With.Message.Contains("bfloat16"));
    }

    private static TestCaseData Reduction(string type, int keeps, int[] axes) => Case(type,
        [OnnxAttribute.Of("keepdims", keeps), .. axes.Length > 0 ? [OnnxAttribute.Of("axes", axes)]
            : (AttributeProto[])[]],
        Of(Type.Float, [2, 3, 2], 1, -2, 3, 4, -5, 6, -7, 8, 9, 10, 11, -12));

    private static TestCaseData Case(string type, params TensorProto[] constants) => Case(type, [], constants);

    private static TestCaseData Case(string type, AttributeProto[] attributes, params TensorProto[] constants)
        => new TestCaseData(Model(type, attributes, constants)).SetArgDisplayNames([type,
            .. attributes.Select(each => $"{each.Name} {each.I} {string.Join(' ', each.Ints)}"), string.Join(", ",
            constants.Select(constant => $"{(Type)constant.DataType} {string.Join('×', constant.Dims)}"))]);

    private static byte[] Model(string type, AttributeProto[] attributes, TensorProto[] constants)
    {
        for (int i = 0; i < constants.Length; i++)
            constants[i].Name = $"c{i}";
        ModelProto model = OnnxModels.Of([1], 15, OnnxModels.Node(type, [.. constants.Select(each => each.Name)], "y",
            attributes));
        model.Graph.Input.Clear();
        model.Graph.Initializer.AddRange(constants);
        model.Graph.Output[0].Type = null;
        return model.ToByteArray();
    }

    private static TensorProto Of(Type type, params double[] values) => Of(type, [values.Length], values);

    private static TensorProto Of(Type type, long[] sizes, params double[] values)
    {
        var tensor = new TensorProto { DataType = (int)type };
        tensor.Dims.AddRange(sizes);
        switch (type)
        {
            case Type.Float:
                tensor.FloatData.AddRange(values.Select(value => (float)value));
                break;
            case Type.Int64:
                tensor.Int64Data.AddRange(values.Select(value => (long)value));
                break;
            case Type.Uint32:
                tensor.Uint64Data.AddRange(values.Select(value => (ulong)value));
                break;
            default:
                tensor.Int32Data.AddRange(values.Select(value => (int)value));
                break;
        }
        return tensor;
    }
}
