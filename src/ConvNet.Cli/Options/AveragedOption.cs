using System.CommandLine;
using ConvNet.Serialization;

namespace ConvNet.Cli.Verbs;

/// <summary>The option for the averages of the weights.</summary>
internal sealed class AveragedOption
{
    private readonly Option<bool> _option;

    /// <summary>Adds the option to a verb.</summary>
    public AveragedOption(Verb verb) => _option = verb.Flag("--averaged", "Use the averages of the weights that train "
        + "--average has saved.");

    /// <summary>Whether a command asks for the averages.</summary>
    /// <param name="command">The command.</param>
    /// <param name="saved">The model.</param>
    /// <param name="file">The file of the model.</param>
    /// <exception cref="ArgumentException">The model has no averages.</exception>
    public bool Of(ParseResult command, SavedModel saved, string file)
    {
        bool isAsked = command.GetValue(_option);
        return !isAsked || saved.HasAverages ? isAsked : throw new ArgumentException($"{_option.Name}: {file} has no "
            + "averages of the weights. train --average saves them, as soon as it has averaged. Omit "
            + $"{_option.Name} for the weights themselves.");
    }

    /// <summary>Copies the weights that a command asks for.</summary>
    /// <inheritdoc cref="Of"/>
    public void Copy(ParseResult command, SavedModel saved, string file, IExecutable network)
    {
        if (Of(command, saved, file))
            saved.CopyAveragesTo(network);
        else
            saved.CopyTo(network);
    }
}
