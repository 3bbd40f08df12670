using System.Net;
using System.Threading.Channels;
using ConvNet.Serve.Runs;
using ConvNet.Serve.Serving;

namespace ConvNet.Serve;

/// <summary>The page of a training, which shows it as it goes.</summary>
/// <remarks>The thread that trains only puts records into a queue. Everything else, and the waiting for browsers, is
/// done by others.</remarks>
public sealed class LivePage : IDisposable
{
    private readonly Channel<string> _records = Channel.CreateUnbounded<string>(
        new UnboundedChannelOptions { SingleReader = true });

    private readonly WatchedRun _run = new(name: null, folder: null);
    private readonly RunBoard _board;
    private readonly PageServer _server;
    private readonly Task _reading;

    private LivePage(IPAddress address, int port)
    {
        _board = new RunBoard([_run]);
        _server = PageServer.Start(_board, address, port);
        _reading = Task.Run(ReadAsync);
    }

    /// <summary>The address of the page, with the token that opens it.</summary>
    public Uri Address => _server.Address;

    /// <summary>Starts to serve a page.</summary>
    /// <param name="address">The address to listen on.</param>
    /// <param name="port">The port; 0 for one that is free.</param>
    /// <exception cref="IOException">The server cannot listen there.</exception>
    public static LivePage Start(IPAddress address, int port) => new(address, port);

    /// <summary>Shows a record. It returns at once.</summary>
    /// <param name="record">A record of the log of the training.</param>
    public void Publish(string record) => _records.Writer.TryWrite(record);

    /// <summary>Shows the pages that are open the end of the training, and stops.</summary>
    public void Dispose()
    {
        if (!_records.Writer.TryComplete())
            return;
        _reading.GetAwaiter().GetResult();
        _run.Interrupt();
        _board.Complete();
        _server.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _records.Reader.WaitToReadAsync())
        {
            while (_records.Reader.TryRead(out string? record))
                Add(record);
            _board.Changed();
        }
    }

    // A continued log may have been changed by hand. That is no reason to end the training.
    private void Add(string record)
    {
        try
        {
            _run.Add(record);
        }
        catch (InvalidDataException error)
        {
            _run.Warn($"A record is left out: {error.Message}.");
        }
    }
}
