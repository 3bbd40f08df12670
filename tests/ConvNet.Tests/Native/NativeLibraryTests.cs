using System.Runtime.InteropServices;
using ConvNet.Native.Interop;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>A library of kernels that cannot be used is one exception that says which file, where, and what to do.</summary>
public sealed class NativeLibraryTests
{
    [Test]
    public void LooksBesideTheApplicationAndInItsRuntimes()
    {
        IReadOnlyList<string> places = NativeLibraryFile.Candidates(null);
        string runtimes = Path.Combine(AppContext.BaseDirectory, "runtimes");
        Assert.That(places[0], Is.EqualTo(Path.Combine(AppContext.BaseDirectory, NativeLibraryFile.FileName)));
        Assert.That(places, Has.Some.StartsWith(runtimes).And.EndsWith(Path.Combine("native", NativeLibraryFile.FileName)));
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
        AssertFails(places, Convnet.CN_ABI_VERSION, places[0], places[1], "CMake", NativeLibraryFile.PathVariable);
    }

    [Test]
    public void ADamagedLibraryIsNamed()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("damaged.so");
        File.WriteAllText(path, "not a library");
        AssertFails([path], Convnet.CN_ABI_VERSION, path, "damaged", NativeLibraryFile.PathVariable);
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
        AssertFails([path], Convnet.CN_ABI_VERSION, path, "another processor", RuntimeInformation.ProcessArchitecture.ToString());
    }

    [Test]
    public void ALibraryOfAnotherVersionNamesBoth()
    {
        string path = NativeLibraryFile.Loaded.Path;
        AssertFails([path], Convnet.CN_ABI_VERSION + 1, path, $"version {Convnet.CN_ABI_VERSION}", $"needs {Convnet.CN_ABI_VERSION + 1}");
    }

    [Test]
    [Platform("Linux")]
    public void ALibraryOfSomethingElseIsNamed()
    {
        string path = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "libSystem.Native.so");
        AssertFails([path], Convnet.CN_ABI_VERSION, path, "cn_abi_version");
    }

    [Test]
    public void TheFirstFileThatExistsIsTaken()
    {
        string path = NativeLibraryFile.Loaded.Path;
        Assert.That(NativeLibraryFile.Open([path + ".missing", path], Convnet.CN_ABI_VERSION).Path, Is.EqualTo(path));
    }

    private static void AssertFails(string[] candidates, int abiVersion, params string[] words)
    {
        var error = Assert.Throws<NativeLibraryException>(() => NativeLibraryFile.Open(candidates, abiVersion));
        foreach (string word in words)
            Assert.That(error!.Message, Does.Contain(word));
    }
}
