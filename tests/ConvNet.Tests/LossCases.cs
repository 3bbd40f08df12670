namespace ConvNet.Tests;

/// <summary>Losses of every kind with every option, for three classes; <see cref="Loss.ForClasses"/> makes them fit
/// others.</summary>
internal static class LossCases
{
    public static IReadOnlyList<Loss> All { get; } =
    [
        new SoftmaxCrossEntropy(), new SoftmaxCrossEntropy(PerPixel: true),
        new SoftmaxCrossEntropy(LabelSmoothing: 0.1f), new SoftmaxCrossEntropy(ClassWeights: [2, 0.25f, 1]),
        new SoftmaxCrossEntropy(IgnoreClass: 1), new SoftmaxCrossEntropy { Reduction = Reduction.Sum },
        new SoftmaxCrossEntropy(true, 0.25f, [1.5f, 0, 0.75f], IgnoreClass: 1),
        new SoftmaxCrossEntropy(true, 0.25f, [1.5f, 0, 0.75f], 255) { Reduction = Reduction.BatchMean },
        new SoftmaxCrossEntropy(SoftTargets: true),
        new SoftmaxCrossEntropy(true, 0.1f, [2, 0.25f, 1], SoftTargets: true) { Reduction = Reduction.Sum },
        new MulticlassSvm(), new MulticlassSvm(2.5f), new MulticlassSvm { Reduction = Reduction.Sum },
        new MultiMarginLoss(), new MultiMarginLoss(2, 0.5f), new MultiMarginLoss(2, 1, [2, 0.25f, 1]),
        new MultiMarginLoss(1, 1, [2, 0.25f, 1]) { Reduction = Reduction.Sum },
        new MeanSquaredError(), new MeanSquaredError { Reduction = Reduction.BatchMean },
        new L1Loss(), new L1Loss { Reduction = Reduction.Sum }, new HuberLoss(), new HuberLoss(0.375f),
        new SmoothL1Loss(), new SmoothL1Loss(0.375f), new SmoothL1Loss(0) { Reduction = Reduction.BatchMean },
        new BinaryCrossEntropyWithLogits(), new BinaryCrossEntropyWithLogits([2, 0.25f, 1]),
        new BinaryCrossEntropyWithLogits([0.5f, 3, 1]) { Reduction = Reduction.Sum },
        new KLDivergence(), new KLDivergence(logTarget: true) { Reduction = Reduction.Mean },
    ];

    /// <summary>The output on which a loss is tested: a vector of three classes, or maps.</summary>
    public static Shape ShapeOf(Loss loss) => loss.IsForMaps ? new Shape(3, 2, 5) : Shape.Vector(3);

    /// <summary>A graph whose output is its input.</summary>
    public static Graph Identity(Shape shape)
        => Sequential.Of(shape, shape.IsVector ? new Flatten() : new MaxPool2d(1));

    /// <summary>Targets that a loss takes, for n outputs.</summary>
    public static OutputTargets Targets(Loss loss, Shape shape, string output, int n, int seed)
    {
        int length = n * loss.TargetsPerSample(shape);
        return loss.Takes == TargetKind.Values
            ? new OutputTargets(output, Array.ConvertAll(Samples.Uniform(length, seed), Math.Abs))
            : new OutputTargets(output, Samples.Labels(length, shape.C, seed));
    }
}
