namespace ConvNet.GradientChecking;

/// <summary>Whole numbers for a layer, and what the reference makes of them.</summary>
/// <param name="Values">The numbers.</param>
/// <param name="Truth">What comes out.</param>
/// <param name="Results">Whether the output, the gradients of the inputs and the buffers are exact.</param>
/// <param name="Gradients">Whether the gradients of the parameters are.</param>
internal sealed record ExactRun(LayerValues<float> Values, LayerTruth Truth, bool Results, bool Gradients);

/// <summary>Finds whole numbers on which float32 computes a layer exactly by every algorithm that a backend takes for
/// it.</summary>
/// <remarks>
/// The same numbers for all backends: the largest that are exact, and where the smallest are not, with more and more
/// zeros. F(4×4, 3×3) needs the weights in multiples of 576, and for their gradient dy; with both at once dx would have
/// little left of the 2²⁴, so there are two runs then.
/// </remarks>
internal sealed class ExactValues
{
    private const int LargestRangeOfMultiples = 2, Fewest = 16;

    private readonly LayerAlgorithms[] _algorithms;
    private readonly Maker _make;
    private readonly int _largest;
    private readonly bool _thins;

    /// <summary>Looks for the numbers.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="algorithms">How it is computed.</param>
    /// <param name="largest">The largest magnitude to use.</param>
    /// <param name="make">Makes the numbers.</param>
    public ExactValues(Layer layer, LayerAlgorithms[] algorithms, int largest, Maker make)
    {
        (_algorithms, _largest, _make, _thins) = (algorithms, largest, make, layer.IsBilinear);
        int results = Grain(SumPass.Forward, SumPass.InputGradient), gradients = Grain(SumPass.WeightGradient);
        Runs = results == 1 && gradients == 1
            ? Found(Find(1, 1, results: true, gradients: true))
            : Found(Find(results, 1, results: true, gradients: false),
                Find(1, gradients, results: false, gradients: true));
        string? left = (Runs.Any(run => run.Results), Runs.Any(run => run.Gradients)) switch
        {
            (true, true) => null,
            (true, false) => $"the parameters' gradients of {layer.Kind}",
            (false, true) => $"output and input gradient of {layer.Kind}",
            _ => layer.Kind,
        };
        int grain = Math.Max(results, gradients);
        Remainder = left is null ? null : $"{left} rounds in float32 on whole numbers up to 1 in "
            + $"magnitude{(grain > 1 ? $", one operand times {grain}" : "")}";
    }

    /// <summary>Makes the numbers that a layer runs on.</summary>
    /// <param name="range">The largest magnitude.</param>
    /// <param name="weightGrain">What weights are multiplied by.</param>
    /// <param name="gradientGrain">What the gradient of the output is multiplied by.</param>
    /// <param name="oneIn">Of so many of either one is kept; the others are 0.</param>
    public delegate LayerValues<float> Maker(int range, int weightGrain, int gradientGrain, int oneIn);

    /// <summary>The runs: one, two with results and gradients apart, or none.</summary>
    public IReadOnlyList<ExactRun> Runs { get; }

    /// <summary>What is in none of the runs, and why; null where all is.</summary>
    public string? Remainder { get; }

    private ExactRun? Find(int weightGrain, int gradientGrain, bool results, bool gradients)
    {
        int range = weightGrain == 1 && gradientGrain == 1 ? _largest : Math.Min(_largest, LargestRangeOfMultiples);
        for (int oneIn = 1; oneIn <= (_thins ? Fewest : 1); (range, oneIn) = range > 1 ? (range / 2, 1)
            : (1, oneIn * 2))
        {
            LayerValues<float> values = _make(range, weightGrain, gradientGrain, oneIn);
            // The reference takes longest, so it comes last.
            if ((results && !(Fits(values, SumPass.Forward) && Fits(values, SumPass.InputGradient)))
                || (gradients && !Fits(values, SumPass.WeightGradient)))
                continue;
            LayerTruth truth = ExactReference.Evaluate(values);
            if ((!results || truth.ResultsAreExact) && (!gradients || truth.GradientsAreExact))
                return new ExactRun(values, truth, results, gradients);
        }
        return null;
    }

    private bool Fits(LayerValues<float> values, SumPass pass) => _algorithms.Select(of => of[pass]).Distinct()
        .All(algorithm => WinogradBudget.IsExact(values, algorithm, pass));

    private int Grain(params SumPass[] passes)
        => passes.Max(pass => _algorithms.Select(of => DeclaredAccuracy.Grain(of[pass])).DefaultIfEmpty(1).Max());

    private static ExactRun[] Found(params ExactRun?[] runs) => [.. runs.OfType<ExactRun>()];
}
