using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Backends in words.</summary>
internal static class BackendText
{
    /// <summary>As <c>backend native 0.1.0 (avx512, fast), 2 threads</c>.</summary>
    public static string Of(BackendInfo info) => $"backend {info.Name} {info.Version} ({info.Isa}, {Words(info.Precision)}), {info.Threads} {(info.Threads == 1 ? "thread" : "threads")}";

    /// <summary>Writes what was tried where the program chose, one line for each backend.</summary>
    public static void WriteChoice(IAnsiConsole people, BackendChoice choice)
    {
        foreach (BackendTrial trial in choice.Trials)
            people.WriteLine($"{BackendCatalog.Auto}: {(trial.IsTaken ? "takes" : "not")} {trial.Name}: {trial.Finding}");
    }

    /// <summary>As <c>fast</c>.</summary>
    public static string Words(Precision precision) => $"{precision}".ToLowerInvariant();
}
