namespace ConvNet.GradientChecking.Research;

/// <summary>What an executable was given for one training pass, so that the pass can be run again with something
/// changed.</summary>
/// <param name="Before">Training passes before this one, which key random masks.</param>
/// <param name="State">All parameters and buffers as the forward pass found them.</param>
/// <param name="Inputs">The values of the inputs.</param>
internal sealed record TrainingPass(int Before, float[][] State, float[][] Inputs)
{
    /// <summary>Samples of the batch.</summary>
    public int SamplesOf(Graph graph) => Inputs[0].Length / graph.Inputs[0].Shape.Length;

    /// <summary>The targets that the loss was evaluated with; null where it was not.</summary>
    public KeptTargets? Targets { get; init; }

    /// <summary>The gradients of the outputs that the backward pass started from; none where they were those of the
    /// losses.</summary>
    public float[][] OutputGradient { get; init; } = [];

    /// <summary>Whether the gradients were added to those of passes before.</summary>
    public bool Accumulates { get; init; }
}

/// <summary>Runs training passes again, on executables of their own.</summary>
/// <param name="backend">The backend in question.</param>
/// <param name="plain">Plain C#, which says what depends on what.</param>
/// <param name="graph">The graph.</param>
/// <param name="spec">How it trains.</param>
internal sealed class Rerun(IBackend backend, IBackend plain, Graph graph, TrainingSpec spec)
{
    /// <summary>What the backend gets from a pass.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="target">Which result it is.</param>
    /// <param name="parameter">Of which parameter or buffer; null where it is of none.</param>
    /// <param name="node">Of which input or output; null where it is of none.</param>
    public float[] Of(TrainingPass pass, FaultTarget target, Parameter? parameter, Node? node)
        => Run(backend, pass, target, parameter, node);

    /// <summary>A result with the values that another pass would have given, where plain C# gets something else from it
    /// too.</summary>
    /// <param name="right">The result of the pass.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="other">The other pass.</param>
    /// <param name="target">Which result it is.</param>
    /// <param name="parameter">Of which parameter or buffer; null where it is of none.</param>
    /// <param name="node">Of which input or output; null where it is of none.</param>
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
        // The passes before have moved the buffers.
        Write(executable, pass);
        executable.Forward(BatchValues.InOrder(pass.Inputs));
        if (target == FaultTarget.Output)
            return Read(n * node!.Shape.Length, values => executable.ReadOutput(BatchBuffers.Of((node.Name, values))));
        if (target == FaultTarget.Buffer)
            return Read(parameter!.Length, values => executable.Read(parameter, values));
        double loss = pass.Targets is { } targets ? executable.Loss(targets.Targets) : 0;
        if (target == FaultTarget.Loss)
            return [(float)loss];
        if (pass.OutputGradient.Length > 0)
            executable.Backward(BatchValues.InOrder(pass.OutputGradient));
        else
            executable.Backward();
        return parameter is null
            ? Read(n * node!.Shape.Length, values => executable.ReadInputGradient(BatchBuffers.Of((node.Name, values))))
            : Read(parameter.Length, values => executable.ReadGradient(parameter, values));
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
