using ConvNet.Measurement;

namespace ConvNet.Reports;

/// <summary>A drawing of figures; the same figures stand beside it as a table.</summary>
/// <param name="Title">What it shows, with the unit.</param>
/// <param name="Description">What it says to whom does not see it: one sentence.</param>
public abstract record Chart(string Title, string Description) : Block
{
    /// <summary>The figures that are drawn.</summary>
    public abstract DataTable Figures { get; }
}

/// <summary>Horizontal bars in groups, with the interval of each where it is known.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Description">What it says to whom does not see it.</param>
/// <param name="Unit">The unit of the bars.</param>
/// <param name="Groups">The groups, from top to bottom.</param>
public sealed record BarChart(string Title, string Description, string Unit, IReadOnlyList<BarGroup> Groups)
    : Chart(Title, Description)
{
    /// <summary>Whether the bars are ratios: they start at 1, to both sides, on a logarithmic axis.</summary>
    public bool AreRatios { get; init; }

    /// <inheritdoc/>
    public override DataTable Figures
    {
        get
        {
            bool named = Groups.Any(group => group.Name.Length > 0),
                intervals = Groups.Any(group => group.Bars.Any(bar => bar.Low is not null));
            return new DataTable(Title,
                [.. named ? [new Column("of")] : (Column[])[], new Column("what"), new Column(Unit, IsNumber: true),
                    .. intervals ? [new Column("least", IsNumber: true), new Column("greatest", IsNumber: true)]
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

/// <summary>Bars that belong together.</summary>
/// <param name="Name">What they are about; empty where there is only one group.</param>
/// <param name="Bars">The bars.</param>
public sealed record BarGroup(string Name, IReadOnlyList<Bar> Bars)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BarGroup), (nameof(Name), Name), (nameof(Bars), Bars));
}

/// <summary>A bar.</summary>
/// <param name="Series">Whose it is: bars of the same series have the same colour.</param>
/// <param name="Value">Where it ends.</param>
/// <param name="Low">Where its interval begins; null where it has none.</param>
/// <param name="High">Where its interval ends.</param>
public sealed record Bar(string Series, double Value, double? Low = null, double? High = null)
{
    /// <summary>What else its name says, in parentheses behind the series; empty for nothing.</summary>
    public string Remark { get; init; } = "";

    /// <summary>The series with the remark.</summary>
    public string Name => Remark.Length > 0 ? $"{Series} ({Remark})" : Series;
}

/// <summary>Values over steps or epochs.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Description">What it says to whom does not see it.</param>
/// <param name="X">The name of the horizontal axis, whose values are whole numbers.</param>
/// <param name="Y">The name of the vertical axis with its unit.</param>
/// <param name="Lines">The lines.</param>
public sealed record LineChart(string Title, string Description, string X, string Y, IReadOnlyList<Line> Lines)
    : Chart(Title, Description)
{
    /// <summary>The greatest value that there can be, as 100%; infinite where there is none.</summary>
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

/// <summary>A line.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Points">Its points, from left to right.</param>
public sealed record Line(string Name, IReadOnlyList<(double X, double Y)> Points)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Line), (nameof(Name), Name), (nameof(Points), Points));
}

/// <summary>What layers reach, beside what the processor and its memory allow at their operations per byte.</summary>
/// <remarks>Both axes are logarithmic. The roof is the lesser of the FMA peak and of the memory rate times the
/// operations per byte.</remarks>
/// <param name="Title">What it shows.</param>
/// <param name="Description">What it says to whom does not see it.</param>
/// <param name="Roofline">The processor's peak and its memory rate.</param>
/// <param name="Points">The layers.</param>
public sealed record RooflineChart(string Title, string Description, Roofline Roofline,
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

    /// <summary>The most operations per second over 10⁹ at so many operations per byte.</summary>
    public double RoofAt(double intensity) => Math.Min(Roofline.PeakGflops, intensity * Roofline.MemoryGBs);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(RooflineChart), (nameof(Title), Title),
        (nameof(Description), Description), (nameof(Roofline), Roofline), (nameof(Points), Points));
}

/// <summary>A layer under the roof.</summary>
/// <param name="Name">The layer.</param>
/// <param name="Series">The pass: points of the same series look alike.</param>
/// <param name="Intensity">Operations per byte of memory.</param>
/// <param name="Gflops">Operations per second over 10⁹.</param>
/// <param name="Share">Its share of all the time, from 0 to 1.</param>
public sealed record RooflinePoint(string Name, string Series, double Intensity, double Gflops, double Share);
