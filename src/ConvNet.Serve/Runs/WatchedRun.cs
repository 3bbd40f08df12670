using System.Text.Json;
using System.Text.Json.Serialization;

namespace ConvNet.Serve.Runs;

/// <summary>A run that is watched: its records are added by one thread and read by others.</summary>
/// <param name="name">Its name; null for that of its network.</param>
/// <param name="folder">The folder of its log; null if there is none.</param>
public sealed class WatchedRun(string? name, string? folder)
{
    /// <summary>The number of epochs that a page shows, at most.</summary>
    internal const int MostEpochs = 1000;

    private static readonly JsonSerializerOptions s_form = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    private readonly Lock _lock = new();
    private RunState _state = new();
    private int _restarts;

    /// <summary>The figures of the run.</summary>
    public RunSummary Summary
    {
        get
        {
            lock (_lock)
                return Named(_state.Summary);
        }
    }

    /// <summary>Adds a record.</summary>
    /// <param name="line">A line of the log.</param>
    /// <exception cref="InvalidDataException">It is no record; the message says why.</exception>
    public void Add(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new InvalidDataException("it is no JSON object");
            lock (_lock)
                _state.Add(document.RootElement);
        }
        catch (JsonException)
        {
            throw new InvalidDataException("it is no JSON");
        }
    }

    /// <summary>Forgets all records, as of a log that is written anew.</summary>
    public void Restart()
    {
        lock (_lock)
            (_state, _restarts) = (new RunState(), _restarts + 1);
    }

    /// <summary>Notes that a run without a record of its end is over.</summary>
    public void Interrupt()
    {
        lock (_lock)
        {
            if (_state.Summary.Status == RunStatus.Open)
                _state.End(RunStatus.Interrupted, null);
        }
    }

    /// <summary>Notes what is wrong with the log.</summary>
    /// <param name="problem">A sentence.</param>
    public void Warn(string problem)
    {
        lock (_lock)
            _state.Warn(problem);
    }

    /// <summary>Returns the version of a section, which differs after every change.</summary>
    internal (int, int) VersionOf(RunSection section)
    {
        lock (_lock)
            return (_restarts, _state.VersionOf(section));
    }

    /// <summary>Returns a section as JSON for the page.</summary>
    internal byte[] Json(RunSection section)
    {
        object? document;
        lock (_lock)
            document = Document(section);
        return JsonSerializer.SerializeToUtf8Bytes(document, s_form);
    }

    /// <summary>Returns the pictures after an epoch as JSON; null if there are none.</summary>
    internal byte[]? PicturesJson(int epoch)
    {
        lock (_lock)
            return _state.Pictures.TryGetValue(epoch, out PictureSet? pictures)
                ? JsonSerializer.SerializeToUtf8Bytes(pictures, s_form) : null;
    }

    // Copies what changes later, so that it can be written as JSON without the lock.
    private object? Document(RunSection section) => section switch
    {
        RunSection.Summary => new { summary = Named(_state.Summary), classes = _state.Classes },
        RunSection.Steps => new
        {
            _state.Steps.StepsOfPoint,
            step = Of(_state.Steps.Points, point => point.Step),
            loss = Of(_state.Steps.Points, point => point.Loss),
            learningRate = Of(_state.Steps.Points, point => point.LearningRate),
            accuracy = Of(_state.Steps.Points, point => point.Accuracy),
            imagesPerSecond = Of(_state.Steps.Points, point => point.ImagesPerSecond),
        },
        RunSection.Epochs => new { every = EveryShown, epochs = ShownEpochs() },
        RunSection.Norms => new
        {
            step = _state.Norms.Steps.ToArray(),
            parameters = Of(_state.Norms.Names, name => new
            {
                name,
                weight = Of(_state.Norms.Of(name), norms => norms.Weight),
                gradient = Of(_state.Norms.Of(name), norms => norms.Gradient),
            }),
        },
        RunSection.Confusion => _state.Confusion,
        RunSection.Pictures => new
        {
            epochs = _state.Pictures.Keys.Order().ToArray(),
            _state.Glimpse,
            last = _state.Pictures.Count == 0 ? null : _state.Pictures[_state.Pictures.Keys.Max()],
        },
        _ => throw new ArgumentOutOfRangeException(nameof(section)),
    };

    private int EveryShown => (_state.Epochs.Count - 1) / MostEpochs + 1;

    // The last epoch, and those before it at equal distances.
    private EpochPoint[] ShownEpochs()
    {
        int last = _state.Epochs.Count - 1;
        return [.. _state.Epochs.Where((_, i) => (last - i) % EveryShown == 0)];
    }

    private static TResult[] Of<T, TResult>(IEnumerable<T> points, Func<T, TResult> value)
        => [.. points.Select(value)];

    private RunSummary Named(RunSummary summary)
        => summary with { Name = name ?? summary.Model ?? "training", Folder = folder };
}
