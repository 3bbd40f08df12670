namespace ConvNet;

/// <summary>The size limits of native/include/convnet_types.h, defined once for all C# code.</summary>
/// <remarks>In addition, a sample, a parameter and a tensor of a batch have at most 2^31 − 1 values each.</remarks>
internal static class Limits
{
    /// <summary>CN_MOST_SIZE: samples, channels, and pixels of a map or a filter, in the native kernels.</summary>
    public const int NativeSize = 1 << 30;

    /// <summary>CN_MOST_WINDOW: kernel × dilation, stride and padding in each direction, on every backend.</summary>
    public const int Window = 1 << 20;

    /// <summary>CN_MOST_MAXIMUM: pixels of the image in a window of the native max pooling.</summary>
    public const int NativeMaximum = 1 << 24;
}
