using static System.FormattableString;

namespace ConvNet.Interpretation;

/// <summary>The rectangle of the image on which a unit of a network depends, within the image.</summary>
/// <remarks>
/// It is found by experiment, so that it holds for every layer, those of users included: the unit depends on the rows
/// above y if it becomes NaN when these rows do. The four sides are found by bisection, in ⌈log2⌉ of the image's size
/// passes.
/// </remarks>
/// <param name="Top">The first row.</param>
/// <param name="Left">The first column.</param>
/// <param name="Bottom">The row behind the last one.</param>
/// <param name="Right">The column behind the last one.</param>
public sealed record ReceptiveField(int Top, int Left, int Bottom, int Right)
{
    private const int Sides = 4;

    /// <summary>Whether the unit depends on no pixel at all.</summary>
    public bool IsEmpty => Bottom <= Top || Right <= Left;

    /// <summary>Finds the receptive field of a unit.</summary>
    /// <param name="network">An executable for batches of at least 4, of a backend that shows its operations and whose
    /// precision is <see cref="Precision.Accurate"/>. Faster algorithms spread a NaN over neighbouring units.</param>
    /// <param name="node">The node. Of several nodes that the backend runs as one operation, only the last has an
    /// output.</param>
    /// <param name="y">The row of the unit, from 0.</param>
    /// <param name="x">The column of the unit, from 0.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The node belongs to another graph, the backend does not compute an output of
    /// the node alone, or the batch size is below 4.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such unit.</exception>
    /// <exception cref="InvalidOperationException">The network has several inputs, or a parameter has not been
    /// written.</exception>
    /// <exception cref="NotSupportedException">The backend does not show its operations.</exception>
    public static ReceptiveField Of(IExecutable network, Node node, int y, int x)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(node);
        if (network.BatchSize < Sides)
            throw new ArgumentException($"The batch size is {network.BatchSize}; compile the network for {Sides} "
                + "samples or more.", nameof(network));
        if (node.Graph != network.Graph)
            throw new ArgumentException($"Node \"{node.Name}\" belongs to another graph. Pass a node of this network's "
                + "graph.", nameof(node));
        if (y < 0 || y >= node.Shape.H || x < 0 || x >= node.Shape.W)
            throw new ArgumentOutOfRangeException(nameof(y),
                $"{node.Name} has no unit in row {y}, column {x}: its maps have {node.Shape.H}×{node.Shape.W} units, "
                + "numbered from 0.");
        Shape image = network.Graph.Input.Shape;
        var bounds = new Bisection[Sides];
        for (int side = 0; side < Sides; side++)
            bounds[side] = new Bisection(0, side % 2 == 0 ? image.H : image.W);
        var samples = new float[Sides * image.Length];
        while (bounds.Any(bound => !bound.IsFound))
        {
            for (int side = 0; side < Sides; side++)
                Fill(samples.AsSpan(side * image.Length, image.Length), image, side, bounds[side].Middle);
            bool[] depends = Depends(network, node, samples, y * node.Shape.W + x);
            for (int side = 0; side < Sides; side++)
                bounds[side] = bounds[side].Next(depends[side]);
        }
        return new ReceptiveField(bounds[0].Low, bounds[1].Low, image.H - bounds[2].Low, image.W - bounds[3].Low);
    }

    // Writes NaN into one row or column more than `count`, from the top, the left, the bottom or the right.
    private static void Fill(Span<float> sample, Shape image, int side, int count)
    {
        sample.Clear();
        for (int row = 0; row < image.C * image.H; row++)
        {
            Span<float> pixels = sample.Slice(row * image.W, image.W);
            int y = row % image.H;
            switch (side)
            {
                case 0 when y <= count:
                case 2 when y >= image.H - 1 - count:
                    pixels.Fill(float.NaN);
                    break;
                case 1:
                    pixels[..Math.Min(count + 1, image.W)].Fill(float.NaN);
                    break;
                case 3:
                    pixels[Math.Max(0, image.W - 1 - count)..].Fill(float.NaN);
                    break;
            }
        }
    }

    private static bool[] Depends(IExecutable network, Node node, float[] samples, int unit)
    {
        bool[]? depends = null;
        Tracing.Infer(network, samples, tensor =>
        {
            if (tensor.Operation.Output != node)
                return;
            depends = new bool[tensor.N];
            Shape shape = node.Shape;
            for (int n = 0; n < tensor.N; n++)
            {
                for (int c = 0; c < shape.C; c++)
                    depends[n] |= float.IsNaN(tensor.Values[n * shape.Length + c * shape.Area + unit]);
            }
        });
        return depends ?? throw new ArgumentException(Invariant($"{network.GetType().Name} computes no output of ")
            + $"{node.Name} alone; it is part of a larger operation. Choose the last node of an operation: "
            + $"{string.Join(", ", ((ITraces)network).InferenceOperations.Select(of => of.Output.Name))}.",
            nameof(node));
    }

    /// <summary>The search for the smallest count with which the unit depends on one more row or column than the
    /// count, from 0 to the number of them all.</summary>
    private readonly record struct Bisection(int Low, int High)
    {
        public bool IsFound => Low == High;

        public int Middle => (Low + High) / 2;

        public Bisection Next(bool depends) => IsFound ? this : depends ? this with { High = Middle }
            : this with { Low = Middle + 1 };
    }
}
