using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace ConvNet.Native.Interop;

/// <summary>The instruction sets as features of the library.</summary>
internal static class InstructionSets
{
    /// <summary>The instruction sets that processors of this architecture can have, slowest first.</summary>
    public static IReadOnlyList<NativeIsa> OfThisArchitecture { get; }
        = [.. Enum.GetValues<NativeIsa>().Where(isa => IsOf(RuntimeInformation.ProcessArchitecture, isa))];

    /// <summary>The instruction sets that both this processor and the library support, slowest first. The library must
    /// have been loaded.</summary>
    public static IReadOnlyList<NativeIsa> Supported
    {
        get
        {
            cn_features features = Convnet.cn_cpu_features();
            return [.. Enum.GetValues<NativeIsa>().Where(isa => features.HasFlag(FeatureOf(isa)))];
        }
    }

    /// <summary>The instruction set whose kernels the library selects if it may use all features.</summary>
    public static NativeIsa Best
        => Of((cn_features)Convnet.cn_kernel_feature(new cn_context
        {
            threads = 1,
            features = Convnet.cn_cpu_features(),
        }).SizeOrThrow());

    /// <summary>Returns the feature whose kernels an instruction set selects.</summary>
    public static cn_features FeatureOf(NativeIsa isa) => isa switch
    {
        NativeIsa.Scalar => cn_features.None,
        NativeIsa.Avx2 => cn_features.CN_AVX2,
        NativeIsa.Avx512 => cn_features.CN_AVX512,
        NativeIsa.Neon => cn_features.CN_NEON,
        _ => throw new ArgumentOutOfRangeException(nameof(isa), $"There is no instruction set {isa}."),
    };

    /// <summary>Returns the instruction set of a feature.</summary>
    public static NativeIsa Of(cn_features feature)
        => Enum.GetValues<NativeIsa>().First(isa => FeatureOf(isa) == feature);

    /// <summary>Returns what the processor can do that the library does not use.</summary>
    public static IEnumerable<BackendLimit> Limits()
    {
        NativeIsa best = Best;
        IReadOnlyList<NativeIsa> supported = Supported;
        bool hasAvx512 = Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported;
        if (hasAvx512 && !supported.Contains(NativeIsa.Avx512))
        {
            yield return Unused("AVX-512", best, "Build ConvNet.Native on this machine with gcc 9, clang 9 or newer.");
        }
        else if (AdvSimd.Arm64.IsSupported && !supported.Contains(NativeIsa.Neon))
        {
            yield return Unused("Advanced SIMD", best, "Build ConvNet.Native on this machine.");
        }
        else if (X86Base.IsSupported && !supported.Contains(NativeIsa.Avx512))
        {
            yield return new BackendLimit($"The best kernels that can run here are for {best}: the processor, or "
                + "the part of it that the system exposes, does not support AVX-512.",
                "Kernels for AVX-512 F, BW, DQ and VL compute 16 values at a time, those for AVX2 and FMA 8, plain C "
                    + "as many as the compiler vectorises.",
                    "No action is needed: the results are correct. A virtual machine gets the instruction sets of the "
                    + "processor if its CPU type is \"host\".");
        }
    }

    private static BackendLimit Unused(string name, NativeIsa best, string remedy)
        => new($"The library has no kernels for {name}, which this processor supports. Its best kernels are for "
            + $"{best}.", $"It was built by a compiler without {name}, or for another kind of processor.", remedy);

    private static bool IsOf(Architecture architecture, NativeIsa isa) => isa switch
    {
        NativeIsa.Avx2 or NativeIsa.Avx512 => architecture is Architecture.X64 or Architecture.X86,
        NativeIsa.Neon => architecture == Architecture.Arm64,
        _ => true,
    };
}
