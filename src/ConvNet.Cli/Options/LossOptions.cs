using System.CommandLine;

namespace ConvNet.Cli;

/// <summary>The loss options of a command: <c>--loss</c>, and <c>--loss-option</c> for the attributes that the losses
/// declare.</summary>
internal sealed class LossOptions
{
    private const string AttributeName = "--loss-option";

    private readonly Option<string?> _loss;
    private readonly Option<string[]> _attributes;

    /// <summary>Creates the options.</summary>
    /// <param name="kinds">The losses that the command accepts.</param>
    /// <param name="description">The beginning of the description of <c>--loss</c>.</param>
    /// <param name="otherwise">The default in words.</param>
    public LossOptions(IEnumerable<Declaration<Loss>> kinds, string description, string otherwise)
    {
        Declaration<Loss>[] all = [.. kinds];
        string[] words = [.. all.Select(kind => kind.Kind)];
        _loss = new Option<string?>("--loss")
        {
            Description = $"{description}{string.Join("; ", all.Select(kind => $"{kind.Kind}: {kind.Summary}"))}. "
                + $"Default: {otherwise}.",
            HelpName = string.Join('|', words),
        };
        Verbs.Verb.AcceptOnly(_loss, words);
        _attributes = new Option<string[]>(AttributeName)
        {
            Description = "Attribute of the loss, as labelSmoothing=0.1 or classWeights=1,2,0.5. May be repeated. "
                + $"{string.Join("; ", all.Where(kind => kind.Attributes.Count > 0).Select(kind => $"{kind.Kind}: "
                    + string.Join(", ", kind.Attributes.Select(each => each.Name))))}.",
            HelpName = "NAME=VALUE",
            DefaultValueFactory = _ => [],
        };
    }

    /// <summary>All options, in the order of the help text.</summary>
    public IEnumerable<Option> All => [_loss, _attributes];

    /// <summary>The name of the option of the loss.</summary>
    public string Name => _loss.Name;

    /// <summary>Returns the loss that a command names, with its attributes; null if the command says nothing about the
    /// loss.</summary>
    /// <param name="command">The command.</param>
    /// <param name="usual">The loss whose attributes change if none is named; null if there is not one.</param>
    /// <exception cref="ArgumentException">The loss has no such attribute, its value is invalid, or attributes are
    /// given without a loss.</exception>
    public Loss? Of(ParseResult command, Loss? usual)
    {
        string[] attributes = command.GetValue(_attributes)!;
        Loss? loss = command.GetValue(_loss) is { } kind ? Loss.BuiltIn.Make(kind) : usual;
        if (attributes.Length == 0)
            return command.GetValue(_loss) is null ? null : loss;
        loss = loss ?? throw new ArgumentException($"{AttributeName} changes an attribute of a loss. Name it with "
            + $"{_loss.Name}.");
        return DeclaredText.With(Loss.BuiltIn, "loss", AttributeName, loss, loss.Declaration!, attributes);
    }

    /// <summary>Returns the name of a loss and its attributes that differ from the defaults, such as
    /// <c>softmax labelSmoothing=0.1</c>.</summary>
    public static string TextOf(Loss loss) => DeclaredText.TextOf(loss, loss.Declaration!, ' ', ' ');
}
