using System.Globalization;

namespace ConvNet.Tests.Serialization;

/// <summary>Millions of changed inputs for every reader: tests/readers.sh runs them.</summary>
internal static class HostileSweep
{
    private const int Piece = 1000;

    /// <summary>Runs the program.</summary>
    /// <param name="words"><c>--inputs</c>, by default 10,000,000 in all; <c>--seed</c>, by default 1;
    /// <c>--reader</c>, by default all.</param>
    /// <returns>Whether every reader did as documented.</returns>
    public static bool Run(string[] words)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        var options = new Dictionary<string, string>
        {
            ["--inputs"] = "10000000",
            ["--seed"] = "1",
            ["--reader"] = "",
        };
        for (int i = 0; i < words.Length; i += 2)
        {
            if (!options.ContainsKey(words[i]) || i + 1 == words.Length)
                throw new ArgumentException($"\"{words[i]}\" is no option with a value: "
                    + $"{string.Join(", ", options.Keys)}.", nameof(words));
            options[words[i]] = words[i + 1];
        }
        HostileReader[] readers = [.. HostileReader.All().Where(reader
            => reader.Title.Contains(options["--reader"], StringComparison.Ordinal))];
        // A reader that builds networks has a tenth of the inputs of another.
        double shares = readers.Sum(reader => reader.IsSlow ? 0.1 : 1);
        Console.WriteLine("| reader | inputs | refused | most bytes | longest | |");
        Console.WriteLine("|---|---|---|---|---|---|");
        bool passed = true;
        foreach (HostileReader reader in readers)
        {
            double share = (reader.IsSlow ? 0.1 : 1) / shares;
            long inputs = (long)Math.Ceiling(Number(options["--inputs"]) * share);
            passed &= RunOne(reader, inputs, (int)Number(options["--seed"]));
        }
        return passed;
    }

    private static bool RunOne(HostileReader reader, long inputs, int seed)
    {
        long refused = 0, mostBytes = 0, longest = 0;
        var gate = new Lock();
        (long Piece, byte[] Input, string Failure)? first = null;
        Parallel.For(0, (inputs + Piece - 1) / Piece, piece =>
        {
            // Of its own, so that an input depends on the seed and its number alone.
            var random = new Random(unchecked(seed * 1_000_003 + (int)piece));
            for (int i = 0; i < Piece; i++)
            {
                byte[] input = HostileBytes.Change(reader.Good, random);
                HostileOutcome outcome = reader.Try(input);
                // What is slow on a busy machine, or allocates what is then kept, does not fail again.
                if (outcome.Failure is not null)
                    outcome = reader.Try(input);
                lock (gate)
                {
                    refused += outcome.IsRefused ? 1 : 0;
                    mostBytes = Math.Max(mostBytes, outcome.Bytes);
                    longest = Math.Max(longest, outcome.Time.Ticks);
                    if (outcome.Failure is { } failure && (first is null || input.Length < first.Value.Input.Length))
                        first = (piece, input, failure);
                }
            }
        });
        string found = "";
        if (first is { } worst)
        {
            byte[] small = Shrink(reader, worst.Input);
            string failure = reader.Try(small).Failure ?? worst.Failure;
            found = $"{Convert.ToBase64String(small)}: {failure.ReplaceLineEndings(" ")}";
        }
        Console.WriteLine($"| {reader.Title} | {(inputs + Piece - 1) / Piece * Piece:N0} | {refused:N0} | "
            + $"{mostBytes:N0} | {TimeSpan.FromTicks(longest).TotalMilliseconds:N0} ms | {found} |");
        return first is null;
    }

    // Leaves out parts while the reader still fails.
    private static byte[] Shrink(HostileReader reader, byte[] input)
    {
        for (int part = input.Length / 2; part > 0; part /= 2)
        {
            for (int at = 0; at + part <= input.Length;)
            {
                byte[] smaller = [.. input.AsSpan(0, at), .. input.AsSpan(at + part)];
                if (reader.Try(smaller).Failure is null)
                    at += part;
                else
                    input = smaller;
            }
        }
        return input;
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
