using System.Diagnostics;
using System.Globalization;
using ConvNet.Tests.Data;

namespace ConvNet.Tests.Training;

/// <summary>Hundreds of kills of trainings, which take an hour: tests/kills.sh runs them.</summary>
internal static class KillSweep
{
    private const int Images = 256, Classes = 10, Side = 32, Channels = 3;

    /// <summary>Runs the program.</summary>
    /// <param name="words"><c>--kills</c>, by default 500 for each network; <c>--models</c>, by default
    /// digits,cifarnet; <c>--backends</c>, by default native,managed; <c>--seed</c>, by default 1.</param>
    /// <returns>Whether everything passed.</returns>
    public static bool Run(string[] words)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        var options = new Dictionary<string, string>
        {
            ["--kills"] = "500",
            ["--models"] = "digits,cifarnet",
            ["--backends"] = "native,managed",
            ["--seed"] = "1",
        };
        for (int i = 0; i < words.Length; i += 2)
        {
            if (!options.ContainsKey(words[i]) || i + 1 == words.Length)
                throw new ArgumentException($"\"{words[i]}\" is no option with a value: "
                    + $"{string.Join(", ", options.Keys)}.", nameof(words));
            options[words[i]] = words[i + 1];
        }
        using var data = new TemporaryFolder();
        WriteImages(data);
        Console.WriteLine("| network | backend | kills | with a checkpoint | trainings | minutes | |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        bool passed = true;
        string[] backends = options["--backends"].Split(',');
        foreach (string model in options["--models"].Split(','))
        {
            // The kills of a network are shared by the backends.
            for (int i = 0; i < backends.Length; i++)
            {
                int kills = Number(options["--kills"]);
                passed &= RunOne(model, backends[i], (kills + i) / backends.Length, Number(options["--seed"]) + i,
                    data.Path);
            }
        }
        return passed;
    }

    private static bool RunOne(string model, string backend, int kills, int seed, string images)
    {
        using var training = new KilledTraining(["--model", model, "--data", model == "digits" ? model : images,
            "--backend", backend, "--epochs", backend == "native" ? "6" : "1", "--batch", "16", "--flip", "--crop", "1",
            "--every", "5steps", "--optimizer", "adam", "--lr", "0.0005", "--average", "ema"], seed);
        var clock = Stopwatch.StartNew();
        string outcome = "the same bits", numbers = "|";
        bool passed = true;
        try
        {
            (int trainings, int resumed) = training.Run(kills);
            numbers = $"{resumed} | {trainings}";
        }
        catch (Exception error) when (error is NUnit.Framework.AssertionException or IOException)
        {
            (passed, outcome) = (false, error.Message.ReplaceLineEndings(" "));
        }
        Console.WriteLine($"| {model} | {backend} | {kills} | {numbers} | {clock.Elapsed.TotalMinutes:0.0} "
            + $"| {outcome} |");
        return passed;
    }

    // Noise in ten classes: what is learned does not matter here.
    private static void WriteImages(TemporaryFolder folder)
    {
        var random = new Random(3);
        foreach (string part in (string[])["train", "t10k"])
        {
            var pixels = new byte[Images * Channels * Side * Side];
            random.NextBytes(pixels);
            byte[] labels = [.. Enumerable.Range(0, Images).Select(i => (byte)(i % Classes))];
            File.WriteAllBytes(folder.File($"{part}-images-idx4-ubyte"),
                TinyData.Idx(pixels, Images, Channels, Side, Side));
            File.WriteAllBytes(folder.File($"{part}-labels-idx1-ubyte"), TinyData.Idx(labels, Images));
        }
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
