namespace ConvNet.Reports;

/// <summary>A page of results, from which HTML and Markdown are both written.</summary>
/// <param name="Title">What it is about.</param>
/// <param name="Lead">What came out, in a sentence or two.</param>
/// <param name="Blocks">What it shows, in order.</param>
public sealed record Page(string Title, string Lead, IReadOnlyList<Block> Blocks)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Page), (nameof(Title), Title), (nameof(Lead), Lead),
        (nameof(Blocks), Blocks));
}

/// <summary>A part of a page. Texts are plain: whoever writes the page escapes them.</summary>
public abstract record Block;

/// <summary>Blocks under a heading.</summary>
/// <param name="Title">The heading.</param>
/// <param name="Blocks">What stands under it.</param>
public sealed record Section(string Title, IReadOnlyList<Block> Blocks) : Block
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Section), (nameof(Title), Title),
        (nameof(Blocks), Blocks));
}

/// <summary>Names with their values: the machine, versions, settings.</summary>
/// <param name="Items">The names with their values.</param>
public sealed record Facts(params IReadOnlyList<Fact> Items) : Block
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Facts), (nameof(Items), Items));
}

/// <summary>A name with its value.</summary>
/// <param name="Name">The name.</param>
/// <param name="Value">The value.</param>
public sealed record Fact(string Name, string Value);

/// <summary>A sentence that the reader must not miss.</summary>
/// <param name="Text">The sentence.</param>
/// <param name="IsWarning">Whether the figures mean less for it.</param>
public sealed record Note(string Text, bool IsWarning = false) : Block;

/// <summary>A table.</summary>
/// <param name="Title">Its caption.</param>
/// <param name="Columns">Its columns.</param>
/// <param name="Rows">Its rows, a text for every column.</param>
public sealed record DataTable(string Title, IReadOnlyList<Column> Columns,
    IReadOnlyList<IReadOnlyList<string>> Rows) : Block
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(DataTable), (nameof(Title), Title),
        (nameof(Columns), Columns), (nameof(Rows), Rows));
}

/// <summary>A column of a table.</summary>
/// <param name="Head">Its head, with the unit.</param>
/// <param name="IsNumber">Whether its texts are numbers, which stand on the right.</param>
public sealed record Column(string Head, bool IsNumber = false);

/// <summary>All that the page was made from, as a JSON document.</summary>
/// <param name="Document">What is serialised.</param>
public sealed record RawData(object Document) : Block;
