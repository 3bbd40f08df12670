namespace ConvNet.GradientChecking;

/// <summary>The change of a scalar f along a direction v, computed by a forward pass.</summary>
/// <param name="Value">The derivative: the sum of its terms, such as Σ dy·(J·v).</param>
/// <param name="Magnitude">The sum of the magnitudes of these terms.</param>
internal readonly record struct Slope(double Value, double Magnitude);

/// <summary>A gradient to check.</summary>
/// <param name="Name">The name of the tensor in reports.</param>
/// <param name="Values">The values.</param>
internal readonly record struct NamedGradient(string Name, double[] Values);

/// <summary>Compares gradients g with slopes along directions v, and names the element that is wrong.</summary>
/// <remarks>
/// <para>The slope along v and Σ g·v must agree within 10⁻¹² of Σ|g·v| + Σ|terms of the slope|. Both sides are sums of
/// n terms in double precision, whose rounding errors amount to a few √n·2⁻⁵³ of that scale: 10⁻¹⁴ for a thousand terms
/// and 10⁻¹³ for a hundred thousand.</para>
/// <para>The components of a direction have magnitudes from ½ to 1, so none can hide an element. Along the first
/// direction each has the sign of its gradient, so that no terms of Σ g·v cancel and even a slightly wrong factor is
/// visible; along the second the signs are random. After a mismatch, the direction is halved until one element remains.
/// </para>
/// <para>Several tensors share a direction. Each is scaled by its Σ|g|, so that a small gradient counts as much as a
/// large one, but by no less than a thousandth of the largest, because a gradient that is mathematically 0 consists of
/// rounding errors.</para>
/// </remarks>
/// <param name="gradients">The gradients.</param>
/// <param name="seed">The seed of the directions.</param>
/// <param name="along">Returns the slope along a direction of all tensors.</param>
/// <param name="cancellation">Cancels the check between two slopes.</param>
internal sealed class DirectionalCheck(IReadOnlyList<NamedGradient> gradients, ulong seed,
    Func<double[][], Slope> along, CancellationToken cancellation)
{
    /// <summary>The relative error that is allowed.</summary>
    public const double Tolerance = 1e-12;

    private const int Directions = 2, FirstStream = 100;
    private const double LeastShare = 1e-3;

    private readonly int[] _starts = Starts(gradients);

    /// <summary>The two sides of a comparison.</summary>
    /// <param name="Product">Σ g·v.</param>
    /// <param name="Slope">The slope along v.</param>
    /// <param name="InBounds">The difference as a multiple of the allowed one.</param>
    private readonly record struct Sides(double Product, double Slope, double InBounds);

    /// <summary>Compares along every direction. If a comparison fails, the report is that of the element found to be
    /// wrong.</summary>
    /// <param name="name">The name of the report if all comparisons pass.</param>
    public TensorReport Run(string name)
    {
        Sides worst = default;
        for (int i = 0; i < Directions; i++)
        {
            double[][] direction = Direction(i);
            Sides sides = Compare(direction);
            if (sides.InBounds > 1)
                return Locate(direction, sides);
            if (i == 0 || sides.InBounds > worst.InBounds)
                worst = sides;
        }
        return new TensorReport(name, _starts[^1], worst.InBounds, 0, 0, worst.Product, worst.Slope, 0, 0);
    }

    private static int[] Starts(IReadOnlyList<NamedGradient> gradients)
    {
        var starts = new int[gradients.Count + 1];
        for (int i = 0; i < gradients.Count; i++)
            starts[i + 1] = checked(starts[i] + gradients[i].Values.Length);
        return starts;
    }

    private double[][] Direction(int index)
    {
        double[] sizes = [.. gradients.Select(gradient => gradient.Values.Sum(double.Abs))];
        double least = LeastShare * sizes.Max();
        return [.. gradients.Select((gradient, tensor) =>
        {
            double scale = gradients.Count == 1 || least == 0 ? 1 : 1 / Math.Max(sizes[tensor], least);
            float[] random = new Fill(seed).Uniform(FirstStream + index * gradients.Count + tensor,
                gradient.Values.Length, 1);
            return (double[])[.. gradient.Values.Select((g, i) => scale * Component(random[i], index == 0 ? g : 0))];
        })];
    }

    // A magnitude from ½ to 1, with the given sign or, if that is 0, a random one.
    private static double Component(double random, double sign)
        => Math.CopySign(0.5 + 0.5 * Math.Abs(random), sign == 0 || double.IsNaN(sign) ? random : sign);

    private Sides Compare(double[][] direction)
    {
        cancellation.ThrowIfCancellationRequested();
        Slope slope = along(direction);
        double product = 0, magnitude = slope.Magnitude;
        for (int tensor = 0; tensor < gradients.Count; tensor++)
        {
            double[] g = gradients[tensor].Values, v = direction[tensor];
            for (int i = 0; i < g.Length; i++)
            {
                // Whatever a gradient is where the direction is 0, it does not count: not even a NaN.
                double term = v[i] == 0 ? 0 : g[i] * v[i];
                product += term;
                magnitude += Math.Abs(term);
            }
        }
        double inBounds = product == slope.Value ? 0 : Math.Abs(product - slope.Value) / (Tolerance * magnitude);
        return new Sides(product, slope.Value, double.IsNaN(inBounds) ? double.PositiveInfinity : inBounds);
    }

    private TensorReport Locate(double[][] direction, Sides whole)
    {
        (int first, int end) = (0, _starts[^1]);
        while (end - first > 1)
        {
            int middle = first + (end - first) / 2;
            bool isLeft = Compare(Part(direction, first, middle)).InBounds
                >= Compare(Part(direction, middle, end)).InBounds;
            (first, end) = isLeft ? (first, middle) : (middle, end);
        }
        int tensor = Array.FindLastIndex(_starts, start => start <= first);
        double[][] one = Part([.. direction.Select(v => v.Select(_ => 1.0).ToArray())], first, end);
        Sides sides = Compare(one);
        // Errors of many elements may exceed the bound together, but not one by one.
        return new TensorReport(gradients[tensor].Name, gradients[tensor].Values.Length,
            Math.Max(whole.InBounds, sides.InBounds), 0, first - _starts[tensor], sides.Product, sides.Slope, 1, 0);
    }

    // The components of a direction from one element to another, counted through all tensors; the others are 0.
    private double[][] Part(double[][] direction, int first, int end)
        => [.. direction.Select((v, tensor) => (double[])[.. v.Select((component, i)
            => _starts[tensor] + i >= first && _starts[tensor] + i < end ? component : 0)])];
}
