using System.Numerics;

namespace ConvNet.Tests.History;

/// <summary>The positions of the maxima are kept for a map of the size that the windows cover, so that the gradient
/// goes to other places of a wider map.</summary>
internal sealed record PositionsOfCovered(Layer Right) : Defective(Right)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        Shape x = f.XShape(0);
        int width = f.YShape.W * Window(x).Stride.W;
        T[] right = f.DX(0).ToArray();
        f.DX(0).Clear();
        for (int i = 0; i < right.Length; i++)
        {
            int map = i / x.Area, h = i / x.W % x.H, w = i % x.W;
            if (w < width && h * width + w < x.Area)
                f.DX(0)[map * x.Area + h * width + w] += right[i];
        }
    }
}

/// <summary>The mean of every window is divided by the size of the kernel.</summary>
internal sealed record DividesByKernel(AvgPool2d Pool) : Defective(Pool)
{
    public override void Forward<T>(in Frame<T> f)
    {
        base.Forward(f);
        for (int i = 0; i < f.Y.Length; i++)
            f.Y[i] *= Share<T>(f.XShape(0), f.YShape, i);
    }

    public override void Backward<T>(in Frame<T> f)
    {
        T[] dy = f.DY.ToArray();
        for (int i = 0; i < dy.Length; i++)
            dy[i] *= Share<T>(f.XShape(0), f.YShape, i);
        Run(f, dy: dy).DX[0].CopyTo(f.DX(0));
    }

    // The number of values that count in a window, as a part of the kernel.
    private T Share<T>(Shape x, Shape y, int index) where T : unmanaged, IFloatingPointIeee754<T>
    {
        int rows = Counted(Pool.Window.Rows(x), index / y.W % y.H),
            columns = Counted(Pool.Window.Columns(x), index % y.W);
        return T.CreateChecked(rows * columns) / T.CreateChecked(Pool.Window.Kernel.Area);
    }

    private int Counted(WindowAxis axis, int window)
    {
        int first = window * axis.Stride - axis.Before, end = first + axis.Kernel;
        return Pool.CountIncludePad ? Math.Min(end, axis.Size + axis.Behind) - first
            : Math.Min(end, axis.Size) - Math.Max(first, 0);
    }
}

/// <summary>The backward pass of a mean with stride 1 looks for the windows of a value as if there were no
/// padding.</summary>
internal sealed record PaddingForgottenBackward(AvgPool2d Pool) : Defective(Pool)
{
    public override void Backward<T>(in Frame<T> f)
    {
        Shape x = f.XShape(0), y = f.YShape;
        Extent kernel = Pool.Window.Kernel;
        T share = T.One / T.CreateChecked(kernel.Area);
        for (int i = 0; i < f.DX(0).Length; i++)
        {
            int map = i / x.Area, h = i / x.W % x.H, w = i % x.W;
            T sum = T.Zero;
            for (int oh = Math.Max(0, h - kernel.H + 1); oh <= Math.Min(h, y.H - 1); oh++)
            {
                for (int ow = Math.Max(0, w - kernel.W + 1); ow <= Math.Min(w, y.W - 1); ow++)
                    sum += f.DY[map * y.Area + oh * y.W + ow] * share;
            }
            f.DX(0)[i] = sum;
        }
    }
}

/// <summary>A tie goes to the last maximum of a window. Windows must tile the map.</summary>
internal sealed record LastOfTies(Layer Right) : Defective(Right)
{
    public override void Backward<T>(in Frame<T> f)
        => Reversed<T>(Run(f, Reversed(f.X(0), f.XShape(0)), dy: Reversed(f.DY, f.YShape)).DX[0], f.XShape(0))
            .CopyTo(f.DX(0));

    private static T[] Reversed<T>(ReadOnlySpan<T> values, Shape shape) where T : unmanaged
        => Moved(values, shape, at => at with { H = shape.H - 1 - at.H, W = shape.W - 1 - at.W });
}
