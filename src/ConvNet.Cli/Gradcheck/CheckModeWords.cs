using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The values of <c>--mode</c>.</summary>
internal static class CheckModeWords
{
    private static readonly (string Word, CheckModes Modes, string Help)[] Known =
    [
        ("exact", CheckModes.Exact | CheckModes.Segments, "exact comparison on integers, layer by layer and for "
            + "segments of the network"),
        ("real", CheckModes.Real | CheckModes.EndToEnd, "comparison on real numbers within error bounds, layer "
            + "by layer and end to end"),
        ("plan", CheckModes.PlanExact | CheckModes.PlanReal, "every operation of the plan that trains, on integers and "
            + "on real numbers"),
        ("forward", CheckModes.ForwardMode, "the reference compared with derivatives by dual numbers"),
        ("steps", CheckModes.Trajectories, "the optimiser and running statistics, over several steps"),
        ("all", CheckModes.All, "all modes"),
    ];

    /// <summary>The help text.</summary>
    public static string Help => string.Join("; ", Known.Select(known => $"{known.Word}: {known.Help}")) + ".";

    /// <summary>Parses modes. No words select all modes.</summary>
    /// <exception cref="ArgumentException">A word is not a mode.</exception>
    public static CheckModes Parse(IReadOnlyList<string> words)
        => words.Count == 0 ? CheckModes.All : words.Aggregate(CheckModes.None, (modes, word) => modes | ModesOf(word));

    /// <summary>Returns the first word whose modes include that of a comparison.</summary>
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
