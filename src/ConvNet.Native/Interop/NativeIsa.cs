namespace ConvNet;

/// <summary>The instruction sets that the C kernels are compiled for. They are independent of each other; those of the
/// same processors are in ascending order of speed.</summary>
public enum NativeIsa
{
    /// <summary>Portable C, for every processor.</summary>
    Scalar = 0,

    /// <summary>AVX2 and FMA, of x86-64 processors.</summary>
    Avx2 = 1,

    /// <summary>AVX-512 F, BW, DQ and VL, of x86-64 processors.</summary>
    Avx512 = 2,

    /// <summary>Advanced SIMD, of 64-bit Arm processors.</summary>
    Neon = 3,
}
