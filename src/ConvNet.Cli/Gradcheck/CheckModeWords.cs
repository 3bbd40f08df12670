using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>What <c>--mode</c> takes.</summary>
internal static class CheckModeWords
{
    private static readonly (string Word, CheckModes Modes, string Help)[] Known =
    [
        ("exact", CheckModes.Exact | CheckModes.Segments, "on whole numbers, bit for bit, layer by layer and a "
            + "network in segments"),
        ("real", CheckModes.Real | CheckModes.EndToEnd, "on real numbers, layer by layer within error bounds and a "
            + "network end to end"),
        ("fd", CheckModes.FiniteDifferences, "the reference against finite differences"),
        ("all", CheckModes.All, "all of them"),
    ];

    /// <summary>The words for help.</summary>
    public static string Help => string.Join("; ", Known.Select(known => $"{known.Word}: {known.Help}")) + ".";

    /// <summary>The modes; all where no word is given.</summary>
    /// <exception cref="ArgumentException">A word is none.</exception>
    public static CheckModes Parse(IReadOnlyList<string> words)
        => words.Count == 0 ? CheckModes.All : words.Aggregate(CheckModes.None, (modes, word) => modes | ModesOf(word));

    /// <summary>The first word whose modes have those of a single comparison.</summary>
    public static string WordOf(CheckModes mode) => Known.First(known => known.Modes.HasFlag(mode)).Word;

    private static CheckModes ModesOf(string word)
    {
        foreach ((string known, CheckModes modes, _) in Known)
        {
            if (known == word)
                return modes;
        }
        throw NearMisses.NoSuch("mode", word, Known.Select(known => known.Word));
    }
}
