namespace ConvNet.Serve.Runs;

/// <summary>Where a training stands.</summary>
public enum RunStatus
{
    /// <summary>No record says that it has ended. It may be running, or it was interrupted.</summary>
    Open,

    /// <summary>It has trained all of its epochs.</summary>
    Finished,

    /// <summary>It was stopped before its last epoch was complete.</summary>
    Stopped,

    /// <summary>An error ended it.</summary>
    Failed,

    /// <summary>It is over, and no record says why.</summary>
    Interrupted,
}
