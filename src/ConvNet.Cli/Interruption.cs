using System.Runtime.InteropServices;

namespace ConvNet.Cli;

/// <summary>SIGINT and SIGTERM: the first asks the verb to end, and ends the process where the verb has not within a
/// second or two; the second ends it at once.</summary>
internal sealed class Interruption : IDisposable
{
    private const int BaseOfSignals = 128, SignalInterrupt = 2, SignalTerminate = 15;

    // Between two steps a verb sees that it was asked; one layer of the reference may take minutes.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1.5);

    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;
    private readonly FilesWritten _files;
    private readonly Timer _deadline;
    private int _signals;

    /// <summary>Listens for the signals.</summary>
    /// <param name="files">What the process has written.</param>
    public Interruption(FilesWritten files)
    {
        _files = files;
        _deadline = new Timer(_ => End());
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal)];
    }

    /// <summary>Is cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>The exit code of a process that was interrupted, as shells number it: 130 for SIGINT, 143 for
    /// SIGTERM.</summary>
    public int ExitCode { get; private set; } = App.Interrupted;

    /// <summary>The line that says so.</summary>
    public static string Message(FilesWritten files) => $"convnet: interrupted; {files.Words}.";

    /// <summary>Stops listening.</summary>
    public void Dispose()
    {
        _deadline.Dispose();
        Array.ForEach(_registrations, registration => registration.Dispose());
        _source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        // Not cancelled, the second one does what the system does with it.
        context.Cancel = Interlocked.Increment(ref _signals) == 1;
        if (!context.Cancel)
            return;
        ExitCode = BaseOfSignals + (context.Signal == PosixSignal.SIGTERM ? SignalTerminate : SignalInterrupt);
        _deadline.Change(Patience, Timeout.InfiniteTimeSpan);
        _source.Cancel();
    }

    private void End()
    {
        try
        {
            Console.Error.WriteLine(Message(_files));
        }
        catch (IOException)
        {
            // Nobody reads it.
        }
        // Past the destructors of libraries whose threads still compute.
        if (!OperatingSystem.IsWindows())
            ExitAtOnce(ExitCode);
        Environment.Exit(ExitCode);
    }

    [DllImport("libc", EntryPoint = "_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern void ExitAtOnce(int code);
}
