namespace ConvNet.GradientChecking;

/// <summary>Integer values for a layer, and the results that the reference computes from them.</summary>
/// <param name="Values">The values.</param>
/// <param name="Truth">The results.</param>
/// <param name="Results">Whether the output, the gradients of the inputs and the buffers are exact.</param>
/// <param name="Gradients">Whether the gradients of the parameters are exact.</param>
internal sealed record ExactRun(LayerValues<float> Values, LayerTruth Truth, bool Results, bool Gradients);

/// <summary>Finds integers on which float32 computes a layer exactly with every algorithm that a backend uses for
/// it.</summary>
/// <remarks>
/// All backends get the same values: the largest integers that are exact. If even the smallest are not exact, more and
/// more of the values are set to zero. F(4×4, 3×3) needs weights that are multiples of 576, and for their gradient also
/// multiples in dy. Both at once would leave dx too little of the 2²⁴ range, so such a layer is checked in two runs.
/// </remarks>
internal sealed class ExactValues
{
    private const int LargestRangeOfMultiples = 2, Fewest = 16;

    private readonly LayerAlgorithms[] _algorithms;
    private readonly Maker _make;
    private readonly int _largest;
    private readonly bool _thins;

    /// <summary>Searches for the values.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="algorithms">The algorithms that compute it.</param>
    /// <param name="largest">The largest magnitude to use.</param>
    /// <param name="make">Generates the values.</param>
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
            (true, false) => $"the parameter gradients of {layer.Kind} are",
            (false, true) => $"the output and the input gradient of {layer.Kind} are",
            _ => $"{layer.Kind} is",
        };
        int grain = Math.Max(results, gradients);
        Remainder = left is null ? null : $"{left} rounded in float32 even on integers of magnitude 1"
            + (grain > 1 ? $", with one operand multiplied by {grain}" : "");
    }

    /// <summary>Generates the values to run a layer on.</summary>
    /// <param name="range">The largest magnitude.</param>
    /// <param name="weightGrain">The factor by which weights are multiplied.</param>
    /// <param name="gradientGrain">The factor by which the gradient of the output is multiplied.</param>
    /// <param name="oneIn">One in this many weights and gradients is kept; the others are 0.</param>
    public delegate LayerValues<float> Maker(int range, int weightGrain, int gradientGrain, int oneIn);

    /// <summary>The runs: one run, two runs for results and gradients separately, or none.</summary>
    public IReadOnlyList<ExactRun> Runs { get; }

    /// <summary>The results that no run covers, and why; null if all are covered.</summary>
    public string? Remainder { get; }

    private ExactRun? Find(int weightGrain, int gradientGrain, bool results, bool gradients)
    {
        int range = weightGrain == 1 && gradientGrain == 1 ? _largest : Math.Min(_largest, LargestRangeOfMultiples);
        for (int oneIn = 1; oneIn <= (_thins ? Fewest : 1); (range, oneIn) = range > 1 ? (range / 2, 1)
            : (1, oneIn * 2))
        {
            LayerValues<float> values = _make(range, weightGrain, gradientGrain, oneIn);
            // The reference is the slowest test, so it comes last.
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
