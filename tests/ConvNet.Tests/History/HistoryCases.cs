using ConvNet.GradientChecking;

namespace ConvNet.Tests.History;

/// <summary>A defect that a library had, to be put in again.</summary>
/// <param name="Name">The name of its case in <c>tests/history</c>, without the extension.</param>
/// <param name="Tensors">The results that are wrong, as the check names them.</param>
/// <param name="Layer">Returns a layer with the defect, or the layer itself if the defect is not in its kind.</param>
/// <param name="Loss">Returns a loss with the defect.</param>
public sealed record HistoricalFault(string Name, string[] Tensors, Func<Layer, Layer> Layer, Func<Loss, Loss> Loss)
{
    public override string ToString() => Name;
}

/// <summary>The cases in <c>tests/history</c>, and the defects that they are of.</summary>
public static class HistoryCases
{
    /// <summary>Every case by its name.</summary>
    public static IEnumerable<string> Names => Directory.EnumerateFiles(Repository.Path("tests", "history"), "*.json")
        .Select(file => System.IO.Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal);

    /// <summary>The defects that are in the kernels of a library.</summary>
    public static IEnumerable<HistoricalFault> Faults =>
    [
        In<Conv2d>("strided-backward-data", conv => new UnreadRows(conv), "dx"),
        In<Conv2d>("grouped-stride-2-last-row", conv => new LastRowOfGroups(conv), "dw"),
        In<Conv2d>("few-channels-per-group", conv => new BlocksAcrossGroups(conv), "y"),
        In<Conv2d>("weight-gradient-by-threads", conv => new RunsOver(conv, Threads: 3), "dw"),
        In<Conv2d>("depthwise-stride-3", conv => new WeightGradientWithStride(conv, 2), "dw"),
        In<Conv2d>("one-wide-strided-rows",
            conv => conv.Groups > 1 ? new TakenForChannelsLast(conv) : conv, "dw"),
        In<Conv2d>("bias-gradient-alone", conv => new BiasOnlyWithWeights(conv), "db"),
        In<Conv2d>("kernel-smaller-than-stride", conv => new NegativePadding(conv), "y", "dx", "dw"),
        In<Conv2d>("window-remainder", conv => new WithoutRemainder(conv), "dx"),
        In<Conv2d>("winograd-weight-gradient", conv => new LastPartLost(conv), "dw"),
        In<Conv2d>("winograd-weight-gradient-small", conv => new LastPartLost(conv), "dw"),
        In<Conv2d>("im2col-race", conv => new RacingThreads(conv), "dw"),
        In<Conv2d>("row-stride-below-column-stride", conv => new WeightGradientWithStride(conv,
            (conv.Window.Stride.W, conv.Window.Stride.H)), "dw"),
        In<Conv2d>("large-kernel-with-stride", conv => new TapsLost(conv), "dx"),
        In<MaxPool2d>("max-pool-5x5-valid", pool => new PositionsOfCovered(pool), "dx"),
        In<MaxPool2d>("max-pool-ties", pool => new LastOfTies(pool), "dx"),
        In<AvgPool2d>("average-pool-ceiling", pool => new DividesByKernel(pool), "y", "dx"),
        In<AvgPool2d>("average-pool-divisor", pool => new DividesByKernel(pool), "y", "dx"),
        In<AvgPool2d>("average-pool-padded-backward", pool => new PaddingForgottenBackward(pool), "dx"),
        In<BatchNorm2d>("saved-inverse-deviation", norm => new InvertsTwice(norm), "dx", "dw"),
        In<BatchNorm2d>("running-variance", norm => new BiasedVariance(norm), "running_var"),
        In<BatchNorm2d>("running-momentum", norm => new MomentumOfOneTenth(norm), "running_mean", "running_var"),
        In<SoftmaxCrossEntropy>("ignored-samples", (Loss loss) => new CountsIgnored(loss), "loss", "doutput"),
        In<SoftmaxCrossEntropy>("softmax-overflow", (Loss loss) => new WithoutShift(loss), "loss", "doutput"),
        In<MulticlassSvm>("more-than-256-classes", (Loss loss) => new LabelsInBytes(loss), "loss", "doutput"),
        In<MulticlassSvm>("hinge-at-zero", (Loss loss) => new IncludesTheHinge((MulticlassSvm)loss), "doutput"),
    ];

    /// <summary>The path of a case.</summary>
    public static string PathOf(string name) => Repository.Path("tests", "history", $"{name}.json");

    /// <summary>Reads a case.</summary>
    public static GradientCase Load(string name) => GradientCaseFile.Load(PathOf(name));

    private static HistoricalFault In<TLayer>(string name, Func<TLayer, Layer> defective, params string[] tensors)
        where TLayer : Layer
        => new(name, tensors, layer => layer is TLayer own ? defective(own) : layer, loss => loss);

    private static HistoricalFault In<TLoss>(string name, Func<Loss, Loss> defective, params string[] tensors)
        where TLoss : Loss
        => new(name, tensors, layer => layer, loss => loss is TLoss ? defective(loss) : loss);
}
