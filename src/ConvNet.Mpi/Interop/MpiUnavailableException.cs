namespace ConvNet.Mpi;

/// <summary>MPI, or the library that binds it, is missing. The message says how to get it.</summary>
/// <param name="message">The message.</param>
/// <param name="inner">The error of the loader; null if there is none.</param>
public sealed class MpiUnavailableException(string message, Exception? inner = null)
    : DllNotFoundException(message, inner);
