using System.Text.Json;
using ConvNet.Data;

namespace ConvNet.Serialization;

/// <summary>The normalisation of images in the metadata of a saved model: <c>{"maxValue": 255, "mean": [0.5],
/// "standardDeviation": [0.25]}</c>.</summary>
internal static class NormalizationJson
{
    /// <summary>The key of the metadata.</summary>
    public const string Key = "normalization";

    /// <summary>Writes a normalisation.</summary>
    public static string Write(Normalization normalization)
        => JsonText.Of(writer =>
    {
        writer.WriteStartObject();
        writer.WriteNumber("maxValue", normalization.MaxValue);
        WriteNumbers(writer, "mean", normalization.Mean);
        WriteNumbers(writer, "standardDeviation", normalization.StandardDeviation);
        writer.WriteEndObject();
    });

    private static void WriteNumbers(Utf8JsonWriter writer, string name, IReadOnlyList<float> numbers)
    {
        writer.WriteStartArray(name);
        foreach (float number in numbers)
            writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }

    /// <summary>Reads a normalisation.</summary>
    /// <param name="text">The JSON.</param>
    /// <param name="place">Where it is, for errors.</param>
    /// <exception cref="InvalidDataException">The text has other content.</exception>
    public static Normalization Read(string text, string place)
    {
        using JsonDocument document = JsonReader.Parse(InputFile.ToUtf8(text, place), place);
        var json = new JsonReader(document.RootElement, place);
        int maxValue = json.Int("maxValue");
        (float[] mean, float[] deviation) = (json.Numbers("mean"), json.Numbers("standardDeviation"));
        json.RejectOthers();
        if (maxValue is < 1 or > byte.MaxValue)
            throw json.Error($"\"maxValue\" is {maxValue}; it must be from 1 to {byte.MaxValue}.");
        try
        {
            return new Normalization((byte)maxValue, mean, deviation);
        }
        catch (ArgumentException error)
        {
            throw json.Error(error.PlainMessage(), error);
        }
    }
}
