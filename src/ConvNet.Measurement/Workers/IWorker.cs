namespace ConvNet.Measurement.Workers;

/// <summary>Whoever answers requests.</summary>
public interface IWorker : IDisposable
{
    /// <summary>Answers a request.</summary>
    /// <exception cref="WorkerException">There is no answer any more.</exception>
    Response Ask(Request request);
}

/// <summary>A worker died or does not keep to the protocol.</summary>
public sealed class WorkerException : Exception
{
    internal WorkerException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}
