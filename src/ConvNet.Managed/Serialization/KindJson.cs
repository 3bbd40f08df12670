using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>Reads and writes the parts of a training that have a kind.</summary>
internal static class KindJson
{
    /// <summary>Writes a part under a name, with its kind.</summary>
    public static void Write<T>(Utf8JsonWriter json, string what, T owner, Declaration<T>? declared)
        where T : class
    {
        json.WritePropertyName(what);
        WriteObject(json, what, owner, declared);
    }

    /// <summary>Writes a part, with its kind.</summary>
    public static void WriteObject<T>(Utf8JsonWriter json, string what, T owner, Declaration<T>? declared)
        where T : class
    {
        json.WriteStartObject();
        json.WriteString(what, (declared ?? throw NoForm(owner)).Kind);
        declared.Write(json, owner);
        json.WriteEndObject();
    }

    /// <summary>Reads a part that has a name.</summary>
    public static T Read<T>(JsonReader json, string what, KindSet<T> kinds)
        where T : class
        => Read(new JsonReader(json.Required(what), json.PlaceOf(what)), kinds);

    /// <summary>Reads a part.</summary>
    public static T Read<T>(JsonReader json, KindSet<T> kinds)
        where T : class
    {
        T read = kinds.Read(json);
        json.RejectOthers();
        return read;
    }

    /// <summary>Makes the exception for a part that has no JSON form.</summary>
    public static NotSupportedException NoForm(object owner) => new(
        $"A training with {owner.GetType().Name} cannot be saved, because it has no Declaration. Declare it, or save "
        + "the model without the training.");
}
