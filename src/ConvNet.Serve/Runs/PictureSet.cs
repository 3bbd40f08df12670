using System.Text.Json;

namespace ConvNet.Serve.Runs;

/// <summary>The pictures after an epoch.</summary>
/// <param name="Epoch">The number of completed epochs.</param>
/// <param name="Step">The step, if they were made within an epoch.</param>
/// <param name="Sample">The image whose maps are shown.</param>
/// <param name="Filters">The filters of the first convolution.</param>
/// <param name="Maps">The maps.</param>
/// <param name="Examined">The number of samples among which mistakes were looked for.</param>
/// <param name="Mistakes">The worst mistakes.</param>
internal sealed record PictureSet(int Epoch, long? Step, ShownPicture? Sample, ShownPicture? Filters,
    IReadOnlyList<ShownPicture> Maps, long Examined, IReadOnlyList<ShownMistake> Mistakes)
{
    /// <summary>Reads a record.</summary>
    /// <exception cref="InvalidDataException">Something is wrong with it.</exception>
    public static PictureSet Of(JsonElement record) => new(record.Needed("epoch"), record.Whole("step"),
        record.Object("sample") is { } sample ? ShownPicture.Of(sample) : null,
        record.Object("filters") is { } filters ? ShownPicture.Of(filters) : null,
        [.. record.Items("maps").Select(ShownPicture.Of)], record.Whole("examined") ?? 0,
        [.. record.Items("mistakes").Select(ShownMistake.Of)]);
}
