using ConvNet.Measurement.Workers;

namespace ConvNet.Measurement;

/// <summary>A contestant with one thread count during a comparison.</summary>
internal sealed class CompareEntry(Contestant contestant, int threads)
{
    private IWorker? _worker;

    public Contestant Contestant => contestant;

    public int Threads => threads;

    public string Title => $"{contestant.Name} on {CompareText.Threads(threads)}";

    /// <summary>The results so far.</summary>
    public CompareRow Row { get; set; } = new(contestant.Name, threads);

    /// <summary>Latencies of single images, in milliseconds.</summary>
    public List<double> Latencies { get; } = [];

    /// <summary>The time of a single image before the warm-up, in milliseconds.</summary>
    public double ImageMs { get; set; }

    /// <summary>Floating-point operations per training step.</summary>
    public double TrainingOperations { get; set; }

    /// <summary>Floating-point operations per inference call.</summary>
    public double InferenceOperations { get; set; }

    /// <summary>Whether it can run the batch within the time limit.</summary>
    public bool TakesBatches { get; set; } = true;

    /// <summary>Times of the compilation and of the first step in a process that has already run other
    /// networks.</summary>
    public (double Compile, double Step) Warm { get; set; }

    /// <summary>The current worker. Setting it ends the previous one.</summary>
    public IWorker Worker
    {
        get => _worker!;
        set
        {
            EndWorker();
            _worker = value;
        }
    }

    /// <summary>The processor time of the worker.</summary>
    public TimeSpan ProcessorTime => _worker?.ProcessorTime ?? TimeSpan.Zero;

    /// <summary>Ends the worker.</summary>
    public void EndWorker()
    {
        _worker?.Dispose();
        _worker = null;
    }
}
