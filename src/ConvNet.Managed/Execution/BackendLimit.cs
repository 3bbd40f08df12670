using static System.FormattableString;

namespace ConvNet;

/// <summary>A property of this machine that limits a backend, or that the backend works around.</summary>
/// <param name="What">What was found, and how the backend handles it.</param>
/// <param name="Why">Why it matters.</param>
/// <param name="Remedy">How to remove the limit, or a statement that no action is needed.</param>
public sealed record BackendLimit(string What, string Why, string Remedy);

/// <summary>Finds limits that are common to several backends.</summary>
internal static class BackendLimits
{
    /// <summary>The effect of <c>DOTNET_PROCESSOR_COUNT</c> on a backend.</summary>
    public const string DefaultThreads = "It sets the default number of threads.";

    /// <summary>Lists the environment variables that are set and that change the results or the speed of a
    /// backend.</summary>
    /// <param name="known">The names of the variables, or prefixes of names followed by *, and their effects.</param>
    public static IEnumerable<BackendLimit> OfEnvironment(params IEnumerable<(string Variable, string Effect)> known)
        => known.SelectMany(each => Set(each.Variable).Select(name => new BackendLimit(
            $"The environment variable {name} is set to \"{Excerpt.Of(Environment.GetEnvironmentVariable(name))}\".",
            each.Effect, $"Start the program without it: env -u {name}.")));

    /// <summary>Lists the limits that apply to, or result from, the number of threads.</summary>
    /// <param name="threads">The number of threads of the backend.</param>
    public static IEnumerable<BackendLimit> OfThreads(int threads)
        => OfThreads(threads, Environment.ProcessorCount, Processors.Online, Processors.Quota);

    /// <inheritdoc cref="OfThreads(int)"/>
    /// <param name="threads">The number of threads of the backend.</param>
    /// <param name="usable">The number of processors available to this process, with the quota rounded up.</param>
    /// <param name="online">The number of processors of the machine.</param>
    /// <param name="quota">The processor time that the control group allows, in processors; null if there is no
    /// limit.</param>
    internal static IEnumerable<BackendLimit> OfThreads(int threads, int usable, int online, double? quota)
    {
        string allowed = quota < online
            ? Invariant($"a control group limits this process to the time of {quota:0.##} of {Count(online)}")
            : $"this process may use {usable} of {Count(online)}";
        if (threads > usable)
        {
            yield return new BackendLimit(Invariant($"{threads} threads run on {Count(usable)}."),
                "The threads share the processors, and each call waits for the slowest of them. This is slower than "
                    + "one thread per processor.",
                    $"Use at most {usable} threads, or do not set the number.");
        }
        else if (quota < threads)
        {
            yield return new BackendLimit(Invariant($"There are {threads} threads, but {allowed}."),
                "The system suspends all threads once they have used up the time of a period.",
                Invariant($"Use {Math.Max(1, (int)quota)} threads, or raise the limit ")
                    + "(docker run --cpus, cpu.max of the control group).");
        }
        else if (threads == usable && usable < online)
        {
            yield return new BackendLimit(Invariant($"{threads} {(threads == 1 ? "thread" : "threads")}: {allowed}."),
                "The affinity of the process, a control group or DOTNET_PROCESSOR_COUNT allows no more. It would be "
                    + "faster with more.",
                    "Give the process more processors (taskset, docker run --cpus). This is optional: the results do "
                    + "not depend on it.");
        }
    }

    private static string Count(int processors)
        => Invariant($"{processors} {(processors == 1 ? "processor" : "processors")}");

    private static IEnumerable<string> Set(string variable) => variable.EndsWith('*')
        ? Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Where(name => name.StartsWith(variable[..^1], StringComparison.Ordinal)).Order(StringComparer.Ordinal)
        : Environment.GetEnvironmentVariable(variable) is { Length: > 0 } ? [variable] : [];
}
