using ConvNet.Mpi;
using ConvNet.Serialization;

namespace ConvNet.Tests.Ranks;

/// <summary>Runs the same program on several ranks, each in a thread of its own.</summary>
internal static class RankRun
{
    /// <summary>Returns what each rank returns. If ranks throw, the exception of the first one that is not about
    /// another rank is thrown.</summary>
    public static T[] Of<T>(int ranks, Func<ICommunicator, T> run)
    {
        IReadOnlyList<LocalCommunicator> communicators = LocalCommunicator.Create(ranks);
        Task<T>[] tasks = [.. communicators.Select(communicator => Task.Factory.StartNew(() =>
        {
            try
            {
                return run(communicator);
            }
            catch (Exception error) when (error is not RankFailedException)
            {
                communicator.Fail(error.Message);
                throw;
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        Task.WhenAll(tasks).ContinueWith(all => all.Exception, TaskScheduler.Default).Wait();
        Exception[] errors = [.. tasks.Select(task => task.Exception?.InnerException).OfType<Exception>()];
        if (errors.Length > 0)
            throw new AggregateException(errors.OrderBy(error => error is RankFailedException).First());
        return [.. tasks.Select(task => task.Result)];
    }

    /// <summary>Trains a network on some ranks and returns what the training leaves on each.</summary>
    public static Trained[] Train(int ranks, Func<IBackend> backend, Graph graph, TrainingSpec spec,
        Action<IExecutable> train, bool deterministic = false)
        => Train(ranks, backend, graph, spec, train, new DataParallelOptions { Deterministic = deterministic });

    /// <summary>Trains a network on some ranks and returns what the training leaves on each.</summary>
    public static Trained[] Train(int ranks, Func<IBackend> backend, Graph graph, TrainingSpec spec,
        Action<IExecutable> train, DataParallelOptions options) => Of(ranks, communicator =>
        {
            using var shared = new DataParallelBackend(backend(), communicator, options);
            using IExecutable net = shared.Compile(graph, spec);
            train(net);
            return Trained.Of(net);
        });

    /// <summary>Trains a network in one process.</summary>
    public static Trained Alone(Func<IBackend> backend, Graph graph, TrainingSpec spec, Action<IExecutable> train)
    {
        using IBackend alone = backend();
        using IExecutable net = alone.Compile(graph, spec);
        train(net);
        return Trained.Of(net);
    }
}

/// <summary>What a training has left.</summary>
internal sealed record Trained(TrainingState State, float[][] Gradients)
{
    public static Trained Of(IExecutable net) => new(net.SaveState(),
        [.. net.Graph.Parameters.Where(p => p.Trainable && !net.IsFrozen(p)).Select(net.ReadGradient)]);

    /// <summary>All values, in one order.</summary>
    public float[] Values => [.. State.Tensors.SelectMany(tensor => tensor.Values),
        .. Gradients.SelectMany(values => values)];
}
