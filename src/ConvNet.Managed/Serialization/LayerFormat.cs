using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>How the layers look in JSON: one entry per kind, which writes every attribute and reads what is there.</summary>
internal sealed record LayerFormat(string Kind, Type Type, Action<Utf8JsonWriter, Layer> Write, Func<JsonReader, Layer> Read)
{
    /// <summary>Every layer that can be written and read.</summary>
    public static IReadOnlyList<LayerFormat> All { get; } =
    [
        Of("conv", (writer, layer) =>
            {
                writer.WriteNumber("filters", layer.Filters);
                WriteWindow(writer, layer.Window);
                WriteExtent(writer, "dilation", layer.Window.Dilation);
                writer.WriteNumber("groups", layer.Groups);
                writer.WriteBoolean("bias", layer.Bias);
            },
            json => new Conv2d(json.Int("filters"), Kernel(json), json.Extent("stride"), Padding(json), json.Extent("dilation"),
                json.Int("groups", 1), json.Flag("bias", true), json.Flag("roundDown", false))),
        Of("maxpool", (writer, layer) => WriteWindow(writer, layer.Window),
            json => new MaxPool2d(Kernel(json), json.Extent("stride"), Padding(json), json.Flag("roundDown", false))),
        Of("avgpool", (writer, layer) =>
            {
                WriteWindow(writer, layer.Window);
                writer.WriteBoolean("countPadding", layer.CountPadding);
            },
            json => new AvgPool2d(Kernel(json), json.Extent("stride"), Padding(json), json.Flag("roundDown", false), json.Flag("countPadding", true))),
        Of("dense", (writer, layer) =>
            {
                writer.WriteNumber("units", layer.Units);
                writer.WriteBoolean("bias", layer.Bias);
            },
            json => new Dense(json.Int("units"), json.Flag("bias", true))),
        Of("bn", (writer, layer) =>
            {
                writer.WriteNumber("momentum", layer.Momentum);
                writer.WriteNumber("epsilon", layer.Epsilon);
            },
            json => new BatchNorm2d(json.Number("momentum", 0.1f), json.Number("epsilon", 1e-5f))),
        Of("dropout", (writer, layer) => writer.WriteNumber("probability", layer.Probability), json => new Dropout(json.Number("probability", 0.5f))),
        Of("relu", (_, _) => { }, _ => new Relu()),
        Of("gap", (_, _) => { }, _ => new GlobalAvgPool2d()),
        Of("flatten", (_, _) => { }, _ => new Flatten()),
        Of("add", (_, _) => { }, _ => new Add()),
    ];

    /// <summary>All kinds, for errors.</summary>
    public static string Kinds => string.Join(", ", All.Select(format => format.Kind));

    /// <summary>The form of a layer; null for one of a user's own.</summary>
    public static LayerFormat? Of(Layer layer) => All.FirstOrDefault(format => format.Type == layer.GetType());

    /// <summary>The form that an object's property <c>layer</c> names.</summary>
    public static LayerFormat Named(JsonReader json)
    {
        string kind = json.Text("layer") ?? throw json.Error("\"layer\" is missing.");
        return All.FirstOrDefault(format => format.Kind == kind)
            ?? throw json.Error($"layer \"{Excerpt.Of(kind)}\" is unknown; there are {Kinds}.");
    }

    private static LayerFormat Of<T>(string kind, Action<Utf8JsonWriter, T> write, Func<JsonReader, T> read) where T : Layer
        => new(kind, typeof(T), (writer, layer) => write(writer, (T)layer), read);

    private static void WriteWindow(Utf8JsonWriter writer, Window window)
    {
        WriteExtent(writer, "kernel", window.Kernel);
        WriteExtent(writer, "stride", window.Stride);
        WriteExtent(writer, "padding", window.Padding);
        writer.WriteBoolean("roundDown", window.RoundDown);
    }

    private static void WriteExtent(Utf8JsonWriter writer, string name, Extent extent)
    {
        writer.WriteStartArray(name);
        writer.WriteNumberValue(extent.H);
        writer.WriteNumberValue(extent.W);
        writer.WriteEndArray();
    }

    private static Extent Kernel(JsonReader json) => json.Extent("kernel") ?? throw json.Error("\"kernel\" is missing.");

    private static Extent Padding(JsonReader json) => json.Extent("padding") ?? default;
}
