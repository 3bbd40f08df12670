using System.Diagnostics;

namespace ConvNet.Measurement.Workers;

/// <summary>A worker in a process of its own, with the environment of <see cref="WorkerEnvironment"/>.</summary>
public sealed class WorkerProcess : IWorker
{
    private static readonly TimeSpan PatienceAtTheEnd = TimeSpan.FromSeconds(5);

    private readonly Process _process;
    private readonly Task<string> _errors;
    private readonly string _name;

    /// <summary>Starts a worker.</summary>
    /// <param name="name">What it is called in errors.</param>
    /// <param name="command">The program and its arguments.</param>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public WorkerProcess(string name, IReadOnlyList<string> command)
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
        _process = Process.Start(start)!;
        _errors = _process.StandardError.ReadToEndAsync();
    }

    /// <inheritdoc/>
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
        // Past the writer, which would fail once more with what a dead worker has not read.
        _process.StandardInput.BaseStream.Dispose();
        if (!_process.WaitForExit(PatienceAtTheEnd))
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private WorkerException Died(Exception? cause)
    {
        _process.WaitForExit(PatienceAtTheEnd);
        string code = _process.HasExited ? $" with exit code {_process.ExitCode}" : "";
        return new WorkerException($"The worker of {_name} ended{code}: {_errors.Result.Trim()}", cause);
    }
}
