using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace ConvNet.Cli;

/// <summary>Ends the process while other threads are running.</summary>
internal static class ProcessEnd
{
    /// <summary>Ends the process without the destructors of libraries whose threads still run.</summary>
    /// <param name="code">The exit code.</param>
    [DoesNotReturn]
    public static void AtOnce(int code)
    {
        if (!OperatingSystem.IsWindows())
            ExitAtOnce(code);
        Environment.Exit(code);
    }

    [DllImport("libc", EntryPoint = "_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern void ExitAtOnce(int code);
}
