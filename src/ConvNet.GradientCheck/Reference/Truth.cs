namespace ConvNet.GradientChecking;

/// <summary>The true values of one tensor of a layer, in double, and the allowed error of a float32 result for each
/// element.</summary>
/// <param name="name"><c>y</c>, <c>dx</c>, <c>dw</c>, …</param>
/// <param name="values">The true values.</param>
internal sealed class TruthTensor(string name, double[] values)
{
    /// <summary><c>y</c>, <c>dx</c>, or <c>d</c> followed by the name of a parameter.</summary>
    public string Name { get; } = name;

    /// <summary>The true values.</summary>
    public double[] Values { get; } = values;

    /// <summary>The error bound of each element. An error below it passes; 0 requires the rounded true value.</summary>
    public required double[] Bounds { get; init; }

    /// <summary>The worst-case bound of each element. An error between the bound and this value is suspect, not wrong.
    /// Empty if the bound itself is the worst case.</summary>
    public double[] Ceilings { get; init; } = [];

    /// <summary>The number of terms in the longest sum; 0 if nothing is summed.</summary>
    public int Terms { get; init; }

    /// <summary>Whether only a sample of the values is known. The others are NaN and are not compared.</summary>
    public bool IsSample { get; init; }

    /// <summary>Whether every float32 evaluation, in any order, gives the true values without rounding.</summary>
    public bool IsExact { get; init; }

    /// <summary>Returns the same values with the bounds of a less accurate algorithm, in which an error affects
    /// neighbouring results.</summary>
    /// <param name="algorithm">The algorithm.</param>
    /// <param name="pass">The pass that computes the tensor.</param>
    /// <param name="plane">The rows and columns of each plane of the tensor.</param>
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

    // Returns, for each value, the largest value within reach along a line of the given length and stride.
    private static double[] LargestWithin(double[] values, int length, int stride, int reach)
    {
        var largest = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            int at = i / stride % length;
            for (int j = Math.Max(0, at - reach); j <= Math.Min(length - 1, at + reach); j++)
                largest[i] = Math.Max(largest[i], values[i + (j - at) * stride]);
        }
        return largest;
    }

    /// <summary>Creates a tensor from sums with their bounds.</summary>
    public static TruthTensor Of(string name, BoundedSum[] sums, bool isSample = false)
        => new(name, Array.ConvertAll(sums, s => s.Value))
        {
            Bounds = Array.ConvertAll(sums, s => s.Bound()),
            Ceilings = Array.ConvertAll(sums, s => s.Ceiling),
            Terms = sums.Length == 0 ? 0 : sums.Max(s => s.Count),
            IsExact = !isSample && Array.TrueForAll(sums, s => s.IsExact),
            IsSample = isSample,
        };

    /// <summary>Creates a tensor of values that float32 computes with at most one rounding, so that every backend gets
    /// the same result.</summary>
    public static TruthTensor Rounded(string name, double[] values) => new(name, values)
    {
        Bounds = new double[values.Length],
        IsExact = Array.TrueForAll(values, v => (float)v == v),
    };
}

/// <summary>The results of one layer for given values: its output, its gradients and its buffers after a training
/// pass.</summary>
internal sealed record LayerTruth(TruthTensor Y, TruthTensor[] DX, TruthTensor?[] DW, TruthTensor?[] Buffers)
{
    /// <summary>Whether all results are exact in float32.</summary>
    public bool IsExact => ResultsAreExact && GradientsAreExact;

    /// <summary>Whether the output, the gradients of the inputs and the buffers are exact.</summary>
    public bool ResultsAreExact => Y.IsExact && DX.All(t => t.IsExact) && Buffers.All(t => t?.IsExact ?? true);

    /// <summary>Whether the gradients of the parameters are exact.</summary>
    public bool GradientsAreExact => DW.All(t => t?.IsExact ?? true);

    /// <summary>Returns the same results with the bounds of the given algorithms.</summary>
    /// <param name="algorithms">The algorithms.</param>
    /// <param name="values">The values that the layer was run on.</param>
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
