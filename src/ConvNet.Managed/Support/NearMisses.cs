namespace ConvNet;

/// <summary>Finds the known names that a misspelt one may stand for, for the error that refuses it.</summary>
/// <remarks>
/// Names are near when few characters are inserted, left out, replaced or swapped with their neighbour between them
/// (the optimal string alignment distance, case ignored): one in three characters at most, and one in any name of two
/// characters or more.
/// </remarks>
internal static class NearMisses
{
    private const int MostNames = 3, LongestName = 100;

    /// <summary>The nearest names, at most three, in the order in which they are known.</summary>
    /// <param name="word">The word that is no name.</param>
    /// <param name="known">The names.</param>
    public static IReadOnlyList<string> Of(string word, IEnumerable<string> known)
    {
        if (word.Length is < 2 or > LongestName)
            return [];
        (string Name, int Distance)[] near = [.. from name in known.Distinct()
                                                 let most = Math.Max(1, Math.Max(word.Length, name.Length) / 3)
                                                 where name.Length <= LongestName && Math.Abs(word.Length - name.Length)
                                                     <= most
                                                 let distance =
                                                     Distance(word.ToLowerInvariant(), name.ToLowerInvariant())
                                                 where distance <= most
                                                 select (name, distance)];
        return near.Length == 0 ? [] : [.. near.Where(of => of.Distance == near.Min(other => other.Distance))
            .Take(MostNames).Select(of => of.Name)];
    }

    /// <summary>The end of an error, as <c> Did you mean "conv1.bias"?</c>; empty where no name is near.</summary>
    /// <inheritdoc cref="Of" path="/param"/>
    public static string Question(string word, IEnumerable<string> known)
        => Of(word, known) is { Count: > 0 } near ? " Did you mean "
            + $"{string.Join(" or ", near.Select(name => $"\"{name}\""))}?" : "";

    /// <summary>The whole error for a name that is none.</summary>
    /// <param name="what">What it should name, as <c>backend</c>.</param>
    /// <param name="word">The word that is no name.</param>
    /// <param name="known">The names.</param>
    public static ArgumentException NoSuch(string what, string word, params IEnumerable<string> known)
        => new($"There is no {what} \"{Excerpt.Of(word)}\"; there are {string.Join(", ", known)}."
            + Question(word, known));

    // Rows of the usual table: [i, j] is the distance of the first i characters of a from the first j of b.
    private static int Distance(string a, string b)
    {
        int[] before = new int[b.Length + 1], above = [.. Enumerable.Range(0, b.Length + 1)],
            row = new int[b.Length + 1];
        for (int i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                row[j] = Math.Min(Math.Min(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
            }
            (before, above, row) = (above, row, before);
        }
        return above[b.Length];
    }
}
