using ConvNet.GradientChecking;

namespace ConvNet.Assertions;

[TestClass]
public sealed class GradientTests
{
    [TestMethod]
    public void ManagedIsRight()
    {
        using var backend = new ManagedBackend(threads: 1);
        GradientCheck.Run(new Relu(), [new Shape(3, 5, 7)], [backend]).ThrowIfFailed();
    }

    [TestMethod]
    public void GeluForReluIsWrong()
    {
        using var backend = new GeluForRelu();
        GradientCheck.Run(new Relu(), [new Shape(3, 5, 7)], [backend]).ThrowIfFailed("case.json");
    }
}
