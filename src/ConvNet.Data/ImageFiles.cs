using System.Collections.Concurrent;
using System.Numerics.Tensors;

namespace ConvNet.Data;

/// <summary>Image files without classes, decoded when they are read.</summary>
/// <example><code>
/// var images = new ImageFiles(["cat.jpg", "dog.png"], net.Graph.Input.Shape);
/// foreach (Batch batch in new DataLoader(images, 16, new() { Transforms = [normalization] }).Epoch(1))
/// {
///     using (batch)
///         net.Infer(batch.Inputs, scores);
/// }
/// </code></example>
public sealed class ImageFiles : IDataset
{
    private readonly string[] _files;
    private readonly Shape _shape;
    private readonly BadImages _badImages;
    private readonly ConcurrentDictionary<int, string> _failures = [];

    /// <summary>Creates a data set of files. They are not opened yet.</summary>
    /// <param name="files">The paths of the files.</param>
    /// <param name="shape">The shape C, H, W that they are converted to (<see cref="ImageFile"/>).</param>
    /// <param name="badImages">What is done about a file that cannot be read: an error of the loader, or a black image
    /// and an entry in <see cref="Skipped"/>.</param>
    /// <exception cref="ArgumentNullException"><paramref name="files"/> is null.</exception>
    /// <exception cref="ArgumentException">There is no file, or the shape does not have one or three
    /// channels.</exception>
    public ImageFiles(IEnumerable<string> files, Shape shape, BadImages badImages = BadImages.Stop)
    {
        ArgumentNullException.ThrowIfNull(files);
        ImageFile.CheckShape(shape, nameof(shape));
        (_files, _shape, _badImages) = ([.. files], shape, badImages);
        if (_files.Length == 0)
            throw new ArgumentException("There is no file. Name at least one image.", nameof(files));
        InputShapes = [shape];
    }

    /// <inheritdoc/>
    public int Count => _files.Length;

    /// <inheritdoc/>
    public IReadOnlyList<InputShape> InputShapes { get; }

    /// <summary>There are no targets.</summary>
    public IReadOnlyList<TargetDescription> Targets => [];

    /// <summary>The files that could not be read so far, by their index.</summary>
    public IReadOnlyDictionary<int, string> Skipped => _failures;

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The file is not an image, is damaged, or has too many pixels.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public void Read(int index, Sample sample)
    {
        try
        {
            TensorPrimitives.ConvertTruncating<byte, float>(ImageFile.Read(_files[index], _shape), sample.Input);
        }
        catch (Exception error) when (_badImages == BadImages.Skip
            && error is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            _failures[index] = error.Message;
        }
    }

    /// <inheritdoc/>
    public string? FileOf(int index) => _files[index];

    /// <summary>Finds image files by their names.</summary>
    /// <param name="path">A file of any name, or a folder, whose files with names of images are found, and those of its
    /// folders. Names that start with a dot are left out.</param>
    /// <returns>The paths in ordinal order.</returns>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="IOException">There is no such file or folder, or the folder has no images.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read a folder.</exception>
    public static IReadOnlyList<string> Find(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path))
            return File.Exists(path) ? [path] : throw new FileNotFoundException($"There is no file or folder {path}.",
                path);
        string[] found = [.. Images(path)];
        return found.Length > 0 ? found : throw new FileNotFoundException($"{path} has no images: no file whose name "
            + $"ends in {ImageFile.Extensions}.", path);
    }

    private static IEnumerable<string> Images(string folder)
    {
        string[] Visible(IEnumerable<string> paths) => [.. paths
            .Where(path => !Path.GetFileName(path).StartsWith('.')).Order(StringComparer.Ordinal)];
        return Visible(Directory.EnumerateFiles(folder)).Where(ImageFile.HasImageName)
            .Concat(Visible(Directory.EnumerateDirectories(folder)).SelectMany(Images));
    }
}
