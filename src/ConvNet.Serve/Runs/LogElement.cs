using System.Text.Json;

namespace ConvNet.Serve.Runs;

/// <summary>Reads values of a record, and says what is wrong with them.</summary>
internal static class LogElement
{
    /// <summary>Reads a number; null if it is null or missing.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public static double? Number(this JsonElement record, string name)
    {
        if (!record.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number)
            && double.IsFinite(number) ? number : throw Wrong(name, value, "a number");
    }

    /// <summary>Reads a whole number from 0; null if it is null or missing.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public static long? Whole(this JsonElement record, string name)
    {
        if (!record.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= 0 ? number
            : throw Wrong(name, value, "a whole number of at least 0");
    }

    /// <summary>Reads a whole number that must be there.</summary>
    /// <exception cref="InvalidDataException">It is not there, or something else.</exception>
    public static int Needed(this JsonElement record, string name) => record.Whole(name) is { } number
        && number <= int.MaxValue ? (int)number
        : throw new InvalidDataException($"\"{name}\" is missing or too large; it is a whole number");

    /// <summary>Reads a text; null if it is null or missing.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public static string? Text(this JsonElement record, string name)
    {
        if (!record.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(name, value, "a text");
    }

    /// <summary>Reads a list; empty if it is null or missing.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public static IEnumerable<JsonElement> Items(this JsonElement record, string name)
    {
        if (!record.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return [];
        return value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw Wrong(name, value, "a list");
    }

    /// <summary>Reads an object; null if it is null or missing.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public static JsonElement? Object(this JsonElement record, string name)
    {
        if (!record.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return value.ValueKind == JsonValueKind.Object ? value : throw Wrong(name, value, "an object");
    }

    /// <summary>Reads a PNG file in Base64, and returns it in Base64.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public static string Png(this JsonElement record)
    {
        ReadOnlySpan<byte> signature = [0x89, (byte)'P', (byte)'N', (byte)'G'];
        return record.TryGetProperty("png", out JsonElement value) && value.ValueKind == JsonValueKind.String
            && value.TryGetBytesFromBase64(out byte[]? png) && png.AsSpan().StartsWith(signature)
            ? Convert.ToBase64String(png) : throw new InvalidDataException("\"png\" is no PNG file in Base64");
    }

    private static InvalidDataException Wrong(string name, JsonElement value, string wanted)
        => new($"\"{name}\" is {Excerpt.Of(value.GetRawText())}; it takes {wanted}");
}
