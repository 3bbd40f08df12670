using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>Reads and writes the specification of a training: its losses and its optimiser.</summary>
internal static class SpecJson
{
    /// <summary>Writes the properties of a specification into the current object.</summary>
    public static void Write(Utf8JsonWriter json, TrainingSpec spec)
    {
        json.WriteNumber("batchSize", spec.BatchSize);
        json.WriteNumber("seed", spec.Seed);
        json.WriteBoolean("keepGradients", spec.KeepGradients);
        json.WriteBoolean("inputGradient", spec.InputGradient);
        WriteLosses(json, spec.Losses);
        WriteOptimizer(json, spec.Optimizer);
    }

    /// <summary>Reads the properties of a specification.</summary>
    public static TrainingSpec Read(JsonReader json, TrainingKinds kinds)
    {
        Optimizer optimizer = ReadOptimizer(new JsonReader(json.Required("optimizer"), json.PlaceOf("optimizer")),
            kinds.Optimizers);
        int batchSize = json.Int("batchSize");
        if (batchSize < 1)
            throw json.Error($"\"batchSize\" is {batchSize}; it must be at least 1.");
        return new TrainingSpec(batchSize, ReadLosses(json, kinds), optimizer)
        {
            Seed = json.Long("seed"),
            KeepGradients = json.Flag("keepGradients", true),
            InputGradient = json.Flag("inputGradient", false),
        };
    }

    // The loss of a single output is written directly. Several losses are written with output name and weight.
    private static void WriteLosses(Utf8JsonWriter json, Losses losses)
    {
        if (losses is [{ Output: null, Weight: 1, Loss: var only }])
        {
            KindJson.Write(json, "loss", only, only.Declaration);
            return;
        }
        json.WriteStartArray("losses");
        foreach (OutputLoss of in losses)
        {
            json.WriteStartObject();
            if (of.Output is not null)
                json.WriteString("output", of.Output);
            json.WriteNumber("weight", of.Weight);
            KindJson.Write(json, "loss", of.Loss, of.Loss.Declaration);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static Losses ReadLosses(JsonReader json, TrainingKinds kinds)
        => json.Optional("losses") is null
            ? KindJson.Read(json, "loss", kinds.Losses)
            : Losses.Of([.. json.List("losses").Select((element, i)
                => ReadLoss(new JsonReader(element, json.PlaceOf($"losses[{i}]")), kinds))]);

    private static OutputLoss ReadLoss(JsonReader json, TrainingKinds kinds)
    {
        string? output = json.Text("output");
        float weight = json.Number("weight", 1);
        Loss loss = KindJson.Read(json, "loss", kinds.Losses);
        json.RejectOthers();
        return new OutputLoss(output, loss, weight);
    }

    private static void WriteOptimizer(Utf8JsonWriter json, Optimizer optimizer)
    {
        var lookahead = optimizer as Lookahead;
        Optimizer inner = lookahead?.Inner ?? optimizer;
        OptimizerDeclaration declared = inner.Declaration ?? throw KindJson.NoForm(inner);
        json.WriteStartObject("optimizer");
        json.WriteString("optimizer", declared.Kind);
        declared.Write(json, inner);
        if (lookahead is not null)
        {
            json.WriteStartObject("lookahead");
            foreach (AttributeDeclaration attribute in Lookahead.Attributes)
                attribute.Write(json, lookahead);
            json.WriteEndObject();
        }
        json.WriteStartArray("groups");
        foreach (ParameterGroup group in optimizer.Groups)
        {
            json.WriteStartObject();
            json.WriteStartArray("patterns");
            foreach (string pattern in group.Patterns)
                json.WriteStringValue(pattern);
            json.WriteEndArray();
            json.WriteNumber("learningRateFactor", group.LearningRateFactor);
            if (group.WeightDecay is { } decay)
                json.WriteNumber("weightDecay", decay);
            if (group.Frozen)
                json.WriteBoolean("frozen", true);
            if (group.Fallback)
                json.WriteBoolean("fallback", true);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Reads an optimiser with its groups.</summary>
    public static Optimizer ReadOptimizer(JsonReader json, OptimizerSet kinds)
    {
        Optimizer optimizer = kinds.Read(json) with
        {
            Groups = [.. json.List("groups")
                .Select((element, i) => ReadGroup(new JsonReader(element, json.PlaceOf($"groups[{i}]"))))],
        };
        if (json.Optional("lookahead") is { } around)
        {
            var own = new JsonReader(around, json.PlaceOf("lookahead"));
            var values = new AttributeValues(from attribute in Lookahead.Attributes
                                             let value = attribute.Read(own)
                                             where value is not null
                                             select KeyValuePair.Create(attribute, value));
            optimizer = own.Checked(() => Lookahead.Of(optimizer, values));
            own.RejectOthers();
        }
        json.RejectOthers();
        return optimizer;
    }

    private static ParameterGroup ReadGroup(JsonReader json)
    {
        string[] patterns = json.Texts("patterns");
        float factor = json.Number("learningRateFactor", 1);
        float? decay = json.Optional("weightDecay") is null ? null : json.Number("weightDecay", 0);
        bool frozen = json.Flag("frozen", false), fallback = json.Flag("fallback", false);
        json.RejectOthers();
        return json.Checked(() => new ParameterGroup(patterns)
        {
            LearningRateFactor = factor,
            WeightDecay = decay,
            Frozen = frozen,
            Fallback = fallback,
        });
    }
}
