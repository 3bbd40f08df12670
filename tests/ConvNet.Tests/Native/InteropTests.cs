using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
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
        var undefined = Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBackend(isa: (NativeIsa)99));
        Assert.That(undefined!.Message, Does.Contain(nameof(NativeIsa.Scalar)));
    }

    [Test]
    public void AnInstructionSetThatTheProcessorLacksIsRefusedWithThoseItHas()
    {
        IReadOnlyList<NativeIsa> supported = NativeBackend.SupportedIsas;
        foreach (NativeIsa isa in Enum.GetValues<NativeIsa>().Except(supported))
        {
            var error = Assert.Throws<NotSupportedException>(() => new NativeBackend(isa: isa));
            Assert.That(error!.Message, Does.Contain($"does not support {isa}")
                .And.EndsWith($"use one of {string.Join(", ", supported)}."));
        }
        Assert.That(supported, Is.SubsetOf(InstructionSets.OfThisArchitecture));
        Assert.That(Enum.GetValues<NativeIsa>(), Has.Length.GreaterThan(supported.Count), "no processor has all");
    }

    [Test]
    public void TheDefaultInstructionSetIsTheLastThatIsSupported()
    {
        using var backend = new NativeBackend();
        Assert.That(InstructionSets.Of(backend.Context.features), Is.EqualTo(NativeBackend.SupportedIsas[^1]));
        foreach (NativeIsa isa in Enum.GetValues<NativeIsa>())
            Assert.That(InstructionSets.Of(InstructionSets.FeatureOf(isa)), Is.EqualTo(isa));
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
        Assert.That(Assert.Throws<NativeCallException>(() => Convnet.cn_tensor_bytes(tensor, 1)
            .SizeOrThrow())!.Message, Does.Contain("cn_tensor_bytes"));
    }

    [TestCase(0, 0)]
    [TestCase(1, 1)]
    [TestCase(4, 1)]
    [TestCase(5, 2)]
    [TestCase(long.MaxValue, (long.MaxValue >> 2) + 1)]
    public void BytesTakeWholeFloats(long bytes, long floats)
        => Assert.That(bytes.FloatsOrThrow(), Is.EqualTo(floats));

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

    // What C# has instead of arrays, and the sizes with their padding.
    [Test]
    public void DescriptorsLieAsInC()
    {
        Assert.That((sizeof(cn_tensor), sizeof(cn_activation), sizeof(cn_window), sizeof(cn_context)),
            Is.EqualTo((32, 16, 40, 32)));
        Assert.That((sizeof(cn_optimizer), sizeof(cn_segment), sizeof(cn_parameter)), Is.EqualTo((80, 24, 48)));
        cn_parameter parameter = default;
        Assert.That((byte*)&parameter.learning_rate - (byte*)&parameter.state0,
            Is.EqualTo(Convnet.CN_MOST_STATES * sizeof(float*)));
        Assert.That(Enum.GetValues<cn_activation_kind>(), Has.Length.EqualTo(Convnet.CN_ACTIVATIONS));
        Assert.That(Enum.GetValues<cn_algorithm>(), Has.Length.EqualTo(Convnet.CN_ALGORITHMS));
    }

    // The compiler of C and the header have the last word on every struct that says its size.
    [Test]
    [Platform("Linux")]
    public void EverySizedDescriptorHasTheSizeThatItHasInC()
    {
        Type[] sized = [.. typeof(Convnet).Assembly.GetTypes()
            .Where(type => type.IsValueType && type.Name.StartsWith("cn_", StringComparison.Ordinal)
                && type.GetField("size") is not null)];
        Assert.That(sized, Has.Length.AtLeast(17));
        using var folder = new TemporaryFolder();
        string source = folder.File("sizes.c"), program = folder.File("sizes");
        File.WriteAllText(source, $$"""
            #include <convnet.h>
            #include <stddef.h>
            #include <stdio.h>
            int main(void) {
            {{string.Concat(sized.Select(type => $"  printf(\"%zu %zu\\n\", sizeof({type.Name}), "
                + $"offsetof({type.Name}, {type.GetFields()[^1].Name}));\n"))}}
              return 0;
            }
            """);
        string[] lines = Output("cc", "-I", Repository.Path("native", "include"), source, "-o", program) is ""
            ? Output(program).Split('\n', StringSplitOptions.RemoveEmptyEntries) : [];
        Assert.That(lines, Has.Length.EqualTo(sized.Length));
        foreach ((Type type, string line) in sized.Zip(lines))
        {
            int size = Marshal.SizeOf(type);
            nint last = Marshal.OffsetOf(type, type.GetFields()[^1].Name);
            Assert.That($"{size} {last}", Is.EqualTo(line), type.Name);
            Assert.That(type.GetField("size")!.GetValue(Activator.CreateInstance(type)),
                type == typeof(cn_elementwise) ? Is.Zero : Is.EqualTo((uint)size), type.Name);
            Assert.That(type.GetField("size")!.IsInitOnly, type.Name);
        }
        Assert.That(new cn_elementwise(default, default, default, default).size,
            Is.EqualTo((uint)sizeof(cn_elementwise)));
    }

    [Test]
    public void ADescriptorWithoutItsSizeIsRefused()
    {
        using var backend = new NativeBackend();
        using var block = new NativeBlock(16, clear: true);
        int[] refused =
        [
            Convnet.cn_accumulate(default, 1, block.Pointer, block.Pointer + 8),
            Convnet.cn_activation_forward(backend.Context, default, 1, block.Pointer, block.Pointer),
            (int)Convnet.cn_conv2d_weight_bytes(default), (int)Convnet.cn_linear_weight_bytes(default),
            (int)Convnet.cn_pool2d_winner_bytes(default, 1),
        ];
        Assert.That(refused, Is.All.EqualTo(cn_status.CN_BAD_SIZE));
    }

    private static string Output(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
        })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, program);
        return output;
    }
}
