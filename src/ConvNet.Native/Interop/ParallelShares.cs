namespace ConvNet;

/// <summary>Runs independent shares of work on several threads.</summary>
/// <param name="count">The number of shares.</param>
/// <param name="share">Computes the share with a given index. Call it exactly once for every index from 0 to
/// <paramref name="count"/> − 1, in any order and on any threads, and return when all calls have returned.</param>
public delegate void ParallelShares(int count, Action<int> share);
