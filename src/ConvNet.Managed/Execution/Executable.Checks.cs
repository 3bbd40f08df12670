using static System.FormattableString;

namespace ConvNet;

/// <content>The checks of graphs, of arguments, and of the order of calls.</content>
public abstract partial class Executable
{
    private const int MostNamed = 10;

    /// <summary>Throws if no backend could compile the graph. Otherwise seals the graph, so that no more layers can be
    /// added.</summary>
    /// <returns>The outputs that have a loss; empty for inference only.</returns>
    internal static IReadOnlyList<Objective> Check(Graph graph, int batchSize, TrainingSpec? spec)
    {
        ArgumentNullException.ThrowIfNull(graph);
        if (batchSize < 1)
            throw new ArgumentOutOfRangeException(nameof(batchSize),
                $"The batch size is {batchSize}; it must be at least 1.");
        if (spec is not null)
        {
            ArgumentNullException.ThrowIfNull(spec.Losses, nameof(spec));
            ArgumentNullException.ThrowIfNull(spec.Optimizer, nameof(spec));
            spec.Optimizer.CheckFor(graph);
        }
        foreach (Node node in graph.Nodes)
        {
            if (node.Layer?.SavedLength(batchSize, node.InputShapes) is < 0 and var saved)
                throw new ArgumentException(
                    $"{node.Place}: SavedLength is {saved:N0} for {batchSize} samples; it must be at least 0.",
                    nameof(graph));
            if ((long)node.Shape.Length * batchSize > int.MaxValue)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(batchSize),
                    Invariant($"A batch of {batchSize:N0} samples of {node.Shape} at \"{node.Name}\" is too large: a ")
                    + Invariant($"tensor has at most {int.MaxValue:N0} values. Use a batch size of at most ")
                    + Invariant($"{int.MaxValue / node.Shape.Length:N0}."));
            }
        }
        graph.CheckComplete();
        IReadOnlyList<Objective> objectives = spec?.Losses.For(graph) ?? [];
        graph.Seal();
        return objectives;
    }

    private string UsedUp => _phase == Phase.Differentiated
        ? ", and the previous Backward has used it up" : "";

    private void CheckTraining()
    {
        if (Spec is null)
            throw new InvalidOperationException("The executable was compiled for inference only. Use Compile for "
                + "training.");
    }

    private void CheckOutputLengths(BatchBuffers output, int n) => CheckOutputLengths(output, n, Graph);

    /// <summary>Throws if memory for outputs has another length than the outputs of a batch.</summary>
    internal static void CheckOutputLengths(BatchBuffers output, int n, Graph graph)
    {
        for (int i = 0; i < graph.Outputs.Count; i++)
        {
            Node node = graph.Outputs[i];
            int length = output[i].Length;
            if (length != n * node.Shape.Length && (length > 0 || !output.IsNamed))
                throw WrongLength(length, n * node.Shape.Length, nameof(output),
                    $"the output of {n} samples of {node.Shape}{PlaceOf(node)}");
        }
    }

    private void CheckEvaluated()
    {
        if (_phase != Phase.Evaluated)
            throw new InvalidOperationException($"Backward needs the loss of a batch{UsedUp}. Call Forward and "
                + "Loss first, or pass the gradient of the output.");
    }

    private void CheckPassed()
    {
        if (_phase is not (Phase.Forwarded or Phase.Evaluated))
            throw new InvalidOperationException($"Backward needs the values of a forward pass{UsedUp}. Call "
                + "Forward first.");
    }

    /// <summary>Throws if a gradient has another length than its output in a batch.</summary>
    internal static void CheckGradientLengths(BatchValues outputGradient, int n, IReadOnlyList<Node> outputs)
    {
        for (int i = 0; i < outputs.Count; i++)
        {
            Node node = outputs[i];
            int length = outputGradient[i].Length;
            if (length != n * node.Shape.Length && (length > 0 || !outputGradient.IsNamed))
                throw WrongLength(length, n * node.Shape.Length, nameof(outputGradient),
                    $"the gradient of the output of {n} samples of {node.Shape}{PlaceOf(node)}");
        }
    }

    /// <summary>Throws if memory for the gradients of inputs has another length than the inputs of a batch.</summary>
    internal static void CheckGradientLengths(BatchBuffers values, int n, Graph graph)
    {
        for (int i = 0; i < graph.Inputs.Count; i++)
        {
            Node node = graph.Inputs[i];
            if (values[i].Length != n * node.Shape.Length && (!values[i].IsEmpty || !values.IsNamed))
                throw WrongLength(values[i].Length, n * node.Shape.Length, nameof(values),
                    $"the gradient of {n} samples of {node.Shape}{PlaceOf(node)}");
        }
    }

    private void CheckHasOutput()
    {
        if (_phase is not (Phase.Forwarded or Phase.Evaluated))
            throw new InvalidOperationException("There is no output to read. Call Forward, and read the output "
                + "before Backward.");
    }

    private void CheckKeepsGradients()
    {
        if (!Spec!.KeepGradients)
            throw new InvalidOperationException("There are no gradients to read: the executable was compiled with "
                + "KeepGradients: false. Compile it with KeepGradients: true.");
        if (!_hasGradients)
            throw new InvalidOperationException("There are no gradients to read. Call Backward first.");
    }

    private void CheckHasInputGradient()
    {
        if (!Spec!.InputGradient)
            throw new InvalidOperationException("The gradient of the input is not computed. Compile with "
                + "InputGradient: true.");
        if (!_hasInputGradient)
            throw new InvalidOperationException("There is no gradient of the input to read. Call Backward, and read "
                + "the gradient before the next Forward.");
    }

    // Names the input or output in an error if there are several.
    private static string PlaceOf(Node node)
        => (node.IsOutput ? node.Graph.Outputs : node.Graph.Inputs).Count > 1 ? $" of \"{node.Name}\"" : "";

    private void CheckWritten()
    {
        if (_unwritten.Count > 0)
            throw Unwritten([.. Graph.Parameters.Where(_unwritten.Contains)]);
    }

    private static InvalidOperationException Unwritten(params Parameter[] parameters)
    {
        string names = string.Join(", ", parameters.Take(MostNamed).Select(p => p.Name)),
            more = parameters.Length > MostNamed ? Invariant($" and {parameters.Length - MostNamed:N0} more") : "",
            have = parameters.Length == 1 ? "has" : "have";
        return new($"{names}{more} {have} no values yet. Call Initialize, CopyTo of a SavedModel, LoadState, or Write "
            + "for every parameter first.");
    }

    private void CheckBackward(bool accumulate)
    {
        if (_changedBy is not null)
            throw new InvalidOperationException(
                $"{_changedBy} has changed the parameters since Forward, so Backward would not compute the gradient of "
                + $"any function. Call Forward again, or {_changedBy} before Forward or after Backward.");
        if (accumulate && _cannotAdd is not null)
            throw new InvalidOperationException(
                $"The gradients cannot be accumulated: {_cannotAdd}. "
                + "Call Backward without accumulate first.");
    }

    private void CheckForwarded()
    {
        CheckTraining();
        if (_phase is not (Phase.Forwarded or Phase.Evaluated))
            throw new InvalidOperationException("Loss needs the output of a batch. Call Forward first.");
    }

    private int CountSamples(BatchValues input) => CountSamples(input, Graph, BatchSize);

    /// <summary>Counts the samples of a batch.</summary>
    /// <param name="input">The values of the inputs, in the order of the graph's inputs.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    /// <exception cref="ArgumentException">A length is not a whole number of samples, or exceeds a batch; or the inputs
    /// have different numbers of samples.</exception>
    internal static int CountSamples(BatchValues input, Graph graph, int batchSize)
    {
        int n = CountSamples(input[0], graph.Inputs[0], batchSize);
        for (int i = 1; i < graph.Inputs.Count; i++)
        {
            if (CountSamples(input[i], graph.Inputs[i], batchSize) is var other && other != n)
                throw new ArgumentException(
                    Invariant($"The input \"{graph.Inputs[0].Name}\" has {n:N0} samples, but ")
                    + Invariant($"\"{graph.Inputs[i].Name}\" has {other:N0}. Pass the same number for every input."),
                    nameof(input));
        }
        return n;
    }

    private static int CountSamples(ReadOnlySpan<float> values, Node input, int batchSize)
    {
        int length = input.Shape.Length;
        (int n, int rest) = Math.DivRem(values.Length, length);
        if (rest != 0 || n == 0)
            throw new ArgumentException(Invariant($"{values.Length:N0} values{PlaceOf(input)} are not a whole number ")
                + Invariant($"of {input.Shape} samples. Pass a positive multiple of {length:N0} values."),
                nameof(input));
        if (n > batchSize)
            throw new ArgumentException($"{n} samples{PlaceOf(input)} exceed the batch size {batchSize}. "
                + "Pass them in several calls, or compile for a larger batch.", nameof(input));
        return n;
    }

    private void CheckParameter(Parameter parameter, int length, string name)
    {
        CheckOwn(parameter);
        if (length != parameter.Length)
            throw WrongLength(length, parameter.Length, name, parameter.ToString());
    }

    private void CheckOwn(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        parameter.ThrowIfNotOf(Graph, nameof(parameter));
    }

    // The condition is tested by the caller, so that no message is formatted unless there is an error.
    private static ArgumentException WrongLength(int length, int expected, string name, string what)
        => new(Invariant($"{length:N0} values were passed, but {what} has {expected:N0}."), name);

    private static void CheckRate(float learningRate)
    {
        if (!float.IsFinite(learningRate))
            throw new ArgumentOutOfRangeException(nameof(learningRate),
                Invariant($"The learning rate is {learningRate}; it must be a finite number."));
    }
}
