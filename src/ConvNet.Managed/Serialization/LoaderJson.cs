using System.Text.Json;
using ConvNet.Data;

namespace ConvNet.Serialization;

/// <summary>Reads and writes what a training is made with: its data and its loader.</summary>
internal static class LoaderJson
{
    private const string OfModel = "normalization";

    /// <summary>Writes what is trained with into the current object.</summary>
    /// <exception cref="NotSupportedException">A transform or the sampler has no JSON form; the message names
    /// it.</exception>
    public static void Write(Utf8JsonWriter json, SavedTraining training, Normalization? normalization)
    {
        json.WriteStartObject("data");
        if (training.Data is not null)
            json.WriteString("name", training.Data);
        WriteSplit(json, "split", "testShare", training.Split);
        WriteSplit(json, "validation", "share", training.Validation);
        json.WriteNumber("samples", training.Samples);
        json.WriteNumber("seed", training.Loader.Seed);
        json.WriteBoolean("shuffle", training.Loader.Shuffle);
        json.WriteBoolean("dropLast", training.Loader.DropLast);
        json.WriteStartArray("transforms");
        foreach ((string? input, Transform transform) in training.Loader.Transforms)
        {
            json.WriteStartObject();
            if (input is not null)
                json.WriteString("input", input);
            bool ofModel = transform is Normalization && transform.Equals(normalization);
            Declaration<Transform>? declared = ofModel ? null
                : transform.Declaration ?? throw KindJson.NoForm(transform);
            json.WriteString("transform", declared?.Kind ?? OfModel);
            declared?.Write(json, transform);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        if (training.Loader.BatchTransforms.Count > 0)
        {
            json.WriteStartArray("batchTransforms");
            foreach (BatchTransform transform in training.Loader.BatchTransforms)
                KindJson.WriteObject(json, "transform", transform, transform.Declaration);
            json.WriteEndArray();
        }
        if (training.Loader.Sampler is { } sampler)
            KindJson.Write(json, "sampler", sampler, sampler.Declaration);
        json.WriteEndObject();
    }

    /// <summary>Reads what is trained with into a training.</summary>
    /// <param name="json">The object of the training.</param>
    /// <param name="training">The training, without it.</param>
    /// <param name="normalization">The normalisation of the saved model; null if it has none.</param>
    /// <param name="kinds">The kinds that are recognised.</param>
    public static SavedTraining Read(JsonReader json, SavedTraining training, Normalization? normalization,
        TrainingKinds kinds)
    {
        var data = new JsonReader(json.Required("data"), json.PlaceOf("data"));
        SavedTraining read = training with
        {
            Samples = data.Int("samples"),
            Data = data.Text("name"),
            Split = ReadSplit(data, "split", "testShare"),
            Validation = ReadSplit(data, "validation", "share"),
            Loader = new DataLoaderOptions
            {
                Seed = data.Long("seed"),
                Shuffle = data.Flag("shuffle", false),
                DropLast = data.Flag("dropLast", false),
                Transforms = ReadTransforms(data, normalization, kinds),
                BatchTransforms = [.. data.List("batchTransforms").Select((element, i) => KindJson.Read(
                    new JsonReader(element, data.PlaceOf($"batchTransforms[{i}]")), kinds.BatchTransforms))],
                Sampler = data.Optional("sampler") is null ? null
                    : KindJson.Read(data, "sampler", kinds.Samplers),
            },
        };
        data.RejectOthers();
        return read;
    }

    private static void WriteSplit(Utf8JsonWriter json, string name, string share, DataSplit? split)
    {
        if (split is not { } given)
            return;
        json.WriteStartObject(name);
        json.WriteNumber(share, given.TestShare);
        json.WriteNumber("seed", given.Seed);
        json.WriteEndObject();
    }

    private static DataSplit? ReadSplit(JsonReader data, string name, string share)
    {
        if (data.Optional(name) is null)
            return null;
        var json = new JsonReader(data.Required(name), data.PlaceOf(name));
        var split = new DataSplit(json.Double(share), json.Long("seed"));
        json.RejectOthers();
        return split.TestShare is > 0 and < 1 ? split
            : throw json.Error($"\"{share}\" is {split.TestShare}; it must be between 0 and 1.");
    }

    private static InputTransform[] ReadTransforms(JsonReader data, Normalization? normalization, TrainingKinds kinds)
    {
        var transforms = new List<InputTransform>();
        foreach (JsonElement element in data.List("transforms"))
        {
            var json = new JsonReader(element, data.PlaceOf($"transforms[{transforms.Count}]"));
            string? input = json.Text("input");
            Transform transform = json.Text("transform") == OfModel
                ? normalization ?? throw json.Error("the file contains no normalisation.")
                : kinds.Transforms.Read(json);
            json.RejectOthers();
            transforms.Add(new InputTransform(input, transform));
        }
        return [.. transforms];
    }
}
