namespace ConvNet;

/// <summary>The settings of a window that can be changed to make it fit a map.</summary>
internal enum WindowSetting
{
    /// <summary>The padding P.</summary>
    Padding,

    /// <summary>The stride S.</summary>
    Stride,

    /// <summary>The kernel size.</summary>
    Kernel,

    /// <summary>The dilation.</summary>
    Dilation,

    /// <summary>The handling of an output size that is not a whole number.</summary>
    Rounding,
}

/// <summary>A change of one setting that makes the window fit.</summary>
/// <param name="Setting">The setting.</param>
/// <param name="Window">The window with the changed setting.</param>
internal readonly record struct WindowChange(WindowSetting Setting, Window Window)
{
    /// <summary>The new value, in the form used by layers and files.</summary>
    public string Value => Setting switch
    {
        WindowSetting.Padding => Window.Padding is { IsSymmetric: true, Before: var sides } ? Text(sides)
            : Window.Padding.ToString(),
        WindowSetting.Stride => Text(Window.Stride),
        WindowSetting.Kernel => Text(Window.Kernel),
        WindowSetting.Dilation => Text(Window.Dilation),
        _ => Window.Rounding == Rounding.Floor ? "floor" : "ceiling",
    };

    /// <summary>The key by which the changes of one setting are sorted.</summary>
    public (int, int, int, int) Order => Setting switch
    {
        WindowSetting.Padding => (Window.Padding.Top, Window.Padding.Left, Window.Padding.Bottom, Window.Padding.Right),
        WindowSetting.Stride => (Window.Stride.H, Window.Stride.W, 0, 0),
        WindowSetting.Kernel => (Window.Kernel.H, Window.Kernel.W, 0, 0),
        WindowSetting.Dilation => (Window.Dilation.H, Window.Dilation.W, 0, 0),
        _ => ((int)Window.Rounding, 0, 0, 0),
    };

    private static string Text(Extent value) => value.H == value.W ? $"{value.H}" : value.ToString();
}

/// <summary>Single changes that make a window fit a map, found in constant time.</summary>
/// <param name="Changes">The changes closest to the current window; each has been verified.</param>
internal sealed record WindowAdvice(IReadOnlyList<WindowChange> Changes)
{
    // The number of values of a setting that are tried in each direction, and the numbers of values that are named.
    private const int Tried = 64, MostPaddings = 2, MostStrides = 3, MostOthers = 2;

    /// <summary>Finds changes that make a window fit.</summary>
    /// <param name="window">The window that does not fit.</param>
    /// <param name="input">The shape of the map.</param>
    /// <param name="channels">The number of channels of the output.</param>
    /// <param name="pools">Whether the layer is a pooling layer, which limits the padding.</param>
    public static WindowAdvice For(Window window, Shape input, int channels, bool pools)
    {
        var search = new Search(window, input, channels, pools);
        List<WindowChange> changes = [.. search.Paddings(), .. search.Strides()];
        if (!changes.Exists(change => change.Setting == WindowSetting.Stride))
            changes.AddRange([.. search.Kernels(), .. search.Dilations()]);
        if (window.Rounding == Rounding.Exact)
        {
            IEnumerable<Rounding> others = pools ? [Rounding.Floor, Rounding.Ceiling] : [Rounding.Floor];
            changes.AddRange(search.Fitting(WindowSetting.Rounding,
                others.Select(rounding => window with { Rounding = rounding }), 2));
        }
        return new WindowAdvice(changes);
    }

    /// <summary>Formats the changes as a sentence.</summary>
    public string Text()
    {
        List<string> settings =
        [
            .. from change in Changes
               where change.Setting != WindowSetting.Rounding
               group change by change.Setting into same
               let values = same.OrderBy(change => change.Order).Select(change => change.Value)
               select $"{same.Key.ToString().ToLowerInvariant()} {string.Join(", ", values)}",
        ];
        string rounding = string.Join(" or ", Changes.Where(change => change.Setting == WindowSetting.Rounding)
            .Select(change => change.Value));
        if (settings.Count == 0 && rounding.Length > 0)
            return $"Set rounding to {rounding}.";
        if (settings.Count == 0)
            return "No other padding, stride, kernel or dilation fits by itself. Change two of them, or the input.";
        string all = settings.Count == 1 ? settings[0] : $"{string.Join(", ", settings.SkipLast(1))} or {settings[^1]}";
        return $"{char.ToUpperInvariant(all[0])}{all[1..]} fits"
            + $"{(rounding.Length > 0 ? $", or set rounding to {rounding}" : "")}.";
    }

    /// <summary>The search for changes of a window that make it fit a map.</summary>
    private readonly record struct Search(Window Window, Shape Input, int Channels, bool Pools)
    {
        private WindowAxis Rows => Window.Rows(Input);

        private WindowAxis Columns => Window.Columns(Input);

        public IEnumerable<WindowChange> Paddings()
        {
            Window window = Window;
            if (window.Padding.IsSymmetric)
            {
                IEnumerable<WindowChange> symmetric = Nearest(WindowSetting.Padding, window.Padding.Before,
                    Paddings(Rows), Paddings(Columns), value => window with { Padding = value }, MostPaddings);
                if (symmetric.Any())
                    return symmetric;
            }
            (int top, int left, int bottom, int right) = window.Padding;
            long[] rows = PaddingsBehind(Rows), columns = PaddingsBehind(Columns);
            return Fitting(WindowSetting.Padding,
                from below in rows
                from beside in columns
                where (below, beside) != (bottom, right)
                select window with { Padding = (top, left, (int)below, (int)beside) }, MostPaddings);
        }

        public IEnumerable<WindowChange> Strides()
        {
            if (Rows.Span < 0 || Columns.Span < 0)
                return [];
            Window window = Window;
            long[] both = Divisors(Gcd(Rows.Span, Columns.Span), Math.Max(Window.Stride.H, Window.Stride.W));
            IEnumerable<Window> strided = both.Select(s => window with { Stride = (int)s });
            IEnumerable<WindowChange> square = Fitting(WindowSetting.Stride, strided, MostStrides);
            return Window.Stride.H == Window.Stride.W && square.Any()
                ? square
                : Nearest(WindowSetting.Stride, Window.Stride, Strides(Rows), Strides(Columns),
                    value => window with { Stride = value }, MostStrides);
        }

        public IEnumerable<WindowChange> Kernels()
        {
            Window window = Window;
            return Nearest(WindowSetting.Kernel, Window.Kernel, Kernels(Rows), Kernels(Columns),
                value => window with { Kernel = value }, MostOthers);
        }

        public IEnumerable<WindowChange> Dilations()
        {
            Window window = Window;
            return Nearest(WindowSetting.Dilation, Window.Dilation, Dilations(Rows), Dilations(Columns),
                value => window with { Dilation = value }, MostOthers);
        }

        /// <summary>Selects the windows that fit, up to a given number.</summary>
        public IEnumerable<WindowChange> Fitting(WindowSetting setting, IEnumerable<Window> windows, int most)
        {
            Search search = this;
            return [.. windows.Where(search.Fits).Take(most).Select(changed => new WindowChange(setting, changed))];
        }

        // By default the stride of a pooling layer equals its kernel and changes with it, so both strides must fit.
        private bool Fits(Window changed)
        {
            bool follows = Pools && Window.Stride == Window.Kernel && changed.Kernel != Window.Kernel;
            return changed.Accepts(Input, Channels, Pools)
                && (!follows || (changed with { Stride = changed.Kernel }).Accepts(Input, Channels, Pools));
        }

        // Prefers one value for both directions; otherwise uses one value for each.
        private IEnumerable<WindowChange> Nearest(
            WindowSetting setting, Extent now, long[] rows, long[] columns, Func<Extent, Window> make, int most)
        {
            if (now.H == now.W)
            {
                IEnumerable<long> both = rows.Concat(columns).Distinct().OrderBy(value => Math.Abs(value - now.H));
                IEnumerable<WindowChange> square = Fitting(setting, both.Select(value => make((int)value)), most);
                if (square.Any())
                    return square;
            }
            return Fitting(setting,
                from h in rows.Take(Tried)
                from w in columns.Take(Tried)
                where (h, w) != (now.H, now.W)
                select make(((int)h, (int)w)), most);
        }

        // before + p ≡ reach − size modulo the stride.
        private static long[] PaddingsBehind(WindowAxis axis)
        {
            long lacks = axis.Reach - axis.Size - axis.Before;
            long stride = axis.Rounding == Rounding.Exact ? axis.Stride : 1;
            return Nearby(axis, axis.Behind, Modulo(lacks, stride), stride, lacks);
        }

        // The paddings with the given residue modulo a distance, from the least, that are close to the current one.
        private static long[] Nearby(WindowAxis axis, int now, long residue, long distance, long least)
        {
            long first = residue + Math.Max(0, (Math.Max(0, least) - residue + distance - 1) / distance) * distance;
            long near = Math.Max(first, residue + (now - residue) / distance * distance);
            return [.. from value in (long[])[near, near + distance, near - distance, near + 2 * distance]
                       where value >= first && value <= Math.Max(first, (long)now + axis.Stride)
                       orderby Math.Abs(value - now)
                       select value];
        }

        // 2p ≡ reach − size modulo the stride: every stride-th padding, or every second one of them.
        private static long[] Paddings(WindowAxis axis)
        {
            long lacks = axis.Reach - axis.Size, stride = axis.Rounding == Rounding.Exact ? axis.Stride : 1;
            long distance = stride % 2 == 0 ? stride / 2 : stride;
            if (stride % 2 == 0 && lacks % 2 != 0)
                return [];
            long residue = stride % 2 == 0
                ? Modulo(lacks / 2, distance)
                : Modulo(Modulo(lacks, stride) * ((stride + 1) / 2), stride);
            return Nearby(axis, axis.Before, residue, distance, (lacks + 1) / 2);
        }

        private static long[] Strides(WindowAxis axis) => axis.Tiles ? [axis.Stride] : Divisors(axis.Span, axis.Stride);

        // The distance from the first tap to the last can be at most Room.
        private static long Room(WindowAxis axis) => axis.Size + (long)axis.Before + axis.Behind - 1;

        private static long[] Kernels(WindowAxis axis) => axis.Tiles
            ? [axis.Kernel]
            : Down(Math.Min(axis.Kernel - 1, Room(axis) / axis.Dilation + 1), kernel => axis with { Kernel = kernel });

        private static long[] Dilations(WindowAxis axis) => axis.Tiles || axis.Kernel == 1
            ? [axis.Dilation]
            : Down(Math.Min(axis.Dilation - 1, Room(axis) / (axis.Kernel - 1)), taps => axis with { Dilation = taps });

        private static long[] Down(long largest, Func<int, WindowAxis> make)
            => [.. from i in Enumerable.Range(0, Tried)
                   let value = largest - i
                   where value >= 1 && make((int)value).Tiles
                   select value];

        // All divisors that can be strides, the closest first. A span has at most 32 bits, its square root 16.
        private static long[] Divisors(long span, long near)
        {
            if (span == 0)
                return [near];
            var divisors = new List<long>();
            for (long small = 1; small * small <= span; small++)
            {
                if (span % small == 0)
                    divisors.AddRange(small * small == span ? [small] : [small, span / small]);
            }
            return [.. divisors.Where(each => each <= Limits.Window).OrderBy(each => Math.Abs(each - near))];
        }

        private static long Gcd(long a, long b)
        {
            while (b != 0)
                (a, b) = (b, a % b);
            return a;
        }

        private static long Modulo(long value, long by) => (value % by + by) % by;
    }
}
