using System.CommandLine;
using ConvNet.Cli.Verbs;
using static System.FormattableString;

namespace ConvNet.Cli;

/// <summary>The optimiser options of a command: <c>--optimizer</c>, the attributes that the optimisers declare, the
/// learning rate and <c>--lookahead</c>.</summary>
internal sealed class OptimizerOptions
{
    private const string LearningRateName = "--lr", LookaheadName = "--lookahead";

    private readonly DeclaredOptions<Optimizer> _optimizer = new("--optimizer", "", OptimizerSet.BuiltIn.Declarations,
        kind => ((OptimizerDeclaration)kind).Usual);

    private readonly Option<float?> _learningRate;
    private readonly Option<int?> _lookahead;
    private readonly Option<float?> _lookaheadAlpha;

    /// <summary>Creates the options.</summary>
    public OptimizerOptions()
    {
        _learningRate = new Option<float?>(LearningRateName)
        {
            Description = $"Learning rate of the first step. Default: {_optimizer.ByKind(kind
                => Invariant($"{((OptimizerDeclaration)kind).LearningRate}"))}.",
            HelpName = "RATE",
            CustomParser = result => Verb.Read(result, LearningRateName,
                new NumberRange<float>(float.Epsilon, float.MaxValue, "a finite number above 0, for example 0.02")),
        };
        _lookahead = new Option<int?>(LookaheadName)
        {
            Description = "Let the weights go back to a fraction of their way after every K steps.",
            HelpName = "K",
            CustomParser = result => Verb.Read(result, LookaheadName, NumberRanges.FromOne),
        };
        string alpha = $"{LookaheadName}-alpha";
        _lookaheadAlpha = new Option<float?>(alpha)
        {
            Description = "Fraction of the way that --lookahead keeps. Default: 0.5.",
            HelpName = "ALPHA",
            CustomParser = result => Verb.Read(result, alpha,
                NumberRanges.Single(new NumberInterval(0, 1, HasLeast: false, HasMost: true), "0.5")),
        };
    }

    /// <summary>The option that sets the learning rate.</summary>
    public Option Rate => _learningRate;

    /// <summary>All options, in the order of the help text.</summary>
    public IEnumerable<Option> All
        => [_optimizer.Kind, _learningRate, .. _optimizer.Attributes, _lookahead, _lookaheadAlpha];

    /// <summary>Creates the optimiser of a command: that of the resumed training or a new one, with the given
    /// options.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The optimiser of the resumed training; null for a new training.</param>
    /// <exception cref="ArgumentException">
    /// An option does not belong to the optimiser, or another optimiser than that of the resumed training is named.
    /// </exception>
    public Optimizer Of(ParseResult command, Optimizer? goesOn = null)
    {
        var around = goesOn as Lookahead;
        Optimizer? rule = around?.Inner ?? goesOn;
        OptimizerDeclaration named = KindOf(command), kind = rule?.Declaration ?? named;
        if (Verb.IsGiven(command, _optimizer.Kind) && named != kind)
            throw new ArgumentException($"The saved training uses {kind.Kind}, but --optimizer "
                + $"is {named.Kind}. Omit --optimizer, or start a new training with --weights.");
        int? k = command.GetValue(_lookahead) ?? around?.K;
        float? alpha = command.GetValue(_lookaheadAlpha);
        if (alpha is not null && k is null)
            throw Verb.WithoutIts(_lookaheadAlpha, _lookahead);
        if (goesOn is not null && around is null && k is not null)
            throw new ArgumentException($"The saved training has no {LookaheadName}. Omit it, or start a new training "
                + "with --weights.");
        Optimizer optimizer = _optimizer.Of(command, rule, kind) with { Groups = (goesOn ?? kind.Usual).Groups };
        return k is { } steps ? new Lookahead(optimizer, steps, alpha ?? around?.Alpha ?? 0.5f) : optimizer;
    }

    /// <summary>Returns the learning rate of a command: the given one, that of the resumed training, or the default of
    /// the optimiser.</summary>
    /// <param name="command">The command.</param>
    /// <param name="goesOn">The learning rate of the resumed training; null for a new training.</param>
    public float LearningRate(ParseResult command, float? goesOn = null)
        => command.GetValue(_learningRate) ?? goesOn ?? KindOf(command).LearningRate;

    /// <summary>Returns the value of every option, such as <c>--momentum</c> and 0.9.</summary>
    public IEnumerable<(string Name, string Value)> Facts(Optimizer optimizer, float learningRate)
    {
        var around = optimizer as Lookahead;
        Optimizer rule = around?.Inner ?? optimizer;
        return [.. _optimizer.Facts(rule, rule.Declaration!).Prepend((LearningRateName, Invariant($"{learningRate}"))),
            .. around is null ? []
                : ((string, string)[])[(LookaheadName, $"{around.K}"),
                    (_lookaheadAlpha.Name, Invariant($"{around.Alpha}"))]];
    }

    private OptimizerDeclaration KindOf(ParseResult command) => (OptimizerDeclaration)_optimizer.KindOf(command)!;
}
