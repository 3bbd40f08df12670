namespace ConvNet;

/// <summary>A kernel refused its arguments. The arguments come from the plan, so this is an error of the
/// plan.</summary>
public sealed class NativeCallException : InvalidOperationException
{
    internal NativeCallException(int status, string message) : base(message) => Status = status;

    /// <summary>The cn_status of native/include/convnet.h.</summary>
    public int Status { get; }
}
