namespace ConvNet;

/// <summary>The library of C kernels cannot be used: it is missing, of another version, or of another
/// architecture.</summary>
/// <remarks>The message says which file was looked for where, and what to do.</remarks>
public sealed class NativeLibraryException : DllNotFoundException
{
    internal NativeLibraryException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}
