using System.Numerics;

namespace ConvNet;

/// <summary>A single layer and the values of one training pass.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="XShapes">The shapes of the inputs, for one sample.</param>
/// <param name="N">The number of samples.</param>
/// <param name="X">The inputs, N×C×H×W each.</param>
/// <param name="W">The parameters and buffers.</param>
/// <param name="DY">The gradient of the output; empty if only the forward pass runs.</param>
/// <param name="NodeIndex">The index of the node in its graph; part of the key of random masks.</param>
/// <param name="Pass">The number of earlier training passes; part of the key of random masks.</param>
/// <param name="Seed">The seed of random masks.</param>
internal sealed record LayerValues<T>(Layer Layer, Shape[] XShapes, int N, T[][] X, T[][] W, T[] DY, int NodeIndex,
    long Pass, ulong Seed)
{
    /// <summary>Whether the layer runs in training mode; false for a frozen layer, which runs as in
    /// inference.</summary>
    public bool Training { get; init; } = true;

    /// <summary>The shape of one output sample.</summary>
    public Shape YShape { get; } = Layer.Infer(XShapes);

    /// <summary>The layer's parameters and buffers.</summary>
    public IReadOnlyList<ParameterSpec> Specs { get; } = Layer.Parameters(XShapes);

    /// <summary>Converts the values to another element type.</summary>
    public LayerValues<TOther> To<TOther>(Converter<T, TOther> convert)
        => new(Layer, XShapes, N, Array.ConvertAll(X, x => Array.ConvertAll(x, convert)),
            Array.ConvertAll(W, w => Array.ConvertAll(w, convert)),
            Array.ConvertAll(DY, convert), NodeIndex, Pass, Seed)
        { Training = Training };
}

/// <summary>Runs the reference forward and backward passes of one layer on given values.</summary>
internal sealed class LayerRun<T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    /// <summary>Runs the layer on copies of the values.</summary>
    /// <param name="values">The values to run on.</param>
    /// <param name="backward">Whether the backward pass runs too.</param>
    /// <param name="sample">
    /// Selects a sample of the results to compute; the others are 0. Null computes all of them. It affects only layers
    /// that loop with <see cref="Frame{T}.For"/>.
    /// </param>
    /// <exception cref="ArgumentException">A length does not match the layer and the number of samples.</exception>
    public LayerRun(LayerValues<T> values, bool backward = true, Func<int, int[]>? sample = null)
    {
        NodeMemory<T> memory = MemoryOf(values, backward, sample);
        new Frame<T>(memory, values.N, values.Training, values.Pass).RunForward(values.Layer);
        if (backward)
            new Frame<T>(memory, values.N, values.Training, values.Pass, backward: true).RunBackward(values.Layer);
        (Y, DX, DW, W) = (Flat(memory.Y), Array.ConvertAll(memory.DX, Flat), Array.ConvertAll(memory.DW, Flat),
            Array.ConvertAll(memory.W, Flat));
    }

    /// <summary>Holds the results of a run in another element type.</summary>
    private LayerRun(T[] y, T[][] dx, T[][] dw, T[][] w)
    {
        (Y, DX, DW, W) = (y, dx, dw, w);
    }

    /// <summary>The output.</summary>
    public T[] Y { get; }

    /// <summary>The gradients of the inputs; empty if the backward pass did not run.</summary>
    public T[][] DX { get; }

    /// <summary>The gradients of the parameters; empty for a buffer and if the backward pass did not run.</summary>
    public T[][] DW { get; }

    /// <summary>The parameters and buffers after the forward pass.</summary>
    public T[][] W { get; }

    /// <summary>Converts the results to double.</summary>
    public LayerRun<double> ToDouble()
    {
        double[] Convert(T[] values) => Array.ConvertAll(values, double.CreateChecked);
        return new(Convert(Y), Array.ConvertAll(DX, Convert), Array.ConvertAll(DW, Convert),
            Array.ConvertAll(W, Convert));
    }

    /// <summary>Creates the memory of a node that runs on copies of the values.</summary>
    internal static NodeMemory<T> MemoryOf(LayerValues<T> values, bool backward, Func<int, int[]>? sample)
    {
        ArgumentNullException.ThrowIfNull(values);
        Check(values, backward);
        return new NodeMemory<T>
        {
            Name = values.Layer.Kind,
            Reads = values.Layer.BackwardReads,
            XShapes = values.XShapes,
            YShape = values.YShape,
            X = Array.ConvertAll(values.X, x => new Memory<T>(x)),
            Y = new T[values.N * values.YShape.Length],
            W = Array.ConvertAll(values.W, w => new Memory<T>([.. w])),
            Saved = new T[values.Layer.SavedLength(values.N, values.XShapes)],
            DY = values.DY,
            DX = Array.ConvertAll(values.X, x => new Memory<T>(new T[backward ? x.Length : 0])),
            DW = [.. values.Specs.Select(s => new Memory<T>(new T[backward && s.Trainable ? s.Length : 0]))],
            Seed = values.Seed,
            NodeIndex = values.NodeIndex,
            Threads = Environment.ProcessorCount,
            Sample = sample,
        };
    }

    private static void Check(LayerValues<T> values, bool backward)
    {
        Check(values, "inputs", values.X, [.. values.XShapes.Select(shape => values.N * shape.Length)]);
        Check(values, "parameters and buffers", values.W, [.. values.Specs.Select(spec => spec.Length)]);
        if (backward)
            Check(values, "gradients of the output", [values.DY], [values.N * values.YShape.Length]);
    }

    private static void Check(LayerValues<T> values, string what, T[][] tensors, int[] lengths)
    {
        int[] got = Array.ConvertAll(tensors, tensor => tensor.Length);
        if (!got.AsSpan().SequenceEqual(lengths))
            throw new ArgumentException($"The {what} of {values.Layer.Kind} for {values.N} samples have "
                + $"[{string.Join(", ", got)}] values; they must have [{string.Join(", ", lengths)}].", nameof(values));
    }

    private static T[] Flat(Memory<T> memory) => memory.ToArray();
}

/// <summary>Runs the reference passes of a <see cref="SumLayer"/> with another type of sum.</summary>
internal sealed class LayerSums<TSum>
    where TSum : unmanaged, ISum<double, TSum>
{
    /// <summary>Runs the layer on copies of the values.</summary>
    /// <param name="values">The values to run on.</param>
    /// <param name="sample">Selects a sample of the results, as in <see cref="LayerRun{T}"/>.</param>
    /// <param name="unknown">The value of results that the sample omits.</param>
    /// <exception cref="ArgumentException">
    /// The layer is not a <see cref="SumLayer"/>, or a length does not match the layer and the number of samples.
    /// </exception>
    public LayerSums(LayerValues<double> values, Func<int, int[]>? sample = null, TSum unknown = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        SumLayer layer = values.Layer as SumLayer ?? throw new ArgumentException(
            $"{values.Layer.GetType().Name} has no sums to examine, because it does not derive from SumLayer.",
            nameof(values));
        NodeMemory<double> memory = LayerRun<double>.MemoryOf(values, backward: true, sample);
        TSum[] Unknown(Memory<double> tensor)
        {
            var sums = new TSum[tensor.Length];
            Array.Fill(sums, unknown);
            return sums;
        }
        (Y, DX, DW) = (Unknown(memory.Y), Array.ConvertAll(memory.DX, Unknown), Array.ConvertAll(memory.DW, Unknown));
        var kept = new SumMemory<TSum> { Y = Y, DX = DX, DW = DW };
        Frame<double, TSum> Frame(bool backward)
            => new(new Frame<double>(memory, values.N, values.Training, values.Pass, backward: backward), kept);
        layer.Forward(Frame(backward: false));
        layer.Backward(Frame(backward: true));
    }

    /// <summary>The output.</summary>
    public TSum[] Y { get; }

    /// <summary>The gradients of the inputs.</summary>
    public TSum[][] DX { get; }

    /// <summary>The gradients of the parameters; empty for a buffer.</summary>
    public TSum[][] DW { get; }
}
