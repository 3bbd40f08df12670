using static ConvNet.GradientChecking.TailReference;

namespace ConvNet.GradientChecking;

/// <summary>The true results of one operation of a pass, on the values that the operation read.</summary>
/// <remarks>
/// Every operation is computed from the tensors at its border, so that errors of other operations do not reach it. On
/// real numbers, sums are computed for a sample of their elements, each with the bound that follows from its terms. On
/// whole numbers all elements are computed and must be equal.
/// </remarks>
internal sealed class OperationReference
{
    // The largest error of a float32 slope below 3/2.
    private const double SlopeError = 16 * BoundedSum.UnitRoundoff;

    private readonly PassFacts _facts;
    private readonly TracedOperation _operation;
    private readonly SeenTensors _seen;
    private readonly Node _main;
    private readonly float[][] _x, _w;
    private readonly bool _isBilinear, _exact;
    private readonly Node? _norm;
    private readonly Dictionary<int, double[]> _inner = [];
    private readonly float[]?[] _gradients;
    private float[]? _doubt;
    private (double[] DX, double[][] DW)? _normDoubt;
    private bool _roundsGradient;
    private KnownTensor? _mainOutput;
    private LayerTruth? _truth;
    private LayerRun<double>? _run;

    /// <summary>Prepares the reference of an operation.</summary>
    /// <param name="facts">What the pass ran on.</param>
    /// <param name="operation">The operation.</param>
    /// <param name="exact">Whether sums are taken to be exact, and computed in full where that is affordable.</param>
    public OperationReference(PassFacts facts, TracedOperation operation, bool exact)
    {
        (_facts, _operation, _seen, _main) = (facts, operation, facts.Pass.Of(operation), operation.Node);
        _x = [.. _main.Inputs.Select(facts.Pass.Value)];
        _w = [.. _main.Parameters.Select(facts.Parameter)];
        _norm = operation.Nodes.Skip(1).FirstOrDefault(node => node.Layer is BatchNorm2d);
        _isBilinear = BilinearTerms.Knows(_main.Layer!);
        _exact = exact && _norm is null;
        _gradients = new float[]?[operation.Nodes.Count];
    }

    /// <summary>Whether the backward pass of the operation ran.</summary>
    public bool RunsBackward => _seen.UsedGradient is not null;

    /// <summary>The output.</summary>
    public KnownTensor Output()
    {
        KnownTensor y = MainOutput;
        for (int i = 1; i < _operation.Nodes.Count; i++)
        {
            if (_operation.Nodes[i] != _norm)
                y = Applied(i, y);
        }
        return y;
    }

    /// <summary>Returns the gradient that flows to an input of one of the operation's nodes.</summary>
    /// <param name="position">The position of the node.</param>
    /// <param name="input">The index of its input.</param>
    /// <param name="blocks">The elements to compute of sums; null for all.</param>
    public KnownTensor InputGradient(int position, int input, MapBlock[]? blocks)
    {
        DifferentiateTail();
        if (position > 0)
            return KnownTensor.Copied(_gradients[position]!);
        // The slope is that of the output as the operation read it.
        if (_main.Layer is FusableActivation activation)
            return Derivative(activation, _seen.UsedOutput!, _gradients[0]!);
        if (!_isBilinear)
            return Doubted(KnownTensor.Of(Truth.DX[input], _exact), _normDoubt?.DX);
        if (blocks is null && IsAffordable)
            return KnownTensor.Exact(Run.DX[0]);
        BilinearTerms terms = Terms();
        return Sampled(_x[0].Length, Plane(_main.InputShapes[0]), blocks, SumPass.InputGradient, terms.DX);
    }

    /// <summary>Returns the gradient of a parameter of the operation's node.</summary>
    /// <param name="index">The index of the parameter.</param>
    public KnownTensor ParameterGradient(int index)
    {
        DifferentiateTail();
        if (!_isBilinear)
            return Doubted(KnownTensor.Of(Truth.DW[index]!, _exact), _normDoubt?.DW[index]);
        if (IsAffordable)
            return KnownTensor.Exact(Run.DW[index]);
        BilinearTerms terms = Terms();
        if (index > 0)
            return Sampled(_w[index].Length, 1, null, SumPass.Forward, at => terms.DW(index, at), algorithm: false);
        IReadOnlyList<int> sizes = _main.Parameters[0].Dimensions;
        var filter = new Shape(sizes[1], sizes.Count > 2 ? sizes[2] : 1, sizes.Count > 3 ? sizes[3] : 1);
        int reach = DeclaredAccuracy.Reach(AlgorithmOf(SumPass.WeightGradient), SumPass.WeightGradient);
        Extent block = reach > 0 ? Plane(filter) : 1;
        MapBlock[]? blocks = SampledElements.Draw(sizes[0], filter, block, 0, terms.TermsOfDW, _facts.Budget,
            _facts.Draw);
        return Sampled(_w[0].Length, Plane(filter), blocks, SumPass.WeightGradient, at => terms.DW(0, at));
    }

    /// <summary>Returns a buffer after the pass; null if the parameter is none.</summary>
    public KnownTensor? Buffer(int index) => _main.Parameters[index].Trainable || _isBilinear
        ? null : Truth.Buffers[index] is { } buffer ? KnownTensor.Of(buffer, exact: false) : null;

    /// <summary>Chooses the elements of the gradient of an input to compute; null for all.</summary>
    public MapBlock[]? BlocksOf(int position)
    {
        if (position > 0 || !_isBilinear || IsAffordable)
            return null;
        SumAlgorithm algorithm = AlgorithmOf(SumPass.InputGradient);
        return SampledElements.Draw(_facts.Pass.N, _main.InputShapes[0], DeclaredAccuracy.Tile(algorithm),
            DeclaredAccuracy.Reach(algorithm, SumPass.InputGradient), Terms().TermsOfDX, _facts.Budget, _facts.Draw);
    }

    /// <summary>Whether float32 computes a result without rounding, whatever the order of its terms.</summary>
    /// <param name="pass">The pass that computes the result; null for the gradient of the bias.</param>
    public bool IsProvenExact(SumPass? pass)
    {
        if (!_isBilinear)
            return true;
        DifferentiateTail();
        LayerValues<float> given = Given;
        LayerTruth truth = _facts.Cache.Proof(given);
        bool sums = pass switch
        {
            SumPass.Forward => truth.Y.IsExact && TailIsExact(_operation),
            SumPass.InputGradient => truth.DX[0].IsExact,
            _ => truth.GradientsAreExact,
        };
        return sums && (pass == SumPass.Forward || !_roundsGradient)
            && (pass is not { } of || WinogradBudget.IsExact(given, AlgorithmOf(of), of));
    }

    private bool IsAffordable => _exact && _facts.Pass.N * _main.Layer!.MultiplyAdds(_main.InputShapes)
        <= PassFacts.MostMultiplyAdds;

    private KnownTensor MainOutput => _mainOutput ??= !_isBilinear ? KnownTensor.Of(Truth.Y, _exact)
        : IsAffordable ? KnownTensor.Exact(Run.Y) : SampledOutput();

    private LayerTruth Truth => _truth ??= _facts.Cache.Truth(Given);

    private LayerRun<double> Run => _run ??= _facts.Cache.Run(Given, RunsBackward);

    // If the backward pass of the operation did not run, the gradient is 0.
    private LayerValues<float> Given
    {
        get
        {
            DifferentiateTail();
            return Values(_gradients[0] ?? new float[_facts.Pass.N * _main.Shape.Length]);
        }
    }

    private LayerValues<float> Values(float[] dy) => new(_main.Layer!, _main.InputShapes, _facts.Pass.N, _x, _w, dy,
        _main.Index, _facts.PassNumber, _facts.Seed)
    { Training = _facts.Trains(_main) };

    private KnownTensor Applied(int position, KnownTensor x)
        => Forward(_operation.Nodes[position - 1], _operation.Nodes[position], x, _facts.Pass.N, _facts.Pass.Value);

    private SumAlgorithm AlgorithmOf(SumPass pass) => _facts.AlgorithmOf(_main, pass);

    private static Extent Plane(Shape shape) => new(shape.H, shape.W);

    private BilinearTerms Terms()
    {
        LayerValues<float> given = Given;
        return new BilinearTerms(given, _doubt, _norm is null ? null : Folded(given, _norm, _facts.Parameter));
    }

    private KnownTensor SampledOutput()
    {
        BilinearTerms terms = Terms();
        SumAlgorithm algorithm = AlgorithmOf(SumPass.Forward);
        Shape y = _main.Shape;
        Extent block = _operation.Nodes.Any(node => node.Layer is Pool2d) ? Plane(y) : DeclaredAccuracy.Tile(algorithm);
        MapBlock[]? blocks = SampledElements.Draw(_facts.Pass.N, y, block,
            DeclaredAccuracy.Reach(algorithm, SumPass.Forward), terms.TermsOfY, _facts.Budget, _facts.Draw);
        // A folded normalisation rounds each weight: its own scale and the product.
        double perTerm = _norm is null ? 0 : 4.0 / terms.TermsOfY;
        return Sampled(_facts.Pass.N * y.Length, Plane(y), blocks, SumPass.Forward, at => terms.Y(at) is var sum
            && perTerm > 0 ? sum with { Bound = sum.Bound + perTerm * sum.Ceiling, Ceiling = 2 * sum.Ceiling } : sum);
    }

    private KnownTensor Sampled(int length, Extent plane, MapBlock[]? blocks, SumPass pass,
        Func<int, SumOfTerms> element, bool algorithm = true)
    {
        SumAlgorithm of = algorithm ? AlgorithmOf(pass) : SumAlgorithm.Direct;
        if (of != SumAlgorithm.Direct)
            element = WithCancelledTerms(element, pass);
        TruthTensor sampled = SampledElements.Evaluate("", length, plane, blocks,
            DeclaredAccuracy.Lambda(of, pass) / DeclaredAccuracy.Direct, DeclaredAccuracy.Reach(of, pass), element);
        return _exact ? KnownTensor.Exact(sampled.Values) : new(sampled.Values, sampled.Bounds, sampled.Ceilings);
    }

    private Func<int, SumOfTerms> WithCancelledTerms(Func<int, SumOfTerms> element, SumPass pass)
    {
        BilinearTerms terms = Terms();
        Func<int, double> cancelled = terms.CancelledTerms(pass);
        double roundings = DeclaredAccuracy.Direct * BoundedSum.UnitRoundoff * Math.Sqrt(pass switch
        {
            SumPass.Forward => terms.TermsOfY,
            SumPass.InputGradient => terms.TermsOfDX,
            _ => terms.TermsOfDW,
        });
        return index =>
        {
            SumOfTerms sum = element(index);
            double least = roundings * cancelled(index);
            return sum with { Bound = Math.Max(sum.Bound, least), Ceiling = Math.Max(sum.Ceiling, least) };
        };
    }

    // Computes the gradient of the output of each node of the operation.
    private void DifferentiateTail()
    {
        int last = _operation.Nodes.Count - 1;
        if (_gradients[0] is not null || !RunsBackward)
            return;
        _gradients[last] = _seen.UsedGradient;
        bool sloped = _seen.IsSloped;
        for (int i = last; i > 0; i--)
        {
            float[] dy = _gradients[i]!;
            switch (_operation.Nodes[i].Layer)
            {
                case Add:
                    _gradients[i - 1] = dy;
                    break;
                case FusableActivation activation:
                    _gradients[i - 1] = sloped ? dy : Rounded(SlopeTimes(activation, Array.ConvertAll(i == last
                        ? _seen.Output! : Array.ConvertAll(Inner(i), v => (float)v), v => (double)v), dy));
                    sloped = true;
                    break;
                // Only behind a batch normalisation, whose output the backward pass recomputes, with its error.
                case InputActivation activation:
                    _gradients[i - 1] = Rounded(SlopeTimes(activation, Inner(i - 1), dy));
                    LayerValues<float> norm = Values(new float[dy.Length]);
                    double[] bounds = _facts.Cache.Truth(norm).Y.Bounds;
                    _normDoubt = Doubt(norm, [.. dy.Select((v, k) => Math.Abs(v) * (bounds[k] + SlopeError))]);
                    sloped = true;
                    break;
                // The forward pass has decided both: the winner has the slope of the output that it computed, and the
                // order of the values is that before the activation.
                case MaxPool2d when i > 1 && i == last
                    && _operation.Nodes[i - 1].Layer is FusableActivation activation:
                    _gradients[i - 1] = sloped ? dy : Rounded(SlopeTimes(activation,
                        Array.ConvertAll(_seen.Output!, v => (double)v), dy));
                    _gradients[i - 2] = Unpooled(_operation.Nodes[i], _gradients[i - 1]!, Inner(i - 2));
                    i--;
                    break;
                case Pool2d:
                    _gradients[i - 1] = Unpooled(_operation.Nodes[i], dy, Inner(i - 1));
                    break;
                case var layer:
                    throw NotKnown(layer!);
            }
        }
    }

    private static KnownTensor Doubted(KnownTensor known, double[]? doubt)
    {
        double[] Widened(double[]? errors) => [.. doubt!.Select((each, i) => each + (errors?[i] ?? 0))];
        return doubt is null ? known : new(known.Values, Widened(known.Bounds), Widened(known.Ceilings));
    }

    private float[] Unpooled(Node pool, float[] dy, double[] x)
    {
        // Twice the largest error of an inner value, on either side.
        double tolerance = _exact ? 0 : 4 * (MainOutputBounds().DefaultIfEmpty().Max());
        (double[] dx, _doubt) = PoolBackward(pool, _facts.Pass.N, x, dy, tolerance);
        return Rounded(dx);
    }

    // Where the backward pass needs values inside the operation, the output must not depend on its own gradient.
    private IEnumerable<double> MainOutputBounds()
    {
        LayerValues<float> given = Values(new float[_facts.Pass.N * _main.Shape.Length]);
        if (!BilinearTerms.Knows(_main.Layer!))
            return _facts.Cache.Truth(given).Y.Bounds;
        var terms = new BilinearTerms(given);
        const int Probes = 256;
        int length = _facts.Pass.N * _main.Shape.Length;
        double scale = DeclaredAccuracy.Lambda(AlgorithmOf(SumPass.Forward), SumPass.Forward) / DeclaredAccuracy.Direct;
        return Enumerable.Range(0, Math.Min(Probes, length))
            .Select(i => scale * terms.Y((int)((long)i * length / Probes % length)).Bound);
    }

    // The values of the output of a node inside the operation.
    private double[] Inner(int position)
    {
        if (_inner.TryGetValue(position, out double[]? known))
            return known;
        double[] values = position == 0
            ? _facts.Cache.Run(Values([]), backward: false).Y
            : Applied(position, KnownTensor.Exact(Inner(position - 1))).Values;
        return _inner[position] = values;
    }

    // A backend may round such a gradient or the sums that it goes into, so that neither is exact.
    private float[] Rounded(double[] gradient)
    {
        float[] rounded = Array.ConvertAll(gradient, v => (float)v);
        _roundsGradient |= gradient.Where((value, i) => rounded[i] != value).Any();
        return rounded;
    }
}
