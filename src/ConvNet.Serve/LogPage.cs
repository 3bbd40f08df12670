using System.Net;
using ConvNet.Serve.Runs;
using ConvNet.Serve.Serving;

namespace ConvNet.Serve;

/// <summary>The page of trainings that have written logs, side by side. Logs that are still written are
/// followed.</summary>
public sealed class LogPage
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(500);

    private readonly LogFile[] _files;
    private readonly WatchedRun[] _runs;

    private LogPage(LogFile[] files, WatchedRun[] runs) => (_files, _runs) = (files, runs);

    /// <summary>The figures of each run.</summary>
    public IReadOnlyList<RunSummary> Summaries => [.. _runs.Select(run => run.Summary)];

    /// <summary>Reads logs.</summary>
    /// <param name="folders">Their folders.</param>
    /// <exception cref="InvalidDataException">A line of a log is no record.</exception>
    /// <exception cref="IOException">A folder has no log, or it cannot be read.</exception>
    public static LogPage Open(IReadOnlyList<string> folders)
    {
        ArgumentNullException.ThrowIfNull(folders);
        string[] names = NamesOf(folders);
        WatchedRun[] runs = [.. folders.Zip(names, (folder, name) => new WatchedRun(name, folder))];
        LogFile[] files = [.. folders.Zip(runs, (folder, run) => new LogFile(folder, run))];
        foreach (LogFile file in files)
            file.Read();
        return new LogPage(files, runs);
    }

    /// <summary>Serves the page until it is cancelled.</summary>
    /// <param name="address">The address to listen on.</param>
    /// <param name="port">The port; 0 for one that is free.</param>
    /// <param name="onStart">Called with the address of the page, when it can be opened.</param>
    /// <param name="onProblem">Called once for each log that can no longer be followed, with the reason.</param>
    /// <param name="cancellation">Ends the page.</param>
    /// <exception cref="IOException">The server cannot listen there.</exception>
    public void Serve(IPAddress address, int port, Action<Uri> onStart, Action<string> onProblem,
        CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(onStart);
        ArgumentNullException.ThrowIfNull(onProblem);
        var board = new RunBoard(_runs);
        using var server = PageServer.Start(board, address, port);
        onStart(server.Address);
        var followed = _files.Zip(_runs).ToList();
        while (!cancellation.WaitHandle.WaitOne(s_pause))
            followed.RemoveAll(each => !Follow(each.First, each.Second, board, onProblem));
        board.Complete();
    }

    private static bool Follow(LogFile file, WatchedRun run, RunBoard board, Action<string> onProblem)
    {
        try
        {
            if (file.Read())
                board.Changed();
            return true;
        }
        catch (Exception error) when (error is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            run.Warn(error.Message);
            board.Changed();
            onProblem(error.Message);
            return false;
        }
    }

    // The names of the folders, or their whole paths if two have the same name.
    private static string[] NamesOf(IReadOnlyList<string> folders)
    {
        string[] names = [.. folders.Select(folder => Path.GetFileName(Path.TrimEndingDirectorySeparator(
            Path.GetFullPath(folder))))];
        return names.Distinct().Count() == names.Length && names.All(name => name.Length > 0) ? names : [.. folders];
    }
}
