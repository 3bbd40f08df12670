using System.Numerics;

namespace ConvNet;

/// <summary>Base class of layers that resample maps: every output is a weighted sum of inputs, with weights that are
/// products of one for the row and one for the column.</summary>
public abstract record Resampling2d : SumLayer
{
    private protected Resampling2d()
    {
    }

    /// <inheritdoc/>
    public sealed override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public sealed override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs)
    {
        AxisTaps rows = RowTaps(inputs[0]), columns = ColumnTaps(inputs[0]);
        return Math.Max((long)rows.Longest * columns.Longest,
            (long)rows.Transposed().Longest * columns.Transposed().Longest);
    }

    /// <inheritdoc/>
    public sealed override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Shape xs = f.XShape(0), ys = f.YShape;
        AxisTaps rows = RowTaps(xs), columns = ColumnTaps(xs);
        f.For(f.N * xs.C, map => Apply(rows, columns, f.X(0).Slice(map * xs.Area, xs.Area), xs.W,
            f.Y.Slice(map * ys.Area, ys.Area), ys.W));
    }

    /// <inheritdoc/>
    public sealed override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        if (!f.WantsDX(0))
            return;
        Shape xs = f.XShape(0), ys = f.YShape;
        AxisTaps rows = RowTaps(xs).Transposed(), columns = ColumnTaps(xs).Transposed();
        f.For(f.N * xs.C, map => Apply(rows, columns, f.DY.Slice(map * ys.Area, ys.Area), ys.W,
            f.DX(0).Slice(map * xs.Area, xs.Area), xs.W));
    }

    /// <summary>Returns the map from the rows of the input to those of the output.</summary>
    internal abstract AxisTaps RowTaps(Shape x);

    /// <summary>Returns the map from the columns of the input to those of the output.</summary>
    internal abstract AxisTaps ColumnTaps(Shape x);

    /// <summary>Resamples one map.</summary>
    private protected static void Apply<T, TSum>(AxisTaps rows, AxisTaps columns, ReadOnlySpan<T> from, int fromWidth,
        Span<TSum> to, int toWidth)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        for (int i = 0; i < to.Length; i++)
        {
            (int h, int w) = Math.DivRem(i, toWidth);
            int row = rows.Starts[h], height = rows.Starts[h + 1] - row, column = columns.Starts[w],
                width = columns.Starts[w + 1] - column;
            to[i] = height == 0 || width == 0 ? TSum.Of(T.Zero)
                : height == 1 && width == 1 && rows.Weights[row] * columns.Weights[column] == 1
                    ? TSum.Of(from[rows.Indices[row] * fromWidth + columns.Indices[column]])
                    : Sum<T, TSum>(rows, row, height, columns, column, width, from, fromWidth);
        }
    }

    private static TSum Sum<T, TSum>(AxisTaps rows, int row, int height, AxisTaps columns, int column, int width,
        ReadOnlySpan<T> from, int fromWidth)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        if (height > Rows.Block)
        {
            int half = height / 2;
            return Sum<T, TSum>(rows, row, half, columns, column, width, from, fromWidth)
                + Sum<T, TSum>(rows, row + half, height - half, columns, column, width, from, fromWidth);
        }
        TSum sum = default;
        for (int i = row; i < row + height; i++)
            sum += Sum<T, TSum>(columns, column, width, from[(rows.Indices[i] * fromWidth)..])
                * T.CreateChecked(rows.Weights[i]);
        return sum;
    }

    private static TSum Sum<T, TSum>(AxisTaps columns, int column, int width, ReadOnlySpan<T> from)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        if (width > Rows.Block)
        {
            int half = width / 2;
            return Sum<T, TSum>(columns, column, half, from)
                + Sum<T, TSum>(columns, column + half, width - half, from);
        }
        TSum sum = default;
        for (int i = column; i < column + width; i++)
            sum += from[columns.Indices[i]] * T.CreateChecked(columns.Weights[i]);
        return sum;
    }
}
