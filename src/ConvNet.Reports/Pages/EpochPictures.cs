using ConvNet.Data;
using ConvNet.Interpretation;
using ConvNet.Reports.Pictures;
using ConvNet.Serialization;

namespace ConvNet.Reports.Pages;

/// <summary>Makes small pictures of what a network has learned, while it is trained: the filters of its first
/// convolution, the maps of one image, and the worst mistakes.</summary>
/// <remarks>The weights are copied to an executable of its own, so that the training is not influenced. The mistakes
/// are those among at most <see cref="MostExamined"/> images, which are always the same.</remarks>
public sealed class EpochPictures : IDisposable
{
    /// <summary>The number of images among which mistakes are looked for, at most.</summary>
    public const int MostExamined = 1000;

    private const int Batch = 16, MostMistakes = 12, MostOperations = 4, MostMaps = 16, Columns = 8, LargestMap = 48,
        LargestImage = 64;

    private readonly IBackend _backend;
    private readonly IExecutable _view;
    private readonly IDataset _images;
    private readonly Normalization _normalization;
    private readonly ShownSample _sample;
    private readonly int[] _examined;

    /// <summary>Creates the pictures' maker.</summary>
    /// <param name="backend">A backend of its own, with <see cref="Precision.Accurate"/>, which is disposed with
    /// it.</param>
    /// <param name="graph">The network.</param>
    /// <param name="images">The images that are tested after every epoch.</param>
    /// <param name="normalization">Their normalisation.</param>
    /// <param name="sample">The image whose maps are shown.</param>
    /// <param name="seed">Selects the images among which mistakes are looked for.</param>
    public EpochPictures(IBackend backend, Graph graph, IDataset images, Normalization normalization,
        ShownSample sample, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(images);
        (_backend, _images, _normalization, _sample) = (backend, images, normalization, sample);
        _view = backend.CompileInference(graph, Batch);
        _examined = [.. Shuffle.Order(images.Count, seed, round: 0).Take(MostExamined).Order()];
    }

    /// <summary>Makes the pictures.</summary>
    /// <param name="network">The executable that is trained, between two steps.</param>
    /// <exception cref="DatasetException">An image cannot be read.</exception>
    public LoggedPictures Of(IExecutable network) => Glimpse(network) with
    {
        Examined = ClassScores.Has(_view.Graph) ? _examined.Length : 0,
        Mistakes = ClassScores.Has(_view.Graph) ? Mistakes() : [],
    };

    /// <summary>Makes the pictures without the mistakes, which take most of the time.</summary>
    /// <param name="network">The executable that is trained, between two steps.</param>
    public LoggedPictures Glimpse(IExecutable network)
    {
        network.CopyParametersTo(_view);
        Shape shape = _view.Graph.Input.Shape;
        return new LoggedPictures
        {
            Sample = new LoggedPicture(_sample.Name, Png(_sample.Pixels, shape)),
            Filters = Filters.Of(_view).FirstOrDefault() is { } filters
                ? new LoggedPicture($"{filters.Name}, {string.Join('×', filters.Dimensions)}",
                    filters.Picture().ToPng()) : null,
            Maps = Maps(FeatureMaps.Of(_view, NetworkView.Normalized(_sample.Pixels, shape, _normalization))),
        };
    }

    /// <summary>Disposes the executable and the backend.</summary>
    public void Dispose()
    {
        _view.Dispose();
        _backend.Dispose();
    }

    // Operations from the first to the last that has more than one unit.
    private static LoggedPicture[] Maps(IReadOnlyList<FeatureMaps> all)
    {
        FeatureMaps[] spatial = [.. all.Where(maps => maps.Shape.Area > 1)];
        int shown = Math.Min(MostOperations, spatial.Length);
        return [.. Enumerable.Range(0, shown).Select(i
            => Picture(spatial[shown == 1 ? 0 : i * (spatial.Length - 1) / (shown - 1)]))];
    }

    private static LoggedPicture Picture(FeatureMaps maps)
    {
        Shape shape = maps.Shape;
        int count = Math.Min(shape.C, MostMaps);
        ReadOnlySpan<float> values = maps.Values.AsSpan(0, count * shape.Area);
        string some = count < shape.C ? $", the first {count}" : "";
        return new LoggedPicture($"{maps.Operation}, {shape}{some}", MapSheet.Of(values, count, shape.H, shape.W,
            ColourScale.Sequential(values), Columns, LargestMap).ToPng());
    }

    private LoggedMistake[] Mistakes()
    {
        Shape shape = _view.Graph.Input.Shape;
        var loader = new DataLoader(new SubsetDataset(_images, _examined), Batch,
            new DataLoaderOptions { Workers = 0 });
        var worst = new PriorityQueue<LoggedMistake, double>();
        foreach (Batch batch in loader.Epoch(1))
        {
            using (batch)
            {
                float[] pixels = batch.Input.ToArray();
                float[] scores = ClassScores.Of(_view, [.. Enumerable.Range(0, batch.Count).SelectMany(i
                    => NetworkView.Normalized(pixels.AsSpan(i * shape.Length, shape.Length), shape,
                        _normalization))]);
                int classes = scores.Length / batch.Count;
                for (int i = 0; i < batch.Count; i++)
                {
                    float[] own = scores[(i * classes)..((i + 1) * classes)];
                    int truth = batch.Classes[i], guess = Array.IndexOf(own, own.Max());
                    if (guess < 0 || guess == truth)
                        continue;
                    worst.Enqueue(new LoggedMistake(_examined[batch.Samples[i]], truth, guess, own[guess], own[truth],
                        Png(pixels[(i * shape.Length)..((i + 1) * shape.Length)], shape)), -own[truth]);
                    if (worst.Count > MostMistakes)
                        worst.Dequeue();
                }
            }
        }
        return [.. worst.UnorderedItems.OrderByDescending(each => each.Priority)
            .ThenBy(each => each.Element.Sample).Select(each => each.Element)];
    }

    private byte[] Png(float[] pixels, Shape shape)
        => ImagePicture.Small(NetworkView.Shown(pixels, _normalization), shape, LargestImage).ToPng();
}
