using ConvNet.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Structure;

/// <summary>The names of kinds in files and options have one form.</summary>
public sealed class KindNameTests
{
    private static IEnumerable<string> Kinds =>
    [
        .. LayerSet.BuiltIn.Declarations.Select(each => each.Kind),
        .. OptimizerSet.BuiltIn.Declarations.Select(each => each.Kind),
        .. Loss.BuiltIn.Declarations.Select(each => each.Kind),
        .. LearningRateSchedule.BuiltIn.Declarations.Select(each => each.Kind),
        .. WeightAveraging.BuiltIn.Declarations.Select(each => each.Kind),
        .. Transform.BuiltIn.Declarations.Select(each => each.Kind),
        .. BatchTransform.BuiltIn.Declarations.Select(each => each.Kind),
        .. Sampler.BuiltIn.Declarations.Select(each => each.Kind),
    ];

    [TestCaseSource(nameof(Kinds))]
    public void AKindIsOneWordOfLowercaseLettersAndDigits(string kind)
        => Assert.That(kind, Does.Match("^[a-z][a-z0-9]*$"));
}
