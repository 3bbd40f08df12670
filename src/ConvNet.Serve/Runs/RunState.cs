using System.Text.Json;

namespace ConvNet.Serve.Runs;

/// <summary>What the records of a training add up to. It is not safe for use by several threads.</summary>
internal sealed class RunState
{
    private const int MostPictures = 256;

    private readonly List<EpochPoint> _epochs = [];
    private readonly SortedList<int, PictureSet> _pictures = [];
    private readonly int[] _versions = new int[Enum.GetValues<RunSection>().Length];
    private RunSummary _summary = new() { Name = "" };
    private long _stepsBefore;
    private double _secondsBefore, _seconds;
    private bool _started;

    /// <summary>The figures.</summary>
    /// <remarks>The name and the folder are not known here.</remarks>
    public RunSummary Summary => _summary with
    {
        LastEpoch = _epochs.Count == 0 ? null : _epochs[^1],
        BestEpoch = _epochs.Where(epoch => epoch.TestAccuracy is not null)
            .OrderByDescending(epoch => epoch.TestAccuracy).FirstOrDefault()
            ?? _epochs.Where(epoch => epoch.Loss is not null).OrderBy(epoch => epoch.Loss).FirstOrDefault(),
        Seconds = _secondsBefore + _seconds,
        SecondsLeft = SecondsLeft,
    };

    /// <summary>The names of the classes.</summary>
    public IReadOnlyList<string> Classes { get; private set; } = [];

    /// <summary>The curves of the steps.</summary>
    public StepCurves Steps { get; } = new();

    /// <summary>The norms.</summary>
    public NormCurves Norms { get; } = new();

    /// <summary>The epochs.</summary>
    public IReadOnlyList<EpochPoint> Epochs => _epochs;

    /// <summary>The confusion matrix; null if there is none.</summary>
    public Confusion? Confusion { get; private set; }

    /// <summary>The pictures by their epoch.</summary>
    public IReadOnlyDictionary<int, PictureSet> Pictures => _pictures.AsReadOnly();

    /// <summary>The pictures that were made within the epoch; null if there are none since its beginning.</summary>
    public PictureSet? Glimpse { get; private set; }

    /// <summary>Returns how often a section has changed.</summary>
    public int VersionOf(RunSection section) => _versions[(int)section];

    /// <summary>Adds a record. Records of an unknown kind are left out.</summary>
    /// <exception cref="InvalidDataException">Something is wrong with it.</exception>
    public void Add(JsonElement record)
    {
        switch (record.Text("kind"))
        {
            case "start":
                AddStart(record);
                break;
            case "step":
                AddStep(record);
                break;
            case "norms":
                AddNorms(record);
                break;
            case "epoch":
                AddEpoch(record);
                break;
            case "pictures":
                AddPictures(PictureSet.Of(record));
                break;
            case "end":
                string? stopped = record.Text("stopped");
                if (record.Text("failure") is { } failure)
                    Fail(failure);
                else
                    End(stopped is null ? RunStatus.Finished : RunStatus.Stopped, stopped);
                break;
        }
    }

    /// <summary>Notes the end of the training.</summary>
    public void End(RunStatus status, string? reason)
    {
        _summary = _summary with { Status = status, Stopped = reason };
        Changed(RunSection.Summary);
    }

    /// <summary>Notes what is wrong with the log.</summary>
    public void Warn(string problem)
    {
        _summary = _summary with { Problem = problem };
        Changed(RunSection.Summary);
    }

    private void Fail(string failure)
    {
        End(RunStatus.Failed, null);
        Warn(failure);
    }

    private double? SecondsLeft => _summary is { Status: RunStatus.Open, Steps: { } steps, Step: var step }
        && step > _stepsBefore && steps >= step ? _seconds / (step - _stepsBefore) * (steps - step) : null;

    private void AddStart(JsonElement record)
    {
        _secondsBefore += _seconds;
        (_seconds, _stepsBefore) = (0, _summary.Step);
        string[] classes = [.. record.Items("classes").Select(name => name.ValueKind == JsonValueKind.String
            ? name.GetString()! : throw new InvalidDataException("a name in \"classes\" is no text"))];
        Classes = classes;
        _summary = _summary with
        {
            Status = RunStatus.Open,
            Stopped = null,
            Started = _started ? _summary.Started
                : DateTimeOffset.TryParse(record.Text("time"), out DateTimeOffset time) ? time : null,
            Epochs = record.Needed("epochs"),
            Parameters = record.Whole("parameters"),
            Model = record.Text("model"),
            Data = record.Text("data"),
            Tested = record.Text("tested") ?? "test",
        };
        _started = true;
        Changed(RunSection.Summary);
    }

    private void AddStep(JsonElement record)
    {
        long step = record.Needed("step");
        double? loss = record.Number("loss"), rate = record.Number("learningRate"),
            accuracy = record.Number("accuracy"), pace = record.Number("imagesPerSecond");
        Steps.Add(new StepPoint(step, loss ?? 0, loss is null ? 0 : 1, rate, accuracy, pace));
        _seconds = record.Number("seconds") ?? _seconds;
        _summary = _summary with
        {
            Epoch = record.Needed("epoch"),
            Step = step,
            Steps = record.Whole("steps") ?? _summary.Steps,
            Loss = loss,
            LearningRate = rate,
            Accuracy = accuracy,
            ImagesPerSecond = pace,
            ResidentBytes = record.Whole("residentBytes") ?? _summary.ResidentBytes,
        };
        Changed(RunSection.Summary, RunSection.Steps);
    }

    private void AddNorms(JsonElement record)
    {
        var norms = new Dictionary<string, (double?, double?)>();
        foreach (JsonProperty each in (record.Object("parameters") ?? throw new InvalidDataException(
            "\"parameters\" is missing")).EnumerateObject())
            norms[each.Name] = each.Value.ValueKind == JsonValueKind.Object
                ? (each.Value.Number("weight"), each.Value.Number("gradient"))
                : throw new InvalidDataException("the norms of a parameter are no object");
        Norms.Add(record.Needed("step"), norms);
        Changed(RunSection.Norms);
    }

    private void AddEpoch(JsonElement record)
    {
        int epoch = record.Needed("epoch");
        _epochs.Add(new EpochPoint(epoch, _summary.Step, record.Number("loss"), record.Number("trainAccuracy"),
            record.Number("testAccuracy"), record.Number("testLoss"), record.Number("seconds"),
            record.Number("imagesPerSecond")));
        if (Confusion.Of(record, epoch) is { } confusion)
        {
            Confusion = confusion;
            Changed(RunSection.Confusion);
        }
        Changed(RunSection.Summary, RunSection.Epochs);
    }

    private void AddPictures(PictureSet pictures)
    {
        Changed(RunSection.Pictures);
        Glimpse = pictures.Step is null ? null : pictures;
        if (Glimpse is not null)
            return;
        // The first ones show what the network began with.
        if (_pictures.Count == MostPictures)
            _pictures.RemoveAt(1);
        _pictures[pictures.Epoch] = pictures;
    }

    private void Changed(params ReadOnlySpan<RunSection> sections)
    {
        foreach (RunSection section in sections)
            _versions[(int)section]++;
    }
}
