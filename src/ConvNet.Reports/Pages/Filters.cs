using ConvNet.Reports.Pictures;

namespace ConvNet.Reports.Pages;

/// <summary>The filters of a convolution.</summary>
/// <param name="Name">The name of the parameter.</param>
/// <param name="Dimensions">The number of filters, their channels, rows and columns.</param>
/// <param name="Values">The values.</param>
/// <param name="ReadColours">Whether the channels are red, green and blue.</param>
public sealed record Filters(string Name, IReadOnlyList<int> Dimensions, float[] Values, bool ReadColours)
{
    /// <summary>Returns the filters of all convolutions of a network.</summary>
    /// <param name="network">The executable.</param>
    public static IEnumerable<Filters> Of(IExecutable network)
    {
        ArgumentNullException.ThrowIfNull(network);
        foreach (Parameter parameter in network.Graph.Parameters)
        {
            if (parameter is not { Role: ParameterRole.Weight, Dimensions: [_, var channels, _, _] })
                continue;
            bool readsImage = parameter.Node.Inputs.Any(network.Graph.Inputs.Contains);
            yield return new Filters(parameter.Name, parameter.Dimensions, network.Read(parameter),
                readsImage && channels == 3);
        }
    }

    /// <summary>Draws the filters: in the colours that they look for, where they read colours; filters of one row and
    /// column as a matrix; otherwise all channels of a filter one after another.</summary>
    internal Raster Picture()
    {
        (int k, int c, int h, int w) = (Dimensions[0], Dimensions[1], Dimensions[2], Dimensions[3]);
        if (ReadColours)
            return FilterSheet.Colours(Values, k, h, w);
        var scale = ColourScale.Diverging(Values);
        return h * w == 1 ? MapSheet.OfMatrix(Values, k, c, scale) : MapSheet.Of(Values, k * c, h, w, scale, c);
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Filters), (nameof(Name), Name),
        (nameof(Dimensions), Dimensions), (nameof(ReadColours), ReadColours));
}
