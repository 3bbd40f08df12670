using System.Text.Json;

namespace ConvNet.Cli.Ranks;

/// <summary>What a rank says about itself before the training: what it would train with, or why it cannot.</summary>
/// <param name="Facts">What must be the same on all ranks, by name.</param>
/// <param name="Error">The error; null if there is none.</param>
internal sealed record RankFacts(IReadOnlyList<KeyValuePair<string, string>> Facts, string? Error)
{
    /// <summary>Whether the error arose in what one rank does for all, as opening the folder of the checkpoints, so
    /// that the others cannot have it.</summary>
    public bool IsForAll { get; init; }

    /// <summary>Writes the facts as text.</summary>
    public string ToText() => JsonSerializer.Serialize(this);

    /// <summary>Reads what <see cref="ToText"/> has written.</summary>
    public static RankFacts Parse(string text) => JsonSerializer.Deserialize<RankFacts>(text)!;

    /// <summary>Returns what is wrong, as one sentence that names the ranks; null if all can train together.</summary>
    /// <param name="ranks">The facts of all ranks.</param>
    public static string? Problem(IReadOnlyList<RankFacts> ranks)
    {
        if (ranks.FirstOrDefault(rank => rank.IsForAll) is { } one
            && ranks.All(rank => rank == one || rank.Error is null))
            return one.Error;
        if (ranks.Any(rank => rank.Error is not null))
            return ranks.All(rank => rank.Error == ranks[0].Error) ? ranks[0].Error
                : $"Not all ranks can train. {Differences(ranks, rank => rank.Error ?? "no error")}.";
        foreach (string name in ranks.SelectMany(rank => rank.Facts.Select(fact => fact.Key)).Distinct())
        {
            string ValueOf(RankFacts rank)
                => rank.Facts.FirstOrDefault(fact => fact.Key == name).Value ?? "not given";

            if (ranks.Any(rank => ValueOf(rank) != ValueOf(ranks[0])))
                return $"The ranks would train differently: {name} is not the same on all. "
                    + $"{Differences(ranks, rank => Excerpt.Of(ValueOf(rank)))}. Start all with the same program, "
                    + "options and files.";
        }
        return null;
    }

    private static string Differences(IReadOnlyList<RankFacts> ranks, Func<RankFacts, string> of)
        => string.Join(". ", ranks.Index().GroupBy(rank => of(rank.Item)).Select(group
            => $"{Words([.. group.Select(rank => rank.Index)])}: {group.Key.TrimEnd('.')}"));

    private static string Words(int[] ranks) => ranks.Length == 1 ? $"Rank {ranks[0]}"
        : $"Ranks {string.Join(", ", ranks[..^1])} and {ranks[^1]}";
}
