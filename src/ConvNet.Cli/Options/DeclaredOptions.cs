using System.CommandLine;
using System.Numerics;
using ConvNet.Cli.Verbs;
using ConvNet.Training;

namespace ConvNet.Cli;

/// <summary>An option that names one of several declared kinds, such as <c>--optimizer</c>, and an option for each
/// attribute that they declare.</summary>
/// <typeparam name="T">The base type of the kinds.</typeparam>
internal sealed class DeclaredOptions<T>
    where T : class
{
    private readonly string _prefix;
    private readonly IReadOnlyList<Declaration<T>> _kinds;
    private readonly Func<Declaration<T>, T?> _usual;
    private readonly Option<string> _kind;
    private readonly (AttributeDeclaration Attribute, Option Option)[] _options;

    /// <summary>Creates the options.</summary>
    /// <param name="name">The name of the option for the kind.</param>
    /// <param name="prefix">What precedes the names of the attributes, such as <c>schedule-</c>.</param>
    /// <param name="kinds">The kinds, the default first.</param>
    /// <param name="usual">Returns the instance whose values are the defaults of a kind; null if an attribute has no
    /// default.</param>
    /// <param name="none">What no kind at all means, if that is allowed; it is then the default.</param>
    public DeclaredOptions(string name, string prefix, IReadOnlyList<Declaration<T>> kinds,
        Func<Declaration<T>, T?> usual, string? none = null)
    {
        (_prefix, _kinds, _usual) = (prefix, kinds, usual);
        string[] words = [.. none is null ? [] : (string[])[None], .. kinds.Select(kind => kind.Kind)];
        string[] summaries = [.. none is null ? [] : (string[])[$"{None}: {none}"],
            .. kinds.Select(kind => $"{kind.Kind}: {kind.Summary}")];
        _kind = new Option<string>(name)
        {
            Description = $"{string.Join("; ", summaries)}.",
            DefaultValueFactory = _ => words[0],
            HelpName = string.Join('|', words),
        };
        Verb.AcceptOnly(_kind, words);
        _options = [.. kinds.SelectMany(kind => kind.Attributes).DistinctBy(each => each.Name)
            .Select(each => (each, OptionOf(each))).OrderBy(each => each.Item2 is Option<bool>)];
    }

    private const string None = "none";

    /// <summary>The option for the kind.</summary>
    public Option<string> Kind => _kind;

    /// <summary>The options for the attributes.</summary>
    public IEnumerable<Option> Attributes => _options.Select(each => each.Option);

    /// <summary>Whether a command gives the kind or one of the attributes.</summary>
    public bool IsGiven(ParseResult command)
        => Attributes.Prepend(_kind).Any(option => Verb.IsGiven(command, option));

    /// <summary>Returns the kind that a command names.</summary>
    public Declaration<T>? KindOf(ParseResult command)
        => _kinds.SingleOrDefault(kind => kind.Kind == command.GetValue(_kind));

    /// <summary>Creates the instance that a command describes.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The instance of the resumed training; null for a new training.</param>
    /// <param name="kind">The kind of the result.</param>
    /// <exception cref="ArgumentException">An option does not belong to the kind, or is missing.</exception>
    public T Of(ParseResult command, T? goesOn, Declaration<T> kind)
    {
        T? usual = goesOn ?? _usual(kind);
        (AttributeDeclaration Attribute, object Value)[] given = [.. _options
            .Where(each => Given(command, each.Attribute, each.Option) is not null)
            .Select(each => (Own(kind, each.Attribute, each.Option),
                Given(command, each.Attribute, each.Option)!))];
        if (usual is null && kind.Attributes.FirstOrDefault(each => each.Default is null
            && given.All(other => other.Attribute != each)) is { } missing)
            throw new ArgumentException($"{_kind.Name} {kind.Kind} needs {NameOf(missing)}.");
        return kind.Make((usual is null ? new AttributeValues([]) : kind.ValuesOf(usual)).With(given));
    }

    /// <summary>Throws if a command gives an attribute although it names no kind.</summary>
    public void CheckNone(ParseResult command)
    {
        Option? option = _options
            .FirstOrDefault(each => Given(command, each.Attribute, each.Option) is not null).Option;
        if (option is not null)
            throw new ArgumentException($"{option.Name} is an option of {Words(Having(NameOf(option))
                .Select(kind => $"{_kind.Name} {kind.Kind}"))}. Add it, or omit {option.Name}.");
    }

    /// <summary>Returns the value of every option of an instance, such as <c>--momentum</c> and 0.9.</summary>
    public IEnumerable<(string Name, string Value)> Facts(T of, Declaration<T> kind)
        => [(_kind.Name, kind.Kind), .. kind.Attributes.Select(each => (NameOf(each), each.TextOf(of)))];

    // Returns the attribute of a kind with the name of another kind's attribute.
    private AttributeDeclaration Own(Declaration<T> kind, AttributeDeclaration named, Option option)
        => kind.Attributes.FirstOrDefault(own => own.Name == named.Name)
        ?? throw new ArgumentException($"{option.Name} is an option of {Words(Having(named.Name)
            .Select(other => other.Kind))}; {kind.Kind} has {(kind.Attributes.Count == 0 ? "none"
            : string.Join(", ", kind.Attributes.Select(NameOf)))}. Omit it.");

    // Returns the value of an option; null if it is not given.
    private static object? Given(ParseResult command, AttributeDeclaration attribute, Option option) => option switch
    {
        Option<bool> flag => Verb.IsGiven(command, flag) ? command.GetValue(flag) : null,
        Option<float?> single => command.GetValue(single),
        Option<int?> whole => command.GetValue(whole),
        Option<Milestones?> times => command.GetValue(times),
        Option<string?> word => command.GetValue(word) is { } text
            ? attribute.Choices.Single(choice => choice.Key == text).Value : null,
        _ => command.GetValue((Option<double?>)option),
    };

    private IEnumerable<Declaration<T>> Having(string attribute)
        => _kinds.Where(kind => kind.Attributes.Any(own => own.Name == attribute));

    private string NameOf(Option option) => _options.Single(each => each.Option == option).Attribute.Name;

    // Converts weightDecay to --weight-decay.
    private string NameOf(AttributeDeclaration attribute) => $"--{_prefix}" + string.Concat(attribute.Name.Select(c
        => char.IsAsciiLetterUpper(c) ? $"-{char.ToLowerInvariant(c)}" : $"{c}"));

    private Option OptionOf(AttributeDeclaration attribute) => attribute switch
    {
        AttributeDeclaration<bool> => new Option<bool>(NameOf(attribute))
        {
            Description = $"{attribute.Summary}. Default: {Defaults(attribute.Name)}.",
        },
        AttributeDeclaration<int> { Interval: { } interval } => Number(attribute,
            new NumberRange<int>((int)interval.Least, int.MaxValue, $"a whole number of at least {interval.Least}")),
        AttributeDeclaration<float> { Interval: { } interval }
            => Number(attribute, NumberRanges.Single(interval, Example(attribute))),
        AttributeDeclaration<double> { Interval: { } interval }
            => Number(attribute, NumberRanges.Double(interval, Example(attribute))),
        AttributeDeclaration<Milestones> => Times(attribute),
        { Choices.Count: > 0 } => Word(attribute),
        _ => throw new NotSupportedException($"An attribute of type {attribute.Type} cannot be an option."),
    };

    private Option<TNumber?> Number<TNumber>(AttributeDeclaration attribute, NumberRange<TNumber> range)
        where TNumber : struct, INumber<TNumber>
    {
        string name = NameOf(attribute);
        return new Option<TNumber?>(name)
        {
            Description = $"{attribute.Summary}. Default: {Defaults(attribute.Name)}.",
            HelpName = name.Split('-')[^1].ToUpperInvariant(),
            CustomParser = result => Verb.Read(result, name, range),
        };
    }

    private Option<string?> Word(AttributeDeclaration attribute)
    {
        string[] words = [.. attribute.Choices.Select(choice => choice.Key)];
        var option = new Option<string?>(NameOf(attribute))
        {
            Description = $"{attribute.Summary}. Default: {Defaults(attribute.Name)}.",
            HelpName = string.Join('|', words),
        };
        Verb.AcceptOnly(option, words);
        return option;
    }

    private Option<Milestones?> Times(AttributeDeclaration attribute)
    {
        string name = NameOf(attribute);
        return new Option<Milestones?>(name)
        {
            Description = $"{attribute.Summary} ({Words(Having(attribute.Name).Select(kind => kind.Kind))}).",
            HelpName = "N,N",
            CustomParser = result =>
            {
                string word = result.Tokens[0].Value;
                if (Milestones.Parse(word) is { } times)
                    return times;
                result.AddError($"{name} is \"{Excerpt.Of(word)}\"; it takes whole numbers from 1 in ascending order, "
                    + "for example 3,6,8.");
                return null;
            },
        };
    }

    private string Example(AttributeDeclaration attribute)
        => Having(attribute.Name).Select(kind => DefaultOf(kind, attribute.Name)).First()!;

    private string Defaults(string attribute) => ByKind(kind => DefaultOf(kind, attribute));

    /// <summary>Returns the values of a fact of the kinds that have one, such as <c>0.001 (adam, adamw)</c>.</summary>
    public string ByKind(Func<Declaration<T>, string?> value) => string.Join(", ", _kinds
        .Where(kind => value(kind) is not null)
        .GroupBy(value, kind => kind.Kind)
        .Select(group => $"{group.Key} ({string.Join(", ", group)})"));

    private string? DefaultOf(Declaration<T> kind, string attribute)
        => kind.Attributes.FirstOrDefault(own => own.Name == attribute) is not { } own ? null
            : _usual(kind) is { } usual ? own.TextOf(usual) : own.Default;

    private static string Words(IEnumerable<string> words)
    {
        string[] all = [.. words];
        return all.Length == 1 ? all[0] : $"{string.Join(", ", all[..^1])} and {all[^1]}";
    }
}
