using System.Runtime.InteropServices;

namespace ConvNet.Cli;

/// <summary>Handles SIGINT and SIGTERM. The first signal cancels the verb and, if it does not end within 1.5 seconds,
/// ends the process; a verb that saves its work is given the time that it needs. The second signal ends the process at
/// once.</summary>
internal sealed class Interruption : IDisposable
{
    private const int BaseOfSignals = 128, SignalInterrupt = 2, SignalTerminate = 15;

    // Cancellation takes effect between steps, but one layer of the reference may take minutes.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1.5);

    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;
    private readonly FilesWritten _files;
    private readonly Timer _deadline;
    private readonly bool _isQuiet;
    private int _signals;

    /// <summary>Starts listening for signals.</summary>
    /// <param name="files">The files written by the process.</param>
    /// <param name="isQuiet">Whether to print nothing, because another rank does.</param>
    public Interruption(FilesWritten files, bool isQuiet = false)
    {
        (_files, _isQuiet) = (files, isQuiet);
        _deadline = new Timer(_ => End());
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal)];
    }

    /// <summary>The token that the first signal cancels.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>The exit code after an interruption, as shells report it: 130 for SIGINT, 143 for SIGTERM.</summary>
    public int ExitCode { get; private set; } = Cli.ExitCode.Interrupted;

    /// <summary>Formats the message after an interruption.</summary>
    public static string Message(FilesWritten files)
        => $"convnet: interrupted; {files.Words}.{(files.Resume is { } resume ? $"\nTo resume: {resume}" : "")}";

    /// <summary>Stops listening.</summary>
    public void Dispose()
    {
        _deadline.Dispose();
        Array.ForEach(_registrations, registration => registration.Dispose());
        _source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        // The default action of the system applies to the second signal.
        context.Cancel = Interlocked.Increment(ref _signals) == 1;
        if (!context.Cancel)
            return;
        ExitCode = BaseOfSignals + (context.Signal == PosixSignal.SIGTERM ? SignalTerminate : SignalInterrupt);
        if (_files.SavesAtInterruption)
            Write("convnet: ending after this step. A second signal ends at once, without saving.");
        else
            _deadline.Change(Patience, Timeout.InfiniteTimeSpan);
        _source.Cancel();
    }

    private void End()
    {
        Write(Message(_files));
        ProcessEnd.AtOnce(ExitCode);
    }

    private void Write(string line)
    {
        if (_isQuiet)
            return;
        try
        {
            Console.Error.WriteLine(line);
        }
        catch (IOException)
        {
            // Standard error is closed.
        }
    }
}
