namespace ConvNet;

/// <summary>The results of a layer's training pass in double, and the float32 error bounds that the layer fills
/// in.</summary>
/// <remarks>
/// A result passes if its error is at most the bound. A bound of 0 requires the rounded double result. Notation and
/// order are those of <see cref="Frame{T}"/>.
/// </remarks>
public sealed class ErrorBounds
{
    private readonly LayerValues<double> _values;
    private readonly LayerRun<double> _run;
    private readonly double[] _y;
    private readonly double[][] _dx, _dw, _buffers;

    /// <summary>Runs the layer and sets all bounds to 0.</summary>
    /// <param name="values">The input values of the pass.</param>
    /// <exception cref="ArgumentException">A length does not match the layer and the batch size.</exception>
    internal ErrorBounds(LayerValues<double> values)
    {
        (_values, _run) = (values, new LayerRun<double>(values));
        _y = new double[_run.Y.Length];
        _dx = Array.ConvertAll(_run.DX, dx => new double[dx.Length]);
        _dw = Array.ConvertAll(_run.DW, dw => new double[dw.Length]);
        _buffers = Array.ConvertAll(_run.W, w => new double[w.Length]);
    }

    /// <summary>Computes the results of a layer of sums again, with the bounds of the sums themselves.</summary>
    internal LayerSums<BoundedSum> Sums() => new(_values);

    /// <summary>The number of samples in the batch.</summary>
    public int N => _values.N;

    /// <summary>Whether the layer runs in training mode; false for a frozen layer, which runs as in
    /// inference.</summary>
    public bool Training => _values.Training;

    /// <summary>The number of terms of the longest sum, for the report; 0 if nothing is summed.</summary>
    public int Terms { get; set; }

    /// <summary>Returns the shape of one sample of an input.</summary>
    public Shape XShape(int i) => _values.XShapes[i];

    /// <summary>Returns the values of an input.</summary>
    public ReadOnlySpan<double> X(int i) => _values.X[i];

    /// <summary>Returns a parameter or buffer before the pass.</summary>
    public ReadOnlySpan<double> W(int i) => _values.W[i];

    /// <summary>The gradient of the output.</summary>
    public ReadOnlySpan<double> DY => _values.DY;

    /// <summary>The output.</summary>
    public ReadOnlySpan<double> Y => _run.Y;

    /// <summary>Returns the gradient of an input.</summary>
    public ReadOnlySpan<double> DX(int i) => _run.DX[i];

    /// <summary>Returns the gradient of a parameter.</summary>
    public ReadOnlySpan<double> DW(int i) => _run.DW[i];

    /// <summary>Returns a buffer after the pass.</summary>
    public ReadOnlySpan<double> Buffer(int i) => _run.W[i];

    /// <summary>The bounds of the output.</summary>
    public Span<double> YBound => _y;

    /// <summary>Returns the bounds of the gradient of an input.</summary>
    public Span<double> DXBound(int i) => _dx[i];

    /// <summary>Returns the bounds of the gradient of a parameter.</summary>
    public Span<double> DWBound(int i) => _dw[i];

    /// <summary>Returns the bounds of a buffer after the pass.</summary>
    public Span<double> BufferBound(int i) => _buffers[i];
}
