using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Data;

namespace ConvNet.Cli;

/// <summary>The option of a command that tests further views of each image.</summary>
internal sealed class ViewOptions
{
    private const string Flip = "flip";

    private readonly Option<string[]> _views;

    /// <summary>Adds the option to a verb.</summary>
    public ViewOptions(Verb verb) => _views = verb.Several("--tta", "Test-time augmentation: also test the images in "
        + $"this view, and compare the mean of the scores. {Flip}: mirrored left to right; or a transform, as for "
        + "--augment of train. May be repeated, for one view each.", "KIND:NAME=VALUE,…");

    /// <summary>Throws if a command has a view that no images have. Call it before the data is opened.</summary>
    /// <exception cref="ArgumentException">A kind, an attribute or a value is invalid.</exception>
    public void Check(ParseResult command) => _ = Transforms(command, new Shape(1, 1, 1), byte.MaxValue).Count();

    /// <summary>Returns loaders of the images as they are and in each view; empty if the command names no
    /// view.</summary>
    /// <param name="command">The command.</param>
    /// <param name="images">The loader of the images as they are, with their normalisation as its transform.</param>
    /// <param name="maxValue">The largest pixel value.</param>
    public IReadOnlyList<DataLoader> Of(ParseResult command, DataLoader images, byte maxValue)
    {
        DataLoader[] views = [.. Transforms(command, images.InputShapes[0].Shape, maxValue)
            .Select(transform => new DataLoader(images.Dataset, images.BatchSize, images.Options with
            {
                Transforms = [transform, .. images.Options.Transforms],
            }))];
        return views.Length == 0 ? [] : [images, .. views];
    }

    private IEnumerable<Transform> Transforms(ParseResult command, Shape shape, byte maxValue)
        => command.GetValue(_views)!.Select(text => text == Flip ? new RandomHorizontalFlip(1)
            : AugmentationOptions.Parse(_views.Name, text, shape, maxValue));
}
