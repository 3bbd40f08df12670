using ConvNet.GradientChecking;
using ConvNet.Tests.History;

namespace ConvNet.Tests;

/// <summary>A layer at the shapes it is checked with.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="N">Samples.</param>
/// <param name="Inputs">Shapes of its inputs.</param>
public sealed record LayerCase(Layer Layer, int N, params Shape[] Inputs)
{
    /// <summary>Whether float32 rounds on every input, so that exact mode has to leave the layer out.</summary>
    public bool Rounds { get; init; }

    public override string ToString() => $"{Layer} on {N}×{string.Join(" + ", Inputs)}";
}

/// <summary>Every layer at awkward shapes.</summary>
public static class LayerCases
{
    public static IEnumerable<LayerCase> All =>
    [
        .. Convolutions, .. Pools, .. Elementwise, .. Linear, .. BatchNorms, .. Declared, .. OfHistory,
    ];

    /// <summary>The layers of the cases in <c>tests/history</c> that take milliseconds.</summary>
    public static IEnumerable<LayerCase> OfHistory
        => from made in HistoryCases.Names.Select(HistoryCases.Load).OfType<LayerGradientCase>()
           let n = made.Options.BatchSize
           where n * made.Layer.MultiplyAdds([.. made.Inputs]) < 10_000_000
           let layer = new LayerCase(made.Layer, n, [.. made.Inputs]) { Rounds = made.Layer is BatchNorm2d }
           group layer by $"{layer}" into same
           select same.First();

    /// <summary>What the layers declare as their cases.</summary>
    public static IEnumerable<LayerCase> Declared
        => from kind in LayerSet.BuiltIn.Declarations
           from example in kind.Examples
           let made = new LayerCase(example.Layer, example.BatchSize, [.. example.Inputs]) { Rounds = example.Rounds }
           where !Convolutions.Concat(Pools).Concat(Elementwise).Concat(Linear).Concat(BatchNorms)
               .Any(each => $"{each}" == $"{made}")
           select made;

    public static IEnumerable<LayerCase> Convolutions =>
    [
        new(new Conv2d(1, 1), 1, new Shape(1, 1, 1)),
        new(new Conv2d(1, 3), 1, new Shape(1, 3, 3)),
        new(new Conv2d(5, 3, padding: 1), 3, new Shape(3, 7, 5)),
        new(new Conv2d(17, 3, padding: 1), 2, new Shape(17, 5, 9)),
        new(new Conv2d(16, 3, padding: 1), 2, new Shape(16, 8, 8)),
        new(new Conv2d(32, 3, padding: 1, bias: false), 1, new Shape(32, 6, 7)),
        new(new Conv2d(33, 3), 1, new Shape(31, 4, 11)),
        new(new Conv2d(6, 5, padding: 2), 2, new Shape(1, 13, 11)),
        new(new Conv2d(16, 5), 3, new Shape(6, 14, 14)),
        new(new Conv2d(7, 1), 5, new Shape(17, 3, 5)),
        new(new Conv2d(40, 1, bias: false), 1, new Shape(24, 9, 1)),
        new(new Conv2d(20, 1, stride: 2, rounding: Rounding.Floor), 2, new Shape(19, 7, 8)),
        new(new Conv2d(8, 7, stride: 2, padding: 3, rounding: Rounding.Floor), 1, new Shape(3, 16, 18)),
        new(new Conv2d(5, 11, stride: 4, padding: 2, rounding: Rounding.Floor), 1, new Shape(3, 31, 27)),
        new(new Conv2d(4, 3, stride: 2), 2, new Shape(3, 7, 9)),
        new(new Conv2d(4, 3, stride: 2, padding: 1, rounding: Rounding.Floor), 2, new Shape(18, 8, 6)),
        new(new Conv2d(9, 2, stride: 3), 2, new Shape(5, 8, 11)),
        new(new Conv2d(3, 3, stride: (1, 2), padding: (2, 1)), 2, new Shape(3, 5, 7)),
        new(new Conv2d(18, (3, 1), padding: (1, 0)), 2, new Shape(17, 6, 5)),
        new(new Conv2d(5, (1, 7), padding: (0, 3)), 1, new Shape(16, 3, 9)),
        new(new Conv2d(6, (5, 2), stride: (3, 2), padding: (2, 1), rounding: Rounding.Floor), 2, new Shape(4, 9, 12)),
        new(new Conv2d(4, 3, padding: 5), 1, new Shape(3, 4, 6)),
        new(new Conv2d(19, 9, padding: 4), 1, new Shape(17, 5, 7)),
        new(new Conv2d(5, 3, dilation: 2), 2, new Shape(3, 9, 7)),
        new(new Conv2d(17, 3, padding: 2, dilation: 2), 1, new Shape(16, 7, 7)),
        new(new Conv2d(4, 3, 2, 3, (3, 2), rounding: Rounding.Floor), 2, new Shape(5, 11, 10)),
        new(new Conv2d(6, 3, padding: 1, groups: 3), 2, new Shape(9, 5, 6)),
        new(new Conv2d(32, 3, padding: 1, groups: 2), 1, new Shape(32, 5, 5)),
        new(new Conv2d(34, 3, padding: 1, groups: 17), 2, new Shape(17, 5, 4)),
        new(new Conv2d(17, 3, padding: 1, groups: 17), 2, new Shape(17, 7, 6)),
        new(new Conv2d(48, 5, stride: 2, padding: 2, groups: 48, bias: false), 1, new Shape(48, 7, 7)),
        new(new Conv2d(2, 3, padding: 1), 1, new Shape(64, 2, 2)),
        new(new Conv2d(65, 3, padding: 1), 1, new Shape(2, 3, 40)),
        new(new Conv2d(3, 4, padding: 2), 9, new Shape(2, 5, 3)),
        new(new Conv2d(17, 3, padding: (0, 0, 2, 1)), 2, new Shape(16, 7, 9)),
        new(new Conv2d(32, 3, padding: (2, 1, 0, 0)), 2, new Shape(33, 6, 7)),
        new(new Conv2d(16, 3, stride: 2, padding: (0, 1, 1, 0)), 2, new Shape(17, 8, 6)),
        new(new Conv2d(16, 1, padding: (0, 0, 1, 2)), 2, new Shape(17, 5, 4)),
        new(new Conv2d(6, 5, padding: (1, 2, 3, 0)), 2, new Shape(1, 13, 11)),
        new(new Conv2d(64, 7, stride: 2, padding: (2, 2, 3, 3)), 1, new Shape(3, 18, 20)),
        new(new Conv2d(20, 3, padding: (0, 2, 3, 1), dilation: (2, 1)), 17, new Shape(4, 6, 7)),
        new(new Conv2d(17, 3, stride: 2, padding: (0, 0, 1, 1), groups: 17), 2, new Shape(17, 8, 10)),
        new(new Conv2d(17, 5, padding: (3, 1, 0, 4), groups: 17), 2, new Shape(17, 7, 6)),
        new(new Conv2d(32, 3, padding: (1, 0, 0, 1), groups: 2), 1, new Shape(32, 5, 5)),
        new(new Conv2d(6, 3, padding: (0, 1, 2, 0), groups: 3), 2, new Shape(9, 5, 6)),
        new(new Conv2d(5, 2, padding: (0, 0, 4, 5), rounding: Rounding.Floor), 1, new Shape(3, 4, 3)),
        new(new ConvTranspose2d(17, 3, 2, padding: (0, 1, 1, 2)), 2, new Shape(16, 4, 5)),
        new(new ConvTranspose2d(5, 4, (2, 3), padding: (2, 0, 1, 3), outputPadding: (1, 2)), 1, new Shape(18, 5, 4)),
        new(new ConvTranspose2d(17, 3, 2, padding: (1, 0, 0, 1), groups: 17), 2, new Shape(17, 3, 4)),
    ];

    public static IEnumerable<LayerCase> Pools =>
    [
        new(new MaxPool2d(2), 3, new Shape(3, 6, 4)),
        new(new MaxPool2d(2), 1, new Shape(17, 8, 8)),
        new(new MaxPool2d(3, stride: 2), 2, new Shape(17, 7, 9)),
        new(new MaxPool2d(3, stride: 2, padding: 1, rounding: Rounding.Floor), 1, new Shape(20, 8, 10)),
        new(new MaxPool2d(3, stride: 1, padding: 1), 2, new Shape(5, 5, 6)),
        new(new MaxPool2d(2, stride: 3), 2, new Shape(1, 8, 11)),
        new(new MaxPool2d((3, 2), stride: (1, 2), padding: (1, 0)), 2, new Shape(16, 5, 8)),
        new(new MaxPool2d(5, stride: 2, padding: 2, rounding: Rounding.Floor), 1, new Shape(33, 10, 7)),
        new(new MaxPool2d(3, stride: 2, padding: (0, 0, 1, 1)), 2, new Shape(17, 8, 6)),
        new(new MaxPool2d(2, stride: 1, padding: (1, 0, 0, 1)), 2, new Shape(5, 4, 6)),
        new(new MaxPool2d(2, rounding: Rounding.Ceiling), 2, new Shape(17, 7, 9)),
        new(new MaxPool2d(3, stride: 2, rounding: Rounding.Ceiling), 1, new Shape(20, 8, 6)),
        new(new MaxPool2d(3, stride: 2, padding: 1, rounding: Rounding.Ceiling), 2, new Shape(3, 8, 7)),
        new(new MaxPool2d((3, 2), (4, 3), (1, 1, 0, 0), Rounding.Ceiling), 2, new Shape(16, 9, 10)),
        new(new MaxPool2d(17, stride: 2, padding: (3, 0, 5, 8), rounding: Rounding.Ceiling), 1, new Shape(3, 18, 16)),
        new(new AvgPool2d(2, padding: (0, 1, 1, 0)), 2, new Shape(17, 5, 7)),
        new(new AvgPool2d((2, 4), (1, 2), (1, 0, 0, 2), countIncludePad: false), 1, new Shape(5, 6, 8)),
        new(new AvgPool2d(2, rounding: Rounding.Ceiling), 2, new Shape(17, 7, 9)),
        new(new AvgPool2d(2, rounding: Rounding.Ceiling, countIncludePad: false), 2, new Shape(3, 5, 6)),
        new(new AvgPool2d(4, stride: 3, padding: 2, rounding: Rounding.Ceiling), 2, new Shape(17, 8, 9))
        {
            Rounds = true
        },
        new(new AvgPool2d(3, stride: 2, padding: 1, rounding: Rounding.Ceiling), 1, new Shape(5, 4, 6))
        {
            Rounds = true
        },
        new(new AvgPool2d(3, 2, (1, 0, 1, 1), Rounding.Ceiling), 2, new Shape(16, 6, 9)) { Rounds = true },
        new(new AvgPool2d(37, 2, (2, 3, 1, 0), Rounding.Ceiling), 1, new Shape(2, 40, 42)) { Rounds = true },
        new(new AvgPool2d(2), 3, new Shape(3, 6, 4)),
        new(new AvgPool2d(4, stride: 2, padding: 2), 2, new Shape(17, 8, 6)),
        new(new AvgPool2d((4, 2), stride: (1, 3)), 1, new Shape(16, 7, 8)),
        new(new AvgPool2d(3, 2, 1, Rounding.Floor), 2, new Shape(17, 8, 7)) { Rounds = true },
        new(new AvgPool2d(3, stride: 1, padding: 1, countIncludePad: false), 1, new Shape(5, 4, 6)) { Rounds = true },
        new(new AvgPool2d(2, 2, 1, Rounding.Floor, countIncludePad: false), 2, new Shape(18, 7, 5)),
        new(new GlobalAvgPool2d(), 3, new Shape(17, 4, 8)),
        new(new GlobalAvgPool2d(), 1, new Shape(1, 1, 1)),
        new(new GlobalAvgPool2d(), 2, new Shape(20, 7, 7)) { Rounds = true },
    ];

    public static IEnumerable<LayerCase> Elementwise =>
    [
        new(new Relu(), 3, new Shape(17, 5, 7)),
        new(new Relu(), 1, new Shape(1, 1, 1)),
        new(new Relu(), 7, Shape.Vector(33)),
        new(new Relu6(), 3, new Shape(17, 5, 7)),
        new(new Relu6(), 7, Shape.Vector(33)),
        new(new LeakyRelu(), 3, new Shape(17, 5, 7)),
        new(new LeakyRelu(0.5f), 7, Shape.Vector(33)),
        new(new LeakyRelu(0), 2, new Shape(3, 4, 5)),
        new(new Flatten(), 2, new Shape(17, 3, 5)),
        new(new Flatten(), 3, new Shape(16, 1, 1)),
        new(new Dropout(0.5f), 3, new Shape(17, 5, 3)),
        new(new Dropout(0.3f), 2, Shape.Vector(65)),
        new(new Add(), 2, new Shape(3, 5, 7), new Shape(3, 5, 7)),
        new(new Add(), 1, new Shape(17, 4, 4), new Shape(17, 4, 4), new Shape(17, 4, 4)),
        new(new Add(), 3, Shape.Vector(10), Shape.Vector(10)),
    ];

    public static IEnumerable<LayerCase> Linear =>
    [
        new(new Linear(1), 1, Shape.Vector(1)),
        new(new Linear(10), 3, Shape.Vector(17)),
        new(new Linear(33, bias: false), 7, Shape.Vector(31)),
        new(new Linear(120), 5, Shape.Vector(400)),
        new(new Linear(16), 16, Shape.Vector(64)),
        new(new Linear(3), 70, Shape.Vector(5)),
        new(new Linear(257), 2, Shape.Vector(1025)),
    ];

    public static IEnumerable<LayerCase> BatchNorms =>
    [
        new(new BatchNorm2d(), 4, new Shape(3, 5, 7)) { Rounds = true },
        new(new BatchNorm2d(momentum: 0.3f, epsilon: 1e-3f), 1, new Shape(17, 3, 5)) { Rounds = true },
        new(new BatchNorm2d(), 1, new Shape(5, 1, 1)) { Rounds = true },
        new(new BatchNorm2d(momentum: 1f), 8, Shape.Vector(19)) { Rounds = true },
        new(new BatchNorm2d(), 3, new Shape(32, 9, 4)) { Rounds = true },
    ];
}
