namespace ConvNet.Serve.Runs;

/// <summary>The norms of the parameters of a network during its training, with a bounded number of points: when there
/// are too many, every second one is left out.</summary>
internal sealed class NormCurves
{
    /// <summary>The number of points at most.</summary>
    public const int Most = 200;

    private readonly List<long> _steps = [];
    private readonly List<string> _names = [];
    private readonly Dictionary<string, List<(double? Weight, double? Gradient)>> _values = [];
    private long _records, _every = 1;

    /// <summary>The steps with a point.</summary>
    public IReadOnlyList<long> Steps => _steps;

    /// <summary>The names of the parameters, in the order of the network.</summary>
    public IReadOnlyList<string> Names => _names;

    /// <summary>Returns the norms of a parameter and of its gradient at each step.</summary>
    public IReadOnlyList<(double? Weight, double? Gradient)> Of(string name) => _values[name];

    /// <summary>Adds the norms of a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="norms">The norms of each parameter and of its gradient.</param>
    public void Add(long step, IReadOnlyDictionary<string, (double? Weight, double? Gradient)> norms)
    {
        if (_records++ % _every != 0)
            return;
        if (_steps.Count == Most)
        {
            Thin(_steps);
            foreach (List<(double?, double?)> values in _values.Values)
                Thin(values);
            _every *= 2;
        }
        _steps.Add(step);
        foreach (string name in norms.Keys.Where(name => !_values.ContainsKey(name)))
        {
            _names.Add(name);
            _values.Add(name, [.. Enumerable.Repeat<(double?, double?)>((null, null), _steps.Count - 1)]);
        }
        foreach (string name in _names)
            _values[name].Add(norms.TryGetValue(name, out (double?, double?) value) ? value : (null, null));
    }

    private static void Thin<T>(List<T> values)
    {
        for (int i = 0; i < Most / 2; i++)
            values[i] = values[2 * i];
        values.RemoveRange(Most / 2, Most / 2);
    }
}
