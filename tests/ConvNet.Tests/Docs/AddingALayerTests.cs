using System.Text.RegularExpressions;
using NUnit.Framework;

namespace ConvNet.Tests.Docs;

/// <summary>docs/adding-a-layer.md names the files that a layer touches: those in which the name of its example
/// occurs.</summary>
public sealed partial class AddingALayerTests
{
    private static readonly string[] s_roots = ["src", "native", "tests", "bench"];
    private static readonly string[] s_moreCases = ["LayerCases.cs", "GraphCases.cs"];
    private static readonly string[] s_endings = [".cs", ".c", ".h", ".def", ".txt", ".csproj"];

    [Test]
    public void TheTableListsEveryFileThatKnowsGelu()
    {
        string page = File.ReadAllText(Repository.Path("docs", "adding-a-layer.md"));
        string[] listed = [.. Row().Matches(page).Select(row => row.Groups[1].Value)];
        Assert.That(listed, Is.EquivalentTo(FilesWith("gelu")).And.Length.AtMost(8));
    }

    private static IEnumerable<string> FilesWith(string word)
    {
        foreach (string file in s_roots.SelectMany(root
            => Directory.EnumerateFiles(Repository.Path(root), "*", SearchOption.AllDirectories)))
        {
            string name = Path.GetRelativePath(Repository.Root, file).Replace('\\', '/');
            bool isSource = s_endings.Contains(Path.GetExtension(file)) && !Built().IsMatch(name)
                && !s_moreCases.Append($"{nameof(AddingALayerTests)}.cs").Any(name.EndsWith);
            if (isSource && File.ReadAllText(file).Contains(word, StringComparison.OrdinalIgnoreCase))
                yield return name;
        }
    }

    [GeneratedRegex(@"^\| `([\w./]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("(^|/)(obj|bin|build)/")]
    private static partial Regex Built();
}
