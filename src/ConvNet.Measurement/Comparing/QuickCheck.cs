using ConvNet.GradientChecking;
using static System.FormattableString;

namespace ConvNet.Measurement;

/// <summary>A gradient check that takes a second or two: a fast wrong backend shall be seen to be wrong.</summary>
/// <remarks>
/// Every different layer of a network runs by itself on whole numbers, bit for bit, and on real ones, within their
/// error bounds. Layers that take long get smaller images, or vectors, of the same channels. A network that is small
/// enough then runs as a whole on whole numbers, through a step of the optimiser. A backend that fails its self-test is
/// wrong, whatever the network. <c>convnet gradcheck</c> checks more, and leaves nothing out.
/// </remarks>
internal static class QuickCheck
{
    // For one sample: the double reference does some 10⁹ in a second.
    private const double MostOfALayer = 1e6, MostOfANetwork = 15e6;

    private const int Batch = 2;

    /// <summary>Checks a backend.</summary>
    /// <exception cref="NotSupportedException">The backend lacks a layer of the network; the message names
    /// it.</exception>
    public static GradientAgreement Of(Graph graph, IBackend backend)
    {
        var options = new GradientCheckOptions { BatchSize = Batch, Modes = CheckModes.Exact | CheckModes.Real };
        (Layer Layer, Shape[] Shapes)[] layers =
            [.. graph.Nodes.Skip(1).Select(node => (node.Layer!, Smaller(node.Layer!, [.. node.InputShapes])))
            .DistinctBy(of => (of.Item1, string.Join(' ', of.Item2)))];
        List<GradientReport> reports =
            [.. layers.Select(of => GradientCheck.Run(of.Layer, of.Shapes, [backend], options))];
        bool whole = graph.Nodes.Skip(1).Sum(node => Cost(node.Layer!, [.. node.InputShapes])) <= MostOfANetwork;
        if (whole)
            reports.Add(GradientCheck.Run(graph, [backend], options with { Modes = CheckModes.Segments }));
        SelfTestResult test = SelfTest.Of(backend);
        return Agreement(reports, test,
            $"{layers.Length} different layers by themselves{(whole ? ", and the whole network" : "")}");
    }

    private static GradientAgreement Agreement(List<GradientReport> reports, SelfTestResult test, string what)
    {
        Verdict worst = reports.Max(report => report.Verdict);
        if (worst != Verdict.Fail && !test.Passed)
            return new GradientAgreement(GradientVerdict.Wrong, test.Checked, 0, $"the backend {test.Finding}");
        string detail = worst == Verdict.Pass ? what
            : Finding(reports.SelectMany(report => report.Layers).First(layer => layer.Verdict == worst));
        GradientVerdict verdict = worst switch
        {
            Verdict.Pass => GradientVerdict.Right,
            Verdict.Suspect
            => GradientVerdict.Suspect,
            _ => GradientVerdict.Wrong
        };
        return new GradientAgreement(verdict, reports.Sum(report => report.Checked),
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

    /// <summary>Shapes of inputs with the same channels that do not cost more than a layer may, or vectors that are
    /// shorter.</summary>
    private static Shape[] Smaller(Layer layer, Shape[] shapes)
    {
        double share = MostOfALayer / Cost(layer, shapes);
        if (share >= 1)
            return shapes;
        Shape[] smaller = Array.ConvertAll(shapes, shape => shape.IsVector
            ? Shape.Vector(Math.Max(1, (int)(shape.C * share)))
            : new Shape(shape.C, Side(shape.H, extent => extent.H), Side(shape.W, extent => extent.W)));
        return Takes(layer, smaller) ? smaller : shapes;

        // Whole strides are cut off, so that windows tile what is left as they tiled the whole.
        int Side(int size, Func<Extent, int> side)
        {
            (int stride, int reach) = layer.Sees(shapes) is { } window ? (side(window.Stride), side(window.Reach))
                : (1, 1);
            int wanted = Math.Min(size, Math.Max((int)(size * Math.Sqrt(share)), reach));
            return size - (size - wanted) / stride * stride;
        }
    }

    // A layer of the user's own may want what no window tells.
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
