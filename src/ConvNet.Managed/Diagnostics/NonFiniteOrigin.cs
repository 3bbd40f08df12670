using System.Globalization;

namespace ConvNet.Diagnostics;

/// <summary>What holds the first value that is not finite.</summary>
public enum NonFinitePlace
{
    /// <summary>Nothing that can be found again: the scores are finite, or the reference computes finite ones.</summary>
    Loss,

    /// <summary>The images.</summary>
    Images,

    /// <summary>A parameter or buffer of a node.</summary>
    Parameter,

    /// <summary>The output of a node.</summary>
    Output,
}

/// <summary>The first value in the order of a forward pass that is NaN or infinite.</summary>
/// <param name="Place">What holds it.</param>
/// <param name="Node">The node that it belongs to; null when it is the loss.</param>
/// <param name="Description">Where it stands, as part of a sentence.</param>
public sealed record NonFiniteOrigin(NonFinitePlace Place, Node? Node, string Description)
{
    /// <summary>Runs the graph node by node on the reference layers, until one has a value that is not finite.</summary>
    /// <param name="executable">The executable whose parameters are used; nothing of it changes.</param>
    /// <param name="images">The batch.</param>
    /// <param name="step">
    /// The number of training forward passes before this one; keys the random masks. Null in inference mode.
    /// </param>
    public static NonFiniteOrigin Find(IExecutable executable, ReadOnlySpan<float> images, long? step)
    {
        ArgumentNullException.ThrowIfNull(executable);
        Graph graph = executable.Graph;
        int n = images.Length / graph.Input.Shape.Length;
        var values = new float[graph.Nodes.Count][];
        values[0] = images.ToArray();
        if (FirstIn(values[0]) is int bad)
            return new(NonFinitePlace.Images, graph.Input, Text($"image {bad / graph.Input.Shape.Length} of the batch has a {values[0][bad]}"));
        foreach (Node node in graph.Nodes.Skip(1))
        {
            float[][] parameters = [.. node.Parameters.Select(p => new float[p.Length])];
            for (int i = 0; i < parameters.Length; i++)
            {
                if (In(executable, node.Parameters[i], parameters[i]) is { } origin)
                    return origin;
            }
            float[] y = values[node.Index] = Forward(node, values, parameters, n, executable.Spec?.Seed ?? 0, step);
            if (FirstIn(y) is int first)
                return new(NonFinitePlace.Output, node, Text($"the output of \"{node.Name}\" ({node.Layer!.Kind}) is the first with a {y[first]}, in sample {first / node.Shape.Length}"));
        }
        return new(NonFinitePlace.Loss, null, "every parameter and every output that the reference computes from them is finite");
    }

    /// <summary>
    /// Looks for the first parameter or buffer with a value that is not finite; null where there is none.
    /// </summary>
    /// <param name="executable">The executable; nothing of it changes.</param>
    public static NonFiniteOrigin? InParameters(IExecutable executable)
    {
        ArgumentNullException.ThrowIfNull(executable);
        return executable.Graph.Parameters.Select(p => In(executable, p, new float[p.Length]))
            .FirstOrDefault(origin => origin is not null);
    }

    private static NonFiniteOrigin? In(IExecutable executable, Parameter parameter, float[] values)
    {
        executable.Read(parameter, values);
        return FirstIn(values) is int index
            ? new(NonFinitePlace.Parameter, parameter.Node,
                Text($"{parameter} of \"{parameter.Node.Name}\" has a {values[index]} at index {index:N0}"))
            : null;
    }

    private static float[] Forward(Node node, float[][] values, float[][] parameters, int n, ulong seed, long? step)
    {
        var memory = new NodeMemory<float>
        {
            Name = node.Place,
            Reads = node.Layer!.BackwardReads,
            XShapes = node.InputShapes,
            YShape = node.Shape,
            X = [.. node.Inputs.Select(input => values[input.Index].AsMemory())],
            Y = new float[n * node.Shape.Length],
            W = [.. parameters.Select(p => p.AsMemory())],
            Saved = new float[node.Layer!.SavedLength(n, node.InputShapes)],
            Seed = seed,
            NodeIndex = node.Index,
        };
        new Frame<float>(memory, n, training: step is not null, step ?? 0).RunForward(node.Layer);
        return memory.Y.ToArray();
    }

    private static int? FirstIn(ReadOnlySpan<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
                return i;
        }
        return null;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
