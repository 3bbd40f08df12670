using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Every optimiser over several steps, on every backend.</summary>
public sealed class OptimizerTrajectoryContract
{
    // The native backend has kernels for these rules. All other rules run in C#, alike on every instruction set. Their
    // variants are checked with one backend of each family. Padded channels concern convolutions alone.
    private static readonly string[] s_kernels = ["sgd", "adam", "adamw"];

    private static readonly Optimizer[] s_usual =
    [
        .. OptimizerSet.BuiltIn.Declarations.Select(declaration => declaration.Usual), new SignOfSum(0.25f),
        new LargestFirst(),
    ];

    private static IEnumerable<TestCaseData> Pairs
        => from backend in Backends.All
           let isFirst = Backends.All.First(other => FamilyOf(other) == FamilyOf(backend)) == backend
           from optimizer in OptimizerSet.BuiltIn.Declarations
               .Where(declaration => isFirst
                   || (FamilyOf(backend) == "native" && s_kernels.Contains(declaration.Kind)))
               .SelectMany(OptimizerVariants.Of).Concat(s_usual).Distinct()
           select new TestCaseData(backend, optimizer);

    private static string FamilyOf(BackendCase backend) => backend.Name.Split('/')[0];

    [TestCaseSource(nameof(Pairs))]
    public void EveryUpdateIsThatOfTheRule(BackendCase backend, Optimizer optimizer)
    {
        using IBackend opened = backend.Open();
        GradientReport report = GradientCheck.Run(optimizer, [opened]);
        Reports.AssertPasses(report);
        Assert.Multiple(() =>
        {
            Assert.That(report.Layers.Select(layer => layer.Tensors.Sum(tensor => tensor.Elements)), Has.All.Positive);
            Assert.That(report.Layers.Select(layer => layer.Mode), Has.All.EqualTo(CheckModes.Trajectories));
        });
    }
}
