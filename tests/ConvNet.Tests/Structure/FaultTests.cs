using System.Text.Json;
using NUnit.Framework;

namespace ConvNet.Tests.Structure;

/// <summary>The faults of tests/mutation/faults, which replace texts of the sources.</summary>
public sealed class FaultTests
{
    private const string Folder = "tests/mutation/faults";

    private static readonly JsonSerializerOptions s_json = new(JsonSerializerDefaults.Web);

    /// <summary>A fault whose text has gone would no longer be tried.</summary>
    [TestCase("listed.json", 58)]
    [TestCase("pool.json", 90)]
    public void EveryFaultReplacesATextThatOccursOnce(string file, int least)
    {
        Fault[] faults = Read<FaultFile>(file).Faults;
        var sources = new Dictionary<string, string>();
        Assert.Multiple(() =>
        {
            Assert.That(faults, Has.Length.GreaterThanOrEqualTo(least));
            foreach ((Fault fault, Edit edit) in faults.SelectMany(fault => fault.Edits.Select(edit => (fault, edit))))
            {
                if (!sources.TryGetValue(edit.File, out string? text))
                    sources[edit.File] = text = File.ReadAllText(Repository.Path(edit.File));
                Assert.That(text.Split(edit.Before), Has.Length.EqualTo(2),
                    $"{fault.Id}: {edit.File} should have this text once: {edit.Before}");
                Assert.That(edit.After, Is.Not.EqualTo(edit.Before), fault.Id);
            }
        });
    }

    /// <summary>All faults are in one build.</summary>
    [Test]
    public void FaultsReplaceTheSameTextOrTextsThatDoNotOverlap()
    {
        IEnumerable<Edit> edits = ((string[])["listed.json", "pool.json"])
            .SelectMany(file => Read<FaultFile>(file).Faults).SelectMany(fault => fault.Edits);
        Assert.Multiple(() =>
        {
            foreach (IGrouping<string, Edit> each in edits.GroupBy(edit => edit.File))
            {
                string text = File.ReadAllText(Repository.Path(each.Key));
                (int Start, string Before)[] places = [.. each.Select(edit => edit.Before).Distinct()
                    .Select(before => (text.IndexOf(before, StringComparison.Ordinal), before)).Order()];
                for (int i = 1; i < places.Length; i++)
                    Assert.That(places[i].Start, Is.AtLeast(places[i - 1].Start + places[i - 1].Before.Length),
                        $"{each.Key}: {places[i - 1].Before} and {places[i].Before}");
            }
        });
    }

    /// <summary>A fault names a check, and a check the model that meets it.</summary>
    [Test]
    public void EveryFaultHasANameOfItsOwnAndACheck()
    {
        Fault[] faults = [.. Read<FaultFile>("listed.json").Faults, .. Read<FaultFile>("pool.json").Faults];
        var checks = Read<Dictionary<string, string[]>>("checks.json");
        string[] models = [.. checks.Values.Select(words => words[1]).Where(model => Path.HasExtension(model))];
        Assert.Multiple(() =>
        {
            Assert.That(faults.Select(fault => fault.Id), Is.Unique);
            Assert.That(faults.Select(fault => fault.Check).Distinct(), Is.EquivalentTo(checks.Keys));
            Assert.That(checks.Values.Select(words => words[0]), Is.All.EqualTo("--model"));
            Assert.That(models.Select(model => Repository.Path(Folder, "models", model)), Has.All.Matches<string>(
                File.Exists));
        });
    }

    private static T Read<T>(string file)
        => JsonSerializer.Deserialize<T>(File.ReadAllText(Repository.Path(Folder, file)), s_json)!;

    private sealed record FaultFile(Fault[] Faults);

    private sealed record Fault(string Id, string Check, Edit[] Edits);

    private sealed record Edit(string File, string Before, string After);
}
