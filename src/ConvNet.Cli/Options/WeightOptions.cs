using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Data;
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
            + "were trained with. Default: none is stored.", string.Join('|', Normalization.PublishedNames));
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
        Option? alone = ((Option[])[_classes, _names, _normalize]).FirstOrDefault(option
            => Verb.IsGiven(command, option));
        return alone is null ? false : throw new ArgumentException($"{alone.Name} is an option of {Model.Name}, for "
            + $"files of weights. Add {Model.Name}, or omit {alone.Name}.");
    }

    /// <summary>Reads the weights, and checks that they fit the network.</summary>
    /// <param name="command">The command.</param>
    /// <param name="file">The file.</param>
    /// <param name="input">The shape of the images; null for that of the network.</param>
    public ImportedWeights Read(ParseResult command, string file, Shape? input)
    {
        string model = command.GetValue(Model)!;
        Graph graph = ModelChoice.Open(model, input, command.GetValue(_classes));
        Normalization? normalization = command.GetValue(_normalize) is { } published
            ? Normalization.Published(published) : null;
        if (normalization is not null && graph.Inputs is [{ Shape: var shape }])
            normalization.CheckFor(shape, byte.MaxValue);
        WeightNames? names = command.GetValue(_names) is { } table ? WeightNames.Read(table) : null;
        return ImportedWeights.Of(model, graph, WeightFile.Read(file, names), normalization, file);
    }
}
