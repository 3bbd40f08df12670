namespace ConvNet.GradientChecking.Research;

/// <summary>The inputs of an executable for one training pass. The pass can be run again with some of them
/// changed.</summary>
/// <param name="Before">The number of training passes before this one. It determines random masks.</param>
/// <param name="State">The values of all parameters and buffers before the forward pass.</param>
/// <param name="Inputs">The values of the inputs.</param>
internal sealed record TrainingPass(int Before, float[][] State, float[][] Inputs)
{
    /// <summary>Returns the number of samples in the batch.</summary>
    public int SamplesOf(Graph graph) => Inputs[0].Length / graph.Inputs[0].Shape.Length;

    /// <summary>The targets of the loss; null if the loss was not evaluated.</summary>
    public KeptTargets? Targets { get; init; }

    /// <summary>The gradients of the outputs with which the backward pass started. Empty if they were those of the
    /// losses.</summary>
    public float[][] OutputGradient { get; init; } = [];

    /// <summary>Whether the gradients were accumulated on those of earlier passes.</summary>
    public bool Accumulates { get; init; }
}

/// <summary>Runs training passes again, on separate executables.</summary>
/// <param name="backend">The backend into which the fault is injected.</param>
/// <param name="plain">The managed backend, which determines whether a change affects a result.</param>
/// <param name="graph">The graph.</param>
/// <param name="spec">The training specification.</param>
internal sealed class Rerun(IBackend backend, IBackend plain, Graph graph, TrainingSpec spec)
{
    /// <summary>Returns a result of a pass on the backend.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="target">The kind of result.</param>
    /// <param name="parameter">The parameter or buffer of the result; null if it has none.</param>
    /// <param name="node">The input or output of the result; null if it has none.</param>
    public float[] Of(TrainingPass pass, FaultTarget target, Parameter? parameter, Node? node)
        => Run(backend, pass, target, parameter, node);

    /// <summary>Returns a result with the values of another pass where the managed backend gets a different value
    /// too.</summary>
    /// <param name="right">The result of the pass.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="other">The other pass.</param>
    /// <param name="target">The kind of result.</param>
    /// <param name="parameter">The parameter or buffer of the result; null if it has none.</param>
    /// <param name="node">The input or output of the result; null if it has none.</param>
    public float[] OfOther(float[] right, TrainingPass pass, TrainingPass other, FaultTarget target,
        Parameter? parameter, Node? node)
    {
        float[] wrong = Run(backend, other, target, parameter, node),
            before = Run(plain, pass, target, parameter, node), after = Run(plain, other, target, parameter, node);
        return [.. right.Select((value, i) => before[i] == after[i] ? value : wrong[i])];
    }

    private float[] Run(IBackend on, TrainingPass pass, FaultTarget target, Parameter? parameter, Node? node)
    {
        using IExecutable executable = on.Compile(graph, spec);
        Write(executable, pass);
        int n = pass.SamplesOf(graph);
        float[][] first = [.. graph.Inputs.Select((input, i) => pass.Inputs[i][..input.Shape.Length])];
        for (int i = 0; i < pass.Before; i++)
            executable.Forward(BatchValues.InOrder(first));
        // The earlier passes have changed the buffers.
        Write(executable, pass);
        executable.Forward(BatchValues.InOrder(pass.Inputs));
        if (target == FaultTarget.Output)
            return Read(n * node!.Shape.Length, values => executable.ReadOutput(BatchBuffers.Of((node.Name, values))));
        if (target == FaultTarget.Buffer)
            return executable.Read(parameter!);
        double loss = pass.Targets is { } targets ? executable.Loss(targets.Targets) : 0;
        if (target == FaultTarget.Loss)
            return [(float)loss];
        if (pass.OutputGradient.Length > 0)
            executable.Backward(BatchValues.InOrder(pass.OutputGradient));
        else
            executable.Backward();
        return parameter is null
            ? Read(n * node!.Shape.Length, values => executable.ReadInputGradient(BatchBuffers.Of((node.Name, values))))
            : executable.ReadGradient(parameter);
    }

    private static void Write(IExecutable executable, TrainingPass pass)
    {
        foreach (Parameter parameter in executable.Graph.Parameters)
            executable.Write(parameter, pass.State[parameter.Index]);
    }

    private delegate void Reader(float[] values);

    private static float[] Read(int length, Reader read)
    {
        var values = new float[length];
        read(values);
        return values;
    }
}
