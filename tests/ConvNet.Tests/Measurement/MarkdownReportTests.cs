using ConvNet.Measurement;
using NUnit.Framework;

namespace ConvNet.Tests.Measurement;

public sealed class MarkdownReportTests
{
    private static readonly Case Layer = Case.Of(LayerShape.Parse("mb2ic4oc4n\"a|b\""), BenchPass.Forward, 2);
    private static readonly Case Network = Case.Of("lenet5", 64, BenchPass.Train, 2);

    private static BenchResult Result(params Row[] rows) => new(
        new Dictionary<int, double> { [1] = 100, [2] = 198.4 }, 1, 56.7, rows,
            [new(Layer, "native", "onednn", 1.25, 1.2, 1.3), new(Network, "native", "onednn", 5, 4, 6)], [],
        new Dictionary<string, string> { ["native"] = "native 0.1.0 (avx512)", ["onednn"] = "oneDNN 2.6.3" });

    private static Row RowOf(Case of, string backend, double percent, double images)
        => new(of, backend, "direct", 1, 1, 1, percent, images, 12.6);

    [Test]
    public void LayersAreInPercentOfThePeakAndNetworksInImages()
    {
        string[] lines = MarkdownReport.Of(
            Result(RowOf(Layer, "native", 90.04, 1), RowOf(Layer, "onednn", 72, 1),
                RowOf(Network, "native", 1, 12_345.6)), "abc1234", "./convnet bench …").Split('\n');
        Assert.That(lines[0], Does.EndWith("; FMA peak 100 GFLOP/s on 1 thread, 198 GFLOP/s on 2 threads, memory 57 "
            + "GB/s; native 0.1.0 (avx512), oneDNN 2.6.3; commit abc1234."));
        Assert.That(lines[1], Is.EqualTo("`./convnet bench …`"));
        Assert.That(lines[2..], Is.EqualTo((string[])
        [
            "",
            "| case | batch | pass | threads | native, percent of the FMA peak | onednn, percent of the FMA peak | "
                + "native / onednn |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            "| a\\|b | 2 | fwd | 2 | 90.0 | 72.0 | 1.25 |",
            "",
            "| case | batch | pass | threads | native, images/s | onednn, images/s | native / onednn | native, MB | "
                + "onednn, MB |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            "| lenet5 | 64 | train | 2 | 12,346 | – | 5.00 | 13 | – |",
            "",
        ]));
    }

    [Test]
    public void SeveralCasesEndInTheGeometricMeanOfTheRatios()
    {
        Case other = Layer with { Pass = BenchPass.BackwardData };
        BenchResult result = Result(RowOf(Layer, "native", 90, 1), RowOf(other, "native", 80, 1)) with
        {
            Ratios = [new(Layer, "native", "onednn", 2, 2, 2), new(other, "native", "onednn", 8, 8, 8)],
        };
        Assert.That(MarkdownReport.Of(result, "", "").TrimEnd().Split('\n')[^1],
            Is.EqualTo("| geometric mean |  |  |  |  | 4.00 |"));
    }

    [Test]
    public void ABusyMachineIsSaid()
    {
        BenchResult quiet = Result(RowOf(Layer, "native", 90, 1)), busy = quiet with { Steadiness = 0.62 };
        Assert.That(MarkdownReport.Of(quiet, "", ""), Does.Not.Contain("not idle"));
        Assert.That(MarkdownReport.Of(busy, "", ""), Does.Contain("not idle").And.Contain("62%"));
    }

    [Test]
    public void ASectionIsReplacedAndTheRestStays()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("PERFORMANCE.md");
        File.WriteAllText(file, "# Title\n<!-- bench a -->\nold\n<!-- end -->\nmiddle\n<!-- bench b -->\n<!-- end "
            + "-->\nlast\n");
        MarkedSection.Replace(file, "a", "new\n");
        MarkedSection.Replace(file, "b", "more");
        Assert.That(File.ReadAllText(file), Is.EqualTo("# Title\n<!-- bench a -->\nnew\n<!-- end -->\nmiddle\n<!-- "
            + "bench b -->\nmore\n<!-- end -->\nlast\n"));
        Assert.That(Assert.Throws<ArgumentException>(() => MarkedSection.Check(file, "c"))!.Message,
            Does.Contain("\"c\"").And.Contain("<!-- bench c -->"));
        File.AppendAllText(file, "<!-- bench a -->\n<!-- end -->\n");
        Assert.That(Assert.Throws<ArgumentException>(() => MarkedSection.Check(file, "a"))!.Message,
            Does.Contain("more than one"));
    }

    [Test]
    public void TheCommitIsThatOfTheRepositoryWithAWordAboutChanges()
    {
        using var folder = new TemporaryFolder();
        Assert.That(SourceCommit.Of(folder.Path), Is.EqualTo("unknown"));
        void Git(params string[] arguments)
            => Assert.That(Repository.Run(folder.Path, "git", arguments).ExitCode, Is.Zero);
        Git("init");
        File.WriteAllText(folder.File("a.txt"), "a");
        Git("add", "a.txt");
        Git("-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "-m", "a");
        Assert.That(SourceCommit.Of(folder.Path), Does.Match("^[0-9a-f]{7,}$"));
        File.WriteAllText(folder.File("a.txt"), "b");
        Assert.That(SourceCommit.Of(folder.Path), Does.Match("^[0-9a-f]{7,} with changes$"));
    }
}
