namespace ConvNet;

/// <summary>The largest sizes that native/include/convnet.h states, once for all of C#.</summary>
/// <remarks>Beside them: a sample, a parameter and a tensor of a batch have at most 2^31 − 1 values each.</remarks>
internal static class Limits
{
    /// <summary>CN_MOST_SIZE: samples, channels, and pixels of a map or a filter, of the native kernels.</summary>
    public const int NativeSize = 1 << 30;

    /// <summary>CN_MOST_WINDOW: kernel × dilation, stride and padding in each direction, of every backend.</summary>
    public const int Window = 1 << 20;

    /// <summary>CN_MOST_MAXIMUM: pixels of the image in a window of the native max pooling.</summary>
    public const int NativeMaximum = 1 << 24;
}
