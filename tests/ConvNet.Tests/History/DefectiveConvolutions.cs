using System.Numerics;

namespace ConvNet.Tests.History;

/// <summary>Rows of dx that no window reads are not written, so that they hold what the memory held before.</summary>
internal sealed record UnreadRows(Layer Right) : Defective(Right)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        Shape x = f.XShape(0);
        WindowAxis rows = Window(x).Rows(x);
        for (int i = 0; i < f.DX(0).Length; i++)
        {
            if (!IsRead(rows, i / x.W % x.H))
                f.DX(0)[i] = T.One;
        }
    }

    private static bool IsRead(WindowAxis rows, int row)
    {
        for (int oh = 0; oh < rows.Output; oh++)
        {
            for (int tap = 0; tap < rows.Kernel; tap++)
            {
                if (oh * rows.Stride - rows.Before + tap * rows.Dilation == row)
                    return true;
            }
        }
        return false;
    }
}

/// <summary>With groups and stride 2, the last row of a filter's gradient lacks the last row of the output.</summary>
internal sealed record LastRowOfGroups(Conv2d Conv) : Defective(Conv)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        if (Conv.Groups == 1 || Conv.Window.Stride != 2)
            return;
        int last = f.YShape.H - 1;
        T[] cut = Run(f, dy: Moved(f.DY, f.YShape, at => at.H == last ? (at.N, at.C, -1, 0) : at)).DW[0];
        Extent kernel = Conv.Window.Kernel;
        for (int i = 0; i < cut.Length; i++)
        {
            if (i / kernel.W % kernel.H == kernel.H - 1)
                f.DW(0)[i] = cut[i];
        }
    }
}

/// <summary>A block of 16 filters reads the channels of one group, even if the block holds several groups.</summary>
internal sealed record BlocksAcrossGroups(Conv2d Conv) : Defective(Conv)
{
    private const int Block = 16;

    public override void Forward<T>(in Frame<T> f)
    {
        int filters = Conv.OutChannels / Conv.Groups, channels = f.XShape(0).C / Conv.Groups;
        int OfBlock(int channel)
            => channel / channels * filters / Block * Block / filters * channels + channel % channels;
        T[] x = Moved(f.X(0), f.XShape(0), at => (at.N, OfBlock(at.C), at.H, at.W));
        Run(f, x, dy: new T[f.Y.Length]).Y.CopyTo(f.Y);
    }
}

/// <summary>Each thread gathers the strided inputs of its samples. What one gathers last runs over into the memory of
/// the next.</summary>
internal sealed record RunsOver(Layer Right, int Threads) : Defective(Right)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        int share = (f.N + Threads - 1) / Threads;
        Run(f, Moved(f.X(0), f.XShape(0), at => at.N > 0 && at.N % share == 0 ? at with { N = at.N - 1 } : at)).DW[0]
            .CopyTo(f.DW(0));
    }
}

/// <summary>The gradient of the weights reads the input with another stride.</summary>
internal sealed record WeightGradientWithStride(Conv2d Conv, Extent Stride) : Defective(Conv)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        Shape xs = f.XShape(0), ys = f.YShape;
        (Extent kernel, Extent dilation, Padding padding) = (Conv.Window.Kernel, Conv.Window.Dilation,
            Conv.Window.Padding);
        int channels = xs.C / Conv.Groups, filters = ys.C / Conv.Groups;
        Span<T> dw = f.DW(0);
        dw.Clear();
        for (int i = 0; i < f.DY.Length * channels * (int)kernel.Area; i++)
        {
            (int tap, int c, int y) = (i % (int)kernel.Area, i / (int)kernel.Area % channels,
                i / (int)kernel.Area / channels);
            int k = y / ys.Area % ys.C, oh = y / ys.W % ys.H, ow = y % ys.W;
            int h = oh * Stride.H - padding.Top + tap / kernel.W * dilation.H;
            int w = ow * Stride.W - padding.Left + tap % kernel.W * dilation.W;
            if (h >= 0 && h < xs.H && w >= 0 && w < xs.W)
            {
                int channel = y / ys.Length * xs.C + k / filters * channels + c;
                dw[(k * channels + c) * (int)kernel.Area + tap] += f.DY[y] * f.X(0)[(channel * xs.H + h) * xs.W + w];
            }
        }
    }
}

/// <summary>A map that is one value wide is taken to be stored with the channels last, because its strides look the
/// same.</summary>
internal sealed record TakenForChannelsLast(Layer Right) : Defective(Right)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        Shape x = f.XShape(0);
        if (x.W == 1)
            Run(f, Moved(f.X(0), x, at => (at.N, (at.H * x.C + at.C) / x.H, (at.H * x.C + at.C) % x.H, 0))).DW[0]
                .CopyTo(f.DW(0));
    }
}

/// <summary>The gradient of the bias is computed together with that of the weights, and stays 0 if only it is
/// wanted.</summary>
internal sealed record BiasOnlyWithWeights(Layer Right) : Defective(Right)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        if (!f.WantsDW(0) && f.WantsDW(1))
            f.DW(1).Clear();
    }
}

/// <summary>A kernel smaller than its stride gives a negative "same" padding, which is taken for padding: the window
/// starts one row and one column too early.</summary>
internal sealed record NegativePadding(Layer Right) : Defective(Right)
{
    public override void Forward<T>(in Frame<T> f) => Run(f, Early(f), dy: new T[f.Y.Length]).Y.CopyTo(f.Y);

    public override void Backward<T>(in Frame<T> f)
    {
        LayerRun<T> early = Run(f, Early(f));
        Moved(early.DX[0], f.XShape(0), at => at with { H = at.H + 1, W = at.W + 1 }).CopyTo(f.DX(0));
        early.DW[0].CopyTo(f.DW(0));
        early.DW[1].CopyTo(f.DW(1));
    }

    private static T[] Early<T>(in Frame<T> f) where T : unmanaged, IFloatingPointIeee754<T>
        => Moved(f.X(0), f.XShape(0), at => at with { H = at.H - 1, W = at.W - 1 });
}

/// <summary>The gradient of the input has the size that the output would come from without a remainder, so that its
/// rows are too short.</summary>
internal sealed record WithoutRemainder(Layer Right) : Defective(Right)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        Shape x = f.XShape(0);
        WindowAxis rows = Window(x).Rows(x), columns = Window(x).Columns(x);
        int h = x.H - (int)(rows.Span % rows.Stride), w = x.W - (int)(columns.Span % columns.Stride);
        T[] shorter = new T[f.DX(0).Length];
        for (int map = 0; map < f.N * x.C; map++)
        {
            for (int i = 0; i < h * w; i++)
                shorter[map * h * w + i] = f.DX(0)[map * x.Area + i / w * x.W + i % w];
        }
        shorter.CopyTo(f.DX(0));
    }
}

/// <summary>The gradient of the weights is summed in eight parts of the batch, and the last one is lost.</summary>
internal sealed record LastPartLost(Layer Right) : Defective(Right)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        int first = f.N - (f.N + 7) / 8;
        Run(f, dy: Moved(f.DY, f.YShape, at => at.N >= first ? at with { H = -1 } : at)).DW[0].CopyTo(f.DW(0));
    }
}

/// <summary>Two threads add to the same gradient of the weights at once, and every other sum keeps only what the second
/// wrote.</summary>
internal sealed record RacingThreads(Layer Right) : Defective(Right)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        int second = f.N / 2;
        T[] half = Run(f, dy: Moved(f.DY, f.YShape, at => at.N < second ? at with { H = -1 } : at)).DW[0];
        for (int i = 0; i < half.Length; i += 2)
            f.DW(0)[i] = half[i];
    }
}

/// <summary>The kernel is split into as many smaller ones as the stride, and the number of taps of the last is the
/// remainder of a division instead of what is left, so that taps are lost in the gradient of the input.</summary>
internal sealed record TapsLost(Conv2d Conv) : Defective(Conv)
{
    public override void Backward<T>(in Frame<T> f)
    {
        base.Backward(f);
        (int taps, int stride) = (Conv.Window.Kernel.H, Conv.Window.Stride.H);
        int each = (taps + stride - 1) / stride;
        bool IsLost(int tap)
        {
            int part = tap % stride;
            return tap / stride >= ((part + 1) * each <= taps ? each : taps % each);
        }
        T[] weight = f.W(0).ToArray();
        for (int i = 0; i < weight.Length; i++)
            weight[i] = IsLost(i / Conv.Window.Kernel.W % taps) ? T.Zero : weight[i];
        Run(f, weight: weight).DX[0].CopyTo(f.DX(0));
    }
}
