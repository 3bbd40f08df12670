using System.Text.RegularExpressions;
using NUnit.Framework;

namespace ConvNet.Tests.Docs;

/// <summary>The files that the documentation names are there.</summary>
public sealed partial class PathTests
{
    private static IEnumerable<string> Pages => Directory.EnumerateFiles(Repository.Path("docs"), "*.md")
        .Select(Path.GetFileName)!;

    [TestCaseSource(nameof(Pages))]
    public void EveryPathOfAPageExists(string page)
    {
        string[] paths = [.. PathIn().Matches(File.ReadAllText(Repository.Path("docs", page)))
            .Select(match => match.Groups[1].Value).Where(path => Path.GetFileName(path) != "Name.cs"
                && path != "bench/results")];
        Assert.That(paths.Where(path => !Path.Exists(Repository.Path(path))), Is.Empty, page);
    }

    [Test]
    public void AValuePassesThroughTenFilesAtMost()
    {
        string page = File.ReadAllText(Repository.Path("docs", "ARCHITECTURE.md"));
        string[] files = [.. NumberedFile().Matches(page).Select(match => match.Groups[1].Value)];
        Assert.That(files, Is.Not.Empty.And.Length.AtMost(10));
    }

    [GeneratedRegex(@"`((?:src|tests|native|bench|eng)/[\w./-]+)`")]
    private static partial Regex PathIn();

    [GeneratedRegex(@"^\d+\. `(src/[\w./]+\.cs)`", RegexOptions.Multiline)]
    private static partial Regex NumberedFile();
}
