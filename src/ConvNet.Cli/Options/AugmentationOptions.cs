using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Data;

namespace ConvNet.Cli;

/// <summary>The options of a command that say how the training images are transformed, mixed and selected.</summary>
internal sealed class AugmentationOptions
{
    private const string AugmentName = "--augment", FlipName = "--flip", CropName = "--crop", MixUpName = "--mixup",
        CutMixName = "--cutmix", SamplerName = "--sampler", NormalizeName = "--normalize";

    private const string None = "none", Computed = "data", Kind = "transform", SamplerKind = "sampler";

    private readonly Option<string[]> _augment = new(AugmentName)
    {
        Description = "Transform of the training images. May be repeated; transforms are applied in their order, after "
            + $"{FlipName} and {CropName}. {Kinds(Transform.BuiltIn)}. Or {None}. The size and the largest pixel value "
            + "are those of the images unless they are given.",
        HelpName = "KIND:NAME=VALUE,…",
        DefaultValueFactory = _ => [],
    };

    private readonly Option<bool> _flip = new(FlipName)
    {
        Description = $"Mirror a random half of the training images left to right in every epoch: {AugmentName} "
            + $"{RandomHorizontalFlip.Declared.Kind}.",
    };

    private readonly Option<int> _crop = new(CropName)
    {
        Description = "Shift every training image at random by up to N pixels, and fill with zeros: "
            + $"{AugmentName} {RandomCrop.Declared.Kind}:padding=N.",
        HelpName = "N",
        DefaultValueFactory = _ => 0,
        CustomParser = result => Verb.Read(result, CropName, NumberRanges.Whole(0, ushort.MaxValue)),
    };

    private readonly Option<double?> _mixUp = Alpha(MixUpName, "Blend each image and its label with those of another. "
        + "ALPHA is the parameter of the Beta distribution of the share, such as 0.2.");

    private readonly Option<double?> _cutMix = Alpha(CutMixName, "Paste a rectangle of another image into each, and "
        + $"mix the labels. With {MixUpName}, each batch goes through one of both.");

    private readonly Option<string?> _sampler = new(SamplerName)
    {
        Description = $"Which images an epoch has. {Kinds(Sampler.BuiltIn)}. Default: {None}, each image once.",
        HelpName = "KIND:NAME=VALUE,…",
    };

    private readonly Option<string?> _normalize = new(NormalizeName)
    {
        Description = $"Mean and deviation of the pixels: {Computed}, computed from the training images, or the "
            + $"published ones of {string.Join(", ", Normalization.PublishedNames)}. Default: {Computed}, or those of "
            + "the loaded model.",
        HelpName = string.Join('|', Normalization.PublishedNames.Prepend(Computed)),
    };

    /// <summary>Creates the options.</summary>
    public AugmentationOptions() => Verb.AcceptOnly(_normalize, [Computed, .. Normalization.PublishedNames]);

    /// <summary>All options, in the order of the help text.</summary>
    public IEnumerable<Option> All => [_flip, _crop, _augment, _mixUp, _cutMix, _sampler, _normalize];

    /// <summary>Throws if a command says something that no images have. Call it before the data is opened.</summary>
    /// <exception cref="ArgumentException">A kind, an attribute or a value is invalid.</exception>
    public void Check(ParseResult command)
    {
        _ = Transforms(command, new Shape(1, 1, 1), byte.MaxValue).Count();
        _ = SamplerOf(command);
    }

    /// <summary>Returns the normalisation of a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="saved">That of the loaded model; null if there is none.</param>
    /// <param name="images">The training images.</param>
    /// <param name="maxValue">The largest pixel value.</param>
    /// <exception cref="ArgumentException">The loaded model has one, or the images have other channels.</exception>
    public Normalization NormalizationOf(ParseResult command, Normalization? saved, IDataset images, byte maxValue)
    {
        string? name = command.GetValue(_normalize);
        if (saved is not null)
            return name is null ? saved : throw new ArgumentException($"{NormalizeName} {name}: the loaded model has a "
                + $"normalisation, which its weights need. Omit {NormalizeName}.");
        Normalization normalization = name is null or Computed ? Normalization.Of(images, maxValue)
            : Normalization.Published(name, maxValue);
        int channels = images.InputShapes[0].Shape.C;
        return normalization.Mean.Count == channels ? normalization : throw new ArgumentException(
            $"{NormalizeName} {name} is for images of {normalization.Mean.Count} channels, but these have {channels}. "
            + $"Use {NormalizeName} {Computed}.");
    }

    /// <summary>Returns the options of the loader of the training images: those of the resumed training, changed by
    /// what the command says.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The options of the resumed training; null for a new training.</param>
    /// <param name="images">The training images.</param>
    /// <param name="normalization">The normalisation.</param>
    /// <exception cref="ArgumentException">A kind, an attribute or a value is invalid.</exception>
    public DataLoaderOptions Of(ParseResult command, DataLoaderOptions? goesOn, IDataset images,
        Normalization normalization)
    {
        DataLoaderOptions usual = goesOn ?? new DataLoaderOptions { Shuffle = true };
        if (goesOn is null || ((Option[])[_flip, _crop, _augment]).Any(option => Verb.IsGiven(command, option)))
            usual = usual with
            {
                Transforms = [.. Transforms(command, images.InputShapes[0].Shape, normalization.MaxValue)
                    .Append(normalization).Select(transform => (InputTransform)transform)],
            };
        if (Verb.IsGiven(command, _mixUp) || Verb.IsGiven(command, _cutMix))
            usual = usual with { BatchTransforms = [.. BatchTransforms(command)] };
        if (Verb.IsGiven(command, _sampler))
            usual = usual with { Sampler = SamplerOf(command), Shuffle = SamplerOf(command) is null };
        return usual;
    }

    /// <summary>Returns whether a training mixes images, so that its loss takes probabilities.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The options of the resumed training; null for a new training.</param>
    public bool Mixes(ParseResult command, DataLoaderOptions? goesOn)
        => Verb.IsGiven(command, _mixUp) || Verb.IsGiven(command, _cutMix) ? BatchTransforms(command).Any()
            : goesOn?.BatchTransforms.Count > 0;

    /// <summary>Returns the loss for mixed or for whole images.</summary>
    /// <param name="loss">The loss of the command.</param>
    /// <param name="mixes">Whether images are mixed.</param>
    /// <exception cref="ArgumentException">The loss does not take probabilities.</exception>
    public static Loss LossOf(Loss loss, bool mixes)
    {
        if (loss is not SoftmaxCrossEntropy entropy)
            return !mixes ? loss : throw new ArgumentException($"{MixUpName} and {CutMixName} make probabilities of "
                + $"labels, which the loss {loss.Declaration!.Kind} does not take. Use --loss "
                + $"{SoftmaxCrossEntropy.Declared.Kind}, or omit them.");
        return entropy.SoftTargets == mixes ? loss : new SoftmaxCrossEntropy(entropy.PerPixel, entropy.LabelSmoothing,
            entropy.ClassWeights, entropy.IgnoreClass, mixes)
        { Reduction = entropy.Reduction };
    }

    /// <summary>Returns the options of a loader as a command gives them.</summary>
    public static IEnumerable<(string Name, string Value)> Facts(DataLoaderOptions loader)
    {
        yield return (AugmentName, Texts(loader) is [_, ..] texts ? string.Join("; ", texts) : None);
        foreach (BatchTransform transform in loader.BatchTransforms)
            yield return ("Mixing", DeclaredText.TextOf(transform, transform.Declaration!));
        yield return (SamplerName, SamplerText(loader) ?? None);
    }

    /// <summary>Returns the transforms of a loader as a command gives them, without the normalisation.</summary>
    public static string[] Texts(DataLoaderOptions loader) => [.. loader.Transforms.Select(each => each.Transform)
        .Where(transform => transform.Declaration is not null)
        .Select(transform => DeclaredText.TextOf(transform, transform.Declaration!))];

    /// <summary>Returns the sampler of a loader as a command gives it; null if there is none.</summary>
    public static string? SamplerText(DataLoaderOptions loader)
        => loader.Sampler is { } sampler ? DeclaredText.TextOf(sampler, sampler.Declaration!) : null;

    private IEnumerable<Transform> Transforms(ParseResult command, Shape shape, byte maxValue)
    {
        string[] given = command.GetValue(_augment)!;
        if (given is [None])
            given = [];
        if (command.GetValue(_crop) is > 0 and int padding)
            given = [$"{RandomCrop.Declared.Kind}:padding={padding}", .. given];
        if (command.GetValue(_flip))
            given = [RandomHorizontalFlip.Declared.Kind, .. given];
        return given.Select(text => Parse(AugmentName, text, shape, maxValue));
    }

    /// <summary>Creates a transform from the text of an option.</summary>
    /// <param name="option">The name of the option.</param>
    /// <param name="text">The text.</param>
    /// <param name="shape">The shape of the images.</param>
    /// <param name="maxValue">Their largest pixel value.</param>
    /// <exception cref="ArgumentException">The kind, an attribute or a value is invalid.</exception>
    internal static Transform Parse(string option, string text, Shape shape, byte maxValue)
        => DeclaredText.Parse(Transform.BuiltIn, Kind, option, text, attribute => attribute.Name switch
        {
            TransformAttributes.SizeName => $"{shape.H}x{shape.W}",
            TransformAttributes.MaxValueName => $"{maxValue}",
            _ => null,
        });

    private IEnumerable<BatchTransform> BatchTransforms(ParseResult command)
    {
        if (command.GetValue(_mixUp) is > 0 and double blend)
            yield return new MixUp(blend);
        if (command.GetValue(_cutMix) is > 0 and double paste)
            yield return new CutMix(paste);
    }

    private Sampler? SamplerOf(ParseResult command) => command.GetValue(_sampler) is { } text and not None
        ? DeclaredText.Parse(Sampler.BuiltIn, SamplerKind, SamplerName, text) : null;

    private static Option<double?> Alpha(string name, string description) => new(name)
    {
        Description = $"{description} 0 for none. Default: 0.",
        HelpName = "ALPHA",
        CustomParser = result => Verb.Read(result, name, NumberRanges.Double(NumberInterval.FromZero, "0.2")),
    };

    private static string Kinds<T>(KindSet<T> kinds)
        where T : class
        => string.Join("; ", kinds.Declarations.Select(kind => kind.Attributes.Count == 0
            ? $"{kind.Kind}: {kind.Summary}"
            : $"{kind.Kind}: {kind.Summary} ({string.Join(", ", kind.Attributes.Select(each => each.Name))})"));
}
