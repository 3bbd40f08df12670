using System.Diagnostics;
using NUnit.Framework;

namespace ConvNet.Tests.Packaging;

/// <summary>The scripts that a newcomer meets first: ./convnet and eng/setup.</summary>
[Category("Packaging"), Platform("Linux")]
public sealed class LauncherTests
{
    private static readonly string s_tool = Repository.Path("src", "ConvNet.Cli", "bin", "Release", "net10.0", "convnet.dll");

    [Test]
    public void TheLauncherAddsLessThanATenthOfASecond()
    {
        CommandResult first = Launch(Repository.Root, "--help");     // builds the tool where it is stale
        Assert.That(first.ExitCode, Is.Zero, first.Output);

        TimeSpan launched = Fastest(() => Launch(Repository.Root, "--help"));
        TimeSpan direct = Fastest(() => Repository.Run(Repository.Root, "dotnet", [s_tool, "--help"]));

        TestContext.Out.WriteLine($"launched {launched.TotalMilliseconds:F0} ms, direct {direct.TotalMilliseconds:F0} ms");
        Assert.That((launched - direct).TotalMilliseconds, Is.LessThan(100));
    }

    [Test]
    public void TheLauncherBuildsOnlyWhatIsStale()
    {
        string stamp = Repository.Path("build", "convnet.stamp");
        Launch(Repository.Root, "--help");
        DateTime built = File.GetLastWriteTimeUtc(stamp);

        Launch(Repository.Root, "--help");
        Assert.That(File.GetLastWriteTimeUtc(stamp), Is.EqualTo(built), "nothing changed");

        string source = Repository.Path("src", "ConvNet.Cli", "Program.cs");
        File.SetLastWriteTimeUtc(source, DateTime.UtcNow);
        Assert.That(Launch(Repository.Root, "--help").Output, Does.Contain("convnet: building"));
        Assert.That(File.GetLastWriteTimeUtc(stamp), Is.GreaterThan(built), "a source changed");
    }

    [Test]
    public void PathsAreRelativeToTheFolderOfTheCaller()
    {
        using var folder = new TemporaryFolder();

        CommandResult result = Launch(folder.Path, "train", "--epochs", "1", "--save", "digits.safetensors");

        Assert.That(result.ExitCode, Is.Zero, result.Output);
        Assert.That(folder.File("digits.safetensors"), Does.Exist);
    }

    [Test]
    public void TheSetUpInstallsNothingWhenToldNotTo()
    {
        using var folder = new TemporaryFolder();
        foreach (string tool in (string[])["bash", "dirname", "readlink", "mkdir", "id", "apt-get"])
            File.CreateSymbolicLink(folder.File(tool), "/usr/bin/" + tool);

        CommandResult result = Repository.Run(Repository.Root, "/bin/bash", [Repository.Path("eng", "setup"), "format"],
            new Dictionary<string, string?> { ["PATH"] = folder.Path, ["CONVNET_NO_INSTALL"] = "1" });

        Assert.That(result.Output.Trim(),
            Is.EqualTo("setup: the format check needs clang-format. Install with: sudo apt-get install clang-format"));
        Assert.That(result.ExitCode, Is.EqualTo(1));
    }

    [Test]
    public void TheSetUpNamesItsTasksWhenGivenAnother()
    {
        CommandResult result = Repository.Run(Repository.Root, Repository.Path("eng", "setup"), ["torhc"]);
        Assert.That(result.Output.Trim(),
            Is.EqualTo("setup: no such task: torhc; there are build, torch, fashion-mnist, peers, browser and format"));
        Assert.That(result.ExitCode, Is.EqualTo(2));
    }

    private static CommandResult Launch(string folder, params string[] arguments)
        => Repository.Run(folder, Repository.Path("convnet"), arguments,
            new Dictionary<string, string?> { ["CONVNET_NO_INSTALL"] = "1" });

    private static TimeSpan Fastest(Action run)
    {
        var fastest = TimeSpan.MaxValue;
        for (int i = 0; i < 7; i++)
        {
            long start = Stopwatch.GetTimestamp();
            run();
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            fastest = time < fastest ? time : fastest;
        }
        return fastest;
    }
}
