using ConvNet.Summaries;
using ConvNet.Training;
using static System.FormattableString;

namespace ConvNet.Reports.Pages;

/// <summary>A completed training run.</summary>
/// <param name="Model">The network.</param>
/// <param name="Data">The data set.</param>
/// <param name="Settings">The settings.</param>
/// <param name="Summary">The layers of the network.</param>
/// <param name="Result">The result.</param>
/// <param name="BatchLosses">The loss of every step.</param>
public sealed record TrainingRun(string Model, string Data, IReadOnlyList<Fact> Settings, ModelSummary Summary,
    TrainingResult Result, IReadOnlyList<double> BatchLosses)
{
    /// <summary>Steps of a whole epoch; the first that is shown has fewer where it went on in the middle.</summary>
    public int StepsOfAnEpoch { get; init; } = BatchLosses.Count / Math.Max(1, Result.Epochs.Count);

    /// <summary>The learning-rate range test before the training; null if there was none.</summary>
    public LearningRateTest? Rates { get; init; }

    /// <summary>What the trained network computes from a test image; null if it is not shown.</summary>
    public NetworkView? View { get; init; }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(TrainingRun), (nameof(Model), Model),
        (nameof(Data), Data), (nameof(Settings), Settings), (nameof(Summary), Summary), (nameof(Result), Result),
        (nameof(BatchLosses), BatchLosses), (nameof(View), View));
}

/// <summary>The page of <c>convnet train</c>: loss and accuracy curves, the confusion matrix, and the layers.</summary>
public static class TrainPage
{
    // The maximum number of points of a curve; more would not add detail.
    private const int MaxPoints = 200;

    /// <summary>Creates the page of a training run.</summary>
    /// <param name="run">The training run.</param>
    /// <param name="origin">How the figures were measured.</param>
    /// <param name="document">The document of <c>--json</c>.</param>
    public static Page Of(TrainingRun run, Origin origin, object document)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(origin);
        IReadOnlyList<EpochReport> epochs = run.Result.Epochs;
        return new Page($"Training of {run.Model}", Lead(run),
        [
            .. run.Rates is { } rates ? [new Section("Learning rate", [RangeTest(rates)])] : (Block[])[],
            new Section("Curves", [Loss(run), Accuracy(epochs)]),
            new Section("Epochs", [Table(epochs)]),
            .. run.Result.Test is { } test ? [new Section("Test", [Confusion(test)])] : (Block[])[],
            new Section("Network", [Layers(run.Summary)]),
            .. run.View is { } view ? [new Section($"What it has learned: {view.Image}", [.. ShowPage.Sections(view)])]
                : (Block[])[],
            new Section("Settings, machine and versions", [origin.With(run.Settings)]),
            new RawData(document),
        ]);
    }

    private static string Lead(TrainingRun run)
    {
        double seconds = run.Result.Epochs.Sum(epoch => epoch.Seconds);
        string outcome = run.Result.Test is { } test
            ? Invariant($"{test.Accuracy:0.00%} accuracy on {test.Count:N0} test images")
            : Invariant($"a loss of {run.Result.Epochs[^1].Loss:0.0000}");
        return $"{run.Model} on {run.Data}: {outcome} after {run.Result.Epochs.Count} "
            + $"{(run.Result.Epochs.Count == 1 ? "epoch" : "epochs")} in {Number.Text(seconds)} s, "
            + $"{run.Summary.Parameters:N0} parameters.";
    }

    private static LineChart Loss(TrainingRun run)
    {
        IReadOnlyList<double> losses = run.BatchLosses;
        int window = Math.Max(1, losses.Count / MaxPoints), epochs = run.Result.Epochs.Count;
        string batches = window == 1 ? "batch" : $"mean of {window} batches";
        return new LineChart("Loss", "The mean loss of each batch before its optimiser update, and of each epoch, "
            + "shown at its last step.", "step", "loss",
        [
            new Line(batches,
                [.. losses.Chunk(window).Select((chunk, i) => ((double)(i * window + chunk.Length), chunk.Average()))]),
            new Line("epoch",
                [.. run.Result.Epochs.Select((epoch, i)
                    => ((double)losses.Count - (epochs - 1 - i) * run.StepsOfAnEpoch, epoch.Loss))]),
        ]);
    }

    private static LineChart RangeTest(LearningRateTest test) => new("Learning-rate range test",
        "The loss while the learning rate rises from step to step. "
            + (test.Suggestion is { } rate ? Invariant($"It falls most steeply at a rate of {rate:G3}.")
                : "It never falls."),
        "log10 of the learning rate", "loss",
        [
            new Line("batch", [.. test.Points.Select(point => (Math.Log10(point.LearningRate), point.Loss))]),
            new Line("smoothed", [.. test.Points.Select(point => (Math.Log10(point.LearningRate), point.Smoothed))]),
        ]);

    private static LineChart Accuracy(IReadOnlyList<EpochReport> epochs)
    {
        Line train = new("training, during the epoch",
            [.. epochs.Select(epoch => ((double)epoch.Epoch, 100 * epoch.TrainAccuracy ?? double.NaN))]);
        Line[] test = epochs.All(epoch => epoch.TestAccuracy is null) ? []
            : [new Line("test, after the epoch",
            [.. epochs.Select(epoch => ((double)epoch.Epoch, 100 * epoch.TestAccuracy ?? double.NaN))])];
        return new LineChart("Accuracy", "The percentage of correctly classified images.", "epoch", "%",
            [train, .. test])
        {
            Most = 100,
        };
    }

    private static DataTable Table(IReadOnlyList<EpochReport> epochs) => new("Results of each epoch",
        [new("epoch", true), new("loss", true), new("training accuracy, %", true), new("test accuracy, %", true),
            new("seconds", true), new("images/s", true), new("stalls", true), new("waited, s", true)],
        [.. epochs.Select(epoch
            => (string[])[$"{epoch.Epoch}", Invariant($"{epoch.Loss:0.0000}"),
            epoch.TrainAccuracy is { } accuracy ? Invariant($"{100 * accuracy:0.00}") : Number.None,
            epoch.TestAccuracy is { } test ? Invariant($"{100 * test:0.00}")
                : Number.None, Number.Text(epoch.Seconds), Number.Text(epoch.ImagesPerSecond),
            Invariant($"{epoch.Stalls}"), Number.Text(epoch.StallSeconds)])]);

    private static DataTable Confusion(Evaluation test)
        => new("Confusion matrix (rows: true class, columns: predicted class)",
        [new("class", true), .. Enumerable.Range(0, test.Classes).Select(guess => new Column($"{guess}", true)),
            new("correct, %", true)],
        [.. Enumerable.Range(0, test.Classes)
            .Select(truth
            => (string[])[$"{truth}", .. Enumerable.Range(0, test.Classes).Select(guess => $"{test[truth, guess]}"),
            Number.Text(100.0 * test[truth, truth] / Enumerable.Range(0, test.Classes)
                .Sum(guess => test[truth, guess]))])]);

    private static DataTable Layers(ModelSummary summary) => new("Layers",
        [new("layer"), new("output"), new("size"), new("parameters", true), new("receptive field"),
            new("multiply-adds per image", true)],
        [.. summary.Layers.Select(layer
            => (string[])[layer.Name, $"{layer.Output}", layer.Formula, Invariant($"{layer.Parameters:N0}"),
            $"{layer.ReceptiveField}", Invariant($"{layer.MultiplyAdds:N0}")])]);
}
