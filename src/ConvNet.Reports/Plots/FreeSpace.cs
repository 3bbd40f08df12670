using OxyPlot;

namespace ConvNet.Reports.Plots;

/// <summary>Tracks the free area of a plot.</summary>
/// <param name="area">The plot area.</param>
internal sealed class FreeSpace(OxyRect area)
{
    private const double Thickness = 4;

    private readonly List<OxyRect> _taken = [];

    /// <summary>Occupies a square, even if it overlaps something.</summary>
    public void Take(ScreenPoint centre, double radius)
        => _taken.Add(new OxyRect(centre.X - radius, centre.Y - radius, 2 * radius, 2 * radius));

    /// <summary>Occupies a line, even if it overlaps something.</summary>
    public void Take(ScreenPoint from, ScreenPoint to)
    {
        int pieces = (int)Math.Ceiling(from.DistanceTo(to) / Thickness);
        for (int i = 0; i <= pieces; i++)
            Take(from + (to - from) * ((double)i / Math.Max(1, pieces)), Thickness / 2);
    }

    /// <summary>Occupies a box if it lies inside the plot and overlaps nothing.</summary>
    public bool TryTake(OxyRect box)
    {
        bool isFree = box.Left >= area.Left && box.Right <= area.Right && box.Top >= area.Top && box.Bottom
            <= area.Bottom
            && !_taken.Exists(other => other.Left < box.Right && box.Left < other.Right && other.Top < box.Bottom
                && box.Top < other.Bottom);
        if (isFree)
            _taken.Add(box);
        return isFree;
    }
}
