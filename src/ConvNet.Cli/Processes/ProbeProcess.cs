using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ConvNet.Backends;
using ConvNet.GradientChecking;

namespace ConvNet.Cli;

/// <summary>Probes a backend in its own process, so that a crash is reported as a failure of the backend and does not
/// end this process.</summary>
internal static class ProbeProcess
{
    private static readonly JsonSerializerOptions s_form = new(JsonSerializerDefaults.Web);

    // A signal from the terminal reaches that process and this one at the same time.
    private static readonly TimeSpan s_signalTimeout = TimeSpan.FromSeconds(1);

    /// <summary>Probes a backend with the environment of this process.</summary>
    /// <param name="name">The name.</param>
    /// <param name="threads">The number of threads. Null selects all processors.</param>
    /// <param name="cancellation">Ends the process.</param>
    public static BackendProbe Of(string name, int? threads, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        string[] counted = threads is { } count ? ["--threads", count.ToString(CultureInfo.InvariantCulture)] : [];
        IReadOnlyList<string> command = OwnProgram.CommandFor(["doctor", "--backend", name, "--json", .. counted]);
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        using CancellationTokenRegistration ending = cancellation.Register(() => process.Kill(entireProcessTree: true));
        Task<string> errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode == ExitCode.Interrupted)
            cancellation.WaitHandle.WaitOne(s_signalTimeout);
        cancellation.ThrowIfCancellationRequested();
        return process.ExitCode is ExitCode.Ok or ExitCode.Failed ? Read(output)
            : Ended(name, process.ExitCode, errors.Result);
    }

    // Libraries may write before the document, for example oneDNN with ONEDNN_VERBOSE.
    private static BackendProbe Read(string output)
    {
        int start = output.StartsWith('{') ? 0 : output.IndexOf("\n{", StringComparison.Ordinal) + 1;
        using var document = JsonDocument.Parse(output.AsMemory(start));
        return document.RootElement.GetProperty("backends")[0].Deserialize<BackendProbe>(s_form)!;
    }

    private static BackendProbe Ended(string name, int code, string errors)
    {
        string last = errors.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .FirstOrDefault("no error output");
        string finding = string.Create(CultureInfo.InvariantCulture,
            $"failed its self-test: the process ended with exit code {code}: {Excerpt.Of(last)}");
        return new BackendProbe(name, true, null, null, null, null, null, null, null,
            new SelfTestResult(false, 0, 0, finding), []);
    }
}
