using System.Globalization;
using System.Text.RegularExpressions;
using NUnit.Framework;

namespace ConvNet.Tests.Docs;

/// <summary>What docs/choosing-a-backend.md concludes is what its tables say.</summary>
public sealed partial class ChoosingABackendTests
{
    private static readonly string s_document = File.ReadAllText(Repository.Path("docs", "choosing-a-backend.md"));

    [TestCase("small")]
    [TestCase("medium")]
    [TestCase("large")]
    public void NoSlowBackendIsSaidToBeAsFast(string section)
    {
        string text = s_document.Split($"<!-- bench {section} -->")[1].Split("<!-- end -->")[0];
        string table = text.Split("| backend |")[1];
        Dictionary<string, double> ratios = Row().Matches(table).Where(row => row.Groups[3].Value != "–")
            .ToDictionary(row => $"{row.Groups[1].Value} on {row.Groups[2].Value}",
                row => double.Parse(row.Groups[3].Value, CultureInfo.InvariantCulture));
        Assert.That(ratios, Has.Count.GreaterThanOrEqualTo(6), "rows with a ratio");
        string[] close = [.. Close().Matches(text).SelectMany(claim => Contender().Matches(claim.Value)).Select(name
            => $"{name.Groups[1].Value} on {name.Groups[2].Value}")];
        Assert.That(close.Where(name => ratios[name] >= 3), Is.Empty);
        string taken = Taken().Match(text).Groups[1].Value;
        Assert.That(ratios[taken.Replace(" threads", "", StringComparison.Ordinal).Replace(" thread", "",
            StringComparison.Ordinal)], Is.EqualTo(1), taken);
    }

    // Backend, threads, and the ratio of the times of training.
    [GeneratedRegex(@"^\| ([\w:]+) \| (\d+) \| [\d,–]+ \| ([\d.]+|–)", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("[^.;]*(cannot be distinguished from it|could be distinguished from the fastest)")]
    private static partial Regex Close();

    [GeneratedRegex(@"([\w:]+) on (\d+) threads?")]
    private static partial Regex Contender();

    [GeneratedRegex("Use ([^:]+(?::\\w+)? on \\d+ threads?)")]
    private static partial Regex Taken();
}
