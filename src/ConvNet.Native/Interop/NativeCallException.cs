namespace ConvNet;

/// <summary>Thrown when a kernel rejects its arguments. The plan supplies the arguments, so this is an error in the
/// plan.</summary>
public sealed class NativeCallException : InvalidOperationException
{
    internal NativeCallException(int status, string message) : base(message) => Status = status;

    /// <summary>The cn_status value of native/include/convnet.h.</summary>
    public int Status { get; }
}
