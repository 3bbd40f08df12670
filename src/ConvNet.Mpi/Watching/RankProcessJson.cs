using System.Text.Json.Serialization;

namespace ConvNet.Mpi.Watching;

/// <summary>The processes of ranks as JSON, without reflection.</summary>
[JsonSerializable(typeof(RankProcess))]
internal sealed partial class RankProcessJson : JsonSerializerContext;
