using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Data;
using ConvNet.Serialization;

namespace ConvNet.Cli;

/// <summary><c>--normalize</c> of the verbs that read a model: the normalisation of the images for a model that has
/// none.</summary>
internal sealed class NormalizeOption
{
    private readonly Option<string?> _name;

    /// <summary>Adds the option to a verb.</summary>
    public NormalizeOption(Verb verb)
    {
        _name = verb.Optional<string>("--normalize", "Published mean and deviation of the pixels, for a model that has "
            + $"none: {string.Join(", ", Normalization.PublishedNames)}.", string.Join('|',
                Normalization.PublishedNames));
        Verb.AcceptOnly(_name, [.. Normalization.PublishedNames]);
    }

    /// <summary>Returns the normalisation of the model, or the one that the option names.</summary>
    /// <param name="command">The command line.</param>
    /// <param name="saved">The model.</param>
    /// <param name="load">Its file.</param>
    /// <exception cref="ArgumentException">The model has one, and the option is given.</exception>
    /// <exception cref="InvalidDataException">Neither has one.</exception>
    public Normalization Of(ParseResult command, SavedModel saved, string load)
    {
        string? name = command.GetValue(_name);
        if (saved.Normalization is { } own)
            return name is null ? own : throw new ArgumentException($"{_name.Name} {name}: {load} has a "
                + $"normalisation, which its weights need. Omit {_name.Name}.");
        return name is null
            ? throw new InvalidDataException($"{load} does not contain the normalisation of the images. Name it with "
                + $"{_name.Name}.")
            : Normalization.Published(name);
    }
}
