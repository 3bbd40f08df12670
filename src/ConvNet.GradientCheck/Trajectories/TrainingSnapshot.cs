using ConvNet.Serialization;

namespace ConvNet.GradientChecking;

/// <summary>The parameters, buffers and optimiser state of an executable at one moment.</summary>
internal sealed class TrainingSnapshot
{
    private readonly TrainingState _state;
    private readonly Dictionary<string, float[]> _tensors;

    /// <summary>Reads an executable.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="rule">The optimiser. State that the executable does not have is NaN, which no comparison
    /// passes.</param>
    public TrainingSnapshot(IExecutable executable, Optimizer rule)
    {
        _state = executable.SaveState();
        _tensors = _state.Tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Values.ToArray());
        // What is read decides: a copy in another layout may be older than what is saved.
        foreach (Parameter p in executable.Graph.Parameters)
        {
            _tensors[p.Name] = executable.Read(p);
            foreach (string name in p.Trainable ? rule.StateNames.Select(state => TrainingState.NameOf(p, state)) : [])
            {
                if (!_tensors.ContainsKey(name))
                    _tensors[name] = [.. Enumerable.Repeat(float.NaN, p.Length)];
            }
        }
    }

    /// <summary>The state, to load.</summary>
    public TrainingState State => _state;

    /// <summary>The number of steps made.</summary>
    public long Step => _state.Step;

    /// <summary>The names of all tensors.</summary>
    public IEnumerable<string> Names => _tensors.Keys;

    /// <summary>The values of a tensor.</summary>
    /// <param name="name">The name of a parameter, or of a component of its state.</param>
    public float[] this[string name] => _tensors[name];

    /// <summary>The values of a parameter or buffer.</summary>
    public float[] this[Parameter parameter] => _tensors[parameter.Name];

    /// <summary>Returns the values of each state component of a parameter.</summary>
    public float[][] StateOf(Optimizer optimizer, Parameter parameter)
        => [.. optimizer.StateNames.Select(name => _tensors[TrainingState.NameOf(parameter, name)])];
}
