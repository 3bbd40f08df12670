using System.Security.Cryptography;
using System.Text.Json;
using NUnit.Framework;

namespace ConvNet.Tests.Truth;

/// <summary>A case of a table in <c>tests/truth</c>: expected results, computed by PyTorch in double
/// precision.</summary>
/// <param name="Name">The name of the case.</param>
/// <param name="File">The name of its table.</param>
/// <param name="Json">The values of the case.</param>
public sealed record TruthCase(string Name, string File, JsonElement Json)
{
    /// <summary>Returns a list of values.</summary>
    public double[] Values(string name) => Doubles(Json.GetProperty(name));

    /// <summary>Returns a list of values in single precision.</summary>
    public float[] Floats(string name) => Array.ConvertAll(Values(name), value => (float)value);

    /// <summary>Returns the lists of values of a list, in its order.</summary>
    public double[][] Lists(string name) => [.. Json.GetProperty(name).EnumerateArray().Select(Doubles)];

    /// <summary>Returns the lists of values of an object, by name and in its order.</summary>
    public IReadOnlyList<KeyValuePair<string, double[]>> Named(string name)
        => [.. Json.GetProperty(name).EnumerateObject().Select(each => KeyValuePair.Create(each.Name,
            Doubles(each.Value)))];

    /// <summary>Whether the case has a value of this name.</summary>
    public bool Has(string name) => Json.TryGetProperty(name, out _);

    public override string ToString() => Name;

    private static double[] Doubles(JsonElement list) => [.. list.EnumerateArray().Select(each => each.GetDouble())];
}

/// <summary>The tables in <c>tests/truth</c>.</summary>
internal static class TruthTable
{
    // Double precision leaves at least this many digits in sums of the length that the cases have.
    private const double Tolerance = 1e-12;

    /// <summary>Returns the cases of the tables in a folder, or of a single one.</summary>
    /// <param name="path">A folder or a file, relative to <c>tests/truth</c>.</param>
    public static IEnumerable<TruthCase> Cases(string path) => Files(path).SelectMany(file =>
    {
        using var document = JsonDocument.Parse(System.IO.File.ReadAllBytes(file));
        string table = System.IO.Path.GetFileNameWithoutExtension(file);
        return document.RootElement.GetProperty("cases").EnumerateArray()
            .Select(json => new TruthCase(json.GetProperty("name").GetString()!, table, json.Clone())).ToList();
    });

    /// <summary>Returns the paths of the tables.</summary>
    public static IEnumerable<string> Files(string path)
    {
        string full = Repository.Path("tests", "truth", path);
        return Directory.Exists(full)
            ? Directory.EnumerateFiles(full, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            : [full];
    }

    /// <summary>Asserts that values agree with the table. The error is relative to the largest value of the
    /// tensor, because small values can be differences of large ones.</summary>
    /// <param name="got">The computed values.</param>
    /// <param name="want">The values of the table.</param>
    /// <param name="what">The name of the tensor.</param>
    /// <param name="tolerance">The largest relative error.</param>
    public static void AssertAgree(double[] got, double[] want, string what, double tolerance = Tolerance)
    {
        Assert.That(got, Has.Length.EqualTo(want.Length), $"{what}: number of values");
        double scale = want.Length == 0 ? 0 : want.Max(Math.Abs);
        for (int i = 0; i < want.Length; i++)
            Assert.That(got[i], Is.EqualTo(want[i]).Within(tolerance * Math.Max(scale, 1e-30)), $"{what}[{i}]");
    }
}

/// <summary>The tables themselves.</summary>
[TestFixture]
public sealed class TruthTableTests
{
    public static IEnumerable<string> Tables
        => TruthTable.Files(".").Select(file => Path.GetRelativePath(Repository.Path("tests", "truth"), file));

    [TestCaseSource(nameof(Tables))]
    public void IsOfItsScriptAsItStands(string table)
    {
        string file = Repository.Path("tests", "truth", table);
        using var document = JsonDocument.Parse(File.ReadAllBytes(file));
        string hash = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(
            Path.ChangeExtension(file, "py"))));
        Assert.That(document.RootElement.GetProperty("sha256").GetString(), Is.EqualTo(hash),
            $"the script has changed; run /usr/bin/python3 tests/truth/{Path.ChangeExtension(table, "py")}");
    }
}
