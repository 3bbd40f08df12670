using System.Text.Json.Serialization;

namespace ConvNet.Onnx;

/// <summary>The JSON of metadata, without reflection.</summary>
[JsonSerializable(typeof(IReadOnlyList<string>))]
internal sealed partial class OnnxJson : JsonSerializerContext;
