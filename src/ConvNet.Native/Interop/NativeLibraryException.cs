namespace ConvNet;

/// <summary>Thrown when the library of C kernels cannot be used: it is missing, or has another version or
/// architecture.</summary>
/// <remarks>The message lists the file name, the folders searched and the remedy.</remarks>
public sealed class NativeLibraryException : DllNotFoundException
{
    internal NativeLibraryException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}
