using ConvNet.GradientChecking;
using static System.FormattableString;

namespace ConvNet.Measurement;

/// <summary>A gradient check that takes one or two seconds, so that a backend with wrong results is never reported as
/// merely fast.</summary>
/// <remarks>
/// Every distinct layer of a network is checked alone: exactly on integers, and within error bounds on real values.
/// Expensive layers get smaller images or vectors with the same channels. A network that is small enough is also
/// checked as a whole, on integers and including an optimiser update. A backend that fails its self-test is wrong for
/// every network. <c>convnet gradcheck</c> is the complete check.
/// </remarks>
internal static class QuickCheck
{
    // Multiply-adds per sample; the double reference computes about 10⁹ per second.
    private const double MaxLayerCost = 1e6, MaxNetworkCost = 15e6;

    private const int Batch = 2;

    /// <summary>Checks the gradients of a backend.</summary>
    /// <exception cref="NotSupportedException">The backend does not support a layer of the network; the message names
    /// it.</exception>
    public static GradientAgreement Of(Graph graph, IBackend backend)
    {
        var options = new GradientCheckOptions { BatchSize = Batch, Modes = CheckModes.Exact | CheckModes.Real };
        (Layer Layer, Shape[] Shapes)[] layers =
            [.. graph.LayerNodes.Select(node => (node.Layer!, Smaller(node.Layer!, [.. node.InputShapes])))
            .DistinctBy(of => (of.Item1, string.Join(' ', of.Item2)))];
        List<GradientReport> reports =
            [.. layers.Select(of => GradientCheck.Run(of.Layer, of.Shapes, [backend], options))];
        bool whole = graph.LayerNodes.Sum(node => Cost(node.Layer!, [.. node.InputShapes])) <= MaxNetworkCost;
        if (whole)
            reports.Add(GradientCheck.Run(graph, [backend], options with { Modes = CheckModes.Segments }));
        SelfTestResult test = SelfTest.Of(backend);
        return Agreement(reports, test,
            $"{layers.Length} distinct layers{(whole ? " and the whole network" : "")}");
    }

    private static GradientAgreement Agreement(List<GradientReport> reports, SelfTestResult test, string what)
    {
        Verdict worst = reports.Max(report => report.Verdict);
        if (worst != Verdict.Fail && !test.Passed)
            return new GradientAgreement(GradientVerdict.Wrong, test.Checked, 0, $"the backend {test.Finding}");
        string detail = worst == Verdict.Pass ? what
            : Finding(reports.SelectMany(report => report.Layers).First(layer => layer.Verdict == worst));
        return new GradientAgreement(worst == Verdict.Pass ? GradientVerdict.Right : GradientVerdict.Wrong,
            reports.Sum(report => report.Checked),
            reports.Sum(report => report.Failed), detail);
    }

    private static string Finding(LayerReport layer)
    {
        TensorReport tensor = layer.Tensors.First(tensor => tensor.Verdict == layer.Verdict);
        return Invariant($"{layer.Layer}: {tensor.Name}[{tensor.Index}] is {tensor.Got:G6} and should be ")
            + Invariant($"{tensor.Truth:G6}");
    }

    private static double Cost(Layer layer, Shape[] shapes)
        => Math.Max(layer.MultiplyAdds(shapes), shapes.Sum(shape => (double)shape.Length));

    /// <summary>Reduces input shapes to the allowed cost of a layer: smaller images with the same channels, or shorter
    /// vectors.</summary>
    private static Shape[] Smaller(Layer layer, Shape[] shapes)
    {
        double share = MaxLayerCost / Cost(layer, shapes);
        if (share >= 1)
            return shapes;
        Shape[] smaller = Array.ConvertAll(shapes, shape => shape.IsVector
            ? Shape.Vector(Math.Max(1, (int)(shape.C * share)))
            : new Shape(shape.C, Side(shape.H, extent => extent.H), Side(shape.W, extent => extent.W)));
        return Takes(layer, smaller) ? smaller : shapes;

        // The size shrinks by whole strides, so that windows tile the smaller image as they tile the original.
        int Side(int size, Func<Extent, int> side)
        {
            (int stride, int reach) = layer.Sees(shapes) is { } window ? (side(window.Stride), side(window.Reach))
                : (1, 1);
            int wanted = Math.Min(size, Math.Max((int)(size * Math.Sqrt(share)), reach));
            return size - (size - wanted) / stride * stride;
        }
    }

    // A user-defined layer may impose constraints that its window does not show.
    private static bool Takes(Layer layer, Shape[] shapes)
    {
        try
        {
            layer.Infer(shapes);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
