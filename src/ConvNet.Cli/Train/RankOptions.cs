using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Mpi;

namespace ConvNet.Cli.Train;

/// <summary>The options of <c>train</c> on several ranks.</summary>
internal sealed class RankOptions
{
    private readonly Option<bool> _deterministic, _syncBatchNorm;
    private readonly Option<string?> _timeout;

    /// <summary>Adds the options to a verb.</summary>
    public RankOptions(Verb verb)
    {
        _deterministic = verb.Flag("--deterministic", "On several ranks, add gradients in the order of the ranks, so "
            + "that every run with as many ranks gives the same bits.");
        _syncBatchNorm = verb.Flag("--sync-batchnorm", "On several ranks, batch normalisation uses the mean and "
            + "variance of the whole batch, as in one process, instead of those of each rank's share.");
        _timeout = TimeOptions.Add(verb, "--rank-timeout", "On several ranks, how long they wait for one that runs but "
            + "does not come to where they are, as 30s, 10min or 2h: longer than the slowest step, test or checkpoint "
            + "of a rank. Default: 10min.");
    }

    /// <summary>Sets how long the ranks wait for one another.</summary>
    /// <param name="command">The command.</param>
    /// <param name="ranks">The ranks; null if this process was started alone.</param>
    /// <exception cref="ArgumentException">The time is too short.</exception>
    public void SetTimeout(ParseResult command, MpiCommunicator? ranks)
    {
        if (TimeOptions.Of(command, _timeout) is not { } time)
            return;
        if (time < MpiCommunicator.LeastPatience)
            throw new ArgumentException($"{_timeout.Name} is {time.TotalSeconds} s; it must be at least "
                + $"{MpiCommunicator.LeastPatience.TotalSeconds} s.");
        if (ranks is not null)
            ranks.Patience = time;
    }

    /// <summary>Returns the options of a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="resumed">A command with the options of the resumed training; null for a new training.</param>
    /// <param name="graph">The network.</param>
    /// <exception cref="ArgumentException">The network has nothing to synchronise.</exception>
    public DataParallelOptions Of(ParseResult command, ParseResult? resumed, Graph graph)
    {
        bool synchronizes = Value(command, resumed, _syncBatchNorm);
        if (synchronizes && !graph.LayerNodes.Any(node => node.Layer!.SharesStatistics))
            throw new ArgumentException($"{_syncBatchNorm.Name} is given, but the network has no batch normalisation. "
                + $"Omit {_syncBatchNorm.Name}.");
        return new DataParallelOptions
        {
            Deterministic = Value(command, resumed, _deterministic),
            SyncBatchNorm = synchronizes,
        };
    }

    private static bool Value(ParseResult command, ParseResult? resumed, Option<bool> option)
        => Verb.IsGiven(command, option) || resumed is null ? command.GetValue(option) : resumed.GetValue(option);
}
