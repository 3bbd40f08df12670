using static System.FormattableString;

namespace ConvNet;

/// <summary>Something on this machine that limits a backend, or that it works around.</summary>
/// <param name="What">What was found, and what is done about it.</param>
/// <param name="Why">Why it matters.</param>
/// <param name="Remedy">What would make it right; or that nothing has to be done.</param>
public sealed record BackendLimit(string What, string Why, string Remedy);

/// <summary>Limits that more than one backend can meet.</summary>
internal static class BackendLimits
{
    /// <summary>The environment variables that are set, of those that change what a backend computes or how
    /// fast.</summary>
    /// <param name="known">Their names, or the beginnings of names behind which a * stands, and what they do.</param>
    public static IEnumerable<BackendLimit> OfEnvironment(params IEnumerable<(string Variable, string Effect)> known)
        => known.SelectMany(each => Set(each.Variable).Select(name => new BackendLimit(
            $"The environment variable {name} is set to \"{Excerpt.Of(Environment.GetEnvironmentVariable(name))}\".",
            each.Effect, $"Start the program without it: env -u {name}.")));

    /// <summary>What the number of threads is limited by, or itself limits.</summary>
    /// <param name="threads">The threads of a backend.</param>
    public static IEnumerable<BackendLimit> OfThreads(int threads)
        => OfThreads(threads, Environment.ProcessorCount, Processors.Online, Processors.Quota);

    /// <inheritdoc cref="OfThreads(int)"/>
    /// <param name="threads">The threads of a backend.</param>
    /// <param name="usable">Processors that this process may use, the quota rounded up.</param>
    /// <param name="online">Processors of the machine.</param>
    /// <param name="quota">The processors' time that a control group leaves, in processors; null where there is no
    /// limit.</param>
    internal static IEnumerable<BackendLimit> OfThreads(int threads, int usable, int online, double? quota)
    {
        string allowed = quota < online
            ? Invariant($"a control group leaves the time of {quota:0.##} of {Count(online)}")
            : $"this process may use {usable} of {Count(online)}";
        if (threads > usable)
        {
            yield return new BackendLimit(Invariant($"{threads} threads on {Count(usable)}."),
                "Threads take turns on the processors, and each call waits for the last of them: more threads than "
                    + "processors are slower than as many.",
                $"Ask for {usable} threads or fewer, or for no number.");
        }
        else if (quota < threads)
        {
            yield return new BackendLimit(Invariant($"{threads} threads, and {allowed}."),
                "The system stops all threads whenever their time of a period is used up.",
                Invariant($"Ask for {Math.Max(1, (int)quota)} threads, or raise the limit ")
                    + "(docker run --cpus, cpu.max of the control group).");
        }
        else if (threads == usable && usable < online)
        {
            yield return new BackendLimit(Invariant($"{threads} {(threads == 1 ? "thread" : "threads")}: {allowed}."),
                "The affinity of the process, a control group or DOTNET_PROCESSOR_COUNT leaves no more; with more it "
                    + "would be faster.",
                "Give the process more processors (taskset, docker run --cpus), or leave it so: results do not depend "
                    + "on it.");
        }
    }

    private static string Count(int processors)
        => Invariant($"{processors} {(processors == 1 ? "processor" : "processors")}");

    private static IEnumerable<string> Set(string variable) => variable.EndsWith('*')
        ? Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Where(name => name.StartsWith(variable[..^1], StringComparison.Ordinal)).Order(StringComparer.Ordinal)
        : Environment.GetEnvironmentVariable(variable) is { Length: > 0 } ? [variable] : [];
}
