using ConvNet.Data;
using ConvNet.Serialization;
using static System.FormattableString;

namespace ConvNet.Training;

/// <summary>A learning-rate range test: the loss while the learning rate rises from step to step.</summary>
/// <remarks>
/// The learning rate of step i of N is α₀ (α₁ / α₀)^(i / (N − 1)). The losses are smoothed by an exponential moving
/// average with bias correction, as in Adam. The test ends early when the smoothed loss is four times its smallest
/// value, or when a loss is not finite. Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV
/// 2017.
/// </remarks>
public sealed class LearningRateTest
{
    private const double Smoothing = 0.9, Explosion = 4;

    // The ends say little: the average begins with single losses, and the loss explodes behind the best rates.
    private const int LeftOutFirst = 10, LeftOutLast = 1;

    private LearningRateTest(IReadOnlyList<LearningRatePoint> points) => Points = points;

    /// <summary>The steps, in their order.</summary>
    public IReadOnlyList<LearningRatePoint> Points { get; }

    /// <summary>The learning rate at which the smoothed loss falls most steeply over the logarithm of the rate; null if
    /// the loss never falls.</summary>
    public float? Suggestion
    {
        get
        {
            // Loss by logarithm of the rate: equal steps.
            int[] inner = [.. Enumerable.Range(1, Math.Max(0, Points.Count - 2))
                .Where(i => i >= LeftOutFirst && i < Points.Count - LeftOutLast)];
            double Slope(int i) => Points[i + 1].Smoothed - Points[i - 1].Smoothed;
            return inner.Length > 0 && inner.MinBy(Slope) is var best && Slope(best) < 0
                ? Points[best].LearningRate : null;
        }
    }

    /// <summary>Runs the test. The executable has the state of before afterwards.</summary>
    /// <param name="executable">The executable, with initialised parameters.</param>
    /// <param name="data">The loader of the training samples; its epochs follow each other from the first.</param>
    /// <param name="lowest">α₀, the learning rate of the first step, above 0.</param>
    /// <param name="highest">α₁, that of the last step, above α₀.</param>
    /// <param name="steps">N, the number of steps, from 20.</param>
    /// <param name="cancellation">Cancels the test between two steps.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> or <paramref name="data"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">The data does not match the network.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    /// <exception cref="InvalidOperationException">The parameters are not initialised.</exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    /// <exception cref="OperationCanceledException">The test was cancelled.</exception>
    public static LearningRateTest Run(IExecutable executable, DataLoader data, float lowest = 1e-6f,
        float highest = 1, int steps = 100, CancellationToken cancellation = default)
    {
        var binding = DataBinding.ForTraining(executable, data);
        if (!(float.IsFinite(highest) && lowest > 0 && lowest < highest))
            throw new ArgumentOutOfRangeException(nameof(lowest), Invariant($"The learning rates go from {lowest} to ")
                + Invariant($"{highest}; they must be finite, above 0, and rise."));
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 20);
        TrainingState state = executable.SaveState();
        try
        {
            return new LearningRateTest([.. Steps(executable, data, binding, lowest, highest, steps, cancellation)]);
        }
        finally
        {
            executable.LoadState(state);
        }
    }

    private static IEnumerable<LearningRatePoint> Steps(IExecutable executable, DataLoader data, DataBinding binding,
        float lowest, float highest, int steps, CancellationToken cancellation)
    {
        double average = 0, weight = 0, best = double.PositiveInfinity;
        int step = 0;
        for (int epoch = 1; step < steps; epoch++)
        {
            foreach (Batch batch in data.Epoch(epoch, cancellation))
            {
                using (batch)
                {
                    float rate = (float)(lowest * Math.Pow((double)highest / lowest, step / (steps - 1.0)));
                    double loss = executable.TrainStep(batch.Inputs, binding.TargetsOf(batch), rate);
                    if (!double.IsFinite(loss))
                        yield break;
                    average = Smoothing * average + (1 - Smoothing) * loss;
                    weight = Smoothing * weight + (1 - Smoothing);
                    double smoothed = average / weight;
                    best = Math.Min(best, smoothed);
                    yield return new LearningRatePoint(rate, loss, smoothed);
                    if (smoothed > Explosion * best || ++step == steps)
                        yield break;
                }
            }
        }
    }
}
