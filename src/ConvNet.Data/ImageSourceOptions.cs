namespace ConvNet.Data;

/// <summary>What is done about image files that cannot be read.</summary>
public enum BadImages
{
    /// <summary>The first one is an error.</summary>
    Stop,

    /// <summary>They are left out and listed in <see cref="ImageSource.Skipped"/>.</summary>
    Skip,
}

/// <summary>Options for opening an <see cref="ImageSource"/>.</summary>
public sealed record ImageSourceOptions
{
    /// <summary>The shape C, H, W that image files are converted to (<see cref="ImageFile"/>). A folder of images and
    /// Parquet files need it. The pixels of a CSV file have this shape if their number fits. Other data has its own
    /// shape.</summary>
    public Shape? Shape { get; init; }

    /// <summary>How test images are selected from data that has none; by default one fifth of each class.</summary>
    public DataSplit Split { get; init; } = new(0.2, 1);

    /// <summary>What is done about image files that cannot be read.</summary>
    public BadImages BadImages { get; init; }

    /// <summary>The memory in bytes for images that stay decoded; the others are decoded whenever they are read. It
    /// does not influence what is read.</summary>
    public long CacheBytes { get; init; } = 1L << 29;
}

/// <summary>An image file that was left out because it cannot be read.</summary>
/// <param name="File">The path of the file.</param>
/// <param name="Reason">The reason; a sentence that names the file.</param>
public readonly record struct SkippedImage(string File, string Reason);
