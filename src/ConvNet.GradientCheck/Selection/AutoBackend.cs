namespace ConvNet.GradientChecking;

/// <summary>A candidate for <see cref="AutoBackend"/>.</summary>
/// <param name="Name">The name used in the outcome.</param>
/// <param name="Make">Creates the backend. It throws a <see cref="NotSupportedException"/> or a
/// <see cref="DllNotFoundException"/> if the backend cannot run on this machine.</param>
public sealed record BackendCandidate(string Name, Func<IBackend> Make);

/// <summary>The result of trying a candidate.</summary>
/// <param name="Name">The name of the candidate.</param>
/// <param name="IsTaken">Whether the candidate was selected.</param>
/// <param name="Finding">The reason why it was or was not selected.</param>
public sealed record BackendTrial(string Name, bool IsTaken, string Finding);

/// <summary>The selected backend.</summary>
/// <param name="Name">The name of the candidate.</param>
/// <param name="Backend">The backend. The caller disposes of it.</param>
/// <param name="SelfTest">The result of its self-test.</param>
/// <param name="Trials">The candidates that were tried, in order. The last one was selected. Empty if there was no
/// choice.</param>
public sealed record BackendChoice(string Name, IBackend Backend, SelfTestResult SelfTest,
    IReadOnlyList<BackendTrial> Trials)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BackendChoice), (nameof(Name), Name),
        (nameof(Backend), Backend), (nameof(SelfTest), SelfTest), (nameof(Trials), Trials));
}

/// <summary>Selects the first backend of a list that can run on this machine and passes its self-test.</summary>
/// <remarks>
/// <code>
/// BackendChoice choice = AutoBackend.Choose(
///     new("native", () => new NativeBackend()), new("torchsharp", () => new TorchSharpBackend()),
///     new("managed", () => new ManagedBackend()));
/// using IBackend backend = choice.Backend;
/// </code>
/// The caller lists the candidates, the fastest first; their speed is not measured here. Different backends round
/// differently, so a program should select the same backend on every run on a machine. <c>convnet compare</c> measures
/// which backend is fastest for a network. The outcome lists what was found for every candidate that was tried.
/// </remarks>
public static class AutoBackend
{
    /// <summary>Selects a backend.</summary>
    /// <param name="candidates">The candidates, the fastest first.</param>
    /// <exception cref="ArgumentNullException"><paramref name="candidates"/> is null.</exception>
    /// <exception cref="NotSupportedException">No candidate can run on this machine and passes its self-test. The
    /// message gives the reason for each.</exception>
    public static BackendChoice Choose(params IReadOnlyList<BackendCandidate> candidates)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        var trials = new List<BackendTrial>();
        foreach (BackendCandidate candidate in candidates)
        {
            (IBackend? backend, SelfTestResult? test, string finding) = Try(candidate);
            trials.Add(new BackendTrial(candidate.Name, backend is not null, finding));
            if (backend is not null)
                return new BackendChoice(candidate.Name, backend, test!, trials);
        }
        throw new NotSupportedException("No backend can be used. "
            + $"{string.Join(" ", trials.Select(trial => $"{trial.Name}: {trial.Finding}"))}");
    }

    private static (IBackend? Backend, SelfTestResult? SelfTest, string Finding) Try(BackendCandidate candidate)
    {
        try
        {
            IBackend backend = candidate.Make();
            SelfTestResult test = SelfTest.Of(backend);
            if (test.Passed)
                return (backend, test, test.Finding);
            backend.Dispose();
            return (null, test, test.Finding);
        }
        catch (Exception failure) when (failure is NotSupportedException or DllNotFoundException)
        {
            return (null, null, failure.Message);
        }
    }
}
