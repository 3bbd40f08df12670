using System.Text.RegularExpressions;
using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.History;

/// <summary>The bugs that convolution libraries really had. Each is a case that every backend passes, and a defect that
/// is put in again and must be found.</summary>
public sealed class HistoryTests
{
    // Defects that are not in a kernel have tests of their own.
    private static readonly string[] s_elsewhere = ["shared-defect", "parameter-that-never-arrives"];

    [TestCaseSource(typeof(HistoryCases), nameof(HistoryCases.Names))]
    public void EveryBackendPasses(string name)
    {
        BackendCase[] cases = [.. Backends.All.Select(backend => backend with
        {
            Create = _ => backend.Deterministic
                ? new BackendVariant(backend.Name, backend.Open(threads: 1), backend.Open(threads: 3))
                : backend.Open(threads: 3),
        })];
        Backends.Use(cases, opened => AssertPasses(HistoryCases.Load(name), opened));
    }

    private static void AssertPasses(GradientCase made, IReadOnlyList<IBackend> backends)
    {
        GradientReport report = made.Run(backends);
        Contract.Reports.AssertPasses(report);
        foreach (CheckModes mode in Enum.GetValues<CheckModes>()
            .Where(mode => int.IsPow2((int)mode) && made.Options.Modes.HasFlag(mode)))
        {
            Assert.That(report.Layers.Where(layer => layer.Mode == mode).Sum(layer
                => layer.Tensors.Sum(tensor => tensor.Elements)), Is.Positive, $"{mode} compared nothing");
        }
        if (made.Options.Modes.HasFlag(CheckModes.Exact))
            Assert.That(report.Gaps, Is.Empty, "whole numbers stay exact");
    }

    [TestCaseSource(typeof(HistoryCases), nameof(HistoryCases.Faults))]
    public void TheDefectIsFoundWhereItIs(HistoricalFault fault)
    {
        using var managed = new ManagedBackend();
        using var defective = new SubstitutedBackend(managed, fault.Layer, fault.Loss);
        GradientCase made = HistoryCases.Load(fault.Name);
        GradientReport report = made.Run([defective]);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
        CheckModes first = made.Options.Modes.HasFlag(CheckModes.Exact) ? CheckModes.Exact : CheckModes.Real;
        foreach (CheckModes mode in (CheckModes[])[first, CheckModes.Real])
        {
            if (made.Options.Modes.HasFlag(mode))
                Assert.That(Wrong(report, mode), Is.EquivalentTo(fault.Tensors), $"{mode}");
        }
    }

    [TestCaseSource(typeof(HistoryCases), nameof(HistoryCases.Faults))]
    public void TheSameWithoutTheDefectPasses(HistoricalFault fault)
    {
        using var managed = new ManagedBackend();
        // The layer or loss in the wrapping of a defective one, but without the defect.
        using var right = new SubstitutedBackend(managed,
            layer => fault.Layer(layer) is Defective ? new Defective(layer) : layer,
            loss => fault.Loss(loss) is DefectiveLoss ? new DefectiveLoss(loss) : loss);
        Contract.Reports.AssertPasses(HistoryCases.Load(fault.Name).Run([right]));
    }

    [Test]
    public void ADefectByThreadsShowsOnlyWithThem()
    {
        using var managed = new ManagedBackend();
        GradientCase made = HistoryCases.Load("weight-gradient-by-threads");
        using var one = new SubstitutedBackend(managed, layer => new RunsOver(layer, Threads: 1));
        Contract.Reports.AssertPasses(made.Run([one]));
    }

    [Test]
    public void AVarianceOfOneHidesThatTheDeviationIsInvertedTwice()
    {
        using var managed = new ManagedBackend();
        using var defective = new SubstitutedBackend(managed, layer => layer is BatchNorm2d norm
            ? new InvertsTwice(norm) : layer);
        var graph = new Graph(new Shape(1, 1, 8));
        graph.Add(new BatchNorm2d(epsilon: 1e-12f), graph.Input);
        double Off(float deviation)
        {
            float[][] results = [.. ((IBackend[])[managed, defective]).Select(backend =>
            {
                using IExecutable net = backend.Compile(graph,
                    new TrainingSpec(1, new MeanSquaredError(), new Sgd()) { InputGradient = true });
                net.Initialize(new HeNormal(1));
                net.Forward((float[])[.. new float[] { 1, -1, 1, 1, -1, -1, 1, -1 }.Select(x => x * deviation)]);
                net.Backward((float[])[1, 2, 3, 4, 5, 6, 7, 8]);
                var dx = new float[8];
                net.ReadInputGradient(dx);
                return dx;
            })];
            return results[0].Zip(results[1], (right, wrong) => Math.Abs(right - wrong)).Max();
        }
        Assert.That(Off(1), Is.LessThan(1e-5));
        Assert.That(Off(3), Is.GreaterThan(0.1));
    }

    [Test]
    public void AReferenceWithTheDefectOfTheKernelIsFoundByTheOracle()
    {
        // The layer itself is wrong, so the reference runs the same backward pass as the backend.
        using var managed = new ManagedBackend();
        var made = (LayerGradientCase)HistoryCases.Load("shared-defect");
        GradientReport Check(Layer layer) => GradientCheck.Run(layer, made.Inputs, [managed], made.Options);
        var norm = (BatchNorm2d)made.Layer;
        GradientReport report = Check(new InvertsTwice(norm));
        Assert.That(Wrong(report, CheckModes.Real), Is.Empty, "they agree");
        Assert.That(Wrong(report, CheckModes.ForwardMode), Is.EquivalentTo((string[])["dx", "dw"]));
        Contract.Reports.AssertPasses(Check(new Defective(norm)));
    }

    [Test]
    public void EveryCaseHasADefectAndALineInTheTable()
    {
        string[] names = [.. HistoryCases.Names];
        Assert.That(HistoryCases.Faults.Select(fault => fault.Name).Concat(s_elsewhere), Is.EquivalentTo(names));
        string[] lines = [.. Regex.Matches(File.ReadAllText(Repository.Path("tests", "history", "README.md")),
            @"^\| `([a-z0-9-]+)` \|", RegexOptions.Multiline).Select(match => match.Groups[1].Value)];
        Assert.That(lines, Is.EquivalentTo(names));
    }

    private static IEnumerable<string> Wrong(GradientReport report, CheckModes mode) => report.Layers
        .Where(layer => layer.Mode == mode).SelectMany(layer => layer.Tensors)
        .Where(tensor => tensor.Verdict == Verdict.Fail).Select(tensor => tensor.Name).Distinct();
}
