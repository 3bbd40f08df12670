using System.Diagnostics;
using System.Reflection;

namespace ConvNet.Tests;

/// <summary>The repository that the tests were built from, and commands run in it or beside it.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>The configuration that the tests were built in: what they build beside them is then up to
    /// date.</summary>
    public static string Configuration { get; } =
        typeof(Repository).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;

    public static string Path(params string[] parts) => System.IO.Path.Combine([Root, .. parts]);

    /// <summary>Runs a program to its end, five minutes at most; null in the environment removes a variable.</summary>
    public static CommandResult Run(
        string folder, string program, string[] arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // `dotnet test` leaves the paths of its own MSBuild behind, which are wrong for any other one.
        foreach (string name in start.Environment.Keys.Where(k => k.StartsWith("MSBuild", StringComparison.Ordinal))
            .ToList())
            start.Environment.Remove(name);
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
            start.Environment[name] = value;

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(5)))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} ran for over five minutes in "
                + $"{folder}.");
        }
        return new CommandResult(process.ExitCode, output.Result + errors.Result);
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder, "ConvNative.sln")))
            folder = System.IO.Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException(
            $"No folder above {AppContext.BaseDirectory} holds ConvNative.sln: the tests run inside the repository.");
    }
}

/// <summary>How a command ended, and what it wrote to both of its streams.</summary>
internal sealed record CommandResult(int ExitCode, string Output);
