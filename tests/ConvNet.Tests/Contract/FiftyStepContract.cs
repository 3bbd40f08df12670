using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Training over many steps is as close to the double run as float32 can be. The double run, which takes most
/// of the time, is made once for all backends.</summary>
public sealed class FiftyStepContract
{
    private static IEnumerable<TestCaseData> FiftySteps()
    {
        (string Name, Func<Graph> Build)[] networks =
            [("convolutions", Convolutional), ("residual with batch norm", TrainingContract.Residual)];
        (string Name, Optimizer Optimizer, float Rate)[] optimizers =
        [
            ("sgd", new Sgd(), 0.05f),
            ("momentum", new Sgd(momentum: 0.9f), 0.01f),
            ("nesterov and decay", new Sgd(momentum: 0.9f, nesterov: true, weightDecay: 5e-4f), 0.01f),
            ("decay of weights only",
                new Sgd(weightDecay: 0.01f) { Groups = [new("*.bias") { WeightDecay = 0 }] }, 0.05f),
        ];
        Loss[] losses = [new SoftmaxCrossEntropy(), new MulticlassSvm(), new MeanSquaredError()];
        foreach ((string network, Func<Graph> build) in networks)
        {
            for (int i = 0; i < optimizers.Length; i++)
            {
                (string name, Optimizer optimizer, float rate) = optimizers[i];
                Loss loss = losses[i % losses.Length];
                yield return new TestCaseData(build, optimizer, rate, loss)
                    .SetArgDisplayNames(network, name, loss.GetType().Name);
            }
        }
    }

    [TestCaseSource(nameof(FiftySteps))]
    public void FiftyStepsStayCloseToTheDoubleRun(Func<Graph> build, Optimizer optimizer, float rate, Loss loss)
    {
        var check = new EndToEnd(build(), new TrainingSpec(8, loss, optimizer) { Seed = 11 }, steps: 50, rate);
        Backends.Use(Backends.All, opened => Reports.AssertPasses(new GradientReport([.. check.Check(opened)], [])));
    }

    private static Graph Convolutional() => Sequential.Of(new Shape(3, 6, 8),
        new Conv2d(5, 3, padding: 1), new Relu(), new MaxPool2d(2), new Conv2d(17, 3), new Relu(), new Flatten(),
            new Dropout(0.25f), new Linear(5));
}
