using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using Onnx;

namespace ConvNet.Tests.Onnx;

/// <summary>Runs ONNX models of any kind in ONNX Runtime.</summary>
internal static class OnnxSession
{
    /// <summary>Computes the outputs of a model.</summary>
    /// <param name="model">The bytes of the model.</param>
    /// <param name="inputs">The inputs with their names; the data must be raw.</param>
    public static TensorProto[] Run(byte[] model, params TensorProto[] inputs)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = 1,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
        };
        using var session = new InferenceSession(model, options);
        using var run = new RunOptions();
        OrtValue[] values = [.. inputs.Select(Value)];
        try
        {
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(run,
                [.. inputs.Select(input => input.Name)], values, session.OutputNames);
            return [.. results.Select(Tensor)];
        }
        finally
        {
            foreach (OrtValue value in values)
                value.Dispose();
        }
    }

    private static OrtValue Value(TensorProto tensor)
    {
        OrtValue value = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance,
            (Microsoft.ML.OnnxRuntime.Tensors.TensorElementType)tensor.DataType, [.. tensor.Dims]);
        tensor.RawData.Span.CopyTo(value.GetTensorMutableRawData());
        return value;
    }

    private static TensorProto Tensor(OrtValue value)
    {
        OrtTensorTypeAndShapeInfo type = value.GetTensorTypeAndShape();
        var tensor = new TensorProto
        {
            DataType = (int)type.ElementDataType,
            RawData = ByteString.CopyFrom(value.GetTensorMutableRawData()),
        };
        tensor.Dims.AddRange(type.Shape);
        return tensor;
    }
}
