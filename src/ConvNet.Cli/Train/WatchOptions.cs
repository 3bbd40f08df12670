using System.CommandLine;
using ConvNet.Cli.Verbs;
using ConvNet.Serve;

namespace ConvNet.Cli.Train;

/// <summary>The options of <c>train</c> that serve a page of the training as it goes.</summary>
internal sealed class WatchOptions
{
    private readonly ServedAddress _served;

    /// <summary>Adds the options to a verb.</summary>
    public WatchOptions(Verb verb) => _served = ServedAddress.Of(verb, "--serve", "Serve a page that shows the "
        + "training as it goes, and print its address: curves, filters, maps, mistakes, norms, memory, time left. "
        + "Without PORT, or with 0: on a port that is free.", "--serve-address");

    /// <summary>Whether there is a page.</summary>
    public bool IsServed(ParseResult command) => Verb.IsGiven(command, _served.Port);

    /// <summary>Opens the page; null if there is none.</summary>
    /// <exception cref="ArgumentException">An option needs another one.</exception>
    /// <exception cref="IOException">The page cannot be served there.</exception>
    public LivePage? Open(ParseResult command, Terminal terminal)
    {
        if (!IsServed(command))
            return !Verb.IsGiven(command, _served.Address) ? null : throw Verb.WithoutIts(_served.Address,
                _served.Port);
        (System.Net.IPAddress address, int port) = _served.Read(command, terminal);
        var page = LivePage.Start(address, port);
        terminal.Progress($"watch the training at {page.Address}");
        return page;
    }

    /// <summary>Says how the page can be opened again.</summary>
    /// <param name="terminal">The terminal.</param>
    /// <param name="log">The folder of the log; null if there is none.</param>
    public void WriteEnd(Terminal terminal, string? log) => terminal.Progress(log is null
        ? $"the page of {_served.Port.Name} has ended; with --log DIR, it can be opened again"
        : $"the page of {_served.Port.Name} has ended; to open it again: {Verb.Program} view {Verb.Quoted(log)}");
}
