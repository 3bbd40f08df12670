using ConvNet.GradientChecking;
using ConvNet.Tests.Examples;
using NUnit.Framework;

namespace ConvNet.Tests.Torch;

/// <summary>The gradient check finds the wrong convolutions of libtorch, in a program that uses TorchSharp
/// alone.</summary>
public sealed class FindingUnderCheckTests
{
    private static string Child => Repository.Path("tests", "findings", "OneDnnHiddenCaches", "bin",
        Repository.Configuration, "net10.0", "OneDnnHiddenCaches.dll");

    [Test]
    public void ConvolutionsAreWrongWhereTheCachesAreHidden()
    {
        CommandResult run = AnyLibraryTests.Run("libtorch", "dotnet", "exec", Child, "--serve", "--hide-caches");
        if (run.Output.Contains("was not found", StringComparison.Ordinal))
            Assert.Ignore("oneDNN's copy of the cache sizes was not found; it is looked for on Linux x64 only.");
        Assert.That(run.ExitCode, Is.EqualTo(1), run.Output);
        Assert.That(run.Output, Does.Match(@"conv: [1-9]\d* of \d+ layers wrong"));
        Assert.That(run.Output, Does.Match(@"(y|dx) of conv\w* on libtorch/process, exact: element \d+ is "));
        string file = Path.Combine(TestContext.CurrentContext.WorkDirectory, "libtorch-failure.json");
        using var managed = new ManagedBackend();
        Assert.That(GradientCaseFile.Load(file).Run([managed]).Verdict, Is.EqualTo(Verdict.Pass));
    }

    [Test]
    public void ConvolutionsAreRightWhereTheyAreNot()
    {
        if (Findings.HiddenCaches.AreHere)
            Assert.Ignore("This processor hides its caches.");
        CommandResult run = AnyLibraryTests.Run("libtorch", "dotnet", "exec", Child, "--serve");
        Assert.That(run.ExitCode, Is.Zero, run.Output);
    }
}
