using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ConvNet.Serialization;

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
        return With(loss ?? throw new ArgumentException($"{AttributeName} changes an attribute of a loss. Name it with "
            + $"{_loss.Name}."), attributes);
    }

    /// <summary>Returns the name of a loss and its attributes that differ from the defaults, such as
    /// <c>softmax labelSmoothing=0.1</c>.</summary>
    public static string TextOf(Loss loss)
    {
        Declaration<Loss> kind = loss.Declaration!;
        return string.Join(' ', kind.Attributes.Where(each => each.TextOf(loss) != each.Default)
            .Select(each => $"{each.Name}={each.TextOf(loss)}").Prepend(kind.Kind));
    }

    private static Loss With(Loss loss, string[] attributes)
    {
        Declaration<Loss> kind = loss.Declaration!;
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("loss", kind.Kind);
            kind.Write(json, loss);
            json.WriteEndObject();
        }
        JsonObject all = JsonNode.Parse(buffer.ToArray())!.AsObject();
        foreach (string text in attributes)
        {
            string[] parts = text.Split('=', 2);
            AttributeDeclaration attribute = kind.Attributes.FirstOrDefault(each => each.Name == parts[0])
                ?? throw new ArgumentException($"{AttributeName} {text}: {kind.Kind} has the attributes "
                    + $"{string.Join(", ", kind.Attributes.Select(each => each.Name))}.");
            if (parts.Length == 1)
                throw new ArgumentException($"{AttributeName} {text}: give the attribute a value, as in "
                    + $"{attribute.Name}={attribute.TextOf(loss)}.");
            all[attribute.Name] = attribute is AttributeDeclaration<ClassWeights>
                ? new JsonArray([.. parts[1].Split(',').Select(ValueOf)])
                : attribute.Type == "word" ? JsonValue.Create(parts[1]) : ValueOf(parts[1]);
        }
        try
        {
            using JsonDocument document = JsonReader.Parse(Encoding.UTF8.GetBytes(all.ToJsonString()), AttributeName);
            return Loss.BuiltIn.Read(new JsonReader(document.RootElement, AttributeName));
        }
        catch (InvalidDataException error)
        {
            throw new ArgumentException(error.Message, error);
        }
    }

    // Text that is neither a number nor a flag is refused where the attribute is read.
    private static JsonNode? ValueOf(string text) => bool.TryParse(text, out bool flag) ? JsonValue.Create(flag)
        : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int whole)
            ? JsonValue.Create(whole)
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            && double.IsFinite(number) ? JsonValue.Create(number) : JsonValue.Create(text);
}
