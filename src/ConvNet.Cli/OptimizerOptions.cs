using System.CommandLine;
using System.Globalization;
using ConvNet.Cli.Verbs;
using static System.FormattableString;

namespace ConvNet.Cli;

/// <summary>The optimiser that a command names, with its options.</summary>
internal sealed class OptimizerOptions
{
    private const string Default = "sgd";

    private static readonly NumberRange<double> s_fraction =
        new(0, MathF.BitDecrement(1), "a number from 0 to below 1, as 0.9");
    private static readonly NumberRange<double> s_beta =
        new(0, Math.BitDecrement(1), "a number from 0 to below 1, as 0.999");
    private static readonly NumberRange<double> s_positive =
        new(float.Epsilon, float.MaxValue, "a finite number above 0, as 0.001");
    private static readonly NumberRange<double> s_decay =
        new(0, float.MaxValue, "a finite number from 0 on, as 0.0001");

    // The values that an optimiser's options have unless they are given, under their names.
    private static readonly Kind[] s_kinds =
    [
        new("sgd", "stochastic gradient descent with momentum", 0.02,
            [("--momentum", 0.9), ("--weight-decay", 1e-4), ("--nesterov", 0)],
            v => new Sgd((float)v["--momentum"], (float)v["--weight-decay"], v["--nesterov"] > 0)),
        new("adam", "Adam", 0.001,
            [("--beta1", 0.9), ("--beta2", 0.999), ("--epsilon", 1e-8), ("--weight-decay", 0)],
            v => new Adam(v["--beta1"], v["--beta2"], v["--epsilon"], (float)v["--weight-decay"])),
        new("adamw", "Adam with decoupled weight decay", 0.001,
            [("--beta1", 0.9), ("--beta2", 0.999), ("--epsilon", 1e-8), ("--weight-decay", 0.01)],
            v => new AdamW(v["--beta1"], v["--beta2"], v["--epsilon"], (float)v["--weight-decay"])),
        new("lars", "layer-wise adaptive rate scaling", 5,
            [("--momentum", 0.9), ("--weight-decay", 1e-4), ("--trust-coefficient", 0.001)],
            v => new Lars((float)v["--momentum"], (float)v["--weight-decay"], (float)v["--trust-coefficient"])),
    ];

    private readonly Option<string> _optimizer;
    private readonly Option<float?> _learningRate;
    private readonly Option<double?>[] _numbers;
    private readonly Option<bool> _nesterov;

    /// <summary>Makes the options.</summary>
    public OptimizerOptions()
    {
        _optimizer = new Option<string>("--optimizer")
        {
            Description = $"{string.Join("; ", s_kinds.Select(kind => $"{kind.Name}: {kind.Description}"))}.",
            DefaultValueFactory = _ => Default,
            HelpName = string.Join('|', s_kinds.Select(kind => kind.Name)),
        };
        Verb.AcceptOnly(_optimizer, [.. s_kinds.Select(kind => kind.Name)]);
        _learningRate = new Option<float?>("--lr")
        {
            Description = $"Learning rate of the first step; unless given {Usual(kind => kind.LearningRate)}.",
            HelpName = "RATE",
            CustomParser = result => Verb.Read(result, "--lr",
                new NumberRange<float>(float.Epsilon, float.MaxValue, "a finite number above 0, as 0.02")),
        };
        _numbers =
        [
            Number("--momentum", "Momentum.", s_fraction, "MU"),
            Number("--weight-decay", "Weight decay.", s_decay, "LAMBDA"),
            Number("--beta1", "How much of the mean of the gradients a step keeps.", s_beta, "BETA"),
            Number("--beta2", "How much of the mean of their squares a step keeps.", s_beta, "BETA"),
            Number("--epsilon", "Added to the root of that mean.", s_positive, "EPSILON"),
            Number("--trust-coefficient", "A step's share of a parameter's norm, at a rate of 1.", s_positive, "ETA"),
        ];
        _nesterov = new Option<bool>("--nesterov") { Description = "Look ahead, with momentum (sgd)." };
    }

    /// <summary>All of them, in the order in which help lists them.</summary>
    public IEnumerable<Option> All => [_optimizer, _learningRate, .. _numbers, _nesterov];

    /// <summary>The optimiser of a command.</summary>
    /// <exception cref="ArgumentException">An option is given that the optimiser has not.</exception>
    public Optimizer Of(ParseResult command) => KindOf(command).Make(Values(command));

    /// <summary>The learning rate of a command: the optimiser's usual one unless it is given.</summary>
    public float LearningRate(ParseResult command)
        => command.GetValue(_learningRate) ?? (float)KindOf(command).LearningRate;

    /// <summary>What the command comes to, option by option, as <c>--momentum</c> and 0.9.</summary>
    public IEnumerable<(string Name, string Value)> Facts(ParseResult command)
        => [("--optimizer", KindOf(command).Name), ("--lr", Invariant($"{LearningRate(command)}")),
            .. Values(command).Select(of => (of.Key, Text(of)))];

    private static string Text(KeyValuePair<string, double> of)
        => of.Key == "--nesterov" ? $"{of.Value > 0}" : of.Value.ToString(CultureInfo.InvariantCulture);

    private Dictionary<string, double> Values(ParseResult command)
    {
        Kind kind = KindOf(command);
        var values = kind.Options.ToDictionary(of => of.Name, of => of.Usual);
        foreach (Option<double?> option in _numbers)
        {
            if (command.GetValue(option) is { } given)
                Set(option.Name, given);
        }
        if (command.GetValue(_nesterov))
            Set("--nesterov", 1);
        return values;

        void Set(string name, double value)
        {
            if (!values.ContainsKey(name))
                throw new ArgumentException($"{name} is an option of {string.Join(" and ", s_kinds
                    .Where(other => other.Options.Any(of => of.Name == name)).Select(other => other.Name))}; "
                    + $"{kind.Name} has {string.Join(", ", kind.Options.Select(of => of.Name))}. Leave it out.");
            values[name] = value;
        }
    }

    private Kind KindOf(ParseResult command)
        => s_kinds.Single(kind => kind.Name == command.GetValue(_optimizer));

    private static Option<double?> Number(string name, string description, NumberRange<double> range, string helpName)
        => new(name)
        {
            Description = $"{description[..^1]}; unless given {Usual(kind => kind.Options.Where(of => of.Name == name)
                .Select(of => (double?)of.Usual).FirstOrDefault())}.",
            HelpName = helpName,
            CustomParser = result => Verb.Read(result, name, range),
        };

    private static string Usual(Func<Kind, double?> value) => string.Join(", ", s_kinds
        .Where(kind => value(kind) is not null)
        .GroupBy(kind => Invariant($"{value(kind)}"), kind => kind.Name)
        .Select(group => $"{group.Key} ({string.Join(", ", group)})"));

    private sealed record Kind(string Name, string Description, double LearningRate,
        (string Name, double Usual)[] Options, Func<IReadOnlyDictionary<string, double>, Optimizer> Make);
}
