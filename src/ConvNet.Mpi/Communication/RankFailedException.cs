namespace ConvNet.Mpi;

/// <summary>A rank has ended, hangs, is cut off or has reported an error, so that the ranks cannot go on
/// together.</summary>
/// <param name="rank">The rank that failed.</param>
/// <param name="message">The message, which names the rank.</param>
/// <param name="isReported">Whether the rank itself has reported the failure.</param>
public sealed class RankFailedException(int rank, string message, bool isReported = false) : IOException(message)
{
    /// <summary>The rank that failed.</summary>
    public int Rank { get; } = rank;

    /// <summary>Whether the rank itself has reported the failure, so that the others need not.</summary>
    public bool IsReported { get; } = isReported;
}
