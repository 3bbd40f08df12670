using ConvNet.GradientChecking;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Backends in words.</summary>
internal static class BackendText
{
    /// <summary>As <c>backend native 0.1.0 (avx512, fast), 2 threads</c>.</summary>
    public static string Of(BackendInfo info) => $"backend {info.Name} {info.Version} ({info.Isa}, "
        + $"{Words(info.Precision)}), {info.Threads} {(info.Threads == 1 ? "thread" : "threads")}";

    /// <summary>Writes what was tried where the program chose, one line for each backend, and warns of one that was
    /// named and computes wrong.</summary>
    public static void WriteChoice(Terminal terminal, BackendChoice choice)
    {
        foreach (BackendTrial trial in choice.Trials)
            terminal.People.WriteLine($"{BackendCatalog.Auto}: {(trial.IsTaken ? "takes" : "not")} {trial.Name}: "
                + $"{trial.Finding}");
        WarnIfWrong(terminal, choice.Name, choice.SelfTest);
    }

    /// <summary>Warns of a backend that fails its self-test.</summary>
    public static void WarnIfWrong(Terminal terminal, string name, SelfTestResult test)
    {
        if (!test.Passed)
            terminal.Warn($"{name} {test.Finding}; what it computes is wrong. convnet doctor --backend {name} says "
                + "what helps.");
    }

    /// <summary>As <c>fast</c>.</summary>
    public static string Words(Precision precision) => $"{precision}".ToLowerInvariant();
}
