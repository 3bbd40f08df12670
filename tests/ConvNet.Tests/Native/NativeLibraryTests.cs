using System.Diagnostics;
using System.Runtime.InteropServices;
using ConvNet.Native.Interop;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>A library of kernels that cannot be used is one exception that says which file, where, and what to
/// do.</summary>
public sealed class NativeLibraryTests
{
    [Test]
    public void LooksBesideTheApplicationAndInItsRuntimes()
    {
        IReadOnlyList<string> places = NativeLibraryFile.Candidates(null);
        string runtimes = Path.Combine(AppContext.BaseDirectory, "runtimes");
        Assert.That(places[0], Is.EqualTo(Path.Combine(AppContext.BaseDirectory, NativeLibraryFile.FileName)));
        Assert.That(places, Has.Some.StartsWith(runtimes)
            .And.EndsWith(Path.Combine("native", NativeLibraryFile.FileName)));
        Assert.That(places, Is.Unique);
    }

    [Test]
    public void LooksNowhereElseWhenAFileIsNamed()
        => Assert.That(NativeLibraryFile.Candidates("my.so"), Is.EqualTo((string[])[Path.GetFullPath("my.so")]));

    [Test]
    public void TheBackendSaysWhichLibraryItLoaded()
    {
        using var backend = new NativeBackend();
        Assert.That(backend.Info.Library, Does.Exist);
    }

    [Test]
    public void AMissingLibraryNamesEveryPlace()
    {
        using var folder = new TemporaryFolder();
        string[] places = [folder.File("a.so"), folder.File("b.so")];
        AssertFails(places, NativeLibraryFile.Required, places[0], places[1], "CMake", NativeLibraryFile.PathVariable);
    }

    [Test]
    public void ADamagedLibraryIsNamed()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("damaged.so");
        File.WriteAllText(path, "not a library");
        AssertFails([path], NativeLibraryFile.Required, path, "damaged", NativeLibraryFile.PathVariable);
    }

    [Test]
    [Platform("Linux")]
    public void ALibraryOfAnotherProcessorIsNamed()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("foreign.so");
        byte[] image = File.ReadAllBytes(NativeLibraryFile.Loaded.Path);
        image[18] = 0xF3;      // e_machine of the ELF header: RISC-V
        File.WriteAllBytes(path, image);
        AssertFails([path], NativeLibraryFile.Required, path, "another processor",
            RuntimeInformation.ProcessArchitecture.ToString());
    }

    [Test]
    [Platform("Linux")]
    public void AMissingDependencyIsNamedWithItsPackage()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File(NativeLibraryFile.FileName), absent = folder.File("libabacus.so");
        Compile(absent, "-Wl,-soname,libabacus_beads.so.1");
        Compile(path, "-Wl,--no-as-needed", absent);
        File.Delete(absent);
        string message = AssertFails([path], NativeLibraryFile.Required, path, "needs the library libabacus_beads.so.1",
            "apt-get install libabacus-beads1,", NativeLibraryFile.PathVariable);
        Assert.That(message, Does.Not.Contain("damaged").And.Not.Contain("again"));
    }

    [TestCase("libgomp.so.1: cannot open shared object file: No such file or directory",
        "needs the library libgomp.so.1", "install libgomp1,")]
    [TestCase("Error loading shared library libm.so.6: No such file or directory (needed by /x/libconvnet.so)",
        "needs the library libm.so.6", "install libc6,")]
    [TestCase("/lib/libc.so.6: version `GLIBC_2.99' not found (required by /x/libconvnet.so)",
        "newer system", "GLIBC_2.99 of libc.so.6")]
    [TestCase("dlopen(/x/libconvnet.so, 0x0001): Library not loaded: @rpath/libomp.dylib",
        "needs the library @rpath/libomp.dylib", "Install it or set")]
    [TestCase("/x/libconvnet.so: file too short", "damaged", "Build ConvNet.Native again")]
    public void WhatTheLoaderSaysIsExplained(string said, params string[] words)
    {
        string reason = NativeLibraryFile.Reason("/x/libconvnet.so", said);
        foreach (string word in words.Append(said).Append(NativeLibraryFile.PathVariable))
            Assert.That(reason, Does.Contain(word));
    }

    [TestCase("libgomp.so.1", "libgomp1")]
    [TestCase("libstdc++.so.6", "libstdc++6")]
    [TestCase("libgcc_s.so.1", "libgcc-s1")]
    [TestCase("libasan.so.8", "libasan8")]
    [TestCase("libtbb12.so.2", "libtbb12-2")]
    [TestCase("libpthread.so.0", "libc6")]
    [TestCase("libomp.dylib", null)]
    [TestCase("plugin.so", null)]
    public void ThePackageOfASharedLibraryFollowsDebiansRule(string library, string? package)
        => Assert.That(NativeLibraryFile.DebianPackage(library), Is.EqualTo(package));

    [Test]
    [Platform("Linux")]
    public void TheLibraryNeedsTheCLibraryAlone()
    {
        var ldd = new ProcessStartInfo("ldd", NativeLibraryFile.Loaded.Path) { RedirectStandardOutput = true };
        using Process process = Process.Start(ldd)!;
        IEnumerable<string> libraries = process.StandardOutput.ReadToEnd()
            .Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(line => Path.GetFileName(line.Split(' ')[0]))
            .Where(name => !name.StartsWith("linux-vdso", StringComparison.Ordinal))
            .Where(name => !name.StartsWith("ld-linux", StringComparison.Ordinal));
        Assert.That(libraries, Is.Not.Empty.And.SubsetOf((string[])["libc.so.6", "libm.so.6"]));
        process.WaitForExit();
    }

    [TestCase(1, 0, "is too old")]
    [TestCase(-1, 0, "is too new")]
    [TestCase(0, 1, "is too old")]
    public void ALibraryOfAnotherVersionNamesBoth(int major, int minor, string reason)
    {
        string path = NativeLibraryFile.Loaded.Path;
        Version own = NativeLibraryFile.Required, needed = new(own.Major + major, own.Minor + minor);
        AssertFails([path], needed, path, reason, $"version {own} of", $"needs {needed}", "Build ConvNet.Native again",
            NativeLibraryFile.PathVariable);
    }

    [TestCase("16.0", "16.0", true)]
    [TestCase("16.7", "16.0", true)]
    [TestCase("16.6", "16.7", false)]
    [TestCase("17.0", "16.7", false)]
    [TestCase("15.9", "16.0", false)]
    public void ALaterMinorVersionFits(string version, string required, bool fits)
        => Assert.That(NativeLibraryFile.Problem(Version.Parse(version), Version.Parse(required)),
            fits ? Is.Null : Is.Not.Null);

    [Test]
    [Platform("Linux")]
    public void ALibraryWithoutMinorVersionsIsTooOld()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File(NativeLibraryFile.FileName), source = folder.File("old.c");
        File.WriteAllText(source, "int cn_abi_version(void) { return 15; }");
        Compile(path, "-x", "c", source);
        AssertFails([path], NativeLibraryFile.Required, path, "is too old", "version 15.0 of",
            $"needs {NativeLibraryFile.Required}", NativeLibraryFile.PathVariable);
    }

    [Test]
    public void TheRequiredVersionIsThatOfTheHeader()
    {
        string header = File.ReadAllText(Repository.Path("native", "include", "convnet.h"));
        Assert.That(header, Does.Contain($"CN_VERSION_MAJOR = {Convnet.CN_VERSION_MAJOR}, "
            + $"CN_VERSION_MINOR = {Convnet.CN_VERSION_MINOR} "));
    }

    [Test]
    [Platform("Linux")]
    public void ALibraryOfSomethingElseIsNamed()
    {
        string path = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "libSystem.Native.so");
        AssertFails([path], NativeLibraryFile.Required, path, "cn_version");
    }

    [Test]
    public void TheFirstFileThatExistsIsTaken()
    {
        string path = NativeLibraryFile.Loaded.Path;
        Assert.That(NativeLibraryFile.Open([path + ".missing", path], NativeLibraryFile.Required).Path,
            Is.EqualTo(path));
    }

    private static void Compile(string output, params string[] arguments)
    {
        string[] command = ["-shared", "-x", "c", "/dev/null", "-x", "none", "-o", output, .. arguments];
        using Process process = Process.Start(new ProcessStartInfo("cc", command))!;
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero);
    }

    private static string AssertFails(string[] candidates, Version required, params string[] words)
    {
        var error = Assert.Throws<NativeLibraryException>(() => NativeLibraryFile.Open(candidates, required));
        foreach (string word in words)
            Assert.That(error!.Message, Does.Contain(word));
        return error!.Message;
    }
}
