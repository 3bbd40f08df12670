using System.Globalization;
using System.Text.RegularExpressions;
using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Properties;

/// <summary>Every way out that an error about shapes names works, by itself.</summary>
public sealed class AdviceProperties
{
    private const int Cases = 20_000;

    private enum Kind { Conv, Max, Average }

    /// <summary>A layer with a window, as it is described.</summary>
    private sealed record Described(
        Kind Kind, Extent Kernel, Extent? Stride, Padding Padding, Extent? Dilation, Rounding Rounding)
    {
        public Layer Make() => Kind switch
        {
            Kind.Conv => new Conv2d(2, Kernel, Stride, Padding, Dilation, rounding: Rounding),
            Kind.Max => new MaxPool2d(Kernel, Stride, Padding, Rounding),
            _ => new AvgPool2d(Kernel, Stride, Padding, Rounding),
        };

        public Described With(string setting, string value) => setting switch
        {
            "padding" => this with { Padding = Sides(value) },
            "stride" => this with { Stride = Size(value) },
            "kernel" => this with { Kernel = Size(value) },
            "dilation" => this with { Dilation = Size(value) },
            _ => throw new AssertionException($"a setting \"{setting}\""),
        };
    }

    [Test]
    public void EveryAdviceOfAWindowWorks([Range(0, 3)] int part)
    {
        int refused = 0, ways = 0;
        for (int seed = part; seed < Cases; seed += 4)
        {
            var random = new Random(seed);
            (Described layer, Shape x) = Draw(random);
            if (Refusal(() => layer.Make().Infer(x)) is not { } message)
                continue;
            refused++;
            foreach (Described way in WaysOut(layer, message))
            {
                ways++;
                string told = $"seed {seed}: {layer} on {x}: {message} Taken: {way}";
                Assert.That(() => way.Make().Infer(x), Throws.Nothing, told);
            }
        }
        Assert.That(refused, Is.GreaterThan(Cases / 20));
        Assert.That(ways, Is.GreaterThan(refused), "most have more than one");
    }

    [Test]
    public void AnAveragePoolIsNotToldToPadBeyondHalfOfItsWindow()
    {
        string message = Refusal(() => new AvgPool2d(3).Infer(new Shape(1, 8, 8)))!;
        Assert.That(message, Does.EndWith(
            "P = 0). Padding (0, 0, 1, 1) or stride 1, 5 fits, or set rounding to floor or ceiling."));
    }

    [Test]
    public void AFilterWithHolesIsToldItsTapsNotItsReach()
    {
        string message = Refusal(() => new Conv2d(1, 3, dilation: 4).Infer(new Shape(1, 5, 5)))!;
        Assert.That(message, Does.EndWith("Padding 2, kernel 1, 2 or dilation 1, 2 fits."));
    }

    [Test]
    public void AdviceForTheLargestMapsTakesNoSearch()
    {
        for (int stride = 3; stride < 3000; stride++)
        {
            var layer = new Described(Kind.Conv, 1, (1, stride), 0, null, Rounding.Exact);
            if (Refusal(() => layer.Make().Infer(new Shape(1, 1, int.MaxValue))) is { } message)
                Assert.That(WaysOut(layer, message), Is.Not.Empty, message);
        }
    }

    [Test]
    public void AdviceForSumsWorks()
    {
        int convolved = 0;
        for (int seed = 0; seed < 2000; seed++)
        {
            var random = new Random(seed);
            Shape Draw() => new(random.Next(1, 4), random.Next(1, 40), random.Next(1, 40));
            Shape a = Draw();
            Shape b = random.Next(3) switch
            {
                0 => new Shape(random.Next(1, 4), a.H, a.W),
                1 => new Shape(a.C + 1, (a.H + 1) / 2, (a.W + 1) / 2),
                _ => Draw(),
            };
            if (Refusal(() => new Add().Infer(a, b)) is not { } message)
                continue;
            Match found = Regex.Match(
                message,
                @"A (\S+) convolution with (\d+) filters(?:, stride (\S+) and rounding floor)? gives the (\S+) the");
            if (!found.Success)
                continue;
            convolved++;
            Shape large = Shape.Parse(found.Groups[4].Value), small = large == a ? b : a;
            bool strides = found.Groups[3].Success;
            int filters = int.Parse(found.Groups[2].Value, CultureInfo.InvariantCulture);
            Extent? stride = strides ? Size(found.Groups[3].Value) : null;
            var conv = new Conv2d(filters, Size(found.Groups[1].Value), stride,
                rounding: strides ? Rounding.Floor : Rounding.Exact);
            Assert.That(conv.Infer(large), Is.EqualTo(small), message);
        }
        Assert.That(convolved, Is.GreaterThan(1000));
    }

    [Test]
    public void AdviceForGroupsWorks(
        [Values(1, 6, 7, 12)] int channels, [Values(1, 4, 6, 30)] int filters, [Values(2, 3, 4, 5, 12)] int groups,
        [Values] bool transposed)
    {
        Layer Of(int count)
            => transposed ? new ConvTranspose2d(filters, 1, groups: count) : new Conv2d(filters, 1, groups: count);
        int Advised(string message)
            => int.Parse(Regex.Match(message, @"Groups (\d+) fits").Groups[1].Value, CultureInfo.InvariantCulture);
        if (Refusal(() => _ = Of(groups)) is { } own)
            groups = Advised(own);
        Layer layer = Of(groups);
        var x = new Shape(channels, 2, 2);
        if (Refusal(() => layer.Infer(x)) is { } message)
            Assert.That(() => Of(Advised(message)).Infer(x), Throws.Nothing, message);
    }

    [TestCase(3, 1, 4)]
    [TestCase(1, 1, 5)]
    [TestCase(2, 3, 2)]
    public void AdviceForThePaddingOfATransposedConvolutionWorks(int kernel, int size, int padding)
    {
        Padding[] all = [padding, (padding, 0), (0, 0, 2 * padding, 0), (1, padding, 0, 2 * padding)];
        foreach (Padding sides in all)
        {
            if (Refusal(() => Infer(sides)) is not { } message)
                continue;
            Match found = Regex.Match(message, @"Padding (\d+×\d+|\(\d+(?:, \d+){3}\)) fits\.");
            Assert.That(found.Success, message);
            Assert.That(() => Infer(Sides(found.Groups[1].Value)), Throws.Nothing, message);
        }
        Assert.That(Refusal(() => Infer(padding)), Is.Not.Null);
        Shape Infer(Padding sides) => new ConvTranspose2d(1, kernel, padding: sides).Infer(new Shape(1, size, size));
    }

    [Test]
    public void AConvolutionThatIsToRoundUpIsToldToPad()
    {
        string message = Refusal(() => _ = new Conv2d(1, 3, stride: 2, rounding: Rounding.Ceiling))!;
        Assert.That(message, Does.Contain("(0, 0, 1, 1)"));
        Assert.That(new Conv2d(1, 3, stride: 2, padding: (0, 0, 1, 1)).Infer(new Shape(1, 8, 8)),
            Is.EqualTo(new Shape(1, 4, 4)));
    }

    [Test]
    public void AdviceForThePaddingOfAPoolWorks()
    {
        string message = Refusal(() => _ = new MaxPool2d((3, 5), padding: (2, 2)))!;
        Assert.That(message, Does.Contain("Padding of at most 1×2 fits"));
        Assert.That(() => new MaxPool2d((3, 5), padding: (1, 2)), Throws.Nothing);
    }

    [Test]
    public void AdviceForABuiltInNetworkIsASizeOfImages(
        [ValueSource(typeof(BuiltInModels), nameof(BuiltInModels.Names))] string model,
        [Values(1, 5, 33, 101)] int h, [Values(1, 30, 100)] int w)
    {
        int channels = BuiltInModels.InputOf(model).C;
        if (Refusal(() => BuiltInModels.Create(model, new Shape(channels, h, w))) is not { } message)
            return;
        MatchCollection sizes = Regex.Matches(message, @"\d+×\d+×\d+");
        Assert.That(message, Does.Contain(model).And.Contain(" fit."));
        Assert.That(message, Does.Not.Contain("Padding").And.Not.Contain("rounding"));
        foreach (Match size in sizes.Where(size => size.Value != $"{channels}×{h}×{w}"))
            Assert.That(() => BuiltInModels.Create(model, Shape.Parse(size.Value)), Throws.Nothing, message);
    }

    [Test]
    public void NoMessageNamesAParameterOfTheMethodWhereItIsRepeated()
    {
        var graph = new Graph(new Shape(1, 1, int.MaxValue));
        string message = Refusal(() => graph.Add(new Conv2d(2, 1), graph.Input))!;
        Assert.That(message, Does.StartWith("conv1: ").And.Not.Contain("Parameter"));
        message = Refusal(() => graph.Add(new Linear(2), graph.Add(new Flatten(), graph.Input)))!;
        Assert.That(message, Does.StartWith("linear1: ").And.Contain("too large").And.Not.Contain("Parameter '"));
    }

    private static string? Refusal(Action call)
    {
        try
        {
            call();
            return null;
        }
        catch (ArgumentException error)
        {
            return error.Message;
        }
    }

    private static Extent Size(string text)
    {
        int[] sizes = [.. text.Split('×').Select(size => int.Parse(size, CultureInfo.InvariantCulture))];
        return (sizes[0], sizes[^1]);
    }

    private static Padding Sides(string text)
    {
        if (!text.StartsWith('('))
            return Size(text);
        string[] words = text.Trim('(', ')').Split(", ");
        int[] sides = [.. words.Select(side => int.Parse(side, CultureInfo.InvariantCulture))];
        return (sides[0], sides[1], sides[2], sides[3]);
    }

    // "Padding 1, 2×3, (0, 0, 1, 1) or stride 1 fits, or set rounding to floor or ceiling."
    private static IEnumerable<Described> WaysOut(Described layer, string message)
    {
        foreach (Match way in Regex.Matches(message, "(?<=set rounding to .*)(floor|ceiling)", RegexOptions.IgnoreCase))
            yield return layer with { Rounding = Enum.Parse<Rounding>(way.Value, ignoreCase: true) };
        const string One = @"(?:\d+(?:×\d+)?|\(\d+(?:, \d+){3}\))";
        const string Values = @$"(padding|stride|kernel|dilation) ({One}(?:, {One})*)(?=,? (?!\+)|\.)";
        foreach (Match setting in Regex.Matches(message, Values, RegexOptions.IgnoreCase))
        {
            foreach (Match value in Regex.Matches(setting.Groups[2].Value, One))
                yield return layer.With(setting.Groups[1].Value.ToLowerInvariant(), value.Value);
        }
    }

    private static (Described Layer, Shape X) Draw(Random random)
    {
        bool large = random.Next(20) == 0, square = random.Next(2) == 0;
        int Upto(int most) => random.Next(1, most + 1);
        Extent Pair(Func<int> draw) => square ? draw() : (draw(), draw());
        var kind = (Kind)random.Next(3);
        Extent kernel = Pair(() => Upto(9));
        int mostPadding = kind == Kind.Conv ? 3 : Math.Min(kernel.H, kernel.W) / 2;
        Extent before = Pair(() => random.Next(mostPadding + 1)), behind = Pair(() => random.Next(mostPadding + 1));
        Padding padding = random.Next(4) == 0 ? (before.H, before.W, behind.H, behind.W) : before;
        Extent? stride = random.Next(4) == 0 ? null : Pair(() => Upto(6));
        Extent? dilation = kind == Kind.Conv && random.Next(2) == 0 ? Pair(() => Upto(5)) : null;
        int most = large ? 30_000 : 14, h = Upto(most);
        var x = new Shape(2, h, random.Next(2) == 0 ? Upto(most) : h);
        Rounding rounding = random.Next(6) == 0 ? Rounding.Floor : Rounding.Exact;
        return (new Described(kind, kernel, stride, padding, dilation, rounding), x);
    }
}
