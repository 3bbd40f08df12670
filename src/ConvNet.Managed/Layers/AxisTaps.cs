namespace ConvNet;

/// <summary>A linear map along one axis: the inputs that each output is a weighted sum of.</summary>
/// <remarks>The maps of rows and columns together are a separable map of an image: padding or resizing it. The
/// transposed maps give the gradient.</remarks>
internal sealed class AxisTaps
{
    private readonly int _inputs;

    private AxisTaps(int inputs, int[] starts, int[] indices, double[] weights)
    {
        _inputs = inputs;
        (Starts, Indices, Weights) = (starts, indices, weights);
    }

    /// <summary>The taps of output o are those from Starts[o] to Starts[o + 1] − 1.</summary>
    public int[] Starts { get; }

    /// <summary>The input of each tap. Those of one output do not decrease.</summary>
    public int[] Indices { get; }

    /// <summary>The weight of each tap.</summary>
    public double[] Weights { get; }

    /// <summary>The largest number of taps of an output.</summary>
    public int Longest => Enumerable.Range(0, Starts.Length - 1).Max(o => Starts[o + 1] - Starts[o]);

    /// <summary>Creates the map in which every output is a copy of an input, or 0.</summary>
    /// <param name="outputs">The number of outputs.</param>
    /// <param name="inputs">The number of inputs.</param>
    /// <param name="source">Returns the input of an output; a negative number for 0.</param>
    public static AxisTaps Copies(int outputs, int inputs, Func<int, int> source)
        => Of(outputs, inputs, o => [(source(o), 1)]);

    /// <summary>Creates a map.</summary>
    /// <param name="outputs">The number of outputs.</param>
    /// <param name="inputs">The number of inputs.</param>
    /// <param name="taps">Returns the taps of an output. Those that are not inputs or have no weight are left
    /// out.</param>
    public static AxisTaps Of(int outputs, int inputs, Func<int, (int Index, double Weight)[]> taps)
    {
        int[] starts = new int[outputs + 1];
        var indices = new List<int>(outputs);
        var weights = new List<double>(outputs);
        for (int o = 0; o < outputs; o++)
        {
            foreach ((int index, double weight) in taps(o))
            {
                if (index < 0 || index >= inputs || weight == 0)
                    continue;
                indices.Add(index);
                weights.Add(weight);
            }
            starts[o + 1] = indices.Count;
        }
        return new AxisTaps(inputs, starts, [.. indices], [.. weights]);
    }

    /// <summary>Returns the map of the gradients, from outputs to inputs.</summary>
    public AxisTaps Transposed()
    {
        int[] starts = new int[_inputs + 1], indices = new int[Indices.Length];
        double[] weights = new double[Indices.Length];
        foreach (int index in Indices)
            starts[index + 1]++;
        for (int i = 0; i < _inputs; i++)
            starts[i + 1] += starts[i];
        int[] next = starts[.._inputs];
        for (int o = 0; o < Starts.Length - 1; o++)
        {
            for (int tap = Starts[o]; tap < Starts[o + 1]; tap++)
            {
                int to = next[Indices[tap]]++;
                (indices[to], weights[to]) = (o, Weights[tap]);
            }
        }
        return new AxisTaps(Starts.Length - 1, starts, indices, weights);
    }
}
