using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>A training that is killed at any moment and resumed ends with the same bits. tests/kills.sh kills more
/// often.</summary>
[Platform(Exclude = "Win")]
public sealed class KillTests
{
    [Test]
    public void ATrainingThatIsKilledTenTimesEndsWithTheSameBits([Values("native", "managed")] string backend)
    {
        const int Kills = 10;
        // The reference takes as long for one epoch.
        string epochs = backend == "managed" ? "1" : "6";
        using var training = new KilledTraining(["--data", "digits", "--backend", backend, "--epochs", epochs,
            "--flip", "--crop", "1", "--average", "ema", "--every", "3steps", "--optimizer", "adam"], seed: 7);
        (int trainings, int resumed) = training.Run(Kills);
        TestContext.Out.WriteLine($"{trainings} trainings, {Kills} kills, {resumed} of them with a checkpoint before");
        Assert.That(resumed, Is.Positive, "some kills come late enough");
    }
}
