using Spectre.Console;
using Spectre.Console.Rendering;

namespace ConvNet.Cli;

/// <summary>A line that is written as it is, however long: the terminal breaks it where it must, and a selection of it
/// has no breaks.</summary>
/// <param name="line">The line.</param>
/// <param name="style">How it looks.</param>
internal sealed class UnbrokenLine(string line, Style style) : Renderable
{
    /// <inheritdoc/>
    protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth)
        => [new Segment(line, style), Segment.LineBreak];
}
