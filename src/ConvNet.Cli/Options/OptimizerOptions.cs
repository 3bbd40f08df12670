using System.CommandLine;
using System.Numerics;
using ConvNet.Cli.Verbs;
using static System.FormattableString;

namespace ConvNet.Cli;

/// <summary>The optimiser options of a command: <c>--optimizer</c>, and the attributes that the optimisers
/// declare.</summary>
internal sealed class OptimizerOptions
{
    private const string LearningRateName = "--lr";

    private static readonly IReadOnlyList<OptimizerDeclaration> s_kinds = OptimizerSet.BuiltIn.Declarations;

    private readonly Option<string> _optimizer;
    private readonly Option<float?> _learningRate;
    private readonly (AttributeDeclaration Attribute, Option Option)[] _options;

    /// <summary>Creates the options.</summary>
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
            Description = $"Learning rate of the first step. Default: {Usual(kind
                => Invariant($"{kind.LearningRate}"))}.",
            HelpName = "RATE",
            CustomParser = result => Verb.Read(result, LearningRateName,
                new NumberRange<float>(float.Epsilon, float.MaxValue, "a finite number above 0, for example 0.02")),
        };
        _options = [.. s_kinds.SelectMany(kind => kind.Attributes).DistinctBy(each => each.Name)
            .Select(each => (each, OptionOf(each))).OrderBy(each => each.Item2 is Option<bool>)];
    }

    /// <summary>All options, in the order of the help text.</summary>
    public IEnumerable<Option> All => [_optimizer, _learningRate, .. _options.Select(each => each.Option)];

    /// <summary>Creates the optimiser of a command: that of the resumed training or a new one, with the given
    /// options.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The optimiser of the resumed training; null for a new training.</param>
    /// <exception cref="ArgumentException">
    /// An option does not belong to the optimiser, or another optimiser than that of the resumed training is named.
    /// </exception>
    public Optimizer Of(ParseResult command, Optimizer? goesOn = null)
    {
        OptimizerDeclaration kind = goesOn?.Declaration ?? KindOf(command);
        if (command.GetResult(_optimizer) is { Implicit: false } && KindOf(command) != kind)
            throw new ArgumentException($"The saved training uses {kind.Kind}, but --optimizer "
                + $"is {KindOf(command).Kind}. Omit --optimizer, or start a new training with --weights.");
        Optimizer usual = goesOn ?? kind.Usual;
        AttributeValues values = kind.ValuesOf(usual).With(_options
            .Where(each => Given(command, each.Option) is not null)
            .Select(each => (Own(kind, each.Attribute, each.Option), Given(command, each.Option)!)));
        return kind.Make(values) with { Groups = usual.Groups };
    }

    /// <summary>Returns the learning rate of a command: the given one, that of the resumed training, or the default of
    /// the optimiser.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The learning rate of the resumed training; null for a new training.</param>
    public float LearningRate(ParseResult command, float? goesOn = null)
        => command.GetValue(_learningRate) ?? goesOn ?? KindOf(command).LearningRate;

    /// <summary>Returns the value of every option, such as <c>--momentum</c> and 0.9.</summary>
    public static IEnumerable<(string Name, string Value)> Facts(Optimizer optimizer, float learningRate)
        => [("--optimizer", optimizer.Kind), (LearningRateName, Invariant($"{learningRate}")),
            .. optimizer.Declaration!.Attributes.Select(each => (NameOf(each), each.TextOf(optimizer)))];

    private OptimizerDeclaration KindOf(ParseResult command)
        => s_kinds.Single(kind => kind.Kind == command.GetValue(_optimizer));

    // Returns the attribute of a kind with the name of another kind's attribute.
    private static AttributeDeclaration Own(OptimizerDeclaration kind, AttributeDeclaration named, Option option)
        => kind.Attributes.FirstOrDefault(own => own.Name == named.Name)
        ?? throw new ArgumentException($"{option.Name} is an option of {string.Join(" and ", Having(named.Name)
            .Select(other => other.Kind))}; {kind.Kind} has {string.Join(", ", kind.Attributes.Select(NameOf))}. "
            + "Omit it.");

    // Returns the value of an option; null if it is not given.
    private static object? Given(ParseResult command, Option option) => option switch
    {
        Option<bool> flag => command.GetValue(flag) ? true : null,
        Option<float?> single => command.GetValue(single),
        _ => command.GetValue((Option<double?>)option),
    };

    private static IEnumerable<OptimizerDeclaration> Having(string attribute)
        => s_kinds.Where(kind => kind.Attributes.Any(own => own.Name == attribute));

    // Converts weightDecay to --weight-decay.
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
        _ => throw new NotSupportedException($"An attribute of type {attribute.Type} cannot be an option."),
    };

    private static Option<T?> Number<T>(AttributeDeclaration attribute, NumberRange<T> range)
        where T : struct, INumber<T>
    {
        string name = NameOf(attribute);
        return new Option<T?>(name)
        {
            Description = $"{attribute.Summary}. Default: {Usual(kind => kind.Attributes
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
