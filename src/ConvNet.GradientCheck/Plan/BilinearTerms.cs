namespace ConvNet.GradientChecking;

/// <summary>A sum of products and what bounds its float32 error.</summary>
/// <param name="Value">The sum.</param>
/// <param name="Bound">The allowed error of a direct float32 sum: λ·u·√n·(Q + M).</param>
/// <param name="Ceiling">The largest error of any float32 sum: n·u·Σ|term|.</param>
internal readonly record struct SumOfTerms(double Value, double Bound, double Ceiling);

/// <summary>Single results of a convolution, a transposed convolution or a linear layer, each computed from its own
/// terms.</summary>
/// <remarks>
/// Shares no loop with the layers. All three are one relation between a large map a and a small map b: the terms are
/// a[n, c, i·stride + r·dilation − padding] · w[k, c, r] · b[n, k, i]. A convolution reads a and gives b, a transposed
/// convolution reads b and gives a; a linear layer is a convolution of 1×1 maps.
/// </remarks>
internal sealed class BilinearTerms
{
    private readonly LayerValues<float> _values;
    private readonly float[] _dy, _w;
    private readonly float[]? _uncertain;
    private readonly bool _transposed;
    private readonly Window _window;
    private readonly Shape _a, _b;
    private readonly int _aPerGroup, _bPerGroup;
    private readonly double[]? _bias;
    private readonly double[] _weights;

    /// <summary>Prepares the terms.</summary>
    /// <param name="values">The values. Bilinear layers of other kinds have no terms here; see <see cref="Knows"/>.
    /// </param>
    /// <param name="uncertain">How far each element of dy may be off because a branch before it is undecided; null for
    /// none.</param>
    /// <param name="weights">The weights and the bias in double; null for those of the values.</param>
    public BilinearTerms(LayerValues<float> values, float[]? uncertain = null,
        (double[] Weights, double[] Bias)? weights = null)
    {
        (_values, _dy, _w, _uncertain) = (values, values.DY, values.W[0], uncertain);
        _transposed = values.Layer is ConvTranspose2d;
        Shape x = values.XShapes[0], y = values.YShape;
        (_a, _b) = _transposed ? (y, x) : (x, y);
        int groups = 1;
        (_window, groups) = values.Layer is Convolution2d conv ? (conv.Window, conv.Groups)
            : (new Window(1, 1, 0, 1), 1);
        (_aPerGroup, _bPerGroup) = (_a.C / groups, _b.C / groups);
        _weights = weights?.Weights ?? Array.ConvertAll(_w, v => (double)v);
        _bias = weights?.Bias ?? (values.W.Length > 1 ? Array.ConvertAll(values.W[1], v => (double)v) : null);
    }

    /// <summary>Whether the terms of a layer are known.</summary>
    public static bool Knows(Layer layer) => layer is Convolution2d or Linear;

    /// <summary>The number of terms of an output.</summary>
    public int TermsOfY => _transposed ? _bPerGroup * (int)_window.Kernel.Area : _aPerGroup * (int)_window.Kernel.Area;

    /// <summary>The largest number of terms of an element of the input gradient.</summary>
    public int TermsOfDX => _transposed ? _aPerGroup * (int)_window.Kernel.Area : _bPerGroup * (int)_window.Kernel.Area;

    /// <summary>The largest number of terms of an element of the weight gradient.</summary>
    public int TermsOfDW => _values.N * _b.Area;

    /// <summary>Returns for each result of a pass the product of the norm of its filter, or of its gradients, and the
    /// largest magnitude of the values that they meet.</summary>
    /// <remarks>A Winograd algorithm also computes products of values and taps that meet in no result of a tile. They
    /// cancel, but their roundings do not, even if the result itself has no terms that differ from 0.</remarks>
    /// <param name="pass">The pass.</param>
    public Func<int, double> CancelledTerms(SumPass pass)
    {
        int taps = (int)_window.Kernel.Area;
        double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(v => v * v));
        double Largest(float[] values, int first, int count) => values.AsSpan(first, count).ToArray()
            .Select(v => Math.Abs((double)v)).DefaultIfEmpty().Max();
        double[] PerSample(float[] values) => [.. Enumerable.Range(0, _values.N)
            .Select(n => Largest(values, n * values.Length / _values.N, values.Length / _values.N))];
        double[] PerChannel(float[] values, Shape shape, Func<IEnumerable<double>, double> of)
            => [.. Enumerable.Range(0, shape.C).Select(c => of(Enumerable.Range(0, _values.N).SelectMany(n
                => values.AsSpan((n * shape.C + c) * shape.Area, shape.Area).ToArray()).Select(v => (double)v)))];
        if (pass == SumPass.WeightGradient)
        {
            double[] dy = PerChannel(_transposed ? _values.X[0] : _dy, _b, Norm),
                x = PerChannel(_transposed ? _dy : _values.X[0], _a, all => all.Select(Math.Abs).Max());
            return index => index / taps is var filter && filter / _aPerGroup is var k
                ? dy[k] * x[k / _bPerGroup * _aPerGroup + filter % _aPerGroup] : 0;
        }
        bool ofFilters = pass == SumPass.Forward != _transposed;
        double[] values = PerSample(pass == SumPass.Forward ? _values.X[0] : _dy), norms = ofFilters
            ? [.. Enumerable.Range(0, _b.C).Select(k => Norm(_weights.Skip(k * _aPerGroup * taps)
                .Take(_aPerGroup * taps)))]
            : [.. Enumerable.Range(0, _a.C).Select(c => Norm(Enumerable.Range(0, _bPerGroup).SelectMany(k => _weights
                .Skip(((c / _aPerGroup * _bPerGroup + k) * _aPerGroup + c % _aPerGroup) * taps).Take(taps))))];
        Shape result = ofFilters ? _b : _a;
        return index => norms[index / result.Area % result.C] * values[index / result.Length];
    }

    /// <summary>Computes an output.</summary>
    public SumOfTerms Y(int index)
    {
        double bias = _bias is null ? 0 : _bias[index / _values.YShape.Area % _values.YShape.C];
        return _transposed ? Large(index, _values.X[0], null, bias, _bias is not null)
            : Small(index, _values.X[0], null, bias, _bias is not null);
    }

    /// <summary>Computes an element of the gradient of the input.</summary>
    public SumOfTerms DX(int index) => _transposed ? Small(index, _dy, _uncertain, 0, false)
        : Large(index, _dy, _uncertain, 0, false);

    /// <summary>Computes an element of the gradient of a parameter.</summary>
    /// <param name="parameter">0 for the weights, 1 for the bias.</param>
    /// <param name="index">The index of the element.</param>
    public SumOfTerms DW(int parameter, int index) => parameter == 0 ? OfWeight(index) : OfBias(index);

    // An element of b: the terms of one window.
    private SumOfTerms Small(int index, float[] a, float[]? uncertain, double first, bool hasFirst)
    {
        (int plane, int at) = Math.DivRem(index, _b.Area);
        (int n, int k) = Math.DivRem(plane, _b.C);
        (int top, int left) = Start(at);
        var sum = new Accumulator(first, hasFirst);
        int channels = k / _bPerGroup * _aPerGroup;
        for (int c = 0; c < _aPerGroup; c++)
        {
            int image = (n * _a.C + channels + c) * _a.Area;
            int filter = (k * _aPerGroup + c) * (int)_window.Kernel.Area;
            for (int r = 0; r < _window.Kernel.H; r++)
            {
                int row = top + r * _window.Dilation.H;
                if ((uint)row >= (uint)_a.H)
                    continue;
                for (int s = 0; s < _window.Kernel.W; s++)
                {
                    int column = left + s * _window.Dilation.W;
                    if ((uint)column < (uint)_a.W)
                        Add(ref sum, a, uncertain, image + row * _a.W + column, filter + r * _window.Kernel.W + s);
                }
            }
        }
        return sum.Total;
    }

    // An element of a: the terms of all windows that contain it.
    private SumOfTerms Large(int index, float[] b, float[]? uncertain, double first, bool hasFirst)
    {
        (int plane, int at) = Math.DivRem(index, _a.Area);
        (int n, int c) = Math.DivRem(plane, _a.C);
        (int row, int column) = Math.DivRem(at, _a.W);
        var sum = new Accumulator(first, hasFirst);
        int filters = c / _aPerGroup * _bPerGroup, channel = c % _aPerGroup;
        for (int r = 0; r < _window.Kernel.H; r++)
        {
            int i = Step(row + _window.Padding.Top - r * _window.Dilation.H, _window.Stride.H, _b.H);
            if (i < 0)
                continue;
            for (int s = 0; s < _window.Kernel.W; s++)
            {
                int j = Step(column + _window.Padding.Left - s * _window.Dilation.W, _window.Stride.W, _b.W);
                if (j < 0)
                    continue;
                for (int k = 0; k < _bPerGroup; k++)
                {
                    Add(ref sum, b, uncertain, ((n * _b.C + filters + k) * _b.H + i) * _b.W + j,
                        ((filters + k) * _aPerGroup + channel) * (int)_window.Kernel.Area + r * _window.Kernel.W + s);
                }
            }
        }
        return sum.Total;
    }

    private SumOfTerms OfWeight(int index)
    {
        (int filter, int tap) = Math.DivRem(index, (int)_window.Kernel.Area);
        (int k, int channel) = Math.DivRem(filter, _aPerGroup);
        (int r, int s) = Math.DivRem(tap, _window.Kernel.W);
        int c = k / _bPerGroup * _aPerGroup + channel;
        (float[] a, float[] b) = _transposed ? (_dy, _values.X[0]) : (_values.X[0], _dy);
        (float[]? doubtA, float[]? doubtB) = _transposed ? (_uncertain, (float[]?)null) : (null, _uncertain);
        var sum = new Accumulator(0, false);
        for (int n = 0; n < _values.N; n++)
        {
            int image = (n * _a.C + c) * _a.Area, map = (n * _b.C + k) * _b.Area;
            for (int i = 0; i < _b.H; i++)
            {
                int row = i * _window.Stride.H - _window.Padding.Top + r * _window.Dilation.H;
                if ((uint)row >= (uint)_a.H)
                    continue;
                for (int j = 0; j < _b.W; j++)
                {
                    int column = j * _window.Stride.W - _window.Padding.Left + s * _window.Dilation.W;
                    if ((uint)column >= (uint)_a.W)
                        continue;
                    int at = image + row * _a.W + column, from = map + i * _b.W + j;
                    sum.Add((double)a[at] * b[from]);
                    if (doubtA is not null)
                        sum.Doubt(Math.Abs((double)doubtA[at] * b[from]));
                    if (doubtB is not null)
                        sum.Doubt(Math.Abs((double)a[at] * doubtB[from]));
                }
            }
        }
        return sum.Total;
    }

    private SumOfTerms OfBias(int k)
    {
        Shape y = _values.YShape;
        var sum = new Accumulator(0, false);
        for (int n = 0; n < _values.N; n++)
        {
            int map = (n * y.C + k) * y.Area;
            for (int i = map; i < map + y.Area; i++)
            {
                sum.Add(_dy[i]);
                if (_uncertain is not null)
                    sum.Doubt(_uncertain[i]);
            }
        }
        return sum.Total;
    }

    private void Add(ref Accumulator sum, float[] values, float[]? uncertain, int at, int tap)
    {
        sum.Add(values[at] * _weights[tap]);
        if (uncertain is not null)
            sum.Doubt(Math.Abs(uncertain[at] * _weights[tap]));
    }

    private (int Top, int Left) Start(int at)
    {
        (int i, int j) = Math.DivRem(at, _b.W);
        return (i * _window.Stride.H - _window.Padding.Top, j * _window.Stride.W - _window.Padding.Left);
    }

    // The index of the window that starts at a position; −1 if there is none.
    private static int Step(int start, int stride, int count)
        => start >= 0 && start % stride == 0 && start / stride < count ? start / stride : -1;

    private struct Accumulator(double first, bool hasFirst)
    {
        private double _value = first, _squares, _magnitudes = Math.Abs(first), _peak = Math.Abs(first), _doubt;
        private int _count = hasFirst ? 1 : 0;

        public void Add(double term)
        {
            _value += term;
            _squares += term * term;
            _magnitudes += Math.Abs(term);
            _peak = Math.Max(_peak, Math.Abs(_value));
            _count++;
        }

        public void Doubt(double most) => _doubt += most;

        public readonly SumOfTerms Total
        {
            get
            {
                var sum = BoundedSum.Of(_value, _count, _squares, _magnitudes, _peak);
                return new SumOfTerms(_value, sum.Bound() + _doubt, sum.Ceiling + _doubt);
            }
        }
    }
}
