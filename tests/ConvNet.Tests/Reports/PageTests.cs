using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using ConvNet.Measurement;
using ConvNet.Reports;
using ConvNet.Reports.Plots;
using NUnit.Framework;
using SkiaSharp;

namespace ConvNet.Tests.Reports;

/// <summary>What is in a page, without a browser: the file is well-formed XML as well.</summary>
public sealed partial class PageTests
{
    private static IEnumerable<string> Names => SamplePages.All.Keys;

    private static XElement Html(string name)
    {
        using var stream = new MemoryStream();
        HtmlPage.Write(SamplePages.All[name], stream);
        string text = Encoding.UTF8.GetString(stream.ToArray());
        Assert.That(text, Does.StartWith("<!DOCTYPE html"));
        return XElement.Parse(text[text.IndexOf("<html", StringComparison.Ordinal)..]);
    }

    private static string Markdown(Page page)
    {
        using var stream = new MemoryStream();
        MarkdownPage.Write(page, stream);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static IEnumerable<XElement> Of(XElement root, string name) => root.Descendants()
        .Where(element => element.Name.LocalName == name);

    [TestCaseSource(nameof(Names))]
    public void EveryChartHasANameADescriptionAndItsFiguresAsATable(string name)
    {
        XElement[] figures = [.. Of(Html(name), "figure").Where(figure => !Of(figure, "img").Any())];
        Assert.That(figures, Is.Not.Empty);
        foreach (XElement figure in figures)
        {
            string title = Of(figure, "strong").Single().Value;
            XElement[] drawings = [.. Of(figure, "svg")];
            Assert.That(drawings, Has.Length.EqualTo(2), "one for wide windows and one for narrow ones");
            foreach (XElement drawing in drawings)
            {
                string[] labels = [.. drawing.Attribute("aria-labelledby")!.Value.Split(' ')
                    .Select(id => drawing.Elements().Single(element => (string?)element.Attribute("id") == id).Value)];
                Assert.That((string?)drawing.Attribute("role"), Is.EqualTo("img"));
                Assert.That(labels[0], Is.EqualTo(title));
                Assert.That(labels[1], Is.Not.Empty);
            }
            Assert.That(Of(Of(figure, "tbody").Single(), "tr"), Is.Not.Empty);
        }
    }

    [Test]
    public void EveryPictureHasANameAndItsOwnSize()
    {
        XElement[] pictures = [.. Of(Html("show"), "img")];
        Assert.That(pictures, Has.Length.GreaterThan(10));
        foreach (XElement picture in pictures)
        {
            string title = Of(picture.Ancestors().First(of => of.Name.LocalName == "figure"), "strong").Single().Value;
            byte[] png = Convert.FromBase64String(picture.Attribute("src")!.Value["data:image/png;base64,".Length..]);
            using var codec = SKCodec.Create(new MemoryStream(png));
            Assert.Multiple(() =>
            {
                Assert.That((string?)picture.Attribute("alt"), Does.StartWith($"{title}: ").And.Length.GreaterThan(
                    title.Length + 2));
                Assert.That((int?)picture.Attribute("width"), Is.EqualTo(codec.Info.Width).And.LessThanOrEqualTo(848));
                Assert.That((int?)picture.Attribute("height"), Is.EqualTo(codec.Info.Height));
            });
        }
    }

    [TestCaseSource(nameof(Names))]
    public void NamesInsideThePageAreItsOwnAndOnlyOnce(string name)
    {
        string[] ids = [.. Html(name).Descendants().Attributes("id").Select(id => id.Value)];
        Assert.That(ids, Is.Unique.And.Not.Empty);
    }

    [TestCaseSource(nameof(Names))]
    public void NothingComesFromElsewhereAndNothingRuns(string name)
    {
        XElement html = Html(name);
        Assert.Multiple(() =>
        {
            Assert.That(html.Descendants().Select(element => element.Name.LocalName),
                Has.None.AnyOf("script", "iframe", "object", "embed", "base", "foreignObject"));
            Assert.That(html.DescendantsAndSelf().Attributes().Select(attribute => attribute.Name.LocalName),
                Has.None.StartsWith("on"));
            Assert.That(html.Descendants().Attributes().Where(attribute => attribute.Name.LocalName is "src" or "href")
                .Select(attribute => attribute.Value[..Math.Min(attribute.Value.Length, 22)]),
                Is.All.AnyOf("data:,", "data:image/png;base64,"));
            Assert.That(Of(html, "style").Single().Value, Does.Not.Contain("url(").And.Not.Contain("@import"));
            Assert.That(Of(html, "meta").Select(meta => (string?)meta.Attribute("content")),
                Has.Some.StartsWith("default-src 'none'; style-src 'unsafe-inline'"));
        });
    }

    [Test]
    public void NamesThatAreMarkupAreTexts()
    {
        XElement html = Html("hostile");
        string shown = SamplePages.HostileName.Replace('\u001b', '\uFFFD').Replace('\uD800', '\uFFFD');
        Assert.That(Of(html, "h1").Single().Value, Is.EqualTo($"Which backend for {shown}"));
        Assert.That(Of(html, "title").First().Value, Is.EqualTo($"Which backend for {shown}"));
        string markdown = Markdown(SamplePages.All["hostile"]);
        Assert.That(markdown, Does.StartWith("# Which backend for \\</script\\>\\</title\\>\\<script\\>")
            .And.Contain("\\|\\`\\*\\[x\\](javascript:y)\uFFFD\\[31m").And.Not.Contain("<script>")
            .And.Not.Contain("\u001b"));
    }

    [Test]
    public void TheRawDataIsReadBack()
    {
        string text = Of(Html("hostile"), "pre").Single(element => (string?)element.Attribute("id") == HtmlPage.DataId)
            .Value;
        using var data = JsonDocument.Parse(text);
        JsonElement comparison = data.RootElement.GetProperty("comparison").GetProperty("comparisons")[1];
        Assert.Multiple(() =>
        {
            Assert.That(data.RootElement.GetProperty("comparison").GetProperty("model").GetString(),
                Is.EqualTo(SamplePages.HostileName.Replace('\uD800', '\uFFFD')));
            Assert.That(comparison.GetProperty("batch").GetInt32(), Is.EqualTo(1));
            Assert.That(comparison.GetProperty("rows")[7].GetProperty("training").GetProperty("imagesPerSecond")
                .GetProperty("value").GetDouble(), Is.EqualTo(2 * 7 * 37.5));
            Assert.That(data.RootElement.GetProperty("profiles")[0].GetProperty("profile").GetProperty("layers")[1]
                .GetProperty("pass").GetString(), Is.EqualTo("backward-data"));
            Assert.That(comparison.GetProperty("noise").GetProperty("verdict").GetString(), Is.EqualTo("quiet"));
        });
    }

    [Test]
    public void AFastWrongBackendIsShownAsWrong()
    {
        XElement html = Html("compare");
        Assert.That(Of(html, "p").Select(note => note.Value), Has.Some.EqualTo("The gradients of native:accurate are "
            + "wrong: the weights of resnet20 are off by 12 bounds"));
        foreach (XElement drawing in Of(html, "svg").Take(2))
            Assert.That(Of(drawing, "text").Select(text => text.Value), Has.Some.EqualTo("native:accurate (wrong)")
                .And.None.EqualTo("native:accurate"));
        Assert.That(Of(html, "tr").Select(row => string.Join(' ', Of(row, "td").Take(3).Select(cell => cell.Value))),
            Has.Some.EqualTo("native:accurate 1 wrong").And.Some.EqualTo("native 1 right"));
    }

    [Test]
    public void MarkdownHasTheFiguresOfChartsAsTables()
    {
        string[] lines = Markdown(new Page("A *title*", "What came out.",
        [
            new Section("Bars",
                [new BarChart("Speed", "Longer is faster.", "images/s",
                [new("batch 1", [new("a|b", 1234, 1200, 1250.25), new("c", 0.5)])])]),
            new Facts(new Fact("Processor", "one")), new Note("Trust it not.", IsWarning: true), new RawData(new { }),
        ])).TrimEnd().Split('\n');
        Assert.That(lines, Is.EqualTo((string[])
        [
            "# A \\*title\\*", "", "What came out.", "", "## Bars", "", "**Speed**", "",
            "| group | series | images/s | low | high |", "| --- | --- | ---: | ---: | ---: |",
                "| batch 1 | a\\|b | 1,234 | 1,200 | 1,250 |", "| batch 1 | c | 0.500 | – | – |", "",
            "- Processor: one", "", "> **Note:** Trust it not.",
        ]));
    }

    [Test]
    public void BarsAreAsLongAsTheirValues()
    {
        double[] widths = WidthsOf(new BarChart("", "", "ms", [new("", [new("a", 10), new("b", 5), new("c", 0)])]));
        Assert.That(widths[1], Is.EqualTo(widths[0] / 2).Within(0.01));
        Assert.That(widths[2], Is.Zero.Within(0.01));
        double[] ratios = WidthsOf(
            new BarChart("", "", "times", [new("x", [new("a", 4), new("b", 2), new("c", 0.5)])]) { AreRatios = true });
        Assert.That(ratios[1], Is.EqualTo(ratios[0] / 2).Within(0.01), "on a logarithmic axis from 1");
        Assert.That(ratios[2], Is.EqualTo(ratios[1]).Within(0.01), "to the left of 1");

        double[] uncertain = WidthsOf(new BarChart("", "", "ms", [new("", [new("a", 10), new("b", 5, 4, 1000)])]));
        Assert.That(uncertain[0], Is.GreaterThan(widths[0] / 2), "a useless interval does not make the bars short");
        Assert.That(uncertain[1], Is.EqualTo(uncertain[0] / 2).Within(0.01));

        static double[] WidthsOf(BarChart chart)
            => [.. Marks(chart, "rect")
            .Select(bar => double.Parse(bar.Attribute("width")!.Value, CultureInfo.InvariantCulture))];
    }

    [Test]
    public void LayersStandWhereTheirFiguresSayAndSayWhatTheyAre()
    {
        var chart = new RooflineChart("", "", new Roofline(100, 10), [new("conv1", "forward", 1, 8, 0.6),
            new("conv2", "forward", 10, 80, 0.3), new("conv3", "forward", 100, 80, 0.1)]);
        XElement[] marks = [.. Marks(chart, "ellipse")];
        double[] x = [.. marks.Select(mark => Number(mark, "cx"))], y = [.. marks.Select(mark => Number(mark, "cy"))];
        Assert.Multiple(() =>
        {
            Assert.That(x[1] - x[0], Is.EqualTo(x[2] - x[1]).Within(0.01).And.GreaterThan(50),
                "ten times as many operations per byte");
            Assert.That(y[2], Is.EqualTo(y[1]).Within(0.01));
            Assert.That(y[0] - y[1], Is.GreaterThan(50), "ten times as fast is higher");
            Assert.That(marks[0].Elements().Single().Value, Is.EqualTo("conv1, forward: 8 GFLOP/s at 1 operations per "
                + "byte, 80.0% of the roof, 60.0% of the time"));
            Assert.That(Number(marks[0], "rx") / Number(marks[2], "rx"), Is.GreaterThan(1.2),
                "more of the time is a larger point");
        });

        static double Number(XElement mark, string name)
            => double.Parse(mark.Attribute(name)!.Value, CultureInfo.InvariantCulture);
    }

    [Test]
    public void EveryLayerIsOnTheRoofline()
        => Assert.That(Marks(SamplePages.Roofline(), "ellipse", "polygon", "rect").Count(),
            Is.EqualTo(SamplePages.Roofline().Points.Count));

    [Test]
    public void ColoursComeFromThePage()
    {
        foreach (XElement drawing in Of(Html("bench"), "svg"))
            Assert.That(FixedColour().Matches(drawing.ToString()).Select(match => match.Value), Is.Empty);
    }

    [TestCase(60, 98, 55, 100, TestName = "{m}(accuracies of 60 to 98%)")]
    [TestCase(99.2, 100, 99, 100, TestName = "{m}(accuracies of 99.2 to 100%)")]
    [TestCase(0.05, 2.3, 0, 2.6, TestName = "{m}(losses that fall to almost 0)")]
    [TestCase(0.42, 0.58, 0.4, 0.6, TestName = "{m}(losses that hardly fall)")]
    [TestCase(97, 97, 90, 100, TestName = "{m}(one epoch)")]
    [TestCase(0, 0, 0, 1, TestName = "{m}(nothing but 0)")]
    public void TheAxisFitsTheValues(double least, double most, double fromAtLeast, double toAtMost)
    {
        var chart = new LineChart("", "", "epoch", "%", [new Line("a", [(1, least), (2, most), (3,
            double.NaN)])])
        { Most = 100 };
        OxyPlot.Axes.Axis axis = Plot.Of(chart, 600, Palette.Of(chart)).Model.Axes[1];
        Assert.That(axis.Minimum, Is.InRange(fromAtLeast, least));
        Assert.That(axis.Maximum, Is.InRange(most, toAtMost));
        Assert.That(axis.Maximum - axis.Minimum, Is.Positive);
    }

    [Test]
    public void ABackendHasOneColourInAllChartsOfAPage()
    {
        string[] backends = ["managed", "native", "native:accurate", "native:avx2", "torchsharp"];
        BarChart Chart(params string[] names) => new(string.Join(' ', names), "", "ms",
            [new BarGroup("", [.. names.Select(name => new Bar(name, 1) { Remark = name == "native:avx2" ? "wrong"
            : "" })])]);
        var page = new Page("", "", [Chart(backends), new Section("", [Chart([.. backends.Reverse()]),
            Chart("torchsharp"), Chart("native:avx2", "native")])]);
        ILookup<string, string> colours = ColoursOf(page);
        Assert.Multiple(() =>
        {
            Assert.That(colours.Select(of => of.Key), Is.EquivalentTo(backends));
            Assert.That(colours.Select(of => of.Distinct().Count()), Is.All.EqualTo(1), "one colour for each");
            Assert.That(colours.Select(of => of.First()).Distinct().Count(), Is.EqualTo(backends.Length),
                "no two with the same");
            // Another page with the same backends in another order has the same colours.
            Assert.That(ColoursOf(new Page("", "", [Chart("torchsharp", "native", "managed", "native:avx2",
                "native:accurate")])).Select(of => (of.Key, of.First())),
                Is.EquivalentTo(colours.Select(of => (of.Key, of.First()))));
        });
        foreach (string name in (string[])["bench", "compare"])
            Assert.That(ColoursOf(SamplePages.All[name]).Where(of => of.Distinct().Count() > 1).Select(of => of.Key),
                Is.Empty, name);

        static ILookup<string, string> ColoursOf(Page page)
        {
            using var stream = new MemoryStream();
            HtmlPage.Write(page, stream);
            string text = Encoding.UTF8.GetString(stream.ToArray());
            return Of(XElement.Parse(text[text.IndexOf("<html", StringComparison.Ordinal)..]),
                "rect").Where(bar => (string?)bar.Attribute("class") == "mark")
                .ToLookup(bar => SeriesOfMark().Match(bar.Elements().Single().Value).Groups[1].Value,
                    bar => SeriesColour().Match((string)bar.Attribute("style")!).Value);
        }
    }

    [Test]
    public void MarkdownHasASelectionOfALongCurveAndSaysSo()
    {
        string markdown = Markdown(SamplePages.All["train"]),
            losses = markdown.Split("**Loss**")[1].Split("**Accuracy**")[0];
        Assert.Multiple(() =>
        {
            Assert.That(losses.Split('\n').Count(line => line.StartsWith('|')), Is.InRange(22, 45),
                "twenty points, and every epoch");
            Assert.That(losses, Does.Contain("| 2 |").And.Contain("| 540 |")
                .And.Contain("20 of the 270 points of mean of 2 batches"));
            Assert.That(Enumerable.Range(1, 12).Select(epoch => $"| {45 * epoch} |"),
                Is.All.Matches<string>(row => losses.Contains(row!, StringComparison.Ordinal)), "every epoch");
        });
        // The page itself leaves nothing out.
        Assert.That(Of(Html("train"), "figure").First().Descendants().Count(element => element.Name.LocalName == "tr"),
            Is.GreaterThan(270));
    }

    [Test]
    public void LongNamesAreCutWhereTheyEnd()
    {
        Assert.That(Lettering.Fit("conv1", 200), Is.EqualTo("conv1"));
        string cut = Lettering.Fit(string.Concat(Enumerable.Repeat("😀", 40)), 100);
        Assert.That(Lettering.Width(cut), Is.LessThanOrEqualTo(100));
        Assert.That(cut, Does.Match("^(😀)+\\.\\.\\.$"));
    }

    private static IEnumerable<XElement> Marks(Chart chart, params string[] shapes)
        => SvgDrawing.Of(chart, 600, "chart", Palette.Of(chart)).Elements().Where(element
            => (string?)element.Attribute("class") == "mark" && shapes.Contains(element.Name.LocalName));

    [GeneratedRegex("rgb\\([^)]*\\)|#[0-9a-f]{3,6}|(fill|stroke):(black|white)")]
    private static partial Regex FixedColour();

    [GeneratedRegex(@"^(?:.*, )?([^,]+?)(?: \(wrong\))?: \d")]
    private static partial Regex SeriesOfMark();

    [GeneratedRegex(@"--series\d")]
    private static partial Regex SeriesColour();
}
