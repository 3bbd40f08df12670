namespace ConvNet.Mpi.Checking;

/// <summary>A copy of targets that other threads can read.</summary>
internal sealed class KeptTargets
{
    private readonly bool _areClasses;
    private readonly int[] _classes;
    private readonly float[] _values, _weights;
    private readonly OutputTargets[]? _outputs;

    /// <summary>Copies targets.</summary>
    public KeptTargets(Targets targets)
    {
        (_areClasses, _outputs) = (targets.AreClasses, targets.Outputs?.ToArray());
        (_classes, _values, _weights) = ([.. targets.Classes], [.. targets.Values], [.. targets.SampleWeights]);
    }

    /// <summary>The targets.</summary>
    public Targets Targets => (_outputs is not null ? Targets.Of(_outputs)
        : _areClasses ? Targets.Of(_classes) : Targets.Of(_values)).Weighted(_weights);
}
