using System.Numerics;

namespace ConvNet;

/// <summary>Elementwise product of two inputs, y = x₀·x₁, of which one may have a single value per channel.</summary>
/// <remarks>
/// x₀, x₁ and y: N×C×H×W. An input N×C×1×1 is a scale s: each of its values multiplies a whole map of the other, as in
/// a squeeze-and-excitation block. Backward: dx₀ = x₁·dy and dx₁ = x₀·dy; for a scale, ds[n,c] is the sum of that over
/// the map. Source: Hu, Shen and Sun, CVPR 2018.
/// </remarks>
public sealed record Multiply : SumLayer
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("mul", "product of two inputs", [], _ => new Multiply())
    {
        Inputs = 2,
        Examples =
        [
            new("mul", new Multiply(), 2, new Shape(3, 5, 7), new Shape(3, 5, 7)),
            new("mul by a scale", new Multiply(), 2, new Shape(17, 3, 5), Shape.Vector(17)),
            new("mul of a scale", new Multiply(), 3, Shape.Vector(5), new Shape(5, 4, 3)),
            new("mul of vectors", new Multiply(), 3, Shape.Vector(17), Shape.Vector(17)),
        ],
        Random = [Random, ByScale],
        LongSums = [LargeMap],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        if (inputs.Length != 2)
            throw new ArgumentException($"mul needs two inputs, but has {inputs.Length}.");
        (Shape a, Shape b) = (inputs[0], inputs[1]);
        return a == b || (a.C == b.C && b.IsVector) ? a : a.C == b.C && a.IsVector ? b
            : throw new ArgumentException($"mul needs inputs of the same shape, or one of {a.C}×1×1 beside {a}, but "
                + $"has {a} and {b}. Pool one of them to a single value per channel, or give both the same shape.");
    }

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs)
        => inputs[0] == inputs[1] ? 1 : Math.Max(inputs[0].Area, inputs[1].Area);

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        int area = f.YShape.Area;
        f.For(f.N * f.YShape.C, map =>
        {
            ReadOnlySpan<T> a = Map(f, 0, map), b = Map(f, 1, map);
            Span<TSum> y = f.Y.Slice(map * area, area);
            for (int i = 0; i < y.Length; i++)
                y[i] = default(TSum) + a[a.Length == 1 ? 0 : i] * b[b.Length == 1 ? 0 : i];
        });
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        for (int k = 0; k < 2; k++)
        {
            if (!f.WantsDX(k))
                continue;
            int input = k, area = f.YShape.Area, own = f.XShape(k).Area;
            f.For(f.N * f.YShape.C, map =>
            {
                ReadOnlySpan<T> other = Map(f, 1 - input, map), dy = f.DY.Slice(map * area, area);
                Span<TSum> dx = f.DX(input).Slice(map * own, own);
                if (own < area)
                {
                    dx[0] = Rows.Dot<T, TSum>(other, dy);
                    return;
                }
                for (int i = 0; i < dx.Length; i++)
                    dx[i] = default(TSum) + other[other.Length == 1 ? 0 : i] * dy[i];
            });
        }
    }

    private static ReadOnlySpan<T> Map<T, TSum>(Frame<T, TSum> f, int input, int map)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
        => f.X(input).Slice(map * f.XShape(input).Area, f.XShape(input).Area);

    private static LayerExample Random(RandomDraw draw)
    {
        Shape shape = draw.Shape();
        return new("mul", new Multiply(), draw.Batch(), shape, shape);
    }

    private static LayerExample ByScale(RandomDraw draw)
    {
        Shape shape = draw.Shape(), scale = Shape.Vector(shape.C);
        return new("mul by a scale", new Multiply(), draw.Batch(), draw.OneIn(2) ? [shape, scale] : [scale, shape]);
    }

    private static LayerExample LargeMap(RandomDraw draw)
    {
        int rows = draw.Between(150, 350), channels = draw.Between(1, 3);
        return new("mul by a scale", new Multiply(), draw.Between(1, 2),
            new Shape(channels, rows, draw.ManyTerms() / rows + 1), Shape.Vector(channels));
    }
}
