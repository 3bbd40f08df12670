namespace ConvNet.Mpi;

/// <summary>An operation of all ranks that is in progress.</summary>
public interface ICollective
{
    /// <summary>The time from its start on this rank to its completion; zero while it is in progress.</summary>
    TimeSpan Duration { get; }

    /// <summary>Waits until the results of the operation are there.</summary>
    /// <exception cref="RankFailedException">A rank has failed.</exception>
    void Wait();
}
