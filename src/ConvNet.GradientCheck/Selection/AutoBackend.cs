namespace ConvNet.GradientChecking;

/// <summary>A backend that may be taken.</summary>
/// <param name="Name">What it is called in the outcome.</param>
/// <param name="Make">Makes it; a <see cref="NotSupportedException"/> or a <see cref="DllNotFoundException"/> says why
/// it cannot run here.</param>
public sealed record BackendCandidate(string Name, Func<IBackend> Make);

/// <summary>What became of a candidate.</summary>
/// <param name="Name">The candidate.</param>
/// <param name="IsTaken">Whether it was taken.</param>
/// <param name="Finding">Why, or why not.</param>
public sealed record BackendTrial(string Name, bool IsTaken, string Finding);

/// <summary>The backend that was taken.</summary>
/// <param name="Name">The candidate.</param>
/// <param name="Backend">The backend; it is the caller's.</param>
/// <param name="SelfTest">What its self-test found.</param>
/// <param name="Trials">All candidates that were tried, in their order; the last one was taken. Empty where nothing was
/// left to choose.</param>
public sealed record BackendChoice(string Name, IBackend Backend, SelfTestResult SelfTest,
    IReadOnlyList<BackendTrial> Trials)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BackendChoice), (nameof(Name), Name),
        (nameof(Backend), Backend), (nameof(SelfTest), SelfTest), (nameof(Trials), Trials));
}

/// <summary>Takes the first backend of a list that can run here and passes its self-test.</summary>
/// <remarks>
/// <code>
/// BackendChoice choice = AutoBackend.Choose(
///     new("native", () => new NativeBackend()), new("torchsharp", () => new TorchSharpBackend()),
///     new("managed", () => new ManagedBackend()));
/// using IBackend backend = choice.Backend;
/// </code>
/// The order is the caller's, the fastest first, and no measurement of a moment: with a backend the bits of the results
/// change, so the same program on the same machine shall take the same one. <c>convnet compare</c> measures the order
/// for a network. Nothing is hidden: the outcome says of every candidate what was found.
/// </remarks>
public static class AutoBackend
{
    /// <summary>Takes a backend.</summary>
    /// <param name="candidates">The candidates, the fastest first.</param>
    /// <exception cref="NotSupportedException">None can run here and passes; the message says of each why
    /// not.</exception>
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
        throw new NotSupportedException("No backend can be taken. "
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
