namespace ConvNet.Cli;

/// <summary>The exit codes of the command.</summary>
internal static class ExitCode
{
    /// <summary>Success.</summary>
    public const int Ok = 0;

    /// <summary>A check failed, training diverged, or a worker ended unexpectedly.</summary>
    public const int Failed = 1;

    /// <summary>Invalid usage: an option, file, model, size or backend that cannot be used as requested, or output that
    /// cannot be written.</summary>
    public const int WrongUsage = 2;

    /// <summary>An internal error, reported with a stack trace.</summary>
    public const int InternalError = 70;

    /// <summary>Interrupted by SIGINT: 128 plus the signal number, as shells report it.</summary>
    public const int Interrupted = 130;
}
