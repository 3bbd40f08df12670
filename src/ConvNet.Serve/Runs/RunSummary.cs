namespace ConvNet.Serve.Runs;

/// <summary>A training in figures: where it stands, the last values of its curves, and its best epoch.</summary>
public sealed record RunSummary
{
    /// <summary>The name of the run: that of its folder, or of its network.</summary>
    public required string Name { get; init; }

    /// <summary>The folder of the log; null if there is none.</summary>
    public string? Folder { get; init; }

    /// <summary>The network; null if the log does not say it.</summary>
    public string? Model { get; init; }

    /// <summary>The data set; null if the log does not say it.</summary>
    public string? Data { get; init; }

    /// <summary>What the samples are for that are tested after every epoch: test or validation.</summary>
    public string Tested { get; init; } = "test";

    /// <summary>Where the training stands.</summary>
    public RunStatus Status { get; init; }

    /// <summary>Why it was stopped before its end; null if it was not.</summary>
    public string? Stopped { get; init; }

    /// <summary>What is wrong with the log, or why the training has failed; null if nothing is.</summary>
    public string? Problem { get; init; }

    /// <summary>When it was started.</summary>
    public DateTimeOffset? Started { get; init; }

    /// <summary>The number of parameters.</summary>
    public long? Parameters { get; init; }

    /// <summary>The epoch of the last step, from 1; 0 before the first step.</summary>
    public int Epoch { get; init; }

    /// <summary>The number of epochs.</summary>
    public int? Epochs { get; init; }

    /// <summary>The last step.</summary>
    public long Step { get; init; }

    /// <summary>The number of steps.</summary>
    public long? Steps { get; init; }

    /// <summary>The loss of the last batch.</summary>
    public double? Loss { get; init; }

    /// <summary>The accuracy over the epoch up to the last step, from 0 to 1.</summary>
    public double? Accuracy { get; init; }

    /// <summary>The learning rate of the last step.</summary>
    public double? LearningRate { get; init; }

    /// <summary>The throughput of the epoch up to the last step.</summary>
    public double? ImagesPerSecond { get; init; }

    /// <summary>The seconds that the training has taken, with its tests.</summary>
    public double Seconds { get; init; }

    /// <summary>The seconds that are left at the pace so far; null if the training has ended or not begun.</summary>
    public double? SecondsLeft { get; init; }

    /// <summary>The memory of the process in bytes, when it was last measured.</summary>
    public long? ResidentBytes { get; init; }

    /// <summary>The last complete epoch; null if there is none.</summary>
    public EpochPoint? LastEpoch { get; init; }

    /// <summary>The first of the epochs with the highest accuracy of the tested samples or, without such samples, with
    /// the lowest loss; null if there is none.</summary>
    public EpochPoint? BestEpoch { get; init; }
}
