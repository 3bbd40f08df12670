using System.Numerics;

namespace ConvNet.Diagnostics;

/// <summary>One layer's reference, run forward and backward on given values.</summary>
internal sealed class LayerRun<T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    /// <summary>Runs the layer. The values given are not changed.</summary>
    /// <param name="values">What it runs on.</param>
    /// <param name="backward">Whether the backward pass runs too.</param>
    /// <param name="sample">Which part of the results is computed, the rest being 0; all unless given.</param>
    public LayerRun(LayerValues<T> values, bool backward = true, Sample? sample = null)
    {
        NodeMemory<T> memory = MemoryOf(values, values.Specs, sample);
        new Frame<T>(memory, values.N, true, values.Step).RunForward(values.Layer);
        if (backward)
            new Frame<T>(memory, values.N, true, values.Step, backward: true).RunBackward(values.Layer);
        (Y, DX, DW, W) = (Flat(memory.Y), Array.ConvertAll(memory.DX, Flat), Array.ConvertAll(memory.DW, Flat),
            Array.ConvertAll(memory.W, Flat));
    }

    /// <summary>A run's results in another element type.</summary>
    private LayerRun(T[] y, T[][] dx, T[][] dw, T[][] w)
    {
        (Y, DX, DW, W) = (y, dx, dw, w);
    }

    /// <summary>The output.</summary>
    public T[] Y { get; }

    /// <summary>Gradients of the inputs.</summary>
    public T[][] DX { get; }

    /// <summary>Gradients of the parameters; that of a buffer is empty.</summary>
    public T[][] DW { get; }

    /// <summary>Parameters and buffers after the forward pass.</summary>
    public T[][] W { get; }

    /// <summary>The results in double.</summary>
    public LayerRun<double> ToDouble()
    {
        double[] Convert(T[] values) => Array.ConvertAll(values, double.CreateChecked);
        return new(Convert(Y), Array.ConvertAll(DX, Convert), Array.ConvertAll(DW, Convert),
            Array.ConvertAll(W, Convert));
    }

    /// <summary>The memory of a node that runs on copies of the values.</summary>
    internal static NodeMemory<T> MemoryOf(LayerValues<T> values, IReadOnlyList<ParameterSpec> specs,
        Sample? sample = null) => new()
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
            DX = Array.ConvertAll(values.X, x => new Memory<T>(new T[x.Length])),
            DW = [.. specs.Select(s => new Memory<T>(new T[s.Trainable ? s.Length : 0]))],
            Seed = values.Seed,
            NodeIndex = values.NodeIndex,
            Threads = Environment.ProcessorCount,
            Sample = sample is null ? null : sample.Parts,
        };

    private static T[] Flat(Memory<T> memory) => memory.ToArray();
}

/// <summary>The reference with bounds: what a layer computes from float32 values, in double.</summary>
internal static class LayerReference
{
    /// <summary>Output, gradients and buffers of one training pass, each with the error that float32 may
    /// make.</summary>
    /// <param name="given">What it runs on.</param>
    /// <param name="sample">Which part of the results of a layer of sums is computed; all unless given.</param>
    public static LayerTruth Evaluate(LayerValues<float> given, Sample? sample = null)
    {
        LayerValues<double> values = given.To(v => (double)v);
        return given.Layer.Accuracy switch
        {
            Accuracy.Sums => OfSums(given.Layer, values, sample),
            Accuracy.Moves => OfCopies(values),
            Accuracy.Derived => Derived(values),
            _ => MeasuredBounds.Evaluate(given, values),
        };
    }

    /// <summary>The name of a parameter's gradient: that of the parameter after a d, with the usual letters for weight
    /// and bias.</summary>
    public static string GradientName(ParameterSpec spec) => spec.Name switch
    {
        "weight" => "dw",
        "bias" => "db",
        _ => $"d{spec.Name}",
    };

    /// <summary>The name of an input's gradient: dx, numbered where there are several.</summary>
    public static string InputGradientName<T>(LayerValues<T> values, int i) => values.X.Length == 1 ? "dx" : $"dx{i}";

    private static LayerTruth Derived(LayerValues<double> values)
    {
        var bounds = new ErrorBounds(values);
        values.Layer.DeriveBounds(bounds);
        return bounds.ToTruth();
    }

    private static LayerTruth OfSums(Layer given, LayerValues<double> values, Sample? sample)
    {
        SumLayer layer = given as SumLayer ?? throw new InvalidOperationException(
            $"{given.GetType().Name} says Accuracy.Sums and does not derive from SumLayer.");
        NodeMemory<double> memory = LayerRun<double>.MemoryOf(values, values.Specs, sample);
        var sums = new SumMemory<BoundedSum>
        {
            Y = Unknown(memory.Y.Length),
            DX = Array.ConvertAll(memory.DX, m => Unknown(m.Length)),
            DW = Array.ConvertAll(memory.DW, m => Unknown(m.Length)),
        };
        layer.Forward(new Frame<double, BoundedSum>(new Frame<double>(memory, values.N, true, values.Step), sums));
        layer.Backward(new Frame<double,
            BoundedSum>(new Frame<double>(memory, values.N, true, values.Step, backward: true), sums));
        TruthTensor Of(string name, BoundedSum[] tensor) => TruthTensor.Of(name, tensor, sample is not null);
        return new LayerTruth(Of("y", sums.Y),
            [.. sums.DX.Select((dx, i) => Of(InputGradientName(values, i), dx))],
            [.. sums.DW.Select((dw, i) => values.Specs[i].Trainable ? Of(GradientName(values.Specs[i]), dw) : null)],
            new TruthTensor?[values.Specs.Count]);

        BoundedSum[] Unknown(int length)
        {
            var unknown = new BoundedSum[length];
            if (sample is not null)
                Array.Fill(unknown, BoundedSum.Of(double.NaN));
            return unknown;
        }
    }

    // Each value is a copy, a zero or one product: at most one rounding, the same everywhere.
    private static LayerTruth OfCopies(LayerValues<double> values)
    {
        var run = new LayerRun<double>(values);
        return new LayerTruth(TruthTensor.Rounded("y", run.Y),
            [.. run.DX.Select((dx, i) => TruthTensor.Rounded(InputGradientName(values, i), dx))], [], []);
    }
}
