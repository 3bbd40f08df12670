namespace ConvNet.Mpi;

/// <summary>Checks that a loss can be computed by several ranks: that its sum, divided by what it counts, is its
/// mean.</summary>
internal static class LossReduction
{
    private const int Samples = 2;
    private const double Tolerance = 1e-6;

    /// <summary>Throws unless the loss of an output respects its reduction.</summary>
    /// <exception cref="ArgumentException">It does not.</exception>
    public static void Check(Objective objective)
    {
        Loss loss = objective.Loss;
        // The losses of this library do.
        if (loss.Reduction == Reduction.Sum || loss.GetType().Assembly == typeof(Loss).Assembly)
            return;
        Shape shape = objective.Output.Shape;
        var values = new float[Samples * loss.TargetsPerSample(shape)];
        Array.Fill(values, (float)Math.Clamp(0.5, loss.TargetRange.Least, loss.TargetRange.Most));
        Targets targets = loss.Takes == TargetKind.Values ? values : new int[values.Length];
        double mean = ValueOf(loss, shape, targets),
            sum = ValueOf(loss with { Reduction = Reduction.Sum }, shape, targets),
            expected = mean * loss.DivisorOf(shape, Samples, targets);
        if (double.IsFinite(sum) && Math.Abs(sum - expected) > Tolerance * Math.Max(Math.Abs(sum), Math.Abs(expected)))
            throw new ArgumentException($"{loss.GetType().Name} cannot be computed by several ranks: its sum is not "
                + $"its mean times what it counts. Divide by {nameof(LossFrame<>)}.{nameof(LossFrame<>.Share)} of its "
                + $"{nameof(Loss.Reduction)}, and override CountOf if it does not count the targets.");
    }

    private static double ValueOf(Loss loss, Shape shape, Targets targets)
    {
        double[] y = new double[Samples * shape.Length], dy = new double[y.Length];
        for (int i = 0; i < y.Length; i++)
            y[i] = 0.25 + 0.5 * (i % 3);
        return loss.Evaluate(new LossFrame<double>(shape, y, targets, dy));
    }
}
