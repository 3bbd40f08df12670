using System.Text.Json;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>Makes the records of a <see cref="TrainingLog"/>: JSON objects in one line.</summary>
internal static class LogRecord
{
    /// <summary>Makes the record of the beginning.</summary>
    public static string OfStart(Trainer trainer, RunDescription? run) => Of("start", json =>
    {
        json.WriteString("time", DateTimeOffset.UtcNow);
        json.WriteNumber("epoch", trainer.Progress.Position.Epoch);
        json.WriteNumber("batch", trainer.Progress.Position.Batch);
        json.WriteNumber("epochs", trainer.Options.Epochs);
        json.WriteNumber("parameters", trainer.Executable.Graph.ParameterCount);
        if (run is null)
            return;
        json.WriteString("model", run.Model);
        json.WriteString("data", run.Data);
        json.WriteString("tested", run.Tested);
        json.WriteStartArray("classes");
        foreach (string name in run.ClassNames)
            json.WriteStringValue(name);
        json.WriteEndArray();
    });

    /// <summary>Makes the record of a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="seconds">The seconds since the start.</param>
    /// <param name="residentBytes">The memory of the process; null if it was not measured.</param>
    public static string OfStep(StepReport step, double seconds, long? residentBytes) => Of("step", json =>
    {
        WritePosition(json, step);
        json.WriteNumber("steps", step.Steps);
        Write(json, "loss", step.BatchLoss);
        Write(json, "learningRate", step.LearningRate);
        Write(json, "accuracy", step.Accuracy);
        Write(json, "imagesPerSecond", step.ImagesPerSecond);
        Write(json, "seconds", seconds);
        if (residentBytes is { } bytes)
            json.WriteNumber("residentBytes", bytes);
    });

    /// <summary>Makes the record of the norms of all parameters.</summary>
    public static string OfNorms(IExecutable executable, StepReport step) => Of("norms", json =>
    {
        WritePosition(json, step);
        json.WriteStartObject("parameters");
        foreach (ParameterNorms norms in ParameterNorms.Of(executable))
        {
            json.WriteStartObject(norms.Parameter.Name);
            Write(json, "weight", norms.Weight);
            if (norms.Gradient is { } gradient)
                Write(json, "gradient", gradient);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    });

    /// <summary>Makes the record of an epoch.</summary>
    public static string OfEpoch(EpochReport epoch) => Of("epoch", json =>
    {
        json.WriteNumber("epoch", epoch.Epoch);
        Write(json, "loss", epoch.Loss);
        Write(json, "trainAccuracy", epoch.TrainAccuracy);
        Write(json, "testAccuracy", epoch.TestAccuracy);
        Write(json, "testLoss", epoch.TestLoss);
        Write(json, "seconds", epoch.Seconds);
        Write(json, "imagesPerSecond", epoch.ImagesPerSecond);
        WriteTest(json, epoch.Test);
    });

    /// <summary>Makes the record of pictures.</summary>
    /// <param name="epoch">The number of completed epochs.</param>
    /// <param name="pictures">The pictures.</param>
    /// <param name="step">The step, if they were made within an epoch.</param>
    public static string OfPictures(int epoch, LoggedPictures pictures, long? step) => Of("pictures", json =>
    {
        json.WriteNumber("epoch", epoch);
        if (step is { } within)
            json.WriteNumber("step", within);
        WritePicture(json, "sample", pictures.Sample);
        WritePicture(json, "filters", pictures.Filters);
        json.WriteStartArray("maps");
        foreach (LoggedPicture map in pictures.Maps)
            WritePicture(json, null, map);
        json.WriteEndArray();
        json.WriteNumber("examined", pictures.Examined);
        json.WriteStartArray("mistakes");
        foreach (LoggedMistake mistake in pictures.Mistakes)
        {
            json.WriteStartObject();
            json.WriteNumber("sample", mistake.Sample);
            json.WriteNumber("truth", mistake.Truth);
            json.WriteNumber("guess", mistake.Guess);
            Write(json, "probability", mistake.Probability);
            Write(json, "trueProbability", mistake.TrueProbability);
            json.WriteBase64String("png", mistake.Png.Span);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    /// <summary>Makes the record of the end.</summary>
    /// <param name="stopped">Why the training was stopped before its end; null if it was not.</param>
    /// <param name="failure">The message of the error that ended it; null if none did.</param>
    public static string OfEnd(string? stopped, string? failure) => Of("end", json =>
    {
        json.WriteString("stopped", stopped);
        json.WriteString("failure", failure);
    });

    private static string Of(string kind, Action<Utf8JsonWriter> write)
        => JsonText.Of(json =>
    {
        json.WriteStartObject();
        json.WriteString("kind", kind);
        write(json);
        json.WriteEndObject();
    });

    private static void WritePicture(Utf8JsonWriter json, string? property, LoggedPicture? picture)
    {
        if (picture is null)
        {
            json.WriteNull(property!);
            return;
        }
        if (property is null)
            json.WriteStartObject();
        else
            json.WriteStartObject(property);
        json.WriteString("name", picture.Name);
        json.WriteBase64String("png", picture.Png.Span);
        json.WriteEndObject();
    }

    private static void WriteTest(Utf8JsonWriter json, Evaluation? test)
    {
        json.WriteStartArray("test");
        foreach (OutputEvaluation output in test?.Outputs ?? [])
        {
            json.WriteStartObject();
            json.WriteString("output", output.Output);
            if (output is ClassEvaluation classes)
                WriteClasses(json, classes);
            else if (output is ValueEvaluation values)
            {
                Write(json, "meanSquaredError", values.MeanSquaredError);
                Write(json, "meanAbsoluteError", values.MeanAbsoluteError);
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteClasses(Utf8JsonWriter json, ClassEvaluation classes)
    {
        Write(json, "accuracy", classes.Accuracy);
        Write(json, "top5Accuracy", classes.TopAccuracy(5));
        Write(json, "crossEntropy", classes.CrossEntropy);
        Write(json, "macroF1", classes.MacroF1);
        Write(json, "meanIoU", classes.MeanIntersectionOverUnion);
        json.WriteStartArray("confusion");
        for (int truth = 0; truth < classes.Classes; truth++)
        {
            json.WriteStartArray();
            for (int guess = 0; guess < classes.Classes; guess++)
                json.WriteNumberValue(classes[truth, guess]);
            json.WriteEndArray();
        }
        json.WriteEndArray();
    }

    private static void WritePosition(Utf8JsonWriter json, in StepReport step)
    {
        json.WriteNumber("epoch", step.Epoch);
        json.WriteNumber("batch", step.Batch);
        json.WriteNumber("step", step.Step);
    }

    // JSON has no NaN and no infinity; they are null, as in JavaScript.
    private static void Write(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number && double.IsFinite(number))
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }
}
