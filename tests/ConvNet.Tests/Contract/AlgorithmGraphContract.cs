using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Whole graphs with every algorithm of a convolution on every instruction set. The references, which take
/// most of the time, are run once for all of them.</summary>
public sealed class AlgorithmGraphContract
{
    [TestCaseSource(typeof(AlgorithmContract), nameof(AlgorithmContract.Graphs))]
    public void AGraphIsExactAndAsCloseToTheDoubleRunAsFloatCanBe(GraphCase graph)
        => Backends.Use(Backends.Forced, opened => Reports.AssertPasses(GradientCheck.Run(graph.Build(), opened,
            Reports.Options(CheckModes.Exact | CheckModes.Real | CheckModes.Segments | CheckModes.EndToEnd,
                graph.N))));
}
