using System.Xml.Linq;
using NUnit.Framework;

namespace ConvNet.Tests.Packaging;

/// <summary><c>ThrowIfFailed</c> as the assertion of other test frameworks: tests/assertions has a project for each,
/// with a test that passes and one that fails.</summary>
[Category("Packaging")]
public sealed class AssertionTests
{
    private static readonly XNamespace s_trx = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";

    [TestCase("NUnit")]
    [TestCase("XUnit")]
    [TestCase("MSTest")]
    public void AFailureIsReportedWithItsMessageAndCommand(string framework)
    {
        using var folder = new TemporaryFolder();
        string tests = Repository.Path("tests", "assertions", framework, "bin", Repository.Configuration, "net10.0",
            $"{framework}Assertions.dll");
        CommandResult run = Repository.Run(folder.Path, "dotnet", ["vstest", tests, "--logger:trx;LogFileName=out.trx",
            $"--ResultsDirectory:{folder.Path}"]);
        Assert.That(run.ExitCode, Is.EqualTo(1), run.Output);
        Dictionary<string, XElement> results = XDocument.Load(folder.File("out.trx")).Descendants(s_trx
            + "UnitTestResult").ToDictionary(result => result.Attribute("testName")!.Value.Split('.')[^1]);
        Assert.That(results.ToDictionary(each => each.Key, each => each.Value.Attribute("outcome")!.Value),
            Is.EquivalentTo(new Dictionary<string, string>
            {
                ["ManagedIsRight"] = "Passed",
                ["GeluForReluIsWrong"] = "Failed",
            }), run.Output);
        string message = results["GeluForReluIsWrong"].Descendants(s_trx + "Message").Single().Value;
        Assert.That(message, Does.Contain("fail: ").And.Contain("y of relu on managed/")
            .And.Contain("so the bits must be equal").And.Contain("reproduce: convnet gradcheck --case ")
            .And.Contain("case.json --backends managed --threads 1"));
    }

    [TestCase("NUnit")]
    [TestCase("XUnit")]
    [TestCase("MSTest")]
    public void TheDocumentShowsTheTestThatPasses(string framework)
    {
        string[] lines = File.ReadAllLines(Repository.Path("tests", "assertions", framework, "GradientTests.cs"));
        int first = Array.FindIndex(lines, line => line.StartsWith("    [", StringComparison.Ordinal));
        string test = string.Join('\n', lines[first..].TakeWhile(line => line.Length > 0).Select(line => line[4..]));
        string name = framework == "XUnit" ? "xUnit" : framework;
        Assert.That(File.ReadAllText(Repository.Path("docs", "gradient-validation.md")),
            Does.Contain($"\n{name}:\n\n```csharp\n{test}\n```\n"));
    }
}
