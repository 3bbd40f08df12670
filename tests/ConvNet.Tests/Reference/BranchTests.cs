using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Kinks that float32 may pass on either side are named, and others are not.</summary>
public sealed class BranchTests
{
    // Summed in this order, float32 makes 0 of them; of these floats the sum is about 7·10⁻⁹.
    private static readonly float[] Cancelling = [0.1f, 0.2f, -0.3f];

    [Test]
    public void AReluWhoseArgumentCancelsIsNear()
    {
        Graph graph = Sequential.Of(Shape.Vector(3), new Conv2d(1, 1, bias: false), new Relu());
        NearBranch branch = Branches.Near(graph, 1, [[1, 1, 1]], [Cancelling], seed: 1).Single();
        Assert.That(branch.Margin, Is.EqualTo(Math.Abs((double)0.1f + 0.2f - 0.3f)));
        Assert.That(branch.ToString(), Does.StartWith("branch flip at margin").And.EndWith("in layer relu1"));
    }

    [Test]
    public void AMaximumOfTwoThatCancelIsNear()
    {
        // Two maps' values from one filter: x and x + 7·10⁻⁹ under one window.
        Graph graph = Sequential.Of(new Shape(4, 1, 2), new Conv2d(1, 1, bias: false), new MaxPool2d((1, 2)));
        float[] images = [1, 1, 0, 1, 0, 1, 0, 1];
        Assert.That(Branches.Near(graph, 1, [images], [[1, .. Cancelling]], seed: 1).Select(b => b.Layer),
            Is.EqualTo(new[] { "maxpool1" }));
    }

    [Test]
    public void AnOrdinaryArgumentAndATieOfZerosAreNot()
    {
        Graph graph = Sequential.Of(new Shape(3, 1, 2), new Conv2d(1, 1, bias: false), new Relu(),
            new MaxPool2d((1, 2)));
        Assert.That(Branches.Near(graph, 2, [[-1, -1, -1, -1, -1, -1, 1, 2, 1, 1, 3, 1]], [[0.1f, 0.2f, 0.3f]],
            seed: 1),
            Is.Empty);
    }
}
