using System.ComponentModel;
using System.Diagnostics;

namespace ConvNet.Measurement;

/// <summary>The commit of a working copy.</summary>
public static class SourceCommit
{
    /// <summary>Returns the abbreviated hash, with a note if there are local changes, or <c>unknown</c> without git or
    /// a repository.</summary>
    public static string Of(string folder)
    {
        string? hash = Git(folder, "rev-parse", "--short", "HEAD");
        return hash is null ? "unknown" : Git(folder, "status", "--porcelain", "--untracked-files=no") is "" ? hash
            : $"{hash} with changes";
    }

    private static string? Git(string folder, params string[] arguments)
    {
        try
        {
            using var git = Process.Start(new ProcessStartInfo("git", arguments)
            {
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
                RedirectStandardError = true
            })!;
            string output = git.StandardOutput.ReadToEnd();
            git.WaitForExit();
            return git.ExitCode == 0 ? output.Trim() : null;
        }
        catch (Win32Exception)
        {
            // git is not installed; the commit remains unknown.
            return null;
        }
    }
}
