namespace ConvNet.Measurement.Workers;

/// <summary>Whoever answers requests.</summary>
public interface IWorker : IDisposable
{
    /// <summary>Answers a request.</summary>
    /// <exception cref="WorkerException">There is no answer any more.</exception>
    Response Ask(Request request);

    /// <summary>How long it has computed in a process of its own; nothing where it has none.</summary>
    TimeSpan ProcessorTime => TimeSpan.Zero;
}

/// <summary>What is the same for every worker.</summary>
public static class WorkerExtensions
{
    /// <summary>The answer to a request that must have one.</summary>
    /// <exception cref="NotSupportedException">The worker says that it cannot be; the message is the
    /// worker's.</exception>
    /// <exception cref="WorkerException">There is no answer any more.</exception>
    public static Response Get(this IWorker worker, Request request)
    {
        Response response = worker.Ask(request);
        return response.Error is null ? response : throw new NotSupportedException(response.Error);
    }
}

/// <summary>A worker died or does not keep to the protocol.</summary>
public sealed class WorkerException : Exception
{
    internal WorkerException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}
