using System.Globalization;
using System.Text.Json;
using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>Reads and writes how far a training has come.</summary>
internal static class ProgressJson
{
    /// <summary>Writes the progress into the current object.</summary>
    /// <remarks>The results of the only output are written directly, those of several in a list.</remarks>
    public static void Write(Utf8JsonWriter json, TrainingProgress progress)
    {
        json.WriteStartObject("progress");
        json.WriteNumber("epoch", progress.Position.Epoch);
        json.WriteNumber("batch", progress.Position.Batch);
        json.WriteNumber("images", progress.Images);
        WriteAsText(json, "lossSum", progress.LossSum);
        if (progress.Outputs is [{ Output: null } only] && only.LossSum.Equals(progress.LossSum))
        {
            WritePredictions(json, only);
        }
        else
        {
            json.WriteStartArray("outputs");
            foreach (OutputProgress output in progress.Outputs)
            {
                json.WriteStartObject();
                if (output.Output is not null)
                    json.WriteString("output", output.Output);
                WriteAsText(json, "lossSum", output.LossSum);
                WritePredictions(json, output);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        if (progress.Epochs.Count > 0)
            WriteEpochs(json, progress.Epochs);
        if (progress.Averaged > 0)
            json.WriteNumber("averaged", progress.Averaged);
        json.WriteEndObject();
    }

    private static void WriteEpochs(Utf8JsonWriter json, IReadOnlyList<EpochResult> epochs)
    {
        json.WriteStartArray("epochs");
        foreach (EpochResult epoch in epochs)
        {
            json.WriteStartObject();
            WriteAsText(json, "loss", epoch.Loss);
            if (epoch.TrainAccuracy is { } trained)
                json.WriteNumber("trainAccuracy", trained);
            if (epoch.TestAccuracy is { } accuracy)
                json.WriteNumber("testAccuracy", accuracy);
            if (epoch.TestLoss is { } loss)
                WriteAsText(json, "testLoss", loss);
            json.WriteBoolean("completed", epoch.Completed);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static EpochResult ReadEpoch(JsonReader json)
    {
        var result = new EpochResult(FromText(json, "loss"), Fraction("testAccuracy"))
        {
            TrainAccuracy = Fraction("trainAccuracy"),
            TestLoss = json.Optional("testLoss") is null ? null : FromText(json, "testLoss"),
            // Files from before this was recorded were usually saved after the test.
            Completed = json.Flag("completed", true),
        };
        json.RejectOthers();
        return result;

        double? Fraction(string name) => json.Optional(name) is null ? null : json.Double(name);
    }

    private static void WritePredictions(Utf8JsonWriter json, OutputProgress output)
    {
        json.WriteNumber("predictions", output.Predictions);
        json.WriteNumber("correct", output.Correct);
    }

    /// <summary>Reads the progress.</summary>
    public static TrainingProgress Read(JsonReader json)
    {
        int images = json.Int("images");
        double lossSum = FromText(json, "lossSum");
        // Files from before there were several outputs count one prediction for each image.
        OutputProgress[] outputs = json.Optional("outputs") is null
            ? images == 0 && json.Int("correct") == 0 ? [] : [ReadPredictions(json, lossSum, (ulong)images)]
            : [.. json.List("outputs").Select((element, i) => ReadOutput(new JsonReader(element,
                json.PlaceOf($"outputs[{i}]"))))];
        var position = new LoaderPosition(json.Int("epoch"), json.Int("batch"));
        EpochResult[] epochs = [.. json.List("epochs").Select((element, i)
            => ReadEpoch(new JsonReader(element, json.PlaceOf($"epochs[{i}]"))))];
        ulong averaged = json.Long("averaged", 0);
        json.RejectOthers();
        if (position.Epoch < 1 || position.Batch < 0 || images < 0)
            throw json.Error("\"epoch\" must be at least 1, and all other numbers at least 0.");
        return new TrainingProgress(position, images, lossSum, outputs)
        {
            Epochs = epochs,
            Averaged = (long)Math.Min(averaged, long.MaxValue),
        };
    }

    private static OutputProgress ReadOutput(JsonReader json)
    {
        string? output = json.Text("output");
        OutputProgress progress = ReadPredictions(json, FromText(json, "lossSum")) with { Output = output };
        json.RejectOthers();
        return progress;
    }

    private static OutputProgress ReadPredictions(JsonReader json, double lossSum, ulong? otherwise = null)
    {
        ulong predictions = json.Long("predictions", otherwise), correct = json.Long("correct");
        return correct <= predictions && predictions <= long.MaxValue
            ? new OutputProgress(null, lossSum, (long)predictions, (long)correct)
            : throw json.Error($"{correct} of {predictions} predictions cannot be correct.");
    }

    // A number as text, because it may be NaN if the training continues after a non-finite loss.
    private static void WriteAsText(Utf8JsonWriter json, string name, double value)
        => json.WriteString(name, value.ToString("R", CultureInfo.InvariantCulture));

    private static double FromText(JsonReader json, string name)
    {
        string? text = json.Text(name);
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value
            : throw json.Error($"\"{name}\" is \"{Excerpt.Of(text ?? "")}\"; it must be a number in a string.");
    }
}
