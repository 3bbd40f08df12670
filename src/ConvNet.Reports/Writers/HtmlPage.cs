using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Xml;
using System.Xml.Linq;
using ConvNet.Reports.Plots;

namespace ConvNet.Reports;

/// <summary>Writes a page as a self-contained HTML file, without scripts, external fonts or images. A content security
/// policy forbids them.</summary>
/// <remarks>
/// The file is also well-formed XML. System.Xml escapes all text, and only void elements are empty. Each chart is drawn
/// twice, for wide and narrow windows, and the style sheet shows one of the drawings.
/// </remarks>
public static class HtmlPage
{
    /// <summary>The id of the element that contains the raw data.</summary>
    public const string DataId = "data";

    private const double Wide = 880, Narrow = 340;
    private const string Policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        + "form-action 'none'";

    private static readonly XNamespace Html = "http://www.w3.org/1999/xhtml";

    // The default encoder escapes < and &.
    private static readonly JsonSerializerOptions JsonForm = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    /// <summary>Writes a page.</summary>
    /// <param name="page">The page.</param>
    /// <param name="stream">The stream, which receives UTF-8.</param>
    public static void Write(Page page, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(page);
        XElement html = new Writer(page).Document();
        using var xml = XmlWriter.Create(stream, new XmlWriterSettings
        {
            OmitXmlDeclaration = true,
            Encoding = new UTF8Encoding(false),
            CloseOutput = false
        });
        xml.WriteDocType("html", null, null, null);
        html.WriteTo(xml);
    }

    /// <summary>Writes the blocks of a page and numbers the charts and sections.</summary>
    private sealed class Writer(Page page)
    {
        private readonly IReadOnlyDictionary<Type, Palette> _palettes = Palette.Of(page);
        private int _charts, _sections;

        public XElement Document() => Element("html", Attribute("lang", "en"),
            Element("head",
                Element("meta", Attribute("charset", "utf-8")),
                Element("meta", Attribute("http-equiv", "Content-Security-Policy"), Attribute("content", Policy)),
                Element("meta", Attribute("name", "viewport"),
                    Attribute("content", "width=device-width, initial-scale=1")),
                Element("meta", Attribute("name", "color-scheme"), Attribute("content", "light dark")),
                Element("link", Attribute("rel", "icon"), Attribute("href", "data:,")),
                Element("title", Text(page.Title)),
                Element("style", StyleSheet)),
            Element("body",
                Element("main",
                    Element("header", Element("h1", Text(page.Title)),
                        Element("p", Attribute("class", "lead"), Text(page.Lead))),
                    page.Blocks.Select(block => Block(block, 2)))));

        private XElement Block(Block block, int level) => block switch
        {
            Section section => Section(section, level),
            Facts facts => Element("dl",
                facts.Items.Select(
                item => Element("div", Element("dt", Text(item.Name)), Element("dd", Text(item.Value))))),
            Note note => Element("p", Attribute("class", note.IsWarning ? "note warning" : "note"), note.IsWarning
                ? Attribute("role", "alert") : null, Text(note.Text)),
            DataTable table => Table(table, caption: true),
            Chart chart => Figure(chart),
            Gallery gallery => Figure(gallery),
            RawData data => Details("Raw data (JSON)",
                Element("pre", Attribute("id", DataId), JsonSerializer.Serialize(data.Document, JsonForm))),
            _ => throw new NotSupportedException($"{block.GetType().Name} cannot be written as HTML."),
        };

        private XElement Section(Section section, int level)
        {
            string id = string.Create(CultureInfo.InvariantCulture, $"section{++_sections}");
            return Element("section", Attribute("aria-labelledby", id),
                Element(string.Create(CultureInfo.InvariantCulture, $"h{level}"), Attribute("id", id),
                    Text(section.Title)), section.Blocks.Select(block => Block(block, level + 1)));
        }

        private XElement Figure(Chart drawn)
        {
            Chart chart = drawn
                with
            { Title = PlainText.Of(drawn.Title), Description = PlainText.Of(drawn.Description) };
            string id = string.Create(CultureInfo.InvariantCulture, $"chart{++_charts}");
            return Element("figure",
                Element("figcaption", Element("strong", Text(chart.Title)), Element("span", Text(chart.Description))),
                Element("div", Attribute("class", "wide"), SvgDrawing.Of(chart, Wide, $"{id}-wide",
                    _palettes[chart.GetType()])),
                Element("div", Attribute("class", "narrow"), SvgDrawing.Of(chart, Narrow, $"{id}-narrow",
                    _palettes[chart.GetType()])),
                Details("The same as a table", Table(chart.Figures, caption: false)));
        }

        private static XElement Figure(Gallery gallery) => Element("figure",
            Element("figcaption", Element("strong", Text(gallery.Title)), Element("span", Text(gallery.Description))),
            Element("div", Attribute("class", "tiles"), gallery.Tiles.Select(tile => Element("div",
                Element("img",
                    Attribute("src", $"data:image/png;base64,{Convert.ToBase64String(tile.Picture.ToPng())}"),
                    Attribute("alt", PlainText.Of($"{gallery.Title}: {tile.Caption}")),
                    Attribute("width", $"{tile.Picture.Width}"), Attribute("height", $"{tile.Picture.Height}")),
                Element("span", Text(tile.Caption))))));

        // A wide table scrolls inside its own box, which is focusable for keyboard users.
        private static XElement Table(DataTable table, bool caption) => Element("div", Attribute("class", "scroll"),
            Attribute("tabindex", "0"), Attribute("role", "region"), Attribute("aria-label", PlainText.Of(table.Title)),
            Element("table",
                caption ? Element("caption", Text(table.Title)) : null,
                Element("thead",
                    Element("tr",
                    table.Columns.Select(
                    column => Element("th", Attribute("scope", "col"), Class(column), Text(column.Head))))),
                Element("tbody",
                    table.Rows.Select(
                    row => Element("tr",
                    row.Zip(table.Columns, (cell, column) => Element("td", Class(column), Text(cell))))))));

        private static XElement Details(string summary, XElement content)
            => Element("details", Element("summary", summary), content);

        private static XAttribute? Class(Column column) => column.IsNumber ? Attribute("class", "number") : null;

        private static XElement Element(string name, params object?[] content) => new(Html + name, content);

        private static XAttribute Attribute(string name, string value) => new(name, value);

        private static XText Text(string text) => new(PlainText.Of(text));

        private static string StyleSheet
        {
            get
            {
                using var reader = new StreamReader(typeof(HtmlPage).Assembly.GetManifestResourceStream("page.css")!);
                return reader.ReadToEnd();
            }
        }
    }
}
