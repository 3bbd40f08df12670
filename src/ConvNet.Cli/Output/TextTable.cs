using Spectre.Console;
using Spectre.Console.Rendering;

namespace ConvNet.Cli;

/// <summary>The content of a column, which determines how it shrinks.</summary>
internal enum ColumnKind
{
    /// <summary>Names and words. Lines break between words.</summary>
    Text,

    /// <summary>Numbers, right-aligned. A number is never broken.</summary>
    Figure,

    /// <summary>Sentences and formulas. They are placed last if columns are spread over several tables.</summary>
    Prose,
}

/// <summary>The heading of a column.</summary>
/// <param name="Text">The heading.</param>
/// <param name="Kind">The content of the column.</param>
internal readonly record struct TableHead(string Text, ColumnKind Kind = ColumnKind.Text)
{
    public static implicit operator TableHead(string text) => new(text);

    /// <summary>Creates the heading of a column of numbers.</summary>
    public static TableHead Figure(string text) => new(text, ColumnKind.Figure);

    /// <summary>Creates the headings of columns of numbers.</summary>
    public static IEnumerable<TableHead> Figures(params IEnumerable<string> texts) => texts.Select(Figure);

    /// <summary>Creates the heading of a column of sentences.</summary>
    public static TableHead Prose(string text) => new(text, ColumnKind.Prose);
}

/// <summary>A cell of a table.</summary>
/// <param name="Text">The text.</param>
/// <param name="Style">The style. Null for plain text.</param>
internal readonly record struct TableCell(string Text, Style? Style = null)
{
    public static implicit operator TableCell(string text) => new(text);
}

/// <summary>A table that shows all its content at any width.</summary>
/// <remarks>
/// If all columns fit, the table is shown in the usual form; headings and texts may take several lines. Otherwise, the
/// columns are spread over several tables, each of which starts with the key columns. If the keys take more than half
/// of the width, or a word does not fit beside them, each row becomes a paragraph.
/// </remarks>
/// <param name="keys">The number of leading columns that identify a row.</param>
/// <param name="heads">The column headings.</param>
internal sealed class TextTable(int keys, params IEnumerable<TableHead> heads) : Renderable
{
    // The minimum column widths to which texts may be wrapped.
    private const int MinKey = 12, MinText = 16, MinProse = 24;

    private static readonly Spectre.Console.Padding s_roomy = new(1, 0), s_tight = new(0, 0, 1, 0);

    private const string Separator = "   ", Indent = "  ";

    private readonly TableHead[] _heads = [.. heads];
    private readonly List<TableCell[]> _rows = [];

    /// <summary>Adds a row. Missing trailing cells are empty.</summary>
    public void Add(params IEnumerable<TableCell> cells)
    {
        TableCell[] row = [.. cells];
        _rows.Add([.. row, .. Enumerable.Repeat<TableCell>("", _heads.Length - row.Length)]);
    }

    /// <summary>Adds a row of plain texts.</summary>
    public void Add(params IEnumerable<string> cells) => Add(cells.Select(cell => new TableCell(cell)));

    /// <summary>Returns the table in the usual form, however wide.</summary>
    public Table Whole() => Draw(EveryColumn.Select(column => (column, (int?)null)), s_roomy);

    /// <inheritdoc/>
    protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth)
        => Blocks(options, maxWidth).SelectMany(block => block.Render(options, maxWidth));

    private int[] EveryColumn => [.. Enumerable.Range(0, _heads.Length)];

    private IEnumerable<IRenderable> Blocks(RenderOptions options, int width)
    {
        Room[] rooms = [.. EveryColumn.Select(column => RoomOf(column, options))];
        if (WidthOf(rooms.Select(room => room.Natural), s_roomy) <= width)
            return [Whole()];
        return Bands(rooms, width) is { } bands
            ? bands.Select(band => Draw(Widths(rooms, band, width), s_tight))
            : _rows.Select(row => Paragraph(row, options, width));
    }

    // Returns the minimum width of a column, at which no word breaks and the text is readable, and its natural width.
    private Room RoomOf(int column, RenderOptions options)
    {
        (int word, int natural) = WidthsOf(_heads[column].Text, options);
        int line = 0;
        foreach (TableCell[] row in _rows)
        {
            (int min, int max) = WidthsOf(row[column].Text, options);
            (word, line) = (Math.Max(word, min), Math.Max(line, max));
        }
        natural = Math.Max(natural, line);
        return new Room(Math.Max(word, _heads[column].Kind switch
        {
            ColumnKind.Figure => line,
            ColumnKind.Prose => Math.Min(natural, MinProse),
            _ => Math.Min(natural, column < keys ? MinKey : MinText),
        }), natural);
    }

    // Returns the widths of the longest word and of the longest line of a text.
    private static (int Word, int Line) WidthsOf(string text, RenderOptions options)
    {
        Spectre.Console.Rendering.Measurement widths = ((IRenderable)new Text(text)).Measure(options, int.MaxValue);
        return (widths.Min, widths.Max);
    }

    // Returns the columns of each table, or null if the rows have to become paragraphs.
    private List<int[]>? Bands(Room[] rooms, int width)
    {
        if (Fits(EveryColumn))
            return [EveryColumn];
        int[] shared = EveryColumn[..keys];
        if (WidthOf(shared.Select(column => rooms[column].Min), s_tight) > width / 2)
            return null;
        var bands = new List<int[]>();
        int[] band = shared;
        foreach (int column in EveryColumn[keys..].OrderBy(column => _heads[column].Kind == ColumnKind.Prose))
        {
            if (!Fits([.. band, column]))
            {
                bands.Add(band);
                band = shared;
            }
            band = [.. band, column];
            if (!Fits(band))
                return null;
        }
        return [.. bands, band];

        bool Fits(int[] columns) => WidthOf(columns.Select(column => rooms[column].Min), s_tight) <= width;
    }

    // Spectre adds one space before, between and after columns.
    private static int WidthOf(IEnumerable<int> columns, Spectre.Console.Padding padding)
        => columns.Sum(column => column + padding.Left + padding.Right + 1) + 1;

    // Each column gets its minimum width; the rest goes to the columns that lack most.
    private static IEnumerable<(int Column, int? Width)> Widths(Room[] rooms, int[] columns, int width)
    {
        int[] widths = [.. columns.Select(column => rooms[column].Min)];
        for (int left = width - WidthOf(widths, s_tight); left > 0; left--)
        {
            int neediest = Enumerable.Range(0, columns.Length).MaxBy(i => rooms[columns[i]].Natural - widths[i]);
            if (widths[neediest] < rooms[columns[neediest]].Natural)
                widths[neediest]++;
        }
        return columns.Zip(widths, (column, given) => (column, (int?)given));
    }

    private Table Draw(IEnumerable<(int Column, int? Width)> columns, Spectre.Console.Padding padding)
    {
        Table table = new Table().Border(TableBorder.Simple);
        int[] shown = [.. columns.Select(column => column.Column)];
        foreach ((int column, int? width) in columns)
        {
            table.AddColumn(new TableColumn(new Text(_heads[column].Text))
            {
                Width = width,
                NoWrap = width is null,
                Padding = padding,
                Alignment = _heads[column].Kind == ColumnKind.Figure ? Justify.Right : Justify.Left,
            });
        }
        foreach (TableCell[] row in _rows)
            table.AddRow(shown.Select(column => new Text(row[column].Text, row[column].Style)));
        return table;
    }

    // Writes the cells with their headings, as many per line as fit.
    private Paragraph Paragraph(TableCell[] row, RenderOptions options, int width)
    {
        var paragraph = new Paragraph();
        int used = 0;
        foreach ((TableHead head, TableCell cell) in _heads.Zip(row).Where(pair => pair.Second.Text.Length > 0))
        {
            string label = $"{head.Text}: ";
            int length = WidthsOf(label + cell.Text, options).Line;
            string before = used == 0 ? "" : used + Separator.Length + length <= width ? Separator
                : $"\n{Indent}";
            used = before == Separator ? used + Separator.Length + length : before.Length == 0 ? length
                : Indent.Length + length;
            paragraph.Append($"{before}{label}").Append(cell.Text, cell.Style);
        }
        return paragraph.Append("\n");
    }

    /// <summary>The widths of a column.</summary>
    /// <param name="Min">The minimum width, at which no word breaks and the text is readable.</param>
    /// <param name="Natural">The width of its longest line.</param>
    private readonly record struct Room(int Min, int Natural);
}
