namespace ConvNet.GradientChecking.Research;

/// <summary>One result of one pass into which a fault is injected.</summary>
/// <param name="fault">The fault.</param>
/// <param name="random">Selects the position.</param>
/// <param name="rerun">Runs passes again.</param>
/// <param name="graph">The graph.</param>
/// <param name="pass">The pass.</param>
/// <param name="before">The previous pass; null if there was none.</param>
/// <param name="parameter">The parameter or buffer of the result; null if it has none.</param>
/// <param name="node">The input or output of the result; null if it has none.</param>
internal sealed class FaultySpot(Fault fault, Random random, Rerun rerun, Graph graph, TrainingPass pass,
    TrainingPass? before, Parameter? parameter, Node? node)
{
    private const int Trials = 100, Vector = 8;

    private int N => pass.SamplesOf(graph);

    // The dimensions, outermost first: N×C×H×W, except for the results of a parameter.
    private IReadOnlyList<int> Dimensions => (fault.Target, parameter) switch
    {
        (FaultTarget.Loss, _) => [],
        (_, not null) => parameter.Dimensions,
        _ => [N, node!.Shape.C, node.Shape.H, node.Shape.W],
    };

    /// <summary>Returns the result with the fault, or unchanged if the fault does not apply.</summary>
    public float[] Spoilt(float[] right) => fault.Kind switch
    {
        FaultKind.TailDropped => [.. right[..((right.Length - 1) / Vector * Vector)],
            .. NotComputed(right.Length)[((right.Length - 1) / Vector * Vector)..]],
        FaultKind.PaddingOffByOne when fault.Target == FaultTarget.InputGradient => Shifted(right, node!.Shape),
        FaultKind.PaddingOffByOne => With(right, pass with { Inputs = OfEachInput(Shifted) }),
        FaultKind.BiasMissing
            => With(right,
            pass with
            {
                State = [.. graph.Parameters.Select(p => p.Role == ParameterRole.Bias ? new float[p.Length]
            : pass.State[p.Index])]
            }),
        FaultKind.StaleGradient => before is null ? right : Sum(right, rerun.Of(before, fault.Target, parameter, node)),
        FaultKind.FactorOfTwo => Array.ConvertAll(right, v => 2 * v),
        FaultKind.AllZero => NotComputed(right.Length),
        FaultKind.SwappedStride => Transposed(right),
        FaultKind.TermLeftOut => WithoutTerm(right, (_, without) => without),
        FaultKind.TermTwice => IsMaximum ? right : WithoutTerm(right, (with, without) => with + (with - without)),
        FaultKind.NeighbourTaken => AtOnePosition(right, i => right[(i + 1) % right.Length]),
        FaultKind.SignFlipped => AtOnePosition(right, i => -right[i]),
        FaultKind.ChannelsSwapped => WithSlices(right, parameter is null ? 1 : 0, exchanged: true),
        FaultKind.SampleMixedUp => SampleMixedUp(right),
        FaultKind.CountOffByOne => Array.ConvertAll(right, v => (float)(v * (double)N / (N + 1))),
        _ => right,
    };

    private bool IsMaximum
        => fault.Target == FaultTarget.Output && float.IsNegativeInfinity(node!.Layer!.NeutralInput);

    private float[] With(float[] right, TrainingPass other)
        => rerun.OfOther(right, pass, other, fault.Target, parameter, node);

    // A buffer that is not computed keeps its previous values.
    private float[] NotComputed(int length) => fault.Target == FaultTarget.Buffer ? pass.State[parameter!.Index]
        : new float[length];

    private static float[] Sum(float[] a, float[] b) => [.. a.Select((v, i) => i < b.Length ? v + b[i] : v)];

    // Changes one result by the contribution of a single value of an input or of the output's gradient.
    private float[] WithoutTerm(float[] right, Func<float, float, float> wrong)
    {
        bool ofInput = fault.Target is FaultTarget.Output or FaultTarget.Buffer or FaultTarget.Loss
            || pass.OutputGradient.Length == 0;
        float[][] sources = ofInput ? pass.Inputs : pass.OutputGradient;
        int length = sources.Sum(values => values.Length);
        for (int trial = 0; trial < Trials; trial++)
        {
            (int source, int left) = Located(random.Next(length), sources);
            if (Absent(left, ofInput) is not { } absent || sources[source][left] == absent)
                continue;
            float[][] without = [.. sources];
            without[source] = [.. sources[source]];
            without[source][left] = absent;
            float[] result = With(right, ofInput ? pass with { Inputs = without } : pass
                with
            { OutputGradient = without });
            float[] spoilt = AtOnePosition(right, i => wrong(right[i], result[i]));
            if (!spoilt.AsSpan().SequenceEqual(right))
                return spoilt;
        }
        return right;
    }

    // Returns the tensor, and the index in that tensor, of an index into the concatenation of several tensors.
    private static (int Tensor, int Index) Located(int index, float[][] tensors)
    {
        int tensor = 0;
        for (; index >= tensors[tensor].Length; tensor++)
            index -= tensors[tensor].Length;
        return (tensor, index);
    }

    // The value that contributes nothing at this position; null if there is none.
    private float? Absent(int index, bool ofInput)
    {
        bool isOutput = ofInput && graph.LayerNodes.All(node => node.Layer!.IsView);
        if (isOutput && pass.Targets?.Classes is { } labels)
        {
            Shape shape = graph.Input.Shape;
            (int sample, int value) = Math.DivRem(index, shape.Length);
            (int channel, int pixel) = Math.DivRem(value, shape.Area);
            int each = labels.Length / N;
            return labels[sample * each + (each > 1 ? pixel : 0)] == channel ? null : float.NegativeInfinity;
        }
        return isOutput && pass.Targets?.Values is { } targets ? targets[index] : IsMaximum ? float.NegativeInfinity
            : 0;
    }

    private float[] AtOnePosition(float[] right, Func<int, float> wrongAt)
    {
        int[] positions = [.. Enumerable.Range(0, right.Length).Where(i => wrongAt(i) != right[i])];
        if (positions.Length == 0)
            return right;
        float[] wrong = [.. right];
        int position = positions[random.Next(positions.Length)];
        wrong[position] = wrongAt(position);
        return wrong;
    }

    private float[][] OfEachInput(Func<float[], Shape, float[]> change)
        => [.. graph.Inputs.Select((input, i) => change(pass.Inputs[i], input.Shape))];

    // Shifts every row one column to the left; a 0 enters on the right. A vector is one row.
    private static float[] Shifted(float[] values, Shape shape)
    {
        int width = shape.IsVector ? shape.C : shape.W;
        return [.. values.Select((_, i) => (i + 1) % width == 0 ? 0 : values[i + 1])];
    }

    // Swaps the strides of the two innermost dimensions that are larger than 1.
    private float[] Transposed(float[] right)
    {
        int[] sizes = [.. Dimensions.Where(size => size > 1).TakeLast(2)];
        if (sizes.Length < 2)
            return right;
        (int rows, int columns) = (sizes[0], sizes[1]);
        return [.. right.Select(
            (_, i) => right[i / (rows * columns) * rows * columns + i % columns * rows + i / columns % rows])];
    }

    private float[] SampleMixedUp(float[] right) => fault.Target switch
    {
        FaultTarget.Output or FaultTarget.InputGradient => WithSlices(right, 0, exchanged: false),
        FaultTarget.WeightGradient or FaultTarget.Loss when N > 1
            => With(right, pass with
            {
                Inputs = OfEachInput((values, shape) => [.. values[shape.Length..], .. values[..shape.Length]]),
            }),
        _ => right,
    };

    /// <summary>Replaces the values at a random index of an axis by those of the next index. If exchanged, the next
    /// index gets the replaced values; otherwise it keeps its own.</summary>
    private float[] WithSlices(float[] right, int axis, bool exchanged)
    {
        if (Dimensions.Count <= axis || Dimensions[axis] < 2)
            return right;
        int length = Dimensions.Skip(axis + 1).Aggregate(1, (product, size) => product * size),
            index = random.Next(Dimensions[axis] - 1);
        float[] wrong = [.. right];
        for (int start = index * length; start < right.Length; start += Dimensions[axis] * length)
        {
            right.AsSpan(start + length, length).CopyTo(wrong.AsSpan(start));
            if (exchanged)
                right.AsSpan(start, length).CopyTo(wrong.AsSpan(start + length));
        }
        return wrong;
    }
}
