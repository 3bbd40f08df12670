namespace ConvNet.Mpi;

/// <summary>A call of MPI has failed.</summary>
/// <param name="message">The call, and the message of MPI.</param>
public sealed class MpiException(string message) : IOException(message);
