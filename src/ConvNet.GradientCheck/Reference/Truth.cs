namespace ConvNet.GradientChecking;

/// <summary>What one tensor of a layer is, in double, and how far a float32 result may be away, element by
/// element.</summary>
/// <param name="name"><c>y</c>, <c>dx</c>, <c>dw</c>, …</param>
/// <param name="values">The true values.</param>
internal sealed class TruthTensor(string name, double[] values)
{
    /// <summary><c>y</c>, <c>dx</c>, or the name of a parameter after a <c>d</c>.</summary>
    public string Name { get; } = name;

    /// <summary>The true values.</summary>
    public double[] Values { get; } = values;

    /// <summary>An error below this passes; 0 where the float32 result must be the true value, rounded.</summary>
    public required double[] Bounds { get; init; }

    /// <summary>An error between the bound and this is suspect, not wrong; empty where the bound is a hard
    /// one.</summary>
    public double[] Ceilings { get; init; } = [];

    /// <summary>Terms of the longest sum; 0 where nothing is summed.</summary>
    public int Terms { get; init; }

    /// <summary>Whether only a sample of the values is known; the others are NaN, and are not compared.</summary>
    public bool IsSample { get; init; }

    /// <summary>Whether every float32 evaluation, in any order, gives the true values without rounding.</summary>
    public bool IsExact { get; init; }

    /// <summary>The same for an algorithm that is less accurate, and whose results share their errors with their
    /// neighbours.</summary>
    /// <param name="algorithm">The algorithm.</param>
    /// <param name="pass">What the tensor is of its layer.</param>
    /// <param name="plane">Rows and columns of each of its planes.</param>
    public TruthTensor Computed(SumAlgorithm algorithm, SumPass pass, Extent plane)
    {
        if (algorithm == SumAlgorithm.Direct)
            return this;
        int reach = DeclaredAccuracy.Reach(algorithm, pass);
        double scale = DeclaredAccuracy.Lambda(algorithm, pass) / DeclaredAccuracy.Direct;
        double[] Widened(double[] bounds) => Array.ConvertAll(
            LargestWithin(LargestWithin(bounds, plane.W, 1, reach), plane.H, plane.W, reach), bound => scale * bound);
        return new(Name, Values)
        {
            Bounds = Widened(Bounds),
            Ceilings = Widened(Ceilings),
            IsExact = IsExact,
            Terms = Terms,
            IsSample = IsSample
        };
    }

    // Along lines of so many values, which are so far from one another: the largest within reach of each.
    private static double[] LargestWithin(double[] values, int length, int stride, int reach)
    {
        var largest = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            int place = i / stride % length;
            for (int j = Math.Max(0, place - reach); j <= Math.Min(length - 1, place + reach); j++)
                largest[i] = Math.Max(largest[i], values[i + (j - place) * stride]);
        }
        return largest;
    }

    /// <summary>Sums with their bounds.</summary>
    public static TruthTensor Of(string name, BoundedSum[] sums, bool isSample = false)
        => new(name, Array.ConvertAll(sums, s => s.Value))
        {
            Bounds = Array.ConvertAll(sums, s => s.Bound()),
            Ceilings = Array.ConvertAll(sums, s => s.Ceiling),
            Terms = sums.Length == 0 ? 0 : sums.Max(s => s.Count),
            IsExact = !isSample && Array.TrueForAll(sums, s => s.IsExact),
            IsSample = isSample,
        };

    /// <summary>Values that float32 computes with one rounding at most, so every backend gets the same.</summary>
    public static TruthTensor Rounded(string name, double[] values) => new(name, values)
    {
        Bounds = new double[values.Length],
        IsExact = Array.TrueForAll(values, v => (float)v == v),
    };
}

/// <summary>What one layer computes from given values: its output, its gradients and its buffers after a training
/// pass.</summary>
internal sealed record LayerTruth(TruthTensor Y, TruthTensor[] DX, TruthTensor?[] DW, TruthTensor?[] Buffers)
{
    /// <summary>Whether all of it is exact in float32.</summary>
    public bool IsExact => ResultsAreExact && GradientsAreExact;

    /// <summary>Whether the output, the gradients of the inputs and the buffers are.</summary>
    public bool ResultsAreExact => Y.IsExact && DX.All(t => t.IsExact) && Buffers.All(t => t?.IsExact ?? true);

    /// <summary>Whether the gradients of the parameters are.</summary>
    public bool GradientsAreExact => DW.All(t => t?.IsExact ?? true);

    /// <summary>The same for the algorithms that computed it.</summary>
    /// <param name="algorithms">The algorithms.</param>
    /// <param name="values">What the layer ran on.</param>
    public LayerTruth Computed(LayerAlgorithms algorithms, LayerValues<float> values)
    {
        if (algorithms == default)
            return this;
        (Shape x, Shape y) = (values.XShapes[0], values.YShape);
        IReadOnlyList<int> w = values.Specs[0].Dimensions;
        return this with
        {
            Y = Y.Computed(algorithms.Forward, SumPass.Forward, (y.H, y.W)),
            DX = [DX[0].Computed(algorithms.InputGradient, SumPass.InputGradient, (x.H, x.W)), .. DX[1..]],
            DW = [DW[0]!.Computed(algorithms.WeightGradient, SumPass.WeightGradient, (w[^2], w[^1])), .. DW[1..]],
        };
    }
}
