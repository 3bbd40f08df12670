using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Data;
using ConvNet.Reports.Pages;
using ConvNet.Serialization;

namespace ConvNet.Cli;

/// <summary>The options that name an image: a file, or a test image of a data set.</summary>
/// <param name="Image">The option <c>--image</c>.</param>
/// <param name="Data">The options of the data.</param>
/// <param name="Number">The option <c>--sample</c>.</param>
internal sealed record ShownImage(Option<string?> Image, DataOptions Data, Option<int> Number)
{
    /// <summary>Reads the image.</summary>
    /// <param name="command">The command line.</param>
    /// <param name="terminal">Receives warnings, and cancels the opening of the data.</param>
    /// <param name="saved">The network that reads the image.</param>
    /// <param name="normalization">The normalisation of its images.</param>
    public ShownSample Read(ParseResult command, Terminal terminal, SavedModel saved, Normalization normalization)
    {
        Shape shape = saved.Graph.Input.Shape;
        if (command.GetValue(Image) is not { } file)
            return Read(command, terminal, saved, normalization, command.GetValue(Number));
        if (Verb.IsGiven(command, Number))
            throw new ArgumentException($"{Image.Name} and {Number.Name} both name an image. Use one of them.");
        byte[] pixels = ImageFile.Read(file, shape);
        IReadOnlyList<string> names = Verb.IsGiven(command, Data.Data)
            ? Open(command, terminal, saved).ClassNames : saved.ClassNames;
        return new ShownSample(Path.GetFileName(file),
            Array.ConvertAll(pixels, value => (float)value * normalization.MaxValue / byte.MaxValue), null, names);
    }

    private ShownSample Read(ParseResult command, Terminal terminal, SavedModel saved, Normalization normalization,
        int number)
    {
        ImageSource source = Open(command, terminal, saved);
        normalization.CheckFor(source.Shape, source.MaxValue);
        if (number >= source.Test.Count)
            throw new ArgumentException($"{Number.Name} is {number}, but {source.Name} has the test images 0 to "
                + $"{source.Test.Count - 1}.");
        return OfTest(source, number, terminal.Cancellation);
    }

    /// <summary>Reads a test image of a data set.</summary>
    /// <param name="source">The data set.</param>
    /// <param name="number">The number of the image, from 0.</param>
    /// <param name="cancellation">Cancels the reading.</param>
    public static ShownSample OfTest(ImageSource source, int number, CancellationToken cancellation)
    {
        var loader = new DataLoader(source.Test, 1, new DataLoaderOptions { Workers = 0 });
        using Batch batch = loader.From(new LoaderPosition(1, number), cancellation).First();
        return new ShownSample($"test image {number} of {source.Name}", batch.Input.ToArray(), batch.Classes[0],
            source.ClassNames);
    }

    private ImageSource Open(ParseResult command, Terminal terminal, SavedModel saved)
        => Data.Open(command, terminal, command.GetValue(Data.Data)!, saved.Graph.Input.Shape, saved.Training?.Split);
}
