using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Training;

namespace ConvNet.Examples.Networks;

/// <summary>A layer of one's own, checked and then trained with: the native backend runs it between its
/// kernels.</summary>
public static class OwnLayer
{
    /// <summary>Checks the layer, trains a network with it and returns its accuracy on the test images.</summary>
    public static double Run(TextWriter output)
    {
        using var backend = new NativeBackend();
        GradientReport report = GradientCheck.Run(new Softsign(), [new Shape(3, 5, 7)], [backend]);
        report.ThrowIfFailed();
        output.WriteLine($"gradient check: {report.Layers.SelectMany(layer => layer.Tensors)
            .Sum(tensor => tensor.Elements):N0} values right");

        var data = ImageData.Digits();
        Graph graph = Sequential.Of(data.Train.Shape, new Conv2d(16, 3, padding: 1), new Softsign(), new MaxPool2d(2),
            new Conv2d(32, 3, padding: 1), new Softsign(), new MaxPool2d(2), new Flatten(), new Linear(data.Classes));
        const int BatchSize = 32;
        var normalization = Normalization.Of(data.Train);
        using IExecutable net = backend.Compile(graph,
            new TrainingSpec(BatchSize, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)));
        net.Initialize(new XavierUniform(Seed: 1));
        TrainingResult result = new Trainer(net, new TrainerOptions { Epochs = 5, LearningRate = 0.05f }).Train(
            new DataLoader(data.Train, BatchSize, new() { Shuffle = true, Transforms = [normalization] }),
            new DataLoader(data.Test, BatchSize, new() { Transforms = [normalization] }));
        output.WriteLine($"test accuracy {result.Test!.Accuracy:0.0%}");
        return result.Test.Accuracy;
    }

    /// <summary>Softsign, elementwise: y = x / (1 + |x|). Backward: dx = dy / (1 + |x|)².</summary>
    private sealed record Softsign : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        // The backward pass may ask for x, and for nothing else.
        public override BackwardReads BackwardReads => BackwardReads.Inputs;

        public override void Forward<T>(in Frame<T> f)
        {
            ReadOnlySpan<T> x = f.X(0);
            Span<T> y = f.Y;
            for (int i = 0; i < y.Length; i++)
                y[i] = x[i] / (T.One + T.Abs(x[i]));
        }

        public override void Backward<T>(in Frame<T> f)
        {
            if (!f.WantsDX(0))
                return;
            ReadOnlySpan<T> x = f.X(0), dy = f.DY;
            Span<T> dx = f.DX(0);
            for (int i = 0; i < dx.Length; i++)
            {
                T d = T.One + T.Abs(x[i]);
                dx[i] = dy[i] / (d * d);
            }
        }
    }
}
