using ConvNet.Mpi;

namespace ConvNet.Tests.Ranks;

/// <summary>A program for several ranks, of which rank 1 runs but does not come.</summary>
internal static class LateRank
{
    /// <summary>Runs the program of a rank.</summary>
    public static void Run()
    {
        using MpiCommunicator ranks = MpiCommunicator.Open();
        ranks.Patience = TimeSpan.FromSeconds(2);
        // Nothing to add is no failure.
        ranks.StartSum(Memory<float>.Empty, inRankOrder: false).Wait();
        if (ranks.Rank == 1)
            Thread.Sleep(TimeSpan.FromMinutes(1));
        try
        {
            ranks.Exchange("here");
        }
        catch (RankFailedException failure)
        {
            Console.WriteLine(failure.Message);
            ranks.Abort(1);
        }
    }
}
