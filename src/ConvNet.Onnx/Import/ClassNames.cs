using System.Text.Json;
using Onnx;

namespace ConvNet.Onnx;

/// <summary>The names of the classes in the metadata of a model.</summary>
internal static class ClassNames
{
    /// <summary>Returns the names that the export wrote; none if the metadata has other content.</summary>
    public static IReadOnlyList<string> Of(ModelProto model)
    {
        string? text = model.MetadataProps.FirstOrDefault(entry => entry.Key == OnnxExportOptions.Classes)?.Value;
        if (text is null)
            return [];
        try
        {
            return JsonSerializer.Deserialize(text, OnnxJson.Default.IReadOnlyListString) ?? [];
        }
        catch (JsonException)
        {
            // Other programs may use the same key for something else.
            return [];
        }
    }
}
