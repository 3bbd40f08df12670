using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Assertions;

public sealed class GradientTests
{
    [Test]
    public void ManagedIsRight()
    {
        using var backend = new ManagedBackend(threads: 1);
        GradientCheck.Run(new Relu(), [new Shape(3, 5, 7)], [backend]).ThrowIfFailed();
    }

    [Test]
    public void GeluForReluIsWrong()
    {
        using var backend = new GeluForRelu();
        GradientCheck.Run(new Relu(), [new Shape(3, 5, 7)], [backend]).ThrowIfFailed("case.json");
    }
}
