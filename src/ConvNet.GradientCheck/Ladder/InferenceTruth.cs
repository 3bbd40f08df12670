using System.Numerics;

namespace ConvNet.GradientChecking;

/// <summary>The outputs of a network in inference, computed in double, and how far those of a float32 backend may be
/// from them.</summary>
/// <remarks>
/// No error bound is known for a whole network. The allowed distance, in the Euclidean norm, is 8 times the largest one
/// of several runs of the float32 reference: one with the given parameters, and others in which each parameter is moved
/// up or down by one ulp; or 8 roundings of the output.
/// </remarks>
/// <param name="Outputs">The outputs in double, in the order of the graph.</param>
/// <param name="Allowed">The allowed distance of each.</param>
internal sealed record InferenceTruth(double[][] Outputs, double[] Allowed)
{
    private const int MovedRuns = 4;

    /// <summary>Runs a network.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="inputs">The values of its inputs.</param>
    /// <param name="parameters">The values of its parameters and buffers.</param>
    /// <param name="batchSize">The number of samples.</param>
    /// <param name="seed">The seed of the moved parameters.</param>
    /// <param name="cancellation">Ends the runs.</param>
    public static InferenceTruth Of(Graph graph, float[][] inputs, float[][] parameters, int batchSize, ulong seed,
        CancellationToken cancellation = default)
    {
        double[][] truth = Run<double>(parameters);
        var unavoidable = new double[truth.Length];
        for (int run = 0; run <= MovedRuns; run++)
        {
            float[][] single = Run<float>(run == 0 ? parameters : Moved(parameters, seed, run));
            for (int i = 0; i < truth.Length; i++)
                unavoidable[i] = Math.Max(unavoidable[i], EndToEnd.Distance(Doubles(single[i]), truth[i]));
        }
        return new InferenceTruth(truth, [.. unavoidable.Select((distance, i) => MeasuredBounds.Allowance
            * Math.Max(distance, BoundedSum.UnitRoundoff * EndToEnd.Norm(truth[i])))]);

        T[][] Run<T>(float[][] w) where T : unmanaged, IFloatingPointIeee754<T>
            => Results<T>(graph, inputs, w, batchSize, seed, cancellation);
    }

    /// <summary>Returns the distance of an output of a backend in multiples of the allowed one.</summary>
    /// <param name="output">The index of the output.</param>
    /// <param name="got">Its values.</param>
    public double InBounds(int output, float[] got)
    {
        double distance = EndToEnd.Distance(Doubles(got), Outputs[output]);
        return distance == 0 ? 0 : distance / Allowed[output];
    }

    /// <summary>Returns values in double.</summary>
    public static double[] Doubles(float[] values) => Array.ConvertAll(values, value => (double)value);

    // Values that are each moved up or down by one ulp.
    private static float[][] Moved(float[][] parameters, ulong seed, int run)
    {
        long index = 0;
        return Array.ConvertAll(parameters, values => Array.ConvertAll(values,
            v => (Philox.Word(seed, run, -1, index++) & 1) == 0 ? MathF.BitIncrement(v) : MathF.BitDecrement(v)));
    }

    private static T[][] Results<T>(Graph graph, float[][] inputs, float[][] parameters, int batchSize, ulong seed,
        CancellationToken cancellation) where T : unmanaged, IFloatingPointIeee754<T>
    {
        static T[] Converted(float[] values) => Array.ConvertAll(values, T.CreateChecked);
        var values = new T[graph.Nodes.Count][];
        for (int i = 0; i < inputs.Length; i++)
            values[graph.Inputs[i].Index] = Converted(inputs[i]);
        foreach (Node node in graph.LayerNodes)
        {
            cancellation.ThrowIfCancellationRequested();
            values[node.Index] = new LayerRun<T>(new LayerValues<T>(node.Layer!, node.InputShapes, batchSize,
                [.. node.Inputs.Select(input => values[input.Index])],
                [.. node.Parameters.Select(parameter => Converted(parameters[parameter.Index]))], [], node.Index, 0,
                seed)
            { Training = false }, backward: false).Y;
        }
        return [.. graph.Outputs.Select(output => values[output.Index])];
    }
}
