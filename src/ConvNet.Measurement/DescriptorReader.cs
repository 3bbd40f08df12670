namespace ConvNet.Measurement;

/// <summary>Parses a layer descriptor and fills in the sizes that it omits.</summary>
internal sealed class DescriptorReader
{
    private const int MaxSize = 1 << 24;

    // Longer keys come first, because "d" is a prefix of "dh". The keys of a third dimension are known so that the
    // error can name them.
    private static readonly string[] Keys =
        ["mb", "ic", "ih", "iw", "oc", "oh", "ow", "kh", "kw", "sh", "sw", "ph", "pw", "dh", "dw", "id", "od", "kd",
            "sd", "pd", "dd", "g"];

    private static readonly (LayerOperator Operator, string Prefix)[] Prefixes =
    [
        (LayerOperator.MaxPool, "max:"), (LayerOperator.AveragePool, "avg_p:"),
            (LayerOperator.AveragePoolInside, "avg_np:"), (LayerOperator.BatchNorm, "bnorm:"),
    ];

    private readonly string _text;
    private readonly LayerOperator _operator;
    private readonly int _start;
    private readonly Dictionary<string, int> _values = new(StringComparer.Ordinal);
    private string? _name;

    private DescriptorReader(string text)
    {
        _text = text;
        _operator = Prefixes.FirstOrDefault(known => text.StartsWith(known.Prefix, StringComparison.Ordinal)).Operator;
        _start = PrefixOf(_operator).Length;
    }

    /// <summary>Returns the prefix of the descriptors of an operator.</summary>
    public static string PrefixOf(LayerOperator of) => Prefixes.FirstOrDefault(known => known.Operator == of).Prefix
        ?? "";

    public static LayerShape Read(string text)
    {
        var reader = new DescriptorReader(text);
        reader.Scan();
        try
        {
            LayerShape shape = reader._operator switch
            {
                LayerOperator.BatchNorm => reader.BatchNorm(),
                LayerOperator.Sum when !reader._values.ContainsKey("kh") => reader.InnerProduct(),
                LayerOperator.Sum => reader.Convolution(),
                _ => reader.Pooling(),
            };
            // The layer validates its sizes.
            _ = Sequential.Of(shape.Reads, shape.ToLayer());
            return shape;
        }
        catch (ArgumentException error)
        {
            throw reader.Error(text.Length, error.PlainMessage().TrimEnd('.'), error);
        }
    }

    private void Scan()
    {
        int at = _start;
        while (at < _text.Length)
        {
            if (_text[at] == '_')
            {
                at++;
                continue;
            }
            string? key = Keys.FirstOrDefault(key => string.CompareOrdinal(_text, at, key, 0, key.Length) == 0);
            if (key is null && _text[at] == 'n')
            {
                _name = NameFrom(at + 1);
                return;
            }
            if (key is null)
                throw Error(at, $"\"{_text[at..Math.Min(at + 2, _text.Length)]}\" is not a size; use mb, g, ic, oc, or "
                    + "i, o, k, s, p, d with h or w, and n\"name\" at the end");
            if (key.Length == 2 && key[1] == 'd')
                throw Error(at, $"{key} is a size of a third dimension; layers have two");
            if (_values.ContainsKey(key))
                throw Error(at, $"{key} is given twice");
            int digits = at + key.Length, end = digits;
            while (end < _text.Length && char.IsAsciiDigit(_text[end]))
                end++;
            if (end == digits)
                throw Error(digits, $"the number after {key} is missing");
            if (!int.TryParse(_text.AsSpan(digits, end - digits), out int value) || value > MaxSize)
                throw Error(digits, $"{key} must be at most {MaxSize:N0}");
            if (value == 0 && key[0] is not ('p' or 'd'))
                throw Error(digits, $"{key} must be at least 1");
            _values[key] = value;
            at = end;
        }
    }

    private string NameFrom(int start)
    {
        string name = _text[start..];
        bool open = name.StartsWith('"'), closed = name.Length > 1 && name.EndsWith('"');
        if (open != closed)
            throw Error(start, "the name has only one quote");
        name = open ? name[1..^1] : name;
        return name.Length > 0 && !name.Contains('"', StringComparison.Ordinal) ? name
            : throw Error(start, "a name has at least one character and no quote inside");
    }

    private LayerShape BatchNorm()
    {
        Refuse("a batch normalisation takes only mb, ic, ih and iw", key => key is not ("mb" or "ic" or "ih" or "iw"));
        int ih = Required("ih");
        var shape = new Shape(Required("ic"), ih, _values.GetValueOrDefault("iw", ih));
        return new LayerShape
        {
            Operator = _operator,
            Batch = _values.GetValueOrDefault("mb", 2),
            Input = shape,
            Output = shape,
            Name = _name
        };
    }

    private LayerShape Pooling()
    {
        Refuse("pooling has neither groups, oc nor dilation", key => key is "g" or "oc" || key[0] == 'd');
        _values["oc"] = Required("ic");
        Required("kh");
        return Convolution() with { Operator = _operator };
    }

    private void Refuse(string because, Func<string, bool> wrong)
    {
        if (_values.Keys.FirstOrDefault(wrong) is { } key)
            throw Error(_text.Length, $"{key} does not apply to {_text[.._start]} {because}");
    }

    private LayerShape InnerProduct()
    {
        if (_values.Keys.FirstOrDefault(key => key[0] is 'k' or 's' or 'p' or 'd' or 'g' || key is "oh" or "ow")
            is { } key)
            throw Error(_text.Length, $"{key} belongs to a convolution, whose kernel size kh is missing");
        int ih = _values.GetValueOrDefault("ih", 1);
        return new LayerShape
        {
            Batch = _values.GetValueOrDefault("mb", 2),
            Input = new Shape(Required("ic"), ih, _values.GetValueOrDefault("iw", ih)),
            Output = Shape.Vector(Required("oc")),
            Name = _name,
        };
    }

    private LayerShape Convolution()
    {
        bool square = !_values.Keys.Any(key => key[1..] == "w");
        Axis rows = AxisOf('h', null), columns = square ? rows : AxisOf('w', rows);
        int groups = _values.GetValueOrDefault("g", 1), ic = Required("ic"), oc = Required("oc");
        if (ic % groups != 0 || oc % groups != 0)
            throw Error(_text.Length, $"{ic} and {oc} channels are not divisible by {groups} groups");
        return new LayerShape
        {
            Batch = _values.GetValueOrDefault("mb", 2),
            Groups = groups,
            Input = new Shape(ic, rows.Input, columns.Input),
            Output = new Shape(oc, rows.Output, columns.Output),
            Kernel = (rows.Kernel, columns.Kernel),
            Stride = (rows.Stride, columns.Stride),
            Padding = (rows.Before, columns.Before, rows.Behind, columns.Behind),
            Dilation = (rows.Dilation, columns.Dilation),
            Name = _name,
        };
    }

    private Axis AxisOf(char side, Axis? height)
    {
        int? Given(char letter) => _values.TryGetValue($"{letter}{side}", out int value) ? value : null;
        int input = Given('i') ?? height?.Input ?? Required("ih");
        int kernel = Given('k') ?? height?.Kernel ?? Required("kh");
        int stride = Given('s') ?? height?.Stride ?? 1;
        int dilation = Given('d') is { } gap ? gap + 1 : height?.Dilation ?? 1;
        int? output = Given('o'), before = Given('p') ?? (_values.ContainsKey("ph") ? height?.Before : null);
        long reach = (kernel - 1L) * dilation + 1;
        long pad = before ?? (output is { } wanted ? Math.Max(0, ((wanted - 1L) * stride - input + reach + 1) / 2)
            : 0);
        long behind = pad;
        // One output or another fits both sides alike; any other says what the second side is.
        if (output is { } asked && (input + 2 * pad - reach) / stride + 1 != asked)
            behind = Math.Max(0, (asked - 1L) * stride - input + reach - pad);
        long span = input + pad + behind - reach;
        if (span < 0)
            throw Error(_text.Length, $"a kernel with an extent of {reach} does not fit an input of {input} "
                + $"with a padding of {pad}");
        long computed = span / stride + 1;
        if (output is { } given && given != computed)
            throw Error(_text.Length, $"o{side}{given} contradicts ({input} − {reach} + "
                + $"{WindowAxis.PaddingOfBoth(pad, behind)}) / {stride} + 1 = {computed}");
        return Math.Max(pad, behind) <= Limits.Window && computed <= int.MaxValue
            ? new Axis(input, (int)computed, kernel, stride, (int)pad, (int)behind, dilation)
            : throw Error(
                _text.Length,
                $"o{side}{computed} needs a padding of {Math.Max(pad, behind):N0} around {input}; the maximum is "
                + $"{Limits.Window:N0}");
    }

    private int Required(string key) => _values.TryGetValue(key, out int value) ? value
        : throw Error(_text.Length, $"{key} is missing");

    private FormatException Error(int at, string reason, Exception? because = null)
        => new($"Shape {Excerpt.Of(_text)}: {reason}, at character {at + 1}.", because);

    private readonly record struct Axis(
        int Input, int Output, int Kernel, int Stride, int Before, int Behind, int Dilation);
}
