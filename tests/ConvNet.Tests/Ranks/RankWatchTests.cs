using ConvNet.Mpi;
using ConvNet.Mpi.Watching;
using NUnit.Framework;

namespace ConvNet.Tests.Ranks;

/// <summary>Failed ranks are found, named and announced, and no other.</summary>
public sealed class RankWatchTests
{
    private static readonly WatchTimes Times = WatchTimes.Usual;

    private readonly List<(int To, Notice Notice)> _sent = [];

    [SetUp]
    public void Forget() => _sent.Clear();

    [Test]
    [Platform("Linux")]
    public void ALongListOfProcessorsFitsAMessage()
        => Assert.That(RankProcess.Own(0).Processors, Does.Match("^[0-9A-F]{16}$"));

    [Test]
    public void ARankThatIsNotHeardOfHasFailed()
    {
        RankWatch watch = Of(0);
        Run(watch, 0, 5.9, heard: [1, 2]);
        Run(watch, 5.9, 11.8, heard: [1]);
        Assert.That(watch.Failure, Is.Null);
        Run(watch, 11.8, 12.2, heard: [1]);
        Assert.That(watch.Failure!.Rank, Is.EqualTo(2));
        Assert.That(watch.Failure.Message, Does.Contain("rank 2 (process 102 on two)")
            .And.Contain("has not been heard of for 6 s"));
        Assert.That(_sent.Where(sent => sent.Notice.Kind == NoticeKind.Failed).Select(sent => sent.To),
            Is.EqualTo([1]));
    }

    [Test]
    public void TheOthersLearnFromTheNotice()
    {
        RankWatch watch = Of(1);
        watch.Receive(0, Notice.Parse(new Notice(NoticeKind.Failed, 2, 0, "rank 2 äöü").ToBytes()), TimeSpan.Zero);
        Assert.That((watch.Failure!.Rank, watch.Failure.Message, watch.Failure.IsReported),
            Is.EqualTo((2, "rank 2 äöü", false)));
    }

    [Test]
    public void SignsOfLifeGoToAndFromTheFirstRank()
    {
        Run(Of(0), 0, 0.9, heard: [1, 2]);
        Run(Of(2), 0, 0.9, heard: [0]);
        Assert.That(_sent.Select(sent => (sent.Notice.Rank, sent.To)), Is.EqualTo([(0, 1), (0, 2), (0, 1), (0, 2),
            (2, 0), (2, 0)]));
    }

    [Test]
    public void AProcessThatWasStoppedItselfBlamesNobody()
    {
        RankWatch watch = Of(0);
        Run(watch, 0, 1, heard: [1, 2]);
        Run(watch, 60, 64, heard: []);
        Assert.That(watch.Failure, Is.Null);
        Run(watch, 64, 67, heard: []);
        Assert.That(watch.Failure, Is.Not.Null);
    }

    [Test]
    public void ARankThatHasLeftFailsOnlyIfOthersWaitForIt()
    {
        RankWatch watch = Of(0);
        watch.Started = 5;
        watch.Receive(1, new Notice(NoticeKind.Leaving, 1, 5, ""), TimeSpan.Zero);
        watch.WaitsSince = TimeSpan.Zero;
        Run(watch, 0, 9, heard: [2], started: 5);
        Assert.That(watch.Failure, Is.Null);
        watch.Started = 6;
        Run(watch, 9, 9.2, heard: [2], started: 6);
        Assert.That(watch.Failure!.Message, Does.Contain("rank 1 (process 101 on one) has left"));
    }

    [Test]
    public void ARankThatLeavesWaitsForTheSignsOfLifeOfTheOthers()
    {
        RankWatch watch = Of(0);
        watch.Leave();
        Assert.That(_sent.Select(sent => (sent.Notice.Kind, sent.To)),
            Is.EqualTo([(NoticeKind.Leaving, 1), (NoticeKind.Leaving, 2)]));
        watch.Receive(1, new Notice(NoticeKind.Leaving, 1, 0, ""), TimeSpan.Zero);
        Run(watch, 0, 9, heard: [2]);
        Assert.That((watch.OthersHaveLeft, watch.Failure), Is.EqualTo((false, (RankFailedException?)null)));
        Run(watch, 9, 16, heard: []);
        Assert.That(watch.Failure!.Message, Does.Contain("rank 2 ").And.Contain("has not been heard of"));
        watch.Receive(2, new Notice(NoticeKind.Leaving, 2, 0, ""), TimeSpan.FromSeconds(16));
        Assert.That(watch.OthersHaveLeft);
        Assert.That(_sent.Any(sent => sent.Notice.Kind == NoticeKind.Alive), Is.False, "it gives no signs itself");
    }

    [Test]
    public void ARankThatHasLeftReceivesSignsOfLifeAndItsFailure()
    {
        RankWatch watch = Of(2);
        watch.Receive(0, new Notice(NoticeKind.Leaving, 0, 0, ""), TimeSpan.Zero);
        Run(watch, 0, 0.1, heard: []);
        watch.Started = 1;
        watch.WaitsSince = TimeSpan.Zero;
        Run(watch, 0.1, 3.2, heard: []);
        Assert.That(watch.Failure!.Rank, Is.Zero);
        Assert.That(_sent.Where(sent => sent.To == 0).Select(sent => sent.Notice.Kind).Distinct(),
            Is.EqualTo([NoticeKind.Alive, NoticeKind.Failed]));
    }

    [Test]
    public void ARankThatRunsButDoesNotComeIsNamed()
    {
        RankWatch watch = Of(0);
        watch.Started = 5;
        watch.WaitsSince = TimeSpan.Zero;
        Run(watch, 0, 599, heard: [1, 2], started: 4);
        Assert.That(watch.Failure, Is.Null);
        Run(watch, 599, 601, heard: [1, 2], started: 4);
        Assert.That(watch.Failure!.Message, Does.Contain("rank 1 ").And.Contain("waited for it for 10 min"));
    }

    [Test]
    public void TheTimeToWaitCanBeSetLater()
    {
        RankWatch watch = Of(0);
        watch.Started = 5;
        watch.WaitsSince = TimeSpan.Zero;
        watch.Patience = TimeSpan.FromSeconds(8);
        Run(watch, 0, 7.9, heard: [1, 2], started: 4);
        Assert.That(watch.Failure, Is.Null);
        Run(watch, 7.9, 8.2, heard: [1, 2], started: 4);
        Assert.That(watch.Failure!.Message, Does.Contain("rank 1 ").And.Contain("waited for it for 8 s"));
    }

    [Test]
    public void AProcessOfThisMachineThatHasEndedIsSeen()
    {
        RankProcess own = RankProcess.Own(0);
        Assert.That(own.HasEnded(), Is.False);
        var watch = new RankWatch(0, [own, RankProcess.Parse((own with { Rank = 1, Started = "1" }).ToText())], Times,
            (to, notice) => _sent.Add((to, notice)));
        Run(watch, 0, 0.2, heard: [1]);
        Assert.That(watch.Failure!.Message, Does.Contain("rank 1 ").And.EndsWith("has ended before the others."));
    }

    [Test]
    public void LongTextsAreCutAndOtherBytesRefused()
    {
        byte[] bytes = new Notice(NoticeKind.Gives, 3, 1L << 40, new string('ä', 1000)).ToBytes();
        Assert.That(bytes, Has.Length.AtMost(Notice.MostBytes));
        Notice read = Notice.Parse(bytes);
        Assert.That((read.Kind, read.Rank, read.Started), Is.EqualTo((NoticeKind.Gives, 3, 1L << 40)));
        Assert.That(read.Text, Is.EqualTo(new string('ä', read.Text.Length)));
        Assert.That(() => Notice.Parse(bytes.AsSpan(0, 15)), Throws.TypeOf<InvalidDataException>());
        Assert.That(() => Notice.Parse([9, .. bytes.AsSpan(1)]), Throws.TypeOf<InvalidDataException>());
    }

    private RankWatch Of(int own) => new(own, [.. ((string[])["zero", "one", "two"]).Select((host, rank)
        => new RankProcess(rank, host, 100 + rank, null, null))], Times, (to, notice) => _sent.Add((to, notice)));

    // Looks every 100 ms, as the thread of a communicator does.
    private static void Run(RankWatch watch, double from, double to, int[] heard, long started = 0)
    {
        for (double time = from; time < to; time += 0.1)
        {
            var now = TimeSpan.FromSeconds(time);
            foreach (int rank in heard)
                watch.Receive(rank, new Notice(NoticeKind.Alive, rank, started, ""), now);
            watch.Tick(now);
        }
    }
}
