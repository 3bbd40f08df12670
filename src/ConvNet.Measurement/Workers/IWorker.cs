namespace ConvNet.Measurement.Workers;

/// <summary>Answers measurement requests.</summary>
public interface IWorker : IDisposable
{
    /// <summary>Sends a request and returns the response.</summary>
    /// <exception cref="WorkerException">The worker has ended.</exception>
    Response Ask(Request request);

    /// <summary>The processor time of the worker process; zero if it has no process of its own.</summary>
    TimeSpan ProcessorTime => TimeSpan.Zero;
}

/// <summary>Extension methods for workers.</summary>
public static class WorkerExtensions
{
    /// <summary>Sends a request and returns the response, which must not be an error.</summary>
    /// <exception cref="NotSupportedException">The response is an error; the message is that of the worker.</exception>
    /// <exception cref="WorkerException">The worker has ended.</exception>
    public static Response Get(this IWorker worker, Request request)
    {
        Response response = worker.Ask(request);
        return response.Error is null ? response : throw new NotSupportedException(response.Error);
    }
}

/// <summary>The exception for a worker that ended or violated the protocol.</summary>
public sealed class WorkerException : Exception
{
    internal WorkerException(string message, Exception? innerException = null) : base(message, innerException)
    {
    }
}
