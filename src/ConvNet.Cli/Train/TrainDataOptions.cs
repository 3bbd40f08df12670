using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Data;
using ConvNet.Serialization;

namespace ConvNet.Cli.Train;

/// <summary>The options of <c>train</c> that name its data and say how batches are made of it.</summary>
internal sealed class TrainDataOptions
{
    private const int DefaultWorkers = 1, ColourChannels = 3;

    private readonly DataOptions _data;
    private readonly Option<string?> _resize;
    private readonly AugmentationOptions _augmentation = new();
    private readonly Option<int> _workers;
    private readonly ViewOptions _views;

    /// <summary>Adds the options to a verb.</summary>
    public TrainDataOptions(Verb verb)
    {
        _data = verb.ReadsData();
        _resize = verb.Optional<string>("--resize", "Size of the images of a folder: 32, 32x48 (rows and columns), or "
            + "1x32x48 in grey and 3x32x48 in colour. They are scaled until they cover it, and the middle is taken. "
            + "Default: the size that the network was made for.", "SIZE");
        foreach (Option option in _augmentation.All)
            verb.Add(option);
        _workers = verb.Number("--workers", "Number of threads that prepare batches ahead. The batches do not depend "
            + "on it.", DefaultWorkers, NumberRanges.Whole(0, NumberRanges.MostThreads), "N");
        _views = new ViewOptions(verb);
    }

    /// <inheritdoc cref="AugmentationOptions.Check"/>
    public void Check(ParseResult command)
    {
        _augmentation.Check(command);
        _views.Check(command);
    }

    /// <inheritdoc cref="ViewOptions.Of"/>
    public IReadOnlyList<DataLoader> ViewsOf(ParseResult command, DataLoader images, byte maxValue)
        => _views.Of(command, images, maxValue);

    /// <summary>Returns whether a training mixes images, so that its loss takes probabilities.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The resumed training; null for a new training.</param>
    public bool Mixes(ParseResult command, SavedTraining? goesOn) => _augmentation.Mixes(command, goesOn?.Loader);

    /// <summary>Returns the normalisation of the images.</summary>
    /// <param name="command">The command.</param>
    /// <param name="saved">The saved network; null for a new one.</param>
    /// <param name="images">The images to train with.</param>
    /// <param name="data">The data that they are from.</param>
    /// <exception cref="ArgumentException">The normalisation is not for such images.</exception>
    public Normalization NormalizationOf(ParseResult command, SavedModel? saved, IDataset images,
        ImageSource data)
    {
        Normalization normalization = _augmentation.NormalizationOf(command, saved?.Normalization, images,
            data.MaxValue);
        normalization.CheckFor(data.Shape, data.MaxValue);
        return normalization;
    }

    /// <summary>Opens the data.</summary>
    /// <param name="command">The command.</param>
    /// <param name="terminal">Receives warnings about files that are left out.</param>
    /// <param name="model">The name of a new network; null if there is none.</param>
    /// <param name="saved">The saved network; null for a new one.</param>
    /// <param name="goesOn">The resumed training; null for a new training.</param>
    /// <param name="seed">The seed that selects test images.</param>
    public ImageSource Open(ParseResult command, Terminal terminal, string? model, SavedModel? saved,
        SavedTraining? goesOn, ulong seed)
    {
        string name = goesOn?.Data is { } before && !Verb.IsGiven(command, _data.Data) ? before
            : command.GetValue(_data.Data)!;
        string? resize = command.GetValue(_resize);
        Shape? shape = saved is not null ? ModelChoice.InputOf(saved.Graph)
            : model is not null ? ModelChoice.InputOf(model) : null;
        if (resize is not null)
        {
            if (!ImageSource.HasEncodedImages(ImageSource.KindOf(name)))
                throw new ArgumentException($"{_resize.Name} is for image files, which {name} does not have. Omit it.");
            Shape size = DataOptions.ParseSize(resize, shape?.C ?? ColourChannels);
            if (saved is not null && size != shape)
                throw new ArgumentException($"{_resize.Name} {resize} makes images of {size}, but the saved network "
                    + $"reads {shape}. Omit it.");
            shape = size;
        }
        return _data.Open(command, terminal, name, shape, saved?.Training?.Split, seed);
    }

    /// <summary>Creates the loader of the training images.</summary>
    public DataLoader TrainLoader(ParseResult command, IDataset images, Normalization normalization,
        TrainingSpec spec, SavedTraining? goesOn, bool isSeedGiven, BatchShare share)
    {
        DataLoaderOptions options = _augmentation.Of(command, goesOn?.Loader, images, normalization);
        var loader = new DataLoader(images, spec.BatchSize, options with
        {
            Seed = goesOn is null || isSeedGiven ? spec.Seed : options.Seed,
            Workers = command.GetValue(_workers),
            Share = share,
        });
        goesOn?.CheckFor(loader);
        return loader;
    }

    /// <summary>Creates the loader of the test images.</summary>
    public DataLoader TestLoader(ParseResult command, IDataset images, Normalization normalization, int batch,
        BatchShare share) => Verb.TestLoader(images, normalization, batch, command.GetValue(_workers), share);
}
