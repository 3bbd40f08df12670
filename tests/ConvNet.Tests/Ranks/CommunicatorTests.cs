using ConvNet.Mpi;
using NUnit.Framework;

namespace ConvNet.Tests.Ranks;

/// <summary>The operations of all ranks, on ranks that are threads, and their failures.</summary>
public sealed class CommunicatorTests
{
    [Test]
    public void SumsAndBroadcastsAndTextsReachAllRanks([Values(1, 2, 5)] int ranks)
    {
        string[] found = RankRun.Of(ranks, communicator =>
        {
            var values = new float[] { communicator.Rank, 1 };
            communicator.StartSum(values, inRankOrder: communicator.Ranks % 2 == 0).Wait();
            Span<double> sums = [communicator.Rank + 0.5];
            communicator.Sum(sums);
            int[] sent = communicator.Rank == ranks - 1 ? [7, 8] : new int[2];
            communicator.Broadcast<int>(sent, ranks - 1);
            return $"{string.Join(' ', values)} {sums[0]} {string.Join(' ', sent)} "
                + string.Join('|', communicator.Exchange(new string('ä', communicator.Rank)));
        });
        string texts = string.Join('|', Enumerable.Range(0, ranks).Select(rank => new string('ä', rank)));
        int sum = ranks * (ranks - 1) / 2;
        Assert.That(found, Is.All.EqualTo($"{sum} {ranks} {sum + 0.5 * ranks} 7 8 {texts}"));
    }

    [Test]
    public void OperationsMayOverlap()
    {
        float[][] found = RankRun.Of(3, communicator =>
        {
            float[] first = [1], second = [communicator.Rank];
            ICollective one = communicator.StartSum(first, true), two = communicator.StartSum(second, false);
            two.Wait();
            one.Wait();
            return (float[])[first[0], second[0]];
        });
        Assert.That(found, Is.All.EqualTo(new float[] { 3, 3 }));
    }

    [Test]
    public void ARankThatFailsEndsTheWaitingOfTheOthers()
    {
        Assert.That(() => RankRun.Of(3, communicator =>
        {
            if (communicator.Rank == 1)
                throw new InvalidDataException("the file is damaged");
            communicator.Sum(new double[1]);
            return 0;
        }), Throws.TypeOf<AggregateException>().With.InnerException.Message.EqualTo("the file is damaged"));
        RankFailedException[] seen = RankRun.Of(3, communicator =>
        {
            if (communicator.Rank == 1)
                communicator.Fail("the disk is full");
            return Assert.Throws<RankFailedException>(() => communicator.Sum(new double[1]))!;
        });
        Assert.That(seen.Select(failure => (failure.Rank, failure.Message, failure.IsReported)),
            Is.All.EqualTo((1, "Rank 1: the disk is full", true)));
    }

    [Test]
    public void ARankThatLeavesOrDoesOtherThingsIsNamed()
    {
        Assert.That(() => RankRun.Of(2, communicator =>
        {
            if (communicator.Rank == 1)
                communicator.Dispose();
            else
                communicator.Sum(new double[1]);
            return 0;
        }), Throws.TypeOf<AggregateException>().With.InnerException.Message.StartsWith("Rank 1 has left"));
        Assert.That(() => RankRun.Of(2, communicator =>
        {
            communicator.Sum(new double[1 + communicator.Rank]);
            return 0;
        }), Throws.TypeOf<AggregateException>().With.InnerException.Message.Contains("gathering of 8 bytes")
            .And.InnerException.Message.Contains("gathering of 16 bytes"));
    }

    [Test]
    public void WrongArgumentsAreRefused()
    {
        LocalCommunicator alone = LocalCommunicator.Create(1)[0];
        Assert.Multiple(() =>
        {
            Assert.That(() => LocalCommunicator.Create(0), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => alone.StartBroadcast(new byte[1], 1), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => alone.StartGather(new byte[2], new byte[3]), Throws.ArgumentException);
            Assert.That(() => new BatchShare(2, 2), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new MpiOptions { Silence = TimeSpan.Zero }, Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => new DataParallelOptions { FirstBucketBytes = 0 },
                Throws.TypeOf<ArgumentOutOfRangeException>());
        });
    }

    [Test]
    public void SharesCoverABatchOnce([Values(1, 2, 3, 7)] int ranks, [Values(1, 2, 6, 32)] int samples)
    {
        BatchShare[] shares = [.. Enumerable.Range(0, ranks).Select(rank => new BatchShare(rank, ranks))];
        Assert.That(shares.SelectMany(share => Enumerable.Range(share.Of(samples).First, share.Of(samples).Count)),
            Is.EqualTo(Enumerable.Range(0, samples)));
        Assert.That(shares.Max(share => share.Of(samples).Count), Is.EqualTo(shares[0].Largest(samples)));
    }

    [TestCase("OMPI_COMM_WORLD_SIZE=4 OMPI_COMM_WORLD_RANK=2", 4, 2)]
    [TestCase("PMIX_RANK=3 SLURM_STEP_NUM_TASKS=8 SLURM_PROCID=3", 8, 3)]
    [TestCase("SLURM_STEP_NUM_TASKS=1 SLURM_NTASKS=8 SLURM_PROCID=0", 1, 0)]
    [TestCase("HOME=/", 1, 0)]
    public void TheLauncherIsSeenInItsEnvironment(string environment, int ranks, int rank)
    {
        Dictionary<string, string> variables = environment.Split(' ').Select(each => each.Split('='))
            .ToDictionary(each => each[0], each => each[1]);
        Assert.That((Launcher.RanksOf(variables.GetValueOrDefault), Launcher.RankOf(variables.GetValueOrDefault)),
            Is.EqualTo((ranks, rank)));
    }
}
