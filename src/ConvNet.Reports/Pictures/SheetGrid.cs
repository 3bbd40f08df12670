namespace ConvNet.Reports.Pictures;

/// <summary>Pictures of one size on a sheet, row by row, with a gap between them.</summary>
internal readonly record struct SheetGrid
{
    private readonly int _tall, _wide, _gap, _across, _down;

    /// <summary>Creates a grid.</summary>
    /// <param name="pictures">The number of pictures, at least 1.</param>
    /// <param name="tall">The rows of a picture in pixels.</param>
    /// <param name="wide">The columns of a picture in pixels.</param>
    /// <param name="gap">The pixels between two pictures.</param>
    /// <param name="columns">The number of pictures in a row, if there is room for them; 1 for as many as there is room
    /// for.</param>
    public SheetGrid(int pictures, int tall, int wide, int gap, int columns = 1)
    {
        (_tall, _wide, _gap) = (tall, wide, gap);
        int room = Math.Max(1, (MapSheet.MostWide + gap) / (wide + gap));
        _across = Math.Min(pictures, columns > 1 && columns <= room ? columns : room);
        _down = (pictures - 1) / _across + 1;
    }

    /// <summary>Creates the sheet.</summary>
    /// <param name="gap">The colour between the pictures.</param>
    public Raster Sheet(Colour gap)
        => Raster.Of(_across * (_wide + _gap) - _gap, _down * (_tall + _gap) - _gap, gap);

    /// <summary>Returns the first row and column of a picture.</summary>
    public (int Top, int Left) PlaceOf(int picture)
        => (picture / _across * (_tall + _gap), picture % _across * (_wide + _gap));
}
