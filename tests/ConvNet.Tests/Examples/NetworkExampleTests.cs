using ConvNet.Examples.Networks;
using NUnit.Framework;

namespace ConvNet.Tests.Examples;

/// <summary>The examples in examples/Networks run, and learn what they promise.</summary>
public sealed class NetworkExampleTests
{
    [Test]
    public void ANetworkFromScratchLearnsDigits() => Reaches(0.95, FromScratch.Run);

    [Test]
    public void AResidualBlockOfOnesOwnLearnsDigits() => Reaches(0.95, ResidualBlock.Run);

    [Test]
    public void TwoInputsAndTwoOutputsAreTrainedTogether() => Reaches(0.9, TwoInputsTwoOutputs.Run);

    [Test]
    public void FrozenFeaturesCarryOverToOtherDigits() => Reaches(0.85, TransferLearning.Run);

    [Test]
    public void ALayerOfOnesOwnIsCheckedAndTrained() => Reaches(0.95, OwnLayer.Run);

    [Test]
    public void AnOptimizerOfOnesOwnTrains() => Reaches(0.95, OwnOptimizer.Run);

    [Test]
    public void AUNetSegmentsShapes() => Reaches(0.9, Segmentation.Run);

    [Test]
    public void ASavedNetworkIsLoadedForInferenceOnly() => Reaches(0.95, InferenceOnly.Run);

    private static void Reaches(double least, Func<TextWriter, double> example)
    {
        using var output = new StringWriter();
        double reached = example(output);
        TestContext.Out.WriteLine(output);
        Assert.That(output.ToString(), Is.Not.Empty);
        Assert.That(reached, Is.GreaterThan(least));
    }
}
