using ConvNet.Backends;
using ConvNet.GradientChecking;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Formats descriptions of backends.</summary>
internal static class BackendText
{
    /// <summary>Formats a backend, for example <c>backend native 0.1.0 (avx512, fast), 2 threads</c>.</summary>
    public static string Of(BackendInfo info) => $"backend {info.Name} {info.Version} ({info.Isa}, "
        + $"{Words(info.Precision)}), {info.Threads} {(info.Threads == 1 ? "thread" : "threads")}";

    /// <summary>Writes one line for each backend that <c>auto</c> tried, and a warning if a named backend fails its
    /// self-test.</summary>
    public static void WriteChoice(Terminal terminal, BackendChoice choice)
    {
        foreach (BackendTrial trial in choice.Trials)
            terminal.People.WriteLine($"{BackendRegistry.Auto}: {(trial.IsTaken ? "selected" : "rejected")} "
                + $"{trial.Name}: {trial.Finding}");
        WarnIfWrong(terminal, choice.Name, choice.SelfTest);
    }

    /// <summary>Writes a warning if a backend fails its self-test.</summary>
    public static void WarnIfWrong(Terminal terminal, string name, SelfTestResult test)
    {
        if (!test.Passed)
            terminal.Warn($"{name} {test.Finding}; its results are wrong. Run convnet doctor --backend {name} for "
                + "a remedy.");
    }

    /// <summary>Formats a precision, for example <c>fast</c>.</summary>
    public static string Words(Precision precision) => $"{precision}".ToLowerInvariant();
}
