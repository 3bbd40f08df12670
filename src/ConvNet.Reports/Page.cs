using ConvNet.Reports.Pictures;

namespace ConvNet.Reports;

/// <summary>A page of results that can be written as HTML or Markdown.</summary>
/// <param name="Title">The title.</param>
/// <param name="Lead">The main result, in one or two sentences.</param>
/// <param name="Blocks">The content, in order.</param>
public sealed record Page(string Title, string Lead, IReadOnlyList<Block> Blocks)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Page), (nameof(Title), Title), (nameof(Lead), Lead),
        (nameof(Blocks), Blocks));
}

/// <summary>A block of a page. Texts are plain and are escaped by the writer.</summary>
public abstract record Block;

/// <summary>Blocks under a heading.</summary>
/// <param name="Title">The heading.</param>
/// <param name="Blocks">The content.</param>
internal sealed record Section(string Title, IReadOnlyList<Block> Blocks) : Block
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Section), (nameof(Title), Title),
        (nameof(Blocks), Blocks));
}

/// <summary>Names with their values: the machine, versions, settings.</summary>
/// <param name="Items">The names with their values.</param>
internal sealed record Facts(params IReadOnlyList<Fact> Items) : Block
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Facts), (nameof(Items), Items));
}

/// <summary>A name with its value.</summary>
/// <param name="Name">The name.</param>
/// <param name="Value">The value.</param>
public sealed record Fact(string Name, string Value);

/// <summary>A remark that the reader should not miss.</summary>
/// <param name="Text">The remark.</param>
/// <param name="IsWarning">Whether it is a warning about the figures.</param>
internal sealed record Note(string Text, bool IsWarning = false) : Block;

/// <summary>A table.</summary>
/// <param name="Title">The caption.</param>
/// <param name="Columns">The columns.</param>
/// <param name="Rows">The rows, with one cell per column.</param>
internal sealed record DataTable(string Title, IReadOnlyList<Column> Columns,
    IReadOnlyList<IReadOnlyList<string>> Rows) : Block
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(DataTable), (nameof(Title), Title),
        (nameof(Columns), Columns), (nameof(Rows), Rows));
}

/// <summary>A column of a table.</summary>
/// <param name="Head">The heading, with the unit.</param>
/// <param name="IsNumber">Whether the column contains numbers, which are right-aligned.</param>
internal sealed record Column(string Head, bool IsNumber = false);

/// <summary>Pictures side by side.</summary>
/// <param name="Title">The title.</param>
/// <param name="Description">A description in one sentence, for readers who cannot see the pictures.</param>
/// <param name="Tiles">The pictures.</param>
internal sealed record Gallery(string Title, string Description, IReadOnlyList<Tile> Tiles) : Block
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Gallery), (nameof(Title), Title),
        (nameof(Description), Description), (nameof(Tiles), Tiles));
}

/// <summary>A picture with its caption.</summary>
/// <param name="Caption">The caption.</param>
/// <param name="Picture">The picture.</param>
internal sealed record Tile(string Caption, Raster Picture);

/// <summary>All data of the page, as a JSON document.</summary>
/// <param name="Document">The object to serialise.</param>
internal sealed record RawData(object Document) : Block;
