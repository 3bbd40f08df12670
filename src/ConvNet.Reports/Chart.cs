using ConvNet.Measurement;

namespace ConvNet.Reports;

/// <summary>A chart. The same figures are available as a table.</summary>
/// <param name="Title">The title, with the unit.</param>
/// <param name="Description">A description in one sentence, for readers who cannot see the chart.</param>
internal abstract record Chart(string Title, string Description) : Block
{
    /// <summary>The figures as a table.</summary>
    public abstract DataTable Figures { get; }
}

/// <summary>Horizontal bars in groups, with optional intervals.</summary>
/// <param name="Title">The title.</param>
/// <param name="Description">A description for readers who cannot see the chart.</param>
/// <param name="Unit">The unit of the bars.</param>
/// <param name="Groups">The groups, from top to bottom.</param>
internal sealed record BarChart(string Title, string Description, string Unit, IReadOnlyList<BarGroup> Groups)
    : Chart(Title, Description)
{
    /// <summary>Whether the bars are ratios. They then start at 1 and extend to both sides on a logarithmic
    /// axis.</summary>
    public bool AreRatios { get; init; }

    /// <inheritdoc/>
    public override DataTable Figures
    {
        get
        {
            bool named = Groups.Any(group => group.Name.Length > 0),
                intervals = Groups.Any(group => group.Bars.Any(bar => bar.Low is not null));
            return new DataTable(Title,
                [.. named ? [new Column("group")] : (Column[])[], new Column("series"),
                    new Column(Unit, IsNumber: true),
                    .. intervals ? [new Column("low", IsNumber: true), new Column("high", IsNumber: true)]
                        : (Column[])[]],
                [.. from of in Groups
                    from bar in of.Bars
                    select (string[])[.. named ? [of.Name] : (string[])[], bar.Name, Number.Text(bar.Value),
                        .. intervals ? [Number.Text(bar.Low), Number.Text(bar.High)] : (string[])[]]]);
        }
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BarChart), (nameof(Title), Title),
        (nameof(Description), Description), (nameof(Unit), Unit), (nameof(Groups), Groups),
        (nameof(AreRatios), AreRatios));
}

/// <summary>A group of bars.</summary>
/// <param name="Name">The name of the group. Empty if there is only one group.</param>
/// <param name="Bars">The bars.</param>
internal sealed record BarGroup(string Name, IReadOnlyList<Bar> Bars)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BarGroup), (nameof(Name), Name), (nameof(Bars), Bars));
}

/// <summary>A bar.</summary>
/// <param name="Series">The series. Bars of the same series have the same colour.</param>
/// <param name="Value">The value.</param>
/// <param name="Low">The lower bound of the interval. Null if there is none.</param>
/// <param name="High">The upper bound of the interval. Null if there is none.</param>
internal sealed record Bar(string Series, double Value, double? Low = null, double? High = null)
{
    /// <summary>A remark that follows the series in parentheses. Empty for none.</summary>
    public string Remark { get; init; } = "";

    /// <summary>The series and the remark.</summary>
    public string Name => Remark.Length > 0 ? $"{Series} ({Remark})" : Series;
}

/// <summary>Values over steps or epochs.</summary>
/// <param name="Title">The title.</param>
/// <param name="Description">A description for readers who cannot see the chart.</param>
/// <param name="X">The label of the horizontal axis, whose values are integers.</param>
/// <param name="Y">The label of the vertical axis, with the unit.</param>
/// <param name="Lines">The lines.</param>
internal sealed record LineChart(string Title, string Description, string X, string Y, IReadOnlyList<Line> Lines)
    : Chart(Title, Description)
{
    /// <summary>The upper limit of the values, for example 100 for percentages; infinite if there is none.</summary>
    public double Most { get; init; } = double.PositiveInfinity;

    /// <inheritdoc/>
    public override DataTable Figures => new(Title,
        [new Column(X, IsNumber: true), .. Lines.Select(line => new Column($"{line.Name}, {Y}", IsNumber: true))],
        [.. Lines.SelectMany(line => line.Points).Select(point => point.X).Distinct().Order().Select(x =>
            (string[])[Number.Text(x), .. Lines.Select(line => line.Points.Where(point => point.X == x)
                .Select(point => Number.Text(point.Y)).FirstOrDefault(Number.None))])]);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(LineChart), (nameof(Title), Title),
        (nameof(Description), Description), (nameof(X), X), (nameof(Y), Y), (nameof(Lines), Lines), (nameof(Most),
            Most));
}

/// <summary>A line of a chart.</summary>
/// <param name="Name">The name.</param>
/// <param name="Points">The points, from left to right.</param>
internal sealed record Line(string Name, IReadOnlyList<(double X, double Y)> Points)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Line), (nameof(Name), Name), (nameof(Points), Points));
}

/// <summary>The performance of layers, compared with the roofline of the machine.</summary>
/// <remarks>Both axes are logarithmic. The roof is the minimum of the FMA peak and of the memory bandwidth times the
/// operations per byte.</remarks>
/// <param name="Title">The title.</param>
/// <param name="Description">A description for readers who cannot see the chart.</param>
/// <param name="Roofline">The FMA peak and the memory bandwidth.</param>
/// <param name="Points">The layers.</param>
internal sealed record RooflineChart(string Title, string Description, Roofline Roofline,
    IReadOnlyList<RooflinePoint> Points) : Chart(Title, Description)
{
    /// <inheritdoc/>
    public override DataTable Figures => new(Title,
        [new Column("layer"), new Column("pass"), new Column("operations per byte", IsNumber: true),
            new Column("GFLOP/s", IsNumber: true),
            new Column("% of the roof", IsNumber: true), new Column("% of the time", IsNumber: true)],
        [.. Points.Select(
            point => (string[])[point.Name, point.Series, Number.Text(point.Intensity), Number.Text(point.Gflops),
            Number.Percent(point.Gflops / RoofAt(point.Intensity)), Number.Percent(point.Share)])]);

    /// <summary>Returns the attainable performance in GFLOP/s for a given number of operations per byte.</summary>
    public double RoofAt(double intensity) => Math.Min(Roofline.PeakGflops, intensity * Roofline.MemoryGBs);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(RooflineChart), (nameof(Title), Title),
        (nameof(Description), Description), (nameof(Roofline), Roofline), (nameof(Points), Points));
}

/// <summary>A layer in a roofline chart.</summary>
/// <param name="Name">The layer.</param>
/// <param name="Series">The pass. Points of the same series look alike.</param>
/// <param name="Intensity">Operations per byte of memory traffic.</param>
/// <param name="Gflops">The performance in GFLOP/s.</param>
/// <param name="Share">The share of the total time, from 0 to 1.</param>
internal sealed record RooflinePoint(string Name, string Series, double Intensity, double Gflops, double Share);
