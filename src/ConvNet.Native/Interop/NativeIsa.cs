namespace ConvNet;

/// <summary>The instruction sets that the C kernels are compiled for. Each includes the preceding ones.</summary>
public enum NativeIsa
{
    /// <summary>Portable C, for every processor.</summary>
    Scalar = 0,

    /// <summary>AVX2 and FMA.</summary>
    Avx2 = 1,

    /// <summary>AVX-512 F, BW, DQ and VL.</summary>
    Avx512 = 2,
}
