namespace ConvNet.Serialization;

/// <summary>Writes to a log until that fails. A training goes on without its log.</summary>
/// <param name="folder">The path of the log.</param>
/// <param name="content">What the log has, in the plural.</param>
/// <param name="onFailure">Receives the first failure; null if failures are thrown.</param>
internal sealed class LogGuard(string folder, string content, Action<Exception>? onFailure)
{
    private bool _failed;

    /// <summary>Forgets an earlier failure.</summary>
    public void Restart() => _failed = false;

    /// <summary>Writes, unless an earlier attempt failed.</summary>
    /// <exception cref="IOException">The log cannot be written, and failures are thrown.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write, and failures are
    /// thrown.</exception>
    public void Attempt(Action write)
    {
        if (_failed)
            return;
        try
        {
            write();
        }
        catch (Exception error) when (onFailure is not null && error is IOException or UnauthorizedAccessException)
        {
            _failed = true;
            onFailure(new IOException($"{folder}: the {content} end here, because they cannot be written: "
                + error.Message, error));
        }
    }
}
