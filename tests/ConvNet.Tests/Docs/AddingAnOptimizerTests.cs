using System.Text.RegularExpressions;
using NUnit.Framework;

namespace ConvNet.Tests.Docs;

/// <summary>docs/adding-an-optimizer.md names the files that an optimiser touches: those in which the names of its
/// examples occur.</summary>
public sealed partial class AddingAnOptimizerTests
{
    [Test]
    public void TheTableListsEveryFileThatKnowsLarsAndThoseOfTorch()
    {
        string page = File.ReadAllText(Repository.Path("docs", "adding-an-optimizer.md"));
        string[] listed = [.. Row().Matches(page).Select(row => row.Groups[1].Value)];
        string[] torch = [.. SourceFiles.With("AdamW").Where(file
            => file.StartsWith("src/ConvNet.TorchSharp/", StringComparison.Ordinal))];
        Assert.That(torch, Has.Length.EqualTo(2));
        // Other tests name optimisers at will.
        IEnumerable<string> own = SourceFiles.With("Lars").Where(file
            => !file.StartsWith("tests/", StringComparison.Ordinal)
            || file.EndsWith("/OptimizerCases.cs", StringComparison.Ordinal));
        Assert.That(listed, Is.EquivalentTo(own.Concat(torch).Append("tests/truth/optimizers.py"))
            .And.Length.AtMost(6));
    }

    [GeneratedRegex(@"^\| `([\w./]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
