using System.Globalization;
using ConvNet.Native.Interop;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>The way from C# into C and back.</summary>
public sealed unsafe class InteropTests
{
    [Test]
    public void RejectsThreadsAndInstructionSetsThatAreNot()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBackend(threads: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBackend(threads: 1025));
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBackend(isa: (NativeIsa)(-1)));
        var error = Assert.Throws<NotSupportedException>(() => new NativeBackend(isa: (NativeIsa)99));
        Assert.That(error!.Message, Does.Contain(nameof(NativeIsa.Scalar)));
    }

    [Test]
    public void EveryInstructionSetCanBeForced(
        [ValueSource(typeof(NativeBackend), nameof(NativeBackend.SupportedIsas))] NativeIsa isa)
    {
        using var backend = new NativeBackend(threads: 3, isa);
        Assert.That((backend.Info.Isa, backend.Info.Threads), Is.EqualTo((isa.ToString().ToLowerInvariant(), 3)));
    }

    [Test]
    public void ARefusedCallNamesTheFunctionAndTheReason()
    {
        using var backend = new NativeBackend();
        using var block = new NativeBlock(16, clear: true);
        var tensor = new cn_tensor(1, 0, 1, 0, cn_layout.CN_PLAIN);
        var error = Assert.Throws<NativeCallException>(
            () => Convnet.cn_reorder(backend.Context, tensor, tensor, 1, block.Pointer, block.Pointer).ThrowIfFailed());
        Assert.That(error!.Message, Does.StartWith("cn_reorder rejected its arguments: "));
        Assert.That(error.Status, Is.Negative);
        Assert.That(Assert.Throws<NativeCallException>(() => Convnet.cn_tensor_floats(tensor, 1)
            .SizeOrThrow())!.Message, Does.Contain("cn_tensor_floats"));
    }

    [Test]
    public void BlocksAreAlignedAndClearedWhenAsked([Values(0, 1, 1000)] int length)
    {
        using var block = new NativeBlock(length, clear: true);
        Assert.That((long)block.Pointer % 64, Is.Zero);
        Assert.That(new ReadOnlySpan<float>(block.Pointer, length).ToArray(), Is.All.Zero);
    }

    [Test]
    public void LargeBlocksAskForHugePages()
    {
        Assume.That(Directory.Exists("/sys/kernel/mm/transparent_hugepage"), "this system has none to ask for");
        using var block = new NativeBlock(16 << 20, clear: true);
        ulong middle = (ulong)(block.Pointer + block.Length / 2);
        bool found = false;
        string flags = "";
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] range = line.Split(' ')[0].Split('-');
            if (range.Length == 2)
                found = Address(range[0]) <= middle && middle < Address(range[1]);
            else if (found && line.StartsWith("VmFlags:", StringComparison.Ordinal))
                flags = line;
        }
        Assert.That(flags.Split(' '), Does.Contain("hg"), "the flags of the memory in the middle of the block");

        static ulong Address(string digits)
            => ulong.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    // What C# has in the place of arrays, and the sizes with their padding.
    [Test]
    public void DescriptorsLieAsInC()
    {
        Assert.That((sizeof(cn_optimizer), sizeof(cn_segment), sizeof(cn_parameter), sizeof(cn_update)),
            Is.EqualTo((48, 24, 32, 112)));
        cn_parameter parameter = default;
        Assert.That((byte*)&parameter.state1 - (byte*)&parameter, Is.EqualTo(Convnet.CN_MOST_STATES * sizeof(float*)));
    }
}
