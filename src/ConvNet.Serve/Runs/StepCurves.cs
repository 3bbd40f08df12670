namespace ConvNet.Serve.Runs;

/// <summary>The curves of the steps of a training, with a bounded number of points: when there are too many, each two
/// neighbours become one.</summary>
internal sealed class StepCurves
{
    /// <summary>The number of points at most.</summary>
    public const int Most = 600;

    private readonly List<StepPoint> _points = [];
    private int _filled;

    /// <summary>The number of steps of a point.</summary>
    public int StepsOfPoint { get; private set; } = 1;

    /// <summary>The points, in the order of the steps. The last one may be of fewer steps.</summary>
    public IReadOnlyList<StepPoint> Points => _points;

    /// <summary>Adds a step.</summary>
    public void Add(StepPoint step)
    {
        if (_filled > 0 && _filled < StepsOfPoint)
        {
            _points[^1] = _points[^1].With(step);
            _filled++;
            return;
        }
        if (_points.Count == Most)
            Halve();
        _points.Add(step);
        _filled = 1;
    }

    // The number of points is even, and all of them are full.
    private void Halve()
    {
        for (int i = 0; i < Most / 2; i++)
            _points[i] = _points[2 * i].With(_points[2 * i + 1]);
        _points.RemoveRange(Most / 2, Most / 2);
        StepsOfPoint *= 2;
    }
}
