using System.ComponentModel;
using System.Diagnostics;

namespace ConvNet.Measurement.Workers;

/// <summary>A worker in its own process, with the environment of <see cref="WorkerEnvironment"/>.</summary>
public sealed class WorkerProcess : IWorker
{
    // The exit code after SIGINT.
    private const int Interrupted = 130;

    private static readonly TimeSpan ExitTimeout = TimeSpan.FromSeconds(5);

    // A signal from the terminal reaches the workers and this process at the same time.
    private static readonly TimeSpan SignalTimeout = TimeSpan.FromSeconds(1);

    private readonly Process _process;
    private readonly CancellationToken _cancellation;
    private readonly CancellationTokenRegistration _ending;
    private readonly Task<string> _errors;
    private readonly string _name;

    /// <summary>Starts a worker.</summary>
    /// <param name="name">The name of the worker in error messages.</param>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="cancellation">Ends the process at once.</param>
    /// <exception cref="WorkerException">The program cannot be started.</exception>
    public WorkerProcess(string name, IReadOnlyList<string> command, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(command);
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Clear();
        foreach ((string variable, string value) in WorkerEnvironment.From(WorkerEnvironment.Inherited))
            start.Environment[variable] = value;
        _name = name;
        _cancellation = cancellation;
        cancellation.ThrowIfCancellationRequested();
        try
        {
            _process = Process.Start(start)!;
        }
        catch (Win32Exception error)
        {
            throw new WorkerException($"The worker for {name} could not be started: {command[0]}: {error.Message}",
                error);
        }
        _errors = _process.StandardError.ReadToEndAsync(CancellationToken.None);
        _ending = cancellation.Register(Kill);
    }

    /// <inheritdoc/>
    /// <exception cref="OperationCanceledException">The operation was cancelled.</exception>
    public Response Ask(Request request)
    {
        try
        {
            _process.StandardInput.WriteLine(Protocol.Line(request));
            _process.StandardInput.Flush();
            if (_process.StandardOutput.ReadLine() is { } line)
                return Protocol.Read<Response>(line);
        }
        catch (IOException error)
        {
            throw Died(error);
        }
        throw Died(null);
    }

    /// <inheritdoc/>
    public TimeSpan ProcessorTime => _process.HasExited ? TimeSpan.Zero : _process.TotalProcessorTime;

    /// <summary>Ends the worker.</summary>
    public void Dispose()
    {
        _ending.Dispose();
        // Closes the stream below the writer, whose Dispose would fail to flush to a dead worker.
        _process.StandardInput.BaseStream.Dispose();
        if (!_process.WaitForExit(ExitTimeout))
            Kill();
        _process.Dispose();
    }

    private void Kill() => _process.Kill(entireProcessTree: true);

    private WorkerException Died(Exception? cause)
    {
        _process.WaitForExit(ExitTimeout);
        if (_process.HasExited && _process.ExitCode == Interrupted)
            _cancellation.WaitHandle.WaitOne(SignalTimeout);
        _cancellation.ThrowIfCancellationRequested();
        string code = _process.HasExited ? $" with exit code {_process.ExitCode}" : "";
        return new WorkerException($"The worker for {_name} ended unexpectedly{code}: {_errors.Result.Trim()}", cause);
    }
}
