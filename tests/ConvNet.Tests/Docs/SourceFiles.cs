using System.Text.RegularExpressions;

namespace ConvNet.Tests.Docs;

/// <summary>The files that the repository is built from.</summary>
internal static partial class SourceFiles
{
    private static readonly string[] s_roots = ["src", "native", "tests", "bench"];
    private static readonly string[] s_endings = [".cs", ".c", ".h", ".def", ".txt", ".csproj", ".py"];

    /// <summary>Those in which a text occurs, but for the tests of the documentation.</summary>
    /// <param name="text">The text, in upper or lower case.</param>
    /// <param name="but">Files that are left out.</param>
    public static IEnumerable<string> With(string text, params string[] but)
    {
        foreach (string file in s_roots.SelectMany(root
            => Directory.EnumerateFiles(Repository.Path(root), "*", SearchOption.AllDirectories)))
        {
            string name = Path.GetRelativePath(Repository.Root, file).Replace('\\', '/');
            // The lists of public members are written by a command.
            bool isSource = s_endings.Contains(Path.GetExtension(file)) && !Built().IsMatch(name)
                && !Path.GetFileName(file).StartsWith("PublicAPI.", StringComparison.Ordinal)
                && !name.Contains("/Docs/Adding", StringComparison.Ordinal) && !but.Any(name.EndsWith);
            if (isSource && File.ReadAllText(file).Contains(text, StringComparison.OrdinalIgnoreCase))
                yield return name;
        }
    }

    [GeneratedRegex("(^|/)(obj|bin|build)/")]
    private static partial Regex Built();
}
