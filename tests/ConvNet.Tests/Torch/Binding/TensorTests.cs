using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NUnit.Framework;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace ConvNet.Tests.Torch.Binding;

[TestFixture]
public sealed class TensorTests
{
    [Test]
    public void FrombufferIsAnAliasBothWays()
    {
        float[] array = [1, 2, 3, 4];
        using Tensor tensor = frombuffer(array, ScalarType.Float32, count: 2, offset: 1);
        array[1] = 20;
        tensor.Floats()[1] = 30;
        Assert.That(tensor.Floats().ToArray(), Is.EqualTo(new[] { 20f, 30f }));
        Assert.That(array, Is.EqualTo(new[] { 1f, 20f, 30f, 4f }));
    }

    [Test]
    public void FrombufferFreesItsArrayWithTheLastTensorOverIt()
    {
        WeakReference array = Alias(out Tensor view);
        GC.Collect();
        Assert.That(array.IsAlive, Is.True, "a view is left");
        view.Dispose();
        GC.Collect();
        Assert.That(array.IsAlive, Is.False);
    }

    [TestCase(-1, 5, "invalid value for 'offset': 5")]
    [TestCase(5, 0, "element count is too large")]
    public void FrombufferRefusesWhatIsNotInTheArray(long count, long offset, string message) =>
        Assert.That(
            () => frombuffer(new float[4], ScalarType.Float32, count, offset),
            Throws.InstanceOf<ArgumentException>().With.Message.Contains(message));

    [Test]
    public void FrombufferDoesNotReinterpret() =>
        Assert.That(
            () => frombuffer(new int[4], ScalarType.Float32),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("Float32 over an array of Int32"));

    [Test]
    public void ShapeAndBytesAreThoseOfTheTensor()
    {
        using Tensor tensor = zeros([2, 3, 1]);
        Assert.That(tensor.shape, Is.EqualTo(new long[] { 2, 3, 1 }));
        Assert.That(tensor.bytes.Length, Is.EqualTo(24));
    }

    [Test]
    public void ItemReadsTheOneValueInItsOwnType()
    {
        using var scope = NewDisposeScope();
        Tensor sum = frombuffer(new[] { 1f, 2f, 4f }, ScalarType.Float32).sum();
        Assert.That(sum.item<float>(), Is.EqualTo(7));
        Assert.That(() => sum.item<double>(), Throws.ArgumentException.With.Message.Contains("Double is not compatible with Float32"));
        Assert.That(() => zeros([2]).item<float>(), Throws.ArgumentException.With.Message.Contains("[2]"));
    }

    [Test]
    public void BackwardFillsTheGradientsOfLeaves()
    {
        using var scope = NewDisposeScope();
        Tensor x = frombuffer(new[] { -1f, 2f }, ScalarType.Float32, requires_grad: true);
        x.mul(x).relu().sum().backward();
        Assert.That(x.grad!.Floats().ToArray(), Is.EqualTo(new[] { -2f, 4f }));
        x.grad = null;
        Assert.That(x.grad, Is.Null);
        x.relu().backward([frombuffer(new[] { 5f, 7f }, ScalarType.Float32)]);
        Assert.That(x.grad!.Floats().ToArray(), Is.EqualTo(new[] { 0f, 7f }));
    }

    [Test]
    public void NoGradHoldsUntilItsEnd()
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros([1], requires_grad: true);
        Tensor without;
        using (no_grad())
            without = x.relu();
        Assert.That((without.requires_grad, x.relu().requires_grad), Is.EqualTo((false, true)));
    }

    [Test]
    public void AParameterTakesItsTensorOver()
    {
        using Tensor data = zeros([3]);
        using var parameter = new TorchSharp.Modules.Parameter(data);
        Assert.That((data.IsInvalid, parameter.requires_grad), Is.EqualTo((true, true)));
        Assert.That(parameter.shape, Is.EqualTo(new long[] { 3 }));
    }

    [Test]
    public void SgdMovesAgainstTheGradient()
    {
        using var scope = NewDisposeScope();
        using var parameter = new TorchSharp.Modules.Parameter(zeros([2]));
        using SGD sgd = optim.SGD([parameter], 1, momentum: 0.5);
        foreach (optim.ILearningRateController group in sgd.ParamGroups)
            group.LearningRate = 0.25;
        parameter.sum().backward();
        sgd.step();
        sgd.step();
        Assert.That(parameter.Floats().ToArray(), Is.EqualTo(new[] { -0.625f, -0.625f }));
    }

    [Test]
    public void LibtorchsOwnWordsReachTheCaller()
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros([1, 3, 8, 8]), w = zeros([4, 2, 3, 3]);
        Assert.That(
            () => nn.functional.conv2d(x, w),
            Throws.TypeOf<ExternalException>().With.Message.Contains("expected input[1, 3, 8, 8] to have 2 channels, but got 3 channels"));
        Assert.That(
            () => nn.functional.linear(zeros([5, 7]), zeros([2, 6])),
            Throws.TypeOf<ExternalException>().With.Message.Contains("mat1 and mat2 shapes cannot be multiplied (5x7 and 6x2)"));
        Assert.That(
            () => x.reshape(5, 5),
            Throws.TypeOf<ExternalException>().With.Message.Contains("shape '[5, 5]' is invalid for input of size 192"));
    }

    [Test]
    public void AFailureLeavesTheThreadAsItWas()
    {
        using var scope = NewDisposeScope();
        Assert.That(() => zeros([2]).add(zeros([3])), Throws.TypeOf<ExternalException>());
        Assert.That(zeros([2]).add(zeros([2])).shape, Is.EqualTo(new long[] { 2 }));
    }

    [Test]
    public void AUseAfterDisposeIsRefused()
    {
        Tensor tensor = zeros([1]);
        tensor.Dispose();
        Assert.That(() => tensor.relu(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void WhatItLacksItSays()
    {
        using var scope = NewDisposeScope();
        using var parameter = new TorchSharp.Modules.Parameter(zeros([1]));
        Assert.That(() => optim.SGD([parameter], 1, maximize: true), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => zeros([1], names: ["n"]), Throws.TypeOf<NotSupportedException>());
        Assert.That(() => parameter.sum().backward(inputs: [parameter]), Throws.TypeOf<NotSupportedException>());
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Alias(out Tensor view)
    {
        float[] array = new float[8];
        using Tensor whole = frombuffer(array, ScalarType.Float32);
        view = whole.reshape(2, 4);
        return new WeakReference(array);
    }

    [Test]
    public void ValuesAreMovedInPiecesOfAnySize([Range(1, 8)] int piece)
    {
        float[] values = [1, 2, 3, 4, 5, 6], read = new float[6];
        using Tensor tensor = zeros([2, 3]);
        tensor.WriteFloats(values, piece);
        Assert.That(tensor.Floats().ToArray(), Is.EqualTo(values));
        tensor.ReadFloats(read, piece);
        Assert.That(read, Is.EqualTo(values));
    }
}
