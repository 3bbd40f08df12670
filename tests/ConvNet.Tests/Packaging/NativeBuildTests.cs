using System.Runtime.Versioning;
using NUnit.Framework;

namespace ConvNet.Tests.Packaging;

/// <summary>The native library as part of `dotnet build`: see eng/CMake.targets.</summary>
[Category("Packaging"), Platform("Linux"), UnsupportedOSPlatform("windows")]
public sealed class NativeBuildTests
{
    private static readonly string s_project = Repository.Path("src", "ConvNet.Native");

    [Test]
    public void ASecondBuildLeavesTheLibraryAlone()
    {
        string library = BuildProperty("CMakeFolder") + "/libconvnet.so";
        string copy = Repository.Path("src", "ConvNet.Native", "bin", Repository.Configuration, "net10.0", "runtimes",
            BuildProperty("CMakeRid"), "native", "libconvnet.so");
        Assert.That(library, Does.Exist);
        Assert.That(copy, Does.Exist);
        DateTime built = File.GetLastWriteTimeUtc(library), copied = File.GetLastWriteTimeUtc(copy);

        CommandResult result = Build();

        Assert.That(result.ExitCode, Is.Zero, result.Output);
        Assert.That(File.GetLastWriteTimeUtc(library), Is.EqualTo(built));
        Assert.That(File.GetLastWriteTimeUtc(copy), Is.EqualTo(copied));
    }

    [Test]
    public void AnEditIsSeenByDotnetBuildHoweverOldItsTimeIs()
    {
        using var tree = new SmallTree();
        Assert.That(tree.BuildAndRun(), Is.EqualTo("csharp1 embedded1 1001"));
        tree.Edit(SmallTree.CSharp, "csharp1", "csharp2");
        tree.Edit(SmallTree.C, "1000", "2000");
        Assert.That(tree.BuildAndRun(), Is.EqualTo("csharp2 embedded1 2001"));
        tree.Edit(SmallTree.Embedded, "embedded1", "embedded2");
        tree.Edit(SmallTree.Header, "OFFSET = 1", "OFFSET = 2");
        Assert.That(tree.BuildAndRun(), Is.EqualTo("csharp2 embedded2 2002"));
        tree.Edit("CMakeLists.txt", "native/answer.c)",
            "native/answer.c)\nset_source_files_properties(native/answer.c PROPERTIES COMPILE_DEFINITIONS OFFSET=7)");
        tree.Edit(SmallTree.Header, "enum { OFFSET = 2 };", "");
        Assert.That(tree.BuildAndRun(), Is.EqualTo("csharp2 embedded2 2007"));
    }

    // CMake's libconvnet.so is a link to the file with the version in its name.
    [Test]
    public void TheLibraryLiesBesideWhateverReferencesTheBackend()
    {
        var folder = new DirectoryInfo(
            Path.Combine(AppContext.BaseDirectory, "runtimes", BuildProperty("CMakeRid"), "native"));
        FileInfo[] libraries = folder.GetFiles("*convnet.*");
        Assert.That(libraries.Select(library => library.Name), Is.EqualTo(["libconvnet.so"]));
        Assert.That(libraries[0].LinkTarget, Is.Null);
        Assert.That(File.ReadAllBytes(libraries[0].FullName),
            Is.EqualTo(File.ReadAllBytes(BuildProperty("CMakeFolder") + "/libconvnet.so")));
    }

    [Test]
    public void WithoutCMakeTheBuildSaysSoInOneLine()
        => AssertFailsWith("CMake is missing", tools: ["dotnet"]);

    [Test]
    public void WithoutACompilerTheBuildSaysSoInOneLine()
        => AssertFailsWith("A C/C++ compiler or make is missing", tools: ["dotnet", "cmake", "make"]);

    /// <summary>Builds the library anew, with nothing on the PATH but the tools given.</summary>
    private static void AssertFailsWith(string reason, string[] tools)
    {
        using var folder = new TemporaryFolder();
        string bin = Directory.CreateDirectory(folder.File("bin")).FullName;
        foreach (string tool in (string[])["sh", .. tools])
            File.CreateSymbolicLink(Path.Combine(bin, tool), FindOnPath(tool));

        CommandResult result = Build(
            [$"-p:CMakeFolder={folder.File("build")}"],
            new Dictionary<string, string?> { ["PATH"] = bin, ["CC"] = null, ["CXX"] = null });

        Assert.That(result.ExitCode, Is.Not.Zero);
        string[] errors =
            [.. result.Output.Split('\n').Where(line => line.Contains(" error ", StringComparison.Ordinal)).Distinct()];
        Assert.That(errors, Has.Length.EqualTo(1), result.Output);
        Assert.That(errors[0], Does.Contain(reason).And.Contain("libconvnet.so")
            .And.Contain("apt-get install g++ cmake make"));
    }

    private static string BuildProperty(string name)
        => Dotnet(["msbuild", s_project, $"-getProperty:{name}"]).Output.Trim();

    private static CommandResult Build(string[]? arguments = null, Dictionary<string, string?>? environment = null)
        => Dotnet(
            ["build", s_project, "-c", Repository.Configuration, "--no-restore", "--no-dependencies", "-v", "quiet",
                .. arguments ?? []],
            environment);

    private static CommandResult Dotnet(string[] arguments, Dictionary<string, string?>? environment = null)
        => Repository.Run(Repository.Root, "dotnet", arguments, environment);

    private static string FindOnPath(string tool)
        => Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(p => Path.Combine(p, tool)).First(File.Exists);
}
