using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>JSON as text.</summary>
internal static class JsonText
{
    /// <summary>Lines for people, in which only what JSON requires is escaped.</summary>
    public static JsonWriterOptions ForPeople { get; } = new()
    {
        Indented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Returns what a function writes.</summary>
    /// <param name="write">Writes the JSON.</param>
    /// <param name="options">How it is written.</param>
    public static string Of(Action<Utf8JsonWriter> write, JsonWriterOptions options = default)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, options))
            write(json);
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }
}
