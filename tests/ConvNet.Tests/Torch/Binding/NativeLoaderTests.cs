using NUnit.Framework;
using TorchSharp;

namespace ConvNet.Tests.Torch.Binding;

[TestFixture]
public sealed class NativeLoaderTests
{
    [Test]
    public void AMissingFileIsNamedWithTheWayOut()
    {
        string missing = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName(), "libconvnet_torch.so");
        Assert.That(
            () => NativeLoader.Load([missing]),
            Throws.TypeOf<DllNotFoundException>().With.Message.Contains($"{missing}: there is no such file").And.Message.Contains("eng/setup torch"));
    }

    [Test]
    public void AFileThatIsNoLibraryIsNamedWithTheLoadersReason()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "no library");
            Assert.That(
                () => NativeLoader.Load([path]),
                Throws.TypeOf<DllNotFoundException>().With.Message.Contains(path).And.Message.Contains("too short"));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public void EveryFileThatWasTriedIsListed()
    {
        string[] missing = [Path.Combine(Path.GetTempPath(), "a", "x.so"), Path.Combine(Path.GetTempPath(), "b", "x.so")];
        Assert.That(
            () => NativeLoader.Load(missing),
            Throws.TypeOf<DllNotFoundException>().With.Message.Contains(missing[0]).And.Message.Contains(missing[1]));
    }

    [Test]
    [Platform("Linux")]
    public void ALibraryOfAnotherVersionIsRefused() =>
        Assert.That(
            () => NativeLoader.Load(["libm.so.6"]),
            Throws.TypeOf<DllNotFoundException>().With.Message.Contains("libm.so.6 has version 0 of the binding, and this assembly needs version 2"));
}
