using System.ComponentModel;
using System.Diagnostics;

namespace ConvNet.Measurement;

/// <summary>The commit that a working copy is at.</summary>
public static class SourceCommit
{
    /// <summary>The abbreviated hash, with a word if there are changes; <c>unknown</c> where there is no git or no
    /// repository.</summary>
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
            // There is no git, which is no reason not to measure.
            return null;
        }
    }
}
