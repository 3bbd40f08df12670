using ConvNet.Onnx;
using Google.Protobuf;
using NUnit.Framework;
using Onnx;
using Type = Onnx.TensorProto.Types.DataType;

namespace ConvNet.Tests.Onnx;

/// <summary>Constants of every type, raw and typed, have the same values.</summary>
public sealed class OnnxElementTests
{
    private static readonly float[] s_values = [0, 1, -2, 0.5f];

    private static IEnumerable<TestCaseData> Tensors()
    {
        foreach (bool raw in (bool[])[true, false])
        {
            yield return Case(Type.Float, raw, s_values.SelectMany(BitConverter.GetBytes),
                tensor => tensor.FloatData.AddRange(s_values));
            yield return Case(Type.Double, raw, s_values.SelectMany(value => BitConverter.GetBytes((double)value)),
                tensor => tensor.DoubleData.AddRange(s_values.Select(value => (double)value)));
            yield return Case(Type.Float16, raw, s_values.SelectMany(value => BitConverter.GetBytes((Half)value)),
                tensor => tensor.Int32Data.AddRange(s_values.Select(value
                    => (int)BitConverter.HalfToUInt16Bits((Half)value))));
            yield return Case(Type.Bfloat16, raw, s_values.SelectMany(value => BitConverter.GetBytes(Brain(value))),
                tensor => tensor.Int32Data.AddRange(s_values.Select(value => (int)Brain(value))));
        }
    }

    [TestCaseSource(nameof(Tensors))]
    public void RealNumbersAreRead(byte[] tensor)
        => Assert.That(Read(TensorProto.Parser.ParseFrom(tensor)).Reals, Is.EqualTo(s_values));

    [TestCase((int)Type.Int8, new byte[] { 0xFF, 2 }, -1L, 2L)]
    [TestCase((int)Type.Uint8, new byte[] { 0xFF, 2 }, 255L, 2L)]
    [TestCase((int)Type.Bool, new byte[] { 1, 0 }, 1L, 0L)]
    [TestCase((int)Type.Int16, new byte[] { 0xFE, 0xFF, 2, 1 }, -2L, 258L)]
    [TestCase((int)Type.Uint16, new byte[] { 0xFE, 0xFF, 2, 1 }, 65534L, 258L)]
    [TestCase((int)Type.Int32, new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0 }, -1L, 1L)]
    [TestCase((int)Type.Uint32, new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0 }, 4294967295L, 1L)]
    [TestCase((int)Type.Int64, new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0, 0, 0, 0 },
        -1L, 1L)]
    public void WholeNumbersAreRead(int type, byte[] raw, long first, long second)
        => Assert.That(Read(new TensorProto { Dims = { 2 }, DataType = type, RawData = ByteString.CopyFrom(raw) })
            .Wholes, Is.EqualTo((long[])[first, second]));

    [Test]
    public void TextsAreNotSupported() => Assert.That(() => Read(new TensorProto
    {
        Dims = { 1 },
        DataType = (int)Type.String,
    }), Throws.TypeOf<UnsupportedNodeException>().With.Message.Contains("string"));

    private static OnnxTensor Read(TensorProto tensor) => new TensorReader(new ExternalData(null)).Read(tensor, "c");

    private static ushort Brain(float value) => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);

    private static TestCaseData Case(Type type, bool raw, IEnumerable<byte> bytes, Action<TensorProto> typed)
    {
        var tensor = new TensorProto { DataType = (int)type };
        tensor.Dims.AddRange([2, 2]);
        if (raw)
            tensor.RawData = ByteString.CopyFrom([.. bytes]);
        else
            typed(tensor);
        return new TestCaseData(tensor.ToByteArray()).SetArgDisplayNames($"{type}", raw ? "raw" : "typed");
    }
}
