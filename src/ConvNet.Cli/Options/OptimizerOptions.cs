using System.CommandLine;
using System.Numerics;
using ConvNet.Cli.Verbs;
using static System.FormattableString;

namespace ConvNet.Cli;

/// <summary>The optimiser that a command names, with its options: the attributes that the optimisers declare.</summary>
internal sealed class OptimizerOptions
{
    private const string LearningRateName = "--lr";

    private static readonly IReadOnlyList<OptimizerDeclaration> s_kinds = OptimizerSet.BuiltIn.Declarations;

    private readonly Option<string> _optimizer;
    private readonly Option<float?> _learningRate;
    private readonly (AttributeDeclaration Attribute, Option Option)[] _options;

    /// <summary>Makes the options.</summary>
    public OptimizerOptions()
    {
        string[] kinds = [.. s_kinds.Select(kind => kind.Kind)];
        _optimizer = new Option<string>("--optimizer")
        {
            Description = $"{string.Join("; ", s_kinds.Select(kind => $"{kind.Kind}: {kind.Summary}"))}.",
            DefaultValueFactory = _ => kinds[0],
            HelpName = string.Join('|', kinds),
        };
        Verb.AcceptOnly(_optimizer, kinds);
        _learningRate = new Option<float?>(LearningRateName)
        {
            Description = $"Learning rate of the first step; unless given {Usual(kind
                => Invariant($"{kind.LearningRate}"))}.",
            HelpName = "RATE",
            CustomParser = result => Verb.Read(result, LearningRateName,
                new NumberRange<float>(float.Epsilon, float.MaxValue, "a finite number above 0, as 0.02")),
        };
        _options = [.. s_kinds.SelectMany(kind => kind.Attributes).DistinctBy(each => each.Name)
            .Select(each => (each, OptionOf(each))).OrderBy(each => each.Item2 is Option<bool>)];
    }

    /// <summary>All of them, in the order in which help lists them.</summary>
    public IEnumerable<Option> All => [_optimizer, _learningRate, .. _options.Select(each => each.Option)];

    /// <summary>The optimiser of a command: the one that goes on, or a new one, with the options that are
    /// given.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The optimiser of a training that goes on; null for a new one.</param>
    /// <exception cref="ArgumentException">
    /// An option is given that the optimiser has not, or another optimiser than the one that goes on.
    /// </exception>
    public Optimizer Of(ParseResult command, Optimizer? goesOn = null)
    {
        OptimizerDeclaration kind = goesOn?.Declaration ?? KindOf(command);
        if (command.GetResult(_optimizer) is { Implicit: false } && KindOf(command) != kind)
            throw new ArgumentException($"The training goes on with {kind.Kind}, whose state it has, and --optimizer "
                + $"is {KindOf(command).Kind}. Leave it out, or start a new training with --weights.");
        Optimizer usual = goesOn ?? kind.Usual;
        AttributeValues values = kind.ValuesOf(usual).With(_options
            .Where(each => Given(command, each.Option) is not null)
            .Select(each => (Own(kind, each.Attribute, each.Option), Given(command, each.Option)!)));
        return kind.Make(values) with { Groups = usual.Groups };
    }

    /// <summary>The learning rate of a command: the optimiser's usual one unless it is given.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">That of a training that goes on.</param>
    public float LearningRate(ParseResult command, float? goesOn = null)
        => command.GetValue(_learningRate) ?? goesOn ?? KindOf(command).LearningRate;

    /// <summary>What the command comes to, option by option, as <c>--momentum</c> and 0.9.</summary>
    public static IEnumerable<(string Name, string Value)> Facts(Optimizer optimizer, float learningRate)
        => [("--optimizer", optimizer.Kind), (LearningRateName, Invariant($"{learningRate}")),
            .. optimizer.Declaration!.Attributes.Select(each => (NameOf(each), each.TextOf(optimizer)))];

    private OptimizerDeclaration KindOf(ParseResult command)
        => s_kinds.Single(kind => kind.Kind == command.GetValue(_optimizer));

    // The attribute of that name among the kind's own.
    private static AttributeDeclaration Own(OptimizerDeclaration kind, AttributeDeclaration named, Option option)
        => kind.Attributes.FirstOrDefault(own => own.Name == named.Name)
        ?? throw new ArgumentException($"{option.Name} is an option of {string.Join(" and ", Having(named.Name)
            .Select(other => other.Kind))}; {kind.Kind} has {string.Join(", ", kind.Attributes.Select(NameOf))}. "
            + "Leave it out.");

    // The value that an option was given; null where it was not.
    private static object? Given(ParseResult command, Option option) => option switch
    {
        Option<bool> flag => command.GetValue(flag) ? true : null,
        Option<float?> single => command.GetValue(single),
        _ => command.GetValue((Option<double?>)option),
    };

    private static IEnumerable<OptimizerDeclaration> Having(string attribute)
        => s_kinds.Where(kind => kind.Attributes.Any(own => own.Name == attribute));

    // --weight-decay of weightDecay.
    private static string NameOf(AttributeDeclaration attribute) => "--" + string.Concat(attribute.Name.Select(c
        => char.IsAsciiLetterUpper(c) ? $"-{char.ToLowerInvariant(c)}" : $"{c}"));

    private static Option OptionOf(AttributeDeclaration attribute) => attribute switch
    {
        AttributeDeclaration<bool> => new Option<bool>(NameOf(attribute))
        {
            Description = $"{attribute.Summary} ({string.Join(", ", Having(attribute.Name)
                .Select(kind => kind.Kind))}).",
        },
        AttributeDeclaration<float> { Interval: { } interval }
            => Number(attribute, NumberRanges.Single(interval, Example(attribute))),
        AttributeDeclaration<double> { Interval: { } interval }
            => Number(attribute, NumberRanges.Double(interval, Example(attribute))),
        _ => throw new NotSupportedException($"No option of a command can be a {attribute.Type}."),
    };

    private static Option<T?> Number<T>(AttributeDeclaration attribute, NumberRange<T> range)
        where T : struct, INumber<T>
    {
        string name = NameOf(attribute);
        return new Option<T?>(name)
        {
            Description = $"{attribute.Summary}; unless given {Usual(kind => kind.Attributes
                .FirstOrDefault(own => own.Name == attribute.Name)?.TextOf(kind.Usual))}.",
            HelpName = name.Split('-')[^1].ToUpperInvariant(),
            CustomParser = result => Verb.Read(result, name, range),
        };
    }

    private static string Example(AttributeDeclaration attribute)
        => Having(attribute.Name).Select(kind => attribute.TextOf(kind.Usual)).First();

    private static string Usual(Func<OptimizerDeclaration, string?> value) => string.Join(", ", s_kinds
        .Where(kind => value(kind) is not null)
        .GroupBy(value, kind => kind.Kind)
        .Select(group => $"{group.Key} ({string.Join(", ", group)})"));
}
