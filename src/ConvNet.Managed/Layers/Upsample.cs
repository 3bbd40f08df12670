using System.Numerics.Tensors;

namespace ConvNet;

/// <summary>How <see cref="Upsample"/> computes values between those of a map.</summary>
public enum UpsampleMode
{
    /// <summary>The value at the rounded down position.</summary>
    Nearest,

    /// <summary>The weighted mean of the four surrounding values.</summary>
    Bilinear,
}

/// <summary>Resizes maps to a multiple of their size or to a given size.</summary>
/// <remarks>
/// <para>x: N×C×H×W, y: N×C×OH×OW with OH = ⌊H·factor⌋ or the given number of rows; columns likewise. y[n,c,oh,ow] is
/// the value of x at (s(oh), s(ow)), where for rows</para>
/// <para>nearest: s(o) = min(⌊o·r⌋, H − 1), in float32;</para>
/// <para>bilinear: s(o) = max(0, (o + ½)·r − ½), between ⌊s⌋ and min(⌊s⌋ + 1, H − 1);</para>
/// <para>bilinear with aligned corners: s(o) = o·(H − 1) / (OH − 1), 0 if OH = 1.</para>
/// <para>r is 1 / factor or, for a given size, H / OH. Backward: dx is the sum of dy over all outputs that read x, with
/// the same weights. The formulas are those of <c>torch.nn.functional.interpolate</c>. In ONNX, they are Resize with
/// the coordinates <c>asymmetric</c> and <c>floor</c>, <c>half_pixel</c> and <c>align_corners</c>.</para>
/// </remarks>
public sealed record Upsample : Resampling2d
{
    private const UpsampleMode UsualMode = UpsampleMode.Nearest;
    private const bool UsualAlignCorners = false;

    // Limits the map size in random graphs; a larger map would make the following layers expensive.
    private const int MostInGraph = 400;

    private static readonly AttributeDeclaration<ScaleFactor> s_scale
        = AttributeDeclaration.Scale<Upsample>("scale", layer => layer.Scale, "from the size");

    private static readonly AttributeDeclaration<UpsampleMode> s_mode
        = AttributeDeclaration.Choice<Upsample, UpsampleMode>("mode", layer => layer.Mode,
            [("nearest", UpsampleMode.Nearest), ("bilinear", UpsampleMode.Bilinear)], UsualMode);

    private static readonly AttributeDeclaration<bool> s_alignCorners = AttributeDeclaration.Flag<Upsample>(
        "alignCorners", layer => layer.AlignCorners, UsualAlignCorners);

    private static readonly AttributeDeclaration<Extent> s_size = AttributeDeclaration.Size<Upsample>("size",
        layer => layer.Size, 0, Limits.NativeSize, otherwiseWords: "from the scale");

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("upsample", "resizing of maps",
        [s_scale, s_mode, s_alignCorners, s_size],
        values => new Upsample(values.Find(s_scale) ?? default, values.Get(s_mode), values.Get(s_alignCorners),
            values.Find(s_size) ?? default))
    {
        Examples =
        [
            new("upsample nearest", new Upsample((2, 3)), 2, new Shape(17, 3, 2)),
            new("upsample bilinear", new Upsample(2, UpsampleMode.Bilinear), 2, new Shape(5, 4, 3)),
            new("upsample bilinear to a size", new Upsample(default, UpsampleMode.Bilinear, size: (7, 2)), 2,
                new Shape(3, 4, 5))
            { Rounds = true },
            new("upsample bilinear with aligned corners",
                new Upsample((1.5f, 2.5f), UpsampleMode.Bilinear, alignCorners: true), 2, new Shape(3, 3, 4))
            { Rounds = true },
        ],
        Random = [Random],
        Fitting = (draw, _, x) => x.Length <= MostInGraph ? Drawn(draw, x) : null,
    };

    /// <summary>Describes a resizing layer. Either the scale or the size must be given.</summary>
    /// <param name="scale">The factors of rows and columns; they may be fractional or less than 1.</param>
    /// <param name="mode">How values between those of the map are computed.</param>
    /// <param name="alignCorners">Whether the corner pixels of input and output have the same centres, instead of the
    /// same corners. Only for <see cref="UpsampleMode.Bilinear"/>.</param>
    /// <param name="size">The rows and columns of the output.</param>
    /// <exception cref="ArgumentOutOfRangeException">A factor or size is out of range.</exception>
    /// <exception cref="ArgumentException">Neither scale nor size is given, or both are, or corners are to be aligned
    /// in nearest mode.</exception>
    public Upsample(ScaleFactor scale = default, UpsampleMode mode = UsualMode, bool alignCorners = UsualAlignCorners,
        Extent size = default)
    {
        if ((scale == default) == (size == default))
        {
            throw new ArgumentException($"{Kind} needs either a scale or a size, but has "
                + (size == default ? "neither" : $"the scale {scale} and the size {size}")
                + ". Pass one of them, as in new Upsample(2) or new Upsample(size: (7, 9)).", nameof(scale));
        }
        Scale = scale == default ? scale : s_scale.Check(Kind, scale);
        Size = s_size.Check(Kind, size);
        if (size != default && Math.Min(size.H, size.W) < 1)
            throw new ArgumentOutOfRangeException(nameof(size), $"{Kind}: size {size} must be at least 1×1.");
        Mode = s_mode.Check(Kind, mode);
        if (alignCorners && mode == UpsampleMode.Nearest)
        {
            throw new ArgumentException(
                $"{Kind}: corners cannot be aligned in nearest mode, which interpolates nothing. "
                + "Use bilinear mode, or leave out alignCorners.", nameof(alignCorners));
        }
        AlignCorners = alignCorners;
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>The factors of rows and columns; 0×0 if the size is given.</summary>
    public ScaleFactor Scale { get; }

    /// <summary>How values between those of the map are computed.</summary>
    public UpsampleMode Mode { get; }

    /// <summary>Whether the corner pixels of input and output have the same centres.</summary>
    public bool AlignCorners { get; }

    /// <summary>The rows and columns of the output; 0×0 if the scale is given.</summary>
    public Extent Size { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        double h = Size == default ? Math.Floor(x.H * Scale.Decimals.H) : Size.H,
            w = Size == default ? Math.Floor(x.W * Scale.Decimals.W) : Size.W;
        if (h < 1 || w < 1)
        {
            throw ArgumentErrors.WithAdvice($"The scale {Scale} leaves no pixel of a {x.H}×{x.W} map: {h}×{w}.",
                "Use a larger scale, or a size.");
        }
        return x.C * h * w <= int.MaxValue
            ? new Shape(x.C, (int)h, (int)w)
            : throw new ArgumentException(
                $"An output of {x.C:N0}×{h:N0}×{w:N0} is too large: the limit is {int.MaxValue:N0} values.");
    }

    /// <summary>The values that contribute to one output. They are closer together than the outputs.</summary>
    public override Window? Sees(params ReadOnlySpan<Shape> inputs)
    {
        (Shape x, Shape y) = (inputs[0], Infer(inputs));
        return new Window(Mode == UpsampleMode.Bilinear ? 2 : 1, (Math.Max(1, x.H / y.H), Math.Max(1, x.W / y.W)), 0,
            1);
    }

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs) => Size == default
        ? FormattableString.Invariant($"{inputs[0].H}·{Scale.H} × {inputs[0].W}·{Scale.W}")
        : $"{inputs[0].H}×{inputs[0].W} to {Size}";

    /// <inheritdoc/>
    /// <remarks>Powers of two give weights without rounding errors.</remarks>
    public override Accuracy Accuracy => HasExactWeights ? Accuracy.Sums : Accuracy.Derived;

    /// <inheritdoc/>
    /// <remarks>
    /// In float32, the ratio, its product with o + ½ and the difference from ½ are rounded, so a position p has an
    /// error of at most 4·u·(p + 1). The weights of the inputs on both sides have the same error; if p is nearly whole,
    /// rounding may select the input before instead. Added to the bounds of the sums, with row weights r, column
    /// weights s and their errors e: Σ (e_r·s + r·e_s)·|x|.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="bounds"/> is null.</exception>
    /// <exception cref="ArgumentException">The bounds belong to another layer.</exception>
    public override void DeriveBounds(ErrorBounds bounds)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        Shape xs = bounds.XShape(0), ys = Infer(xs);
        AxisTaps rows = RowTaps(xs), columns = ColumnTaps(xs), rowErrors = Errors(xs.H, ys.H, Scale.Decimals.H),
            columnErrors = Errors(xs.W, ys.W, Scale.Decimals.W);
        LayerSums<BoundedSum> sums = bounds.Sums();
        bounds.Terms = (int)LongestSum(bounds.N, xs);
        AddBounds(sums.Y, rows, columns, rowErrors, columnErrors, bounds.X(0), xs, bounds.YBound, ys);
        AddBounds(sums.DX[0], rows.Transposed(), columns.Transposed(), rowErrors.Transposed(),
            columnErrors.Transposed(), bounds.DY, ys, bounds.DXBound(0), xs);
    }

    private static void AddBounds(BoundedSum[] sums, AxisTaps rows, AxisTaps columns, AxisTaps rowErrors,
        AxisTaps columnErrors, ReadOnlySpan<double> from, Shape fromShape, Span<double> to, Shape toShape)
    {
        var magnitudes = new double[fromShape.Area];
        PlainSum<double>[] byRows = new PlainSum<double>[toShape.Area], byColumns = new PlainSum<double>[toShape.Area];
        for (int map = 0; map < from.Length / fromShape.Area; map++)
        {
            TensorPrimitives.Abs(from.Slice(map * fromShape.Area, fromShape.Area), magnitudes);
            Apply<double, PlainSum<double>>(rowErrors, columns, magnitudes, fromShape.W, byRows, toShape.W);
            Apply<double, PlainSum<double>>(rows, columnErrors, magnitudes, fromShape.W, byColumns, toShape.W);
            for (int i = 0; i < toShape.Area; i++)
            {
                int at = map * toShape.Area + i;
                to[at] = sums[at].Bound() + byRows[i].Value + byColumns[i].Value;
            }
        }
    }

    internal override AxisTaps RowTaps(Shape x) => Taps(x.H, Infer(x).H, Scale.Decimals.H);

    internal override AxisTaps ColumnTaps(Shape x) => Taps(x.W, Infer(x).W, Scale.Decimals.W);

    private AxisTaps Taps(int inputs, int outputs, double factor)
    {
        if (Mode == UpsampleMode.Nearest)
        {
            float ratio = factor > 0 ? (float)(1.0 / factor) : (float)inputs / outputs;
            return AxisTaps.Copies(outputs, inputs, o => (int)Math.Min(MathF.Floor(o * ratio), inputs - 1));
        }
        return AxisTaps.Of(outputs, inputs, o =>
        {
            double position = Position(o, inputs, outputs, factor);
            int first = (int)position;
            // Behind the last input, both taps are that input, as in torch.
            return [(first, 1 - (position - first)), (Math.Min(first + 1, inputs - 1), position - first)];
        });
    }

    // The position of an output between the inputs. Products come before quotients, so that whole positions are exact.
    private double Position(int o, int inputs, int outputs, double factor)
    {
        if (AlignCorners)
            return outputs == 1 ? 0 : (double)o * (inputs - 1) / (outputs - 1);
        return Math.Max(0, (factor > 0 ? (o + 0.5) / factor : (o + 0.5) * inputs / outputs) - 0.5);
    }

    // The errors of the weights of the inputs around each output.
    private AxisTaps Errors(int inputs, int outputs, double factor) => AxisTaps.Of(outputs, inputs, o =>
    {
        double position = Position(o, inputs, outputs, factor), error = 4 * BoundedSum.UnitRoundoff * (position + 1);
        int first = (int)position;
        return [(first - 1, error), (first, error), (first + 1, error)];
    });

    // The exact weights of powers of two are those of every backend.
    private bool HasExactWeights => Mode == UpsampleMode.Nearest
        || (!AlignCorners && Size == default && IsPowerOfTwo(Scale.H) && IsPowerOfTwo(Scale.W));

    private static bool IsPowerOfTwo(float value) => float.IsPow2(value) || float.IsPow2(1 / value);

    private static LayerExample Random(RandomDraw draw)
    {
        Shape x = new(draw.Channels(), draw.Between(1, 7), draw.Between(1, 7));
        return new("upsample", Drawn(draw, x), draw.Batch(), x);
    }

    private static Upsample Drawn(RandomDraw draw, Shape x)
    {
        UpsampleMode mode = draw.Of(UpsampleMode.Nearest, UpsampleMode.Bilinear);
        bool aligns = mode == UpsampleMode.Bilinear && draw.OneIn(2);
        return draw.OneIn(3)
            ? new Upsample(default, mode, aligns, (draw.Between(1, 2 * x.H), draw.Between(1, 2 * x.W)))
            : new Upsample(draw.OneIn(2) ? 2 : (draw.Of(1, 1.5f, 3), draw.Of(1, 2, 2.5f)), mode, aligns);
    }
}
