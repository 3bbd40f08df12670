using System.Runtime.Versioning;
using NUnit.Framework;

namespace ConvNet.Tests.Packaging;

/// <summary>The scripts that a newcomer meets first: ./convnet and eng/setup.</summary>
[Category("Packaging"), Platform("Linux"), UnsupportedOSPlatform("windows")]
public sealed class LauncherTests
{
    private SmallTree _tree = null!;
    private string _firstAnswer = "";
    private string[] _firstSaid = [];

    // A fresh clone, and its first build; every test leaves its sources as they were.
    [OneTimeSetUp]
    public void MakeTree()
    {
        _tree = new SmallTree();
        (_firstAnswer, _firstSaid) = _tree.Answer();
    }

    [OneTimeTearDown]
    public void DeleteTree() => _tree.Dispose();

    [Test]
    public void AFreshCloneSaysAtOnceWhatIsGoingOnAndHowLongEachStepTook()
    {
        (string answer, string[] said) = (_firstAnswer, _firstSaid);
        Assert.Multiple(() =>
        {
            Assert.That(answer, Is.EqualTo("csharp1 embedded1 1001"), "standard output is the tool's alone");
            Assert.That(said[0],
                Is.EqualTo("convnet: building the tool; the first build takes a few minutes"));
            Assert.That(said[1..], Has.Length.GreaterThanOrEqualTo(3).And.All.Match(
                @"^convnet:   (restoring packages|compiling libconvnet\.so from C|compiling C#) \.\.\. \d+ s$"));
            Assert.That(said[1], Does.Contain("restoring packages"));
            Assert.That(said, Has.Some.Contains("compiling libconvnet.so from C"));
            Assert.That(said[^1], Does.Contain("compiling C#"));
        });
    }

    [Test]
    public void AnEditIsSeenHoweverOldItsTimeIs()
    {
        _tree.Edit(SmallTree.CSharp, "csharp1", "csharp2");
        _tree.Edit(SmallTree.C, "1000", "2000");
        Assert.That(_tree.Answer().Output, Is.EqualTo("csharp2 embedded1 2001"));
        _tree.Edit(SmallTree.Embedded, "embedded1", "embedded2");
        _tree.Edit(SmallTree.Header, "OFFSET = 1", "OFFSET = 2");
        Assert.That(_tree.Answer().Output, Is.EqualTo("csharp2 embedded2 2002"));
        // Back to what was there before, as a checkout of an older commit.
        _tree.Edit(SmallTree.CSharp, "csharp2", "csharp1");
        _tree.Edit(SmallTree.Embedded, "embedded2", "embedded1");
        _tree.Edit(SmallTree.Header, "OFFSET = 2", "OFFSET = 1");
        _tree.Edit(SmallTree.C, "2000", "1000");
        Assert.That(_tree.Answer().Output, Is.EqualTo("csharp1 embedded1 1001"));
    }

    [Test]
    public void WhereNothingChangedNothingButTheToolIsStarted()
    {
        _tree.Answer();
        string bin = _tree.PathOf("bin"), log = _tree.PathOf("build/started");
        Directory.CreateDirectory(bin);
        File.WriteAllText(Path.Combine(bin, "dotnet"), $"#!/bin/bash\necho \"$@\" >>'{log}'\n");
        File.SetUnixFileMode(Path.Combine(bin, "dotnet"),
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _tree.Touch();
        var watched = new Dictionary<string,
            string?>
        { ["PATH"] = $"{bin}:{Environment.GetEnvironmentVariable("PATH")}", ["CONVNET_NO_INSTALL"] = "1" };
        CommandResult second = Repository.Run(_tree.PathOf("."), _tree.PathOf("convnet"), ["--help", "a b"], watched);
        Assert.Multiple(() =>
        {
            Assert.That((second.ExitCode, second.Output), Is.EqualTo((0, "")), "new times are no change");
            Assert.That(File.ReadAllLines(log),
                Is.EqualTo((string[])[
                    $"{_tree.PathOf("src/ConvNet.Cli/bin/Release/net10.0/convnet.dll")} --help a b"]));
        });
    }

    [Test]
    public void ABuildThatFailsSaysWhyAndIsTriedAgain()
    {
        _tree.Edit(SmallTree.C, "return", "retrun");
        CommandResult failed = _tree.Launch();
        Assert.That(failed.ExitCode, Is.Not.Zero);
        Assert.That(failed.Output,
            Does.Contain("convnet: rebuilding changed files").And.Contain("answer.c").And.Contain("error"));
        _tree.Edit(SmallTree.C, "retrun", "return");
        Assert.That(_tree.Launch().ExitCode, Is.Zero);
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
            Is.EqualTo("setup: unknown task: torhc; use build, torch, fashion-mnist, peers, browser, onnx, mpi, slurm, "
                + "format, pkg-config, aarch64, clang or windows"));
        Assert.That(result.ExitCode, Is.EqualTo(2));
    }

    private static CommandResult Launch(string folder, params string[] arguments)
        => Repository.Run(folder, Repository.Path("convnet"), arguments,
            new Dictionary<string, string?> { ["CONVNET_NO_INSTALL"] = "1" });
}
