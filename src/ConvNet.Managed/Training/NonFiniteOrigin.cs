using System.Globalization;

namespace ConvNet.Training;

/// <summary>The place of the first non-finite value.</summary>
public enum NonFinitePlace
{
    /// <summary>The loss only; the origin cannot be reproduced. The output is finite, or the reference computes finite
    /// outputs.</summary>
    Loss,

    /// <summary>The input.</summary>
    Input,

    /// <summary>A parameter or buffer of a node.</summary>
    Parameter,

    /// <summary>The output of a node.</summary>
    Output,

    /// <summary>The output of a node that used a Winograd algorithm on values for which the direct sums of the
    /// reference are finite.</summary>
    Algorithm,
}

/// <summary>The first NaN or infinite value in the order of a forward pass.</summary>
/// <param name="Place">The place of the value.</param>
/// <param name="Node">The node that the value belongs to; null for the loss.</param>
/// <param name="Description">The location, as part of a sentence.</param>
public sealed record NonFiniteOrigin(NonFinitePlace Place, Node? Node, string Description)
{
    /// <summary>The algorithm of the node's forward pass in the executable.</summary>
    public SumAlgorithm Algorithm { get; private init; }

    /// <summary>The advice for an algorithm that spreads non-finite values, as a sentence; empty for direct
    /// sums.</summary>
    public string Advice => Algorithm == SumAlgorithm.Direct ? ""
        : $"\"{Node!.Name}\" uses {Words(Algorithm)}: {DeclaredAccuracy.OverflowAdvice}.";

    /// <summary>Runs the graph node by node on the reference layers until a value is not
    /// finite.</summary>
    /// <param name="executable">The executable whose parameters are used; it is not changed.</param>
    /// <param name="input">The batch.</param>
    /// <param name="pass">
    /// The number of earlier training forward passes, which keys the random masks. Null in inference mode.
    /// </param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
    public static NonFiniteOrigin Find(IExecutable executable, BatchValues input, long? pass)
    {
        ArgumentNullException.ThrowIfNull(executable);
        Graph graph = executable.Graph;
        NonFiniteOrigin? overflowing = null;
        input = input.InOrderOf(graph.Inputs, "input");
        int n = input[0].Length / graph.Inputs[0].Shape.Length;
        var values = new float[graph.Nodes.Count][];
        for (int i = 0; i < graph.Inputs.Count; i++)
        {
            Node node = graph.Inputs[i];
            float[] own = values[node.Index] = input[i].ToArray();
            string of = graph.Inputs.Count > 1 ? $" of \"{node.Name}\"" : "";
            if (FirstIn(own) is int bad)
                return new(NonFinitePlace.Input, node,
                    Text($"image {bad / node.Shape.Length}{of} of the batch contains {own[bad]}"));
        }
        foreach (Node node in graph.LayerNodes)
        {
            float[][] parameters = [.. node.Parameters.Select(p => new float[p.Length])];
            for (int i = 0; i < parameters.Length; i++)
            {
                if (In(executable, node.Parameters[i], parameters[i]) is { } origin)
                    return origin;
            }
            float[] y = values[node.Index] = Forward(node, values, parameters, n, executable.Spec?.Seed ?? 0, pass);
            if (FirstIn(y) is int first)
            {
                string where = Text($"the output of \"{node.Name}\" ({node.Layer!.Kind})");
                return new(NonFinitePlace.Output, node,
                    Text($"{where} is the first to contain {y[first]}, in sample {first / node.Shape.Length}"))
                {
                    Algorithm = AlgorithmOf(executable, node),
                };
            }
            float[] x = values[node.Inputs[0].Index];
            if (overflowing is null && AlgorithmOf(executable, node) is not SumAlgorithm.Direct and var algorithm
                && MayOverflow(algorithm, node, x, parameters[0]))
            {
                string up = Text($"up to {Largest(x):G3}");
                string what = $"{Words(algorithm)} overflows in \"{node.Name}\", which reads values of {up}";
                overflowing = new(NonFinitePlace.Algorithm, node, $"the reference's direct sums are finite, but {what}")
                {
                    Algorithm = algorithm,
                };
            }
        }
        return overflowing ?? Unknown;
    }

    /// <summary>The origin if no value is found that is not finite.</summary>
    internal static NonFiniteOrigin Unknown { get; } = new(NonFinitePlace.Loss, null,
        "every parameter and every output that the reference computes from them is finite");

    /// <summary>
    /// Finds the first parameter or buffer with a non-finite value; null if there is none.
    /// </summary>
    /// <param name="executable">The executable, which is not changed.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
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
                Text($"{parameter} of \"{parameter.Node.Name}\" has {values[index]} at index {index:N0}"))
            {
                Algorithm = AlgorithmOf(executable, parameter.Node),
            }
            : null;
    }

    private static SumAlgorithm AlgorithmOf(IExecutable executable, Node node)
        => node.Layer is not null && executable is IDeclaresAlgorithms declaring
            ? declaring.AlgorithmOf(node, SumPass.Forward)
            : SumAlgorithm.Direct;

    // An upper bound of the intermediate values of the transforms: the row sums of |Bᵀ|, |G| and |Aᵀ|, each applied
    // twice, times the number of terms of a sum.
    private static bool MayOverflow(SumAlgorithm algorithm, Node node, ReadOnlySpan<float> x, ReadOnlySpan<float> w)
    {
        (double input, double filter, double output) = algorithm == SumAlgorithm.Winograd2 ? (2.0, 1.5, 3.0)
            : (10.0, 1.0, 19.0);
        double growth = input * filter * output;
        return growth * growth * node.InputShapes[0].C * Largest(x) * Largest(w) > float.MaxValue
            || input * input * Largest(x) > float.MaxValue;
    }

    private static double Largest(ReadOnlySpan<float> values)
    {
        double largest = 0;
        foreach (float value in values)
            largest = Math.Max(largest, Math.Abs((double)value));
        return largest;
    }

    private static string Words(SumAlgorithm algorithm) => algorithm == SumAlgorithm.Winograd2
        ? "Winograd's F(2×2, 3×3)" : "Winograd's F(4×4, 3×3)";

    private static float[] Forward(Node node, float[][] values, float[][] parameters, int n, ulong seed, long? pass)
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
        new Frame<float>(memory, n, training: pass is not null, pass ?? 0).RunForward(node.Layer);
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
