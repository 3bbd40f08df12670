using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The options of <c>gradcheck</c> that concern cases: cases from files, random cases, and the file for the
/// case of a failure.</summary>
internal sealed class CaseOptions
{
    private const int MaxGraphs = 10_000;

    private readonly Option<string[]> _files = new("--case")
    {
        Description = "A case file, as written for a failure. It includes mode, batch size and seed.",
        DefaultValueFactory = _ => [],
        HelpName = "FILE",
    };

    private readonly Option<int?> _random = new("--random")
    {
        Description = $"Check N random graphs (at most {MaxGraphs}), starting with the seed of --seed: chains with "
            + "branches, residual sums and odd shapes.",
        HelpName = "N",
    };

    private readonly Option<string?> _target = new("--case-out")
    {
        Description = "Write the reduced case of a failure to this file, which must not exist. Default: "
            + $"{GradientCaseFile.FailureName}.json, or the next free name ({GradientCaseFile.FailureName}-2.json, …).",
        HelpName = "FILE",
    };

    private readonly NamedFiles _named;

    /// <summary>Adds the options to a verb.</summary>
    public CaseOptions(Verb verb)
    {
        _named = verb.Files;
        _random.CustomParser = result =>
        {
            var range = NumberRanges.Whole(1, MaxGraphs);
            if (range.Read(_random.Name, result.Tokens[0].Value, out int count) is { } error)
                result.AddError(error);
            return count;
        };
        _named.Add(_files, FileUse.Read, command => command.GetValue(_files)!);
        _named.Add(_target, FileUse.Written, command => command.GetValue(_target) is { } target ? [target] : []);
        verb.Add(_files);
        verb.Add(_random);
        verb.Add(_target);
    }

    /// <summary>Returns the requested cases.</summary>
    /// <param name="command">The command line.</param>
    /// <param name="options">The options for random graphs; the seed is that of the first graph. Files contain their
    /// own options.</param>
    /// <param name="batch">The batch size of random graphs. Null selects their default.</param>
    /// <exception cref="InvalidDataException">A file does not contain a valid case.</exception>
    public IEnumerable<Subject> Subjects(ParseResult command, GradientCheckOptions options, int? batch)
    {
        string[] files = command.GetValue(_files)!;
        foreach (string file in files)
        {
            GradientCase read = GradientCaseFile.Load(file);
            yield return new Subject(file,
                read with { Options = read.Options with { Cancellation = options.Cancellation } },
                OneOfMany: files.Length > 1);
        }
        int count = command.GetValue(_random) ?? 0;
        for (int i = 0; i < count; i++)
        {
            GraphGradientCase made = RandomCases.Graph(unchecked(options.Seed + (ulong)i));
            yield return new Subject($"random graph {made.Options.Seed}",
                made with
                {
                    Options = options
                with
                    { Seed = made.Options.Seed, BatchSize = batch ?? made.Options.BatchSize }
                }, OneOfMany: count > 1);
        }
    }

    /// <summary>Throws if the file for a case already exists.</summary>
    /// <exception cref="ArgumentException">The file exists.</exception>
    public void CheckTarget(ParseResult command)
    {
        if (command.GetValue(_target) is { } path && File.Exists(path))
            throw new ArgumentException($"{path} already exists. --case-out needs the name of a new file.");
    }

    /// <summary>Returns the file for the case of a failure.</summary>
    public string Target(ParseResult command) => command.GetValue(_target) is { } given && !File.Exists(given)
        ? given
        : GradientCaseFile.UnusedName(path => _named.Contains(command, path));
}
