namespace ConvNet;

/// <summary>Softmax cross-entropy: the mean over the batch of −log softmax(y)_t.</summary>
/// <remarks>
/// Computed as log Σ_j exp(y_j − m) − (y_t − m), where m is the largest score. The gradient is
/// w_n·(softmax(y)_j − [j = t]) / Σ w; per pixel it is divided by H·W. The outputs of a sample form one vector. Per
/// pixel, the C values of each pixel form a vector, and the mean is taken over pixels too.
/// </remarks>
/// <param name="PerPixel">Whether every pixel of the output has its own class, as in semantic
/// segmentation.</param>
public sealed record SoftmaxCrossEntropy(bool PerPixel = false) : Loss
{
    private static readonly AttributeDeclaration<bool> s_perPixel
        = AttributeDeclaration.Flag<SoftmaxCrossEntropy>("perPixel", loss => loss.PerPixel, false);

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("softmax", "cross-entropy", [s_perPixel],
        values => new SoftmaxCrossEntropy(values.Get(s_perPixel)));

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    /// <inheritdoc/>
    public override TargetKind Takes => PerPixel ? TargetKind.ClassesPerPixel : TargetKind.Classes;

    /// <inheritdoc/>
    public override T Evaluate<T>(in LossFrame<T> f)
    {
        (int classes, int pixels) = (f.Output.C, f.Output.Area);
        BlockedSum<T> total = default;
        T share = T.One / (f.TotalWeight * T.CreateChecked(pixels));
        for (int n = 0; n < f.N; n++)
        {
            T weight = f.Weight(n);
            for (int pixel = 0; pixel < pixels; pixel++)
            {
                // The outputs of one pixel are one map apart in memory.
                ReadOnlySpan<T> y = f.Y[(n * f.Output.Length + pixel)..];
                Span<T> dy = f.DY[(n * f.Output.Length + pixel)..];
                int target = f.Targets.Classes[n * pixels + pixel];
                T largest = y[0];
                BlockedSum<T> exponentials = default;
                for (int j = 1; j < classes; j++)
                    largest = y[j * pixels] > largest || T.IsNaN(y[j * pixels]) ? y[j * pixels] : largest;
                for (int j = 0; j < classes; j++)
                    exponentials.Add(dy[j * pixels] = T.Exp(y[j * pixels] - largest));
                T sum = exponentials.Value;
                for (int j = 0; j < classes; j++)
                    dy[j * pixels] = (dy[j * pixels] / sum - (j == target ? T.One : T.Zero)) * (weight * share);
                total.Add(weight * (T.Log(sum) - (y[target * pixels] - largest)));
            }
        }
        return total.Value * share;
    }
}
