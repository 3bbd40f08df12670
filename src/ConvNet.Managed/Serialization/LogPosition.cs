using System.Globalization;
using System.Text.Json;
using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>Decides which lines of a log belong to what a training has done before it resumes.</summary>
internal static class LogPosition
{
    /// <summary>Whether a JSON record is complete and was made before a position.</summary>
    /// <param name="line">The line.</param>
    /// <param name="progress">The progress from which the training resumes.</param>
    public static bool IsBefore(string line, TrainingProgress progress)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            JsonElement record = document.RootElement;
            string? kind = record.GetProperty("kind").GetString();
            return kind != "end" && (kind is "epoch" or "pictures"
                ? IsCompleted(record.GetProperty("epoch").GetInt32(), progress)
                    || kind == "pictures" && record.GetProperty("epoch").GetInt32() == 0
                        && !progress.Equals(TrainingProgress.Start)
                : IsDone(record.GetProperty("epoch").GetInt32(), record.GetProperty("batch").GetInt32(), progress));
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException
            or FormatException)
        {
            // The program was killed while it wrote this line.
            return false;
        }
    }

    /// <summary>Whether a row of a table is its header, or that of an epoch that was completed before.</summary>
    /// <param name="row">The row.</param>
    /// <param name="progress">The progress from which the training resumes.</param>
    public static bool IsRowBefore(string row, TrainingProgress progress)
    {
        string[] values = row.Split(',');
        return values is ["epoch", ..] || values.Length == TrainingLog.Columns.Length
            && int.TryParse(values[0], CultureInfo.InvariantCulture, out int epoch) && IsCompleted(epoch, progress);
    }

    private static bool IsDone(int epoch, int batch, TrainingProgress progress)
    {
        LoaderPosition next = progress.Position;
        return epoch < next.Epoch || epoch == next.Epoch && batch <= next.Batch;
    }

    private static bool IsCompleted(int epoch, TrainingProgress progress)
        => epoch >= 1 && epoch <= progress.Epochs.Count && progress.Epochs[epoch - 1].Completed;
}
