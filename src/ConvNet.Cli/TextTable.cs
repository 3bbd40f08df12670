using Spectre.Console;
using Spectre.Console.Rendering;

namespace ConvNet.Cli;

/// <summary>What stands in a column, and so how it gives way where there is little room.</summary>
internal enum ColumnKind
{
    /// <summary>Names and words: lines break between words.</summary>
    Text,

    /// <summary>Numbers, at the right; a line never breaks in one.</summary>
    Figure,

    /// <summary>Sentences and formulas. They come last where the columns stand below one another.</summary>
    Prose,
}

/// <summary>The head of a column.</summary>
/// <param name="Text">The head.</param>
/// <param name="Kind">What stands below.</param>
internal readonly record struct TableHead(string Text, ColumnKind Kind = ColumnKind.Text)
{
    public static implicit operator TableHead(string text) => new(text);

    /// <summary>The head of numbers.</summary>
    public static TableHead Figure(string text) => new(text, ColumnKind.Figure);

    /// <summary>The heads of numbers.</summary>
    public static IEnumerable<TableHead> Figures(params IEnumerable<string> texts) => texts.Select(Figure);

    /// <summary>The head of sentences.</summary>
    public static TableHead Prose(string text) => new(text, ColumnKind.Prose);
}

/// <summary>A text in a table.</summary>
/// <param name="Text">The text.</param>
/// <param name="Style">How it looks; plain unless given.</param>
internal readonly record struct TableCell(string Text, Style? Style = null)
{
    public static implicit operator TableCell(string text) => new(text);
}

/// <summary>A table that is whole at every width.</summary>
/// <remarks>
/// Where all columns fit beside one another they stand so; heads and texts may take several lines. Where they do not,
/// they are spread over several tables, each of which begins with the keys, the first columns, which say what a row is
/// about. Where the keys take more than half of the width, or a word is too long for what they leave, each row becomes
/// a paragraph.
/// </remarks>
/// <param name="keys">How many of the first columns say what a row is about.</param>
/// <param name="heads">The heads of the columns.</param>
internal sealed class TextTable(int keys, params IEnumerable<TableHead> heads) : Renderable
{
    // Texts are not broken into narrower columns than these.
    private const int LeastKey = 12, LeastText = 16, LeastProse = 24;

    private static readonly Padding s_roomy = new(1, 0), s_tight = new(0, 0, 1, 0);

    private const string BetweenParts = "   ", Indent = "  ";

    private readonly TableHead[] _heads = [.. heads];
    private readonly List<TableCell[]> _rows = [];

    /// <summary>Adds a row; the cells that it lacks at its end are empty.</summary>
    public void Add(params IEnumerable<TableCell> cells)
    {
        TableCell[] row = [.. cells];
        _rows.Add([.. row, .. Enumerable.Repeat<TableCell>("", _heads.Length - row.Length)]);
    }

    /// <summary>Adds a row of plain texts.</summary>
    public void Add(params IEnumerable<string> cells) => Add(cells.Select(cell => new TableCell(cell)));

    /// <summary>The table with all columns beside one another, however wide.</summary>
    public Table Whole() => Draw(EveryColumn.Select(column => (column, (int?)null)), s_roomy);

    /// <inheritdoc/>
    protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth)
        => Parts(options, maxWidth).SelectMany(part => part.Render(options, maxWidth));

    private int[] EveryColumn => [.. Enumerable.Range(0, _heads.Length)];

    private IEnumerable<IRenderable> Parts(RenderOptions options, int width)
    {
        Room[] rooms = [.. EveryColumn.Select(column => RoomOf(column, options))];
        if (WidthOf(rooms.Select(room => room.Natural), s_roomy) <= width)
            return [Whole()];
        return Bands(rooms, width) is { } bands
            ? bands.Select(band => Draw(Widths(rooms, band, width), s_tight))
            : _rows.Select(row => Paragraph(row, options, width));
    }

    // How narrow a column may be before a word breaks or it reads badly, and how wide its lines are.
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
            ColumnKind.Prose => Math.Min(natural, LeastProse),
            _ => Math.Min(natural, column < keys ? LeastKey : LeastText),
        }), natural);
    }

    // The widths of a text's longest word and of its longest line.
    private static (int Word, int Line) WidthsOf(string text, RenderOptions options)
    {
        Spectre.Console.Rendering.Measurement widths = ((IRenderable)new Text(text)).Measure(options, int.MaxValue);
        return (widths.Min, widths.Max);
    }

    // The columns of each table; null where the rows have to become paragraphs.
    private List<int[]>? Bands(Room[] rooms, int width)
    {
        if (Fits(EveryColumn))
            return [EveryColumn];
        int[] shared = EveryColumn[..keys];
        if (WidthOf(shared.Select(column => rooms[column].Least), s_tight) > width / 2)
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

        bool Fits(int[] columns) => WidthOf(columns.Select(column => rooms[column].Least), s_tight) <= width;
    }

    // Spectre's table has a column of spaces before, between and behind its columns.
    private static int WidthOf(IEnumerable<int> columns, Padding padding)
        => columns.Sum(column => column + padding.Left + padding.Right + 1) + 1;

    // Each column has the least that it needs; what is left goes to those that lack most.
    private static IEnumerable<(int Column, int? Width)> Widths(Room[] rooms, int[] columns, int width)
    {
        int[] widths = [.. columns.Select(column => rooms[column].Least)];
        for (int left = width - WidthOf(widths, s_tight); left > 0; left--)
        {
            int neediest = Enumerable.Range(0, columns.Length).MaxBy(i => rooms[columns[i]].Natural - widths[i]);
            if (widths[neediest] < rooms[columns[neediest]].Natural)
                widths[neediest]++;
        }
        return columns.Zip(widths, (column, given) => (column, (int?)given));
    }

    private Table Draw(IEnumerable<(int Column, int? Width)> columns, Padding padding)
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

    // The cells with their heads, as many as have room in a line.
    private Paragraph Paragraph(TableCell[] row, RenderOptions options, int width)
    {
        var paragraph = new Paragraph();
        int used = 0;
        foreach ((TableHead head, TableCell cell) in _heads.Zip(row).Where(part => part.Second.Text.Length > 0))
        {
            string label = $"{head.Text}: ";
            int length = WidthsOf(label + cell.Text, options).Line;
            string before = used == 0 ? "" : used + BetweenParts.Length + length <= width ? BetweenParts
                : $"\n{Indent}";
            used = before == BetweenParts ? used + BetweenParts.Length + length : before.Length == 0 ? length
                : Indent.Length + length;
            paragraph.Append($"{before}{label}").Append(cell.Text, cell.Style);
        }
        return paragraph.Append("\n");
    }

    /// <summary>The widths of a column.</summary>
    /// <param name="Least">The least, so that no word breaks and it reads well.</param>
    /// <param name="Natural">What its longest line takes.</param>
    private readonly record struct Room(int Least, int Natural);
}
