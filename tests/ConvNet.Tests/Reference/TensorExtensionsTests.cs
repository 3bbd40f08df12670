using System.Numerics.Tensors;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Executables that are read and written as tensors.</summary>
public sealed class TensorExtensionsTests
{
    private const int Batch = 3;

    private static readonly Shape s_input = new(2, 4, 3);

    private ManagedBackend _backend = null!;
    private IExecutable _network = null!;
    private Parameter _weight = null!;

    [SetUp]
    public void Compile()
    {
        _backend = new ManagedBackend();
        _network = _backend.Compile(Sequential.Of(s_input, new Conv2d(5, (3, 2)), new Flatten(), new Linear(4)),
            new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd()) { KeepGradients = true });
        _network.Initialize(new HeNormal(1));
        _weight = _network.Graph.Parameters[0];
    }

    [TearDown]
    public void Close()
    {
        _network.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void ParametersAndGradientsHaveTheDimensionsOfTheirLayer()
    {
        _network.TrainStep(Samples.Uniform(Batch * s_input.Length, 1), new int[Batch], 0.1f);
        (float[] values, float[] gradients) = (new float[_weight.Length], new float[_weight.Length]);
        _network.Read(_weight, values);
        _network.ReadGradient(_weight, gradients);
        Tensor<float> weight = _network.ReadTensor(_weight), gradient = _network.ReadGradientTensor(_weight);
        Assert.Multiple(() =>
        {
            Assert.That(weight.Lengths.ToArray(), Is.EqualTo((nint[])[5, 2, 3, 2]));
            Assert.That(gradient.Lengths.ToArray(), Is.EqualTo(weight.Lengths.ToArray()));
            Assert.That(weight.ToArray(), Is.EqualTo(values));
            Assert.That(gradient.ToArray(), Is.EqualTo(gradients).And.Some.Not.Zero);
            Assert.That(weight[4, 1, 2, 0], Is.EqualTo(values[((4 * 2 + 1) * 3 + 2) * 2]));
        });
    }

    [Test]
    public void ATensorIsWrittenInTheOrderOfItsDimensions()
    {
        float[] values = Samples.Uniform(_weight.Length, 2);
        // In memory, the dimensions are in the opposite order.
        var turned = Tensor.Create(values, [2, 3, 2, 5]);
        _network.Write(_weight, Tensor.PermuteDimensions(turned, [3, 2, 1, 0]));
        Assert.That(_network.ReadTensor(_weight)[4, 1, 2, 0], Is.EqualTo(turned[0, 2, 1, 4]));
        Assert.That(() => _network.Write(_weight, turned), Throws.ArgumentException.With.Message.Contains("2×3×2×5")
            .And.Message.Contains(_weight.Name));
    }

    [Test]
    public void InferenceTakesAndGivesBatches()
    {
        float[] input = Samples.Uniform(2 * s_input.Length, 3), expected = new float[2 * 4];
        _network.Infer(input, expected);
        Tensor<float> output = _network.Infer(Tensor.Create(input, [2, 2, 4, 3]));
        Assert.Multiple(() =>
        {
            Assert.That(output.Lengths.ToArray(), Is.EqualTo((nint[])[2, 4, 1, 1]));
            Assert.That(output.ToArray(), Is.EqualTo(expected));
            Assert.That(() => _network.Infer(Tensor.Create(input, [2, 4, 3, 2])),
                Throws.ArgumentException.With.Message.Contains("2×4×3×2").And.Message.Contains("N×2×4×3"));
        });
    }
}
