using ConvNet.Serialization;
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
        using var folder = new TemporaryFolder();
        string model = folder.File("small.json");
        File.WriteAllText(model, GraphJson.Write(Sequential.Of(new Shape(1, 8, 8), new Conv2d(8, 2, stride: 2),
            new BatchNorm2d(), new Relu(), new Dropout(0.1f), new Flatten(), new Linear(10))));
        using var training = new KilledTraining(["--data", "digits", "--model", model, "--backend", backend,
            "--threads", "1", "--epochs", "6", "--flip", "--crop", "1", "--average", "ema", "--every", "3steps",
            "--optimizer", "adam"], seed: 7);
        (int trainings, int resumed) = training.Run(Kills);
        TestContext.Out.WriteLine($"{trainings} trainings, {Kills} kills, {resumed} of them with a checkpoint before");
        Assert.That(resumed, Is.Positive, "some kills come late enough");
    }
}
