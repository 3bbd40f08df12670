using ConvNet.GradientChecking;
using Xunit;

namespace ConvNet.Assertions;

public sealed class GradientTests
{
    [Fact]
    public void ManagedIsRight()
    {
        using var backend = new ManagedBackend(threads: 1);
        GradientCheck.Run(new Relu(), [new Shape(3, 5, 7)], [backend]).ThrowIfFailed();
    }

    [Fact]
    public void GeluForReluIsWrong()
    {
        using var backend = new GeluForRelu();
        GradientCheck.Run(new Relu(), [new Shape(3, 5, 7)], [backend]).ThrowIfFailed("case.json");
    }
}
