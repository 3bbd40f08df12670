using MathNet.Numerics.LinearAlgebra;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The reference's linear layer and 1×1 convolution against another library's matrix product.</summary>
public sealed class LinearOracleTests
{
    private const int N = 7, Inputs = 31, Units = 13;

    [Test]
    public void LinearIsAMatrixProductForwardAndBackward()
    {
        Graph graph = Sequential.Of(Shape.Vector(Inputs), new Linear(Units));
        using var backend = new ManagedBackend();
        using ManagedPlan<double> plan = backend.Compile<double>(graph,
            new TrainingSpec(N, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        float[] images = Samples.Uniform(N * Inputs, 1), weights = Samples.Uniform(Units * Inputs, 2),
            biases = Samples.Uniform(Units, 3), gradient = Samples.Uniform(N * Units, 4);
        plan.Write(graph.Parameters[0], weights);
        plan.Write(graph.Parameters[1], biases);
        plan.Forward(images);
        double[] scores = [.. plan.Activation(graph.Output)];
        plan.Backward(gradient);

        Matrix<double> x = Rows(images, Inputs), w = Rows(weights, Inputs), dy = Rows(gradient, Units);
        Matrix<double> y = x * w.Transpose() + Matrix<double>.Build.Dense(N, Units, (_, o) => biases[o]);
        AssertEqual(scores, y);
        AssertEqual(plan.Gradient(graph.Parameters[0]), dy.Transpose() * x);
        AssertEqual(plan.Gradient(graph.Parameters[1]), dy.ColumnSums().ToRowMatrix());
        AssertEqual(plan.InputGradient(graph.Input), dy * w);
    }

    [Test]
    public void AOneByOneConvolutionIsAMatrixProductPerImage()
    {
        const int Area = 12;
        Graph graph = Sequential.Of(new Shape(Inputs, 3, 4), new Conv2d(Units, 1, bias: false));
        using var backend = new ManagedBackend();
        using ManagedPlan<double> plan =
            backend.Compile<double>(graph, new TrainingSpec(1, new MeanSquaredError(), new Sgd()));
        float[] image = Samples.Uniform(Inputs * Area, 1), weights = Samples.Uniform(Units * Inputs, 2);
        plan.Write(graph.Parameters[0], weights);
        plan.Forward(image);
        AssertEqual(plan.Activation(graph.Output), Rows(weights, Inputs) * Rows(image, Area));
    }

    private static Matrix<double> Rows(float[] values, int columns)
        => Matrix<double>.Build.Dense(values.Length / columns, columns, (r, c) => values[r * columns + c]);

    private static void AssertEqual(ReadOnlySpan<double> got, Matrix<double> expected)
        => Assert.That(got.ToArray(), Is.EqualTo(expected.ToRowMajorArray()).Within(1e-12));
}
