using System.Diagnostics;
using ConvNet.Cli;
using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>A training of the tool that is killed at random moments and resumed, and the same without kills.</summary>
/// <remarks>A killed program gets no chance to react: the signal is SIGKILL.</remarks>
internal sealed class KilledTraining : IDisposable
{
    private const int CodeOfKill = 128 + 9;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    private readonly TemporaryFolder _folder = new();
    private readonly string[] _words;
    private readonly Random _random;

    /// <summary>Prepares the training.</summary>
    /// <param name="words">The options of <c>train</c>.</param>
    /// <param name="seed">The seed of the moments of the kills.</param>
    public KilledTraining(string[] words, int seed) => (_words, _random) = (words, new Random(seed));

    /// <summary>Trains once without kills, then with kills, and starts anew with those that are left if a training is
    /// complete before. Every second kill comes after the program has written a checkpoint, the others at any moment
    /// of its life. Asserts that every training ends with the same bytes.</summary>
    /// <param name="kills">The number of kills.</param>
    /// <returns>The number of trainings with kills, and that of kills after which a checkpoint was there.</returns>
    public (int Trainings, int Resumed) Run(int kills)
    {
        var clock = Stopwatch.StartNew();
        TimeSpan untilCheckpoint;
        using (Process whole = Start("whole"))
        {
            WaitForCheckpoint(whole, "whole", before: null);
            untilCheckpoint = clock.Elapsed;
            End(whole);
        }
        TimeSpan life = clock.Elapsed;
        int trainings = 0, resumed = 0;
        for (int killed = 0; killed < kills || !IsComplete;)
        {
            if (IsComplete)
                Directory.Delete(_folder.File("killed"), recursive: true);
            string? before = LastCheckpoint("killed");
            using Process process = Start("killed", "--resume");
            bool isLate = killed % 2 == 1;
            if (killed < kills && isLate)
                WaitForCheckpoint(process, "killed", before);
            TimeSpan latest = isLate ? life - untilCheckpoint : life;
            bool isKilled = killed < kills && !process.WaitForExit(latest * _random.NextDouble());
            if (isKilled)
                process.Kill();
            // A process that was killed too late has ended by itself.
            if (!isKilled || !WasKilled(process))
            {
                End(process);
                IsComplete = true;
                trainings++;
                AssertSameFiles();
                continue;
            }
            IsComplete = false;
            killed++;
            resumed += LastCheckpoint("killed") is not null ? 1 : 0;
        }
        return (trainings, resumed);
    }

    public void Dispose() => _folder.Dispose();

    private bool IsComplete { get; set; }

    private void AssertSameFiles()
    {
        string[] whole = Checkpoints("whole"), killed = Checkpoints("killed");
        Assert.That(killed[^1], Is.EqualTo(whole[^1]), "the training is complete");
        foreach (string name in (string[])[whole[^1], "best.safetensors"])
            Assert.That(File.ReadAllBytes(_folder.File($"killed/{name}"))
                .SequenceEqual(File.ReadAllBytes(_folder.File($"whole/{name}"))), $"{name} has other bytes");
        Assert.That(Directory.GetFiles(_folder.File("killed"), "*.unfinished-*"), Is.Empty);
        Assert.That(killed, Has.Length.LessThanOrEqualTo(3));
    }

    private string[] Checkpoints(string run) => [.. Directory.GetFiles(_folder.File(run), "epoch-*.safetensors")
        .Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];

    private string? LastCheckpoint(string run) =>
        Directory.Exists(_folder.File(run)) ? Checkpoints(run).LastOrDefault() : null;

    /// <summary>Waits until the last checkpoint is another one than <paramref name="before"/>, or the program has
    /// ended.</summary>
    private void WaitForCheckpoint(Process process, string run, string? before)
    {
        var clock = Stopwatch.StartNew();
        while (LastCheckpoint(run) == before && !process.WaitForExit(TimeSpan.FromMilliseconds(1)))
            Assert.That(clock.Elapsed, Is.LessThan(s_patience), "no checkpoint appears");
    }

    private Process Start(string run, params string[] more) => Process.Start(new ProcessStartInfo("dotnet",
        ["exec", typeof(App).Assembly.Location, "train", .. _words, "--checkpoint", _folder.File(run), .. more])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    private static bool WasKilled(Process process)
    {
        process.WaitForExit();
        return process.ExitCode == CodeOfKill;
    }

    private static void End(Process process)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(s_patience))
            process.Kill();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, $"{output.Result}{error.Result}");
    }
}
