using System.Numerics;

namespace ConvNet.Tests.History;

/// <summary>A layer whose kernels have a defect. As it stands, it is the right layer in the same wrapping, so that what
/// a check finds in a derived layer is the defect.</summary>
/// <remarks>A defect is computed as the library computed it, often by running the right layer on what the defective
/// kernel saw.</remarks>
/// <param name="Right">The layer without the defect.</param>
internal record Defective(Layer Right) : Layer
{
    public override string Kind => Right.Kind;

    public override BackwardReads BackwardReads => Right.BackwardReads | BackwardReads.Inputs;

    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Right.Infer(inputs);

    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
        => Right.Parameters(inputs);

    public override int SavedLength(int batch, params ReadOnlySpan<Shape> inputs) => Right.SavedLength(batch, inputs);

    public override void Forward<T>(in Frame<T> f) => Right.Forward(f);

    public override void Backward<T>(in Frame<T> f) => Right.Backward(f);

    /// <summary>The window of the layer.</summary>
    protected Window Window(Shape x) => Right.Sees(x)!.Value;

    /// <summary>Runs both passes of the right layer on the values of a frame, or on others in their place.</summary>
    protected LayerRun<T> Run<T>(in Frame<T> f, T[]? x = null, T[]? weight = null, T[]? dy = null)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        Frame<T> frame = f;
        T[][] w = [.. Right.Parameters(f.XShape(0)).Select((_, i) => frame.W(i).ToArray())];
        if (weight is not null)
            w[0] = weight;
        return new LayerRun<T>(new LayerValues<T>(Right, [f.XShape(0)], f.N, [x ?? f.X(0).ToArray()], w,
            dy ?? f.DY.ToArray(), f.NodeIndex, f.Pass, f.Seed)
        {
            Training = f.Training,
        });
    }

    /// <summary>Returns a copy of N×C×H×W values in which each one is that of another place, or 0.</summary>
    /// <param name="values">The values.</param>
    /// <param name="shape">The shape of a sample.</param>
    /// <param name="from">Returns the sample, channel, row and column to read; outside of the map is 0.</param>
    protected static T[] Moved<T>(ReadOnlySpan<T> values, Shape shape,
        Func<(int N, int C, int H, int W), (int N, int C, int H, int W)> from)
        where T : unmanaged
    {
        var moved = new T[values.Length];
        for (int i = 0; i < moved.Length; i++)
        {
            int w = i % shape.W, h = i / shape.W % shape.H, c = i / shape.Area % shape.C, n = i / shape.Length;
            (n, c, h, w) = from((n, c, h, w));
            if (h >= 0 && h < shape.H && w >= 0 && w < shape.W)
                moved[i] = values[((n * shape.C + c) * shape.H + h) * shape.W + w];
        }
        return moved;
    }
}
