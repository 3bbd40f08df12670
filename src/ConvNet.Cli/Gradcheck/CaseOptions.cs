using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The options of <c>gradcheck</c> about cases: those from files, those from the generator, and where a
/// failure's own goes.</summary>
internal sealed class CaseOptions
{
    private const int MostGraphs = 10_000;

    private readonly Option<string[]> _files = new("--case")
    {
        Description = "A case from a file, as a failure leaves one; it has mode, batch and seed in it.",
        DefaultValueFactory = _ => [],
        HelpName = "FILE",
    };

    private readonly Option<int?> _random = new("--random")
    {
        Description = $"So many random graphs, at most {MostGraphs}, from --seed on: chains with branches, residual "
            + "sums and odd shapes.",
        HelpName = "N",
    };

    private readonly Option<string?> _target = new("--case-out")
    {
        Description = "Write the case that a failure is shrunk to here, which must not exist; "
            + $"{GradientCaseFile.FailureName}.json, or -2 and so on where there is one, unless given.",
        HelpName = "FILE",
    };

    private readonly NamedFiles _named;

    /// <summary>Adds the options to a verb.</summary>
    public CaseOptions(Verb verb)
    {
        _named = verb.Files;
        _random.CustomParser = result =>
        {
            var range = NumberRanges.Whole(1, MostGraphs);
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

    /// <summary>The cases that are asked for.</summary>
    /// <param name="command">The command line.</param>
    /// <param name="options">How a random graph is checked, its seed being the first one's; what a file says
    /// stands.</param>
    /// <param name="batch">Images in a batch of a random graph; its own unless given.</param>
    /// <exception cref="InvalidDataException">A file describes no case.</exception>
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

    /// <summary>Throws where the file for a case is there already.</summary>
    /// <exception cref="ArgumentException">It is.</exception>
    public void CheckTarget(ParseResult command)
    {
        if (command.GetValue(_target) is { } path && File.Exists(path))
            throw new ArgumentException($"{path} is there already; --case-out takes the name of a new file.");
    }

    /// <summary>The file to write a case to.</summary>
    public string Target(ParseResult command) => command.GetValue(_target) is { } given && !File.Exists(given)
        ? given
        : GradientCaseFile.UnusedName(path => _named.Contains(command, path));
}
