namespace ConvNet;

/// <summary>A training pass of a layer in double, and how far float32 may be from it, for the layer to fill
/// in.</summary>
/// <remarks>
/// A result passes where its error is at most the bound; a bound of 0 asks for the double result, rounded. Notation
/// and order are those of <see cref="Frame{T}"/>.
/// </remarks>
public sealed class ErrorBounds
{
    private readonly LayerValues<double> _values;
    private readonly LayerRun<double> _run;
    private readonly double[] _y;
    private readonly double[][] _dx, _dw, _buffers;

    /// <summary>Runs the layer; all bounds are 0.</summary>
    /// <param name="values">What it runs on.</param>
    /// <exception cref="ArgumentException">A length does not fit the layer and the number of samples.</exception>
    public ErrorBounds(LayerValues<double> values)
    {
        (_values, _run) = (values, new LayerRun<double>(values));
        _y = new double[_run.Y.Length];
        _dx = Array.ConvertAll(_run.DX, dx => new double[dx.Length]);
        _dw = Array.ConvertAll(_run.DW, dw => new double[dw.Length]);
        _buffers = Array.ConvertAll(_run.W, w => new double[w.Length]);
    }

    /// <summary>Samples in the batch.</summary>
    public int N => _values.N;

    /// <summary>Terms of the longest sum, for the report; 0 where nothing is summed.</summary>
    public int Terms { get; set; }

    /// <summary>Shape of one sample of an input.</summary>
    public Shape XShape(int i) => _values.XShapes[i];

    /// <summary>Values of an input.</summary>
    public ReadOnlySpan<double> X(int i) => _values.X[i];

    /// <summary>A parameter or buffer before the pass.</summary>
    public ReadOnlySpan<double> W(int i) => _values.W[i];

    /// <summary>Gradient of the output.</summary>
    public ReadOnlySpan<double> DY => _values.DY;

    /// <summary>The output.</summary>
    public ReadOnlySpan<double> Y => _run.Y;

    /// <summary>Gradient of an input.</summary>
    public ReadOnlySpan<double> DX(int i) => _run.DX[i];

    /// <summary>Gradient of a parameter.</summary>
    public ReadOnlySpan<double> DW(int i) => _run.DW[i];

    /// <summary>A buffer after the pass.</summary>
    public ReadOnlySpan<double> Buffer(int i) => _run.W[i];

    /// <summary>Bounds of the output.</summary>
    public Span<double> YBound => _y;

    /// <summary>Bounds of the gradient of an input.</summary>
    public Span<double> DXBound(int i) => _dx[i];

    /// <summary>Bounds of the gradient of a parameter.</summary>
    public Span<double> DWBound(int i) => _dw[i];

    /// <summary>Bounds of a buffer after the pass.</summary>
    public Span<double> BufferBound(int i) => _buffers[i];
}
