namespace ConvNet;

/// <summary>Finds known names similar to a misspelt one, for error messages.</summary>
/// <remarks>
/// The distance of two names is the number of characters that are inserted, deleted, replaced or swapped with their
/// neighbour (the optimal string alignment distance, ignoring case). Names are similar if the distance is at most one
/// third of the characters; a distance of one is allowed for any name of two or more characters.
/// </remarks>
internal static class NearMisses
{
    private const int MostNames = 3, LongestName = 100;

    /// <summary>Gets at most three of the closest names, in the order of the known names.</summary>
    /// <param name="word">The unknown name.</param>
    /// <param name="known">The known names.</param>
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

    /// <summary>Formats the end of an error message, such as <c> Did you mean "conv1.bias"?</c>; empty if no name is
    /// similar.</summary>
    /// <inheritdoc cref="Of" path="/param"/>
    public static string Question(string word, IEnumerable<string> known)
        => Of(word, known) is { Count: > 0 } near ? " Did you mean "
            + $"{string.Join(" or ", near.Select(name => $"\"{name}\""))}?" : "";

    /// <summary>Creates the exception for an unknown name.</summary>
    /// <param name="what">The kind of thing that it should name, such as <c>backend</c>.</param>
    /// <param name="word">The unknown name.</param>
    /// <param name="known">The known names.</param>
    public static ArgumentException NoSuch(string what, string word, params IEnumerable<string> known)
        => new($"There is no {what} \"{Excerpt.Of(word)}\". Use one of {string.Join(", ", known)}."
            + Question(word, known));

    // Rows of the dynamic-programming table: [i, j] is the distance of the first i characters of a to the first j of b.
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
