using ConvNet.Measurement.Workers;

namespace ConvNet.Measurement;

/// <summary>One contestant with one number of threads while it is compared.</summary>
internal sealed class CompareEntry(Contestant contestant, int threads)
{
    private IWorker? _worker;

    public Contestant Contestant => contestant;

    public int Threads => threads;

    public string Title => $"{contestant.Name} on {CompareText.Threads(threads)}";

    /// <summary>What is known so far.</summary>
    public CompareRow Row { get; set; } = new(contestant.Name, threads);

    /// <summary>Single images, in milliseconds.</summary>
    public List<double> Latencies { get; } = [];

    /// <summary>The time of a single image when nothing was warm yet.</summary>
    public double ImageMs { get; set; }

    /// <summary>Floating-point operations of a call.</summary>
    public double TrainingOperations { get; set; }

    /// <summary>Floating-point operations of a call.</summary>
    public double InferenceOperations { get; set; }

    /// <summary>Whether it can run the batch, and the time limit has room for it.</summary>
    public bool TakesBatches { get; set; } = true;

    /// <summary>Compilation, and the first step, in a process that has run something before.</summary>
    public (double Compile, double Step) Warm { get; set; }

    /// <summary>The worker that measures now, in place of the one before.</summary>
    public IWorker Worker
    {
        get => _worker!;
        set
        {
            EndWorker();
            _worker = value;
        }
    }

    /// <summary>How long the worker has computed.</summary>
    public TimeSpan ProcessorTime => _worker?.ProcessorTime ?? TimeSpan.Zero;

    /// <summary>Ends the worker.</summary>
    public void EndWorker()
    {
        _worker?.Dispose();
        _worker = null;
    }
}
