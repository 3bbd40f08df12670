using ConvNet.Data;
using ConvNet.Models;
using ConvNet.Training;

namespace ConvNet.Examples.Networks;

/// <summary>An optimiser of one's own: every backend runs its rule over the parameters.</summary>
public static class OwnOptimizer
{
    /// <summary>Trains the network for digits and returns its accuracy on the test images.</summary>
    public static double Run(TextWriter output)
    {
        var data = ImageData.Digits();
        const int BatchSize = 32;
        var normalization = Normalization.Of(data.Train);
        using var backend = new NativeBackend();
        using IExecutable net = backend.Compile(BuiltInModels.Create("digits"),
            new TrainingSpec(BatchSize, new SoftmaxCrossEntropy(), new Signum()));
        net.Initialize(new HeNormal(Seed: 1));
        TrainingResult result = new Trainer(net, new TrainerOptions
        {
            Epochs = 5,
            LearningRate = 0.001f,
            Schedule = new CosineSchedule(),
        }).Train(
            new DataLoader(data.Train, BatchSize, new() { Shuffle = true, Transforms = [normalization] }),
            new DataLoader(data.Test, BatchSize, new() { Transforms = [normalization] }));
        output.WriteLine($"test accuracy {result.Test!.Accuracy:0.0%}");
        return result.Test.Accuracy;
    }

    /// <summary>Steps of one size against the sign of the momentum: m ← βm + (1 − β)g, w ← w − α·sign(m).</summary>
    /// <remarks>Source: Bernstein et al., ICML 2018. Where gradient and momentum are 0, the weight stays.</remarks>
    private sealed record Signum : ElementwiseOptimizer
    {
        private const float Beta = 0.9f;

        public override IReadOnlyList<string> StateNames => ["momentum_buffer"];

        public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
        {
            T rate = T.CreateChecked(context.LearningRate), beta = T.CreateChecked(Beta);
            Span<T> m = state[0];
            for (int i = 0; i < w.Length; i++)
            {
                m[i] = beta * m[i] + (T.One - beta) * g[i];
                w[i] -= m[i] > T.Zero ? rate : m[i] < T.Zero ? -rate : T.Zero;
            }
        }
    }
}
