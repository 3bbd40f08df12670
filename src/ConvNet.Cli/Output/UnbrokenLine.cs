using Spectre.Console;
using Spectre.Console.Rendering;

namespace ConvNet.Cli;

/// <summary>A line that is not wrapped. The terminal breaks it if necessary, and a selection of it contains no line
/// breaks.</summary>
/// <param name="line">The line.</param>
/// <param name="style">The style.</param>
internal sealed class UnbrokenLine(string line, Style style) : Renderable
{
    /// <inheritdoc/>
    protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth)
        => [new Segment(line, style), Segment.LineBreak];
}
