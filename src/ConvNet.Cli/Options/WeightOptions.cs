using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Data;
using ConvNet.Models;
using ConvNet.Onnx;
using ConvNet.Serialization;

namespace ConvNet.Cli;

/// <summary>The options of <c>import</c> for the weights of a named network.</summary>
internal sealed class WeightOptions
{
    private readonly Option<string?> _names, _normalize;
    private readonly Option<int?> _classes;

    /// <summary>Adds the options to a verb.</summary>
    public WeightOptions(Verb verb)
    {
        Model = verb.Optional<string>("--model", $"The network that the weights are for. {ModelChoice.Description}",
            "MODEL");
        verb.ReadsModel(Model);
        _classes = verb.OptionalNumber("--classes", "Number of classes of a built-in network. Default: that of the "
            + "network.", NumberRanges.FromOne, "N");
        _names = verb.Optional<string>("--names", "A table of the names in the file, as JSON. See docs/model-files.md.",
            "FILE");
        verb.Files.Add(_names, FileUse.Read, command => Verb.ValueOf(command, _names));
        _normalize = verb.Optional<string>("--normalize", "Published mean and deviation of the pixels that the weights "
            + "were trained with, or that an ONNX model reads. Default: none is stored.", string.Join('|',
                Normalization.PublishedNames));
        Verb.AcceptOnly(_normalize, [.. Normalization.PublishedNames]);
    }

    /// <summary>The option that names the network.</summary>
    public Option<string?> Model { get; }

    /// <summary>Whether a command imports weights.</summary>
    /// <exception cref="ArgumentException">An option of weights is given without a network.</exception>
    public bool IsGiven(ParseResult command)
    {
        if (command.GetValue(Model) is not null)
            return true;
        Option? alone = ((Option[])[_classes, _names]).FirstOrDefault(option => Verb.IsGiven(command, option));
        return alone is null ? false : throw new ArgumentException($"{alone.Name} is an option of {Model.Name}, for "
            + $"files of weights. Add {Model.Name}, or omit {alone.Name}.");
    }

    /// <summary>Returns the normalisation that a command names for a network; null if it names none.</summary>
    /// <exception cref="ArgumentException">The network reads other images.</exception>
    public Normalization? NormalizationFor(ParseResult command, Graph graph)
    {
        Normalization? normalization = command.GetValue(_normalize) is { } published
            ? Normalization.Published(published) : null;
        if (normalization is not null && graph.Inputs is [{ Shape: var shape }])
            normalization.CheckFor(shape, byte.MaxValue);
        return normalization;
    }

    /// <summary>Adds the normalisation that a command names to a model that has none.</summary>
    /// <exception cref="ArgumentException">The model has one, or reads other images.</exception>
    public void AddNormalization(ParseResult command, ImportedModel model, string file)
    {
        if (NormalizationFor(command, model.Graph) is not { } normalization)
            return;
        if (model.Normalization is not null)
            throw new ArgumentException($"{_normalize.Name} {command.GetValue(_normalize)}: {file} begins with a "
                + $"normalisation of its own. Omit {_normalize.Name}.");
        model.Normalization = normalization;
    }

    /// <summary>Reads the weights, and checks that they fit the network.</summary>
    /// <param name="command">The command.</param>
    /// <param name="file">The file.</param>
    /// <param name="input">The shape of the images; null for that of the network.</param>
    public ImportedWeights Read(ParseResult command, string file, Shape? input)
    {
        string model = command.GetValue(Model)!;
        if (command.GetValue(_classes) is not null && !BuiltInModels.Names.Contains(model))
            throw new ArgumentException($"{_classes.Name} is for a built-in network; {model} is a file, which has its "
                + $"classes. Omit {_classes.Name}.");
        Graph graph = ModelChoice.Open(model, input, command.GetValue(_classes));
        Normalization? normalization = NormalizationFor(command, graph);
        WeightNames? names = command.GetValue(_names) is { } table ? WeightNames.Read(table) : null;
        return ImportedWeights.Of(model, graph, WeightFile.Read(file, names), normalization, file);
    }
}
